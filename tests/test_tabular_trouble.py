# SPDX-License-Identifier: Apache-2.0
"""Trainings that diverge, targets and weights that cannot be, and files that hold no model."""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning

from lepton import nn, saving
from lepton.regression import LinearRegression
from lepton.tabular import (
    MLPClassifier,
    MLPRegressor,
    NeuralRegressor,
    TabularRegressor,
)
from lepton.training import NonFiniteError

ROWS = np.random.default_rng(0).standard_normal((40, 3))
NUMBERS = ROWS @ [1.0, -2.0, 0.5] + 1


def test_a_loss_that_overflows_is_told() -> None:
    model = MLPRegressor(solver="sgd", learning_rate_init=1e200, activation="identity")
    with pytest.raises(NonFiniteError, match=r"^MLPRegressor: .* step"):
        model.fit(ROWS, NUMBERS)


@pytest.mark.filterwarnings("ignore:.* had not settled")
@pytest.mark.parametrize(
    ("model", "y"),
    [
        (MLPRegressor(learning_rate_init=1e30, max_iter=3, random_state=0), NUMBERS),
        (MLPClassifier(learning_rate_init=1e30, max_iter=3, random_state=0), NUMBERS > 0),
        (MLPClassifier(learning_rate_init=1e30, early_stopping=True, batch_size=9), NUMBERS > 0),
        (NeuralRegressor(nn.Linear(3, 1), lr=1e30, max_epochs=3), NUMBERS),
    ],
    ids=["regressor", "classifier", "early", "module"],
)
def test_a_loss_that_rises_without_end_is_told(model: Any, y: Any) -> None:
    name = type(model).__name__
    with pytest.warns(ConvergenceWarning, match=rf"^{name}: training diverged, the loss rose from"):
        model.fit(ROWS, y)


def test_a_loss_below_zero_has_not_diverged() -> None:
    loss = nn.MSELoss()
    model = NeuralRegressor(
        nn.Linear(3, 1), loss=lambda output, target: loss(output, target) - 1e3, max_epochs=3
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        model.fit(ROWS, NUMBERS)


def test_parts_that_diverge_are_told() -> None:
    model = MLPRegressor(learning_rate_init=1e30, random_state=0).partial_fit(ROWS, NUMBERS)
    with pytest.warns(ConvergenceWarning, match="training diverged"):
        model.partial_fit(ROWS, NUMBERS)


def test_a_batch_without_weight_is_no_first_loss() -> None:
    weight = np.r_[np.zeros(20), np.ones(20)]
    options = {"batch_size": 20, "shuffle": False, "n_iter_no_change": math.inf}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        MLPRegressor(max_iter=3, **options).fit(ROWS, NUMBERS, weight)


def test_samples_held_out_need_weight() -> None:
    weight = np.r_[1.0, np.zeros(39)]
    model = MLPRegressor(early_stopping=True, shuffle=False, random_state=0)
    with pytest.raises(ValueError, match=r"^MLPRegressor: sample_weight expects .* held out"):
        model.fit(ROWS, NUMBERS, weight)


@pytest.mark.parametrize("kind", [LinearRegression, MLPRegressor, TabularRegressor])
@pytest.mark.parametrize("dtype", [object, str])
def test_numbers_are_expected(kind: Any, dtype: type) -> None:
    y = np.array(["1.5"] * 39 + ["many"], dtype)
    with pytest.raises(ValueError, match=rf"^{kind.__name__}: y expects .* 'many' for sample 39$"):
        kind().fit(ROWS, y)


def test_labels_are_printed_plainly() -> None:
    model = MLPClassifier(class_weight={np.str_("c"): 2.0})
    with pytest.raises(ValueError, match=r"which are \['a', 'b'\], got \['c'\]$"):
        model.fit(ROWS, np.where(NUMBERS > 0, "a", "b"))
    with pytest.raises(ValueError, match=r"class_weight\[1\] expects .* >= 0, got -2.0$"):
        MLPClassifier(class_weight={np.int64(1): -2.0}).fit(ROWS, NUMBERS > 0)


@pytest.mark.parametrize(
    "data", [b"", b"PK", b"once upon a time, in words", b"\2" + bytes(7) + b"{}"]
)
def test_a_file_without_a_model_is_told(data: bytes, tmp_path: Any) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(data)
    for kind in (LinearRegression, MLPRegressor):
        with pytest.raises(ValueError, match=rf"^{kind.__name__}.load: .* is no model of Lepton"):
            kind.load(path)


def test_tensors_alone_are_no_model(tmp_path: Any) -> None:
    path = tmp_path / "weights.safetensors"
    saving.save_file({"weight": np.ones(3)}, path)
    with pytest.raises(ValueError, match=r"^LinearRegression\.load: .*: it holds tensors alone$"):
        LinearRegression.load(path)
