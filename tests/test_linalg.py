# SPDX-License-Identifier: Apache-2.0
"""Linear algebra: values against NumPy, gradients against central differences in float64."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import lepton
from lepton import linalg

RNG = np.random.default_rng(3)
STEP = 1e-6


def matrices(*shape: int) -> np.ndarray[Any, Any]:
    return RNG.standard_normal(shape)


def symmetric(*shape: int) -> np.ndarray[Any, Any]:
    a = matrices(*shape)
    return a + a.swapaxes(-1, -2)


def definite(*shape: int) -> np.ndarray[Any, Any]:
    a = matrices(*shape)
    return a @ a.swapaxes(-1, -2) + 3 * np.eye(shape[-1])


def make_symmetric(x: lepton.Tensor) -> lepton.Tensor:
    return (x + x.mT) / 2


def norm_of(a: Any, order: Any) -> Any:
    return np.linalg.norm(a, order, axis=(-2, -1))


# (id, function of tensors, the same in NumPy or None, inputs)
CASES: list[tuple[str, Callable[..., Any], Callable[..., Any] | None, list[Any]]] = [
    (
        "cholesky",
        lambda x: linalg.cholesky(make_symmetric(x)),
        np.linalg.cholesky,
        [definite(2, 3, 3)],
    ),
    (
        "cholesky-upper",
        lambda x: linalg.cholesky(make_symmetric(x), upper=True),
        lambda a: np.linalg.cholesky(a).T,
        [definite(3, 3)],
    ),
    ("det", linalg.det, np.linalg.det, [matrices(2, 4, 4)]),
    ("det-singular", linalg.det, None, [np.outer([1.0, 2, 3], [4.0, 5, 6])]),
    ("det-rank-2", linalg.det, None, [matrices(3, 2) @ matrices(2, 3)]),
    (
        "slogdet",
        lambda x: linalg.slogdet(x).logabsdet,
        lambda a: np.linalg.slogdet(a)[1],
        [matrices(2, 3, 3)],
    ),
    ("inv", linalg.inv, np.linalg.inv, [matrices(2, 3, 3)]),
    ("solve", linalg.solve, np.linalg.solve, [matrices(3, 3), matrices(3, 2)]),
    ("solve-vector", linalg.solve, None, [matrices(2, 3, 3), matrices(3)]),
    ("solve-broadcast", linalg.solve, np.linalg.solve, [matrices(2, 1, 3, 3), matrices(4, 3, 2)]),
    (
        "eigvalsh",
        lambda x: linalg.eigvalsh(make_symmetric(x)),
        np.linalg.eigvalsh,
        [symmetric(2, 4, 4)],
    ),
    (
        "eigh-vectors",
        lambda x: linalg.eigh(make_symmetric(x)).eigenvectors ** 2,
        lambda a: np.linalg.eigh(a)[1] ** 2,
        [symmetric(4, 4)],
    ),
    ("svdvals", linalg.svdvals, lambda a: np.linalg.svd(a, compute_uv=False), [matrices(2, 4, 3)]),
    ("svd-u-tall", lambda x: linalg.svd(x, full_matrices=False).U ** 2, None, [matrices(4, 3)]),
    ("svd-u-wide", lambda x: linalg.svd(x, full_matrices=False).U ** 2, None, [matrices(3, 5)]),
    ("svd-vh-tall", lambda x: linalg.svd(x, full_matrices=False).Vh ** 2, None, [matrices(4, 3)]),
    (
        "svd-vh-wide",
        lambda x: linalg.svd(x, full_matrices=False).Vh ** 2,
        None,
        [matrices(2, 3, 5)],
    ),
    ("qr-q", lambda x: linalg.qr(x).Q, lambda a: np.linalg.qr(a)[0], [matrices(2, 4, 3)]),
    ("qr-r", lambda x: linalg.qr(x).R, lambda a: np.linalg.qr(a)[1], [matrices(4, 3)]),
    ("qr-wide-q", lambda x: linalg.qr(x).Q, None, [matrices(3, 5)]),
    ("qr-wide-r", lambda x: linalg.qr(x, mode="complete").R, None, [matrices(3, 5)]),
    ("pinv-tall", linalg.pinv, np.linalg.pinv, [matrices(2, 4, 3)]),
    ("pinv-wide", linalg.pinv, np.linalg.pinv, [matrices(2, 5)]),
    (
        "matrix_power",
        lambda x: linalg.matrix_power(x, 5),
        lambda a: np.linalg.matrix_power(a, 5),
        [matrices(2, 3, 3)],
    ),
    (
        "matrix_power-negative",
        lambda x: linalg.matrix_power(x, -2),
        lambda a: np.linalg.matrix_power(a, -2),
        [matrices(3, 3)],
    ),
    ("outer", linalg.outer, np.outer, [matrices(3), matrices(4)]),
    ("cross", linalg.cross, np.cross, [matrices(2, 3), matrices(3)]),
    (
        "cross-axis",
        lambda a, b: linalg.cross(a, b, axis=-2),
        lambda a, b: np.cross(a, b, axis=-2),
        [matrices(3, 2), matrices(3, 2)],
    ),
    (
        "trace",
        lambda x: linalg.trace(x, offset=1),
        lambda a: np.trace(a, 1, -2, -1),
        [matrices(2, 3, 4)],
    ),
    (
        "diagonal",
        lambda x: linalg.diagonal(x, offset=-1),
        lambda a: np.diagonal(a, -1, -2, -1),
        [matrices(2, 3, 4)],
    ),
    ("vecdot", linalg.vecdot, lambda a, b: (a * b).sum(-1), [matrices(2, 3), matrices(3)]),
    (
        "tensordot",
        lambda a, b: linalg.tensordot(a, b, axes=1),
        lambda a, b: np.tensordot(a, b, 1),
        [matrices(2, 3), matrices(3, 4)],
    ),
    *[
        (
            f"vector_norm-{p}",
            lambda x, p=p: linalg.vector_norm(x, axis=-1, ord=p),
            lambda a, p=p: np.linalg.norm(a, p, axis=-1),
            [matrices(2, 5)],
        )
        for p in (2, 1, 3, 0.5, -1, np.inf, -np.inf)
    ],
    *[
        (
            f"matrix_norm-{p}",
            lambda x, p=p: linalg.matrix_norm(x, ord=p),
            lambda a, p=p: norm_of(a, p),
            [matrices(2, 4, 3)],
        )
        for p in ("fro", "nuc", 1, -1, 2, -2, np.inf, -np.inf)
    ],
]
IDS = [case[0] for case in CASES]


@pytest.mark.parametrize(
    "case", [c for c in CASES if c[2]], ids=[i for i, c in zip(IDS, CASES, strict=True) if c[2]]
)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_values_equal_numpy(case, dtype):
    _, function, reference, inputs = case
    arrays = [a.astype(dtype) for a in inputs]
    result = function(*map(lepton.asarray, arrays))
    expected = np.asarray(reference(*arrays))
    assert result.dtype == expected.dtype
    assert result.shape == expected.shape
    # Matrices are at most 5 x 5 and the worst has a condition of about 100.
    tolerance = 1e3 * np.finfo(dtype).eps
    np.testing.assert_allclose(result.numpy(), expected, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("case", CASES, ids=IDS)
def test_gradients_equal_central_differences(case):
    _, function, _, arrays = case
    tensors = [lepton.tensor(a, requires_grad=True) for a in arrays]
    y = function(*tensors)
    weight = RNG.standard_normal(y.shape)
    (y * lepton.asarray(weight)).sum().backward()

    def value(*changed: Any) -> float:
        return float((function(*map(lepton.asarray, changed)).numpy() * weight).sum())

    for k, (array, x) in enumerate(zip(arrays, tensors, strict=True)):
        for _ in range(3):
            direction = RNG.standard_normal(array.shape)
            sides = [
                [a + s * STEP * direction if i == k else a for i, a in enumerate(arrays)]
                for s in (1, -1)
            ]
            slope = (value(*sides[0]) - value(*sides[1])) / (2 * STEP)
            # Rounding leaves eps / STEP of the value, curvature STEP**2 of the third derivative.
            scale = max(1.0, abs(slope), float(np.abs(x.grad.numpy()).max()))
            assert (x.grad.numpy() * direction).sum() == pytest.approx(slope, abs=2e-6 * scale)


def test_decompositions_rebuild_their_matrix():
    a = matrices(2, 5, 3)
    x = lepton.asarray(a)
    u, s, vh = linalg.svd(x)
    assert (u.shape, s.shape, vh.shape) == ((2, 5, 5), (2, 3), (2, 3, 3))
    rebuilt = (u[..., :3] * s[..., None, :]) @ vh
    np.testing.assert_allclose(rebuilt.numpy(), a, atol=1e-12)
    q, r = linalg.qr(x, mode="complete")
    assert q.shape == (2, 5, 5)
    np.testing.assert_allclose((q @ r).numpy(), a, atol=1e-12)
    w, v = linalg.eigh(lepton.asarray(symmetric(4, 4)))
    np.testing.assert_allclose((v.mT @ v).numpy(), np.eye(4), atol=1e-12)
    assert (w[1:] >= w[:-1]).all()


def test_matrix_rank():
    a = np.stack([np.eye(3), np.ones((3, 3)), np.zeros((3, 3))])
    assert linalg.matrix_rank(lepton.asarray(a)).tolist() == [3, 1, 0]
    assert linalg.matrix_rank(lepton.asarray(np.diag([1, 1e-3])), rtol=1e-2).item() == 1


def test_the_norm_of_zero_has_gradient_zero():
    x = lepton.zeros((2, 2), dtype=lepton.float64).requires_grad_()
    (linalg.vector_norm(x) + linalg.matrix_norm(x)).backward()
    assert x.grad.tolist() == [[0, 0], [0, 0]]


@pytest.mark.parametrize(
    "name", ["cholesky", "det", "eigh", "eigvalsh", "inv", "slogdet", "svd", "qr", "pinv"]
)
def test_bad_arguments_say_what_is_wrong(name):
    function = getattr(linalg, name)
    with pytest.raises(TypeError, match=f"{name}: x expects float32 or float64, got int64"):
        function(lepton.arange(4).reshape(2, 2))
    with pytest.raises(ValueError, match=f"{name}: x expects at least 2 axes"):
        function(lepton.ones(3))
    with pytest.raises(TypeError, match=f"{name}: x expects a Tensor, got list"):
        function([[1.0]])
    if name not in ("svd", "qr", "pinv"):
        with pytest.raises(ValueError, match=f"{name}: x expects square matrices"):
            function(lepton.ones((2, 3)))


def test_singular_matrices_are_refused():
    for call in (linalg.inv, lambda x: linalg.solve(x, lepton.ones(2))):
        with pytest.raises(ValueError, match="singular matrix"):
            call(lepton.ones((2, 2)))
    with pytest.raises(ValueError, match="cholesky: matrix is not positive definite"):
        linalg.cholesky(-lepton.eye(2))
    with pytest.raises(ValueError, match=r"solve: shapes .* do not broadcast"):
        linalg.solve(lepton.eye(2) + lepton.zeros((3, 1, 1)), lepton.ones((2, 2, 1)))
    with pytest.raises(TypeError, match="complex"):
        linalg.eig(lepton.eye(2))
    with pytest.raises(ValueError, match="full_matrices=False"):
        linalg.svd(lepton.ones((3, 2)).requires_grad_())


def test_results_that_a_gradient_needs_cannot_be_overwritten():
    x = lepton.eye(2).requires_grad_()
    y = linalg.inv(x)
    with pytest.raises(RuntimeError, match="inv"):
        y += 1


def test_empty_matrices():
    empty = lepton.zeros((0, 3, 3))
    assert linalg.inv(empty).shape == (0, 3, 3)
    assert linalg.det(lepton.zeros((2, 0, 0))).tolist() == [1, 1]
    assert linalg.vector_norm(lepton.zeros((0, 2)), axis=0).tolist() == [0, 0]
