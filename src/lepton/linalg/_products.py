# SPDX-License-Identifier: Apache-2.0
"""Products of vectors, and what lies on the diagonals of matrices."""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING

from lepton._core import Tensor
from lepton._core.array import arange, matmul, matrix_transpose, multiply, reshape, stack
from lepton._core.array import sum as _sum
from lepton.array._manipulation import _check_tensor, unstack
from lepton.array._products import tensordot, vecdot

if TYPE_CHECKING:
    from numpy.typing import DTypeLike

__all__ = [
    "cross",
    "diagonal",
    "matmul",
    "matrix_transpose",
    "outer",
    "tensordot",
    "trace",
    "vecdot",
]


def cross(x1: Tensor, x2: Tensor, /, *, axis: int = -1) -> Tensor:
    """Cross products of vectors with 3 elements along an axis; the other axes broadcast.

    Examples
    --------
    >>> import lepton
    >>> lepton.linalg.cross(lepton.tensor([1, 0, 0]), lepton.tensor([0, 1, 0]))
    tensor([0, 0, 1])
    """
    for name, x in (("x1", x1), ("x2", x2)):
        _check_tensor("cross", name, x)
        if x.dtype.kind == "b":
            raise TypeError(f"cross: {name} expects a number type, got bool")
        if not -x.ndim <= axis < x.ndim:
            raise IndexError(f"cross: axis {axis} is out of bounds for {name} of shape {x.shape}")
        if x.shape[axis] != 3:
            raise ValueError(f"cross: axis {axis} of {name} expects length 3, got shape {x.shape}")
    places = {axis - x.ndim if axis >= 0 else axis for x in (x1, x2)}
    if len(places) > 1:
        raise ValueError(
            f"cross: axis {axis} counts from different ends of {x1.shape} and {x2.shape}"
        )
    (place,) = places
    a, b = unstack(x1, axis=place), unstack(x2, axis=place)
    parts = [multiply(a[i], b[j]) - multiply(a[j], b[i]) for i, j in ((1, 2), (2, 0), (0, 1))]
    return stack(parts, axis=place)


def outer(x1: Tensor, x2: Tensor, /) -> Tensor:
    """All products of an element of vector x1 and one of vector x2, as a matrix."""
    for name, x in (("x1", x1), ("x2", x2)):
        _check_tensor("outer", name, x)
        if x.ndim != 1:
            raise ValueError(f"outer: {name} expects one axis, got shape {x.shape}")
    return multiply(reshape(x1, (-1, 1) if x1.size else (0, 1)), x2)


def diagonal(x: Tensor, /, *, offset: int = 0) -> Tensor:
    """The diagonals of matrices; offset counts upwards from the main one.

    Examples
    --------
    >>> import lepton
    >>> lepton.linalg.diagonal(lepton.tensor([[1, 2], [3, 4]]))
    tensor([1, 4])
    """
    _check_tensor("diagonal", "x", x)
    if x.ndim < 2:
        raise ValueError(f"diagonal: expects at least 2 axes, got shape {x.shape}")
    offset = operator.index(offset)
    rows, columns = x.shape[-2:]
    length = max(0, min(rows + min(offset, 0), columns - max(offset, 0)))
    at = arange(length)
    return (
        x[..., at - min(offset, 0), at + max(offset, 0)] if length else x[..., :0, 0:0].flatten(-2)
    )


def trace(x: Tensor, /, *, offset: int = 0, dtype: DTypeLike | None = None) -> Tensor:
    """Sums along the diagonals of matrices; small integers are summed as int64."""
    _check_tensor("trace", "x", x)
    if x.dtype.kind == "b" and dtype is None:
        raise TypeError("trace: expects a number type, got bool")
    if x.ndim < 2:
        raise ValueError(f"trace: expects at least 2 axes, got shape {x.shape}")
    return _sum(diagonal(x, offset=offset), axis=-1, dtype=dtype)
