# SPDX-License-Identifier: Apache-2.0
"""Functions of networks: all of the compiled core's, and compositions too small for it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lepton import array
from lepton._check import check_choice, check_int, check_number
from lepton._core.functional import *  # noqa: F403
from lepton.array import Tensor, int64
from lepton.array import tanh as tanh


def normalize(
    input: Tensor, p: float = 2.0, dim: int = 1, eps: float = 1e-12, *, axis: int | None = None
) -> Tensor:
    """Divide by the norm along an axis: ``x / max(norm(x, p), eps)``.

    Parameters
    ----------
    input : Tensor
        Any shape.
    p : float
        Order of the norm; at least 0, may be infinite.
    dim : int
        The axis; `axis` is another name for it.
    eps : float
        Least divisor.

    Examples
    --------
    >>> import lepton
    >>> from lepton.nn import functional as F
    >>> [round(value, 4) for value in F.normalize(lepton.tensor([[3.0, 4.0]])).tolist()[0]]
    [0.6, 0.8]
    """
    dim = check_int("normalize", "dim", dim if axis is None else axis)
    if p == float("inf"):
        norm = array.max(array.abs(input), axis=dim, keepdims=True)
        return input / array.maximum(norm, array.full((), eps, dtype=norm.dtype))
    order = check_number("normalize", "p", p, 0, open_minimum=True)
    powers = input * input if order == 2 else array.pow(array.abs(input), order)
    total = array.sum(powers, axis=dim, keepdims=True)
    # cutting off before the root keeps the gradient of a zero vector finite
    least = array.full((), max(eps**order, 1e-37), dtype=total.dtype)
    total = array.maximum(total, least)
    return input / (array.sqrt(total) if order == 2 else array.pow(total, 1 / order))


def one_hot(tensor: Tensor, num_classes: int = -1) -> Tensor:
    """Turn class indices into rows with a single 1.

    Parameters
    ----------
    tensor : Tensor
        Non-negative class indices of any shape.
    num_classes : int
        Length of the rows; -1 takes one more than the largest index.

    Returns
    -------
    Tensor
        int64 of shape ``(*tensor.shape, num_classes)``.

    Examples
    --------
    >>> import lepton
    >>> from lepton.nn import functional as F
    >>> F.one_hot(lepton.tensor([0, 2])).tolist()
    [[1, 0, 0], [0, 0, 1]]
    """
    num_classes = check_int("one_hot", "num_classes", num_classes, -1)
    values = tensor.numpy()
    if values.dtype.kind not in "iu":
        raise TypeError(f"one_hot: tensor expects integers, got {tensor.dtype}")
    if not values.size and num_classes < 1:
        raise ValueError("one_hot: num_classes must be given for an empty tensor")
    low, high = (int(values.min()), int(values.max())) if values.size else (0, 0)
    count = high + 1 if num_classes == -1 else num_classes
    if low < 0 or high >= count:
        wrong = low if low < 0 else high
        raise IndexError(f"one_hot: class index {wrong} is out of range for {count} classes")
    return (tensor.reshape(*tensor.shape, 1) == array.arange(count, dtype=tensor.dtype)).astype(
        int64
    )


def pad(
    input: Tensor, pad: Sequence[int], mode: str = "constant", value: float | None = None
) -> Tensor:
    """Add a border of a constant; a negative width cuts instead.

    Parameters
    ----------
    input : Tensor
        Any shape.
    pad : sequence of int
        Widths before and after each axis, the last axis first:
        ``(left, right, top, bottom, ...)``.
    mode : 'constant'
        How the border is filled.
    value : float, optional
        The constant, 0 if not given.

    Examples
    --------
    >>> import lepton
    >>> from lepton.nn import functional as F
    >>> F.pad(lepton.tensor([[1, 2]]), (1, 0, 0, 1)).tolist()
    [[0, 1, 2], [0, 0, 0]]
    """
    check_choice("pad", "mode", mode, ["constant"])
    widths = [check_int("pad", "pad", width) for width in pad]
    if len(widths) % 2 or len(widths) > 2 * input.ndim:
        raise ValueError(
            f"pad: pad expects two widths per axis, got {len(widths)} widths for {input.ndim} axes"
        )
    for position in range(len(widths) // 2):
        axis = input.ndim - 1 - position
        input = _pad_axis(input, axis, widths[2 * position], widths[2 * position + 1], value or 0)
    return input


def _pad_axis(x: Tensor, axis: int, before: int, after: int, value: float) -> Tensor:
    size = x.shape[axis]
    if size + min(before, 0) + min(after, 0) < 0:
        raise ValueError(f"pad: axis {axis} of size {size} cannot be cut by {(before, after)}")
    if before < 0 or after < 0:
        index: list[Any] = [slice(None)] * x.ndim
        index[axis] = slice(max(-before, 0), size - max(-after, 0))
        x = x[tuple(index)]

    def border(width: int) -> list[Tensor]:
        shape = (*x.shape[:axis], width, *x.shape[axis + 1 :])
        return [array.full(shape, value, dtype=x.dtype)] if width > 0 else []

    parts = [*border(before), x, *border(after)]
    return array.concat(parts, axis=axis) if len(parts) > 1 else x
