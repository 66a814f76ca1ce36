# SPDX-License-Identifier: Apache-2.0
"""The array API standard: names, signatures, dtypes, values and special values against NumPy."""

from __future__ import annotations

import inspect
import itertools
from typing import Any

import array_api_strict as strict
import numpy as np
import pytest

import lepton

LACKING = {"int8", "int16", "uint16", "uint32", "uint64", "complex64", "complex128", "fft"}
STRICT_ONLY = {n for n in strict.__all__ if "strict" in n.lower()} | {"Device", "__version__"}
NAMES = [n for n in strict.__all__ if n not in LACKING | STRICT_ONLY]
LINALG = [n for n in strict.linalg.__all__ if not n.startswith("_")]
DTYPES = [lepton.bool, lepton.uint8, lepton.int32, lepton.int64, lepton.float32, lepton.float64]
ELEMENTWISE = {e["name"]: e for e in lepton._core.registry if "elementwise" in e}
ELEMENTWISE = {n: e for n, e in ELEMENTWISE.items() if n in NAMES}
RNG = np.random.default_rng(0)


def parameters(function: Any) -> list[tuple[str, Any, Any]]:
    found = inspect.signature(function).parameters.values()
    return [(p.name, p.kind, p.default) for p in found]


def same_parameters(ours: Any, theirs: Any) -> None:
    a, b = parameters(ours), parameters(theirs)
    assert [p[:2] for p in a] == [p[:2] for p in b]
    for (name, _, mine), (_, _, reference) in zip(a, b, strict=True):
        if reference is None or isinstance(reference, (bool, int, float, str)):
            assert mine == reference, name  # what else stands there is array_api_strict's own


def test_every_name_of_the_standard_exists():
    assert len(NAMES) > 140
    assert [n for n in NAMES if not hasattr(lepton, n)] == []
    assert [n for n in LINALG if not hasattr(lepton.linalg, n)] == []


@pytest.mark.parametrize("name", [n for n in NAMES if inspect.isfunction(getattr(strict, n))])
def test_signature(name):
    same_parameters(getattr(lepton, name), getattr(strict, name))


@pytest.mark.parametrize("name", LINALG)
def test_linalg_signature(name):
    same_parameters(getattr(lepton.linalg, name), getattr(strict.linalg, name))


def test_every_member_of_the_standards_array_exists():
    array = strict.asarray([1])
    wanted = [
        n
        for n in dir(type(array))
        if n not in dir(object) and (n.startswith("__") or not n.startswith("_"))
    ]
    absent = {
        "__array_priority__",
        "__buffer__",
        "__annotations__",
        "__module__",
        "__slots__",
        "__weakref__",
    }
    assert [n for n in wanted if not hasattr(lepton.Tensor, n) and n not in absent] == []


def sample(dtype: np.dtype[Any], shape: tuple[int, ...], low: float, high: float) -> Any:
    if dtype.kind == "b":
        return RNG.integers(0, 2, shape).astype(bool)
    if dtype.kind == "f":
        return RNG.uniform(low, high, shape).astype(dtype)
    return RNG.integers(max(int(low), 0), max(int(high), 2), shape).astype(dtype)


def numpy_name(name: str) -> str:
    older = {"pow": "power", "bitwise_invert": "invert", "bitwise_left_shift": "left_shift"}
    older["bitwise_right_shift"] = "right_shift"
    if name in older:
        return older[name]
    if name[:1] == "a" and name[1:] in ("cos", "cosh", "sin", "sinh", "tan", "tanh", "tan2"):
        return "arc" + name[1:]
    return name


def test_elementwise_subjects_are_found():
    assert len(ELEMENTWISE) > 55


@pytest.mark.parametrize("name", ELEMENTWISE)
def test_elementwise_equals_numpy(name):
    details = ELEMENTWISE[name]["elementwise"]
    function, reference = getattr(lepton, name), getattr(np, numpy_name(name))
    for dtype_name in details["dtypes"]:
        dtype = np.dtype(dtype_name)
        shapes = [(3, 1, 5), (4, 1)][: details["arity"]]
        inputs = [sample(dtype, s, details["low"], details["high"]) for s in shapes]
        if dtype.kind in "iu" and name in ("floor_divide", "remainder"):
            inputs[1] = inputs[1] + dtype.type(1)
        result = function(*map(lepton.asarray, inputs))
        expected = reference(*inputs)
        wanted = lepton.bool if details["boolean_result"] else dtype
        assert result.dtype == wanted
        assert result.shape == expected.shape
        if dtype.kind == "f":
            # Functions are good to a few units in the last place; near their zeros, absolutely.
            eps = np.finfo(dtype).eps
            np.testing.assert_allclose(result.numpy(), expected, rtol=16 * eps, atol=16 * eps)
        else:
            np.testing.assert_array_equal(result.numpy(), expected)


