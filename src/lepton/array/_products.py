# SPDX-License-Identifier: Apache-2.0
"""Sums of products: tensordot, vecdot and einsum, all on matmul so that gradients flow."""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence

import numpy as np

from lepton._core import Tensor
from lepton._core.array import broadcast_to, matmul, multiply, permute_dims, reshape
from lepton._core.array import sum as _sum
from lepton.array._dtypes import result_type
from lepton.array._manipulation import _axis, _check_tensor, _integers, broadcast_arrays

__all__ = ["einsum", "tensordot", "vecdot"]


def tensordot(
    x1: Tensor,
    x2: Tensor,
    /,
    *,
    axes: int | tuple[Sequence[int], Sequence[int]] = 2,
) -> Tensor:
    """Sum of products over axes of x1 and x2: the last and first `axes`, or the named pairs.

    Examples
    --------
    >>> import lepton
    >>> lepton.tensordot(lepton.ones((2, 3, 4)), lepton.ones((4, 3)), axes=((2, 1), (0, 1)))
    tensor([12., 12.], dtype=float32)
    """
    _check_tensor("tensordot", "x1", x1)
    _check_tensor("tensordot", "x2", x2)
    if isinstance(axes, (tuple, list)):
        if len(axes) != 2:
            raise ValueError(f"tensordot: axes expects an int or two sequences, got {axes}")
        left = [_axis("tensordot", a, x1.ndim) for a in _integers("tensordot", "axes", axes[0])]
        right = [_axis("tensordot", a, x2.ndim) for a in _integers("tensordot", "axes", axes[1])]
    else:
        try:
            n = operator.index(axes)
        except TypeError:
            kind = type(axes).__name__
            raise TypeError(
                f"tensordot: axes expects an int or two sequences, got {kind}"
            ) from None
        if not 0 <= n <= min(x1.ndim, x2.ndim):
            raise ValueError(f"tensordot: axes {n} does not fit shapes {x1.shape} and {x2.shape}")
        left, right = list(range(x1.ndim - n, x1.ndim)), list(range(n))
    if [x1.shape[a] for a in left] != [x2.shape[a] for a in right]:
        raise ValueError(
            f"tensordot: axes {axes} of shapes {x1.shape} and {x2.shape} differ in length"
        )
    if len(set(left)) != len(left) or len(set(right)) != len(right):
        raise ValueError(f"tensordot: axes names an axis twice, got {axes}")
    free1 = [a for a in range(x1.ndim) if a not in left]
    free2 = [a for a in range(x2.ndim) if a not in right]
    shape1, shape2 = [x1.shape[a] for a in free1], [x2.shape[a] for a in free2]
    inner = math.prod(x1.shape[a] for a in left)
    a = reshape(permute_dims(x1, free1 + left), (math.prod(shape1), inner))
    b = reshape(permute_dims(x2, right + free2), (inner, math.prod(shape2)))
    return reshape(matmul(a, b), shape1 + shape2)


def vecdot(x1: Tensor, x2: Tensor, /, *, axis: int = -1) -> Tensor:
    """Dot products of vectors along an axis; the other axes broadcast.

    Examples
    --------
    >>> import lepton
    >>> lepton.vecdot(lepton.tensor([[1, 2], [3, 4]]), lepton.tensor([1, 1]))
    tensor([3, 7])
    """
    _check_tensor("vecdot", "x1", x1)
    _check_tensor("vecdot", "x2", x2)
    places = [_axis("vecdot", axis, x.ndim) - x.ndim for x in (x1, x2)]
    if x1.shape[places[0]] != x2.shape[places[1]]:
        raise ValueError(
            f"vecdot: axis {axis} of shapes {x1.shape} and {x2.shape} differs in length"
        )
    if places[0] != places[1]:
        raise ValueError(
            f"vecdot: axis {axis} counts from different ends of {x1.shape} and {x2.shape}"
        )
    a, b = broadcast_arrays(x1, x2)
    return _sum(multiply(a, b), axis=places[0], dtype=result_type(x1, x2))


class _Term:
    """A tensor with a letter for each axis."""

    def __init__(self, x: Tensor, labels: str) -> None:
        self.x, self.labels = x, labels

    def diagonals(self) -> _Term:
        """Axes with the same letter become one."""
        term = self
        for label in dict.fromkeys(self.labels):
            while term.labels.count(label) > 1:
                first = term.labels.index(label)
                second = term.labels.index(label, first + 1)
                rest = [a for a in range(term.x.ndim) if a not in (first, second)]
                x = permute_dims(term.x, [*rest, first, second])
                length, width = x.shape[-2:]
                if length != width:
                    raise ValueError(
                        f"einsum: letter '{label}' stands for lengths {length}, {width}"
                    )
                flat = reshape(x, (*x.shape[:-2], length * length))
                x = flat[..., :: length + 1] if length else flat
                term = _Term(x, "".join(term.labels[a] for a in rest) + label)
        return term

    def keep(self, wanted: str) -> _Term:
        """Summed over the letters nobody wants."""
        gone = [a for a, label in enumerate(self.labels) if label not in wanted]
        if not gone:
            return self
        left = "".join(label for label in self.labels if label in wanted)
        return _Term(_sum(self.x, axis=gone, dtype=self.x.dtype), left)

    def arranged(self, order: str, lengths: dict[str, int]) -> Tensor:
        """The axes in this order, stretched to the lengths of their letters."""
        x = permute_dims(self.x, [self.labels.index(label) for label in order])
        shape = tuple(lengths[label] for label in order)
        return x if x.shape == shape else broadcast_to(x, shape)


