# SPDX-License-Identifier: Apache-2.0
"""Stochastic gradient descent."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from lepton import _core
from lepton._check import check_bool, check_number
from lepton.array import SparseRows, Tensor, zeros_like
from lepton.optim.optimizer import Group, Optimizer, State

__all__ = ["SGD"]


class SGD(Optimizer):
    """Stochastic gradient descent with momentum.

    ``g = grad + weight_decay * p``; with momentum ``v = momentum * v + (1 - dampening) * g``
    (``v = g`` at first) and ``g = g + momentum * v`` under Nesterov, else ``g = v``; then
    ``p = p - lr * g``. Without momentum and weight decay a step on `lepton.SparseRows`, the
    gradient of an embedding with ``sparse=True``, costs as much as its rows, and the result is the
    same.

    Parameters
    ----------
    params : iterable of Tensor, or of dict
        Parameters or groups of them.
    lr : float
        Learning rate.
    momentum, dampening : float
        Share of the old direction kept, and share of the new gradient left out.
    weight_decay : float
        L2 penalty.
    nesterov : bool
        Whether Nesterov's form is used; needs momentum and no dampening.
    maximize : bool
        Whether to go up instead of down.

    Examples
    --------
    >>> import lepton
    >>> from lepton import nn, optim
    >>> w = nn.Parameter(lepton.tensor([2.0]))
    >>> optimizer = optim.SGD([w], lr=0.25)
    >>> lepton.sum(w * w).backward()
    >>> optimizer.step()
    >>> w.tolist()
    [1.0]
    """

    state_names = ("momentum_buffer",)

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        momentum: float = 0,
        dampening: float = 0,
        weight_decay: float = 0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        defaults = {
            "lr": lr,
            "momentum": momentum,
            "dampening": dampening,
            "weight_decay": weight_decay,
            "nesterov": nesterov,
            "maximize": maximize,
        }
        super().__init__(params, defaults)

    def check_group(self, group: Group) -> None:
        for name in ("lr", "momentum", "weight_decay"):
            group[name] = check_number("SGD", name, group[name], 0)
        group["dampening"] = check_number("SGD", "dampening", group["dampening"])
        for name in ("nesterov", "maximize"):
            group[name] = check_bool("SGD", name, group[name])
        if group["nesterov"] and (group["momentum"] == 0 or group["dampening"] != 0):
            raise ValueError(
                "SGD: nesterov expects momentum and no dampening, got "
                f"momentum={group['momentum']}, dampening={group['dampening']}"
            )

    def takes_rows(self, group: Group) -> bool:
        return bool(group["momentum"] == 0 and group["weight_decay"] == 0)

    def update(
        self,
        params: list[Tensor],
        grads: list[Tensor | SparseRows],
        states: list[State],
        group: Group,
    ) -> None:
        if group["momentum"] == 0:
            self._call(params, grads, [], group, 0.0)
            return
        # a buffer starts as the whole gradient: from zeros that is a step without dampening
        fresh = [not state for state in states]
        for param, state in zip(params, states, strict=True):
            if not state:
                state["momentum_buffer"] = zeros_like(param)
        buffers = [state["momentum_buffer"] for state in states]
        if group["dampening"] == 0:
            self._call(params, grads, buffers, group, 0.0)
            return
        for is_first, dampening in ((True, 0.0), (False, group["dampening"])):
            chosen = [i for i, first in enumerate(fresh) if first is is_first]
            if chosen:
                self._call(
                    [params[i] for i in chosen],
                    [grads[i] for i in chosen],
                    [buffers[i] for i in chosen],
                    group,
                    dampening,
                )

    def _call(
        self,
        params: list[Tensor],
        grads: list[Tensor | SparseRows],
        buffers: list[Tensor],
        group: Group,
        dampening: float,
    ) -> None:
        _core.sgd_step(
            params,
            grads,
            buffers,
            group["lr"],
            group["momentum"],
            dampening,
            group["weight_decay"],
            group["nesterov"],
        )
