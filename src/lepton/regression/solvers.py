# SPDX-License-Identifier: Apache-2.0
"""Minimisers of smooth objectives: Newton's method, and L-BFGS with a preconditioner."""

from __future__ import annotations

import math
import warnings
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from scipy.linalg import LinAlgError, cho_factor, cho_solve, eigh
from sklearn.exceptions import ConvergenceWarning

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = [
    "Smooth",
    "Solution",
    "backtrack",
    "is_noise",
    "is_refreshed",
    "lbfgs",
    "newton",
    "positive_solver",
]

Solve = Callable[["NDArray[Any]"], "NDArray[Any]"]

_ARMIJO = 1e-4  # the part of the decrease along the tangent that a step has to bring
_HALVINGS = 30
_EPS = float(np.finfo(np.float64).eps)
_CLOSE, _RATE = 1e-2, 1e-2  # of the value and of the last decrease: then a Hessian still serves
_MEMORY = 10  # steps that L-BFGS remembers
# Iterations after which a model of the Hessian is made anew: it may cost as much as ten of them.
_REFRESH = [10 * 4**k for k in range(20)]


class Smooth(Protocol):
    """An objective with derivatives; parameters are [outputs, size] in float64.

    Values are known up to the relative error `precision`.
    """

    precision: float

    def violation(self, gradient: NDArray[Any]) -> float:
        """The largest derivative, in the user's coordinates."""

    def within(self, params: NDArray[Any], step: NDArray[Any]) -> NDArray[Any]:
        """The part of a step that stays where the objective is defined."""

    def first_order(self, params: NDArray[Any]) -> tuple[float, NDArray[Any]]:
        """Value and gradient."""

    def second_order(self, params: NDArray[Any]) -> tuple[float, NDArray[Any], NDArray[Any]]:
        """Value, gradient and the Hessian's blocks [outputs, size, size]."""


@dataclass
class Solution:
    """Where a solver stopped, after how many iterations, and whether its criterion was met.

    `stuck` tells that no step along the last direction lowered the objective.
    """

    params: NDArray[Any]
    n_iter: int
    converged: bool
    stuck: bool = False

    def warn(self, owner: str) -> None:
        """Tell the user of an estimator that it did not converge; to be called by its `fit`."""
        if self.converged:
            return
        if self.stuck:
            failure, remedy = "no step lowered the objective any more", "tol"
        else:
            failure, remedy = "no convergence", "max_iter or tol"
        warnings.warn(
            f"{owner}: {failure} after {self.n_iter} iterations: scale the features, or raise "
            f"{remedy}",
            ConvergenceWarning,
            stacklevel=3,
        )


def positive_solver(matrix: NDArray[Any]) -> Solve:
    """A function that solves ``matrix x = b``, along the last axis of b.

    Rows and columns of the matrix, positive semidefinite, are scaled to a diagonal of ones. Where
    the rest is singular to working precision, scaled x is of least norm.
    """
    diagonal = np.diagonal(matrix)
    scale = np.sqrt(np.where(diagonal > 0, diagonal, 1.0))
    scaled = matrix / np.outer(scale, scale)
    limit = 10 * len(matrix) * _EPS  # of a pivot, none of which is below the least eigenvalue
    try:
        factor = cho_factor(scaled, lower=True)
        if (np.diagonal(factor[0]) ** 2).min() > limit:
            size = len(matrix)

            def solve(b: NDArray[Any]) -> NDArray[Any]:
                columns = (b / scale).reshape(-1, size).T
                found: NDArray[Any] = cho_solve(factor, columns, check_finite=False).T
                return found.reshape(b.shape) / scale

            return solve
    except LinAlgError:
        pass
    values, vectors = eigh(scaled)
    kept = values > limit
    vectors = vectors[:, kept]
    return lambda b: ((b / scale) @ vectors / values[kept]) @ vectors.T / scale


