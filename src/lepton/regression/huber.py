# SPDX-License-Identifier: Apache-2.0
"""Linear regression that outliers hardly move."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning

import lepton
from lepton import _core
from lepton._check import check_bool, check_int, check_number
from lepton.estimator.weights import total_weight
from lepton.regression.linear_model import LinearRegressor
from lepton.regression.loss import HuberLoss
from lepton.regression.objective import Objective
from lepton.regression.solvers import newton, positive_solver

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = ["HuberRegressor"]

_PART = 0.25  # of a ridge regression's squares: then least squares without a penalty is tried
_LEFT = 0.1  # of the scale after a step
_NEAR = 1e-9  # relative distance from the least scale that counts as none
_SHORT = 1e-4  # of the largest derivative there can be: more is no minimum
_ROUNDING = 10  # a scale of so many units of rounding of y is that of a perfect fit


class HuberRegressor(LinearRegressor):
    """Linear regression with Huber's loss: squares of small residuals, absolute values of large.

    Minimises ``sum_i w_i (s + H(r_i / s) s) + alpha |b|^2`` over b, b0 and the scale s together
    [1]_, where ``r_i = y_i - x_i b - b0`` and H(z) is ``z^2`` up to epsilon and
    ``2 epsilon |z| - epsilon^2`` above: scaling y scales the solution. By Newton's method.

    Parameters
    ----------
    epsilon : float, default=1.35
        Residuals beyond epsilon times the scale count as outliers; >= 1.
    max_iter : int, default=100
        Most iterations; a warning tells when they were not enough.
    alpha : float, default=0.0001
        Strength of the L2 penalty, >= 0.
    warm_start : bool, default=False
        Whether `fit` begins at the solution of the last call.
    fit_intercept : bool, default=True
        Whether b0 is fitted.
    tol : float, default=1e-5
        Iterations end where no derivative of the objective exceeds it.

    Attributes
    ----------
    coef_ : ndarray of shape (features,)
    intercept_ : float
    scale_ : float
        The scale s of the residuals, in the unit of y.
    outliers_ : ndarray of bool of shape (samples,)
        Which samples were outliers.
    n_iter_ : int
    n_features_in_ : int
    feature_names_in_ : ndarray of str, if X had names

    References
    ----------
    .. [1] A. Owen, "A robust hybrid of lasso and ridge regression", Contemporary Mathematics 443,
       2007.

    Examples
    --------
    >>> from lepton.regression import HuberRegressor
    >>> X = [[0.0], [1.0], [2.0], [3.0], [4.0], [5.0]]
    >>> model = HuberRegressor().fit(X, [0.1, 0.9, 2.0, 3.1, 100.0, 5.0])
    >>> model.outliers_
    array([False,  True, False, False,  True, False])
    """

    scale_: Any

    def __init__(
        self,
        *,
        epsilon: float = 1.35,
        max_iter: int = 100,
        alpha: float = 0.0001,
        warm_start: bool = False,
        fit_intercept: bool = True,
        tol: float = 1e-05,
    ) -> None:
        self.epsilon = epsilon
        self.max_iter = max_iter
        self.alpha = alpha
        self.warm_start = warm_start
        self.fit_intercept = fit_intercept
        self.tol = tol

    def fit(
        self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> HuberRegressor:
        """Fit the model.

        Parameters
        ----------
        X : array-like of shape (samples, features)
        y : array-like of shape (samples,)
        sample_weight : array-like of shape (samples,), optional
            Weights >= 0.

        Raises
        ------
        ValueError
            If a parameter is out of its range, the shapes do not fit, or a number is NaN or
            infinite.

        Warns
        -----
        sklearn.exceptions.ConvergenceWarning
            If `max_iter` iterations were not enough, or an epsilon close to 1 leaves so few samples
            that are no outliers that Newton's method stops short of the minimum.
        """
        name = self._name
        epsilon = check_number(name, "epsilon", self.epsilon, 1)
        alpha = check_number(name, "alpha", self.alpha, 0)
        tol = check_number(name, "tol", self.tol, 0)
        max_iter = check_int(name, "max_iter", self.max_iter, 0)
        warm = check_bool(name, "warm_start", self.warm_start) and hasattr(self, "coef_")
        intercept = check_bool(name, "fit_intercept", self.fit_intercept)
        X, y = self._check_fit(X, y)
        weight = self._check_weight(sample_weight, X)
        total = total_weight(len(X), weight)
        objective = HuberObjective(X, y, weight, epsilon, alpha, intercept)
        start: NDArray[Any]
        if warm:
            params = self._last_solution(objective)
            middle = float(np.median(np.abs(y - self._scores(X))))  # outliers alone have no Hessian
            scale = max(float(self.scale_), middle / epsilon, objective.least_scale)
            start = np.append(params, [[scale]], axis=1)
        else:
            start = objective.least_squares()
        solution = newton(objective, start, tol=tol / total, max_iter=max_iter)
        solution.warn(name)
        coef, constant = objective.finish(solution.params[:, :-1])
        self.coef_, self.intercept_ = coef[0], constant[0]
        self.scale_, self.n_iter_ = (
            X.dtype.type(max(solution.params[0, -1], objective.least_scale)),
            solution.n_iter,
        )
        self.outliers_ = np.abs(y - self._scores(X)) > epsilon * self.scale_
        inside = ~self.outliers_ if weight is None else ~self.outliers_ & (weight > 0)
        # So few leave directions without curvature, in which no step of Newton's leads.
        few = np.count_nonzero(inside) < 2 * (objective.features + 2)
        if solution.converged and few and objective.is_short(solution.params):
            warnings.warn(
                f"{name}: ended short of the minimum after {solution.n_iter} iterations: with an "
                "epsilon close to 1 too few samples are no outliers; raise epsilon, or take "
                "QuantileRegressor",
                ConvergenceWarning,
                stacklevel=2,
            )
        return self

    @staticmethod
    def _examples() -> list[HuberRegressor]:
        return [HuberRegressor()]


class HuberObjective(Objective):
    """The mean of Huber's loss and scale; the scale is one more parameter, the last."""

    def __init__(
        self,
        X: NDArray[Any],
        y: NDArray[Any],
        weight: NDArray[Any] | None,
        epsilon: float,
        alpha: float,
        fit_intercept: bool,
    ) -> None:
        l2 = 2 * alpha / total_weight(len(X), weight)
        loss = HuberLoss(epsilon, 1.0)
        super().__init__(X, y, loss, weight=weight, l2=l2, fit_intercept=fit_intercept)
        self.huber = loss
        self.size = float(np.sqrt(np.mean(np.square(y, dtype=np.float64)))) or 1.0
        self.least_scale = _ROUNDING * float(np.finfo(X.dtype).eps) * self.size
        self.rounding = self.precision

    def least_squares(self) -> NDArray[Any]:
        """Where to begin: a ridge regression and the spread of its residuals.

        Where nearly all of that comes from the penalty, which weighs less beside a small scale,
        least squares without a penalty.
        """
        loss, self.loss = self.loss, HuberLoss(np.inf, 1.0)
        value, gradient, hessian = Objective.second_order(self, np.zeros(self.shape))
        params = -positive_solver(hessian[0])(gradient)
        start, spread, _ = self._spread(params)
        diagonal = np.arange(self.features)
        hessian[0, diagonal, diagonal] -= self.l2
        solve, l2 = positive_solver(hessian[0]), self.l2
        params = -solve(gradient)
        if value + np.vdot(gradient, params) / 2 < _PART * spread**2:
            self.l2 = 0.0
            params -= solve(self._spread(params)[2])  # twice for the digits of a perfect fit
            other, other_spread, _ = self._spread(params)
            self.l2 = l2
            if 2 * other_spread + self.penalty(params) < 2 * spread + self.penalty(start[:, :-1]):
                start = other
        self.loss = loss
        return start

    def _spread(self, params: NDArray[Any]) -> tuple[NDArray[Any], float, NDArray[Any]]:
        """Parameters with the spread of their residuals, that, and the gradient of squares."""
        value, gradient = Objective.first_order(self, params)
        spread = max(max(value - self.penalty(params), 0.0) ** 0.5, self.least_scale)
        return np.append(params, [[spread]], axis=1), spread, gradient

    def within(self, params: NDArray[Any], step: NDArray[Any]) -> NDArray[Any]:
        """A step that leaves a tenth of the scale, and no less than the least.

        Squares are of degree 1 in residuals and scale together, and flat along rays to 0: where
        the minimum is close to a perfect fit Newton's steps are far too long.
        """
        scale, change = float(params[0, -1]), float(step[0, -1])
        low = max((1 + _NEAR) * self.least_scale, _LEFT * scale)
        return step * ((low - scale) / change) if scale > low > scale + change else step

    def violation(self, gradient: NDArray[Any]) -> float:
        """The largest derivative by a coefficient, the intercept or the scale."""
        return max(super().violation(gradient[:, :-1]), abs(float(gradient[0, -1])))

    def is_short(self, params: NDArray[Any]) -> bool:
        """Whether derivatives are far beyond what rounding leaves of the sums they are."""
        sums = 2 * self.huber.epsilon * max(1.0, float(np.abs(self.X).mean(0).max()))
        return self.violation(self.first_order(params)[1]) > _SHORT * sums

    def first_order(self, params: NDArray[Any]) -> tuple[float, NDArray[Any]]:
        """Value and gradient by coefficients, level and scale."""
        return self.second_order(params)[:2]

    def second_order(self, params: NDArray[Any]) -> tuple[float, NDArray[Any], NDArray[Any]]:
        """Value, gradient and Hessian by coefficients, level and scale."""
        size = self.features + 2
        scale = float(params[0, -1])
        if scale < self.least_scale:
            return np.inf, np.zeros((1, size)), np.zeros((1, size, size))
        self.huber.scale = scale
        value, gradient, gram = 0.0, np.zeros(self.shape), np.zeros((size, size))
        shift = np.append(self.centre, 0.0)
        for rows, losses, slopes, curvature in self._pass(params[:, :-1], self._cached_rows()):
            value += float(losses.sum(dtype=np.float64))
            gradient += self._slopes(rows, slopes)
            curvature = curvature[0]
            inside = curvature > 0
            residual = np.where(inside, -slopes[0] / np.where(inside, curvature, 1), 0)
            arrays = rows, residual[:, None], curvature, shift
            gram += _core.gram(*map(lepton.asarray, arrays)).numpy()
        value, gradient = self._penalised(params[:, :-1], value, gradient)
        gram *= self.unit  # of columns, residuals and ones, where 2 / scale is the curvature
        bound = self.huber.epsilon**2
        slope = 1 - bound * (1 - gram[-1, -1] * scale / 2) - gram[-2, -2] / (2 * scale)
        order = [*range(self.features), size - 1, size - 2]
        hessian = gram[np.ix_(order, order)]
        hessian[-1] /= scale
        hessian[:, -1] /= scale
        diagonal = np.arange(self.features)
        hessian[diagonal, diagonal] += self.l2
        if not self.fit_intercept:
            hessian[-2], hessian[:, -2], hessian[-2, -2] = 0, 0, 1
        if scale <= (1 + 2 * _NEAR) * self.least_scale and slope > 0:  # a perfect fit: it stays
            slope, hessian[-1], hessian[:, -1], hessian[-1, -1] = 0.0, 0, 0, 1
        value += scale
        self.precision = self.rounding * max(1.0, self.size / value)  # residuals round as y does
        return value, np.append(gradient, [[slope]], axis=1), hessian[None]
