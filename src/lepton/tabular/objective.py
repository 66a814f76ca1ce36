# SPDX-License-Identifier: Apache-2.0
"""What a step makes smaller: the weighted loss of a batch and the L2 penalty."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from typing import Any

import lepton
from lepton import _core, optim
from lepton.array import Tensor
from lepton.data import ArrayDataset, Dataset
from lepton.data.indices import Indices

__all__: list[str] = []

Align = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]


class Weighted(Dataset):
    """Samples whose target carries its weight: ``(*inputs, (target, weight))``.

    Parameters
    ----------
    *arrays
        Inputs, targets and weights, all of one length; nothing is copied.
    """

    def __init__(self, *arrays: Any) -> None:
        self.data = ArrayDataset(*arrays)

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, index: int) -> Any:
        return _joined(self.data[index])

    def batch(self, indices: Indices) -> Any:
        """Return the samples at `indices`: one gather for each array."""
        return _joined(self.data.batch(indices))


def _joined(entries: tuple[Any, ...]) -> tuple[Any, ...]:
    *inputs, target, weight = entries
    return (*inputs, (target, weight))


class Penalty:
    """``alpha / (2 w) sum(W**2)`` for the weights W and the total weight w of a batch's samples.

    SGD and Adam add their weight decay to the gradient, which is the gradient of this, and cheaper;
    other optimisers get it as part of the loss.

    Parameters
    ----------
    alpha : float
        Strength.
    optimizer : Optimizer
        What is going to step; the parameters of its first group are W.
    """

    def __init__(self, alpha: float, optimizer: optim.Optimizer) -> None:
        group = optimizer.param_groups[0]
        self.alpha, self.weights = alpha, group["params"]
        self.group = group if type(optimizer) in (optim.SGD, optim.Adam) else None
        self.decay = self.group["weight_decay"] if self.group is not None else 0.0

    def add(self, loss: Tensor, weight: float) -> Tensor:
        """Return the loss of a batch of that weight with the penalty on it."""
        factor = self.alpha / weight
        if self.group is None:
            for tensor in self.weights:
                loss = loss + lepton.sum(tensor * tensor) * (factor / 2)
            return loss
        self.group["weight_decay"] = self.decay + factor
        norm = _core.clip_grad_norm(self.weights, math.inf, 1e-6)  # scales nothing
        total: Tensor = loss + norm * norm * (factor / 2)
        return total

    def close(self) -> None:
        """Give the optimiser its own weight decay back."""
        if self.group is not None:
            self.group["weight_decay"] = self.decay


class Objective:
    """The loss that a `Trainer` calls: weighted by sample, with an L2 penalty while training.

    ``sum(w_i l_i) / (n mean(w)) + alpha / (2 n mean(w)) sum(W**2)`` over the n samples of a batch
    and the penalised weights W; ``mean(w)`` is that of all samples, so that the gradient of a batch
    is an unbiased estimate of the whole one and a batch of zero weights does nothing. In evaluation
    the penalty is left out.

    Parameters
    ----------
    owner : str
        What errors call the estimator.
    loss : callable
        A loss of `lepton.nn`, or a function of output and target that gives one value, or, where
        there are weights, one for each sample.
    align : callable
        Brings an output and its target into the forms that `loss` takes.
    penalty : Penalty, optional
        What is added to the loss of a step.
    mean_weight : float
        Mean weight of all samples.
    """

    def __init__(
        self,
        owner: str,
        loss: Callable[[Any, Any], Tensor],
        align: Align,
        penalty: Penalty | None = None,
        mean_weight: float = 1.0,
    ) -> None:
        self.owner, self.loss, self.align = owner, loss, align
        self.reduction = "sum" if getattr(loss, "reduction", None) == "sum" else "mean"
        self.each = loss
        if hasattr(loss, "reduction"):
            self.each = copy.copy(loss)
            self.each.reduction = "none"
        self.penalty, self.mean_weight = penalty, mean_weight
        self.first: float | None = None  # the objective of the first batch that counts

    def __call__(self, output: Tensor, target: Any) -> Tensor:
        """Return the objective of a batch; `target` is the target or (target, weight)."""
        target, weight = target if isinstance(target, tuple) else (target, None)
        output, target = self.align(output, target)
        if weight is None:
            value = self._reduced(self.loss(output, target))
        else:
            value = self._weighted(self.each(output, target), weight)
        training = lepton.is_grad_enabled()
        if self.penalty is not None and training:
            value = self.penalty.add(value, output.shape[0] * self.mean_weight)
        if self.first is None and training and (weight is None or weight.numpy().any()):
            self.first = float(value.item())
        return value

    def _weighted(self, losses: Tensor, weight: Tensor) -> Tensor:
        if losses.ndim == 0:
            raise ValueError(
                f"{self.owner}: with weights of samples or classes loss expects a loss of "
                "lepton.nn or a function that gives one value for each sample, got one number"
            )
        weight = weight.reshape(-1, *[1] * (losses.ndim - 1)) * (1 / self.mean_weight)
        return self._reduced(losses * weight)

    def _reduced(self, losses: Tensor) -> Tensor:
        if losses.ndim == 0:
            return losses
        return lepton.sum(losses) if self.reduction == "sum" else lepton.mean(losses)
