# SPDX-License-Identifier: Apache-2.0
"""The network of `MLPClassifier` and `MLPRegressor`, and their losses."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import lepton
from lepton import nn
from lepton._check import check_int
from lepton.array import Tensor
from lepton.nn import init

__all__: list[str] = []

ACTIVATIONS: dict[str, type[nn.Module]] = {
    "identity": nn.Identity,
    "logistic": nn.Sigmoid,
    "tanh": nn.Tanh,
    "relu": nn.ReLU,
    "leaky_relu": nn.LeakyReLU,
    "elu": nn.ELU,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
}


def check_sizes(owner: str, given: Any) -> list[int]:
    """Return the widths of hidden layers: one integer or some, each at least 1."""
    sizes = given if hasattr(given, "__iter__") else [given]
    return [check_int(owner, "hidden_layer_sizes", size, 1) for size in sizes]


def perceptron(
    sizes: Sequence[int], activation: str, dropout: float = 0.0, batch_norm: bool = False
) -> nn.Sequential:
    """Return a multi-layer perceptron: linear, batch norm, activation and dropout per hidden layer.

    Parameters
    ----------
    sizes : sequence of int
        Widths of all layers, from the features to the outputs.
    activation : str
        One of `ACTIVATIONS`.
    dropout : float
        Share of hidden values that are zeroed in training.
    batch_norm : bool
        Normalise before each activation.
    """
    *before, outputs = sizes
    layers: list[nn.Module] = []
    for inputs, width in pairwise(before):
        layers.append(_linear(inputs, width, activation))
        if batch_norm:
            layers.append(nn.BatchNorm1d(width))
        layers.append(ACTIVATIONS[activation]())
        if dropout:
            layers.append(nn.Dropout(dropout))
    return nn.Sequential(*layers, _linear(before[-1], outputs, activation))


def _linear(inputs: int, outputs: int, activation: str) -> nn.Linear:
    """A layer with the first weights that scikit-learn draws, after Glorot and Bengio (2010)."""
    layer = nn.Linear(inputs, outputs)
    bound = math.sqrt((2 if activation == "logistic" else 6) / (inputs + outputs))
    init.uniform_(layer.weight, -bound, bound)
    if layer.bias is not None:
        init.uniform_(layer.bias, -bound, bound)
    return layer


class HalfSquaredError(nn.MSELoss):
    """``1/2 sum_k (z_k - y_k)**2``, the mean over samples."""

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """Return the loss of outputs [n, targets]."""
        return super().forward(input, target) * (target.shape[-1] / 2)


class PoissonError(nn.Module):
    """``sum_k y_k log(y_k / p_k) - y_k + p_k`` with ``p = exp(z)``, the mean over samples."""

    def __init__(self) -> None:
        super().__init__()
        self.reduction = "mean"

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """Return the loss of the logarithms of means [n, targets]."""
        log = lepton.log(lepton.where(target > 0, target, lepton.ones_like(target)))
        losses = target * (log - input) - target + lepton.exp(input)
        losses = lepton.sum(losses, axis=1)
        return losses if self.reduction == "none" else lepton.mean(losses)


LOSSES: dict[str, type[nn.Module]] = {
    "squared_error": HalfSquaredError,
    "poisson": PoissonError,
}