def newton(objective: Smooth, start: NDArray[Any], *, tol: float, max_iter: int) -> Solution:
    """Newton's method with backtracking for objectives of one output.

    It stops where no derivative exceeds `tol` and the expected decrease is below it too; the last
    step, whose error is of second order, is taken without another pass over the data. Close to the
    minimum the Hessian is kept for as long as it brings each step far closer than the last.
    """
    params = start
    value, gradient, *hessian = objective.second_order(params)
    last = np.inf
    for n_iter in range(1, max_iter + 1):
        if hessian:
            solve = positive_solver(hessian[0][0])
        step = objective.within(params, -solve(gradient))
        slope = float(np.vdot(gradient, step))
        near = objective.violation(gradient) <= tol and -slope / 2 <= tol
        if near or -slope / 2 <= objective.precision * abs(value):
            return Solution(params + step, n_iter, True)
        keep = -slope / 2 <= min(_CLOSE * abs(value), _RATE * last)
        evaluate = objective.first_order if keep else objective.second_order
        point, last = (params, value, gradient), -slope / 2
        accepted = backtrack(evaluate, point, step, slope, objective.precision)
        if accepted is None:
            noise = is_noise(slope, value, objective.precision)
            return Solution(params, n_iter, noise, stuck=True)
        params, (value, gradient, *hessian) = accepted
    return Solution(params, max_iter, False)


def backtrack(
    evaluate: Callable[[NDArray[Any]], Any],
    point: tuple[NDArray[Any], float, NDArray[Any]],
    step: NDArray[Any],
    slope: float,
    precision: float,
) -> Any:
    """The first of params + step, + step / 2, ... that is low enough, and what is there.

    None says that rounding hides all decrease.
    """
    params, value, gradient = point
    size = 1.0
    for _ in range(_HALVINGS):
        trial = params + size * step
        found = evaluate(trial)
        if found[0] <= value + _ARMIJO * size * slope:
            return trial, found
        if abs(found[0] - value) <= 16 * precision * abs(value):
            flatter = np.abs(found[1]).sum() < np.abs(gradient).sum()
            return (trial, found) if flatter else None
        size /= 2
    return None


def is_noise(slope: float, value: float, precision: float) -> bool:
    """Whether a decrease that did not come is small enough to have drowned in rounding."""
    return bool(-slope / 2 <= math.sqrt(precision) * abs(value))


def is_refreshed(n_iter: int) -> bool:
    """Whether a model of the Hessian is made anew after so many iterations: 10, 40, 160, ..."""
    return n_iter in _REFRESH


def lbfgs(
    objective: Smooth,
    start: NDArray[Any],
    *,
    precondition: Callable[[NDArray[Any]], Solve],
    tol: float,
    max_iter: int,
) -> Solution:
    """L-BFGS whose first guess of the inverse Hessian is a preconditioner.

    Parameters
    ----------
    precondition
        Makes, for parameters, a function that solves with an approximation of the Hessian there.
        It is called at the start and where `is_refreshed` says.
    """
    params = start
    value, gradient = objective.first_order(params)
    pairs: deque[tuple[NDArray[Any], NDArray[Any], float]] = deque(maxlen=_MEMORY)
    solve = precondition(params)
    for n_iter in range(max_iter + 1):
        if objective.violation(gradient) <= tol:
            return Solution(params, n_iter, True)
        if n_iter == max_iter:
            break
        if is_refreshed(n_iter):
            solve = precondition(params)
        step = -_two_loops(pairs, solve, gradient)
        slope = float(np.vdot(gradient, step))
        if -slope / 2 <= objective.precision * abs(value):
            return Solution(params, n_iter, True)
        point = params, value, gradient
        accepted = backtrack(objective.first_order, point, step, slope, objective.precision)
        if accepted is None:
            noise = is_noise(slope, value, objective.precision)
            return Solution(params, n_iter, noise, stuck=True)
        old = params, gradient
        params, (value, gradient) = accepted
        moved, turned = params - old[0], gradient - old[1]
        curvature = float(np.vdot(moved, turned))
        if curvature > 0:
            pairs.append((moved, turned, 1 / curvature))
    return Solution(params, max_iter, False)


def _two_loops(
    pairs: deque[tuple[NDArray[Any], NDArray[Any], float]], solve: Solve, gradient: NDArray[Any]
) -> NDArray[Any]:
    """The inverse Hessian of the remembered steps times the gradient (Nocedal, 1980)."""
    result = gradient.copy()
    shares = []
    for moved, turned, inverse in reversed(pairs):
        share = inverse * float(np.vdot(moved, result))
        result -= share * turned
        shares.append(share)
    if pairs:  # scaled so that the last step would have been right (solved for in one go)
        _, turned, inverse = pairs[-1]
        result, back = solve(np.stack([result, turned]))
        result /= inverse * float(np.vdot(turned, back))
    else:
        result = solve(result)
    for (moved, turned, inverse), share in zip(pairs, reversed(shares), strict=True):
        result += (share - inverse * float(np.vdot(turned, result))) * moved
    return result
