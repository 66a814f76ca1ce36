# SPDX-License-Identifier: Apache-2.0
"""Ridge regression."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import linalg
from sklearn.base import MultiOutputMixin

from lepton._check import check_bool, check_number
from lepton.regression.least_squares import Factor, factorise, non_negative, solve
from lepton.regression.linear_model import LinearRegressor

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = ["Ridge"]


class Ridge(MultiOutputMixin, LinearRegressor):
    """Least squares with a penalty: minimises ``sum_i w_i (y_i - x_i b - b0)^2 + alpha |b|^2``.

    ``b = (X'X + alpha I)^-1 X'y`` of centred columns: from the sums of products where X'X is well
    conditioned, else from the singular values of an orthogonal factor of X.

    Parameters
    ----------
    alpha : float or array-like of shape (targets,), default=1.0
        Strength of the penalty, >= 0; 0 gives least squares.
    fit_intercept : bool, default=True
        Whether b0, which is not penalised, is fitted.
    copy_X, max_iter, tol, solver, random_state : default=True, None, 1e-4, "auto", None
        Accepted for scikit-learn's sake; without effect: whatever the solver, the minimum is found
        in closed form.
    positive : bool, default=False
        Whether coefficients must be >= 0 (non-negative least squares of rows to which those of
        ``sqrt(alpha) I`` are added).

    Attributes
    ----------
    coef_ : ndarray of shape (features,) or (targets, features)
    intercept_ : float or ndarray of shape (targets,)
    n_iter_ : int
        1: no solver iterates.
    solver_ : {"cholesky", "svd", "nnls"}
        What solved it: sums of products, orthogonal factors, or non-negative least squares.
    n_features_in_ : int
    feature_names_in_ : ndarray of str, if X had names

    References
    ----------
    .. [1] A. Hoerl and R. Kennard, "Ridge Regression", Technometrics 12, 1970.

    Examples
    --------
    >>> from lepton.regression import Ridge
    >>> Ridge(alpha=2.0).fit([[0.0], [1.0], [2.0]], [0.0, 2.0, 4.0]).coef_
    array([1.])
    """

    _accepted = ("copy_X", "max_iter", "tol", "solver", "random_state")

    def __init__(
        self,
        alpha: Any = 1.0,
        *,
        fit_intercept: bool = True,
        copy_X: bool = True,
        max_iter: int | None = None,
        tol: float = 1e-4,
        solver: str = "auto",
        positive: bool = False,
        random_state: Any = None,
    ) -> None:
        self.alpha = alpha
        self.fit_intercept = fit_intercept
        self.copy_X = copy_X
        self.max_iter = max_iter
        self.tol = tol
        self.solver = solver
        self.positive = positive
        self.random_state = random_state

    def fit(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> Ridge:
        """Fit the model.

        Parameters
        ----------
        X : array-like of shape (samples, features)
        y : array-like of shape (samples,) or (samples, targets)
        sample_weight : array-like of shape (samples,), optional
            Weights >= 0.

        Raises
        ------
        ValueError
            If alpha is negative or has not one value for each target, the shapes do not fit, or a
            number is NaN or infinite.
        """
        centre = check_bool(self._name, "fit_intercept", self.fit_intercept)
        positive = check_bool(self._name, "positive", self.positive)
        X, y = self._check_fit(X, y, multi_output=True)
        weight = self._check_weight(sample_weight, X)
        alphas = self._alphas(1 if y.ndim == 1 else y.shape[1])
        data, factor = factorise(X, y, weight, centre)
        coef = np.empty((X.shape[1], len(alphas)))
        shrink = None if positive else Shrinkage.of(factor)
        for alpha in np.unique(alphas):
            own = alphas == alpha
            if shrink is None:
                found = non_negative(factor, alpha)
            else:
                found = shrink.coefficients(alpha) if alpha > 0 else solve(data, factor)
            coef[:, own] = found[:, own]
        self._set_coefficients(coef, data.x_mean, data.y_mean, y)
        self.n_iter_ = 1
        self.solver_ = "nnls" if positive else "cholesky" if factor.closed_form else "svd"
        return self

    def _alphas(self, targets: int) -> NDArray[np.float64]:
        if isinstance(self.alpha, (np.ndarray, list, tuple)) and np.ndim(self.alpha) == 1:
            given = [check_number(self._name, "alpha", a, 0) for a in self.alpha]
            if len(given) != targets:
                raise ValueError(
                    f"{self._name}: alpha expects a number or one for each of {targets} targets, "
                    f"got {len(given)}"
                )
            return np.array(given)
        return np.full(targets, check_number(self._name, "alpha", self.alpha, 0))


class Shrinkage:
    """Coefficients of penalised least squares for any number of penalties.

    Parameters
    ----------
    rows, rotated : ndarray
        X and y, or fewer rows with the same products X'X and X'y.
    closed_form : bool
        Whether these products are well conditioned.
    """

    def __init__(
        self, rows: NDArray[np.float64], rotated: NDArray[np.float64], closed_form: bool = False
    ) -> None:
        self.rows, self.rotated = rows, rotated
        if closed_form:
            self.normal, self.right = rows.T @ rows, rows.T @ rotated
        else:
            self.decompose()

    @classmethod
    def of(cls, factor: Factor) -> Shrinkage:
        """For the orthogonal factors of X."""
        return cls(factor.rows(), factor.rotated, factor.closed_form)

    def decompose(self) -> None:
        """Find the directions of X that are shrunk by ``s^2 / (s^2 + alpha)``."""
        self.U, self.s, self.V = linalg.svd(self.rows, full_matrices=False, check_finite=False)
        self.parts = self.U.T @ self.rotated  # of y along the directions

    def coefficients(self, alpha: float) -> NDArray[np.float64]:
        """``(X'X + alpha I)^-1 X'y`` of shape [features, targets]."""
        if hasattr(self, "V"):
            shrunk = self.parts * (self.s / (self.s**2 + alpha))[:, None]
            return np.asarray(self.V.T @ shrunk)
        normal = self.normal.copy()
        normal.flat[:: len(normal) + 1] += alpha
        scale = np.sqrt(np.diagonal(normal))  # units of the columns cost no digits
        normal /= np.outer(scale, scale)
        right = self.right / scale[:, None]
        found = linalg.solve(normal, right, assume_a="pos", overwrite_a=True)
        return np.asarray(found / scale[:, None])
