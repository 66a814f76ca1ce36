# SPDX-License-Identifier: Apache-2.0
"""Sizes of numbers that linear models take: those whose squares neither overflow nor vanish."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import sparse
from sklearn.utils import assert_all_finite

import lepton

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["LEAST", "check_sizes", "squares_fit"]

# Squares of such numbers, of their quotients, and sums of these are float64 numbers.
LEAST, LARGEST = 1e-70, 1e70
_LOOK = 4096  # rows that show at most columns that they are not too small


def check_sizes(owner: str, name: str, array: NDArray[Any], least: float = LEAST) -> None:
    """Refuse NaN, infinity and numbers with which products would overflow or vanish.

    Parameters
    ----------
    owner : str
        What errors call the estimator.
    name : str
        What errors call the array: X or y.
    array : ndarray or CSR matrix of float32 or float64 of shape (samples,) or (samples, columns)
        All finite float32 numbers are of fit sizes: products are in float64.
    least : float, default=1e-70
        Numbers nearer to 0 do not count.

    Raises
    ------
    ValueError
        If the array is not finite, holds a number beyond 1e70, or a column of which no number
        counts, though not all are 0.
    """
    if sparse.issparse(array):
        array = np.asarray([array.min(0).toarray().ravel(), array.max(0).toarray().ravel()])
    beyond = not _squares_add_up(array)
    if beyond:
        assert_all_finite(array, estimator_name=owner, input_name=name)
    columns = array.reshape(len(array), -1)
    places = np.flatnonzero(_largest(columns) > LARGEST) if beyond else np.empty(0, np.intp)
    if not len(places):
        some = _largest(columns[:: max(1, len(columns) // _LOOK)])
        places = np.flatnonzero(some < least)
        if len(places):
            sizes = _largest(columns[:, places])
            places = places[(sizes > 0) & (sizes < least)]
    if len(places):
        place = f" in column {places[0]}" if array.ndim == 2 else ""
        raise ValueError(
            f"{owner}: {name} expects columns whose largest number is 0 or between {least:g} and "
            f"{LARGEST:g}, got {_largest(columns[:, places[:1]])[0]:g}{place}: scale it"
        )


def squares_fit(sums: NDArray[np.float64], rows: int) -> bool:
    """Whether the columns' sums of squares show, without a look at them, that all are accepted."""
    return bool(((sums >= rows * LEAST**2) & (sums <= LARGEST**2)).all())


def _squares_add_up(array: NDArray[Any]) -> bool:
    """Whether all numbers are finite and not too large, as far as one pass can tell."""
    if not (array.flags.c_contiguous or array.flags.f_contiguous):
        return False
    flat = lepton.asarray(array.ravel(order="K"))
    return float(lepton.matmul(flat, flat)) <= LARGEST**2  # False for NaN


def _largest(columns: NDArray[Any]) -> NDArray[Any]:
    largest: NDArray[Any] = np.maximum(columns.max(0), -columns.min(0)).astype(np.float64)
    return largest
