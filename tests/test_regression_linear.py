"""Least squares, ridge regression and inference: scikit-learn, exact solutions, known theory."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import linalg, stats
from sklearn import linear_model as sk
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline

from lepton import regression
from lepton.regression import LinearRegression, PolynomialFeatures, Ridge, RidgeCV
from lepton.regression.least_squares import factorise

Array = np.ndarray[Any, Any]


def problem(n: int, p: int, dtype: Any = np.float64, targets: int | None = None) -> Any:
    """Rows far from zero, a target (or several) with noise, and weights, some of them zero."""
    random = np.random.default_rng(n + p)
    X = (random.standard_normal((n, p)) * random.uniform(0.1, 10, p) + 50).astype(dtype)
    shape = (p,) if targets is None else (p, targets)
    signal = X @ random.standard_normal(shape)
    y = (signal + random.standard_normal(signal.shape)).astype(dtype)
    return X, y, random.integers(0, 4, n).astype(dtype)


# Both ways of solving: small problems by orthogonal factors, large ones from sums of products.
SIZES = [(40, 5), (30_000, 8)]
sizes = pytest.mark.parametrize(("n", "p"), SIZES)


def close(a: Any, b: Any, tolerance: float) -> None:
    np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance * np.abs(b).max())


def test_both_ways_are_taken() -> None:
    ways = [factorise(*problem(n, p)[:2], None, True)[1].closed_form for n, p in SIZES]
    assert ways == [False, True]


@sizes
@pytest.mark.parametrize("targets", [None, 3])
@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("weighted", [True, False])
def test_agrees_with_scikit_learn(
    n: int, p: int, targets: int | None, fit_intercept: bool, weighted: bool
) -> None:
    X, y, weight = problem(n, p, targets=targets)
    weight = weight if weighted else None
    for ours, theirs in [
        (LinearRegression(fit_intercept=fit_intercept), sk.LinearRegression),
        (Ridge(3.0, fit_intercept=fit_intercept), sk.Ridge),
        (LinearRegression(fit_intercept=fit_intercept, positive=True), sk.LinearRegression),
    ]:
        model = ours.fit(X, y, weight)
        other = theirs(**ours.get_params()).fit(X, y, weight)
        close(model.coef_, other.coef_, 1e-9)
        close(model.intercept_, other.intercept_, 1e-9)
        close(model.predict(X), other.predict(X), 1e-11)
        if hasattr(other, "singular_") and not weighted:
            close(model.singular_, other.singular_, 1e-9)
            assert model.rank_ == other.rank_


@sizes
def test_float32_is_summed_in_float64(n: int, p: int) -> None:
    X, y, _ = problem(n, p, np.float32)
    model = LinearRegression().fit(X, y)
    exact = LinearRegression().fit(X.astype(np.float64), y.astype(np.float64))
    assert model.coef_.dtype == np.float32
    np.testing.assert_array_equal(model.coef_, exact.coef_.astype(np.float32))


@sizes
def test_layouts_do_not_matter(n: int, p: int) -> None:
    X, y, _ = problem(n, p)
    model = LinearRegression().fit(X, y)
    wide = np.repeat(X, 2, axis=1)[:, ::2]
    for layout in (np.asfortranarray(X), wide, np.ascontiguousarray(X[::-1])[::-1]):
        close(LinearRegression().fit(layout, y).coef_, model.coef_, 1e-12)


@pytest.mark.parametrize(("n", "p"), [(5, 2), (20, 20), (20, 60), (30_000, 6)])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_of_many_solutions_the_shortest(n: int, p: int, dtype: Any) -> None:
    X, y, _ = problem(n, p, dtype)
    X[:, 1] = X[:, 0]
    model = LinearRegression().fit(X, y)
    wide = X.astype(np.float64)
    shortest = linalg.lstsq(wide - wide.mean(0), y - y.mean(dtype=np.float64), cond=1e-10)[0]
    close(model.coef_, shortest, 1e-9 if dtype is np.float64 else 1e-5)
    assert model.rank_ == min(n - 1, p - 1)


@sizes
def test_constant_columns_get_nothing(n: int, p: int) -> None:
    X, y, _ = problem(n, p)
    X[:, 2] = 0.1  # its mean is not exact
    model = LinearRegression().fit(X, y)
    assert model.coef_[2] == 0
    close(np.delete(model.coef_, 2), LinearRegression().fit(np.delete(X, 2, 1), y).coef_, 1e-9)


@pytest.mark.parametrize("n", [5000, 200_000])
@pytest.mark.parametrize("model", [LinearRegression(), Ridge(1e-12), RidgeCV([1e-12])], ids=repr)
def test_float32_keeps_columns_that_are_nearly_dependent(n: int, model: Any) -> None:
    random = np.random.default_rng(0)
    X = random.standard_normal((n, 4)).astype(np.float32)
    X[:, 1] = X[:, 0] + 4e-4 * X[:, 1]
    X[:, 3] = 0.1  # sends large data to orthogonal factors, too
    model.fit(X, X[:, 0] - X[:, 1] + X[:, 2])
    # Rounding of y, over the part of the columns that tells them apart.
    np.testing.assert_allclose(model.coef_, [1, -1, 1, 0], atol=1e-7 / 4e-4)


def test_without_varying_columns_nothing_is_learned() -> None:
    for positive in (False, True):
        model = LinearRegression(positive=positive).fit([[1, 2], [1, 2]], [1, 2])
        assert model.coef_.tolist() == [0, 0]
        assert model.intercept_ == 1.5


def test_units_of_columns_cost_no_digits() -> None:
    X, y, _ = problem(20_000, 4)
    units = np.array([1e-7, 1.0, 1.0, 1e7])
    coef = Ridge(1e-30).fit(X * units, y).coef_ * units
    close(coef, LinearRegression().fit(X, y).coef_, 1e-9)


@pytest.mark.parametrize("name", ["LinearRegression", "Ridge", "RidgeCV", "Lasso", "ElasticNet"])
def test_shapes_are_those_of_scikit_learn(name: str) -> None:
    X, y, _ = problem(20, 3)
    for target in (y, y[:, None], np.column_stack([y, 2 * y])):
        expected = getattr(sk, name)().fit(X, target)
        model = getattr(regression, name)().fit(X, target)
        assert model.coef_.shape == expected.coef_.shape
        assert np.shape(model.intercept_) == np.shape(expected.intercept_)
        assert model.predict(X).shape == expected.predict(X).shape


def test_one_weighted_row_cannot_be_left_out() -> None:
    X, y, _ = problem(20, 3)
    with pytest.raises(ValueError, match="RidgeCV: sample_weight expects at least two weights"):
        RidgeCV().fit(X, y, [1.0] + [0.0] * 19)


def test_of_constant_columns_nothing_is_known() -> None:
    X = np.array([[1.0, 7.0], [2.0, 7.0], [3.0, 7.0], [4.0, 7.0]])
    model = LinearRegression().fit(X, [1.0, 2.0, 2.0, 4.0])
    with pytest.warns(UserWarning, match="constant columns.*: x1"):
        summary = model.summary()
    assert np.isnan(summary.std_err[2])
    assert np.isfinite(summary.std_err[:2]).all()


@pytest.mark.parametrize("distance", [1e2, 1e4, 1e6])
def test_nearly_dependent_columns(distance: float) -> None:
    """The error of the solution, against one in extended precision, follows the condition."""
    X, y, _ = problem(30_000, 5)
    X[:, 1] = X[:, 0] + X[:, 1] / distance
    close(LinearRegression().fit(X, y).coef_, refined(X, y), 1e-14 * distance)


def refined(X: Array, y: Array) -> Array:
    """Least squares in extended precision, by normal equations of orthogonal columns."""
    wide = X.astype(np.longdouble)
    wide -= wide.mean(0)
    R = linalg.qr((wide / np.sqrt((wide**2).sum(0))).astype(np.float64), mode="r")[0][: X.shape[1]]
    inverse = np.linalg.inv(R) / np.sqrt((wide**2).sum(0)).astype(np.float64)[:, None]
    Q = wide @ inverse.astype(np.longdouble)
    target = y.astype(np.longdouble) - y.astype(np.longdouble).mean()
    solution, normal = np.zeros(X.shape[1], np.longdouble), (Q.T @ Q).astype(np.float64)
    for _ in range(4):
        right = (Q.T @ (target - Q @ solution)).astype(np.float64)
        solution = solution + np.linalg.solve(normal, right)
    return (inverse.astype(np.longdouble) @ solution).astype(np.float64)


def test_pilot_mean_that_is_far_off() -> None:
    X, y, _ = problem(30_000, 4)
    X[:2000] += 1e6  # the first rows say little about the rest
    X[2000:] *= 1e-3
    exact = refined(X, y)
    close(LinearRegression().fit(X, y).coef_, exact, 1e-9)


def test_weights_are_repeated_rows() -> None:
    X, y, weight = problem(200, 4)
    times = weight.astype(int)
    repeated = LinearRegression().fit(np.repeat(X, times, 0), np.repeat(y, times, 0))
    close(LinearRegression().fit(X, y, weight).coef_, repeated.coef_, 1e-12)


@pytest.mark.parametrize("targets", [None, 2])
@pytest.mark.parametrize("weighted", [True, False])
@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("size", [(60, 5), (15, 40), (20_000, 7)])
def test_ridge_cv_agrees_with_scikit_learn(
    size: tuple[int, int], targets: int | None, weighted: bool, fit_intercept: bool
) -> None:
    X, y, weight = problem(*size, targets=targets)
    weight = weight + 1 if weighted else None
    for options in (
        {"store_cv_results": True},
        {"scoring": "neg_mean_absolute_error"},
        {"alpha_per_target": True},
    ):
        options |= {"alphas": [1e-2, 1.0, 1e2, 1e4], "fit_intercept": fit_intercept}
        model, other = RidgeCV(**options).fit(X, y, weight), sk.RidgeCV(**options)
        other.fit(X, y, weight)
        np.testing.assert_array_equal(model.alpha_, other.alpha_)
        close(model.best_score_, other.best_score_, 1e-8)
        close(model.coef_, other.coef_, 1e-8)
        if "store_cv_results" in options:
            close(model.cv_results_, other.cv_results_, 1e-6)


def test_ridge_cv_leaves_rows_out() -> None:
    X, y, _ = problem(25, 4)
    model = RidgeCV([0.5, 5.0], store_cv_results=True).fit(X, y)
    for k, alpha in enumerate([0.5, 5.0]):
        for i in range(len(X)):
            rest = np.arange(len(X)) != i
            fitted = Ridge(alpha).fit(X[rest], y[rest])
            error = y[i] - fitted.predict(X[i : i + 1])[0]
            assert model.cv_results_[i, k] == pytest.approx(error**2, rel=1e-8)


def test_ridge_cv_with_splits() -> None:
    X, y, _ = problem(60, 5)
    model = RidgeCV([0.1, 10.0], cv=5).fit(X, y)
    scores = [cross_val_score(Ridge(a), X, y, cv=5).mean() for a in (0.1, 10.0)]
    assert model.alpha_ == [0.1, 10.0][int(np.argmax(scores))]
    assert model.best_score_ == pytest.approx(max(scores))


def test_ridge_takes_an_alpha_for_each_target() -> None:
    X, y, _ = problem(50, 4, targets=2)
    model = Ridge([0.0, 20.0]).fit(X, y)
    close(model.coef_[0], LinearRegression().fit(X, y[:, 0]).coef_, 1e-12)
    close(model.coef_[1], Ridge(20.0).fit(X, y[:, 1]).coef_, 1e-12)


@pytest.mark.parametrize(
    ("model", "sentence"),
    [
        (Ridge(-1.0), r"Ridge: alpha expects a finite number >= 0, got -1\.0"),
        (Ridge([1.0, 2.0]), "Ridge: alpha expects a number or one for each of 1 targets, got 2"),
        (Ridge(["a"]), "Ridge: alpha expects a number, got str"),
        (RidgeCV([]), "RidgeCV: alphas expects at least one number > 0, got none"),
        (RidgeCV([0.0]), r"RidgeCV: alphas expects a finite number > 0, got 0\.0"),
        (RidgeCV(cv=3, store_cv_results=True), "RidgeCV: store_cv_results and .* expect cv=None"),
        (LinearRegression(fit_intercept="yes"), "LinearRegression: fit_intercept expects True"),
    ],
)
def test_bad_parameters(model: Any, sentence: str) -> None:
    X, y, _ = problem(20, 3)
    with pytest.raises((ValueError, TypeError), match=sentence):
        model.fit(X, y)


@pytest.mark.filterwarnings("ignore:.*collinear columns")  # without an intercept they are
@pytest.mark.parametrize("weighted", [True, False])
@pytest.mark.parametrize("fit_intercept", [True, False])
@sizes
def test_summary_agrees_with_statsmodels(
    n: int, p: int, fit_intercept: bool, weighted: bool
) -> None:
    api = pytest.importorskip("statsmodels.api")
    X, y, weight = problem(n, p)
    weight = weight + 1 if weighted else None
    model = LinearRegression(fit_intercept=fit_intercept).fit(X, y, weight)
    design = api.add_constant(X) if fit_intercept else X
    other = api.WLS(y, design, weights=1.0 if weight is None else weight).fit()
    summary = model.summary(alpha=0.1)
    close(summary.coef, other.params, 1e-9)
    close(summary.std_err, other.bse, 1e-8)
    close(summary.p_value, other.pvalues, 1e-6)
    close(np.c_[summary.low, summary.high], other.conf_int(alpha=0.1), 1e-8)
    pairs = {
        "R2": other.rsquared,
        "adjusted R2": other.rsquared_adj,
        "F": other.fvalue,
        "AIC": other.aic,
        "BIC": other.bic,
        "log-likelihood": other.llf,
        "condition number": other.condition_number,
        "residual standard error": np.sqrt(other.mse_resid),
    }
    for name, value in pairs.items():
        assert summary.measures[name] == pytest.approx(value, rel=1e-8), name


def test_standard_errors_follow_the_formula() -> None:
    X, y, _ = problem(50, 3)
    summary = LinearRegression().fit(X, y).summary()
    design = np.c_[np.ones(len(X)), X]
    coef, rss = np.linalg.lstsq(design, y, rcond=None)[:2]
    error = np.sqrt(rss[0] / (len(X) - 4) * np.diagonal(np.linalg.inv(design.T @ design)))
    close(summary.coef, coef, 1e-10)
    close(summary.std_err, error, 1e-9)
    close(summary.statistic, coef / error, 1e-9)
    close(summary.p_value, 2 * stats.t(46).sf(np.abs(coef / error)), 1e-7)


def test_intervals_cover_as_often_as_they_say() -> None:
    random, hits = np.random.default_rng(0), 0
    X = random.standard_normal((30, 2))
    for _ in range(400):
        y = X @ [1.0, 2.0] + random.standard_normal(30)
        summary = LinearRegression().fit(X, y).summary(alpha=0.2)
        hits += int(((summary.low < [0, 1, 2]) & (summary.high > [0, 1, 2])).sum())
    # 1200 intervals of probability 0.8: four standard deviations of the count, were they dependent
    # within a fit.
    assert abs(hits / 1200 - 0.8) < 4 * np.sqrt(0.16 / 400)


def test_summary_names_collinear_columns(tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas")
    X, y, _ = problem(60, 3)
    frame = pandas.DataFrame(X, columns=["length", "width", "age"])
    frame["area"] = frame["length"] + frame["width"]
    model = LinearRegression().fit(frame, y)
    model.save(tmp_path / "model.safetensors")
    for one in (model, LinearRegression.load(tmp_path / "model.safetensors")):
        with pytest.warns(UserWarning, match="collinear columns.*: length, width, area"):
            summary = one.summary()
        assert summary.collinear == ["length", "width", "area"]
        assert "age" in str(summary)
        assert "collinear columns: length, width, area" in str(summary)
        assert summary.to_frame().loc["age", "coef"] == pytest.approx(model.coef_[2])
        assert "<td>age</td>" in summary._repr_html_()


def test_summary_shows_itself_with_points_below_each_other() -> None:
    X = np.random.default_rng(0).standard_normal((50, 3)) * [1e-3, 1.0, 1e3]
    summary = LinearRegression().fit(X, X @ [1.0, -2.0, 30.0] + X[:, 0] ** 2).summary()
    assert repr(summary) == str(summary)
    lines = str(summary).splitlines()[3:7]
    assert [line.split()[0] for line in lines] == ["intercept", "x0", "x1", "x2"]
    points = [[i for i, letter in enumerate(line) if letter == "."] for line in lines]
    assert points == [points[0]] * 4
    numbers = np.array([line.split()[1:3] for line in lines], float)
    np.testing.assert_allclose(numbers, np.c_[summary.coef, summary.std_err], rtol=1e-4)


def test_summary_after_bounds_is_refused() -> None:
    X, y, _ = problem(20, 3)
    with pytest.raises(
        ValueError, match=r"LinearRegression\.summary: expects a fit without bounds"
    ):
        LinearRegression(positive=True).fit(X, y).summary()
    with pytest.raises(IndexError, match="target 1 is out of bounds for 1 targets"):
        LinearRegression().fit(X, y).summary(target=1)


def test_house_prices() -> None:
    """Prices that rise evenly: two features that say the same leave X'X singular."""
    prices = [150, 200, 250, 300, 350]
    one = LinearRegression().fit([[1], [2], [3], [4], [5]], prices)
    np.testing.assert_allclose(one.predict([[6]]), [400], rtol=1e-14)
    two = LinearRegression().fit([[1, 2], [2, 3], [3, 4], [4, 5], [5, 6]], prices)
    np.testing.assert_allclose(two.coef_, [25, 25], rtol=1e-14)
    np.testing.assert_allclose(two.predict([[6, 7]]), [400], rtol=1e-14)
    assert two.rank_ == 1


def test_polynomials() -> None:
    x = np.linspace(-1, 2, 30)[:, None]
    model = make_pipeline(PolynomialFeatures(3, include_bias=False), LinearRegression())
    model.fit(x, 1 + 2 * x[:, 0] - 3 * x[:, 0] ** 3)
    np.testing.assert_allclose(model[-1].coef_, [2, 0, -3], atol=1e-13)
