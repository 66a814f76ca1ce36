# SPDX-License-Identifier: Apache-2.0
"""Memory shared with NumPy and others, copies, pickling, printing, types."""

from __future__ import annotations

import array as stdlib_array
import copy
import importlib
import importlib.util
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import lepton

DTYPES = ["bool", "uint8", "int32", "int64", "float32", "float64"]
ROOT = Path(__file__).resolve().parent.parent


def address(array: np.ndarray[Any, Any]) -> int:
    return int(array.__array_interface__["data"][0])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    "view",
    [
        lambda a: a,
        lambda a: a.T,
        lambda a: a[::-1],
        lambda a: a[1:, ::-2],
        lambda a: a[:0],
        lambda a: a[0, 0, ...],
        lambda a: np.broadcast_to(a, (2, *a.shape)),
    ],
)
def test_memory_is_shared_both_ways(dtype, view):
    source = view(np.arange(24).reshape(4, 3, 2).astype(dtype))
    x = lepton.asarray(source)
    assert x.dtype == source.dtype
    assert x.shape == source.shape
    for back in (
        x.numpy(),
        np.asarray(x),
        np.from_dlpack(x) if source.flags.writeable else x.numpy(),
    ):
        assert address(back) == address(source) or source.size == 0
        np.testing.assert_array_equal(back, source)
    if source.flags.writeable and source.size:
        x[...] = 1
        assert (source == 1).all()
        source[...] = 0
        assert not x.any()


def test_copies_own_their_memory():
    source = np.arange(3.0)
    for x in (lepton.tensor(source), lepton.asarray(source, copy=True), lepton.Tensor(source)):
        assert not np.shares_memory(x.numpy(), source)
    assert lepton.asarray(source, copy=False).numpy().base is not None
    with pytest.raises(ValueError, match="needs a copy"):
        lepton.asarray(source, dtype=lepton.float32, copy=False)
    with pytest.raises(ValueError, match="needs a copy"):
        lepton.asarray([1.0], copy=False)
    with pytest.raises(ValueError, match="needs a copy"):
        np.asarray(lepton.ones(2), dtype=np.float64, copy=False)
    x = lepton.ones(2)
    assert lepton.asarray(x) is not None
    assert address(lepton.asarray(x).numpy()) == address(x.numpy())
    assert address(lepton.asarray(x, copy=True).numpy()) != address(x.numpy())


def test_read_only_memory_stays_read_only():
    source = np.arange(3.0)
    source.flags.writeable = False
    x = lepton.asarray(source)
    assert not x.numpy().flags.writeable
    for write in (
        lambda: x.__setitem__(0, 1.0),
        lambda: x.fill_(1),
        lambda: x.copy_([1.0, 2.0, 3.0]),
        lambda: x.__iadd__(1),
        lambda: x[1:].fill_(1),
    ):
        with pytest.raises(ValueError, match="read-only"):
            write()
    assert source.tolist() == [0, 1, 2]
    with pytest.raises(BufferError, match="read-only"):
        x.__dlpack__()
    assert not lepton.from_dlpack(x).numpy().flags.writeable


@pytest.mark.parametrize("dtype", [">f4", ">f8", ">i4", ">i8"])
def test_other_byte_order(dtype):
    source = np.arange(5).astype(dtype)
    assert lepton.asarray(source).tolist() == [0, 1, 2, 3, 4]
    assert lepton.asarray(source).dtype == source.dtype.newbyteorder("=")


def test_unaligned_memory():
    raw = np.zeros(33, np.uint8)
    source = raw[1:].view(np.float64)
    source[:] = [1, 2, 3, 4]
    x = lepton.asarray(source)
    assert x.tolist() == [1, 2, 3, 4]
    record = np.zeros(3, dtype=[("a", "i1"), ("b", "f4")])
    record["b"] = [1, 2, 3]
    assert lepton.asarray(record["b"]).tolist() == [1, 2, 3]


