# SPDX-License-Identifier: Apache-2.0
"""Minimisers of smooth objectives with an L1 penalty: proximal Newton methods."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

import lepton
from lepton import _core
from lepton.regression.solvers import Smooth, Solution, backtrack, is_noise, is_refreshed

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["proximal_newton"]

_WINDOW = 5  # the value has to fall below the largest of so many last ones
_SWEEPS = 1000
_ACCURACY = 0.01  # of a model's minimum, beside the violation there is


class Linear(Smooth, Protocol):
    """A smooth objective of coefficients and, in the last column, levels that are not penalised."""

    def slopes(self, gradient: NDArray[Any]) -> NDArray[Any]:
        """The gradient in the user's coordinates."""


def proximal_newton(
    objective: Linear,
    start: NDArray[Any],
    *,
    l1: float,
    model: Callable[[NDArray[Any]], NDArray[Any]] | None,
    tol: float,
    max_iter: int,
) -> Solution:
    """Minimise ``objective + l1 |coefficients|_1`` by minima of models (Lee, Sun, Saunders 2014).

    Parameters
    ----------
    model
        Makes the Hessian's blocks or its diagonal at some parameters; each step scales it to the
        curvature along the last one (Barzilai and Borwein, 1988). None takes the exact Hessian, of
        one output, at each step.
    tol
        The largest violation of the conditions of optimality.
    """

    def evaluate(params: NDArray[Any]) -> Any:
        found = objective.second_order(params) if model is None else objective.first_order(params)
        return found[0] + l1 * np.abs(params[:, :-1]).sum(), *found[1:]

    params, scale = start, 1.0
    value, gradient, *exact = evaluate(params)
    hessian = exact[0] if model is None else model(params)
    values = deque([value], maxlen=1 if model is None else _WINDOW)
    for n_iter in range(max_iter + 1):
        violation = _violation(params, objective.slopes(gradient), l1)
        if violation <= tol:
            return Solution(params, n_iter, True)
        if n_iter == max_iter:
            break
        if model is not None and is_refreshed(n_iter):
            hessian, scale = model(params), 1.0
        step = _minimum(hessian, gradient / scale, params, l1 / scale, violation / scale) - params
        slope = float(np.vdot(gradient, step))
        slope += l1 * float((np.abs(params + step) - np.abs(params))[:, :-1].sum())
        if -slope / 2 <= objective.precision * abs(value):
            return Solution(params, n_iter, True)
        point = params, max(values), gradient
        accepted = backtrack(evaluate, point, step, slope, objective.precision)
        if accepted is None:
            noise = is_noise(slope, value, objective.precision)
            return Solution(params, n_iter, noise, stuck=True)
        old = params, gradient
        params, (value, gradient, *exact) = accepted
        values.append(value)
        if model is None:
            hessian = exact[0]
        else:
            scale = _curvature_ratio(hessian, params - old[0], gradient - old[1])
    return Solution(params, max_iter, False)


def _violation(params: NDArray[Any], slopes: NDArray[Any], l1: float) -> float:
    """How far zero is from the subgradient, by coordinate at most."""
    coef, slope = params[:, :-1], slopes[:, :-1]
    at_zero = np.maximum(np.abs(slope) - l1, 0)
    excess = np.where(coef == 0, at_zero, np.abs(slope + l1 * np.sign(coef)))
    return float(max(excess.max(initial=0.0), np.abs(slopes[:, -1]).max()))


def _curvature_ratio(hessian: NDArray[Any], moved: NDArray[Any], turned: NDArray[Any]) -> float:
    """The curvature along a step by that of the model."""
    product = hessian * moved if hessian.ndim == 2 else np.einsum("kij,kj->ki", hessian, moved)
    expected = float(np.vdot(moved, product))
    return float(np.clip(np.vdot(moved, turned) / expected, 0.05, 20.0)) if expected > 0 else 1.0


def _minimum(
    hessian: NDArray[Any], gradient: NDArray[Any], params: NDArray[Any], l1: float, violation: float
) -> NDArray[Any]:
    """Where ``gradient' d + d' hessian d / 2 + l1 |params + d|_1`` is least, as params + d."""
    if hessian.ndim == 2:
        with np.errstate(divide="ignore", invalid="ignore"):
            target = np.where(hessian > 0, params - gradient / hessian, params)
            bound = np.where(hessian > 0, l1 / hessian, 0)
        bound[:, -1] = 0
        shrunk: NDArray[Any] = np.sign(target) * np.maximum(np.abs(target) - bound, 0)
        return shrunk
    found = params.copy()
    penalised = np.ones(params.shape[1])
    penalised[-1] = 0
    for k, block in enumerate(hessian):
        linear = block @ params[k] - gradient[k]
        largest = np.abs(linear).max()
        if largest == 0:
            found[k] = 0
            continue
        _core.coordinate_descent(
            *map(lepton.asarray, (found[k : k + 1], block, linear)),
            None,
            *map(lepton.asarray, (np.array([l1]), np.zeros(1), penalised)),
            tol=min(_ACCURACY, _ACCURACY * violation / largest),
            max_iter=_SWEEPS,
        )
    return found
