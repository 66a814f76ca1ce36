# SPDX-License-Identifier: Apache-2.0
"""Activation layers."""

from __future__ import annotations

from typing import Any

from lepton._check import check_bool, check_choice, check_int, check_number
from lepton.array import Tensor
from lepton.nn import functional
from lepton.nn.module import Module

__all__ = [
    "ELU",
    "GELU",
    "LeakyReLU",
    "LogSoftmax",
    "ReLU",
    "SiLU",
    "Sigmoid",
    "Softmax",
    "Softplus",
    "Tanh",
]


class _InPlace(Module):
    """An activation that PyTorch can also compute in place.

    `inplace` is taken so that code written for PyTorch runs; the input is never overwritten.
    """

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        self.inplace = check_bool(type(self).__name__, "inplace", inplace)

    def extra_repr(self) -> str:
        return "inplace=True" if self.inplace else ""

    def _with_inplace(self, text: str) -> str:
        return f"{text}, inplace=True" if self.inplace else text


class ReLU(_InPlace):
    """``y = max(x, 0)``.

    Parameters
    ----------
    inplace : bool
        Taken so that code written for PyTorch runs; the input is never overwritten.

    Examples
    --------
    >>> import lepton
    >>> from lepton import nn
    >>> nn.ReLU()(lepton.tensor([-1.0, 0.0, 2.0])).tolist()
    [0.0, 0.0, 2.0]
    """

    def forward(self, input: Tensor) -> Tensor:
        """Apply to each element of `input`."""
        return functional.relu(input)


class LeakyReLU(_InPlace):
    """``y = x if x > 0 else negative_slope * x``.

    Parameters
    ----------
    negative_slope : float
        Slope left of zero.
    inplace : bool
        Taken so that code written for PyTorch runs; the input is never overwritten.

    Examples
    --------
    >>> import lepton
    >>> from lepton import nn
    >>> nn.LeakyReLU(0.5)(lepton.tensor([-1.0, 0.0, 2.0])).tolist()
    [-0.5, 0.0, 2.0]
    """

    def __init__(self, negative_slope: float = 0.01, inplace: bool = False) -> None:
        super().__init__(inplace)
        self.negative_slope = check_number("LeakyReLU", "negative_slope", negative_slope)

    def forward(self, input: Tensor) -> Tensor:
        """Apply to each element of `input`."""
        return functional.leaky_relu(input, self.negative_slope)

    def extra_repr(self) -> str:
        return self._with_inplace(f"negative_slope={self.negative_slope}")


class ELU(_InPlace):
    """``y = x if x > 0 else alpha * (exp(x) - 1)``.

    Parameters
    ----------
    alpha : float
        Minus the limit far left of zero.
    inplace : bool
        Taken so that code written for PyTorch runs; the input is never overwritten.

    Examples
    --------
    >>> import lepton
    >>> from lepton import nn
    >>> nn.ELU()(lepton.tensor([0.0, 2.0])).tolist()
    [0.0, 2.0]
    """

    def __init__(self, alpha: float = 1.0, inplace: bool = False) -> None:
        super().__init__(inplace)
        self.alpha = check_number("ELU", "alpha", alpha)

    def forward(self, input: Tensor) -> Tensor:
        """Apply to each element of `input`."""
        return functional.elu(input, self.alpha)

    def extra_repr(self) -> str:
        return self._with_inplace(f"alpha={self.alpha}")


class SiLU(_InPlace):
    """``y = x * sigmoid(x)``, also called swish.

    Parameters
    ----------
    inplace : bool
        Taken so that code written for PyTorch runs; the input is never overwritten.

    Examples
    --------
    >>> import lepton
    >>> from lepton import nn
    >>> nn.SiLU()(lepton.zeros((2,))).tolist()
    [0.0, 0.0]
    """

    def forward(self, input: Tensor) -> Tensor:
        """Apply to each element of `input`."""
        return functional.silu(input)


