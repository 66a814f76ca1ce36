# SPDX-License-Identifier: Apache-2.0
"""Functions that rearrange, repeat, join and cut tensors."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

import numpy as np

from lepton._core import Tensor
from lepton._core import asarray as _asarray
from lepton._core.array import (
    astype,
    broadcast_to,
    concat,
    not_equal,
    permute_dims,
    reshape,
    subtract,
    take,
)

__all__ = [
    "broadcast_arrays",
    "broadcast_shapes",
    "diff",
    "moveaxis",
    "repeat",
    "roll",
    "split",
    "tile",
    "unstack",
]


def _check_tensor(op: str, name: str, x: Any) -> None:
    if not isinstance(x, Tensor):
        raise TypeError(f"{op}: {name} expects a Tensor, got {type(x).__name__}")


def _integers(op: str, name: str, value: Any) -> tuple[int, ...]:
    """An int or a sequence of ints, as a tuple."""
    try:
        return (operator.index(value),)
    except TypeError:
        pass
    try:
        return tuple(operator.index(v) for v in value)
    except TypeError:
        kind = type(value).__name__
        raise TypeError(f"{op}: {name} expects an int or a sequence of ints, got {kind}") from None


def _axis(op: str, axis: Any, ndim: int, name: str = "axis") -> int:
    """An axis counted from the front."""
    try:
        number = operator.index(axis)
    except TypeError:
        raise TypeError(f"{op}: {name} expects an int, got {type(axis).__name__}") from None
    if not -ndim <= number < ndim:
        raise IndexError(f"{op}: {name} {number} is out of bounds for {ndim} axes")
    return number % ndim


def broadcast_shapes(*shapes: Sequence[int]) -> tuple[int, ...]:
    """The shape that tensors of these shapes broadcast to.

    >>> broadcast_shapes((3, 1), (4,))
    (3, 4)
    """
    result: tuple[int, ...] = ()
    for shape in shapes:
        lengths = _integers("broadcast_shapes", "shape", shape)
        if any(n < 0 for n in lengths):
            raise ValueError(f"broadcast_shapes: expects lengths of at least 0, got {lengths}")
        n = max(len(result), len(lengths))
        pairs = zip(
            (1,) * (n - len(result)) + result, (1,) * (n - len(lengths)) + lengths, strict=True
        )
        joined = []
        for a, b in pairs:
            if a != b and 1 not in (a, b):
                raise ValueError(f"broadcast_shapes: {result} and {lengths} do not broadcast")
            joined.append(b if a == 1 else a)
        result = tuple(joined)
    return result


def broadcast_arrays(*arrays: Tensor) -> tuple[Tensor, ...]:
    """Each tensor stretched to the shape they share; views."""
    for k, x in enumerate(arrays):
        _check_tensor("broadcast_arrays", f"array {k}", x)
    shape = broadcast_shapes(*(x.shape for x in arrays))
    return tuple(broadcast_to(x, shape) for x in arrays)


def moveaxis(x: Tensor, source: int | Sequence[int], destination: int | Sequence[int], /) -> Tensor:
    """Axes moved to other places, the others in their order; a view.

    Examples
    --------
    >>> import lepton
    >>> lepton.moveaxis(lepton.zeros((2, 3, 4)), 0, -1).shape
    (3, 4, 2)
    """
    _check_tensor("moveaxis", "x", x)
    places = []
    for name, value in (("source", source), ("destination", destination)):
        axes = [_axis("moveaxis", a, x.ndim, name) for a in _integers("moveaxis", name, value)]
        if len(set(axes)) != len(axes):
            raise ValueError(f"moveaxis: {name} names an axis twice, got {value}")
        places.append(axes)
    if len(places[0]) != len(places[1]):
        raise ValueError(
            f"moveaxis: expects as many sources as destinations, got {source} and {destination}"
        )
    order = [a for a in range(x.ndim) if a not in places[0]]
    for to, origin in sorted(zip(places[1], places[0], strict=True)):
        order.insert(to, origin)
    return permute_dims(x, order)


def repeat(
    x: Tensor, repeats: int | Tensor | Sequence[int], /, *, axis: int | None = None
) -> Tensor:
    """Each element (or slice along an axis) repeated, all as often or each its own number of times.

    Examples
    --------
    >>> import lepton
    >>> lepton.repeat(lepton.tensor([1, 2]), lepton.tensor([3, 1]))
    tensor([1, 1, 1, 2])
    """
    _check_tensor("repeat", "x", x)
    if axis is None:
        x, axis = x.flatten(), 0
    axis = _axis("repeat", axis, x.ndim)
    if isinstance(repeats, Tensor):
        if repeats.dtype.kind not in "iu":
            raise TypeError(f"repeat: repeats expects integers, got {repeats.dtype}")
        counts = repeats._array().reshape(-1)
    else:
        counts = np.asarray(_integers("repeat", "repeats", repeats), dtype=np.int64)
    length = x.shape[axis]
    if len(counts) not in (1, length):
        raise ValueError(f"repeat: repeats expects 1 or {length} numbers, got {len(counts)}")
    if len(counts) and counts.min() < 0:
        raise ValueError(f"repeat: repeats expects numbers of at least 0, got {counts.min()}")
    total = int(counts.sum()) * (length if len(counts) == 1 else 1)
    if total * x.dtype.itemsize > 1 << 46:
        raise ValueError(f"repeat: {total} elements are more than memory holds")
    index = np.repeat(np.arange(length), counts if len(counts) == length else int(counts[0]))
    return take(x, _asarray(index), axis=axis)


def roll(
    x: Tensor,
    /,
    shift: int | Sequence[int],
    *,
    axis: int | Sequence[int] | None = None,
) -> Tensor:
    """Elements moved along axes; those that leave at the end enter at the start.

    Examples
    --------
    >>> import lepton
    >>> lepton.roll(lepton.arange(4), 1)
    tensor([3, 0, 1, 2])
    """
    _check_tensor("roll", "x", x)
    shifts = _integers("roll", "shift", shift)
    if axis is None:
        if len(shifts) != 1:
            raise ValueError(f"roll: several shifts need as many axes, got {shifts} and None")
        return reshape(
            roll(reshape(x, (-1,)) if x.size else x.flatten(), shifts[0], axis=0), x.shape
        )
    axes = [_axis("roll", a, x.ndim) for a in _integers("roll", "axis", axis)]
    if len(shifts) == 1:
        shifts *= len(axes)
    if len(shifts) != len(axes):
        raise ValueError(f"roll: expects one shift or one per axis, got {shifts} for axes {axis}")
    for amount, a in zip(shifts, axes, strict=True):
        n = x.shape[a]
        if n and amount % n:
            start: list[Any] = [slice(None)] * a
            cut = n - amount % n
            x = concat([x[(*start, slice(cut, None))], x[(*start, slice(cut))]], axis=a)
    return x.clone()


def tile(x: Tensor, repetitions: Sequence[int], /) -> Tensor:
    """Copies of x side by side, so many along each axis.

    Examples
    --------
    >>> import lepton
    >>> lepton.tile(lepton.tensor([1, 2]), (2, 2))
    tensor([[1, 2, 1, 2],
            [1, 2, 1, 2]])
    """
    _check_tensor("tile", "x", x)
    counts = _integers("tile", "repetitions", repetitions)
    if any(n < 0 for n in counts):
        raise ValueError(f"tile: repetitions expects numbers of at least 0, got {counts}")
    n = max(x.ndim, len(counts))
    counts = (1,) * (n - len(counts)) + counts
    lengths = (1,) * (n - x.ndim) + x.shape
    spread = broadcast_to(
        reshape(x, [v for length in lengths for v in (1, length)]),
        [v for pair in zip(counts, lengths, strict=True) for v in pair],
    )
    return reshape(spread, [r * m for r, m in zip(counts, lengths, strict=True)], copy=True)


def unstack(x: Tensor, /, *, axis: int = 0) -> tuple[Tensor, ...]:
    """The slices along an axis, without that axis; views."""
    _check_tensor("unstack", "x", x)
    front: tuple[Any, ...] = (slice(None),) * _axis("unstack", axis, x.ndim)
    return tuple(x[(*front, i)] for i in range(x.shape[len(front)]))


def split(x: Tensor, indices_or_sections: int | Sequence[int], axis: int = 0) -> list[Tensor]:
    """Pieces along an axis, as NumPy cuts them: that many equal ones, or cut at these indices.

    PyTorch's function of this name takes the length of a piece instead. The pieces are views.

    Examples
    --------
    >>> import lepton
    >>> lepton.split(lepton.arange(4), 2)
    [tensor([0, 1]), tensor([2, 3])]
    >>> lepton.split(lepton.arange(4), [1])
    [tensor([0]), tensor([1, 2, 3])]
    """
    _check_tensor("split", "x", x)
    axis = _axis("split", axis, x.ndim)
    length = x.shape[axis]
    cuts = _integers("split", "indices_or_sections", indices_or_sections)
    if not isinstance(indices_or_sections, Sequence):
        (sections,) = cuts
        if sections <= 0 or length % sections:
            raise ValueError(f"split: cannot cut {length} elements into {sections} equal pieces")
        step = length // sections
        cuts = tuple(range(step, length, step)) if step else (0,) * (sections - 1)
    front: list[Any] = [slice(None)] * axis
    ends = [*cuts, length]
    return [x[(*front, slice(a, b))] for a, b in zip([0, *cuts], ends, strict=True)]


def diff(
    x: Tensor,
    /,
    *,
    axis: int = -1,
    n: int = 1,
    prepend: Tensor | None = None,
    append: Tensor | None = None,
) -> Tensor:
    """Differences between neighbours along an axis, taken n times.

    Examples
    --------
    >>> import lepton
    >>> lepton.diff(lepton.tensor([1, 4, 9]))
    tensor([3, 5])
    """
    _check_tensor("diff", "x", x)
    axis = _axis("diff", axis, x.ndim)
    n = operator.index(n)
    if n < 0:
        raise ValueError(f"diff: n expects at least 0, got {n}")
    parts = [x]
    for name, part in (("prepend", prepend), ("append", append)):
        if part is not None:
            _check_tensor("diff", name, part)
            parts.insert(0 if name == "prepend" else len(parts), part)
    if len(parts) > 1:
        x = concat([astype(p, x.dtype, copy=False) for p in parts], axis=axis)
    front: list[Any] = [slice(None)] * axis
    step = not_equal if x.dtype.kind == "b" else subtract
    for _ in range(min(n, x.shape[axis])):
        x = step(x[(*front, slice(1, None))], x[(*front, slice(None, -1))])
    return x.clone() if n == 0 else x
