# SPDX-License-Identifier: Apache-2.0
"""Perceptrons trained by L-BFGS: scikit-learn's objective and minima, limits, interruption."""

from __future__ import annotations

import signal
from typing import Any

import numpy as np
import pytest
import sklearn.neural_network
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.preprocessing import scale

from lepton.tabular import MLPClassifier, MLPRegressor
from lepton.tabular.full_batch import Flat
from lepton.training import NonFiniteError

Array = np.ndarray[Any, Any]
KINDS = {"MLPClassifier": MLPClassifier, "MLPRegressor": MLPRegressor}


def table(name: str) -> tuple[Array, Array]:
    """A real table with numbers of size 1."""
    load = {"cancer": load_breast_cancer, "iris": load_iris, "diabetes": load_diabetes}[name]
    X, y = load(return_X_y=True)
    return scale(X), scale(y) if name == "diabetes" else y


def start_alike(ours: Any, theirs: Any, X: Array, y: Array, weight: Array | None) -> None:
    """Fit both by one iteration, and give scikit-learn's the weights of Lepton's."""
    for model in (ours, theirs):
        model.set_params(warm_start=True, max_iter=1)
        with pytest.warns(ConvergenceWarning):
            model.fit(X, y, weight)
    theirs.coefs_ = [np.array(c) for c in ours.coefs_]
    theirs.intercepts_ = [np.array(b) for b in ours.intercepts_]


CONVEX = [
    pytest.param("MLPClassifier", "cancer", {"alpha": 1.0}, False, id="two classes"),
    pytest.param("MLPClassifier", "iris", {"alpha": 0.1}, True, id="three classes, weights"),
    pytest.param("MLPRegressor", "diabetes", {"alpha": 1.0}, False, id="numbers"),
    pytest.param("MLPRegressor", "diabetes", {"alpha": 50.0}, True, id="numbers, weights"),
    pytest.param("MLPRegressor", "diabetes", {"loss": "poisson"}, False, id="counts"),
]


@pytest.mark.parametrize(("kind", "data", "options", "weighted"), CONVEX)
def test_the_minimum_of_a_convex_objective_is_scikit_learns(
    kind: str, data: str, options: dict[str, Any], weighted: bool
) -> None:
    X, y = table(data)
    y = y**2 if options.get("loss") == "poisson" else y
    weight = np.random.default_rng(0).random(len(y)) if weighted else None
    options = {"hidden_layer_sizes": (), "solver": "lbfgs", "random_state": 0, **options}
    options |= {"tol": 1e-7, "max_iter": 2000}
    ours = KINDS[kind](**options).fit(X, y, weight)
    theirs = getattr(sklearn.neural_network, kind)(**options).fit(X, y, weight)
    assert ours.loss_ == pytest.approx(theirs.loss_, rel=1e-6)
    assert ours.loss_curve_[-1] == ours.loss_
    assert ours.n_iter_ == len(ours.loss_curve_) < 2000


@pytest.mark.parametrize("kind", list(KINDS))
def test_the_steps_are_scikit_learns(kind: str) -> None:
    """From the same weights, through two hidden layers, as long as rounding has not grown."""
    X, y = table("iris" if kind == "MLPClassifier" else "diabetes")
    weight = np.random.default_rng(0).random(len(y))
    options = {"hidden_layer_sizes": (6, 4), "activation": "tanh", "alpha": 0.5}
    options |= {"solver": "lbfgs", "random_state": 0}
    ours = KINDS[kind](**options)
    theirs = getattr(sklearn.neural_network, kind)(**options)
    start_alike(ours, theirs, X, y, weight)
    for model in (ours, theirs):
        with pytest.warns(ConvergenceWarning):
            model.set_params(max_iter=8).fit(X, y, weight)
    assert (ours.n_iter_, theirs.n_iter_) == (8, 8)
    assert ours.loss_ == pytest.approx(theirs.loss_, rel=1e-9)
    for a, b in zip(ours.coefs_, theirs.coefs_, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-8)
    assert len(ours.history_) == 9


def test_float32_reaches_the_minimum_of_float64() -> None:
    X, y = table("cancer")
    options = {"hidden_layer_sizes": (), "solver": "lbfgs", "alpha": 1.0, "random_state": 0}
    wide, narrow = (MLPClassifier(**options).fit(X.astype(t), y) for t in ("f8", "f4"))
    assert narrow.coefs_[0].dtype == np.float32
    assert narrow.loss_ == pytest.approx(wide.loss_, rel=1e-4)  # the default tol


