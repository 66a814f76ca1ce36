# SPDX-License-Identifier: Apache-2.0
"""The tape: accumulation, freeing, modes, writes in place, deep graphs, odd inputs."""

from __future__ import annotations

import copy
import gc
import threading
import weakref

import numpy as np
import pytest

import lepton
from lepton import _core


def leaf(*values: float) -> lepton.Tensor:
    return lepton.tensor(list(values), dtype=lepton.float64, requires_grad=True)


def test_gradients_accumulate_until_reset():
    x = leaf(1, 2)
    for times in (1, 2, 3):
        (x * x).sum().backward()
        assert x.grad.tolist() == [2 * times, 4 * times]
    x.grad = None
    (x * 3).sum().backward()
    assert x.grad.tolist() == [3, 3]


def test_a_tensor_used_twice_gets_both_gradients():
    x = leaf(2)
    y = x * x
    (y * y + y + x).sum().backward()
    assert x.grad.item() == 4 * 8 + 2 * 2 + 1


def test_graph_is_freed_unless_retained():
    x = leaf(3)
    y = (x * x).sum()
    y.backward(retain_graph=True)
    y.backward()
    assert x.grad.item() == 12
    with pytest.raises(RuntimeError, match=r"multiply|sum.*retain_graph=True"):
        y.backward()
    assert x.grad.item() == 12


def test_gradient_argument():
    x = leaf(1, 2)
    y = x * 2
    y.backward(lepton.tensor([1.0, 10.0], dtype=lepton.float64))
    assert x.grad.tolist() == [2, 20]
    for bad, error in (
        (lepton.ones(3, dtype=lepton.float64), ValueError),
        (lepton.ones(2), TypeError),
        ("x", TypeError),
    ):
        with pytest.raises(error):
            (x * 2).backward(bad)
    with pytest.raises(ValueError, match="not a scalar"):
        (x * 2).backward()
    with pytest.raises(ValueError, match="no gradient"):
        lepton.ones(()).backward()


def test_modes_nest_and_come_back_after_errors():
    x = leaf(1)
    with lepton.no_grad():
        assert not (x * 2).requires_grad
        with lepton.enable_grad():
            assert (x * 2).requires_grad
        with pytest.raises(ZeroDivisionError), lepton.enable_grad():
            1 / 0  # noqa: B018
        assert not lepton.is_grad_enabled()
    assert lepton.is_grad_enabled()

    @lepton.no_grad()
    def double(t: lepton.Tensor) -> lepton.Tensor:
        return t * 2

    assert not double(x).requires_grad


def test_modes_belong_to_their_thread():
    seen = []
    with lepton.no_grad():
        thread = threading.Thread(target=lambda: seen.append(lepton.is_grad_enabled()))
        thread.start()
        thread.join()
    assert seen == [True]


def test_detach_shares_memory_and_stops_gradients():
    x = leaf(1, 2)
    y = x.detach()
    assert not y.requires_grad
    assert np.shares_memory(y.numpy(), x.detach().numpy())
    (x * y).sum().backward()
    assert x.grad.tolist() == [1, 2]


def test_only_floating_leaves_take_gradients():
    with pytest.raises(ValueError, match="int64"):
        lepton.arange(3).requires_grad_()
    with pytest.raises(ValueError, match="leaf"):
        (leaf(1) * 2).requires_grad_(False)


SAVING = [
    ("multiply", lambda x: x * x),
    ("exp", lepton.exp),
    ("matmul", lambda x: x.reshape(1, 2) @ x.reshape(2, 1)),
    ("prod", lepton.prod),
    ("max", lepton.max),
    ("divide", lambda x: 1 / x),
    ("vector_norm", lepton.linalg.vector_norm),
]


