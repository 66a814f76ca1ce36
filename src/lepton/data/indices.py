# SPDX-License-Identifier: Apache-2.0
"""Sample numbers: checks, and orders that follow from a seed alone."""

from __future__ import annotations

import operator

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lepton._check import check_int
from lepton.array import randint

__all__: list[str] = []

Indices = NDArray[np.int64]


def check_index(caller: str, index: int, length: int) -> int:
    """Return `index` counted from the front; IndexError unless in ``[-length, length)``."""
    position = operator.index(index)
    if not -length <= position < length:
        raise IndexError(f"{caller}: index {position} is out of range for {length} samples")
    return position + length if position < 0 else position


def check_indices(caller: str, indices: ArrayLike, length: int) -> Indices:
    """Return `indices` as int64; IndexError names the first that is not in ``[0, length)``."""
    array = np.asarray(indices)
    if array.size == 0:
        array = array.astype(np.int64)
    if array.ndim != 1 or array.dtype.kind not in "iu":
        got = f"dtype {array.dtype}, shape {list(array.shape)}"
        raise TypeError(f"{caller}: indices must be a list of integers, got {got}")
    wrong = np.flatnonzero((array < 0) | (array >= length))
    if wrong.size:
        at = int(wrong[0])
        raise IndexError(
            f"{caller}: index {array[at]} at position {at} is out of range for {length} samples"
        )
    return array.astype(np.int64, copy=False)


def check_seed(caller: str, seed: int | None) -> int:
    """Return `seed`, or one drawn from Lepton's random state; ValueError if it is negative."""
    if seed is None:
        return int(randint(0, 1 << 62, (1,)).item())
    number = check_int(caller, "seed", seed, 0)
    if number >= 1 << 63:
        raise ValueError(f"{caller}: seed expects an integer below 2**63, got {number}")
    return number


def permutation(length: int, seed: int, stream: int = 0) -> Indices:
    """Return the numbers below `length` in an order that depends on `seed` and `stream` alone.

    Sorted by the upper bits of raw Philox words: the same on every machine and with every version
    of NumPy. The number stands in the lower bits, since sorting values is 3 times as fast as
    ``argsort`` and leaves no ties.
    """
    key = np.array([seed, stream], dtype=np.uint64)
    words = np.random.Philox(key=key).random_raw(length)
    lower = np.uint64((1 << length.bit_length()) - 1)
    words &= ~lower
    words |= np.arange(length, dtype=np.uint64)
    words.sort()
    words &= lower
    return words.view(np.int64)


def is_range(indices: Indices) -> bool:
    """Tell whether `indices` are consecutive and ascending, so that a slice says the same."""
    return bool(indices.size == 0 or (indices == np.arange(indices.size) + indices[0]).all())
