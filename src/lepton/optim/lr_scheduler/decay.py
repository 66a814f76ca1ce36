# SPDX-License-Identifier: Apache-2.0
"""Schedules that follow a formula of the epoch."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence

from lepton._check import check_int, check_number
from lepton.optim.lr_scheduler.base import LRScheduler
from lepton.optim.optimizer import Optimizer

__all__ = ["CosineAnnealingLR", "LambdaLR", "LinearLR", "MultiStepLR", "StepLR"]


class StepLR(LRScheduler):
    """Multiply the rate by `gamma` every `step_size` epochs.

    ``lr = base * gamma**(epoch // step_size)``.

    Examples
    --------
    >>> import lepton
    >>> from lepton import nn, optim
    >>> optimizer = optim.SGD([nn.Parameter(lepton.zeros((1,)))], lr=1.0)
    >>> schedule = optim.lr_scheduler.StepLR(optimizer, step_size=30)
    """

    def __init__(
        self, optimizer: Optimizer, step_size: int, gamma: float = 0.1, last_epoch: int = -1
    ) -> None:
        self.step_size = check_int("StepLR", "step_size", step_size, 1)
        self.gamma = check_number("StepLR", "gamma", gamma, 0)
        super().__init__(optimizer, last_epoch)

    def factor(self, epoch: int) -> float:
        return float(self.gamma ** (epoch // self.step_size))


class MultiStepLR(LRScheduler):
    """Multiply the rate by `gamma` at each milestone.

    Examples
    --------
    >>> import lepton
    >>> from lepton import nn, optim
    >>> optimizer = optim.SGD([nn.Parameter(lepton.zeros((1,)))], lr=1.0)
    >>> schedule = optim.lr_scheduler.MultiStepLR(optimizer, milestones=[30, 80])
    """

    def __init__(
        self,
        optimizer: Optimizer,
        milestones: Iterable[int],
        gamma: float = 0.1,
        last_epoch: int = -1,
    ) -> None:
        self.milestones = sorted(
            check_int("MultiStepLR", "milestones", milestone, 0) for milestone in milestones
        )
        self.gamma = check_number("MultiStepLR", "gamma", gamma, 0)
        super().__init__(optimizer, last_epoch)

    def factor(self, epoch: int) -> float:
        return float(self.gamma ** bisect_right(self.milestones, epoch))


class CosineAnnealingLR(LRScheduler):
    """Lower the rate along half a cosine wave of `T_max` epochs, then raise it again.

    ``lr = eta_min + (base - eta_min) * (1 + cos(pi * epoch / T_max)) / 2``.

    Examples
    --------
    >>> import lepton
    >>> from lepton import nn, optim
    >>> optimizer = optim.SGD([nn.Parameter(lepton.zeros((1,)))], lr=1.0)
    >>> schedule = optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=2)
    >>> schedule.step()
    >>> round(schedule.get_last_lr()[0], 4)
    0.5
    """

    def __init__(
        self, optimizer: Optimizer, T_max: int, eta_min: float = 0.0, last_epoch: int = -1
    ) -> None:
        self.T_max = check_int("CosineAnnealingLR", "T_max", T_max, 1)
        self.eta_min = check_number("CosineAnnealingLR", "eta_min", eta_min)
        super().__init__(optimizer, last_epoch)

    def factor(self, epoch: int) -> float:
        return (1 + math.cos(math.pi * epoch / self.T_max)) / 2

    def least(self) -> float:
        return self.eta_min


class LinearLR(LRScheduler):
    """Move the rate in a straight line between two factors: a warm-up, for example.

    ``lr = base * (start_factor + (end_factor - start_factor) * min(epoch / total_iters, 1))``.

    Examples
    --------
    >>> import lepton
    >>> from lepton import nn, optim
    >>> optimizer = optim.SGD([nn.Parameter(lepton.zeros((1,)))], lr=1.0)
    >>> schedule = optim.lr_scheduler.LinearLR(optimizer, start_factor=0.5, total_iters=4)
    >>> schedule.get_last_lr()
    [0.5]
    """

    def __init__(
        self,
        optimizer: Optimizer,
        start_factor: float = 1.0 / 3,
        end_factor: float = 1.0,
        total_iters: int = 5,
        last_epoch: int = -1,
    ) -> None:
        self.start_factor = check_number(
            "LinearLR", "start_factor", start_factor, 0, 1, open_minimum=True
        )
        self.end_factor = check_number("LinearLR", "end_factor", end_factor, 0, 1)
        self.total_iters = check_int("LinearLR", "total_iters", total_iters, 1)
        super().__init__(optimizer, last_epoch)

    def factor(self, epoch: int) -> float:
        done = min(epoch, self.total_iters) / self.total_iters
        return self.start_factor + (self.end_factor - self.start_factor) * done


class LambdaLR(LRScheduler):
    """Take the rate from a function: ``lr = base * lr_lambda(epoch)``.

    Parameters
    ----------
    optimizer : Optimizer
        Its groups' ``"lr"`` are set.
    lr_lambda : callable or list of callables
        From epoch to factor; a list holds one for each group. Functions are not part of
        ``state_dict``.
    last_epoch : int
        Steps done before; -1 starts anew.

    Examples
    --------
    >>> import lepton
    >>> from lepton import nn, optim
    >>> optimizer = optim.SGD([nn.Parameter(lepton.zeros((1,)))], lr=1.0)
    >>> schedule = optim.lr_scheduler.LambdaLR(optimizer, lambda epoch: 1 / (1 + epoch))
    >>> schedule.step()
    >>> schedule.get_last_lr()
    [0.5]
    """

    not_saved = LRScheduler.not_saved | {"lr_lambdas"}

    def __init__(
        self,
        optimizer: Optimizer,
        lr_lambda: Callable[[int], float] | Sequence[Callable[[int], float]],
        last_epoch: int = -1,
    ) -> None:
        groups = optimizer.param_groups if isinstance(optimizer, Optimizer) else []
        functions = lr_lambda if isinstance(lr_lambda, Sequence) else [lr_lambda] * len(groups)
        if len(functions) != len(groups):
            raise ValueError(
                f"LambdaLR: lr_lambda expects {len(groups)} functions, one for each group, "
                f"got {len(functions)}"
            )
        for function in functions:
            if not callable(function):
                raise TypeError(
                    f"LambdaLR: lr_lambda expects a function, got {type(function).__name__}"
                )
        self.lr_lambdas = list(functions)
        super().__init__(optimizer, last_epoch)

    def factor(self, epoch: int) -> float:
        return self.lr_lambdas[0](epoch)

    def get_lr(self) -> list[float]:
        return self._closed_form()

    def _closed_form(self) -> list[float]:
        return [
            base * check_number("LambdaLR", "lr_lambda's result", function(self.last_epoch))
            for base, function in zip(self.base_lrs, self.lr_lambdas, strict=True)
        ]
