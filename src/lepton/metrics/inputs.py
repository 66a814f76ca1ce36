# SPDX-License-Identifier: Apache-2.0
"""What metrics accept: Tensors or arrays of equal shapes, without NaN, classes within bounds."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lepton.array import Tensor

Array = NDArray[Any]


def to_array(value: Any) -> Array:
    """Return a Tensor's memory, or anything else as an array."""
    return np.asarray(value.detach().numpy() if isinstance(value, Tensor) else value)


def check_some(caller: str, count: int) -> None:
    """Refuse to measure nothing."""
    if count == 0:
        raise ValueError(f"{caller}: expected at least one sample, got none")


def check_finite(caller: str, values: Array) -> None:
    """Refuse NaN, which would count as some class or hide in a mean."""
    if values.dtype.kind == "f" and np.isnan(values).any():
        at = np.argwhere(np.isnan(values))[0].tolist()
        raise ValueError(f"{caller}: predictions hold NaN, the first at {at}")


def unequal(caller: str, predictions: Array, targets: Array) -> ValueError:
    """Return the error for shapes that do not fit together."""
    return ValueError(
        f"{caller}: predictions and targets do not fit together"
        f" (predictions: {list(predictions.shape)}, targets: {list(targets.shape)})"
    )


def check_classes(caller: str, what: str, classes: Array, count: int | None) -> None:
    """Refuse what are not class indices, below `count` where that is known."""
    if classes.dtype.kind not in "iu":
        raise TypeError(f"{caller}: {what} must be integers (class indices), got {classes.dtype}")
    outside = classes < 0 if count is None else (classes < 0) | (classes >= count)
    if outside.any():
        at = tuple(int(i) for i in np.argwhere(outside)[0])
        position = at[0] if len(at) == 1 else list(at)
        bound = "must not be negative" if count is None else f"is out of range for {count} classes"
        raise IndexError(f"{caller}: {what}: class {classes[at]} at position {position} {bound}")


def check_scores(caller: str, scores: Array, targets: Array) -> None:
    """Refuse scores that are not one number per class, classes along axis 1, for each target."""
    fits = scores.ndim == targets.ndim + 1 and scores.ndim >= 2 and scores.shape[1] > 0
    if not fits or scores.shape[:1] + scores.shape[2:] != targets.shape:
        raise unequal(caller, scores, targets)
    check_finite(caller, scores)
    check_classes(caller, "targets", targets, scores.shape[1])


def class_pairs(
    caller: str, predictions: Any, targets: Any, num_classes: int | None = None
) -> tuple[Array, Array, int | None]:
    """Return predicted classes, target classes, and the number of classes where it is known.

    Predictions are class indices in the shape of the targets, or scores with one axis more, the
    classes along axis 1; the class with the highest score counts, the first of equals.
    """
    predicted, wanted = to_array(predictions), to_array(targets)
    if predicted.ndim == wanted.ndim + 1:
        check_scores(caller, predicted, wanted)
        if num_classes is not None and predicted.shape[1] != num_classes:
            raise ValueError(
                f"{caller}: expected scores for {num_classes} classes, got {predicted.shape[1]}"
            )
        return predicted.argmax(axis=1), wanted, predicted.shape[1]
    if predicted.shape != wanted.shape:
        raise unequal(caller, predicted, wanted)
    check_classes(caller, "predictions", predicted, num_classes)
    check_classes(caller, "targets", wanted, num_classes)
    return predicted, wanted, num_classes
