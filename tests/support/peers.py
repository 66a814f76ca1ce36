# SPDX-License-Identifier: Apache-2.0
"""Estimators of Lepton beside scikit-learn's counterparts, and how well they predict."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import sklearn.linear_model
import sklearn.neural_network
from sklearn.base import ClassifierMixin
from sklearn.compose import TransformedTargetRegressor
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import (
    accuracy_score,
    d2_absolute_error_score,
    d2_log_loss_score,
    d2_tweedie_score,
    r2_score,
)
from sklearn.preprocessing import StandardScaler

from lepton import nn
from lepton.estimator import Estimator
from lepton.regression.stochastic import StochasticGradient
from lepton.tabular.layers import perceptron
from lepton.tabular.neural import Neural
from lepton.tabular.table_estimator import TableEstimator
from support.estimators import classes
from support.tables import Array, Task, encoded, split

Kind = type[Estimator]

_LINEAR = [k for k in classes() if k.__module__.startswith("lepton.regression.")]
EXACT = [k for k in _LINEAR if not issubclass(k, StochasticGradient)]  # minima of convex functions
NETWORKS = [k for k in classes() if k.__module__.startswith("lepton.tabular.")]


def counterpart(kind: Kind) -> Any:
    """scikit-learn's estimator of the same name; its perceptron for networks of other names."""
    if kind not in NETWORKS:
        return getattr(sklearn.linear_model, kind.__name__)
    network = "MLPClassifier" if classifies(kind) else "MLPRegressor"
    return getattr(sklearn.neural_network, network)


def fits(kind: Kind, task: Task) -> bool:
    """Whether the estimator is one for such a target."""
    return classifies(kind) == task.classifies


def classifies(kind: Kind) -> bool:
    return issubclass(kind, ClassifierMixin)


def measures(model: Any, X: Any, y: Array) -> dict[str, float]:
    """How well held-out rows are predicted, by what the estimator is for; 1 is the best.

    D2 is the part of the loss of a constant that the predictions save, as R2 is of squares.
    """
    predicted, name = model.predict(X), type(model).__name__
    if hasattr(model, "predict_proba"):
        log_loss = d2_log_loss_score(y, model.predict_proba(X), labels=model.classes_)
        return {"accuracy": accuracy_score(y, predicted), "D2 of log loss": log_loss}
    if name in ("HuberRegressor", "QuantileRegressor"):
        return {"D2 of absolute error": d2_absolute_error_score(y, predicted)}
    if name == "PoissonRegressor":
        return {"D2 of Poisson deviance": d2_tweedie_score(y, predicted, power=1)}
    return {"R2": r2_score(y, predicted)}


# ------------------------------------------------------------------------------ exact estimators

_PRECISE = {"tol": 1e-8, "max_iter": 10_000}
_WEAK = {"alpha": 0.01}  # the default leaves no coefficient where the target is small
_SETTINGS: dict[str, dict[str, Any]] = {
    "Lasso": _WEAK | {"precompute": True},
    "ElasticNet": _WEAK | {"precompute": True},
    "LassoCV": {"alphas": 20},
    "ElasticNetCV": {"alphas": 20},
    "QuantileRegressor": {"alpha": 0.001},
}
_SECOND_ORDER = {"solver": "newton-cholesky"}  # scikit-learn's quick way to many digits
_OTHERS = {"LogisticRegression": _SECOND_ORDER, "PoissonRegressor": _SECOND_ORDER}
_MOST_ROWS = {"HuberRegressor": 30_000, "QuantileRegressor": 2_000}  # else scikit-learn takes long


def exact_task(kind: Kind, make: Callable[[], Task]) -> Task:
    """The task, with fewer rows where they would take minutes."""
    return make().sample(_MOST_ROWS.get(kind.__name__, 10**9))


def exact(kind: Kind, task: Task) -> dict[str, float]:
    """What is reached on the rows held out."""
    return _exact(kind, kind, task)


def exact_other(kind: Kind, task: Task) -> dict[str, float]:
    """What scikit-learn's counterpart reaches."""
    return _exact(kind, counterpart(kind), task, **_OTHERS.get(kind.__name__, {}))


def _exact(kind: Kind, make: Any, task: Task, **others: Any) -> dict[str, float]:
    """With settings of both that are precise enough to see the minimum, not the way to it."""
    X, X_test, y, y_test = encoded(task)
    if kind.__name__ == "PoissonRegressor":
        y, y_test = np.maximum(y, 0), np.maximum(y_test, 0)
    common = kind().get_params().keys() & counterpart(kind)().get_params().keys()
    settings = {name: value for name, value in _PRECISE.items() if name in common}
    settings |= _SETTINGS.get(kind.__name__, {}) | others
    return measures(make(**settings).fit(X, y), X_test, y_test)


# ------------------------------------------------------------------------------------- networks


def network_task(make: Callable[[], Task]) -> Task:
    """The task with a part of the flights, and columns for all but the rarest words."""
    task = make()
    return replace(task if len(task.frame) < 30_000 else task.sample(8_000), most_levels=255)


def layers(in_features: int, out_features: int) -> nn.Module:
    """The network that scikit-learn's perceptrons are by default."""
    return perceptron([in_features, 100, out_features], "relu")


@cache
def network(kind: Any, task: Task, seed: int) -> dict[str, float]:
    """What is reached on the rows held out: a table network takes the table, others numbers."""
    if issubclass(kind, TableEstimator):
        X, X_test, y, y_test = split(task, seed)
        return measures(kind(random_state=seed).fit(X, y), X_test, y_test)
    X, X_test, y, y_test = encoded(task, seed)
    epochs = 200 if len(X) < 1000 else 20
    if issubclass(kind, Neural):
        model = kind(layers, batch_size=200, max_epochs=epochs, random_state=seed)
    else:
        model = kind(max_iter=epochs, random_state=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # as many epochs as others have
        model = scaling_target(model, task).fit(X.astype(np.float32), y)
    return measures(model, X_test.astype(np.float32), y_test)


def scaling_target(model: Any, task: Task) -> Any:
    """The model, which learns numbers with mean 0 and variance 1."""
    if task.classifies:
        return model
    return TransformedTargetRegressor(model, transformer=StandardScaler())


def compare_networks(kind: Kind, task: Task) -> dict[str, tuple[Array, Array]]:
    """Measures of Lepton's network and of scikit-learn's, for the same rows held out.

    Of several seeds, but for table networks on more than a thousand rows.
    """
    seeds = 1 if issubclass(kind, TableEstimator) and len(task.frame) > 1000 else 3
    scores = [[network(k, task, seed) for seed in range(seeds)] for k in (kind, counterpart(kind))]
    own, other = scores
    return {
        name: (np.array([s[name] for s in own]), np.array([s[name] for s in other]))
        for name in own[0]
    }
