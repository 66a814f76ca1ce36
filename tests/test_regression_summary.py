"""Inference where a fit is not regular: dependent columns, weights, no residuals, no maximum."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn import linear_model as sk
from sklearn.exceptions import ConvergenceWarning

from lepton.regression import LinearRegression, LogisticRegression, PoissonRegressor, Summary

Array = np.ndarray[Any, Any]
every_size = pytest.mark.parametrize("n", [60, 20_000])  # orthogonal factors, and sums of products
every_family = pytest.mark.parametrize("family", ["logistic", "poisson"])


def close(a: Any, b: Any, tolerance: float) -> None:
    np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance * np.abs(b).max())


def table(model: Any) -> Summary:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        summary: Summary = model.summary()
    return summary


def dependent(n: int, seed: int = 0) -> tuple[Array, Array]:
    """Four columns in units of their own, the sum of two of them, and one of them once more."""
    X = np.random.default_rng([n, seed]).standard_normal((n, 4))
    return np.c_[X, X[:, 0] + X[:, 1], X[:, 2]] * [1, 1, 1, 100, 1, 0.01], X


def glm(family: str, X: Array, y: Array, weight: Array | None = None, **options: Any) -> Any:
    if family == "logistic":
        return LogisticRegression(C=np.inf, tol=1e-10, **options).fit(X, y, weight)
    return PoissonRegressor(alpha=0.0, tol=1e-10, **options).fit(X, y, weight)


def outcomes(family: str, eta: Array, seed: int = 0) -> Array:
    random = np.random.default_rng([7, seed])
    if family == "logistic":
        return (eta > random.logistic(size=len(eta))).astype(int)
    return random.poisson(np.exp(eta / 2))


def reference(family: str, X: Array, y: Array, weight: Array | None = None) -> Any:
    api = pytest.importorskip("statsmodels.api")
    law = api.families.Binomial() if family == "logistic" else api.families.Poisson()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of rank
        design = api.add_constant(X, has_constant="add")
        return api.GLM(y, design, law, freq_weights=weight).fit(tol=1e-12)


@every_size
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("fit_intercept", [False, True])
def test_dependent_columns_have_the_errors_of_the_shortest_solution(
    n: int, weighted: bool, fit_intercept: bool
) -> None:
    api = pytest.importorskip("statsmodels.api")
    X, free = dependent(n)
    y = free[:, 0] + np.random.default_rng(1).standard_normal(n)
    weight = np.random.default_rng(2).integers(1, 4, n).astype(float) if weighted else np.ones(n)
    model = LinearRegression(fit_intercept=fit_intercept).fit(X, y, weight if weighted else None)
    design = api.add_constant(X) if fit_intercept else X
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of rank
        other = api.WLS(y, design, weights=weight).fit()
    summary = table(model)
    close(summary.coef, other.params, 1e-9)
    close(summary.std_err, other.bse, 1e-8)
    assert summary.measures["residual degrees of freedom"] == n - 4 - fit_intercept


@every_family
@pytest.mark.parametrize("solver", ["newton-cholesky", "lbfgs"])
def test_dependent_columns_of_likelihoods(family: str, solver: str) -> None:
    for seed in range(8):
        X, free = dependent(400, seed)
        X = X + 3.0 * (seed % 2) * np.array([0, 0, 1, 1, 0, 0.01])
        y = outcomes(family, free[:, 0] - free[:, 1] / 2, seed)
        model = glm(family, X, y, solver=solver)
        other = reference(family, X, y)
        summary = table(model)
        assert summary.measures["residual degrees of freedom"] == 400 - 5
        close(summary.coef, other.params, 1e-6)
        close(np.ravel(model.coef_), other.params[1:], 1e-6)
        close(summary.std_err, other.bse, 1e-6)
        assert summary.collinear == ["x0", "x1", "x2", "x4", "x5"]


@every_family
def test_of_many_likeliest_coefficients_the_shortest(family: str) -> None:
    X = np.random.default_rng(0).standard_normal((100, 3))
    y = outcomes(family, X[:, 0])
    for columns in (np.c_[X, X[:, 0]], np.c_[X, X[:, 0] * 10 + 5], np.c_[X, np.full(100, 0.1)]):
        model = glm(family, columns, y)
        theirs = (
            sk.LogisticRegression(C=np.inf, tol=1e-10, max_iter=10_000)
            if family == "logistic"
            else sk.PoissonRegressor(alpha=0, tol=1e-10, max_iter=10_000)
        ).fit(columns, y)
        close(model.predict(columns), theirs.predict(columns), 1e-5)
        centred = columns - columns.mean(0)
        kept = np.linalg.pinv(centred, rcond=1e-10) @ centred @ np.ravel(model.coef_)
        close(np.ravel(model.coef_), kept, 1e-10)  # nothing that predictions do not see


@every_family
def test_weights_of_likelihoods_are_counts(family: str) -> None:
    random = np.random.default_rng(0)
    X, weight = random.standard_normal((60, 3)), random.integers(0, 5, 60)
    y = outcomes(family, X[:, 0])
    summary = table(glm(family, X, y, weight.astype(float)))
    repeated = table(glm(family, np.repeat(X, weight, 0), np.repeat(y, weight)))
    close(summary.std_err, repeated.std_err, 1e-7)
    other = reference(family, X, y, weight)
    close(summary.std_err, other.bse, 1e-6)
    for name, value in repeated.measures.items():
        assert summary.measures[name] == pytest.approx(value, rel=1e-7), name
    assert summary.measures["samples"] == weight.sum()
    assert summary.measures["residual degrees of freedom"] == other.df_resid
    assert summary.measures["log-likelihood"] == pytest.approx(other.llf, rel=1e-9)


def separated(kind: str) -> tuple[str, Array, Array, list[str]]:
    """Family, X, y, and the names of the coefficients that have no end."""
    random = np.random.default_rng(3)
    X = random.standard_normal((200, 2))
    level = np.arange(200) % 4
    if kind == "a plane":
        return "logistic", X, (X[:, 0] > 0).astype(int), ["intercept", "x0", "x1"]
    if kind == "a level of one class":
        y = outcomes("logistic", X[:, 0]) | (level == 3)
        return "logistic", np.c_[X, level == 3], y, ["x2"]
    events = np.where(level == 0, 0, random.poisson(2.0, 200))
    dummies = np.c_[level == 1, level == 2, level == 3].astype(float)
    if kind == "no events at the base":
        return "poisson", np.c_[X, dummies], events, ["intercept", "x2", "x3", "x4"]
    return "poisson", np.c_[X, level == 0], events, ["x2"]


@pytest.mark.parametrize("solver", ["newton-cholesky", "lbfgs"])
@pytest.mark.parametrize("tol", [1e-2, 1e-4, 1e-8])
@pytest.mark.parametrize("dtype", ["f8", "f4"])
@pytest.mark.parametrize(
    "kind", ["a plane", "a level of one class", "no events at the base", "a level without events"]
)
def test_likelihoods_without_a_maximum(kind: str, dtype: str, tol: float, solver: str) -> None:
    family, X, y, names = separated(kind)
    options: dict[str, Any] = {"tol": tol, "solver": solver}
    kinds = {"logistic": LogisticRegression(C=np.inf), "poisson": PoissonRegressor(alpha=0.0)}
    model = kinds[family].set_params(**options)
    with pytest.warns(ConvergenceWarning, match="no finite coefficients are the most likely"):
        model.fit(X.astype(dtype), y)
    with pytest.warns(UserWarning, match=f"grow without end.*: {', '.join(names)}$"):
        summary = model.summary()
    assert summary.endless == names
    assert [np.isnan(e) for e in summary.std_err] == [n in names for n in summary.names]
    assert f"coefficients that grow without end: {', '.join(names)}" in str(summary)


@every_family
@pytest.mark.parametrize("tol", [1e-3, 1e-8])
def test_rare_events_have_a_maximum(family: str, tol: float, tmp_path: Path) -> None:
    """One event of a rare level is enough, one sample on the wrong side too."""
    random = np.random.default_rng(5)
    X = np.c_[random.standard_normal(3000), np.arange(3000) % 100 == 0]
    y = outcomes(family, X[:, 0])
    y[X[:, 1] > 0] = 0
    y[0] = 1
    options = {"C": np.inf} if family == "logistic" else {"alpha": 0.0}
    kind: Any = LogisticRegression if family == "logistic" else PoissonRegressor
    model = kind(tol=tol, **options).fit(X, y)
    model.save(tmp_path / "model.safetensors")
    for one in (model, kind.load(tmp_path / "model.safetensors")):
        assert one.summary().endless == []


@pytest.mark.parametrize("dtype", ["f8", "f4"])
@every_size
def test_fits_without_residuals(n: int, dtype: str) -> None:
    X = np.random.default_rng(0).standard_normal((n, 3)).astype(dtype)
    perfect = table(LinearRegression().fit(X, 1e3 + X @ np.array([1, -1, 2], dtype)))
    constant = table(LinearRegression().fit(X, np.full(n, 0.1, dtype)))
    for summary in (perfect, constant):
        for name in ("F", "P(F)", "log-likelihood", "AIC", "BIC"):
            assert np.isnan(summary.measures[name]), name
        assert np.isnan(summary.statistic).all()
        assert np.isnan(summary.p_value).all()
        assert "no residuals beyond rounding" in str(summary)
        assert "no residuals beyond rounding" in summary._repr_html_()
    assert perfect.measures["R2"] == pytest.approx(1)
    assert np.isnan(constant.measures["R2"])


def test_fits_without_degrees_of_freedom() -> None:
    random = np.random.default_rng(0)
    for n in (4, 3):
        summary = table(LinearRegression().fit(random.random((n, 3)), random.random(n)))
        assert np.isnan([summary.measures[k] for k in ("F", "log-likelihood", "AIC", "BIC")]).all()
        assert np.isnan(summary.std_err).all()
        assert summary.notes[-1] == "no residual degrees of freedom: errors are unknown"


def test_constant_columns_are_called_so() -> None:
    random = np.random.default_rng(0)
    X = np.c_[random.random((50, 3)), np.full(50, 0.1)]
    y = random.random(50)
    for model in (LinearRegression().fit(X, y), glm("poisson", X, y)):
        with pytest.warns(UserWarning, match="constant columns.*: x3$") as caught:
            summary = model.summary()
        assert len(caught) == 1
        assert (summary.constant, summary.collinear) == (["x3"], [])
        assert np.isnan(summary.std_err).tolist() == [False, False, False, False, True]
        assert summary.notes == ["constant columns: x3"]


def test_a_column_may_be_called_intercept() -> None:
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(np.random.default_rng(0).random((20, 2)), columns=["intercept", "b"])
    summary = LinearRegression().fit(frame, frame["b"] ** 2).summary()
    assert summary.names == ["(intercept)", "intercept", "b"]


def test_counts_beyond_the_largest_number_are_told() -> None:
    model = PoissonRegressor(alpha=0.0).fit([[0.0], [1.0], [2.0]], [1, 2, 4])
    with pytest.warns(RuntimeWarning, match="predict: 1 expected counts are beyond float64") as one:
        assert np.isinf(model.predict([[1e6], [1.0]])[0])
    assert one[0].filename == __file__
