# SPDX-License-Identifier: Apache-2.0
"""Targets: what may be a label or a number, and how many classes there must be."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from lepton._check import show

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__: list[str] = []

_MISSING = ("NoneType", "NAType")  # of Python and pandas; NaN is found before


def check_present(owner: str, y: Any) -> None:
    """Refuse labels that are missing, of which scikit-learn's checks say nothing.

    Parameters
    ----------
    owner : str
        What errors call the estimator.
    y : array-like of shape (samples,)
        As the user gave it.
    """
    try:
        labels = np.asarray(y)
    except ValueError:  # rows of unequal lengths: they are refused later
        return
    if labels.dtype.kind != "O" or labels.ndim == 0:
        return
    values = labels.ravel().tolist()
    if not any(kind.__name__ in _MISSING for kind in set(map(type, values))):
        return
    for sample, label in enumerate(values):
        if type(label).__name__ in _MISSING:
            raise ValueError(
                f"{owner}: y expects a label for each sample, got {label} for sample {sample}"
            )


def check_numbers(owner: str, y: Any) -> None:
    """Refuse text and other things where numbers are expected, by the first that is none.

    Parameters
    ----------
    owner : str
        What errors call the estimator.
    y : array-like of shape (samples,) or (samples, targets)
        As the user gave it.
    """
    try:
        targets = np.asarray(y)
    except ValueError:  # rows of unequal lengths: they are refused later
        return
    if targets.dtype.kind not in "OUS" or targets.ndim == 0:
        return
    try:
        targets.astype(np.float64)
    except (TypeError, ValueError) as error:
        for sample, row in enumerate(targets.reshape(len(targets), -1).tolist()):
            for value in row:
                if not _is_number(value):
                    raise ValueError(
                        f"{owner}: y expects numbers, got {show(value)} for sample {sample}"
                    ) from error


def _is_number(value: Any) -> bool:
    try:
        np.asarray(value).astype(np.float64)
    except (TypeError, ValueError):
        return False
    return True


def check_classes(
    owner: str, classes: NDArray[Any], codes: NDArray[Any], weight: NDArray[Any] | None
) -> None:
    """Refuse samples of which fewer than two classes count.

    Parameters
    ----------
    owner : str
        What errors call the estimator.
    classes : ndarray of shape (classes,)
    codes : ndarray of int of shape (samples,)
        The place in `classes` of each sample's class.
    weight : ndarray of shape (samples,) or None
        Weights of samples times those of their classes.
    """
    present = classes[np.bincount(codes, weight, len(classes)) > 0].tolist()
    if len(present) < 2:
        got = f"1 class: {present[0]!r}" if present else "none"
        having = "" if weight is None else "samples with weights above 0 of "
        raise ValueError(f"{owner}: y expects {having}at least 2 classes, got {got}")