def test_limits_are_told_as_not_converged() -> None:
    X, y = table("diabetes")
    model = MLPRegressor(solver="LBFGS", max_iter=3, random_state=0)
    with pytest.warns(ConvergenceWarning, match=r"^MLPRegressor: L-BFGS stopped after 3 iter"):
        model.fit(X, y)
    with pytest.warns(ConvergenceWarning, match=r"and \d evaluations before it converged"):
        model.set_params(max_iter=100, max_fun=5).fit(X, y)
    assert model.n_iter_ < 5


def test_there_is_no_partial_fit(tmp_path: Any) -> None:
    X, y = table("diabetes")
    model = MLPRegressor(solver="adam", max_iter=2, n_iter_no_change=9, random_state=0)
    with pytest.warns(ConvergenceWarning):
        model.fit(X, y)
    with pytest.warns(ConvergenceWarning):
        model.set_params(solver="lbfgs").fit(X, y)
    assert not hasattr(model, "partial_fit")
    with pytest.raises(AttributeError, match="partial_fit"):
        model.partial_fit(X, y)
    model.save(tmp_path / "model.safetensors")
    again = MLPRegressor.load(tmp_path / "model.safetensors")
    np.testing.assert_array_equal(again.predict(X), model.predict(X))
    assert again.history_ == model.history_
    before = model.loss_
    model.set_params(solver="adam").partial_fit(X, y)  # a new Adam, of the weights of now
    assert model.loss_ == pytest.approx(before, rel=0.2)


@pytest.mark.parametrize(
    ("options", "cause"),
    [
        ({"dropout": 0.1}, "solver='lbfgs' has no .* expects no dropout, got 0.1"),
        ({"batch_norm": True}, "solver='lbfgs' has no .* expects no batch_norm, got True"),
        ({"callbacks": [3]}, r"callbacks\[0\] expects a Callback"),
        ({"max_fun": 0}, "max_fun expects an integer >= 1, got 0"),
        ({"alpha": -1.0}, "alpha expects a finite number >= 0, got -1.0"),
        ({"max_iter": 0}, "max_iter expects an integer >= 1, got 0"),
    ],
)
def test_what_does_not_go_together_is_refused(options: dict[str, Any], cause: str) -> None:
    X, y = table("diabetes")
    with pytest.raises((ValueError, TypeError), match=f"^MLPRegressor: {cause}"):
        MLPRegressor(solver="lbfgs", **options).fit(X, y)


def test_a_loss_without_a_value_is_told() -> None:
    X, y = table("diabetes")
    model = MLPRegressor(solver="lbfgs")
    with pytest.raises(NonFiniteError, match=r"^MLPRegressor: the loss is (nan|inf): "):
        model.fit(X * 1e200, y)
    with pytest.raises(NotFittedError):
        model.predict(X)


def test_ctrl_c_stops_and_leaves_what_was(monkeypatch: pytest.MonkeyPatch) -> None:
    X, y = table("diabetes")
    model = MLPRegressor(solver="lbfgs", warm_start=True, max_iter=3, random_state=0)
    with pytest.warns(ConvergenceWarning):
        before = model.fit(X, y).predict(X)
    calls, gradient = [], Flat.gradient

    def interrupted(self: Flat) -> Any:
        calls.append(1)
        if len(calls) == 3:
            signal.raise_signal(signal.SIGINT)
        return gradient(self)

    monkeypatch.setattr(Flat, "gradient", interrupted)
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, y)
    assert len(calls) == 3
    np.testing.assert_array_equal(model.predict(X), before)
    calls.clear()
    with pytest.raises(KeyboardInterrupt):
        model.set_params(warm_start=False).fit(X, y)
    with pytest.raises(NotFittedError):
        model.predict(X)


def test_each_iteration_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    X, y = table("diabetes")
    model = MLPRegressor(solver="lbfgs", verbose=True)
    with pytest.warns(ConvergenceWarning):
        model.set_params(max_iter=2).fit(X, y)
    lines = capsys.readouterr().err.splitlines()
    assert [line.rpartition(",")[0] for line in lines] == [
        "MLPRegressor: iteration 1", "MLPRegressor: iteration 2",
    ]  # fmt: skip
