# SPDX-License-Identifier: Apache-2.0
"""SequentialLR: one schedule after another."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from typing import Any

from lepton._check import check_int
from lepton.optim.lr_scheduler.base import LRScheduler
from lepton.optim.optimizer import Optimizer

__all__ = ["SequentialLR"]


class SequentialLR(LRScheduler):
    """Run schedules one after another; each starts at its milestone as if at epoch 0.

    Parameters
    ----------
    optimizer : Optimizer
        The optimiser of all the schedules.
    schedulers : list of LRScheduler
        The schedules in order.
    milestones : list of int
        The epochs at which the second and later schedules start, in rising order.
    last_epoch : int
        Steps done before; -1 starts anew.

    Examples
    --------
    >>> import lepton
    >>> from lepton import nn, optim
    >>> from lepton.optim.lr_scheduler import LinearLR, SequentialLR, StepLR
    >>> optimizer = optim.SGD([nn.Parameter(lepton.zeros((1,)))], lr=1.0)
    >>> warm_up = LinearLR(optimizer, start_factor=0.5, total_iters=2)
    >>> schedule = SequentialLR(optimizer, [warm_up, StepLR(optimizer, 1, 0.1)], [2])
    >>> rates = schedule.get_last_lr()
    >>> for epoch in range(3):
    ...     schedule.step()
    ...     rates += schedule.get_last_lr()
    >>> rates
    [0.5, 0.75, 1.0, 0.1]
    """

    not_saved = LRScheduler.not_saved | {"schedulers"}

    def __init__(
        self,
        optimizer: Optimizer,
        schedulers: Sequence[LRScheduler],
        milestones: Sequence[int],
        last_epoch: int = -1,
    ) -> None:
        self.schedulers = list(schedulers)
        self.milestones = [
            check_int("SequentialLR", "milestones", milestone, 1) for milestone in milestones
        ]
        if not self.schedulers or len(self.milestones) != len(self.schedulers) - 1:
            raise ValueError(
                "SequentialLR: milestones expects one less than schedulers, got "
                f"{len(self.milestones)} milestones and {len(self.schedulers)} schedulers"
            )
        if sorted(set(self.milestones)) != self.milestones:
            raise ValueError(f"SequentialLR: milestones expects rising epochs, got {milestones}")
        for position, scheduler in enumerate(self.schedulers):
            if not isinstance(scheduler, LRScheduler) or isinstance(scheduler, SequentialLR):
                raise TypeError(
                    f"SequentialLR: schedulers[{position}] expects a plain schedule, "
                    f"got {type(scheduler).__name__}"
                )
            if scheduler.optimizer is not optimizer:
                raise ValueError(
                    f"SequentialLR: schedulers[{position}] belongs to another optimizer"
                )
        super().__init__(optimizer, last_epoch)

    def factor(self, epoch: int) -> float:
        """Return the factor of the schedule that runs at `epoch`."""
        position = bisect_right(self.milestones, epoch)
        return self.schedulers[position].factor(epoch - [0, *self.milestones][position])

    def step(self) -> None:
        """Step the schedule that runs at the next epoch."""
        epoch = self.last_epoch + 1
        position = bisect_right(self.milestones, epoch)
        scheduler = self.schedulers[position]
        if epoch == [0, *self.milestones][position]:
            scheduler._restart()
        else:
            scheduler.step()
        self.last_epoch = epoch
        self._last_lr = scheduler.get_last_lr()

    def state_dict(self) -> dict[str, Any]:
        """Return the state of this and of all its schedules."""
        states = [scheduler.state_dict() for scheduler in self.schedulers]
        return {**super().state_dict(), "schedulers": states}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Take over what `state_dict` returned."""
        states = state_dict.get("schedulers") if isinstance(state_dict, Mapping) else None
        if not isinstance(states, Sequence) or len(states) != len(self.schedulers):
            raise ValueError(
                f"SequentialLR: a state dict expects {len(self.schedulers)} 'schedulers'"
            )
        before = self.state_dict()["schedulers"]
        own = {name: value for name, value in state_dict.items() if name != "schedulers"}
        try:
            for scheduler, state in zip(self.schedulers, states, strict=True):
                scheduler.load_state_dict(state)
            self._load(own)
        except Exception:
            for scheduler, state in zip(self.schedulers, before, strict=True):
                scheduler.load_state_dict(state)
            raise
