# SPDX-License-Identifier: Apache-2.0
"""What generalised linear models share: the choice of a solver, warm starts and inference."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from lepton._check import check_bool, check_choice, check_int, check_number
from lepton.estimator.weights import total_weight
from lepton.regression.linear_model import LinearModel
from lepton.regression.maximum import Maximum
from lepton.regression.objective import Objective
from lepton.regression.preconditioner import hessian_model, preconditioner
from lepton.regression.proximal import proximal_newton
from lepton.regression.solvers import Solution, lbfgs, newton
from lepton.regression.summary import Inference, Summarised, list_coefficients

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lepton.regression.loss import Likelihood

__all__ = ["GeneralizedLinearModel"]

SOLVERS = ("auto", "newton-cholesky", "lbfgs")

_NEWTON_COLUMNS, _NEWTON_WORK = 300, 2e9  # beyond both of these Newton's Hessians cost too much
_PART = 16  # Newton's method begins with one row in so many, where these are enough rows
_ROWS_FOR_COLUMN = 100


class GeneralizedLinearModel(LinearModel, Summarised):
    """A linear model whose coefficients minimise a mean loss plus a penalty.

    Subclasses have the parameters that `_check_solver` reads.
    """

    fit_intercept: bool
    solver: str
    tol: float
    max_iter: int
    warm_start: bool
    _remedy: str  # the penalty that gives every fit a solution
    n_iter_: Any
    _others: tuple[str, ...] = ()  # scikit-learn's solvers, in whose place "auto" stands

    def _check_solver(self) -> None:
        check_bool(self._name, "fit_intercept", self.fit_intercept)
        check_bool(self._name, "warm_start", self.warm_start)
        check_choice(self._name, "solver", self.solver, (*SOLVERS, *self._others))
        check_number(self._name, "tol", self.tol, 0)
        check_int(self._name, "max_iter", self.max_iter, 0)

    def _minimise(self, objective: Objective, start: NDArray[Any], l1: float = 0.0) -> Solution:
        """Minimise with the solver that was asked for, or the one that suits the shape."""
        method = self.solver
        if method == "auto" or method in self._others:
            narrow = objective.features <= _NEWTON_COLUMNS
            small = objective.samples * objective.features**2 <= _NEWTON_WORK
            method = "newton-cholesky" if narrow or small else "lbfgs"
        rule: dict[str, Any] = {"tol": self.tol, "max_iter": self.max_iter}
        exact = method == "newton-cholesky" and objective.shape[0] == 1
        if l1 > 0:
            model = None if exact else hessian_model(objective)
            solution = proximal_newton(objective, start, l1=l1, model=model, **rule)
        elif exact:
            start = start if self._warm() else _start_on_part(objective, start)
            solution = newton(objective, start, **rule)
        else:
            precondition = preconditioner(objective)
            solution = lbfgs(objective, start, precondition=precondition, **rule)
        return solution

    def _warm(self) -> bool:
        return self.warm_start and hasattr(self, "coef_")

    def _start(self, objective: Objective, level: float = 0.0) -> NDArray[Any]:
        """The last solution in a warm start, else coefficients of 0 and predictors of `level`."""
        if not self._warm():
            start = np.zeros(objective.shape)
            start[:, -1] = level * self.fit_intercept
            return start
        return self._last_solution(objective)

    def _infer(
        self, title: str, objective: Objective, solution: Solution
    ) -> tuple[NDArray[Any], Inference | None]:
        """Large-sample inference from the information at the maximum of the likelihood.

        Parameters come first: of all that are as likely, the shortest. A warning tells where
        the likelihood has no maximum; to be called by `fit`.
        """
        params = solution.params
        if objective.l2 > 0 or objective.shape[0] > 1:
            return params, None
        maximum = Maximum(objective, cast("Likelihood", objective.loss), params)
        params, endless = maximum.shortest(), maximum.endless()
        if endless.any():
            names = list_coefficients(self, endless)
            warnings.warn(
                f"{self._name}: no finite coefficients are the most likely ones: those of "
                f"{names} grow until tol or max_iter stops them; a penalty ({self._remedy}) "
                "bounds them",
                ConvergenceWarning,
                stacklevel=3,
            )
        data, factor = maximum.data, maximum.factor
        coef, intercept = params[:, :-1], params[:, -1] - params[:, :-1] @ objective.centre
        samples = total_weight(objective.samples, objective.weight)
        terms = factor.rank + self.fit_intercept
        likelihood = self._likelihood(objective, maximum.value)
        measures = {
            "samples": samples,
            "residual degrees of freedom": samples - terms,
            "log-likelihood": likelihood,
            "AIC": 2 * terms - 2 * likelihood,
            "BIC": np.log(samples) * terms - 2 * likelihood,
        }
        return params, Inference(
            title=title,
            estimates=coef.T.copy(),
            intercept=intercept if self.fit_intercept else None,
            rows=factor.rows(),
            x_mean=data.x_mean.astype(np.float64),
            total_weight=total_weight(len(data.X), data.weight),
            dispersion=np.ones(1),
            df_resid=np.inf,
            measures={name: np.array([number]) for name, number in measures.items()},
            rank=factor.rank,
            endless=endless,
        )

    def _likelihood(self, objective: Objective, loss: float) -> float:
        """The logarithm of the likelihood where the losses of all samples sum to `loss`."""
        return -loss


def _start_on_part(objective: Objective, start: NDArray[Any]) -> NDArray[Any]:
    """Minimise roughly over a part of many rows, so that few passes over all remain."""
    rows = objective.samples // _PART
    if rows < _ROWS_FOR_COLUMN * objective.features:
        return start
    return newton(objective.sample(rows), start, tol=1e-3, max_iter=10).params
