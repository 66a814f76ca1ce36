# SPDX-License-Identifier: Apache-2.0
"""What linear models share: coefficients and intercept, and predicting with them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import sparse
from sklearn.base import ClassifierMixin, RegressorMixin

import lepton
from lepton.estimator import Estimator
from lepton.regression.accepted import check_accepted
from lepton.regression.sizes import LEAST, check_sizes

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from lepton.regression.objective import Objective

__all__ = ["LinearClassifier", "LinearModel", "LinearRegressor"]


class LinearModel(Estimator):
    """An estimator with ``coef_`` and ``intercept_``."""

    coef_: NDArray[Any]
    intercept_: Any
    _accepted: tuple[str, ...] = ()  # parameters without effect

    def _check_fit(
        self, X: Any, y: Any, *, numeric: bool = True, **checks: Any
    ) -> tuple[NDArray[Any], NDArray[Any]]:
        """As `Estimator` checks X and y; and that products of their numbers are numbers, too."""
        check_accepted(self._name, {name: getattr(self, name) for name in self._accepted})
        ready = isinstance(X, np.ndarray) and X.dtype in (np.float32, np.float64)
        checks = {"ensure_all_finite": not ready, **checks}  # check_sizes looks, and is faster
        X, y = super()._check_fit(X, y, numeric=numeric, **checks)
        check_sizes(self._name, "X", X)
        if numeric:
            check_sizes(self._name, "y", y, self._least_target(y.dtype))
        return X, y

    def _least_target(self, dtype: Any) -> float:
        """The size below which targets do not count."""
        return LEAST

    def _linear_predictor(self, X: ArrayLike) -> NDArray[Any]:
        """X coef' + intercept, in the dtype of X: [samples] or [samples, targets]."""
        return self._scores(self._check_predict(X, accept_sparse="csr"))

    def _scores(self, X: NDArray[Any]) -> NDArray[Any]:
        """The linear predictor of a checked X."""
        coef = np.asarray(self.coef_, X.dtype)
        scores: NDArray[Any]
        if sparse.issparse(X):
            scores = X @ coef.T
        else:
            right = lepton.asarray(np.ascontiguousarray(coef.T))
            scores = lepton.matmul(lepton.asarray(X), right).numpy()
        scores += np.asarray(self.intercept_, X.dtype)
        return scores

    def _last_solution(self, objective: Objective) -> NDArray[Any]:
        """The parameters that a warm start begins at."""
        coef = np.atleast_2d(self.coef_)
        expected = (objective.shape[0], objective.features)
        if coef.shape != expected:
            raise ValueError(
                f"{self._name}: a warm start expects coefficients {expected}, got {coef.shape}"
            )
        return objective.start(coef, np.atleast_1d(self.intercept_))

    def _set_coefficients(
        self,
        coef: NDArray[np.float64],
        x_mean: NDArray[Any],
        y_mean: NDArray[Any],
        y: NDArray[Any],
        columnar: bool = False,
    ) -> None:
        """Take over coefficients [features, targets] of centred data, in the shape of y.

        A single column of y has an axis of its own in coefficients only if they are `columnar`.
        """
        wide = np.longdouble  # large means times large coefficients nearly cancel
        intercept = (y_mean.astype(wide) - x_mean.astype(wide) @ coef).astype(np.float64)
        with np.errstate(over="ignore"):
            coef, intercept = coef.T.astype(y.dtype), intercept.astype(y.dtype)
        flat = y.ndim == 1 or (len(coef) == 1 and not columnar)
        self.coef_ = coef[0] if flat else coef
        self.intercept_ = intercept[0] if y.ndim == 1 else intercept
        if not (np.isfinite(coef).all() and np.isfinite(intercept).all()):
            raise ValueError(
                f"{self._name}: coefficients overflow {y.dtype}: scale X or y, or use float64"
            )


class LinearRegressor(RegressorMixin, LinearModel):
    """A linear model that predicts its linear predictor."""

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """Predict ``X coef_' + intercept_``.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (samples, features)
            float32 stays float32; everything else becomes float64.

        Returns
        -------
        ndarray of shape (samples,) or (samples, targets)
        """
        return self._linear_predictor(X)


class LinearClassifier(ClassifierMixin, LinearModel):
    """A linear model with a linear predictor for each class, or one for the second of two."""

    classes_: NDArray[Any]
    class_weight: Any

    def decision_function(self, X: ArrayLike) -> NDArray[Any]:
        """The score of the second of two classes, or of each of more, by its linear predictor.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (samples, features)

        Returns
        -------
        ndarray of shape (samples,) or (samples, classes)
        """
        scores = self._linear_predictor(X)
        return scores[:, 0] if scores.shape[1] == 1 else scores

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """The class with the highest score.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (samples, features)

        Returns
        -------
        ndarray of shape (samples,)
        """
        scores = self.decision_function(X)
        places = (scores > 0).astype(np.intp) if scores.ndim == 1 else scores.argmax(axis=1)
        labels: NDArray[Any] = self.classes_[places]
        return labels
