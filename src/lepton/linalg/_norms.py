# SPDX-License-Identifier: Apache-2.0
"""Norms of vectors and matrices."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal

from lepton import _core
from lepton._core import Tensor
from lepton._core.array import abs as _abs
from lepton._core.array import astype, count_nonzero, expand_dims, pow, reshape, sqrt, square, where
from lepton._core.array import max as _max
from lepton._core.array import min as _min
from lepton._core.array import sum as _sum
from lepton.linalg._decompositions import svdvals
from lepton.linalg._support import check_matrices

__all__ = ["matrix_norm", "vector_norm"]


def _euclidean(op: str, x: Tensor, axis: Any, keepdims: bool) -> Tensor:
    """The root of the sum of squares; the gradient at zero is zero."""
    wide = sqrt(_sum(square(x.detach()), axis=axis, keepdims=True))
    y = wide if keepdims else reshape(wide, _sum(x.detach(), axis=axis).shape)

    def vjp(dy: Tensor) -> tuple[Tensor]:
        scale = where(wide > 0, reshape(dy, wide.shape) / wide, 0.0)
        return (x.detach() * scale,)

    return _core.record(op, [x], y, vjp, [x, wide])


def vector_norm(
    x: Tensor,
    /,
    *,
    axis: int | Sequence[int] | None = None,
    keepdims: bool = False,
    ord: int | float = 2,
) -> Tensor:
    """Norms of vectors along axes (of all elements for None): ``sum(abs(x) ** ord) ** (1 / ord)``.

    Order inf takes the largest magnitude, -inf the smallest, 0 counts the elements that are not 0.

    Examples
    --------
    >>> import lepton
    >>> lepton.linalg.vector_norm(lepton.tensor([3.0, 4.0]))
    tensor(5., dtype=float32)
    """
    if not isinstance(x, Tensor):
        raise TypeError(f"vector_norm: x expects a Tensor, got {type(x).__name__}")
    if x.dtype.kind != "f":
        raise TypeError(f"vector_norm: x expects float32 or float64, got {x.dtype}")
    if isinstance(ord, str) or not isinstance(ord, (int, float)) or math.isnan(ord):
        raise ValueError(f"vector_norm: ord expects a number, got {ord!r}")
    if ord == 2:
        return _euclidean("vector_norm", x, axis, keepdims)
    if ord == math.inf:
        return _max(_abs(x), axis=axis, keepdims=keepdims)
    if ord == -math.inf:
        return _min(_abs(x), axis=axis, keepdims=keepdims)
    if ord == 0:
        return astype(count_nonzero(x, axis=axis, keepdims=keepdims), x.dtype)
    if ord == 1:
        return _sum(_abs(x), axis=axis, keepdims=keepdims)
    return pow(_sum(pow(_abs(x), float(ord)), axis=axis, keepdims=keepdims), 1.0 / ord)


def matrix_norm(
    x: Tensor,
    /,
    *,
    keepdims: bool = False,
    ord: int | float | Literal["fro", "nuc"] | None = "fro",
) -> Tensor:
    """Norms of matrices: 'fro', 'nuc', 1, -1, 2, -2, inf or -inf.

    'fro' (None too) is the root of the sum of squares, 'nuc' the sum of the singular values, 2 the
    largest and -2 the smallest of them, 1 the largest sum of magnitudes of a column, inf of a row.

    Examples
    --------
    >>> import lepton
    >>> lepton.linalg.matrix_norm(lepton.tensor([[3.0, 0.0], [0.0, 4.0]]))
    tensor(5., dtype=float32)
    """
    check_matrices("matrix_norm", x)
    if ord is None or ord == "fro":
        return _euclidean("matrix_norm", x, (-2, -1), keepdims)
    if ord == "nuc":
        y = _sum(svdvals(x), axis=-1)
    elif ord in (2, -2):
        y = (_max if ord == 2 else _min)(svdvals(x), axis=-1)
    elif ord in (1, -1, math.inf, -math.inf):
        sums = _sum(_abs(x), axis=-2 if abs(ord) == 1 else -1)
        y = (_max if ord > 0 else _min)(sums, axis=-1)
    else:
        raise ValueError(
            f"matrix_norm: ord expects 'fro', 'nuc', 1, -1, 2, -2, inf or -inf, got {ord!r}"
        )
    return expand_dims(y, (-2, -1)) if keepdims else y
