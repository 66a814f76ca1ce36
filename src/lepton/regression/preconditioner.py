# SPDX-License-Identifier: Apache-2.0
"""Models of the Hessians of linear models that are cheap to make and to solve with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from lepton.regression.solvers import positive_solver

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from lepton.regression.objective import Objective

__all__ = ["hessian_model", "preconditioner"]

_WIDEST = 2000  # columns of which a full matrix for each output is worth its factor
_ROWS, _LEAST_ROWS = 4, 4096  # of the sample: so many for each column, and at least
_DAMPING = 1e-2  # of the mean curvature, for directions in which the sample is flat


def hessian_model(objective: Objective) -> Callable[[NDArray[Any]], NDArray[Any]]:
    """A function that gives, for parameters, the Hessian's blocks of a sample of rows.

    There is one block for each output, [outputs, features + 1, features + 1]; between outputs the
    Hessian counts as zero. Of many columns only the diagonal is given, [outputs, features + 1].
    """
    sample = objective.sample(max(_LEAST_ROWS, _ROWS * objective.features))
    wide = objective.features > _WIDEST

    def model(params: NDArray[Any]) -> NDArray[Any]:
        hessian = sample.diagonal(params) if wide else sample.second_order(params)[2]
        diagonal = hessian if wide else np.einsum("kii->ki", hessian)
        diagonal[:, :-1] += _DAMPING * diagonal[:, :-1].mean(axis=1, keepdims=True)
        return hessian

    return model


def preconditioner(
    objective: Objective,
) -> Callable[[NDArray[Any]], Callable[[NDArray[Any]], NDArray[Any]]]:
    """What `lbfgs` takes: for parameters, a function that solves with the model of the Hessian."""
    model = hessian_model(objective)

    def precondition(params: NDArray[Any]) -> Callable[[NDArray[Any]], NDArray[Any]]:
        hessian = model(params)
        alike = objective.is_uniform(params)
        blocks = hessian[:1] if alike else hessian
        solvers = [positive_solver(block) for block in blocks] if hessian.ndim == 3 else []

        def solve(gradients: NDArray[Any]) -> NDArray[Any]:
            if not solvers:
                steps: NDArray[Any] = gradients / hessian
            elif alike:
                steps = solvers[0](gradients)
            else:
                each = [solver(gradients[..., k, :]) for k, solver in enumerate(solvers)]
                steps = np.stack(each, axis=-2)
            if len(hessian) > 1:  # only differences of outputs count: leave their mean alone
                steps -= steps.mean(axis=-2, keepdims=True)
            return steps

        return solve

    return precondition