@pytest.mark.parametrize(
    ("name", "function"), SAVING, ids=lambda v: v if isinstance(v, str) else ""
)
def test_writing_to_what_a_gradient_needs_raises_and_names_the_op(name, function):
    source = leaf(1, 2)
    x = source * 1  # no leaf, so it may be written as long as nobody needs it
    y = function(x)
    saved = [t for t in (x, y) if t.size]
    refused = []
    for t in saved:
        before = t.tolist()
        try:
            t[...] = 5.0
        except RuntimeError as error:
            refused.append(str(error))
        else:
            continue
        assert t.tolist() == before
    assert refused
    assert all(name in text for text in refused)
    del y, t, saved
    gc.collect()
    x[...] = 5.0  # with the graph gone nothing holds it any more


def test_writing_behind_the_tapes_back_is_noticed_in_backward():
    x = leaf(1, 2)
    y = (x * x).sum()
    with lepton.no_grad():
        x[0] = 9.0
    with pytest.raises(RuntimeError, match=r"multiply.*changed in place"):
        y.backward()


def test_leaves_are_written_only_without_gradients():
    x = leaf(1, 2)
    for write in (lambda: x.__setitem__(0, 1.0), lambda: x.fill_(0), lambda: x.__iadd__(1)):
        with pytest.raises(RuntimeError, match="leaf"):
            write()
    with lepton.no_grad():
        x += 1
    assert x.tolist() == [2, 3]


def test_in_place_operators_take_part_in_the_graph():
    x = leaf(1, 2)
    y = x * 3
    same = y
    y *= 2
    y += x
    assert same is y
    y.sum().backward()
    assert x.grad.tolist() == [7, 7]
    z = lepton.zeros(2)
    z += leaf(1, 2)  # float64 values into float32 memory
    assert z.dtype == lepton.float32
    assert z.requires_grad
    with pytest.raises(TypeError, match="cannot be written into int64"):
        lepton.arange(2).__iadd__(0.5)
    with pytest.raises(ValueError, match="shape"):
        lepton.ones(2).__iadd__(lepton.ones((3, 2)))


def test_in_place_with_another_dtype_gives_the_right_gradient():
    x = leaf(1, 2, 3)
    z = lepton.ones(3)
    z *= x
    z.sum().backward()
    assert x.grad.tolist() == [1, 1, 1]
    assert x.grad.dtype == lepton.float64


def test_a_long_chain_is_differentiated_and_freed_without_recursion():
    x = leaf(1)
    y = x
    for _ in range(100_000):
        y = y + x
    y.sum().backward()
    assert x.grad.item() == 100_001
    y = x
    for _ in range(100_000):
        y = y * 1.0
    del y  # freed without a backward


def test_backward_frees_what_was_saved():
    x = leaf(*range(1000))
    held = []

    def chain(t: lepton.Tensor) -> lepton.Tensor:
        for _ in range(5):
            t = lepton.exp(t * 1e-3)
            held.append(weakref.ref(t))
        return t.sum()

    y = chain(x)
    before = lepton.memory_stats()["in_use"]
    y.backward()
    gc.collect()
    assert lepton.memory_stats()["in_use"] < before
    assert all(ref() is None for ref in held)


def test_gradients_of_broadcast_strided_and_empty_inputs():
    x = leaf(1, 2, 3)
    column = lepton.ones((4, 1), dtype=lepton.float64).requires_grad_()
    (x * column).sum().backward()
    assert x.grad.tolist() == [4, 4, 4]
    assert column.grad.tolist() == [[6], [6], [6], [6]]
    grid = lepton.tensor(np.arange(12.0).reshape(3, 4), requires_grad=True)
    (grid.T[::2, ::-1] * lepton.tensor([[1.0, 2, 3], [4, 5, 6]])).sum().backward()
    assert grid.grad.tolist() == [[3, 0, 6, 0], [2, 0, 5, 0], [1, 0, 4, 0]]
    empty = lepton.zeros((0, 3)).requires_grad_()
    (empty * lepton.ones(3)).sum().backward()
    assert empty.grad.shape == (0, 3)
    wide = leaf(2)
    lepton.broadcast_to(wide, (5, 1)).sum().backward()
    assert wide.grad.tolist() == [5]


def test_gradients_reach_both_dtypes():
    a = lepton.ones(2).requires_grad_()
    b = leaf(1, 2)
    (a * b).sum().backward()
    assert (a.grad.dtype, b.grad.dtype) == (lepton.float32, lepton.float64)


