# SPDX-License-Identifier: Apache-2.0
"""When training has converged, and the score it is judged by."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from lepton.array import asarray
from lepton.metrics import Metric
from lepton.metrics.inputs import to_array
from lepton.training import EarlyStopping

if TYPE_CHECKING:
    from lepton.training.trainer import Trainer

__all__: list[str] = []

_LEAST_RATE = 1e-6  # scikit-learn's


class Convergence(EarlyStopping):
    """Stop, or divide the learning rate by 5, by the rule of scikit-learn's networks.

    An epoch counts as progress if it is better than the best one before by at least `tol`; more
    than `patience` epochs in a row without progress end the training. The best epoch is the best
    one by however little.

    Parameters
    ----------
    owner : str
        What warnings call the estimator.
    monitor : str
        Column of the history.
    patience : float
        Epochs without progress; infinity never stops.
    tol : float
        What counts as progress.
    restore_best : bool
        Give the network the weights of its best epoch in the end.
    adaptive : bool
        Divide the learning rate by 5 in place of stopping, until it is below 1e-6.
    """

    def __init__(
        self,
        owner: str,
        monitor: str,
        patience: float,
        tol: float,
        restore_best: bool = False,
        adaptive: bool = False,
    ) -> None:
        super().__init__(monitor, restore_best=restore_best)
        self.owner, self.most, self.tol, self.adaptive = owner, patience, tol, adaptive

    def on_epoch_end(self, trainer: Trainer) -> None:
        before = math.inf if self.best is None else self.best
        if self.improved(trainer):
            if self.restore_best:
                self.weights = {k: v.clone() for k, v in trainer.model.state_dict().items()}
            gain = abs(trainer.history.last[self.column(trainer)] - before)
            self.waited = 0 if gain >= self.tol else self.waited + 1
        else:
            self.waited += 1
        if self.waited > self.most:
            self._act(trainer)

    def _act(self, trainer: Trainer) -> None:
        groups = trainer.optimizer.param_groups
        if self.adaptive and any(group["lr"] > _LEAST_RATE for group in groups):
            for group in groups:
                group["lr"] /= 5
            self.waited = 0
            return
        trainer.stop(f"{self.column(trainer)} gained less than {self.tol:g} a while")

    def on_fit_end(self, trainer: Trainer) -> None:
        super().on_fit_end(trainer)
        if not trainer.stopped and not math.isinf(self.most):
            warnings.warn(
                f"{self.owner}: {self.column(trainer)} had not settled after "
                f"{trainer.epoch} epochs; max_iter expects more",
                ConvergenceWarning,
                stacklevel=2,
            )


class Score(Metric):
    """A score of all samples at once, such as R2, with the weights that targets carry.

    Parameters
    ----------
    name : str
        The column of the history.
    function : callable
        Called as ``function(outputs, targets, weights)`` with the arrays of all batches; weights
        may be None.
    """

    def __init__(self, name: str, function: Callable[[Any, Any, Any], float]) -> None:
        super().__init__()
        self.name, self.function = name, function

    def reset(self) -> None:
        """Forget all batches."""
        self.batches: list[tuple[Any, ...]] = []

    def update(self, predictions: Any, targets: Any) -> None:
        """Keep one batch of outputs and of targets, or of (targets, weights)."""
        parts = targets if isinstance(targets, tuple) else (targets,)
        self.batches.append((to_array(predictions), *map(to_array, parts)))

    def state_dict(self) -> dict[str, Any]:
        """Return all that was kept, for a checkpoint."""
        return {"parts": [asarray(part) for part in self._parts()]}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on where the metric that gave `state` stood."""
        self.batches = [tuple(map(to_array, state["parts"]))] if state["parts"] else []

    def _parts(self) -> list[Any]:
        """Outputs, targets and perhaps weights of all batches."""
        return [np.concatenate(parts) for parts in zip(*self.batches, strict=True)]

    def compute(self) -> float:
        """Return the score; NaN if an output is not finite."""
        outputs, *rest = self._parts()
        if not np.isfinite(outputs).all():
            return math.nan
        return float(self.function(outputs, rest[0], rest[1] if len(rest) > 1 else None))
