# SPDX-License-Identifier: Apache-2.0
"""Eigenvalues, singular values and QR, on NumPy's LAPACK."""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np

from lepton import _core
from lepton._core import Tensor
from lepton.linalg._support import Array, check_matrices, lapack, record, transpose

__all__ = ["eig", "eigh", "eigvals", "eigvalsh", "qr", "svd", "svdvals"]


class EighResult(NamedTuple):
    """What `eigh` returns."""

    eigenvalues: Tensor
    eigenvectors: Tensor


class QRResult(NamedTuple):
    """What `qr` returns."""

    Q: Tensor
    R: Tensor


class SVDResult(NamedTuple):
    """What `svd` returns."""

    U: Tensor
    S: Tensor
    Vh: Tensor


def _inverse_gaps(values: Array) -> Array:
    """F[i, j] = 1 / (values[j] - values[i]), 0 on the diagonal."""
    gaps = values[..., None, :] - values[..., :, None]
    with np.errstate(divide="ignore"):
        inverse = 1 / gaps
    same = np.arange(values.shape[-1])
    inverse[..., same, same] = 0
    return np.asarray(inverse, dtype=values.dtype)


def eigh(x: Tensor, /) -> EighResult:
    """Eigenvalues, ascending, and eigenvectors of symmetric matrices: ``x = V diag(w) V.mT``.

    Only the lower triangle is read. The gradient through the eigenvectors exists where all
    eigenvalues differ and the result does not depend on their signs.

    Examples
    --------
    >>> import lepton
    >>> lepton.linalg.eigh(lepton.tensor([[2.0, 0.0], [0.0, 1.0]])).eigenvalues
    tensor([1., 2.], dtype=float32)
    """
    a = check_matrices("eigh", x, square=True)
    w, v = lapack("eigh", np.linalg.eigh, a)

    def values_vjp(dw: Array) -> tuple[Array]:
        return ((v * dw[..., None, :]) @ transpose(v),)

    def vectors_vjp(dv: Array) -> tuple[Array]:
        return (v @ (_inverse_gaps(w) * (transpose(v) @ dv)) @ transpose(v),)

    # Both gradients read w and v: results are copies, so that writing to one disturbs neither.
    vectors = record("eigh", [x], v.copy(), vectors_vjp)
    return EighResult(record("eigh", [x], w.copy(), values_vjp), vectors)


def eigvalsh(x: Tensor, /) -> Tensor:
    """Eigenvalues of symmetric matrices, ascending; only the lower triangle is read."""
    a = check_matrices("eigvalsh", x, square=True)
    if x.requires_grad:
        return eigh(x).eigenvalues
    return _core.asarray(lapack("eigvalsh", np.linalg.eigvalsh, a))


def eig(x: Tensor, /) -> tuple[Tensor, Tensor]:
    """Not available: raises TypeError, for Lepton has no complex dtype; use `eigh`."""
    check_matrices("eig", x, square=True)
    raise TypeError(
        "eig: expects a complex dtype, which Lepton does not have; use eigh for symmetric x"
    )


def eigvals(x: Tensor, /) -> Tensor:
    """Not available: raises TypeError, for Lepton has no complex dtype; use `eigvalsh`."""
    check_matrices("eigvals", x, square=True)
    raise TypeError(
        "eigvals: expects a complex dtype, which Lepton does not have; use eigvalsh for symmetric x"
    )


def _svd_vjp(
    parts: tuple[Array, Array, Array],
    du: Array | None = None,
    ds: Array | None = None,
    dvh: Array | None = None,
) -> Array:
    u, s, vh = parts
    ut, v = transpose(u), transpose(vh)
    inner = np.zeros((*s.shape, s.shape[-1]), dtype=s.dtype)
    outside: Array | float = 0.0
    gaps = _inverse_gaps(s * s) if ds is None else inner
    if ds is not None:
        inner = np.eye(s.shape[-1], dtype=s.dtype) * ds[..., None, :]
    if du is not None:
        t = ut @ du
        inner = inner + (gaps * (t - transpose(t))) * s[..., None, :]
        outside = outside + (du - u @ t) / s[..., None, :] @ vh
    if dvh is not None:
        t = vh @ transpose(dvh)
        inner = inner + s[..., :, None] * (gaps * (t - transpose(t)))
        outside = outside + (u / s[..., None, :]) @ (dvh - (dvh @ v) @ vh)
    return np.asarray(u @ inner @ vh + outside)


