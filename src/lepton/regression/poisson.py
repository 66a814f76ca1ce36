# SPDX-License-Identifier: Apache-2.0
"""Poisson regression."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import gammaln
from sklearn.base import RegressorMixin
from sklearn.utils.validation import check_array, check_consistent_length

from lepton._check import check_number
from lepton.regression.generalized import GeneralizedLinearModel
from lepton.regression.loss import PoissonLoss
from lepton.regression.objective import Objective

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = ["PoissonRegressor"]


class PoissonRegressor(RegressorMixin, GeneralizedLinearModel):
    """Poisson regression of counts: ``E[y] = exp(x b + b0)``.

    Minimises ``sum_i w_i (exp(eta_i) - y_i eta_i) / sum_i w_i + alpha / 2 |b|^2`` with
    ``eta_i = x_i b + b0``: half the mean deviance plus an L2 penalty.

    Parameters
    ----------
    alpha : float, default=1.0
        Strength of the penalty, >= 0.
    fit_intercept : bool, default=True
        Whether b0, which is not penalised, is fitted.
    solver : {"auto", "newton-cholesky", "lbfgs"}, default="auto"
        Newton's method, or L-BFGS with the Hessian of a sample of rows as preconditioner; "auto"
        goes by the shape.
    max_iter : int, default=100
        Most iterations; a warning tells when they were not enough.
    tol : float, default=1e-4
        Iterations end where no derivative of the objective exceeds it.
    warm_start : bool, default=False
        Whether `fit` begins at the coefficients of the last call.
    verbose : int, default=0
        Accepted for scikit-learn's sake; without effect.

    Attributes
    ----------
    coef_ : ndarray of shape (features,)
    intercept_ : float
    n_iter_ : int
        Iterations over all rows.
    inference_ : object or None
        What `summary` is made of; None with a penalty.
    n_features_in_ : int
    feature_names_in_ : ndarray of str, if X had names

    Notes
    -----
    Without a penalty, of all coefficients that are as likely the shortest are taken.

    References
    ----------
    .. [1] P. McCullagh and J. Nelder, "Generalized Linear Models", Chapman and Hall 1989.

    Examples
    --------
    >>> from lepton.regression import PoissonRegressor
    >>> model = PoissonRegressor(alpha=0.0, tol=1e-9).fit([[0.0], [1.0], [2.0]], [1, 2, 4])
    >>> model.predict([[3.0]]).round(6)
    array([8.])
    """

    _remedy = "alpha > 0"
    _accepted = ("verbose",)

    def __init__(
        self,
        *,
        alpha: float = 1.0,
        fit_intercept: bool = True,
        solver: str = "auto",
        max_iter: int = 100,
        tol: float = 1e-4,
        warm_start: bool = False,
        verbose: int = 0,
    ) -> None:
        self.alpha = alpha
        self.fit_intercept = fit_intercept
        self.solver = solver
        self.max_iter = max_iter
        self.tol = tol
        self.warm_start = warm_start
        self.verbose = verbose

    def fit(
        self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> PoissonRegressor:
        """Fit the model.

        Parameters
        ----------
        X : array-like of shape (samples, features)
        y : array-like of shape (samples,)
            Counts, or other numbers >= 0.
        sample_weight : array-like of shape (samples,), optional
            Weights >= 0.

        Raises
        ------
        ValueError
            If a target is negative, a parameter is out of its range, the shapes do not fit, or a
            number is NaN or infinite.

        Warns
        -----
        sklearn.exceptions.ConvergenceWarning
            If `max_iter` iterations were not enough, or, without a penalty, no finite coefficients
            are the most likely ones (classes that a plane tells apart, a level without events).
        """
        self._check_solver()
        alpha = check_number(self._name, "alpha", self.alpha, 0)
        X, y = self._check_fit(X, y)
        weight = self._check_weight(sample_weight, X)
        self._check_counts(y)
        objective = Objective(
            X, y, PoissonLoss(), weight=weight, l2=alpha, fit_intercept=self.fit_intercept
        )
        mean = np.average(y.astype(np.float64), weights=weight)
        level = float(np.log(max(mean, np.finfo(X.dtype).tiny)))
        solution = self._minimise(objective, self._start(objective, level))
        solution.warn(self._name)
        params, self.inference_ = self._infer("Poisson regression", objective, solution)
        coef, intercept = objective.finish(params)
        self.coef_, self.intercept_, self.n_iter_ = coef[0], intercept[0], solution.n_iter
        return self

    def _least_target(self, dtype: Any) -> float:
        # The second derivative of the loss is the mean, and `Objective` rounds it up.
        return 1e7 * float(np.finfo(dtype).eps) ** 2

    def _check_counts(self, y: NDArray[Any]) -> None:
        if (y < 0).any():
            raise ValueError(f"{self._name}: y expects numbers >= 0, got {y.min()}")

    def _likelihood(self, objective: Objective, loss: float) -> float:
        constants = gammaln(objective.y.astype(np.float64) + 1)
        weight = objective.weight
        return -loss - float(constants.sum() if weight is None else constants @ weight)

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """The expected counts ``exp(X coef_ + intercept_)``.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (samples, features)

        Returns
        -------
        ndarray of shape (samples,)

        Warns
        -----
        RuntimeWarning
            If a count is beyond the largest number of the dtype of X: it becomes infinite.
        """
        with np.errstate(over="ignore"):
            mean = PoissonLoss().mean(self._linear_predictor(X))
        if beyond := int(np.isinf(mean).sum()):
            warnings.warn(
                f"{self._name}.predict: {beyond} expected counts are beyond {mean.dtype}",
                RuntimeWarning,
                stacklevel=2,
            )
        return mean

    def score(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> float:
        """D2, the part of the deviance that the model explains: 1 at best, 0 for a constant.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (samples, features)
        y : array-like of shape (samples,)
        sample_weight : array-like of shape (samples,), optional
            Weights >= 0.
        """
        mean = self.predict(X).astype(np.float64)
        counts: NDArray[Any] = check_array(y, dtype=np.float64, ensure_2d=False)
        check_consistent_length(mean, counts)
        self._check_counts(counts)
        weight = self._check_weight(sample_weight, mean[:, None])
        deviance, level = PoissonLoss().deviance, np.average(counts, weights=weight)
        unexplained = np.average(deviance(counts, mean), weights=weight)
        return float(1 - unexplained / np.average(deviance(counts, level), weights=weight))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.positive_only = True
        return tags

    @staticmethod
    def _examples() -> list[PoissonRegressor]:
        return [PoissonRegressor(alpha=0.1), PoissonRegressor(alpha=0.1, solver="lbfgs")]
