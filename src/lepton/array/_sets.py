# SPDX-License-Identifier: Apache-2.0
"""Sets: unique elements and membership, on NumPy's algorithms."""

from __future__ import annotations

import builtins
from typing import Any, NamedTuple

import numpy as np

from lepton._core import Tensor
from lepton._core import asarray as _asarray
from lepton._core.array import take

__all__ = ["isin", "unique_all", "unique_counts", "unique_inverse", "unique_values"]


class UniqueAll(NamedTuple):
    """What `unique_all` returns."""

    values: Tensor
    indices: Tensor
    inverse_indices: Tensor
    counts: Tensor


class UniqueCounts(NamedTuple):
    """What `unique_counts` returns."""

    values: Tensor
    counts: Tensor


class UniqueInverse(NamedTuple):
    """What `unique_inverse` returns."""

    values: Tensor
    inverse_indices: Tensor


def unique_all(x: Tensor, /) -> UniqueAll:
    """Sorted unique elements, where each occurs first, the way back, and how often each occurs.

    NaNs differ from each other. Gradients flow into the first occurrences.

    Examples
    --------
    >>> import lepton
    >>> lepton.unique_all(lepton.tensor([3, 1, 3])).counts
    tensor([1, 2])
    """
    return _unique("unique_all", x)


def _unique(op: str, x: Tensor) -> UniqueAll:
    if not isinstance(x, Tensor):
        raise TypeError(f"{op}: x expects a Tensor, got {type(x).__name__}")
    _, first, inverse, counts = np.unique(
        x.detach()._array().reshape(-1),
        return_index=True,
        return_inverse=True,
        return_counts=True,
        equal_nan=False,
    )
    indices = _asarray(first.astype(np.int64, copy=False))
    return UniqueAll(
        take(x.flatten(), indices),
        indices,
        _asarray(inverse.astype(np.int64, copy=False).reshape(x.shape)),
        _asarray(counts.astype(np.int64, copy=False)),
    )


def unique_counts(x: Tensor, /) -> UniqueCounts:
    """Sorted unique elements and how often each occurs; NaNs differ from each other."""
    result = _unique("unique_counts", x)
    return UniqueCounts(result.values, result.counts)


def unique_inverse(x: Tensor, /) -> UniqueInverse:
    """Sorted unique elements, and for each element of x its place among them."""
    result = _unique("unique_inverse", x)
    return UniqueInverse(result.values, result.inverse_indices)


def unique_values(x: Tensor, /) -> Tensor:
    """Sorted unique elements; NaNs differ from each other.

    Examples
    --------
    >>> import lepton
    >>> lepton.unique_values(lepton.tensor([3, 1, 3]))
    tensor([1, 3])
    """
    return _unique("unique_values", x).values


def isin(x1: Tensor | int, x2: Tensor | int, /, *, invert: builtins.bool = False) -> Tensor:
    """For each element of x1, whether it is (with invert: is not) an element of x2.

    Examples
    --------
    >>> import lepton
    >>> lepton.isin(lepton.arange(4), lepton.tensor([1, 3]))
    tensor([False,  True, False,  True])
    """
    values: list[Any] = []
    for name, x in (("x1", x1), ("x2", x2)):
        if not isinstance(x, (Tensor, int, float)):
            raise TypeError(f"isin: {name} expects a Tensor or number, got {type(x).__name__}")
        values.append(x.detach()._array() if isinstance(x, Tensor) else x)
    if not (isinstance(x1, Tensor) or isinstance(x2, Tensor)):
        raise TypeError("isin: expects at least one Tensor, got two numbers")
    return _asarray(np.asarray(np.isin(values[0], values[1], invert=bool(invert))))