def test_buffers_and_python_data():
    assert lepton.asarray(stdlib_array.array("d", [1, 2])).dtype == lepton.float64
    assert lepton.asarray(memoryview(b"\1\2")).dtype == lepton.uint8
    assert lepton.tensor(2.5).dtype == lepton.float32
    assert lepton.tensor([1, 2]).dtype == lepton.int64
    assert lepton.tensor([[True], [False]]).dtype == lepton.bool
    assert lepton.tensor(np.float64(1)).dtype == lepton.float64
    assert lepton.tensor([np.zeros(2), np.ones(2)]).dtype == lepton.float64
    assert lepton.tensor(np.float16([1])).dtype == lepton.float32
    assert lepton.tensor([]).dtype == lepton.float32
    assert lepton.asarray([lepton.ones(2), lepton.zeros(2)]).shape == (2, 2)


def test_memory_lives_as_long_as_its_last_user():
    x = lepton.asarray(np.arange(1000.0))
    y = x.numpy()[10:20]
    z = lepton.from_dlpack(y)
    del x, y
    assert z.tolist() == list(range(10, 20))


def test_dlpack_with_torch():
    torch = pytest.importorskip("torch")
    x = lepton.rand(3, 4)[:, ::2]
    t = torch.from_dlpack(x)
    t[0, 0] = 7
    assert x[0, 0].item() == 7
    back = lepton.from_dlpack(t)
    back[1, 1] = 8
    assert t[1, 1].item() == 8
    assert x[1, 1].item() == 8


def test_dlpack_refuses_what_would_get_lost():
    x = lepton.ones(2).requires_grad_()
    with pytest.raises(BufferError, match=r"records gradients.*detach"):
        x.__dlpack__()
    with pytest.raises(ValueError, match="records gradients"):
        lepton.from_dlpack(x)
    with pytest.raises(BufferError, match="dl_device"):
        lepton.ones(2).__dlpack__(dl_device=(2, 0))
    with pytest.raises(AttributeError, match="__dlpack__"):
        lepton.from_dlpack([1])
    copied = np.from_dlpack(lepton.ones(2), copy=True)
    assert copied.tolist() == [1, 1]
    assert lepton.ones(2).__dlpack_device__() == (1, 0)


def test_gradients_do_not_leave_silently():
    x = lepton.ones(2).requires_grad_()
    for call in (x.numpy, lambda: np.asarray(x), lambda: np.sinh(x.detach()) + np.cbrt(x)):
        with pytest.raises(ValueError, match=r"records gradients.*detach"):
            call()
    assert x.detach().numpy().tolist() == [1, 1]


