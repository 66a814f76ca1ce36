# SPDX-License-Identifier: Apache-2.0
"""How good predictions are, and how sure that is: weighted measures and their bootstrap."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__: list[str] = []

Array = NDArray[Any]
Measures = Callable[[Array], Mapping[str, float]]


class Estimate(NamedTuple):
    """A measure, and the interval in which it lies with 95 % confidence."""

    value: float
    low: float
    high: float


class RegressionMeasures:
    """R2, root mean squared error and mean absolute error as functions of the rows' weights.

    Parameters
    ----------
    y, predicted : array of shape (rows,)
        What is true, and what was predicted.
    """

    def __init__(self, y: Array, predicted: Array) -> None:
        y = np.asarray(y, np.float64)
        error = y - predicted
        centred = y - y.mean()  # sums of squares lose no digits to the mean
        self.terms = np.stack([np.ones_like(y), error * error, abs(error), centred, centred**2])

    def __call__(self, weight: Array) -> dict[str, float]:
        """Return the measures of rows with these weights."""
        count, squares, sizes, sum_y, sum_yy = self.terms @ weight
        spread = sum_yy - sum_y * sum_y / count
        return {
            "r2": 1 - squares / spread if spread > 0 else np.nan,
            "rmse": np.sqrt(squares / count),
            "mae": sizes / count,
        }


class ClassMeasures:
    """Accuracy, balanced accuracy, F1, area under the ROC curve and log loss by the rows' weights.

    F1 and, of more than two classes, the area (one against the rest) are plain means over classes.
    Each is scikit-learn's of the same name with ``sample_weight``.

    Parameters
    ----------
    codes : array of shape (rows,)
        The number of the true class.
    chances : array of shape (rows, classes)
        Probabilities.
    """

    def __init__(self, codes: Array, chances: Array) -> None:
        self.classes = chances.shape[1]
        self.pairs = codes * self.classes + chances.argmax(axis=1)
        right = chances[np.arange(len(codes)), codes].astype(np.float64)
        self.losses = -np.log(np.maximum(right, np.finfo(chances.dtype).eps))
        columns = [1] if self.classes == 2 else range(self.classes)
        self.curves = [_Curve(codes == column, chances[:, column]) for column in columns]

    def __call__(self, weight: Array) -> dict[str, float]:
        """Return the measures of rows with these weights."""
        shape = (self.classes, self.classes)
        matrix = np.bincount(self.pairs, weight, self.classes**2).reshape(shape)
        right, true, guessed = np.diag(matrix), matrix.sum(axis=1), matrix.sum(axis=0)
        total = true.sum()
        either = true + guessed > 0
        return {
            "accuracy": right.sum() / total,
            "balanced_accuracy": (right[true > 0] / true[true > 0]).mean(),
            "f1_macro": (2 * right[either] / (true + guessed)[either]).mean(),
            "roc_auc": float(np.mean([curve.area(weight) for curve in self.curves])),
            "log_loss": self.losses @ weight / total,
        }


class _Curve:
    """The ROC curve of one score, sorted once for all weights."""

    def __init__(self, positive: Array, scores: Array) -> None:
        self.order = np.argsort(scores, kind="stable")
        self.positive = positive[self.order]
        ordered = scores[self.order]
        self.starts = np.flatnonzero(np.append(True, ordered[1:] != ordered[:-1]))

    def area(self, weight: Array) -> float:
        """The chance that a positive row scores higher than a negative one; ties count half."""
        weight = weight[self.order]
        positive = np.add.reduceat(weight * self.positive, self.starts)
        negative = np.add.reduceat(weight * ~self.positive, self.starts)
        pairs = positive.sum() * negative.sum()
        below = np.cumsum(negative) - negative / 2
        return float(positive @ below / pairs) if pairs > 0 else np.nan


def bootstrap(
    measures: Measures,
    rows: int,
    resamples: int = 1000,
    seed: int = 0,
    weight: Array | None = None,
) -> dict[str, Estimate]:
    """Return each measure of all rows with its 95 % interval by the percentile bootstrap.

    Parameters
    ----------
    measures : callable
        Maps the weights of the rows to measures by name.
    rows : int
        How many there are.
    resamples : int
        Samples of that many rows, drawn with replacement.
    seed : int
        Of the samples. Those in which a measure is not defined are left out of its interval.
    weight : array of shape (rows,), optional
        Weights of the rows.

    Notes
    -----
    Efron and Tibshirani, "An introduction to the bootstrap", 1993, chapter 13.

    Examples
    --------
    >>> import numpy as np
    >>> from lepton.tabular.measures import bootstrap
    >>> values = np.arange(100.0)
    >>> found = bootstrap(lambda weight: {"mean": values @ weight / weight.sum()}, 100)
    >>> [round(float(number)) for number in found["mean"]]
    [50, 44, 55]
    """
    random = np.random.default_rng(seed)
    own = np.ones(rows) if weight is None else np.asarray(weight, np.float64)
    whole = measures(own)
    found = np.empty((resamples, len(whole)))
    for row in found:
        counts = np.bincount(random.integers(0, rows, rows), minlength=rows)
        sample = counts * own
        row[:] = list(measures(sample).values()) if sample.any() else np.nan
    low, high = np.full((2, len(whole)), np.nan)
    known = np.isfinite(found).any(axis=0)  # the area is not where all rows are of one class
    if known.any():
        low[known], high[known] = np.nanquantile(found[:, known], [0.025, 0.975], axis=0)
    return {
        name: Estimate(float(value), float(a), float(b))
        for (name, value), a, b in zip(whole.items(), low, high, strict=True)
    }
