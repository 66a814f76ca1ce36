# SPDX-License-Identifier: Apache-2.0
"""The maximum of a likelihood: the information there, and whether coefficients reach it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from lepton.regression.least_squares import Centred, Factor, back_substitute, factorise, shortest

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lepton.regression.loss import Likelihood
    from lepton.regression.objective import Objective

__all__ = ["Maximum"]

_STEPS = 20  # of Newton's method, to tell a slow approach from one without an end
_SETTLED = 0.5  # of a predictor; along a likelihood that rises for ever Newton's steps are 1
_SLACK = 1e-4  # of the largest move: what rounding and the other coefficients leave
_SHARE = 0.05  # of the largest move: coefficients that add less to it stand by


class Maximum:
    """Parameters near the maximum of a likelihood of one output, and what is known around them.

    Newton's step is weighted least squares, with curvatures as weights: the factors of that hold
    the information X'WX, and its rank is found as that of least squares is.
    """

    value: float  # the weighted sum of losses
    data: Centred
    factor: Factor
    step: NDArray[np.float64]  # Newton's

    def __init__(self, objective: Objective, loss: Likelihood, params: NDArray[Any]) -> None:
        self.objective, self.loss, self.params = objective, loss, params
        self.value, (slopes,), (weight,) = objective.by_sample(params)
        counted = slice(None) if objective.weight is None else objective.weight > 0
        weight[counted] = np.maximum(weight[counted], np.finfo(weight.dtype).eps ** 2)
        response = np.divide(-slopes, weight, out=np.zeros_like(weight), where=weight > 0)
        self.counted = counted
        self.data, self.factor = factorise(
            objective.X, response, weight, bool(objective.fit_intercept)
        )
        coef = back_substitute(self.factor, self.factor.rotated)[:, 0]
        level = self.data.y_mean[0] - (self.data.x_mean - objective.centre) @ coef
        self.step = np.append(coef, level).astype(np.float64)[None]

    def shortest(self) -> NDArray[Any]:
        """The parameters with the same predictors whose coefficients are shortest."""
        if self.factor.rank == self.objective.features:
            return self.params
        coef, rows = self.params[0, :-1], self.factor.rows()
        short = shortest(rows, (rows @ coef)[:, None])[:, 0]
        level = self.params[0, -1] + (self.data.x_mean - self.objective.centre) @ (coef - short)
        return np.append(short, level).astype(np.float64)[None]

    def endless(self) -> NDArray[np.bool_]:
        """Which coefficients, the intercept last, grow without end as the likelihood rises.

        They do where no sample's loss ever rises in some direction: a plane tells classes apart,
        or a level of a category has no events [1]_. Newton's steps become such a direction.

        References
        ----------
        .. [1] A. Albert and J. Anderson, "On the existence of maximum likelihood estimates in
           logistic regression models", Biometrika 71, 1984.
        """
        point, nothing = self, np.zeros(self.objective.features + 1, bool)
        for _ in range(_STEPS):
            lines = np.vstack([point.params, point.step])
            eta, move = self.objective.predictors(lines)[:, self.counted]
            size = float(np.abs(move).max())
            # Every sample's loss goes to 0.
            if any(line.all() and self._resistance(line) == 0 for line in (eta, move)):
                every = ~nothing
                every[-1] = self.objective.fit_intercept
                return every
            if not _SETTLED <= size < np.inf:
                break
            if self._resistance(move) <= _SLACK * size:
                return self._movers(point.step[0], size)
            point = Maximum(self.objective, self.loss, point.params + point.step)
        return nothing

    def _resistance(self, move: NDArray[Any]) -> float:
        return float(self.loss.resists(move, self.objective.y[self.counted]).max())

    def _movers(self, step: NDArray[np.float64], size: float) -> NDArray[np.bool_]:
        X = self.objective.X[self.counted]
        reach = (X.max(0).astype(np.float64) - X.min(0)) * np.abs(step[:-1])
        intercept = step[-1] - step[:-1] @ self.objective.centre
        return np.append(reach, abs(intercept) * self.objective.fit_intercept) > _SHARE * size
