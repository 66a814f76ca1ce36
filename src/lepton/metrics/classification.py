# SPDX-License-Identifier: Apache-2.0
"""Accuracy, and the class among the best k."""

from __future__ import annotations

from typing import Any

import numpy as np

from lepton._check import check_int
from lepton.metrics.inputs import check_scores, check_some, class_pairs, to_array
from lepton.metrics.metric import Metric

__all__ = ["Accuracy", "TopKAccuracy", "accuracy", "top_k_accuracy"]


def accuracy(predictions: Any, targets: Any) -> float:
    """Return the share of samples whose predicted class is the target.

    Parameters
    ----------
    predictions
        Class indices in the shape of `targets`, or scores (logits, probabilities) of shape
        (N, C, ...), of which the highest counts.
    targets
        Class indices of shape (N, ...).

    Raises
    ------
    ValueError
        If the shapes do not fit together, a score is NaN, or there is no sample.
    IndexError
        If a target names no class; the sentence says which, where, and the bound.

    Examples
    --------
    >>> from lepton.metrics import accuracy
    >>> accuracy([0, 1, 2, 2], [0, 1, 2, 0])
    0.75
    >>> accuracy([[0.1, 0.9], [0.8, 0.2]], [1, 1])
    0.5
    """
    predicted, wanted, _ = class_pairs("accuracy", predictions, targets)
    check_some("accuracy", wanted.size)
    return int((predicted == wanted).sum()) / wanted.size


def _top_k_hits(caller: str, scores: Any, targets: Any, k: int) -> tuple[int, int]:
    values, wanted = to_array(scores), to_array(targets)
    check_scores(caller, values, wanted)
    if k > values.shape[1]:
        raise ValueError(f"{caller}: k expects at most {values.shape[1]} classes, got {k}")
    # how many classes come before the target: those above it, and equals with a lower index
    own = np.take_along_axis(values, np.expand_dims(wanted, 1), axis=1)
    index = np.arange(values.shape[1]).reshape(1, -1, *[1] * (values.ndim - 2))
    before = (values > own) | ((values == own) & (index < np.expand_dims(wanted, 1)))
    return int((before.sum(axis=1) < k).sum()), wanted.size


def top_k_accuracy(scores: Any, targets: Any, k: int = 5) -> float:
    """Return the share of samples whose target is among the `k` classes with the highest scores.

    Of equal scores the lower class index comes first, so that ``k=1`` is `accuracy`.

    Parameters
    ----------
    scores
        Shape (N, C, ...).
    targets
        Class indices of shape (N, ...).
    k
        From 1 to C.

    Raises
    ------
    ValueError, IndexError
        As `accuracy` does, and if `k` is more than the number of classes.

    Examples
    --------
    >>> from lepton.metrics import top_k_accuracy
    >>> top_k_accuracy([[0.5, 0.3, 0.2], [0.1, 0.2, 0.7]], [1, 0], k=2)
    0.5
    """
    k = check_int("top_k_accuracy", "k", k, 1)
    hits, count = _top_k_hits("top_k_accuracy", scores, targets, k)
    check_some("top_k_accuracy", count)
    return hits / count


class Accuracy(Metric):
    """`accuracy` over many batches.

    Examples
    --------
    >>> from lepton.metrics import Accuracy
    >>> metric = Accuracy()
    >>> metric.update([0, 1], [0, 1])
    >>> metric.update([2, 2], [2, 0])
    >>> metric.compute()
    0.75
    """

    state = ("correct", "count")

    def reset(self) -> None:
        """Forget all batches."""
        self.correct, self.count = 0, 0

    def update(self, predictions: Any, targets: Any) -> None:
        """Add one batch of scores or classes, and targets."""
        predicted, wanted, _ = class_pairs(self.name, predictions, targets)
        self.correct += int((predicted == wanted).sum())
        self.count += wanted.size

    def compute(self) -> float:
        """Return the share of correct samples."""
        check_some(self.name, self.count)
        return self.correct / self.count


class TopKAccuracy(Accuracy):
    """`top_k_accuracy` over many batches; it is called ``top_5_accuracy`` for ``k=5``.

    Examples
    --------
    >>> from lepton.metrics import TopKAccuracy
    >>> metric = TopKAccuracy(k=2)
    >>> metric.update([[0.5, 0.3, 0.2]], [1])
    >>> metric.name, metric.compute()
    ('top_2_accuracy', 1.0)
    """

    def __init__(self, k: int = 5) -> None:
        super().__init__()
        self.k = check_int("TopKAccuracy", "k", k, 1)
        self.name = f"top_{self.k}_accuracy"

    def update(self, predictions: Any, targets: Any) -> None:
        """Add one batch of scores and targets."""
        hits, count = _top_k_hits(self.name, predictions, targets, self.k)
        self.correct += hits
        self.count += count