def svd(x: Tensor, /, *, full_matrices: bool = True) -> SVDResult:
    """Singular value decomposition ``x = U diag(S) Vh``, singular values descending.

    Gradients exist where the singular values differ and are not zero, and need full_matrices=False
    unless the matrices are square.

    Examples
    --------
    >>> import lepton
    >>> lepton.linalg.svd(lepton.tensor([[0.0, 2.0], [1.0, 0.0]])).S
    tensor([2., 1.], dtype=float32)
    """
    a = check_matrices("svd", x)
    if not isinstance(full_matrices, (bool, np.bool_)):
        raise TypeError(f"svd: full_matrices expects True or False, got {full_matrices!r}")
    parts = lapack("svd", np.linalg.svd, a, full_matrices=bool(full_matrices))
    if full_matrices and x.shape[-1] != x.shape[-2] and x.requires_grad:
        raise ValueError(f"svd: gradients need full_matrices=False for shape {x.shape}")
    if not x.requires_grad:
        return SVDResult(*map(_core.asarray, parts))
    u, s, vh = parts
    return SVDResult(
        record("svd", [x], u.copy(), lambda du: (_svd_vjp(parts, du=du),)),
        record("svd", [x], s.copy(), lambda ds: (_svd_vjp(parts, ds=ds),)),
        record("svd", [x], vh.copy(), lambda dvh: (_svd_vjp(parts, dvh=dvh),)),
    )


def svdvals(x: Tensor, /) -> Tensor:
    """Singular values of matrices, descending."""
    a = check_matrices("svdvals", x)
    if x.requires_grad:
        return svd(x, full_matrices=False).S
    return _core.asarray(lapack("svdvals", np.linalg.svd, a, compute_uv=False))


def _qr_vjp(q: Array, r: Array, dq: Array, dr: Array) -> Array:
    """Gradient of the QR decomposition of a tall or square matrix."""
    m = r @ transpose(dr) - transpose(dq) @ q
    symmetric = np.tril(m) + transpose(np.tril(m, -1))
    return transpose(np.linalg.solve(r, transpose(dq + q @ symmetric)))


def _wide_qr_vjp(a: Array, q: Array, r: Array, dq: Array, dr: Array) -> Array:
    """The same for more columns than rows: the columns beyond the square hold ``q.mT @ a``."""
    n = q.shape[-1]
    rest, d_rest = a[..., n:], dr[..., n:]
    square = _qr_vjp(q, r[..., :n], dq + rest @ transpose(d_rest), dr[..., :n])
    return np.concatenate([square, q @ d_rest], axis=-1)


def qr(x: Tensor, /, *, mode: Literal["reduced", "complete"] = "reduced") -> QRResult:
    """QR decomposition ``x = Q R``: orthonormal columns times an upper triangle.

    Gradients exist for matrices of full rank, and need mode 'reduced' for more rows than columns.

    Examples
    --------
    >>> import lepton
    >>> lepton.linalg.qr(lepton.ones((3, 2))).R.shape
    (2, 2)
    """
    a = check_matrices("qr", x)
    if mode not in ("reduced", "complete"):
        raise ValueError(f"qr: mode expects 'reduced' or 'complete', got {mode!r}")
    rows, columns = x.shape[-2:]
    if mode == "complete" and rows > columns and x.requires_grad:
        raise ValueError(f"qr: gradients need mode 'reduced' for shape {x.shape}")
    q, r = lapack("qr", np.linalg.qr, a, mode=mode)

    def vjp(dq: Array, dr: Array) -> tuple[Array]:
        return (_qr_vjp(q, r, dq, dr) if rows >= columns else _wide_qr_vjp(a, q, r, dq, dr),)

    return QRResult(
        record("qr", [x], q.copy(), lambda dq: vjp(dq, np.zeros_like(r))),
        record("qr", [x], r.copy(), lambda dr: vjp(np.zeros_like(q), dr)),
    )
