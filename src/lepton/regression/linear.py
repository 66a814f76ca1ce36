# SPDX-License-Identifier: Apache-2.0
"""Ordinary least squares."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from sklearn.base import MultiOutputMixin

from lepton.regression.linear_model import LinearRegressor

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

__all__ = ["LinearRegression"]


class LinearRegression(MultiOutputMixin, LinearRegressor):
    """Ordinary least squares: the coefficients that minimise ``sum (y - X b - b0)^2``."""

    def __init__(self, *, fit_intercept: bool = True) -> None:
        self.fit_intercept = fit_intercept

    def fit(
        self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> LinearRegression:
        """Fit the model."""
        X, y = self._check_fit(X, y, multi_output=True)
        weight = self._check_weight(sample_weight, X)
        root = None if weight is None else np.sqrt(weight)[:, None]
        x_mean = np.average(X, axis=0, weights=weight) * self.fit_intercept
        y_mean = np.average(y, axis=0, weights=weight) * self.fit_intercept
        A, b = X - x_mean, (y - y_mean).reshape(len(y), -1)
        if root is not None:
            A, b = A * root, b * root
        coef, _, self.rank_, self.singular_ = np.linalg.lstsq(A, b, rcond=None)
        self.coef_ = coef.T.reshape((*y.shape[1:], X.shape[1])).astype(X.dtype)
        self.intercept_ = y_mean - self.coef_ @ x_mean
        return self
