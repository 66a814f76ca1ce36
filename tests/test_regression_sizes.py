"""Numbers far from 1: right results, or one sentence, never coefficients that are 0 or NaN."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from sklearn.base import clone
from support.estimators import ESTIMATORS, sample

from lepton.estimator import Estimator
from lepton.regression import (
    Lasso,
    LassoCV,
    LinearRegression,
    PoissonRegressor,
    QuantileRegressor,
    Ridge,
    RidgeCV,
    enet_path,
    lasso_path,
)
from lepton.regression.linear_model import LinearModel

LINEAR = [estimator for estimator in ESTIMATORS if isinstance(estimator, LinearModel)]
every_linear = pytest.mark.parametrize("estimator", LINEAR, ids=repr)


@every_linear
@pytest.mark.parametrize("size", [1e160, 1e-160, 1e300, 1e-310], ids=str)
def test_sizes_without_squares_are_refused(estimator: Estimator, size: float) -> None:
    X, y = sample(estimator)
    X[:, 2] *= size
    with pytest.raises(ValueError, match=rf"^{type(estimator).__name__}: X .* in column 2: scale"):
        clone(estimator).fit(X, y)
    if y.dtype.kind == "f":
        X, y = sample(estimator)
        with pytest.raises(ValueError, match=rf"^{type(estimator).__name__}: y expects .*: scale"):
            clone(estimator).fit(X, y * size)


@pytest.mark.parametrize("path", [enet_path, lasso_path])
def test_paths_refuse_them_too(path: Callable[..., Any]) -> None:
    X, y = sample(LinearRegression())
    with pytest.raises(ValueError, match=rf"^{path.__name__}: X expects .* in column 0: scale"):
        path(X * 1e160, y)
    with pytest.raises(ValueError, match=rf"^{path.__name__}: y expects .*: scale"):
        path(X, y * 1e-160)


@every_linear
def test_a_single_number_is_found_among_many(estimator: Estimator) -> None:
    X, y = sample(estimator, rows=10_000)
    X[4321, 1] = 1e200
    with pytest.raises(ValueError, match=r"got 1e\+200 in column 1"):
        clone(estimator).fit(X, y)


def test_small_numbers_beside_others_are_no_trouble() -> None:
    X, y = sample(LinearRegression(), rows=5000)
    X[::2] *= 1e-200
    X[1::2] *= 1e-3
    found = LinearRegression().fit(X, y).coef_
    np.testing.assert_allclose(found, LinearRegression().fit(X * 1024, y).coef_ * 1024, rtol=1e-9)


EQUIVARIANT: list[Callable[[float, float], Any]] = [
    lambda x, y: LinearRegression(),
    lambda x, y: LinearRegression(positive=True),
    lambda x, y: Ridge(2.0 * x**2),
    lambda x, y: RidgeCV([0.01 * x**2, x**2]),
    lambda x, y: Lasso(0.05 * x * y, tol=1e-10),
    lambda x, y: LassoCV(alphas=10, cv=3, tol=1e-10),
    lambda x, y: QuantileRegressor(alpha=0.01 * x),
]


@pytest.mark.parametrize("make", EQUIVARIANT, ids=lambda make: repr(make(1.0, 1.0)))
@pytest.mark.parametrize("x", [2.0**200, 1.0, 2.0**-200], ids=["large X", "X", "small X"])
@pytest.mark.parametrize("y", [2.0**200, 1.0, 2.0**-200], ids=["large y", "y", "small y"])
def test_powers_of_two_scale_the_solution(make: Any, x: float, y: float) -> None:
    X, target = sample(LinearRegression())
    expected = make(1.0, 1.0).fit(X, target)
    found = make(x, y).fit(X * x, target * y)
    np.testing.assert_allclose(found.coef_ * (x / y), expected.coef_, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(found.intercept_ / y, expected.intercept_, rtol=1e-9)


def test_coefficients_beyond_float32_are_refused() -> None:
    X, y = sample(LinearRegression(), "float32")
    for model in (LinearRegression(), Ridge(0.0), RidgeCV([1e-70])):
        with pytest.raises(ValueError, match=r"^\w+: coefficients overflow float32: scale X or y"):
            model.fit(X * np.float32(1e-30), y * np.float32(1e20))


def test_quantiles_take_columns_of_any_size() -> None:
    """The solver of linear programmes takes numbers below 1e-9 for 0 and above 1e20 for none."""
    X, y = sample(LinearRegression())
    units = np.array([1e-30, 1e30, 1.0, 1e-12])
    expected = QuantileRegressor(alpha=0.0).fit(X, y).coef_
    found = QuantileRegressor(alpha=0.0).fit(X * units, y * 1e25).coef_
    np.testing.assert_allclose(found * units / 1e25, expected, rtol=1e-9)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_counts_may_not_be_tiny(dtype: Any) -> None:
    X, y = sample(PoissonRegressor(), str(np.dtype(dtype)))
    with pytest.raises(ValueError, match="PoissonRegressor: y expects"):
        PoissonRegressor().fit(X, y * dtype(1e-30))
    small = PoissonRegressor(alpha=0, tol=1e-12).fit(X, y * dtype(2.0**-20)).coef_
    expected = PoissonRegressor(alpha=0, tol=1e-6).fit(X, y).coef_
    np.testing.assert_allclose(small, expected, rtol=1e-3, atol=1e-4)
