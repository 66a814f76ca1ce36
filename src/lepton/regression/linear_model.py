# SPDX-License-Identifier: Apache-2.0
"""What linear models share: coefficients and intercept, and predicting with them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.base import RegressorMixin

import lepton
from lepton.estimator import Estimator

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = ["LinearModel", "LinearRegressor"]


class LinearModel(Estimator):
    """An estimator with ``coef_`` and ``intercept_``."""

    coef_: NDArray[Any]
    intercept_: Any

    def _linear_predictor(self, X: ArrayLike) -> NDArray[Any]:
        """X coef' + intercept, in the dtype of X: [samples] or [samples, targets]."""
        return self._scores(self._check_predict(X))

    def _scores(self, X: NDArray[Any]) -> NDArray[Any]:
        """The linear predictor of a checked X."""
        coef = np.asarray(self.coef_, X.dtype)
        product = lepton.matmul(lepton.asarray(X), lepton.asarray(np.ascontiguousarray(coef.T)))
        scores: NDArray[Any] = product.numpy()
        scores += np.asarray(self.intercept_, X.dtype)
        return scores

    def _set_coefficients(
        self,
        coef: NDArray[np.float64],
        x_mean: NDArray[Any],
        y_mean: NDArray[Any],
        y: NDArray[Any],
    ) -> None:
        """Take over coefficients [features, targets] of centred data, in the shape of y."""
        wide = np.longdouble  # large means times large coefficients nearly cancel
        intercept = (y_mean.astype(wide) - x_mean.astype(wide) @ coef).astype(np.float64)
        coef = coef.T.astype(y.dtype)
        intercept = intercept.astype(y.dtype)
        self.coef_ = coef[0] if y.ndim == 1 else coef
        self.intercept_ = intercept[0] if y.ndim == 1 else intercept


class LinearRegressor(RegressorMixin, LinearModel):
    """A linear model that predicts its linear predictor."""

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """Predict ``X coef_' + intercept_``.

        Parameters
        ----------
        X : array-like of shape (samples, features)
            float32 stays float32; everything else becomes float64.

        Returns
        -------
        ndarray of shape (samples,) or (samples, targets)
        """
        return self._linear_predictor(X)