def test_grad_can_be_set_and_is_checked():
    x = leaf(1, 2)
    x.grad = lepton.zeros(2, dtype=lepton.float64)
    with pytest.raises(ValueError, match="shape"):
        x.grad = lepton.zeros(3, dtype=lepton.float64)
    with pytest.raises(TypeError, match="dtype"):
        x.grad = lepton.zeros(2)
    with pytest.raises(TypeError, match="Tensor"):
        x.grad = 3


def test_python_functions_join_the_tape():
    x = leaf(1, 2)

    def double(t: lepton.Tensor) -> lepton.Tensor:
        return _core.record("double", [t], t.detach() * 2, lambda dy: (dy * 2,), [t])

    y = double(x)
    assert y.operation == "double"
    (y * y).sum().backward()
    assert x.grad.tolist() == [8, 16]
    z = x * 1
    double(z).sum()
    kept = double(z)
    with pytest.raises(RuntimeError, match="double"):
        z[0] = 0.0
    del kept


@pytest.mark.parametrize(
    ("result", "error", "words"),
    [
        (lambda dy: dy, TypeError, "tuple"),
        (lambda dy: (dy, dy), ValueError, "expects to return 1 gradients, got 2"),
        (lambda dy: (dy.sum(),), ValueError, "expects shape"),
        (lambda dy: (3,), TypeError, "expects a Tensor"),
        (lambda dy: 1 / 0, ZeroDivisionError, "division"),
    ],
)
def test_wrong_python_gradients_are_named(result, error, words):
    x = leaf(1, 2)
    y = _core.record("odd", [x], x.detach() * 1, result)
    with pytest.raises(error, match=words):
        y.sum().backward()
    assert x.grad is None


def test_sort_and_unique_pass_gradients():
    x = leaf(3, 1, 2, 1)
    weight = lepton.tensor([1.0, 10, 100, 1000], dtype=lepton.float64)
    (lepton.sort(x) * weight).sum().backward()
    assert x.grad.tolist() == [1000, 1, 100, 10]
    x.grad = None
    lepton.unique_values(x).sum().backward()
    assert x.grad.tolist() == [1, 1, 1, 0]


def test_clip_and_the_pieces_of_split_pass_gradients():
    x = leaf(-2, 0, 0.5, 1, 3)
    lepton.clip(x, 0, 1).sum().backward()
    assert x.grad.tolist() == [0, 1, 1, 1, 0]
    x.grad = None
    first, second = lepton.split(x, [2])
    (first.sum() * 2 + second.sum() * 3).backward()
    assert x.grad.tolist() == [2, 2, 3, 3, 3]


def test_manipulation_passes_gradients():
    weight = lepton.asarray(np.arange(12.0))
    for function in (
        lambda x: lepton.tile(x, (2, 2)),
        lambda x: lepton.roll(x, 2),
        lambda x: lepton.repeat(x, 3, axis=1),
        lambda x: lepton.moveaxis(x, 0, 1),
        lambda x: lepton.tril(x),
        lambda x: lepton.diff(x, axis=0),
        lambda x: lepton.stack(lepton.unstack(x, axis=1)),
        lambda x: lepton.concat(lepton.meshgrid(x[0], x[1]), axis=0),
    ):
        x = lepton.tensor(np.arange(6.0).reshape(3, 2), requires_grad=True)
        y = function(x)
        weight = lepton.asarray(np.arange(1.0, y.size + 1).reshape(y.shape))
        (y * weight).sum().backward()
        for k in range(6):  # linear functions: one-hot inputs give the gradient exactly
            unit = np.zeros(6)
            unit[k] = 1
            expected = (function(lepton.asarray(unit.reshape(3, 2))) * weight).sum().item()
            assert x.grad.flatten()[k].item() == expected


def test_random_state_and_copies_do_not_disturb_gradients():
    x = leaf(1)
    y = copy.deepcopy(x)
    (x * 2).sum().backward()
    assert y.grad is None
