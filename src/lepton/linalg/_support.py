# SPDX-License-Identifier: Apache-2.0
"""What all functions over NumPy's LAPACK share: checks, calls and recording of gradients."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from lepton import _core
from lepton._core import Tensor

Array = np.ndarray[Any, Any]


def check_matrices(op: str, x: Any, name: str = "x", *, square: bool = False) -> Array:
    """The floating-point matrices of a tensor, as a view; an error in one sentence otherwise."""
    if not isinstance(x, Tensor):
        raise TypeError(f"{op}: {name} expects a Tensor, got {type(x).__name__}")
    if x.dtype.kind != "f":
        raise TypeError(f"{op}: {name} expects float32 or float64, got {x.dtype}")
    if x.ndim < 2:
        raise ValueError(f"{op}: {name} expects at least 2 axes, got shape {x.shape}")
    if square and x.shape[-1] != x.shape[-2]:
        raise ValueError(f"{op}: {name} expects square matrices, got shape {x.shape}")
    return x.detach()._array()


def lapack(op: str, function: Callable[..., Any], *args: Any, **options: Any) -> Any:
    """Calls a function of numpy.linalg; its errors become ValueErrors that name op."""
    try:
        with np.errstate(all="ignore"):
            return function(*args, **options)
    except np.linalg.LinAlgError as error:
        cause = str(error).rstrip(".")
        raise ValueError(f"{op}: {cause[:1].lower()}{cause[1:]} (x: {args[0].shape})") from None


def record(
    op: str,
    inputs: Sequence[Tensor],
    value: Array,
    vjp: Callable[[Array], tuple[Array | None, ...]],
) -> Tensor:
    """A tensor of value, tied to inputs by a function from its gradient to theirs."""
    y = _core.asarray(np.asarray(value))

    def gradients(dy: Tensor) -> tuple[Tensor | None, ...]:
        with np.errstate(all="ignore"):
            found = vjp(dy._array())
        return tuple(None if dx is None else _core.asarray(dx) for dx in found)

    # The functions may read inputs and result: writing to either before backward is refused.
    return _core.record(op, list(inputs), y, gradients, [*inputs, y])


def transpose(x: Array) -> Array:
    """The last two axes exchanged."""
    return x.swapaxes(-1, -2)


def sum_to(x: Array, shape: tuple[int, ...]) -> Array:
    """x summed over the axes that broadcasting had stretched."""
    x = x.sum(axis=tuple(range(x.ndim - len(shape))))
    stretched = tuple(k for k, n in enumerate(shape) if n == 1 and x.shape[k] != 1)
    return x.sum(axis=stretched, keepdims=True) if stretched else x
