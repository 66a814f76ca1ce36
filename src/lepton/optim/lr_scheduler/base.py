# SPDX-License-Identifier: Apache-2.0
"""LRScheduler: what all learning rate schedules share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

from lepton._check import check_int, check_number
from lepton.optim.optimizer import Optimizer

__all__ = ["LRScheduler"]


class LRScheduler(ABC):
    """Base class of all schedules.

    A subclass defines `factor`, the learning rate at an epoch in units of the first one. Each
    `step` multiplies the current rate by ``factor(epoch) / factor(epoch - 1)``, so schedules
    can be combined by stepping several of them.

    Parameters
    ----------
    optimizer : Optimizer
        Its groups' ``"lr"`` are set, at once and at each `step`.
    last_epoch : int
        Steps done before; -1 starts anew.

    Examples
    --------
    >>> import lepton
    >>> from lepton import nn, optim
    >>> optimizer = optim.SGD([nn.Parameter(lepton.zeros((1,)))], lr=1.0)
    >>> schedule = optim.lr_scheduler.StepLR(optimizer, step_size=2, gamma=0.5)
    >>> rates = []
    >>> for epoch in range(5):
    ...     rates += schedule.get_last_lr()
    ...     optimizer.step()
    ...     schedule.step()
    >>> rates
    [1.0, 1.0, 0.5, 0.5, 0.25]
    """

    not_saved: ClassVar[frozenset[str]] = frozenset({"optimizer"})

    def __init__(self, optimizer: Optimizer, last_epoch: int = -1) -> None:
        owner = type(self).__name__
        if not isinstance(optimizer, Optimizer):
            raise TypeError(
                f"{owner}: optimizer expects an Optimizer, got {type(optimizer).__name__}"
            )
        self.optimizer = optimizer
        self.last_epoch = check_int(owner, "last_epoch", last_epoch, -1)
        for position, group in enumerate(optimizer.param_groups):
            if last_epoch == -1:
                group.setdefault("initial_lr", group["lr"])
            elif "initial_lr" not in group:
                raise ValueError(
                    f"{owner}: last_epoch={last_epoch} expects 'initial_lr' in "
                    f"param_groups[{position}]: load the optimiser's state first"
                )
        self.base_lrs: list[float] = [group["initial_lr"] for group in optimizer.param_groups]
        self.step()

    @abstractmethod
    def factor(self, epoch: int) -> float:
        """Return the rate at `epoch` in units of the first one."""

    def least(self) -> float:
        """Return the rate at which `factor` is 0."""
        return 0.0

    def get_lr(self) -> list[float]:
        """Return the rate of each group at `last_epoch`, from the present ones."""
        if self.last_epoch == 0:
            before, now = 1.0, self.factor(0)
        else:
            before, now = self.factor(self.last_epoch - 1), self.factor(self.last_epoch)
        rates = [group["lr"] for group in self.optimizer.param_groups]
        if now == before:
            return rates
        if before == 0:
            return self._closed_form()
        least = self.least()
        return [least + (rate - least) * (now / before) for rate in rates]

    def _closed_form(self) -> list[float]:
        least, now = self.least(), self.factor(self.last_epoch)
        return [least + (base - least) * now for base in self.base_lrs]

    def get_last_lr(self) -> list[float]:
        """Return the rates that the last `step` set."""
        return list(self._last_lr)

    def step(self) -> None:
        """Set the rates of the next epoch; call it after the optimiser's step."""
        self.last_epoch += 1
        try:
            self._set(self.get_lr())
        except Exception:
            self.last_epoch -= 1
            raise

    def _set(self, rates: list[float]) -> None:
        self._last_lr = [check_number(type(self).__name__, "lr", rate, 0) for rate in rates]
        for group, rate in zip(self.optimizer.param_groups, self._last_lr, strict=True):
            group["lr"] = rate

    def _restart(self) -> None:
        self.last_epoch = 0
        self._set(self._closed_form())

    def state_dict(self) -> dict[str, Any]:
        """Return all but the optimiser; everything in it can be written as JSON."""
        return {
            name: list(value) if isinstance(value, list) else value
            for name, value in vars(self).items()
            if name not in self.not_saved
        }

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Take over what `state_dict` returned; the rates come with the optimiser's state.

        Raises
        ------
        ValueError
            Names or values that do not fit; the schedule is then as it was.
        """
        self._load(state_dict)

    def _load(self, state_dict: Mapping[str, Any]) -> None:
        owner = type(self).__name__
        own = LRScheduler.state_dict(self)
        if not isinstance(state_dict, Mapping) or set(state_dict) != set(own):
            got = ", ".join(map(str, state_dict)) if isinstance(state_dict, Mapping) else "no dict"
            raise ValueError(f"{owner}: a state dict expects {', '.join(own)}, got {got}")
        for name, value in state_dict.items():
            self._check_like(name, own[name], value)
        for name, value in state_dict.items():
            setattr(self, name, list(value) if isinstance(value, list) else value)

    def _check_like(self, name: str, own: Any, value: Any) -> None:
        owner = type(self).__name__
        if isinstance(own, list):
            if not isinstance(value, list) or len(value) != len(own):
                raise ValueError(
                    f"{owner}: {name} in the state dict expects {len(own)} numbers, got {value!r}"
                )
            for number in value:
                check_number(owner, f"{name} in the state dict", number)
        elif isinstance(own, float):
            check_number(owner, f"{name} in the state dict", value)
        elif type(value) is not type(own):
            raise ValueError(
                f"{owner}: {name} in the state dict expects a value like {own!r}, got {value!r}"
            )
