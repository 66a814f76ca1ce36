# SPDX-License-Identifier: Apache-2.0
"""Running means of the loss and the metrics over the batches of a pass."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Protocol

from lepton.array import Tensor

__all__ = ["MetricLike"]


class MetricLike(Protocol):
    """What the Trainer needs of a metric; the classes of `lepton.metrics` have it."""

    @property
    def name(self) -> str:
        """The column of the history that it fills."""

    def update(self, predictions: Any, targets: Any, /) -> Any:
        """Add a batch."""

    def compute(self) -> Any:
        """Return the value over all batches since the last reset."""

    def reset(self) -> Any:
        """Forget all batches."""

    def state_dict(self) -> dict[str, Any]:
        """Return what was added up so far."""

    def load_state_dict(self, state: Any, /) -> Any:
        """Go on from what `state_dict` returned."""


class Meter:
    """Adds up the loss and the metrics of a pass; its state survives a checkpoint.

    The mean loss weighs each batch by its samples, so a smaller last batch counts for less.
    """

    def __init__(self, metrics: Iterable[MetricLike], summed: bool = False) -> None:
        self.metrics = list(metrics)
        self.summed = summed  # the loss of a batch is a sum over its samples, not a mean
        self.reset()

    @property
    def names(self) -> list[str]:
        """The columns that `results` fills."""
        return ["loss", *(metric.name for metric in self.metrics)]

    def reset(self) -> None:
        """Begin a new pass."""
        self.loss_sum, self.samples, self.batches = 0.0, 0, 0
        for metric in self.metrics:
            metric.reset()

    def add(self, loss: float, samples: int, output: Tensor, target: Any) -> None:
        """Add a batch."""
        for metric in self.metrics:
            metric.update(output, target)
        self.loss_sum += loss if self.summed else loss * samples
        self.samples += samples
        self.batches += 1

    @property
    def loss(self) -> float:
        """The mean loss of a sample so far."""
        return self.loss_sum / self.samples if self.samples else float("nan")

    def results(self) -> dict[str, float]:
        """Return the loss and every metric that is a single number."""
        values: dict[str, float] = {"loss": self.loss}
        for metric in self.metrics:
            value = metric.compute()
            if getattr(value, "ndim", 0) == 0 and not isinstance(value, (list, tuple, dict)):
                values[metric.name] = float(value)
        return values

    def state_dict(self) -> dict[str, Any]:
        """Return what was added up so far."""
        return {
            "loss_sum": self.loss_sum,
            "samples": self.samples,
            "batches": self.batches,
            "metrics": {metric.name: metric.state_dict() for metric in self.metrics},
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from what `state_dict` returned."""
        saved, own = list(state["metrics"]), [metric.name for metric in self.metrics]
        if saved != own:
            raise ValueError(f"the checkpoint has the metrics {saved}, this trainer has {own}")
        for metric in self.metrics:
            metric.load_state_dict(state["metrics"][metric.name])
        self.loss_sum = float(state["loss_sum"])
        self.samples, self.batches = int(state["samples"]), int(state["batches"])