class GELU(Module):
    """``y = x * Phi(x)``, Phi being the normal distribution function.

    Parameters
    ----------
    approximate : 'none' or 'tanh'
        'tanh' computes ``x / 2 * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 * x**3)))``.

    Examples
    --------
    >>> import lepton
    >>> from lepton import nn
    >>> nn.GELU()(lepton.zeros((2,))).tolist()
    [0.0, 0.0]
    """

    def __init__(self, approximate: str = "none") -> None:
        super().__init__()
        self.approximate = check_choice("GELU", "approximate", approximate, ["none", "tanh"])

    def forward(self, input: Tensor) -> Tensor:
        """Apply to each element of `input`."""
        return functional.gelu(input, approximate=self.approximate)

    def extra_repr(self) -> str:
        return f"approximate={self.approximate!r}"


class Softplus(Module):
    """``y = log(1 + exp(beta * x)) / beta``, and x itself where ``beta * x > threshold``.

    Parameters
    ----------
    beta : float
        Sharpness of the bend; positive.
    threshold : float
        Where the straight line begins.

    Examples
    --------
    >>> import lepton
    >>> from lepton import nn
    >>> nn.Softplus()(lepton.tensor([30.0])).tolist()
    [30.0]
    """

    def __init__(self, beta: float = 1.0, threshold: float = 20.0) -> None:
        super().__init__()
        self.beta = check_number("Softplus", "beta", beta, 0, open_minimum=True)
        self.threshold = check_number("Softplus", "threshold", threshold)

    def forward(self, input: Tensor) -> Tensor:
        """Apply to each element of `input`."""
        return functional.softplus(input, self.beta, self.threshold)

    def extra_repr(self) -> str:
        return f"beta={self.beta}, threshold={self.threshold}"


class Sigmoid(Module):
    """``y = 1 / (1 + exp(-x))``.

    Examples
    --------
    >>> import lepton
    >>> from lepton import nn
    >>> nn.Sigmoid()(lepton.zeros((2,))).tolist()
    [0.5, 0.5]
    """

    def forward(self, input: Tensor) -> Tensor:
        """Apply to each element of `input`."""
        return functional.sigmoid(input)


class Tanh(Module):
    """``y = (exp(x) - exp(-x)) / (exp(x) + exp(-x))``.

    Examples
    --------
    >>> import lepton
    >>> from lepton import nn
    >>> nn.Tanh()(lepton.zeros((2,))).tolist()
    [0.0, 0.0]
    """

    def forward(self, input: Tensor) -> Tensor:
        """Apply to each element of `input`."""
        return functional.tanh(input)


class _AlongAxis(Module):
    """An activation along one axis, which PyTorch calls `dim`."""

    def __init__(self, dim: Any = None, *, axis: Any = None) -> None:
        super().__init__()
        owner = type(self).__name__
        if (dim is None) == (axis is None):
            raise TypeError(f"{owner}: expects dim (or axis, its other name), such as {owner}(-1)")
        self.dim = check_int(owner, "dim", axis if dim is None else dim)

    def extra_repr(self) -> str:
        return f"dim={self.dim}"


class Softmax(_AlongAxis):
    """``y = exp(x) / sum(exp(x))`` along one axis.

    Parameters
    ----------
    dim : int
        The axis; `axis` is another name for it.

    Examples
    --------
    >>> import lepton
    >>> from lepton import nn
    >>> nn.Softmax(dim=-1)(lepton.zeros((2, 4))).tolist()[0]
    [0.25, 0.25, 0.25, 0.25]
    """

    def forward(self, input: Tensor) -> Tensor:
        """Apply along the axis of `input`."""
        return functional.softmax(input, self.dim)


class LogSoftmax(_AlongAxis):
    """``y = x - log(sum(exp(x)))`` along one axis.

    Parameters
    ----------
    dim : int
        The axis; `axis` is another name for it.

    Examples
    --------
    >>> import lepton
    >>> from lepton import nn
    >>> nn.LogSoftmax(dim=-1)(lepton.zeros((2, 1))).tolist()
    [[0.0], [0.0]]
    """

    def forward(self, input: Tensor) -> Tensor:
        """Apply along the axis of `input`."""
        return functional.log_softmax(input, self.dim)
