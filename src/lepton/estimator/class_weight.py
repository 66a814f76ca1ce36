# SPDX-License-Identifier: Apache-2.0
"""The parameter ``class_weight`` of classifiers: what it may be, and the factor of each class."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from lepton._check import check_number, show

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__: list[str] = []


def class_factors(
    owner: str,
    class_weight: Any,
    classes: NDArray[Any],
    codes: NDArray[Any],
    weight: NDArray[Any] | None,
) -> NDArray[np.float64] | None:
    """A factor >= 0 for each class, or None where all are 1.

    Parameters
    ----------
    owner : str
        What errors call the estimator.
    class_weight : mapping, "balanced" or None
        Factors by class, 1 for those that it lacks; "balanced" gives all classes that have weight
        the same total weight.
    classes : ndarray of shape (classes,)
    codes : ndarray of int of shape (samples,)
        The place in `classes` of each sample's class.
    weight : ndarray of shape (samples,) or None
        Weights of samples.

    Raises
    ------
    TypeError
        If a factor is no number.
    ValueError
        If `class_weight` is something else, holds a negative number, or lacks classes while it
        names others that there are not.
    """
    if class_weight is None:
        return None
    if isinstance(class_weight, str) and class_weight == "balanced":
        totals = np.bincount(codes, weight, len(classes)).astype(np.float64)
        present = totals > 0
        balanced: NDArray[np.float64] = totals.sum() / (
            np.count_nonzero(present) * np.where(present, totals, 1)
        )
        return balanced
    if not isinstance(class_weight, Mapping):
        raise ValueError(
            f"{owner}: class_weight expects a dict, 'balanced' or None, got {show(class_weight)}"
        )
    for label, factor in class_weight.items():
        check_number(owner, f"class_weight[{show(label)}]", factor, 0)
    labels = classes.tolist()
    named = [label for label in labels if label in class_weight]
    if len(named) < min(len(labels), len(class_weight)):
        raise ValueError(
            f"{owner}: class_weight expects keys that are classes, which are {labels}, "
            f"got [{', '.join(map(show, class_weight))}]"
        )
    return np.array([float(class_weight.get(label, 1.0)) for label in labels])


def weigh_samples(
    factors: NDArray[Any] | None, codes: NDArray[Any], weight: NDArray[Any] | None
) -> NDArray[Any] | None:
    """Weights of samples times the factors of their classes."""
    if factors is None:
        return weight
    own: NDArray[Any] = factors[codes]
    return own if weight is None else own * weight


def refuse_balanced(owner: str, class_weight: Any) -> None:
    """Refuse in `partial_fit` what would need all samples at once."""
    if isinstance(class_weight, str) and class_weight == "balanced":
        raise ValueError(
            f"{owner}: partial_fit expects class_weight to be a dict or None, since it does not "
            "see all samples, got 'balanced'"
        )
