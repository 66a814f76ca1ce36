# SPDX-License-Identifier: Apache-2.0
"""The confusion matrix, and what is read from it: precision, recall, F1."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from lepton._check import check_choice, check_int
from lepton.metrics.inputs import check_some, class_pairs
from lepton.metrics.metric import Metric

__all__ = [
    "ConfusionMatrix",
    "F1Score",
    "Precision",
    "Recall",
    "confusion_matrix",
    "f1_score",
    "precision",
    "recall",
]

Matrix = NDArray[np.int64]
Average = Literal["macro", "micro", "weighted"] | None


def _count(caller: str, predictions: Any, targets: Any, num_classes: int | None) -> Matrix:
    """Return the confusion matrix; without a known number of classes the highest index decides."""
    if num_classes is not None:
        num_classes = check_int(caller, "num_classes", num_classes, 1)
    predicted, wanted, known = class_pairs(caller, predictions, targets, num_classes)
    if known is None:
        known = 1 + int(max(predicted.max(initial=-1), wanted.max(initial=-1)))
    cells = wanted.astype(np.int64).reshape(-1) * known + predicted.reshape(-1).astype(np.int64)
    return np.bincount(cells, minlength=known * known).reshape(known, known).astype(np.int64)


def confusion_matrix(predictions: Any, targets: Any, num_classes: int | None = None) -> Matrix:
    """Count the samples of each target class (row) that were taken for each class (column).

    Parameters
    ----------
    predictions
        Class indices in the shape of `targets`, or scores of shape (N, C, ...).
    targets
        Class indices of shape (N, ...).
    num_classes
        Size of the matrix; if not given, C, or one more than the highest index.

    Raises
    ------
    ValueError, IndexError
        As `lepton.metrics.accuracy` does.

    Examples
    --------
    >>> from lepton.metrics import confusion_matrix
    >>> confusion_matrix([0, 1, 1, 1], [0, 0, 1, 1])
    array([[1, 1],
           [0, 2]])
    """
    matrix = _count("confusion_matrix", predictions, targets, num_classes)
    check_some("confusion_matrix", int(matrix.sum()))
    return matrix


def _averaged(
    caller: str, kind: str, matrix: Matrix, average: Average, zero_division: float
) -> float | NDArray[np.float64]:
    """Return precision, recall or F1 of a confusion matrix."""
    if average is not None:
        check_choice(caller, "average", average, ("macro", "micro", "weighted"))
    check_some(caller, int(matrix.sum()))
    hits = np.diag(matrix).astype(np.float64)
    predicted, wanted = matrix.sum(axis=0), matrix.sum(axis=1)
    above, below = {
        "precision": (hits, predicted),
        "recall": (hits, wanted),
        "f1_score": (2 * hits, predicted + wanted),
    }[kind]
    if average == "micro":
        above, below = above.sum(keepdims=True), below.sum(keepdims=True)
    ratios = np.full(below.shape, float(zero_division))
    np.divide(above, below, out=ratios, where=below != 0)
    if average is None:
        return ratios
    if average == "micro":
        return float(ratios[0])
    # classes that occur nowhere have no part in the average, nor have undefined ratios
    counted = (predicted + wanted > 0) & ~np.isnan(ratios)
    weights = wanted[counted] if average == "weighted" else np.ones(int(counted.sum()))
    if weights.sum() == 0:
        return float(zero_division)
    return float(np.average(ratios[counted], weights=weights))


def precision(
    predictions: Any,
    targets: Any,
    average: Average = "macro",
    num_classes: int | None = None,
    zero_division: float = 0.0,
) -> float | NDArray[np.float64]:
    r"""Return the share of the samples taken for a class that belong to it: :math:`tp / (tp + fp)`.

    Parameters
    ----------
    predictions
        Class indices in the shape of `targets`, or scores of shape (N, C, ...).
    targets
        Class indices of shape (N, ...).
    average
        ``"macro"``: mean over the classes that occur in predictions or targets; ``"weighted"``:
        the same, weighted by their numbers of targets; ``"micro"``: over all samples together;
        None: an array with one value per class.
    num_classes
        Number of classes; if not given, C, or one more than the highest index.
    zero_division
        The value where the divisor is 0; NaN leaves such classes out of averages.

    Raises
    ------
    ValueError, IndexError
        As `lepton.metrics.accuracy` does.

    Examples
    --------
    >>> from lepton.metrics import precision
    >>> precision([0, 1, 1, 1], [0, 0, 1, 1], average=None).tolist()
    [1.0, 0.6666666666666666]
    """
    matrix = _count("precision", predictions, targets, num_classes)
    return _averaged("precision", "precision", matrix, average, zero_division)


def recall(
    predictions: Any,
    targets: Any,
    average: Average = "macro",
    num_classes: int | None = None,
    zero_division: float = 0.0,
) -> float | NDArray[np.float64]:
    r"""Return the share of a class's samples that were taken for it: :math:`tp / (tp + fn)`.

    Parameters and errors are those of `precision`.

    Examples
    --------
    >>> from lepton.metrics import recall
    >>> recall([0, 1, 1, 1], [0, 0, 1, 1], average=None).tolist()
    [0.5, 1.0]
    """
    matrix = _count("recall", predictions, targets, num_classes)
    return _averaged("recall", "recall", matrix, average, zero_division)


def f1_score(
    predictions: Any,
    targets: Any,
    average: Average = "macro",
    num_classes: int | None = None,
    zero_division: float = 0.0,
) -> float | NDArray[np.float64]:
    r"""Return the harmonic mean of precision and recall: :math:`2 tp / (2 tp + fp + fn)`.

    Parameters and errors are those of `precision`.

    Examples
    --------
    >>> from lepton.metrics import f1_score
    >>> round(f1_score([0, 1, 1, 1], [0, 0, 1, 1]), 4)
    0.7333
    """
    matrix = _count("f1_score", predictions, targets, num_classes)
    return _averaged("f1_score", "f1_score", matrix, average, zero_division)


class ConfusionMatrix(Metric):
    """`confusion_matrix` over many batches; it grows with the classes it meets.

    Parameters
    ----------
    num_classes
        Number of classes, if a batch may not show it; an index beyond it raises IndexError.

    Examples
    --------
    >>> from lepton.metrics import ConfusionMatrix
    >>> metric = ConfusionMatrix()
    >>> metric.update([0, 1], [0, 0])
    >>> metric.update([1, 1], [1, 1])
    >>> metric.compute().tolist()
    [[1, 1], [0, 2]]
    """

    state = ("matrix",)

    def __init__(self, num_classes: int | None = None) -> None:
        self.num_classes = num_classes
        super().__init__()

    def reset(self) -> None:
        """Forget all batches."""
        self.matrix: Matrix = np.zeros((self.num_classes or 0,) * 2, dtype=np.int64)

    def update(self, predictions: Any, targets: Any) -> None:
        """Add one batch of scores or classes, and targets."""
        batch = _count(self.name, predictions, targets, self.num_classes)
        small, large = sorted((self.matrix, batch), key=len)
        large = large.copy()
        large[: len(small), : len(small)] += small
        self.matrix = large

    def compute(self) -> Any:
        """Return the matrix: rows are targets, columns predictions."""
        check_some(self.name, int(self.matrix.sum()))
        return self.matrix.copy()

    def _loaded(self, name: str, value: Any) -> Any:
        try:
            matrix = np.array(value, dtype=np.int64).reshape(len(value), len(value))
        except (TypeError, ValueError, OverflowError) as error:
            raise ValueError(f"{self.name}: state: {name} is no square of integers") from error
        if (matrix < 0).any() or (self.num_classes or len(matrix)) != len(matrix):
            raise ValueError(f"{self.name}: state: {name} has negative counts or another size")
        return matrix


class _Averaged(ConfusionMatrix):
    """A ratio read from the confusion matrix; `kind` names it."""

    kind: str

    def __init__(
        self,
        average: Average = "macro",
        num_classes: int | None = None,
        zero_division: float = 0.0,
    ) -> None:
        super().__init__(num_classes)
        if average is not None:
            check_choice(type(self).__name__, "average", average, ("macro", "micro", "weighted"))
        self.average: Average = average
        self.zero_division = zero_division

    def compute(self) -> Any:
        """Return a number, or an array with one per class if `average` is None."""
        return _averaged(self.name, self.kind, self.matrix, self.average, self.zero_division)


class Precision(_Averaged):
    """`precision` over many batches.

    Examples
    --------
    >>> from lepton.metrics import Precision
    >>> metric = Precision(average="micro")
    >>> metric.update([0, 1, 1, 1], [0, 0, 1, 1])
    >>> metric.compute()
    0.75
    """

    kind = "precision"


class Recall(_Averaged):
    """`recall` over many batches.

    Examples
    --------
    >>> from lepton.metrics import Recall
    >>> metric = Recall()
    >>> metric.update([0, 1, 1, 1], [0, 0, 1, 1])
    >>> metric.compute()
    0.75
    """

    kind = "recall"


class F1Score(_Averaged):
    """`f1_score` over many batches.

    Examples
    --------
    >>> from lepton.metrics import F1Score
    >>> metric = F1Score()
    >>> metric.update([0, 1, 1, 1], [0, 0, 1, 1])
    >>> round(metric.compute(), 4)
    0.7333
    """

    kind = "f1_score"
