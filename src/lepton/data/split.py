# SPDX-License-Identifier: Apache-2.0
"""Splitting a dataset into parts, at random or class by class."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from lepton.data.dataset import Samples, Subset
from lepton.data.indices import Indices, check_seed, permutation

__all__ = ["random_split", "stratified_split"]


def random_split(
    dataset: Samples, lengths: Sequence[int] | Sequence[float], seed: int | None = None
) -> list[Subset]:
    """Split a dataset into parts at random, without overlap and without loss.

    Parameters
    ----------
    dataset
        What to split.
    lengths
        Numbers of samples that add up to ``len(dataset)``, or fractions that add up to 1; of
        samples left over by rounding, the first parts get one more each.
    seed
        The same seed gives the same parts; without it Lepton's random state decides.

    Raises
    ------
    ValueError
        If the lengths do not add up or one is negative.

    Examples
    --------
    >>> import numpy as np
    >>> from lepton.data import ArrayDataset, random_split
    >>> train, test = random_split(ArrayDataset(np.arange(10)), [0.8, 0.2], seed=0)
    >>> len(train), len(test)
    (8, 2)
    """
    total = len(dataset)
    if not lengths or any(length < 0 or not math.isfinite(length) for length in lengths):
        raise ValueError(f"random_split: lengths must not be negative, got {list(lengths)}")
    if all(isinstance(length, int | np.integer) for length in lengths):
        counts = [int(length) for length in lengths]
        if sum(counts) != total:
            raise ValueError(
                f"random_split: lengths {counts} add up to {sum(counts)}, expected {total} samples"
            )
    else:
        if not math.isclose(math.fsum(lengths), 1.0, abs_tol=1e-9):
            raise ValueError(f"random_split: fractions must add up to 1, got {list(lengths)}")
        # A fraction like 0.7 is a little less than it says: 0.7 * 10 must not become 6.
        counts = [math.floor(fraction * total + 1e-9) for fraction in lengths]
        for i in range(total - sum(counts)):
            counts[i % len(counts)] += 1
    order = permutation(total, check_seed("random_split", seed))
    ends = np.cumsum(counts)
    return [
        Subset(dataset, order[end - count : end])
        for count, end in zip(counts, ends.tolist(), strict=True)
    ]


def stratified_split(
    labels: ArrayLike, test_fraction: float = 0.2, seed: int = 0
) -> tuple[Indices, Indices]:
    """Split sample numbers into a training and a test part with equal shares of each class.

    Parameters
    ----------
    labels
        One class per sample.
    test_fraction
        The share of each class that goes to the test part, rounded to whole samples; a class of
        at least two samples gives at least one to each part.
    seed
        The same seed gives the same parts.

    Returns
    -------
    tuple
        The numbers of the training and of the test samples, each ascending.

    Raises
    ------
    ValueError
        If `test_fraction` is not between 0 and 1, or there are no labels.

    Examples
    --------
    >>> from lepton.data import stratified_split
    >>> train, test = stratified_split([0] * 10 + [1] * 5, test_fraction=0.2)
    >>> len(train), (test < 10).sum(), (test >= 10).sum()
    (12, np.int64(2), np.int64(1))
    """
    classes = np.asarray(labels)
    if classes.ndim != 1 or classes.size == 0:
        raise ValueError(
            f"stratified_split: expected one label per sample, got shape {list(classes.shape)}"
        )
    if not 0 < test_fraction < 1:
        raise ValueError(
            f"stratified_split: test_fraction must be between 0 and 1, got {test_fraction}"
        )
    seed = check_seed("stratified_split", seed)
    in_test = np.zeros(classes.size, dtype=np.bool_)
    for stream, name in enumerate(np.unique(classes)):
        members = np.flatnonzero(classes == name)
        count = min(max(round(members.size * test_fraction), 1), members.size - 1)
        in_test[members[permutation(members.size, seed, stream)[:count]]] = True
    return np.flatnonzero(~in_test), np.flatnonzero(in_test)
