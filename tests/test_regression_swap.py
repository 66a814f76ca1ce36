"""Scripts written for sklearn.linear_model: the same calls are accepted, and mean the same."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import inspect
import itertools
import warnings
from typing import Any

import numpy as np
import pytest
import sklearn.linear_model as reference
from sklearn.datasets import load_breast_cancer, load_diabetes
from sklearn.preprocessing import scale
from support.estimators import MODERN

from lepton import regression

CLOSE = 1e-6
BOTH = [
    name
    for name in sorted(vars(regression))
    if hasattr(reference, name) and callable(vars(regression)[name])
]
SIMPLE = [
    (name, parameter)
    for name in BOTH
    for parameter in getattr(vars(regression)[name], "_accepted", ())
]
# Where a signature is not scikit-learn's: what Lepton has, and why.
DIFFERENT: dict[tuple[str, str], Any] = {
    # The shape says which solver is faster; all of them find the same minimum.
    ("LogisticRegression", "solver"): "auto",
    ("PoissonRegressor", "solver"): "auto",
    # Steps are of mini-batches.
    ("SGDClassifier", "batch_size"): "auto",
    ("SGDRegressor", "batch_size"): "auto",
} | {
    (name, parameter): default
    for name in ("enet_path", "lasso_path")
    for parameter, default in {
        "alphas": 100,  # what "warn" stands for there
        # Those that `params` stands for there.
        "max_iter": 1000,
        "tol": 1e-4,
        "selection": "cyclic",
        "random_state": None,
        "params": inspect.Parameter.empty,
    }.items()
}


def parameters(thing: Any) -> dict[str, tuple[Any, Any]]:
    found = inspect.signature(thing).parameters.values()
    return {p.name: (p.kind, p.default) for p in found}


@pytest.mark.skipif(not MODERN, reason="the contract is that of scikit-learn 1.9")
@pytest.mark.parametrize("name", BOTH)
def test_signatures(name: str) -> None:
    own, theirs = parameters(vars(regression)[name]), parameters(getattr(reference, name))
    different = {parameter for owner, parameter in DIFFERENT if owner == name}
    for parameter in different:
        assert own.get(parameter) != theirs.get(parameter), f"{parameter} is the same by now"
        assert own.get(parameter, [None])[-1] in (DIFFERENT[name, parameter], None)
    assert {k: v for k, v in own.items() if k not in different} == {
        k: v for k, v in theirs.items() if k not in different
    }


def small(name: str) -> tuple[Any, Any, Any]:
    """An estimator, and rows it can be fitted to."""
    random = np.random.default_rng(0)
    X = random.standard_normal((40, 3))
    y = np.exp(0.5 * X @ [1.0, -1.0, 0.5] + 0.1 * random.standard_normal(40))
    estimator = vars(regression)[name]()
    if name in ("LogisticRegression", "SGDClassifier"):
        y = y > 1
    if name.startswith("SGD"):
        estimator.set_params(random_state=0)
    return estimator, X, y


OTHER: dict[str, Any] = {
    "copy_X": False, "dual": True, "gcv_mode": "eigen", "intercept_scaling": 2.0, "max_iter": 7,
    "n_jobs": -1, "random_state": np.random.RandomState(0), "solver": "saga", "tol": 1e-9,
    "verbose": 1,
}  # fmt: skip
BAD: dict[str, Any] = {
    "copy_X": "yes", "dual": 1, "gcv_mode": "auto!", "intercept_scaling": 0.0, "max_iter": 0,
    "n_jobs": 0, "random_state": "seed", "solver": "best", "tol": -1.0, "verbose": -1,
}  # fmt: skip


@pytest.mark.parametrize(("name", "parameter"), SIMPLE)
def test_parameters_without_effect(name: str, parameter: str) -> None:
    estimator, X, y = small(name)
    lines = inspect.getdoc(type(estimator)).splitlines()  # type: ignore[union-attr]
    notes = [
        note
        for line, note in itertools.pairwise(lines)
        if parameter in line.split(" : ")[0].split(", ")
    ]
    assert len(notes) == 1
    assert notes[0].startswith(
        ("    Accepted for scikit-learn's sake; without", "    See `Elastic")
    )
    expected = estimator.fit(X, y).coef_
    other = small(name)[0].set_params(**{parameter: OTHER[parameter]})
    np.testing.assert_array_equal(other.fit(X, y).coef_, expected)
    bad = small(name)[0].set_params(**{parameter: BAD[parameter]})
    with pytest.raises((ValueError, TypeError), match=rf"^{name}: {parameter} expects .*, got "):
        bad.fit(X, y)


@pytest.mark.parametrize("solver", ["liblinear", "newton-cg", "sag", "saga", "lbfgs"])
@pytest.mark.parametrize("l1_ratio", [0.0, 1.0])
def test_solvers_of_logistic_regression_find_one_minimum(solver: str, l1_ratio: float) -> None:
    X, y = load_breast_cancer(return_X_y=True)
    X = scale(X)
    rule: dict[str, Any] = {"l1_ratio": l1_ratio, "tol": 1e-10, "max_iter": 1000}
    model = regression.LogisticRegression(solver=solver, C=0.1, **rule).fit(X, y)
    expected = regression.LogisticRegression(C=0.1, **rule).fit(X, y).coef_
    np.testing.assert_allclose(model.coef_, expected, atol=CLOSE * np.abs(expected).max())


@pytest.mark.parametrize(
    ("penalty", "modern"),
    [
        ("l1", {"l1_ratio": 1.0}),
        ("l2", {"l1_ratio": 0.0}),
        ("elasticnet", {"l1_ratio": 0.3}),
        (None, {"C": np.inf}),
    ],
)
def test_deprecated_penalty(penalty: str | None, modern: dict[str, float]) -> None:
    random = np.random.default_rng(0)
    X = random.standard_normal((200, 4))
    y = X[:, 0] + random.standard_normal(200) > 0
    given = modern if penalty == "elasticnet" else {}
    with pytest.warns(FutureWarning, match="LogisticRegression: penalty is deprecated") as seen:
        model = regression.LogisticRegression(penalty, **given).fit(X, y)
    assert seen[0].filename == __file__
    expected = regression.LogisticRegression(**modern).fit(X, y)
    np.testing.assert_array_equal(model.coef_, expected.coef_)
    with pytest.raises(ValueError, match="LogisticRegression: penalty expects"):
        regression.LogisticRegression(penalty="l3").fit(X, y)


@pytest.mark.parametrize("intercept", [True, False])
@pytest.mark.parametrize("alpha", [0.0, 0.1, 30.0])
@pytest.mark.parametrize("weighted", [True, False])
def test_ridge_with_coefficients_that_stay_positive(
    intercept: bool, alpha: float, weighted: bool
) -> None:
    X, y = load_diabetes(return_X_y=True)
    X = scale(X)
    weight = np.random.default_rng(0).uniform(0.5, 2, len(y)) if weighted else None
    targets = np.column_stack([y, -y])
    model = regression.Ridge(alpha, positive=True, fit_intercept=intercept)
    model.fit(X, targets, sample_weight=weight)
    assert (model.coef_ >= 0).all()
    assert (model.coef_ == 0).any()
    # Conditions of optimality: the gradient is 0 where b > 0, and else >= 0.
    w = np.ones(len(y)) if weight is None else weight
    residual = targets - model.predict(X)
    gradient = alpha * model.coef_.T - (X * w[:, None]).T @ residual
    size = np.abs((X * w[:, None]).T @ targets).max()
    assert (gradient >= -1e-10 * size).all()
    assert np.abs(gradient[model.coef_.T > 0]).max() < 1e-10 * size
    assert not intercept or np.abs(w @ residual).max() < 1e-10 * size
    theirs = reference.Ridge(alpha, positive=True, fit_intercept=intercept, tol=1e-12)
    theirs.fit(X, targets, sample_weight=weight)
    # They stop where a gain is below rounding of the objective: at its root, in coefficients.
    np.testing.assert_allclose(model.coef_, theirs.coef_, atol=1e-5 * np.abs(theirs.coef_).max())
    assert (model.solver_, model.n_iter_) == ("nnls", 1)


def test_ridge_says_how_it_was_solved() -> None:
    X, y = load_diabetes(return_X_y=True)
    assert regression.Ridge().fit(X, y).solver_ == "svd"  # few rows
    many = np.random.default_rng(0).standard_normal((3000, 20))
    assert regression.Ridge(solver="svd").fit(many, many[:, 0]).solver_ == "cholesky"


@pytest.mark.parametrize("name", ["Lasso", "ElasticNet", "LassoCV", "ElasticNetCV"])
def test_paths_are_methods_too(name: str) -> None:
    X, y = load_diabetes(return_X_y=True)
    given = {} if name == "LassoCV" else {"l1_ratio": 0.7}
    own = vars(regression)[name].path(X, y, alphas=5, tol=1e-10, **given)
    theirs = getattr(reference, name).path(X, y, alphas=5, tol=1e-10, **given)
    # Both stop at a duality gap of 1e-10 of the target's square: its root.
    for a, b in zip(own[:2], theirs[:2], strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5 * np.abs(b).max())


def test_deprecated_number_of_alphas() -> None:
    X, y = load_diabetes(return_X_y=True)
    with pytest.warns(FutureWarning, match="lasso_path: n_alphas is deprecated.*alphas=5"):
        alphas = regression.lasso_path(X, y, n_alphas=5)[0]
    np.testing.assert_array_equal(alphas, regression.lasso_path(X, y, alphas=5, copy_X=False)[0])
    with pytest.raises(TypeError, match="lasso_path: verbose expects an integer, got str"):
        regression.lasso_path(X, y, verbose="much")


def test_perceptron() -> None:
    X, y = load_breast_cancer(return_X_y=True)
    X = scale(X)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = regression.SGDClassifier("perceptron", random_state=0, n_jobs=2).fit(X, y)
        theirs = reference.SGDClassifier(loss="perceptron", random_state=0).fit(X, y)
    assert model.score(X, y) >= theirs.score(X, y) - 0.01
    # Rows that a plane through 0 tells apart are told apart: Novikoff's theorem.
    random = np.random.default_rng(0)
    X = random.standard_normal((500, 5))
    side = X @ [1.0, -2.0, 0.5, 0.0, 1.0]
    X, side = X[np.abs(side) > 0.3], side[np.abs(side) > 0.3]
    model = regression.SGDClassifier(
        "perceptron", penalty=None, learning_rate="constant", eta0=1.0, tol=None, max_iter=50,
        random_state=0,
    )  # fmt: skip
    assert model.fit(X, side > 0).score(X, side > 0) == 1.0
