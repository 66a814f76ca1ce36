# SPDX-License-Identifier: Apache-2.0
"""Linear regression of quantiles."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import optimize, sparse
from sklearn.exceptions import ConvergenceWarning

from lepton._check import check_bool, check_choice, check_number
from lepton.estimator.weights import total_weight
from lepton.regression.linear_model import LinearRegressor

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = ["QuantileRegressor"]

_LIMIT = 1  # the status of linprog where iterations or the time ran out


class QuantileRegressor(LinearRegressor):
    """Linear regression of a quantile of y: 0.5 is the median.

    Minimises ``sum_i w_i pinball(y_i - x_i b - b0) / sum_i w_i + alpha |b|_1`` with
    ``pinball(r) = quantile r`` for r > 0 and ``(quantile - 1) r`` below: a linear programme [1]_.

    Parameters
    ----------
    quantile : float, default=0.5
        The quantile to predict, between 0 and 1.
    alpha : float, default=1.0
        Strength of the L1 penalty, >= 0.
    fit_intercept : bool, default=True
        Whether b0, which is not penalised, is fitted.
    solver : {"highs", "highs-ds", "highs-ipm"}, default="highs"
        The method of `scipy.optimize.linprog`.
    solver_options : dict, optional
        Options of `scipy.optimize.linprog`.

    Attributes
    ----------
    coef_ : ndarray of shape (features,)
    intercept_ : float
    n_iter_ : int
    n_features_in_ : int
    feature_names_in_ : ndarray of str, if X had names

    References
    ----------
    .. [1] R. Koenker and G. Bassett, "Regression quantiles", Econometrica 46, 1978.

    Examples
    --------
    >>> from lepton.regression import QuantileRegressor
    >>> X = [[0.0], [1.0], [2.0], [3.0], [4.0]]
    >>> model = QuantileRegressor(alpha=0.0).fit(X, [1.0, 3.0, 5.0, 70.0, 9.0])
    >>> model.coef_.round(6), model.predict([[3.0]]).round(6)
    (array([2.]), array([7.]))
    """

    def __init__(
        self,
        *,
        quantile: float = 0.5,
        alpha: float = 1.0,
        fit_intercept: bool = True,
        solver: str = "highs",
        solver_options: dict[str, Any] | None = None,
    ) -> None:
        self.quantile = quantile
        self.alpha = alpha
        self.fit_intercept = fit_intercept
        self.solver = solver
        self.solver_options = solver_options

    def fit(
        self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> QuantileRegressor:
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
            infinite; or if the solver finds no coefficients within the limits of `solver_options`.

        Warns
        -----
        sklearn.exceptions.ConvergenceWarning
            If the linear programme was not solved, and the coefficients are the best ones found.
        """
        name = self._name
        quantile = check_number(
            name, "quantile", self.quantile, 0, 1, open_minimum=True, open_maximum=True
        )
        alpha = check_number(name, "alpha", self.alpha, 0)
        intercept = check_bool(name, "fit_intercept", self.fit_intercept)
        check_choice(name, "solver", self.solver, ("highs", "highs-ds", "highs-ipm"))
        X, y = self._check_fit(X, y)
        weight = self._check_weight(sample_weight, X)
        alpha *= total_weight(len(X), weight)
        weight = np.ones(len(X)) if weight is None else weight.astype(np.float64)
        used = weight > 0
        params = self._programme(X[used], y[used], weight[used], quantile, alpha, intercept)
        self.coef_ = params[1:].astype(X.dtype)
        self.intercept_ = X.dtype.type(params[0])
        return self

    def _programme(
        self,
        X: NDArray[Any],
        y: NDArray[Any],
        weight: NDArray[Any],
        quantile: float,
        alpha: float,
        intercept: bool,
    ) -> NDArray[Any]:
        """Intercept and coefficients of the linear programme.

        Its variables are >= 0: the positive and negative parts of the parameters, then those of
        the residuals; what they cost is the objective.
        """
        design = np.column_stack([np.full(len(X), float(intercept)), X])
        # HiGHS takes small numbers for 0 and large ones for infinity: all are brought near to 1.
        sizes, size = _exponents(design), int(_exponents(y[:, None])[0])
        design = np.ldexp(design, -sizes)
        price = np.ldexp(alpha, -sizes)
        price[0] = 0
        costs = [price, price, weight * quantile, weight * (1 - quantile)]
        eye = sparse.eye_array(len(X), format="csc")
        block = sparse.csc_array(design)
        result = optimize.linprog(
            np.concatenate(costs),
            A_eq=sparse.hstack([block, -block, eye, -eye], format="csc"),
            b_eq=np.ldexp(y.astype(np.float64), -size),
            method=self.solver,
            options=self.solver_options,
        )
        if result.x is None and result.status == _LIMIT:
            raise ValueError(
                f"{self._name}: solver_options expects limits within which {self.solver!r} finds "
                f"coefficients, got {self.solver_options!r}"
            )
        if result.x is None:
            raise ValueError(
                f"{self._name}: the linear programme has no solution: {result.message}"
            )
        if not result.success:
            warnings.warn(
                f"{self._name}: the linear programme was not solved: {result.message}",
                ConvergenceWarning,
                stacklevel=3,
            )
        self.n_iter_ = result.nit
        count = design.shape[1]
        params: NDArray[Any] = result.x[:count] - result.x[count : 2 * count]
        return np.asarray(np.ldexp(params, size - sizes))


def _exponents(columns: NDArray[Any]) -> NDArray[np.intp]:
    """Exponents of two of the largest numbers of columns; 0 for columns of zeros."""
    exponents: NDArray[np.intp] = np.frexp(np.abs(columns).max(axis=0, initial=0))[1]
    return exponents