OPERATORS = ["add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "matmul"]
OPERATORS += ["lt", "le", "eq", "ne", "gt", "ge"]


@pytest.mark.parametrize("name", OPERATORS)
def test_operators_mixed_with_arrays_give_tensors_with_gradients(name):
    import operator

    function = getattr(operator, name)
    a = np.array([[1.0, 2.0], [3.0, 5.0]])
    t = lepton.tensor(a + 1, requires_grad=True)
    for left, right in ((a, t), (t, a)):
        result = function(left, right)
        assert isinstance(result, lepton.Tensor)
        plain = [
            np.asarray(v.detach() if isinstance(v, lepton.Tensor) else v) for v in (left, right)
        ]
        np.testing.assert_allclose(result.detach().numpy(), function(*plain), rtol=1e-14)
        assert result.requires_grad == (result.dtype == lepton.float64)


def test_numpy_functions_take_tensors():
    t = lepton.tensor(np.arange(6.0).reshape(2, 3))
    a = t.numpy()
    for name in ("sum", "mean", "max", "min", "prod", "std", "var", "argmax", "any", "all"):
        function = getattr(np, name)
        np.testing.assert_allclose(np.asarray(function(t)), function(a))
        np.testing.assert_allclose(np.asarray(function(t, axis=0)), function(a, axis=0))
    assert isinstance(np.exp(t), lepton.Tensor)
    assert isinstance(np.cbrt(t), lepton.Tensor)
    np.testing.assert_allclose(np.asarray(np.exp(t)), np.exp(a))
    np.testing.assert_array_equal(np.concatenate([t, t]), np.concatenate([a, a]))
    total = a.copy()
    total += t
    assert isinstance(total, np.ndarray)
    np.testing.assert_array_equal(total, 2 * a)
    with pytest.raises(TypeError, match="out expects an ndarray"):
        np.add(a, a, out=t)


def test_numpy_indexes_with_tensors_and_tensors_with_arrays():
    a = np.arange(5)
    t = lepton.asarray(a)
    assert a[lepton.asarray([1, 3])].tolist() == [1, 3]
    assert a[lepton.tensor(2)] == 2
    assert t[np.array([1, 3])].tolist() == [1, 3]
    assert t[np.array([True, False] * 2 + [True])].tolist() == [0, 2, 4]
    assert t[np.int64(2)].item() == 2
    t[np.array([0, 1])] = np.array([7, 8])
    assert a.tolist() == [7, 8, 2, 3, 4]
    assert list(range(5))[lepton.tensor(3)] == 3


@pytest.mark.parametrize("dtype", DTYPES)
def test_pickle_and_deepcopy(dtype):
    x = lepton.asarray(np.arange(6).reshape(2, 3).astype(dtype).T)
    for y in (pickle.loads(pickle.dumps(x)), copy.deepcopy(x), copy.copy(x)):
        assert (y.dtype, y.shape, y.requires_grad) == (x.dtype, x.shape, False)
        np.testing.assert_array_equal(y.numpy(), x.numpy())
    assert not np.shares_memory(copy.deepcopy(x).numpy(), x.numpy())


def test_copies_keep_gradients_of_leaves():
    x = lepton.tensor([1.0, 2.0], requires_grad=True)
    (x * x).sum().backward()
    y = copy.deepcopy(x)
    assert y.requires_grad
    assert y.grad.tolist() == [2, 4]
    assert pickle.loads(pickle.dumps(x)).requires_grad
    for call in (copy.deepcopy, pickle.dumps):
        with pytest.raises(TypeError, match="leaves"):
            call(x * 2)
    shared = copy.deepcopy([x, x])
    assert shared[0] is shared[1]


def test_conveniences():
    x = lepton.arange(24).reshape(2, 3, 4)
    assert x.flatten().shape == (24,)
    assert x.flatten(1).shape == (2, 12)
    assert x.view(6, -1).shape == x.view((6, 4)).shape == (6, 4)
    with pytest.raises(ValueError, match="without a copy"):
        x.transpose().view(24)
    assert x.transpose().shape == (4, 3, 2)
    assert x.transpose(1, 0, 2).shape == x.permute((1, 0, 2)).shape == (3, 2, 4)
    assert x.swapaxes(0, -1).shape == (4, 3, 2)
    assert x.unsqueeze(1).shape == (2, 1, 3, 4)
    assert x.unsqueeze(1).squeeze().shape == x.unsqueeze(1).squeeze(1).shape == (2, 3, 4)
    assert x.sum(dim=1, keepdim=True).shape == x.sum(1, keepdims=True).shape == (2, 1, 4)
    assert x.argmax(1).tolist() == x.argmax(dim=1).tolist()
    assert x.sort(dim=1, descending=True)[0, :, 0].tolist() == [8, 4, 0]
    assert (x.float().dtype, x.double().dtype) == (lepton.float32, lepton.float64)
    assert (x.long().dtype, x.int().dtype, x.bool().dtype) == (
        lepton.int64,
        lepton.int32,
        lepton.bool,
    )
    assert f"{lepton.tensor(1.25):.1f}" == "1.2"
    assert f"{lepton.tensor([2]):03d}" == "002"
    assert (float(lepton.tensor(1.5)), int(lepton.tensor([3])), complex(lepton.tensor(2.0))) == (
        1.5,
        3,
        2,
    )
    with pytest.raises(TypeError, match="one element"):
        f"{x:.1f}"
    with pytest.raises(ValueError, match="ambiguous"):
        bool(x)
    assert x.device == "cpu"
    assert x.to_device("cpu") is x


PRINTED = [
    (lambda: lepton.tensor([1.0, 2.5]), "tensor([1. , 2.5], dtype=float32)"),
    (lambda: lepton.tensor([1, 2]), "tensor([1, 2])"),
    (lambda: lepton.tensor(True), "tensor(True)"),
    (lambda: lepton.tensor([[1, 2], [3, 4]]), "tensor([[1, 2],\n        [3, 4]])"),
    (lambda: lepton.zeros((0, 2)), "tensor([], shape=(0, 2), dtype=float32)"),
    (lambda: lepton.zeros(0), "tensor([], dtype=float32)"),
    (lambda: lepton.ones(1).requires_grad_(), "tensor([1.], dtype=float32, requires_grad=True)"),
    (lambda: lepton.arange(3, dtype=lepton.uint8), "tensor([0, 1, 2], dtype=uint8)"),
]


@pytest.mark.parametrize(("make", "text"), PRINTED)
def test_prints_like_numpy(make, text):
    assert repr(make()) == text
    assert str(make()) == str(make().detach().numpy())


def test_big_tensors_are_summarised():
    assert len(repr(lepton.zeros((2000, 2000)))) < 1000
    assert "..." in repr(lepton.zeros((2000, 2000)))


class Hostile:
    def __array__(self, *args: Any, **options: Any) -> Any:
        raise RuntimeError("not today")


ODD = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(),
    st.text(max_size=3),
    st.binary(max_size=3),
    st.just([[1], [1, 2]]),
    st.just([]),
    st.just({}),
    st.just(object()),
    st.just(Hostile()),
    st.just(np.array(["a"])),
    st.just(np.array([1j])),
    st.just(lepton.float32),
    st.lists(st.integers(-3, 3), max_size=3),
    st.tuples(st.integers(-(2**40), 2**62), st.integers(-2, 2**62)),
    st.builds(lambda: lepton.zeros((2, 0, 3))),
    st.builds(lambda: lepton.ones(())),
    st.builds(lambda: lepton.arange(6).reshape(2, 3)),
    st.builds(lambda: lepton.full((3, 3), float("nan"))),
    hnp.arrays(st.sampled_from(DTYPES), hnp.array_shapes(max_dims=2, max_side=3)),
)
CALLABLE = {
    n: f
    for space in (lepton, lepton.linalg)
    for n, f in vars(space).items()
    if callable(f) and not n.startswith("_") and not isinstance(f, type)
}
for name in ("set_num_threads", "set_isa", "set_rng_state", "set_cache_limit", "manual_seed"):
    CALLABLE.pop(name)  # these change the process
WORDS = ["axis", "dtype", "keepdims", "copy", "k", "ord", "shape", "n", "correction", "nonsense"]
# How Lepton, NumPy's conversions and Python itself refuse.
REFUSALS = (
    TypeError,
    ValueError,
    IndexError,
    AttributeError,
    MemoryError,
    BufferError,
    RuntimeError,
)


@pytest.mark.parametrize("name", CALLABLE)
@given(st.lists(ODD, max_size=3), st.dictionaries(st.sampled_from(WORDS), ODD, max_size=1))
@settings(max_examples=12, deadline=None)
def test_odd_arguments_give_one_sentence(name, arguments, options):
    text = "accepted"
    try:
        CALLABLE[name](*arguments, **options)
    except REFUSALS as error:
        text = str(error)
    assert 0 < len(text) < 600


def test_stubs_are_fresh():
    spec = importlib.util.spec_from_file_location("stubs", ROOT / "tools" / "stubs.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    for name, text in module.stubs().items():
        committed = (module.TARGET / name).read_text()
        assert committed == text, f"{name} is stale: run python tools/stubs.py"
