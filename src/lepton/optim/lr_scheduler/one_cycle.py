# SPDX-License-Identifier: Apache-2.0
"""OneCycleLR: one rise and one fall of the learning rate."""

from __future__ import annotations

import math
from collections.abc import Sequence

from lepton._check import check_bool, check_choice, check_int, check_number
from lepton.optim.lr_scheduler.base import LRScheduler
from lepton.optim.optimizer import Group, Optimizer

__all__ = ["OneCycleLR"]


class OneCycleLR(LRScheduler):
    """Raise the rate to `max_lr`, then lower it far below where it began, step by step.

    It rises from ``max_lr / div_factor`` for ``pct_start * total_steps`` steps, and falls to
    ``max_lr / div_factor / final_div_factor``; momentum (or Adam's first beta) goes the other
    way. Call `step` after every batch.

    Parameters
    ----------
    optimizer : Optimizer
        Its groups' ``"lr"`` and momentum are set.
    max_lr : float or list of float
        The highest rate; a list holds one for each group.
    total_steps : int, optional
        Length of the cycle; else ``epochs * steps_per_epoch``.
    epochs, steps_per_epoch : int, optional
        Used if `total_steps` is not given.
    pct_start : float
        Share of the steps that rise.
    anneal_strategy : 'cos' or 'linear'
        Form of the rise and the fall.
    cycle_momentum : bool
        Whether momentum is set.
    base_momentum, max_momentum : float or list of float
        Bounds of momentum.
    div_factor, final_div_factor : float
        First and last rate, see above.
    three_phase : bool
        Fall back to the first rate as fast as it rose, and then to the last one.
    last_epoch : int
        Steps done before; -1 starts anew.

    Examples
    --------
    >>> import lepton
    >>> from lepton import nn, optim
    >>> optimizer = optim.SGD([nn.Parameter(lepton.zeros((1,)))], lr=1.0)
    >>> schedule = optim.lr_scheduler.OneCycleLR(optimizer, max_lr=0.5, total_steps=10)
    >>> schedule.get_last_lr()
    [0.02]
    """

    def __init__(
        self,
        optimizer: Optimizer,
        max_lr: float | Sequence[float],
        total_steps: int | None = None,
        epochs: int | None = None,
        steps_per_epoch: int | None = None,
        pct_start: float = 0.3,
        anneal_strategy: str = "cos",
        cycle_momentum: bool = True,
        base_momentum: float | Sequence[float] = 0.85,
        max_momentum: float | Sequence[float] = 0.95,
        div_factor: float = 25.0,
        final_div_factor: float = 1e4,
        three_phase: bool = False,
        last_epoch: int = -1,
    ) -> None:
        if total_steps is None:
            if epochs is None or steps_per_epoch is None:
                raise ValueError(
                    "OneCycleLR: expects total_steps, or both epochs and steps_per_epoch"
                )
            total_steps = check_int("OneCycleLR", "epochs", epochs, 1) * check_int(
                "OneCycleLR", "steps_per_epoch", steps_per_epoch, 1
            )
        self.total_steps = check_int("OneCycleLR", "total_steps", total_steps, 1)
        self.pct_start = check_number("OneCycleLR", "pct_start", pct_start, 0, 1)
        self.anneal_strategy = check_choice(
            "OneCycleLR", "anneal_strategy", anneal_strategy, ["cos", "linear"]
        )
        self.cycle_momentum = check_bool("OneCycleLR", "cycle_momentum", cycle_momentum)
        self.three_phase = check_bool("OneCycleLR", "three_phase", three_phase)
        divisor = check_number("OneCycleLR", "div_factor", div_factor, 0, open_minimum=True)
        final = check_number(
            "OneCycleLR", "final_div_factor", final_div_factor, 0, open_minimum=True
        )
        if not isinstance(optimizer, Optimizer):
            raise TypeError(
                f"OneCycleLR: optimizer expects an Optimizer, got {type(optimizer).__name__}"
            )
        groups = optimizer.param_groups
        self.max_lrs = _per_group("max_lr", max_lr, groups)
        self.first_lrs = [rate / divisor for rate in self.max_lrs]
        self.last_lrs = [rate / final for rate in self.first_lrs]
        self.base_momentums = _per_group("base_momentum", base_momentum, groups)
        self.max_momentums = _per_group("max_momentum", max_momentum, groups)
        if cycle_momentum and not all("momentum" in g or "betas" in g for g in groups):
            raise ValueError(
                "OneCycleLR: cycle_momentum=True expects an optimizer with momentum or betas"
            )
        if last_epoch == -1:
            for group, rate in zip(groups, self.first_lrs, strict=True):
                group["initial_lr"] = rate
        super().__init__(optimizer, last_epoch)

    def factor(self, epoch: int) -> float:
        """Return the rate of the first group at `epoch` in units of the first rate."""
        return (
            self._between(epoch, self.first_lrs, self.max_lrs, self.last_lrs)[0]
            / (self.first_lrs[0])
        )

    def get_lr(self) -> list[float]:
        return self._closed_form()

    def _closed_form(self) -> list[float]:
        return self._between(self.last_epoch, self.first_lrs, self.max_lrs, self.last_lrs)

    def _between(
        self, epoch: int, first: list[float], middle: list[float], last: list[float]
    ) -> list[float]:
        """Return the point of the cycle at `epoch`: first -> middle (-> first) -> last."""
        if epoch > self.total_steps:
            raise ValueError(f"OneCycleLR: step {epoch} lies beyond total_steps={self.total_steps}")
        rise = self.pct_start * self.total_steps
        phases = [(rise - 1, first, middle), (self.total_steps - 1.0, middle, last)]
        if self.three_phase:
            phases[1:] = [(2 * rise - 2, middle, first), (self.total_steps - 1.0, first, last)]
        start = 0.0
        while len(phases) > 1 and epoch > phases[0][0]:
            start = phases.pop(0)[0]
        end, before, after = phases[0]
        # a loop may step once more after its last batch: the cycle rests at its end
        done = min((epoch - start) / (end - start), 1.0) if end > start else 1.0
        if self.anneal_strategy == "cos":
            done = (1 - math.cos(math.pi * done)) / 2
        return [a + (b - a) * done for a, b in zip(before, after, strict=True)]

    def _set(self, rates: list[float]) -> None:
        super()._set(rates)
        if not self.cycle_momentum:
            return
        momentums = self._between(
            self.last_epoch, self.max_momentums, self.base_momentums, self.max_momentums
        )
        for group, momentum in zip(self.optimizer.param_groups, momentums, strict=True):
            if "betas" in group:
                group["betas"] = (momentum, *group["betas"][1:])
            else:
                group["momentum"] = momentum


def _per_group(name: str, value: float | Sequence[float], groups: list[Group]) -> list[float]:
    values = list(value) if isinstance(value, Sequence) else [value] * len(groups)
    if len(values) != len(groups):
        raise ValueError(
            f"OneCycleLR: {name} expects {len(groups)} numbers, one for each group, "
            f"got {len(values)}"
        )
    return [check_number("OneCycleLR", name, number, 0) for number in values]
