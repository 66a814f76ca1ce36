# SPDX-License-Identifier: Apache-2.0
"""Sorting and searching, on NumPy's algorithms."""

from __future__ import annotations

import builtins
import operator
from typing import Any, Literal

import numpy as np

from lepton._core import Tensor
from lepton._core import asarray as _asarray
from lepton._core.array import take_along_axis

__all__ = ["argsort", "searchsorted", "sort"]


def _order(
    op: str, x: Tensor, axis: int, descending: builtins.bool, stable: builtins.bool
) -> Tensor:
    if not isinstance(x, Tensor):
        raise TypeError(f"{op}: x expects a Tensor, got {type(x).__name__}")
    if x.ndim == 0:
        raise ValueError(f"{op}: expects at least one axis, got shape ()")
    axis = operator.index(axis)
    if not -x.ndim <= axis < x.ndim:
        raise IndexError(f"{op}: axis {axis} is out of bounds for {x.ndim} axes")
    values = x.detach()._array()
    kind: Any = "stable" if stable else None
    if not descending:
        return _asarray(np.argsort(values, axis=axis, kind=kind))
    # Backwards twice: equal elements keep their order.
    order = np.argsort(np.flip(values, axis), axis=axis, kind=kind)
    return _asarray(np.flip(values.shape[axis] - 1 - order, axis))


def argsort(
    x: Tensor,
    /,
    *,
    axis: int = -1,
    descending: builtins.bool = False,
    stable: builtins.bool = True,
) -> Tensor:
    """The int64 indices that sort x along an axis; NaN counts as the largest.

    Examples
    --------
    >>> import lepton
    >>> lepton.argsort(lepton.tensor([3, 1, 2]))
    tensor([1, 2, 0])
    """
    return _order("argsort", x, axis, descending, stable)


def sort(
    x: Tensor,
    /,
    *,
    axis: int = -1,
    descending: builtins.bool = False,
    stable: builtins.bool = True,
) -> Tensor:
    """x with its elements in order along an axis; NaN counts as the largest.

    Examples
    --------
    >>> import lepton
    >>> lepton.sort(lepton.tensor([3, 1, 2]), descending=True)
    tensor([3, 2, 1])
    """
    return take_along_axis(x, _order("sort", x, axis, descending, stable), axis=axis)


def searchsorted(
    x1: Tensor,
    x2: Tensor | int | float,
    /,
    *,
    side: Literal["left", "right"] = "left",
    sorter: Tensor | None = None,
) -> Tensor:
    """Where each element of x2 belongs in the sorted x1, as int64 indices.

    Examples
    --------
    >>> import lepton
    >>> lepton.searchsorted(lepton.tensor([1, 3, 5]), lepton.tensor([3, 4]))
    tensor([1, 2])
    """
    if side not in ("left", "right"):
        raise ValueError(f"searchsorted: side expects 'left' or 'right', got {side!r}")
    if not isinstance(x1, Tensor) or x1.ndim != 1:
        found = x1.shape if isinstance(x1, Tensor) else type(x1).__name__
        raise ValueError(f"searchsorted: x1 expects a tensor with one axis, got {found}")
    if not isinstance(x2, (Tensor, int, float)):
        raise TypeError(f"searchsorted: x2 expects a Tensor or number, got {type(x2).__name__}")
    order = None
    if sorter is not None:
        if not isinstance(sorter, Tensor) or sorter.dtype.kind not in "iu":
            raise TypeError("searchsorted: sorter expects a tensor of integers")
        if sorter.shape != x1.shape:
            raise ValueError(f"searchsorted: sorter expects shape {x1.shape}, got {sorter.shape}")
        order = sorter._array()
        if order.size and not (int(order.min()) >= 0 and int(order.max()) < order.size):
            raise IndexError(f"searchsorted: sorter expects indices below {order.size}")
    wanted = x2.detach()._array() if isinstance(x2, Tensor) else x2
    found_at = np.searchsorted(x1.detach()._array(), wanted, side=side, sorter=order)
    return _asarray(np.asarray(found_at, dtype=np.int64))
