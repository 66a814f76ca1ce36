"""Huber regression where few samples count as inside."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import warnings

import numpy as np
import pytest
from sklearn import datasets
from sklearn.linear_model._huber import _huber_loss_and_gradient

from lepton.regression import HuberRegressor


@pytest.mark.parametrize("epsilon", [1.0, 1.01, 1.1, 1.35])
def test_huber_is_at_the_minimum_or_warns(epsilon: float) -> None:
    X, y = datasets.load_diabetes(return_X_y=True)
    X = X * 100
    for weight in (np.random.default_rng(0).integers(0, 3, len(y)).astype(float), np.ones(len(y))):
        model = HuberRegressor(epsilon=epsilon, alpha=0.0, tol=1e-10)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            model.fit(X, y, weight)
        params = np.r_[model.coef_, model.intercept_, model.scale_]
        gradient = _huber_loss_and_gradient(params, X, y, epsilon, 0.0, weight)[1]
        assert bool(caught) == (np.abs(gradient).max() > 1e-3 * weight.sum())
        assert all("short of the minimum" in str(one.message) for one in caught)
        assert bool(caught) <= (epsilon < 1.1)
