"""The estimators that Lepton offers, as subjects of tests."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import importlib
from typing import Any

import numpy as np
import sklearn
from sklearn.base import is_classifier, is_regressor

from lepton.estimator import Estimator
from lepton.estimator.storage import PACKAGES

Array = np.ndarray[Any, Any]


def classes() -> list[type[Estimator]]:
    """Every public estimator, by name."""
    found: dict[str, type[Estimator]] = {}
    for package in PACKAGES:
        for name, thing in vars(importlib.import_module(package)).items():
            if isinstance(thing, type) and issubclass(thing, Estimator) and thing is not Estimator:
                found[name] = thing
    return [found[name] for name in sorted(found)]


def examples(kind: type[Estimator]) -> list[Estimator]:
    """Instances to test: the class's own `_examples`, or the default one."""
    make = getattr(kind, "_examples", None)
    return list(make()) if make else [kind()]


ESTIMATORS = [example for kind in classes() for example in examples(kind)]
MODERN = tuple(map(int, sklearn.__version__.split(".")[:2])) >= (1, 9)


def sample(estimator: Estimator, dtype: str = "float64", rows: int = 60) -> tuple[Array, Array]:
    """Some rows that the estimator can be fitted to."""
    random = np.random.default_rng(0)
    X = random.standard_normal((rows, 4)).astype(dtype)
    signal = X @ np.array([1.5, -1.0, 0.5, 0.0], dtype) + 0.1 * random.standard_normal(rows)
    if is_classifier(estimator):
        return X, np.array(["no", "yes"])[(signal > 0).astype(int)]
    assert is_regressor(estimator), f"{estimator} is neither a classifier nor a regressor"
    return X, np.exp(0.5 * signal).astype(dtype)  # positive, as counts must be