def _pair(a: _Term, b: _Term, wanted: str) -> _Term:
    """Two terms as one matrix product over stacks."""
    a, b = a.keep(wanted + b.labels), b.keep(wanted + a.labels)
    lengths: dict[str, int] = {}
    for term in (a, b):
        for label, n in zip(term.labels, term.x.shape, strict=True):
            known = lengths.setdefault(label, n)
            if n != known and 1 not in (n, known):
                raise ValueError(f"einsum: letter '{label}' stands for lengths {known} and {n}")
            lengths[label] = known if n == 1 else n
    stack = "".join(label for label in a.labels if label in b.labels and label in wanted)
    inner = "".join(label for label in a.labels if label in b.labels and label not in wanted)
    free_a = "".join(label for label in a.labels if label not in b.labels)
    free_b = "".join(label for label in b.labels if label not in a.labels)

    def size(labels: str) -> int:
        return math.prod(lengths[label] for label in labels)

    outer = [lengths[label] for label in stack]
    left = reshape(a.arranged(stack + free_a + inner, lengths), (*outer, size(free_a), size(inner)))
    right = reshape(
        b.arranged(stack + inner + free_b, lengths), (*outer, size(inner), size(free_b))
    )
    shape = [lengths[label] for label in stack + free_a + free_b]
    return _Term(reshape(matmul(left, right), shape), stack + free_a + free_b)


def _parse(subscripts: str, operands: tuple[Tensor, ...]) -> tuple[list[str], str]:
    """The letters of each operand and of the result; an ellipsis becomes letters of its own."""
    text = subscripts.replace(" ", "")
    left, arrow, result = text.partition("->")
    inputs = left.split(",")
    if len(inputs) != len(operands):
        raise ValueError(
            f"einsum: '{subscripts}' names {len(inputs)} operands, got {len(operands)}"
        )
    spare = [c for c in map(chr, range(0x100, 0x17F)) if c.isalpha()]
    widest = 0
    for k, (labels, x) in enumerate(zip(inputs, operands, strict=True)):
        named = labels.replace("...", "", 1)
        if not all(c.isascii() and c.isalpha() for c in named):
            raise ValueError(f"einsum: expects letters, commas, '...' and '->', got '{subscripts}'")
        extra = x.ndim - len(named)
        if extra < 0 or (extra and "..." not in labels):
            raise ValueError(f"einsum: '{labels}' does not fit operand {k} of shape {x.shape}")
        inputs[k] = labels.replace("...", "".join(spare[len(spare) - extra :]))
        widest = max(widest, extra)
    dots = "".join(spare[len(spare) - widest :])
    if not arrow:
        letters = "".join(inputs)
        result = dots + "".join(
            sorted(c for c in set(letters) if c.isascii() and letters.count(c) == 1)
        )
    else:
        result = result.replace("...", dots)
    for c in result:
        if result.count(c) > 1 or not any(c in labels for labels in inputs):
            raise ValueError(
                f"einsum: result letter '{c}' expects to stand once on both sides in '{subscripts}'"
            )
    return inputs, result


def einsum(subscripts: str, /, *operands: Tensor) -> Tensor:
    """Sums of products in Einstein's notation; order of contraction as NumPy plans it.

    Parameters
    ----------
    subscripts : str
        Letters for the axes of each operand, and after ``->`` for those of the result. Letters that
        the result lacks are summed over; ``...`` stands for axes that broadcast.
    operands : Tensor
        One per comma-separated part.

    Raises
    ------
    ValueError
        Where letters and shapes do not fit.

    Examples
    --------
    >>> import lepton
    >>> lepton.einsum("ij,jk->ik", lepton.ones((2, 3)), lepton.ones((3, 2)))
    tensor([[3., 3.],
            [3., 3.]], dtype=float32)
    """
    if not isinstance(subscripts, str):
        raise TypeError(f"einsum: subscripts expects a str, got {type(subscripts).__name__}")
    for k, x in enumerate(operands):
        _check_tensor("einsum", f"operand {k}", x)
    inputs, result = _parse(subscripts, operands)
    terms = [_Term(x, labels).diagonals() for x, labels in zip(operands, inputs, strict=True)]
    dtype = result_type(*operands)
    for chosen in _order(terms, result):
        picked = [terms.pop(k) for k in sorted(chosen, reverse=True)][::-1]
        wanted = result + "".join(t.labels for t in terms)
        joined = picked[0]
        for position, other in enumerate(picked[1:], 2):
            later = "".join(t.labels for t in picked[position:])
            joined = _pair(joined, other, wanted + later)
        terms.append(joined)
    last = terms[0].keep(result)
    y = permute_dims(last.x, [last.labels.index(c) for c in result])
    return (
        y.astype(dtype, copy=False) if y.dtype != dtype else y.clone() if len(operands) == 1 else y
    )


def _order(terms: list[_Term], result: str) -> list[tuple[int, ...]]:
    """Which terms to contract next, and next: positions in the list, results join at its end."""
    if len(terms) < 3:
        return [tuple(range(len(terms)))]
    letters = dict.fromkeys("".join(t.labels for t in terms))
    if len(letters) > 52:
        return [(0, 1)] * (len(terms) - 1)
    plain = dict(zip(letters, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ", strict=False))
    text = ",".join("".join(plain[c] for c in t.labels) for t in terms)
    text += "->" + "".join(plain[c] for c in result)
    shapes = [np.broadcast_to(np.float32(0), t.x.shape) for t in terms]
    try:
        path = np.einsum_path(text, *shapes, optimize="greedy")[0]
    except ValueError as error:
        raise ValueError(f"einsum: {error}") from None
    return [tuple(int(k) for k in step) for step in path[1:]]
