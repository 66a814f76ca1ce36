# SPDX-License-Identifier: Apache-2.0
"""Training on all samples at once by L-BFGS, for small tables and smooth objectives."""

from __future__ import annotations

import math
import sys
import time
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from sklearn.exceptions import ConvergenceWarning

from lepton.array import Tensor
from lepton.nn import Module, Parameter
from lepton.tabular.objective import Objective
from lepton.training import NonFiniteError
from lepton.training.diagnosis import explain_loss

__all__: list[str] = []

Vector = NDArray[np.float64]


@dataclass
class FullBatch:
    """Minimises the objective of a network over all samples by SciPy's L-BFGS-B.

    The loss and its gradient are computed in the dtype of the network, the vector of all parameters
    is float64.

    Attributes
    ----------
    owner : str
        What errors and warnings call the estimator.
    alpha : float
        Strength of the L2 penalty on weights, which are the parameters with two axes or more.
    tol : float
        Training has converged when no derivative is larger.
    max_iter, max_fun : int
        Most iterations, and most evaluations of the objective.
    progress : bool
        Show each iteration on standard error.

    Notes
    -----
    Byrd, Lu, Nocedal and Zhu, "A limited memory algorithm for bound constrained optimization",
    1995.
    """

    owner: str
    alpha: float
    tol: float
    max_iter: int
    max_fun: int
    progress: bool = False

    def fit(
        self,
        module: Module,
        objective: Objective,
        inputs: tuple[Tensor, ...],
        target: Any,
        total: float,
    ) -> list[dict[str, float]]:
        """Train `module`, whose parameters are what they were if this fails.

        Parameters
        ----------
        module : Module
            In training mode.
        objective : Objective
            Without a penalty.
        inputs, target : tuple of Tensor, Tensor or (target, weights)
            All samples.
        total : float
            The sum of their weights.

        Returns
        -------
        list of dict
            Epoch, loss and seconds of each iteration; of one if the start was already the minimum.

        Raises
        ------
        NonFiniteError
            If the loss of the first or the last parameters is not finite.
        """
        parameters = Flat(module)
        evaluate = _Evaluation(parameters, objective, inputs, target, self.alpha / total)
        rows: list[dict[str, float]] = []
        clock = time.perf_counter()

        def note(_: Vector) -> None:
            seconds = time.perf_counter() - clock - sum(row["seconds"] for row in rows)
            rows.append({"epoch": len(rows) + 1, "loss": evaluate.loss, "seconds": seconds})
            if self.progress:
                line = f"{self.owner}: iteration {len(rows)}, loss {evaluate.loss:.6g}"
                print(line, file=sys.stderr)

        start = parameters.values()
        options = {"maxiter": self.max_iter, "maxfun": self.max_fun, "gtol": self.tol}
        try:
            found = minimize(
                evaluate, start, method="L-BFGS-B", jac=True, callback=note, options=options
            )
            parameters.assign(found.x)
            if not (math.isfinite(found.fun) and np.isfinite(found.x).all()):
                cause = explain_loss(module, inputs, target)
                raise NonFiniteError(f"{self.owner}: the loss is {found.fun}: {cause}")
        except BaseException:  # also Ctrl-C
            parameters.assign(start)
            raise
        if found.status:
            warnings.warn(
                f"{self.owner}: L-BFGS stopped after {found.nit} iterations and {found.nfev} "
                f"evaluations before it converged ({found.message}); max_iter or max_fun expects "
                "more, or X to be scaled",
                ConvergenceWarning,
                stacklevel=2,
            )
        return rows or [{"epoch": 1, "loss": float(found.fun), "seconds": 0.0}]


class Flat:
    """The parameters of a module that are trained as one vector, those with a penalty first."""

    def __init__(self, module: Module) -> None:
        self.module = module
        found = [p for p in module.parameters() if p.requires_grad]
        weights = [p for p in found if p.ndim > 1]
        self.parameters: list[Parameter] = [*weights, *(p for p in found if p.ndim <= 1)]
        self.views = [p.detach().numpy() for p in self.parameters]
        ends = np.cumsum([view.size for view in self.views])
        self.cuts = ends[:-1]
        self.penalised = slice(0, int(sum(p.size for p in weights)))

    def values(self) -> Vector:
        """A copy of them."""
        return np.concatenate([view.ravel() for view in self.views]).astype(np.float64)

    def assign(self, vector: Vector) -> None:
        """Give them these values."""
        for view, part in zip(self.views, np.split(vector, self.cuts), strict=True):
            view[...] = part.reshape(view.shape)

    def gradient(self) -> Vector:
        """Their gradients."""
        parts = [
            np.zeros(view.size) if p.grad is None else p.grad.numpy().ravel()
            for p, view in zip(self.parameters, self.views, strict=True)
        ]
        return np.concatenate(parts).astype(np.float64, copy=False)


class _Evaluation:
    """The objective and its gradient as functions of the vector; `loss` is the last."""

    def __init__(
        self, parameters: Flat, objective: Objective, inputs: Any, target: Any, factor: float
    ) -> None:
        self.parameters, self.objective, self.factor = parameters, objective, factor
        self.inputs, self.target, self.loss = inputs, target, math.nan

    def __call__(self, vector: Vector) -> tuple[float, Vector]:
        parameters = self.parameters
        parameters.assign(vector)
        parameters.module.zero_grad()
        loss = self.objective(parameters.module(*self.inputs), self.target)
        loss.backward()
        weights = vector[parameters.penalised]
        gradient = parameters.gradient()
        gradient[parameters.penalised] += self.factor * weights
        self.loss = float(loss.item()) + self.factor / 2 * float(weights @ weights)
        return self.loss, gradient