SPECIAL = [0.0, -0.0, 1.0, -1.0, np.inf, -np.inf, np.nan, 0.5, -2.0, 3.0]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    "name", [n for n, e in ELEMENTWISE.items() if "float64" in e["elementwise"]["dtypes"]]
)
def test_special_values_equal_numpy(name, dtype):
    details = ELEMENTWISE[name]["elementwise"]
    values = itertools.product(SPECIAL, repeat=details["arity"])
    columns = [np.array(c, dtype=dtype) for c in zip(*values, strict=True)]
    result = getattr(lepton, name)(*map(lepton.asarray, columns)).numpy()
    with np.errstate(all="ignore"):
        expected = getattr(np, numpy_name(name))(*columns)
    if name == "floor_divide":  # NumPy gives NaN where the standard wants an infinite quotient
        keep = np.isfinite(columns[0]) & np.isfinite(columns[1]) & (columns[1] != 0)
        result, expected = result[keep], expected[keep]
    eps = np.finfo(dtype).eps
    np.testing.assert_allclose(result, expected, rtol=16 * eps, atol=0)
    if np.asarray(expected).dtype.kind == "f" and name not in ("maximum", "minimum"):
        zero = expected == 0
        np.testing.assert_array_equal(np.signbit(result[zero]), np.signbit(expected[zero]))


def allowed(*dtypes: np.dtype[Any]) -> np.dtype[Any]:
    kinds = {d.kind for d in dtypes}
    if kinds == {"i", "f"} or kinds == {"u", "f"}:
        floats = [d for d in dtypes if d.kind == "f"]
        small = all(d == np.uint8 for d in dtypes if d.kind != "f")
        return floats[0] if small else np.dtype("float64")
    return np.result_type(*dtypes)


@pytest.mark.parametrize("first", DTYPES, ids=str)
@pytest.mark.parametrize("second", DTYPES, ids=str)
def test_promotion(first, second):
    expected = allowed(first, second)
    assert lepton.result_type(first, second) == expected
    assert lepton.can_cast(first, second) == (expected == second)
    if first.kind != "b" or second.kind != "b":
        total = lepton.ones(2, dtype=first) + lepton.ones(2, dtype=second)
        assert total.dtype == expected


@pytest.mark.parametrize("dtype", DTYPES[1:], ids=str)
def test_python_numbers_follow_the_tensor(dtype):
    x = lepton.ones(2, dtype=dtype)
    assert (x + 1).dtype == (2 - x).dtype == dtype
    assert (x * 1.5).dtype == (dtype if dtype.kind == "f" else lepton.float32)
    assert lepton.result_type(x, 1) == dtype
    with pytest.raises(ValueError, match="does not fit"):
        lepton.ones(2, dtype=lepton.uint8) + 300


REDUCTIONS = ["sum", "prod", "max", "min", "mean", "var", "std", "any", "all", "count_nonzero"]


@pytest.mark.parametrize("name", REDUCTIONS)
@pytest.mark.parametrize("axis", [None, 0, -1, (0, 2), ()])
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_reductions_equal_numpy(name, axis, dtype):
    array = sample(dtype, (3, 4, 2), -2, 3)
    if (name in ("max", "min") and dtype.kind == "b") or (
        name in ("var", "std") and dtype.kind != "f"
    ):
        with pytest.raises(TypeError, match=name.replace("std", "var")):
            getattr(lepton, name)(lepton.asarray(array), axis=axis)
        return
    for keepdims in (False, True):
        result = getattr(lepton, name)(lepton.asarray(array), axis=axis, keepdims=keepdims)
        expected = getattr(np, name)(array, axis=axis, keepdims=keepdims)
        assert result.shape == np.shape(expected)
        # No sum here has more than 24 terms of size 3.
        tolerance = 1e-5 if result.dtype == lepton.float32 else 1e-12
        np.testing.assert_allclose(result.numpy(), expected, rtol=tolerance, atol=tolerance)
        if name in ("sum", "prod"):
            assert result.dtype == (dtype if dtype.kind == "f" else lepton.int64)
        elif name in ("max", "min"):
            assert result.dtype == dtype


