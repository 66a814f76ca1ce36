# SPDX-License-Identifier: Apache-2.0
"""Errors of predicted numbers: mean absolute, mean squared, and the share of variance explained."""

from __future__ import annotations

from typing import Any

import numpy as np

from lepton.metrics.inputs import Array, check_finite, check_some, to_array, unequal
from lepton.metrics.metric import Metric

__all__ = [
    "MeanAbsoluteError",
    "MeanSquaredError",
    "mean_absolute_error",
    "mean_squared_error",
    "r2_score",
]


def _differences(caller: str, predictions: Any, targets: Any) -> tuple[Array, Array]:
    """Return predictions minus targets, and the targets, both float64; shapes must be equal."""
    predicted, wanted = to_array(predictions), to_array(targets)
    if predicted.shape != wanted.shape:
        raise unequal(caller, predicted, wanted)
    check_finite(caller, predicted)
    wanted = wanted.astype(np.float64)
    return predicted.astype(np.float64) - wanted, wanted


def mean_absolute_error(predictions: Any, targets: Any) -> float:
    r"""Return :math:`\frac{1}{n} \sum |\hat y - y|`.

    Parameters
    ----------
    predictions, targets
        Numbers of equal shape; nothing is broadcast.

    Raises
    ------
    ValueError
        If the shapes differ, a prediction is NaN, or there is no sample.

    Examples
    --------
    >>> from lepton.metrics import mean_absolute_error
    >>> mean_absolute_error([1.0, 4.0], [1.0, 2.0])
    1.0
    """
    difference, _ = _differences("mean_absolute_error", predictions, targets)
    check_some("mean_absolute_error", difference.size)
    return float(np.abs(difference).mean())


def mean_squared_error(predictions: Any, targets: Any) -> float:
    r"""Return :math:`\frac{1}{n} \sum (\hat y - y)^2`.

    Parameters and errors are those of `mean_absolute_error`.

    Examples
    --------
    >>> from lepton.metrics import mean_squared_error
    >>> mean_squared_error([1.0, 4.0], [1.0, 2.0])
    2.0
    """
    difference, _ = _differences("mean_squared_error", predictions, targets)
    check_some("mean_squared_error", difference.size)
    return float((difference**2).mean())


def r2_score(predictions: Any, targets: Any) -> float:
    r"""Return :math:`1 - \sum (\hat y - y)^2 / \sum (y - \bar y)^2`, the variance explained.

    If all targets are equal it is 1 for perfect predictions and 0 for others. Parameters and errors
    are those of `mean_absolute_error`; the shape is (N,).

    Examples
    --------
    >>> from lepton.metrics import r2_score
    >>> r2_score([1.0, 2.0, 4.0], [1.0, 2.0, 3.0])
    0.5
    """
    difference, wanted = _differences("r2_score", predictions, targets)
    check_some("r2_score", difference.size)
    if wanted.ndim != 1:
        raise ValueError(f"r2_score: expected the shape (N,), got {list(wanted.shape)}")
    residual, total = float((difference**2).sum()), float(((wanted - wanted.mean()) ** 2).sum())
    if total == 0:
        return 1.0 if residual == 0 else 0.0
    return 1 - residual / total


class MeanAbsoluteError(Metric):
    """`mean_absolute_error` over many batches.

    Examples
    --------
    >>> from lepton.metrics import MeanAbsoluteError
    >>> metric = MeanAbsoluteError()
    >>> metric.update([1.0, 4.0], [1.0, 2.0])
    >>> metric.update([0.0], [4.0])
    >>> metric.compute()
    2.0
    """

    state = ("total", "count")

    def reset(self) -> None:
        """Forget all batches."""
        self.total, self.count = 0.0, 0

    def update(self, predictions: Any, targets: Any) -> None:
        """Add one batch."""
        difference, _ = _differences(self.name, predictions, targets)
        self.total += float(np.abs(difference).sum())
        self.count += difference.size

    def compute(self) -> float:
        """Return the mean over all numbers."""
        check_some(self.name, self.count)
        return self.total / self.count


class MeanSquaredError(MeanAbsoluteError):
    """`mean_squared_error` over many batches.

    Examples
    --------
    >>> from lepton.metrics import MeanSquaredError
    >>> metric = MeanSquaredError()
    >>> metric.update([1.0, 4.0], [1.0, 2.0])
    >>> metric.compute()
    2.0
    """

    def update(self, predictions: Any, targets: Any) -> None:
        """Add one batch."""
        difference, _ = _differences(self.name, predictions, targets)
        self.total += float((difference**2).sum())
        self.count += difference.size
