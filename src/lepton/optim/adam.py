# SPDX-License-Identifier: Apache-2.0
"""Adam and AdamW."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, ClassVar

from lepton import _core
from lepton._check import check_bool, check_choice, check_number
from lepton.array import SparseRows, Tensor, zeros_like
from lepton.optim.optimizer import Group, Optimizer, State

__all__ = ["Adam", "AdamW"]


class Adam(Optimizer):
    """Steps scaled by running means of the gradient and of its square.

    ``g = grad + weight_decay * p``, ``m = beta1 * m + (1 - beta1) * g``,
    ``v = beta2 * v + (1 - beta2) * g**2``, then at step t
    ``p = p - lr * (m / (1 - beta1**t)) / (sqrt(v / (1 - beta2**t)) + eps)``.

    An embedding with ``sparse=True`` gives `lepton.SparseRows` as its gradient. With
    ``sparse="lazy"`` the formula above is then applied to these rows of p, m and v alone, and a
    step costs as much as they do. In the other rows m and v do not decay, p does not move on by
    what is left of m, and weight decay does nothing, until the next gradient: that is not what
    Adam does when it sees zeros there. t counts all steps. Without the option the rows are spread
    out first, and the result is that of Adam, at its cost.

    Parameters
    ----------
    params : iterable of Tensor, or of dict
        Parameters or groups of them.
    lr : float
        Learning rate.
    betas : (float, float)
        Decay of the two running means, each from 0 to below 1.
    eps : float
        Added to the divisor.
    weight_decay : float
        L2 penalty.
    amsgrad : False
        The AMSGrad variant is not computed.
    maximize : bool
        Whether to go up instead of down.
    sparse : 'lazy', optional
        Change only the rows that a gradient has where it is `lepton.SparseRows`.

    Notes
    -----
    Kingma and Ba, "Adam: a method for stochastic optimization", 2015. The lazy step is that of
    PyTorch's SparseAdam but for eps, which that adds to ``sqrt(v)`` before the correction.

    Examples
    --------
    >>> import lepton
    >>> from lepton import nn, optim
    >>> w = nn.Parameter(lepton.tensor([2.0]))
    >>> optimizer = optim.Adam([w], lr=0.5)
    >>> lepton.sum(w * w).backward()
    >>> optimizer.step()
    >>> round(w.item(), 4)
    1.5
    """

    state_names = ("step", "exp_avg", "exp_avg_sq")
    decoupled: ClassVar[bool] = False

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
        sparse: str | None = None,
    ) -> None:
        defaults = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "amsgrad": amsgrad,
            "maximize": maximize,
            "sparse": sparse,
        }
        super().__init__(params, defaults)

    def check_group(self, group: Group) -> None:
        owner = type(self).__name__
        for name in ("lr", "eps", "weight_decay"):
            group[name] = check_number(owner, name, group[name], 0)
        betas = group["betas"]
        if not isinstance(betas, Sequence) or len(betas) != 2:
            raise ValueError(f"{owner}: betas expects two numbers, got {betas!r}")
        group["betas"] = tuple(
            check_number(owner, "betas", beta, 0, 1, open_maximum=True) for beta in betas
        )
        group["maximize"] = check_bool(owner, "maximize", group["maximize"])
        if group["sparse"] is not None:
            check_choice(owner, "sparse", group["sparse"], ["lazy"])
        if group["amsgrad"] is not False:
            raise ValueError(f"{owner}: amsgrad expects False, got {group['amsgrad']!r}")

    def init_state(self, param: Tensor) -> State:
        return {"step": 0, "exp_avg": zeros_like(param), "exp_avg_sq": zeros_like(param)}

    def takes_rows(self, group: Group) -> bool:
        return bool(group["sparse"] == "lazy")

    def update(
        self,
        params: list[Tensor],
        grads: list[Tensor | SparseRows],
        states: list[State],
        group: Group,
    ) -> None:
        by_step: dict[int, list[int]] = {}  # one entry unless gradients were missing before
        for position, state in enumerate(states):
            by_step.setdefault(state["step"] + 1, []).append(position)
        for step, chosen in by_step.items():
            _core.adam_step(
                [params[i] for i in chosen],
                [grads[i] for i in chosen],
                [states[i]["exp_avg"] for i in chosen],
                [states[i]["exp_avg_sq"] for i in chosen],
                step,
                group["lr"],
                *group["betas"],
                group["eps"],
                group["weight_decay"],
                self.decoupled,
            )
            for i in chosen:
                states[i]["step"] = step


class AdamW(Adam):
    """Adam with decoupled weight decay: ``p = p * (1 - lr * weight_decay)`` before each step.

    Parameters
    ----------
    params, lr, betas, eps, amsgrad, maximize, sparse
        As in `Adam`; the lazy step decays only the rows that the gradient has.
    weight_decay : float
        Share of the parameter that is taken off per unit of learning rate.

    Examples
    --------
    >>> import lepton
    >>> from lepton import nn, optim
    >>> w = nn.Parameter(lepton.tensor([2.0]))
    >>> optimizer = optim.AdamW([w], lr=0.5, weight_decay=0.5)
    >>> lepton.sum(w * w).backward()
    >>> optimizer.step()
    >>> round(w.item(), 4)
    1.0
    """

    decoupled = True

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
        sparse: str | None = None,
    ) -> None:
        super().__init__(
            params, lr, betas, eps, weight_decay, amsgrad, maximize=maximize, sparse=sparse
        )
