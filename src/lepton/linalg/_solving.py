# SPDX-License-Identifier: Apache-2.0
"""Determinants, inverses, linear systems and what follows from them, on NumPy's LAPACK."""

from __future__ import annotations

import operator
from typing import Any, NamedTuple

import numpy as np

from lepton import _core
from lepton._core import Tensor
from lepton._core.array import broadcast_to, eye, matmul
from lepton.linalg._decompositions import svdvals
from lepton.linalg._support import Array, check_matrices, lapack, record, sum_to, transpose

__all__ = [
    "cholesky",
    "det",
    "inv",
    "matrix_power",
    "matrix_rank",
    "pinv",
    "slogdet",
    "solve",
]


class SlogdetResult(NamedTuple):
    """What `slogdet` returns."""

    sign: Tensor
    logabsdet: Tensor


def cholesky(x: Tensor, /, *, upper: bool = False) -> Tensor:
    """The triangle L with ``x = L L.mT`` of positive-definite matrices; with upper, ``L.mT``.

    Examples
    --------
    >>> import lepton
    >>> lepton.linalg.cholesky(lepton.tensor([[4.0, 0.0], [0.0, 9.0]]))
    tensor([[2., 0.],
            [0., 3.]], dtype=float32)
    """
    a = check_matrices("cholesky", x, square=True)
    lower = lapack("cholesky", np.linalg.cholesky, a)

    def vjp(dy: Array) -> tuple[Array]:
        dl = transpose(dy) if upper else dy
        inner = np.tril(transpose(lower) @ dl)
        half = np.arange(inner.shape[-1])
        inner[..., half, half] /= 2
        left = np.linalg.solve(transpose(lower), inner)
        dx = transpose(np.linalg.solve(transpose(lower), transpose(left)))
        return ((dx + transpose(dx)) / 2,)

    return record("cholesky", [x], transpose(lower).copy() if upper else lower.copy(), vjp)


def _cofactors(a: Array) -> Array:
    """Derivatives of the determinant; right for singular matrices too."""
    u, s, vh = np.linalg.svd(a)
    ones = np.ones_like(s[..., :1])
    before = np.cumprod(np.concatenate([ones, s[..., :-1]], axis=-1), axis=-1)
    after = np.cumprod(np.concatenate([ones, s[..., :0:-1]], axis=-1), axis=-1)[..., ::-1]
    sign = np.linalg.det(u) * np.linalg.det(vh)
    return np.asarray((u * (sign[..., None] * before * after)[..., None, :]) @ vh)


def det(x: Tensor, /) -> Tensor:
    """Determinants of square matrices.

    Examples
    --------
    >>> import lepton
    >>> lepton.linalg.det(lepton.tensor([[2.0, 0.0], [0.0, 3.0]]))
    tensor(6., dtype=float32)
    """
    a = check_matrices("det", x, square=True)
    value = lapack("det", np.linalg.det, a)

    def vjp(dy: Array) -> tuple[Array]:
        return (dy[..., None, None] * _cofactors(a) if a.size else np.zeros_like(a),)

    return record("det", [x], value, vjp)


def slogdet(x: Tensor, /) -> SlogdetResult:
    """Signs of determinants and logarithms of their magnitudes; 0 and -inf if singular."""
    a = check_matrices("slogdet", x, square=True)
    sign, logarithm = lapack("slogdet", np.linalg.slogdet, a)

    def vjp(dy: Array) -> tuple[Array]:
        inverse = lapack("slogdet", np.linalg.inv, a)
        return (dy[..., None, None] * transpose(inverse),)

    return SlogdetResult(_core.asarray(np.asarray(sign)), record("slogdet", [x], logarithm, vjp))


def inv(x: Tensor, /) -> Tensor:
    """Inverses of square matrices; ValueError for a singular one.

    Examples
    --------
    >>> import lepton
    >>> lepton.linalg.inv(lepton.tensor([[2.0, 0.0], [0.0, 4.0]]))
    tensor([[0.5 , 0.  ],
            [0.  , 0.25]], dtype=float32)
    """
    y = lapack("inv", np.linalg.inv, check_matrices("inv", x, square=True))

    def vjp(dy: Array) -> tuple[Array]:
        return (-(transpose(y) @ dy @ transpose(y)),)

    return record("inv", [x], y, vjp)


