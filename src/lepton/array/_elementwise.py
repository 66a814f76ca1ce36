# SPDX-License-Identifier: Apache-2.0
"""Elementwise functions that are compositions of the core's."""

from __future__ import annotations

from typing import Any

from lepton._core import Tensor
from lepton._core.array import astype, less, where

__all__ = ["clip", "imag"]


def _bound(x: Tensor, bound: Any, name: str) -> Any:
    """The bound as where takes it: numbers follow x, tensors must promote to its dtype."""
    if isinstance(bound, (int, float)):
        if isinstance(bound, float) and x.dtype.kind != "f":
            raise TypeError(f"clip: {name} expects an int for {x.dtype} elements, got {bound!r}")
        return bound
    if not isinstance(bound, Tensor):
        raise TypeError(f"clip: {name} expects a Tensor or a number, got {type(bound).__name__}")
    return astype(bound, x.dtype, copy=False)


def clip(
    x: Tensor, /, min: Tensor | int | float | None = None, max: Tensor | int | float | None = None
) -> Tensor:
    """Elements held between min and max, in the dtype of x; NaN in any of the three gives NaN.

    Formula: ``minimum(maximum(x, min), max)``. Elements at a bound keep their gradient.

    Examples
    --------
    >>> import lepton
    >>> lepton.clip(lepton.tensor([-2, 1, 9]), 0, 5)
    tensor([0, 1, 5])
    """
    if not isinstance(x, Tensor):
        raise TypeError(f"clip: x expects a Tensor, got {type(x).__name__}")
    if x.dtype.kind == "b":
        raise TypeError("clip: does not take bool")
    if min is None and max is None:
        return x.clone()
    y = x
    for bound, name in ((min, "min"), (max, "max")):
        if bound is None:
            continue
        limit = _bound(x, bound, name)
        beyond = less(y, limit) if name == "min" else less(limit, y)
        if isinstance(limit, Tensor):
            beyond = beyond | (limit != limit)
        elif limit != limit:
            beyond = beyond | True
        y = where(beyond, limit, y)
    return y


def imag(x: Tensor, /) -> Tensor:
    """The imaginary part, which real numbers do not have: raises TypeError for every dtype."""
    found = x.dtype if isinstance(x, Tensor) else type(x).__name__
    raise TypeError(f"imag: expects a complex dtype, which Lepton does not have, got {found}")