def cases() -> list[tuple[str, Any, Any]]:
    """(name, call of lepton's function, call of NumPy's) on the same arrays."""
    x = RNG.integers(-5, 5, (3, 4)).astype(np.float64)
    i = RNG.integers(0, 5, (3, 4))
    v = RNG.uniform(-1, 1, 6)
    t = lepton.asarray
    return [
        ("arange", lepton.arange(2, 11, 3), np.arange(2, 11, 3)),
        ("arange", lepton.arange(5.0), np.arange(5.0, dtype=np.float32)),
        ("linspace", lepton.linspace(0, 1, 7, dtype=lepton.float64), np.linspace(0, 1, 7)),
        (
            "linspace",
            lepton.linspace(0, 1, 4, endpoint=False),
            np.array([0, 0.25, 0.5, 0.75], "f4"),
        ),
        ("eye", lepton.eye(3, 4, k=-1), np.eye(3, 4, -1, dtype=np.float32)),
        ("full", lepton.full((2, 3), 7), np.full((2, 3), 7)),
        ("full", lepton.full((2,), True), np.full((2,), True)),
        ("ones_like", lepton.ones_like(t(i)), np.ones_like(i)),
        ("tril", lepton.tril(t(x), k=1), np.tril(x, 1)),
        ("triu", lepton.triu(t(i), k=-1), np.triu(i, -1)),
        ("clip", lepton.clip(t(x), -1, 2), np.clip(x, -1, 2)),
        (
            "clip",
            lepton.clip(t(i), t(np.array([1, 2, 0, 3])), None),
            np.clip(i, [1, 2, 0, 3], None),
        ),
        (
            "moveaxis",
            lepton.moveaxis(t(x[None]), (0, 1), (2, 0)),
            np.moveaxis(x[None], (0, 1), (2, 0)),
        ),
        ("repeat", lepton.repeat(t(x), 2), np.repeat(x, 2)),
        ("repeat", lepton.repeat(t(x), t(np.array([2, 0, 1])), axis=0), np.repeat(x, [2, 0, 1], 0)),
        ("roll", lepton.roll(t(x), 5), np.roll(x, 5)),
        ("roll", lepton.roll(t(x), (1, -2), axis=(0, 1)), np.roll(x, (1, -2), (0, 1))),
        ("tile", lepton.tile(t(x), (2, 1, 3)), np.tile(x, (2, 1, 3))),
        ("squeeze", lepton.squeeze(t(x[:, None]), 1), x),
        ("expand_dims", lepton.expand_dims(t(x), (0, -1)), x[None, ..., None]),
        ("flip", lepton.flip(t(x), axis=1), np.flip(x, 1)),
        ("concat", lepton.concat([t(x), t(i)], axis=1), np.concatenate([x, i], 1)),
        ("stack", lepton.stack([t(x), t(x)], axis=-1), np.stack([x, x], -1)),
        ("sort", lepton.sort(t(x), axis=0), np.sort(x, 0)),
        ("sort", lepton.sort(t(x), descending=True), -np.sort(-x)),
        ("argsort", lepton.argsort(t(i)), np.argsort(i, kind="stable")),
        ("argsort", lepton.argsort(t(i), descending=True), np.argsort(-i, kind="stable")),
        ("argmax", lepton.argmax(t(x), axis=1), np.argmax(x, 1)),
        ("argmin", lepton.argmin(t(x), keepdims=True), np.argmin(x, keepdims=True)),
        (
            "searchsorted",
            lepton.searchsorted(t(np.sort(v)), t(v), side="right"),
            np.searchsorted(np.sort(v), v, "right"),
        ),
        (
            "searchsorted",
            lepton.searchsorted(t(v), 0.1, sorter=t(np.argsort(v))),
            np.searchsorted(v, 0.1, sorter=np.argsort(v)),
        ),
        (
            "isin",
            lepton.isin(t(i), t(np.array([1, 3])), invert=True),
            np.isin(i, [1, 3], invert=True),
        ),
        ("unique_values", lepton.unique_values(t(i)), np.unique(i)),
        ("unique_counts", lepton.unique_counts(t(i)).counts, np.unique(i, return_counts=True)[1]),
        ("take", lepton.take(t(x), t(np.array([2, -1])), axis=1), np.take(x, [2, -1], 1)),
        (
            "take_along_axis",
            lepton.take_along_axis(t(x), t(i[:, :2] % 4)),
            np.take_along_axis(x, i[:, :2] % 4, -1),
        ),
        ("cumulative_sum", lepton.cumulative_sum(t(x), axis=0), np.cumsum(x, 0)),
        ("cumulative_prod", lepton.cumulative_prod(t(i), axis=1), np.cumprod(i, 1)),
        ("diff", lepton.diff(t(i), n=2, prepend=t(i[:, :1])), np.diff(i, n=2, prepend=i[:, :1])),
        ("tensordot", lepton.tensordot(t(x), t(x), axes=((0, 1), (0, 1))), np.tensordot(x, x)),
        ("vecdot", lepton.vecdot(t(i), t(i[0])), (i * i[0]).sum(-1)),
        ("vecdot", lepton.vecdot(t(x), t(x[:, :1]), axis=-2), (x * x[:, :1]).sum(-2)),
        ("where", lepton.where(t(x > 0), t(x), -1.0), np.where(x > 0, x, -1.0)),
        ("matmul", t(i) @ t(i.T), i @ i.T),
    ]