def solve(x1: Tensor, x2: Tensor, /) -> Tensor:
    """The X with ``x1 X = x2``; x2 is one vector, or matrices whose stacks broadcast with x1's.

    Examples
    --------
    >>> import lepton
    >>> lepton.linalg.solve(lepton.tensor([[2.0, 0.0], [0.0, 4.0]]), lepton.tensor([2.0, 2.0]))
    tensor([1. , 0.5], dtype=float32)
    """
    a = check_matrices("solve", x1, "x1", square=True)
    if not isinstance(x2, Tensor) or x2.dtype.kind != "f":
        found = x2.dtype if isinstance(x2, Tensor) else type(x2).__name__
        raise TypeError(f"solve: x2 expects a Tensor of float32 or float64, got {found}")
    vector = x2.ndim == 1
    if x2.ndim < 1 or x2.shape[-1 if vector else -2] != x1.shape[-1]:
        raise ValueError(
            f"solve: x2 expects {x1.shape[-1]} rows, got shape {x2.shape} (x1: {x1.shape})"
        )
    b = x2.detach()._array()
    b = b[:, None] if vector else b
    try:
        y = lapack(
            "solve",
            np.linalg.solve,
            a,
            np.broadcast_to(b, np.broadcast_shapes(b.shape, (*a.shape[:-2], 1, 1))),
        )
    except ValueError as error:
        if str(error).startswith("solve:"):
            raise
        raise ValueError(f"solve: shapes {x1.shape} and {x2.shape} do not broadcast") from None

    def vjp(dy: Array) -> tuple[Array, Array]:
        db = np.linalg.solve(transpose(a), dy[..., None] if vector else dy)
        da = -(db @ transpose(y))
        return sum_to(da, a.shape), sum_to(db, b.shape).reshape(x2.shape)

    # The vjp reads y itself, so y's memory must be the result's.
    return record("solve", [x1, x2], y[..., 0] if vector else y, vjp)


def pinv(x: Tensor, /, *, rtol: float | Tensor | None = None) -> Tensor:
    """Pseudo-inverses; singular values up to rtol times the largest count as zero.

    The default of rtol is ``max(M, N) * eps``.
    """
    a = check_matrices("pinv", x)
    y = lapack("pinv", np.linalg.pinv, a, rcond=_tolerance("pinv", x, rtol))

    def vjp(dy: Array) -> tuple[Array]:
        yt, dyt = transpose(y), transpose(dy)
        left = dyt - a @ (y @ dyt)
        right = dyt - (dyt @ y) @ a
        return (left @ y @ yt + yt @ y @ right - yt @ dy @ yt,)

    return record("pinv", [x], y, vjp)


def _tolerance(op: str, x: Tensor, rtol: Any) -> Any:
    if rtol is None:
        return max(x.shape[-2:]) * np.finfo(x.dtype).eps
    if isinstance(rtol, Tensor):
        return rtol.detach()._array()
    if not isinstance(rtol, (int, float)):
        raise TypeError(f"{op}: rtol expects a number or a Tensor, got {type(rtol).__name__}")
    return rtol


def matrix_rank(x: Tensor, /, *, rtol: float | Tensor | None = None) -> Tensor:
    """Ranks of matrices, as int64: how many singular values exceed rtol times the largest."""
    check_matrices("matrix_rank", x)
    values = svdvals(x.detach())._array()
    limit = np.asarray(_tolerance("matrix_rank", x, rtol))
    largest = values.max(axis=-1, keepdims=True, initial=0)
    above = values > largest * limit[..., None]
    return _core.asarray(np.asarray(above.sum(axis=-1, dtype=np.int64)))


def matrix_power(x: Tensor, n: int, /) -> Tensor:
    """Square matrices to an integer power; a negative one inverts first."""
    check_matrices("matrix_power", x, square=True)
    try:
        exponent = operator.index(n)
    except TypeError:
        raise TypeError(f"matrix_power: n expects an int, got {type(n).__name__}") from None
    if exponent == 0:
        return broadcast_to(eye(x.shape[-1], dtype=x.dtype), x.shape).clone()
    base = inv(x) if exponent < 0 else x
    exponent = abs(exponent)
    while not exponent & 1:
        base = matmul(base, base)
        exponent >>= 1
    result = base.clone() if base is x else base
    while exponent := exponent >> 1:
        base = matmul(base, base)
        if exponent & 1:
            result = matmul(result, base)
    return result
