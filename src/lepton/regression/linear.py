# SPDX-License-Identifier: Apache-2.0
"""Ordinary and weighted least squares."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import linalg, stats
from sklearn.base import MultiOutputMixin

from lepton._check import check_bool
from lepton.estimator.weights import count_weighted, total_weight
from lepton.regression.least_squares import Centred, Factor, factorise, non_negative, solve
from lepton.regression.linear_model import LinearRegressor
from lepton.regression.summary import Inference, Summarised

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = ["LinearRegression"]

_ROUNDING = 4  # units: residuals below are those of a perfect fit


class LinearRegression(MultiOutputMixin, LinearRegressor, Summarised):
    """Ordinary least squares: the coefficients that minimise ``sum_i w_i (y_i - x_i b - b0)^2``.

    Large well-conditioned problems are solved in closed form, ``b = (X'X)^-1 X'y`` of centred and
    scaled columns, from one pass over X; all others by Householder's factors with pivoting, small
    ones with residuals in extended precision [1]_. Where columns depend on each other (X'X is
    singular) the solution of least norm is taken. Sums are in float64 whatever the dtype of X.

    Parameters
    ----------
    fit_intercept : bool, default=True
        Whether b0 is fitted; without it the data are taken as they are.
    copy_X, tol, n_jobs : default=True, 1e-6, None
        Accepted for scikit-learn's sake; without effect.
    positive : bool, default=False
        Whether coefficients must be >= 0 (non-negative least squares).

    Attributes
    ----------
    coef_ : ndarray of shape (features,) or (targets, features)
    intercept_ : float or ndarray of shape (targets,)
    rank_ : int
        Number of columns that do not depend on the others.
    singular_ : ndarray of shape (min(samples, features),)
        Singular values of centred X.
    inference_ : object or None
        What `summary` is made of; None with ``positive=True``.
    n_features_in_ : int
    feature_names_in_ : ndarray of str, if X had names

    References
    ----------
    .. [1] A. Bjorck, "Numerical Methods for Least Squares Problems", SIAM 1996.

    Examples
    --------
    >>> from lepton.regression import LinearRegression
    >>> model = LinearRegression().fit([[1, 2], [2, 3], [3, 4], [4, 5], [5, 6]], [3, 5, 7, 9, 11])
    >>> model.coef_.round(9), model.rank_, model.predict([[6, 7]]).round(9)
    (array([1., 1.]), 1, array([13.]))
    """

    _accepted = ("copy_X", "tol", "n_jobs")

    def __init__(
        self,
        *,
        fit_intercept: bool = True,
        copy_X: bool = True,
        tol: float = 1e-6,
        n_jobs: int | None = None,
        positive: bool = False,
    ) -> None:
        self.fit_intercept = fit_intercept
        self.copy_X = copy_X
        self.tol = tol
        self.n_jobs = n_jobs
        self.positive = positive

    def fit(
        self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> LinearRegression:
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
            If the shapes do not fit, or a number is NaN or infinite.
        """
        centre = check_bool(self._name, "fit_intercept", self.fit_intercept)
        positive = check_bool(self._name, "positive", self.positive)
        X, y = self._check_fit(X, y, multi_output=True)
        weight = self._check_weight(sample_weight, X)
        data, factor = factorise(X, y, weight, centre)
        coef = non_negative(factor) if positive else solve(data, factor)
        self.rank_ = factor.rank
        self.singular_ = _singular_values(factor, min(X.shape)).astype(X.dtype)
        self._set_coefficients(coef, data.x_mean, data.y_mean, y, columnar=True)
        self.inference_ = None if positive else _inference(data, factor, coef, centre)
        return self

    @staticmethod
    def _examples() -> list[LinearRegression]:
        return [LinearRegression(), LinearRegression(positive=True)]


def _singular_values(factor: Factor, count: int) -> NDArray[np.float64]:
    values: NDArray[Any] = np.zeros(count)
    if factor.rank:
        found = linalg.svdvals(factor.rows(), check_finite=False)
        values[: len(found)] = found
    return values


def _inference(data: Centred, factor: Factor, coef: NDArray[np.float64], centre: bool) -> Inference:
    """Gaussian theory: one variance, independent errors."""
    weight = data.weight
    n = float(count_weighted(len(data.X), weight))
    terms = factor.rank + centre
    df_resid = n - terms
    rss = factor.residual if factor.closed_form or factor.Q is not None else None
    rss = data.residual_sums(coef) if rss is None else rss
    # What rounding of y and of the products x b leaves.
    norms = factor.scale**2 + data.offsets() ** 2
    size = factor.total + data.y_mean**2 * total_weight(len(data.X), weight) + norms @ coef**2
    rounding = ((_ROUNDING * np.finfo(data.X.dtype).eps) ** 2 * size).astype(np.float64)
    exact = (rss <= rounding) | (df_resid == 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        dispersion = rss / df_resid if df_resid > 0 else np.full_like(rss, np.nan)
        r2 = np.where(factor.total <= rounding, np.nan, 1 - rss / factor.total)
        f = np.where(exact, np.nan, (factor.total - rss) / factor.rank / dispersion)
        likelihood = np.where(exact, np.nan, -n / 2 * (np.log(2 * np.pi * rss / n) + 1))
    if weight is not None:
        likelihood = likelihood + np.log(weight[weight > 0], dtype=np.float64).sum() / 2
    measures = {
        "samples": np.full_like(rss, n),
        "residual degrees of freedom": np.full_like(rss, df_resid),
        "R2": r2,
        "adjusted R2": 1 - (1 - r2) * (n - centre) / df_resid if df_resid > 0 else r2 * np.nan,
        "residual standard error": np.sqrt(dispersion),
        "F": f,
        "P(F)": stats.f.sf(f, factor.rank, df_resid),
        "log-likelihood": likelihood,
        "AIC": 2 * terms - 2 * likelihood,
        "BIC": np.log(n) * terms - 2 * likelihood,
    }
    return Inference(
        title="Weighted least squares" if weight is not None else "Ordinary least squares",
        estimates=coef.astype(np.float64),
        intercept=(data.y_mean - data.x_mean @ coef).astype(np.float64) if centre else None,
        rows=factor.rows(),
        x_mean=data.x_mean.astype(np.float64),
        total_weight=total_weight(len(data.X), weight),
        dispersion=dispersion,
        df_resid=df_resid,
        measures=measures,
        rank=factor.rank,
        exact=exact,
    )