@pytest.mark.parametrize("case", cases(), ids=lambda c: c[0])
def test_function_equals_numpy(case):
    _, result, expected = case
    assert result.dtype == expected.dtype
    np.testing.assert_allclose(
        result.numpy(), expected, rtol=1e-12 if expected.dtype == "f8" else 1e-6
    )
    assert result.shape == expected.shape


EQUATIONS = [
    "ij,jk->ik",
    "ij,jk",
    "ii->i",
    "ii",
    "ij->",
    "i,j->ij",
    "bij,bjk->bik",
    "...i,...i->...",
    "ij,kj,kl->il",
    "ijk,ijk->",
    "ij,i->ji",
    "i,i,i->i",
    "a...,...b->a...b",
    "iij,j->i",
    "ij->ji",
    "ab,bc,cd,de->ae",
]


@pytest.mark.parametrize("equation", EQUATIONS)
def test_einsum_equals_numpy_and_has_gradients(equation):
    shapes = [
        (2,) * (len(part.replace("...", "")) + ("..." in part))
        for part in equation.partition("->")[0].split(",")
    ]
    arrays = [RNG.standard_normal(s) for s in shapes]
    tensors = [lepton.tensor(a, requires_grad=True) for a in arrays]
    result = lepton.einsum(equation, *tensors)
    expected = np.einsum(equation, *arrays)
    np.testing.assert_allclose(result.detach().numpy(), expected, rtol=1e-12, atol=1e-12)
    weight = RNG.standard_normal(expected.shape)
    (result * lepton.asarray(weight)).sum().backward()
    for array, x in zip(arrays, tensors, strict=True):
        direction = RNG.standard_normal(array.shape)
        # Linear in each operand: the difference is exact.
        changed = [array + direction if a is array else a for a in arrays]
        slope = ((np.einsum(equation, *changed) - expected) * weight).sum()
        np.testing.assert_allclose((x.grad.numpy() * direction).sum(), slope, rtol=1e-9, atol=1e-9)


def test_einsum_broadcasts_ellipses_of_different_length():
    a, b = RNG.standard_normal((2, 3, 4)), RNG.standard_normal((3, 4))
    result = lepton.einsum("...i,...i", lepton.asarray(a), lepton.asarray(b))
    np.testing.assert_allclose(result.numpy(), np.einsum("...i,...i", a, b), rtol=1e-12)


def test_split_is_numpys():
    x = np.arange(10)
    for argument in (2, 5, [3, 7], [0, 12]):
        ours = lepton.split(lepton.asarray(x), argument)
        theirs = np.split(x, argument)
        assert [p.tolist() for p in ours] == [p.tolist() for p in theirs]
    with pytest.raises(ValueError, match="equal pieces"):
        lepton.split(lepton.asarray(x), 3)


def test_info_reports_what_there_is():
    info = lepton.__array_namespace_info__()
    assert lepton.__array_api_version__ == "2025.12"
    assert set(info.dtypes()) == {str(d) for d in DTYPES}
    assert info.dtypes(kind="complex floating") == {}
    assert info.default_dtypes()["real floating"] == lepton.float32
    assert lepton.ones(1).__array_namespace__(api_version="2025.12") is lepton
    with pytest.raises(ValueError, match="api_version"):
        lepton.ones(1).__array_namespace__(api_version="1999")
    with pytest.raises(ValueError, match="device expects 'cpu', got 'gpu'"):
        lepton.zeros(2, device="gpu")


def test_meshgrid_and_broadcasting():
    grids = lepton.meshgrid(lepton.arange(2), lepton.arange(3), lepton.arange(4))
    expected = np.meshgrid(np.arange(2), np.arange(3), np.arange(4))
    for ours, theirs in zip(grids, expected, strict=True):
        np.testing.assert_array_equal(ours.numpy(), theirs)
    assert lepton.broadcast_shapes((5, 1), (1, 6), ()) == (5, 6)
    with pytest.raises(ValueError, match="do not broadcast"):
        lepton.broadcast_shapes((2,), (3,))


def test_arange_is_exact_beyond_doubles():
    big = 2**60
    assert lepton.arange(big, big + 3).tolist() == [big, big + 1, big + 2]
    with pytest.raises(ValueError, match="do not fit"):
        lepton.arange(250, 260, dtype=lepton.uint8)
