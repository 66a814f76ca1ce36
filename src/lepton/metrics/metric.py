# SPDX-License-Identifier: Apache-2.0
"""Metric, the base of measures that are added up batch by batch, and the mean of a loss."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any

from lepton.metrics.inputs import check_some, to_array

__all__ = ["MeanLoss", "Metric"]


class Metric:
    """A measure of many batches: `reset`, then `update` for each batch, then `compute`.

    The result is that of all samples at once, however they were cut into batches. A subclass keeps
    what it adds up in plain attributes, listed in its `state`, and defines the three methods; its
    `name` is the class name in snake case unless it sets another.

    Examples
    --------
    >>> from lepton.metrics import Metric
    >>> class Count(Metric):
    ...     state = ("count",)
    ...     def reset(self):
    ...         self.count = 0
    ...     def update(self, predictions, targets):
    ...         self.count += len(targets)
    ...     def compute(self):
    ...         return self.count
    >>> metric = Count()
    >>> metric.update([1, 2], [1, 1])
    >>> metric.name, metric.compute(), metric.state_dict()
    ('count', 2, {'count': 2})
    """

    state: tuple[str, ...] = ()

    def __init__(self) -> None:
        self.name = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", type(self).__name__).lower()
        self.reset()

    def reset(self) -> None:
        """Forget all batches."""
        raise NotImplementedError(f"{type(self).__name__} must define reset")

    def update(self, predictions: Any, targets: Any) -> None:
        """Add one batch."""
        raise NotImplementedError(f"{type(self).__name__} must define update")

    def compute(self) -> Any:
        """Return the measure of all batches since `reset`; ValueError if there were none."""
        raise NotImplementedError(f"{type(self).__name__} must define compute")

    def state_dict(self) -> dict[str, Any]:
        """Return what has been added up, as JSON."""
        values = {name: getattr(self, name) for name in self.state}
        return {k: v.tolist() if hasattr(v, "tolist") else v for k, v in values.items()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on adding where the metric that gave `state` stood.

        Raises
        ------
        ValueError
            If `state` is not that of such a metric.
        """
        if not isinstance(state, dict) or set(state) != set(self.state):
            got = sorted(state) if isinstance(state, dict) else type(state).__name__
            raise ValueError(f"{self.name}: state expects {sorted(self.state)}, got {got}")
        loaded = {name: self._loaded(name, state[name]) for name in self.state}
        vars(self).update(loaded)

    def _loaded(self, name: str, value: Any) -> Any:
        """Return the attribute `name` made from its form in JSON."""
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if not number or not (math.isfinite(value) or isinstance(getattr(self, name), float)):
            raise ValueError(f"{self.name}: state: {name} expects a number, got {value!r}")
        if isinstance(getattr(self, name), int) and not isinstance(value, int):
            raise ValueError(f"{self.name}: state: {name} expects an integer, got {value!r}")
        return value

    def __repr__(self) -> str:
        return f"{type(self).__name__}(name={self.name!r})"


class MeanLoss(Metric):
    """The mean of a loss over all samples.

    Parameters
    ----------
    loss
        Called as ``loss(predictions, targets)``; gives the mean over the batch, as the losses of
        `lepton.nn` do.
    name
        Another name for the metric.

    Examples
    --------
    >>> import numpy as np
    >>> from lepton.metrics import MeanLoss
    >>> metric = MeanLoss(lambda x, y: ((x - y) ** 2).mean())
    >>> metric.update(np.array([1.0, 2.0]), np.array([1.0, 1.0]))
    >>> metric.update(np.array([3.0]), np.array([1.0]))
    >>> round(metric.compute(), 4)
    1.6667
    """

    state = ("total", "count")

    def __init__(self, loss: Callable[[Any, Any], Any], name: str = "loss") -> None:
        super().__init__()
        self.loss = loss
        self.name = name

    def reset(self) -> None:
        """Forget all batches."""
        self.total, self.count = 0.0, 0

    def update(self, predictions: Any, targets: Any) -> None:
        """Add one batch, weighted by its number of samples."""
        samples = int(to_array(targets).shape[0])
        value = float(to_array(self.loss(predictions, targets)).item())
        self.total += value * samples
        self.count += samples

    def compute(self) -> float:
        """Return the mean loss per sample."""
        check_some(self.name, self.count)
        return self.total / self.count
