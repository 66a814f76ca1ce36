"""Gradients that are rows: their sums, what takes them, the optimisers that change rows alone."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest

import lepton
from lepton import nn, optim
from lepton.nn import functional

ROWS, COLUMNS = 50, 7
Array = np.ndarray[Any, Any]


def table(dtype: str = "float32", seed: int = 0) -> nn.Parameter:
    random = np.random.default_rng(seed)
    return nn.Parameter(lepton.asarray(random.standard_normal((ROWS, COLUMNS)).astype(dtype)))


def look_up(weight: Any, indices: Any, sparse: bool = True, seed: int = 1, **options: Any) -> None:
    """One backward pass with a gradient of its own for every element."""
    y = functional.embedding(lepton.asarray(indices), weight, sparse=sparse, **options)
    dy = np.random.default_rng(seed).standard_normal(y.shape).astype(y.dtype)
    y.backward(lepton.asarray(dy))


def both(indices: Any, dtype: str = "float32", **options: Any) -> tuple[Any, Any]:
    """The gradients as rows and as a tensor."""
    weights = table(dtype), table(dtype)
    for weight, sparse in zip(weights, (True, False), strict=True):
        look_up(weight, indices, sparse, **options)
    return weights[0].grad, weights[1].grad


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    "indices", [[3], [4, 4, 4], [[49, 0, 7], [0, 7, 0]], [], np.zeros((0, 3), int)], ids=str
)
def test_rows_equal_the_dense_gradient(indices: Any, dtype: str) -> None:
    indices = np.asarray(indices, int)
    rows, dense = both(indices, dtype)
    assert isinstance(rows, lepton.SparseRows)
    assert rows.indices.tolist() == sorted(set(indices.ravel().tolist()))
    assert rows.shape == (ROWS, COLUMNS)
    assert rows.dtype == dense.dtype == dtype
    # Both add the rows of one index in the order of the indices.
    np.testing.assert_array_equal(rows.to_dense().numpy(), dense.numpy())


def test_padding_takes_no_row() -> None:
    rows, dense = both([1, 5, 1, 0], padding_idx=-49)
    assert rows.indices.tolist() == [0, 5]
    np.testing.assert_array_equal(rows.to_dense().numpy(), dense.numpy())


@pytest.mark.parametrize("rows", [2, 3000, 70_000])
def test_same_bits_for_any_number_of_threads(rows: int) -> None:
    indices = np.random.default_rng(2).integers(0, rows, 20_000)
    found = set()
    for threads in (1, 2, 3, 4):
        lepton.set_num_threads(threads)
        weight = nn.Parameter(lepton.ones((rows, 16)))
        optimizer = optim.AdamW([weight], sparse="lazy")
        for seed in range(2):
            look_up(weight, indices, seed=seed)
        bits = weight.grad.indices.numpy().tobytes() + weight.grad.values.numpy().tobytes()
        optimizer.step()
        found.add(bits + weight.detach().numpy().tobytes())
    assert len(found) == 1


@pytest.mark.parametrize("kinds", [(True, True), (True, False), (False, True), (True, False, True)])
def test_gradients_add_up(kinds: tuple[bool, ...]) -> None:
    weight, expected = table("float64"), table("float64")
    for seed, sparse in enumerate(kinds):
        indices = np.random.default_rng(seed).integers(0, 12, 30)
        look_up(weight, indices, sparse, seed)
        look_up(expected, indices, False, seed)
    assert isinstance(weight.grad, lepton.SparseRows) == all(kinds)
    grad = weight.grad.to_dense() if all(kinds) else weight.grad
    np.testing.assert_allclose(grad.numpy(), expected.grad.numpy(), rtol=1e-14, atol=1e-14)


def test_weight_used_in_other_ops_too() -> None:
    x = lepton.asarray(np.random.default_rng(4).standard_normal((3, COLUMNS)))
    grads = []
    for sparse in (True, False):
        weight = table("float64")
        hidden = functional.embedding(lepton.asarray([2, 2, 9]), weight, sparse=sparse)
        lepton.sum(functional.linear(hidden * x, weight) ** 2).backward()
        grads.append(weight.grad.numpy())
    np.testing.assert_allclose(*grads, rtol=1e-13)


def test_table_that_is_a_result() -> None:
    grads = []
    for sparse in (True, False):
        weight = table("float64")
        look_up(weight * 2 + 1, [3, 3, 8], sparse)
        grads.append(weight.grad.numpy())
    np.testing.assert_array_equal(*grads)


def test_table_of_another_layout_and_its_gradient() -> None:
    values = np.random.default_rng(5).standard_normal((COLUMNS, ROWS)).astype("f4").T
    weight, expected = nn.Parameter(lepton.asarray(values)), table()
    assert not weight.is_contiguous()
    expected.detach().copy_(lepton.asarray(values))
    for w in (weight, expected):
        optimizer = optim.AdamW([w], sparse="lazy")
        look_up(w, [6, 2, 6])
        optimizer.step()
        w.grad = lepton.zeros((COLUMNS, ROWS)).T
        look_up(w, [6, 2, 6])
    np.testing.assert_array_equal(weight.detach().numpy(), expected.detach().numpy())
    np.testing.assert_array_equal(weight.grad.numpy(), expected.grad.numpy())


# ----------------------------------------------------------------- optimisers


def steps(optimizer: Any, weight: Any, sparse: bool, count: int = 4) -> Array:
    for seed in range(count):
        optimizer.zero_grad()
        look_up(weight, np.random.default_rng(seed).integers(0, 20, 15), sparse, seed)
        optimizer.step()
    return weight.detach().numpy().copy()


@pytest.mark.parametrize(
    "make",
    [
        lambda p: optim.SGD(p, lr=0.1),
        lambda p: optim.SGD(p, lr=0.1, maximize=True),
        lambda p: optim.SGD(p, lr=0.1, momentum=0.9),
        lambda p: optim.SGD(p, lr=0.1, weight_decay=0.1),
        lambda p: optim.Adam(p, lr=0.1),
        lambda p: optim.AdamW(p, lr=0.1, maximize=True),
    ],
)
def test_optimizers_give_what_they_give_for_the_dense_gradient(make: Any) -> None:
    weights = table(), table()
    results = [steps(make([w]), w, s) for w, s in zip(weights, (True, False), strict=True)]
    np.testing.assert_array_equal(*results)


@pytest.mark.parametrize("decoupled", [False, True])
@pytest.mark.parametrize("maximize", [False, True])
def test_lazy_adam_is_adam_on_the_rows(decoupled: bool, maximize: bool) -> None:
    """Against the formula in float64; only rows with a gradient change."""
    lr, betas, eps, decay = 0.1, (0.8, 0.99), 1e-6, 0.05
    weight = table("float64")
    p = weight.detach().numpy().copy()
    m, v = np.zeros_like(p), np.zeros_like(p)
    kind = optim.AdamW if decoupled else optim.Adam
    optimizer = kind([weight], lr, betas, eps, decay, maximize=maximize, sparse="lazy")
    for t in range(1, 5):
        optimizer.zero_grad()
        look_up(weight, np.random.default_rng(t).integers(0, 20, 15), seed=t)
        rows, g = weight.grad.indices.numpy(), weight.grad.values.numpy().copy()
        optimizer.step()
        g = -g if maximize else g
        if decoupled:
            p[rows] *= 1 - lr * decay
        else:
            g += decay * p[rows]
        m[rows] = betas[0] * m[rows] + (1 - betas[0]) * g
        v[rows] = betas[1] * v[rows] + (1 - betas[1]) * g**2
        divisor = np.sqrt(v[rows] / (1 - betas[1] ** t)) + eps
        p[rows] -= lr * m[rows] / (1 - betas[0] ** t) / divisor
    np.testing.assert_allclose(weight.detach().numpy(), p, rtol=1e-12, atol=1e-14)
    state = optimizer.state_dict()["state"][0]
    np.testing.assert_allclose(state["exp_avg"].numpy(), m, rtol=1e-12, atol=1e-15)
    unseen = table("float64").detach().numpy()[20:]
    np.testing.assert_array_equal(weight.detach().numpy()[20:], unseen)


def test_lazy_adam_equals_dense_adam_where_all_rows_have_gradients() -> None:
    weights = table(), table()
    for weight, sparse in zip(weights, ("lazy", None), strict=True):
        optimizer = optim.AdamW([weight], lr=0.1, sparse=sparse)
        for seed in range(3):
            optimizer.zero_grad()
            indices = np.random.default_rng(seed).permutation(ROWS)
            look_up(weight, indices, sparse is not None, seed)
            optimizer.step()
    np.testing.assert_array_equal(weights[0].detach().numpy(), weights[1].detach().numpy())


def test_rows_and_tensors_in_one_group() -> None:
    models = []
    for sparse in (True, False):
        lepton.manual_seed(0)
        models.append(nn.Sequential(nn.Embedding(6, 4, sparse=sparse), nn.Linear(4, 3)))
        optimizer = optim.Adam(models[-1].parameters(), lr=0.1, sparse="lazy")
        for _ in range(3):
            optimizer.zero_grad()
            lepton.sum(models[-1](lepton.asarray([0, 5, 4, 3, 2, 1])) ** 2).backward()
            nn.utils.clip_grad_norm_(models[-1].parameters(), 0.5)
            optimizer.step()
    for a, b in zip(*(model.parameters() for model in models), strict=True):
        # The norm adds the rows of the table in another order of chunks.
        np.testing.assert_allclose(a.detach().numpy(), b.detach().numpy(), rtol=1e-5, atol=1e-6)


def test_like_sparse_adam_of_torch() -> None:
    torch = pytest.importorskip("torch")
    weight = table("float64")
    other = torch.nn.Embedding.from_pretrained(
        torch.tensor(weight.detach().numpy().copy()), freeze=False, sparse=True
    )
    # The two place eps differently: it is too small here to matter.
    ours = optim.Adam([weight], lr=0.1, eps=1e-30, sparse="lazy")
    theirs = torch.optim.SparseAdam(other.parameters(), lr=0.1, eps=1e-30)
    for seed in range(4):
        indices = np.random.default_rng(seed).integers(0, 20, 15)
        ours.zero_grad()
        theirs.zero_grad()
        look_up(weight, indices, seed=seed)
        dy = np.random.default_rng(seed).standard_normal((15, COLUMNS))
        other(torch.tensor(indices)).backward(torch.tensor(dy))
        grad = other.weight.grad.coalesce()
        assert weight.grad.indices.tolist() == grad.indices()[0].tolist()
        np.testing.assert_allclose(weight.grad.values.numpy(), grad.values(), rtol=1e-13)
        ours.step()
        theirs.step()
    np.testing.assert_allclose(
        weight.detach().numpy(), other.weight.detach().numpy(), rtol=1e-11, atol=1e-13
    )


def test_resumed_lazy_steps_are_the_same_bits() -> None:
    def make() -> tuple[Any, Any]:
        weight = table()
        return weight, optim.AdamW([weight], lr=0.1, sparse="lazy")

    whole, optimizer = make()
    steps(optimizer, whole, True, 3)
    saved = copy.deepcopy(optimizer.state_dict()), whole.detach().numpy().copy()
    steps(optimizer, whole, True, 3)
    resumed, again = make()
    again.load_state_dict(saved[0])
    with lepton.no_grad():
        resumed.copy_(lepton.asarray(saved[1]))
    steps(again, resumed, True, 3)
    np.testing.assert_array_equal(whole.detach().numpy(), resumed.detach().numpy())


# -------------------------------------------------------- what gradients go through


def test_clipping_counts_each_element_once() -> None:
    for norm_type in (2.0, 1.0, 3.0, float("inf")):
        weights = table("float64"), table("float64")
        norms = []
        for weight, sparse in zip(weights, (True, False), strict=True):
            look_up(weight, [1, 1, 30], sparse)
            norms.append(nn.utils.clip_grad_norm_([weight], 0.1, norm_type).item())
            nn.utils.clip_grad_value_([weight], 0.05)
        assert norms[0] == pytest.approx(norms[1], rel=1e-13)
        np.testing.assert_allclose(
            weights[0].grad.to_dense().numpy(), weights[1].grad.numpy(), rtol=1e-13
        )


def test_zero_grad() -> None:
    layer = nn.Embedding(5, 2, sparse=True)
    optimizer = optim.SGD(layer.parameters())
    for clear in (layer.zero_grad, optimizer.zero_grad):
        look_up(layer.weight, [1, 2])
        grad = layer.weight.grad
        assert grad is layer.weight.grad
        clear(set_to_none=False)
        assert grad.indices.shape == (0,)
        assert grad.values.shape == (0, 2)
        assert not grad.to_dense().numpy().any()
        optimizer.step()
        look_up(layer.weight, [4])
        assert layer.weight.grad.indices.tolist() == [4]
        clear()
        assert layer.weight.grad is None


def test_layer() -> None:
    layer = nn.Embedding(5, 2, padding_idx=1, sparse=True)
    assert repr(layer).startswith("Embedding(5, 2, padding_idx=1, sparse=True)")
    lepton.sum(layer(lepton.asarray([[0, 1], [3, 0]]))).backward()
    assert layer.weight.grad.indices.tolist() == [0, 3]
    assert layer.weight.grad.values.tolist() == [[2, 2], [1, 1]]
    assert repr(layer.weight.grad) == "SparseRows(2 of 5 rows, shape=[5, 2], dtype=float32)"
    weight = lepton.asarray(layer.weight.detach()).requires_grad_()
    weight.grad = layer.weight.grad
    copied = copy.deepcopy(weight)
    copied.grad.values.fill_(0)
    assert weight.grad.values.tolist() == [[2, 2], [1, 1]]
    with pytest.raises(TypeError, match="Embedding: sparse expects"):
        nn.Embedding(5, 2, sparse="yes")  # type: ignore[arg-type]


def test_trainer_takes_rows() -> None:
    def fit(sparse: bool) -> Array:
        lepton.manual_seed(0)
        model = nn.Sequential(nn.Embedding(9, 4, sparse=sparse), nn.Flatten(), nn.Linear(8, 2))
        optimizer = optim.AdamW(model.parameters(), lr=0.05)
        trainer = lepton.Trainer(model, nn.CrossEntropyLoss(), optimizer, clip_grad_norm=10.0)
        x = np.random.default_rng(0).integers(0, 9, (20, 2))
        trainer.fit((x, x[:, 0] % 2), epochs=2)
        return model[0].weight.detach().numpy()

    np.testing.assert_array_equal(fit(True), fit(False))


# ---------------------------------------------------------------------- errors


@pytest.mark.parametrize(
    ("indices", "values", "shape", "message"),
    [
        ([0, 0], np.ones((2, 3)), (4, 3), "ascending rows from 0 to 3, got 0 after 0"),
        ([2, 1], np.ones((2, 3)), (4, 3), "ascending rows from 0 to 3, got 1 after 2"),
        ([4], np.ones((1, 3)), (4, 3), "ascending rows from 0 to 3, got 4"),
        ([-1], np.ones((1, 3)), (4, 3), "ascending rows from 0 to 3, got -1"),
        ([1], np.ones((2, 3)), (4, 3), r"values expects shape \[1, 3\] without gaps"),
        ([1], np.ones((1, 3)), (4,), "a shape of 2 lengths"),
        ([[1]], np.ones((1, 3)), (4, 3), "indices expects one axis"),
        ([1.0], np.ones((1, 3)), (4, 3), "indices expects int64, got float"),
        ([1], np.ones((1, 3), int), (4, 3), "values expects float32 or float64"),
        ([0], np.ones((1, 3)), (-4, 3), "a shape of 2 lengths of at least 0"),
    ],
)
def test_rows_that_are_none(indices: Any, values: Array, shape: Any, message: str) -> None:
    with pytest.raises((ValueError, TypeError), match=message):
        lepton.SparseRows(lepton.asarray(indices), lepton.asarray(values), shape)


def test_rows_that_were_damaged_are_refused() -> None:
    for damage in (-1, ROWS, 10**15):
        weight = table()
        look_up(weight, [1, 2])
        weight.grad.indices.fill_(damage)
        for use in (
            weight.grad.to_dense,
            optim.SGD([weight]).step,
            optim.Adam([weight], sparse="lazy").step,
            lambda weight=weight: look_up(weight, [3]),
            lambda weight=weight: look_up(weight, [3], False),
        ):
            with pytest.raises(ValueError, match="indices expects ascending rows"):
                use()


def test_gradient_must_fit_the_parameter() -> None:
    weight = table()
    rows = lepton.SparseRows(lepton.asarray([1]), lepton.ones((1, 3)), (ROWS, 3))
    with pytest.raises(ValueError, match=r"grad: expects shape \[50, 7\], got \[50, 3\]"):
        weight.grad = rows
    wide = lepton.ones((1, COLUMNS), dtype="float64")
    with pytest.raises(TypeError, match="grad: expects dtype float32, got float64"):
        weight.grad = lepton.SparseRows(lepton.asarray([1]), wide, (ROWS, COLUMNS))
    with pytest.raises(TypeError, match="grads expects a sequence of Tensors or SparseRows"):
        lepton._core.sgd_step([weight], weight, [], 0.1, 0.0, 0.0, 0.0, False)
    weight.grad = lepton.SparseRows(lepton.asarray([1]), lepton.ones((1, COLUMNS)), (ROWS, COLUMNS))
    assert weight.grad.indices.tolist() == [1]
    weight.grad = None
    assert weight.grad is None


def test_option_of_adam() -> None:
    with pytest.raises(ValueError, match="AdamW: sparse expects 'lazy', got 'rows'"):
        optim.AdamW([table()], sparse="rows")
