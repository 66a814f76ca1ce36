# SPDX-License-Identifier: Apache-2.0
"""Fully connected layers."""

from __future__ import annotations

import math
from typing import Any

from lepton._check import check_bool, check_int
from lepton.array import Tensor, empty
from lepton.nn import functional, init
from lepton.nn.module import Module
from lepton.nn.parameter import Parameter

__all__ = ["Identity", "Linear"]


class Identity(Module):
    """Return the input. All arguments are ignored.

    Examples
    --------
    >>> import lepton
    >>> from lepton import nn
    >>> nn.Identity()(lepton.ones((2, 3))).shape
    (2, 3)
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__()

    def forward(self, input: Any) -> Any:
        """Return `input`."""
        return input


class Linear(Module):
    """Affine map of the last axis: ``y = x @ weight.T + bias``.

    Parameters
    ----------
    in_features, out_features : int
        Sizes of the last axis of the input and of the output.
    bias : bool
        Whether a bias is added.
    dtype : dtype, optional
        Of the parameters; float32 if not given.

    Shapes: x ``(..., in_features)``, result ``(..., out_features)``,
    ``weight`` ``(out_features, in_features)``, ``bias`` ``(out_features,)``.

    Examples
    --------
    >>> import lepton
    >>> from lepton import nn
    >>> layer = nn.Linear(4, 2)
    >>> layer(lepton.randn(3, 4)).shape
    (3, 2)
    """

    def __init__(
        self, in_features: int, out_features: int, bias: bool = True, *, dtype: Any = None
    ) -> None:
        super().__init__()
        self.in_features = check_int("Linear", "in_features", in_features, 1)
        self.out_features = check_int("Linear", "out_features", out_features, 1)
        self.weight = Parameter(empty((self.out_features, self.in_features), dtype=dtype))
        self.bias: Parameter | None = None
        if check_bool("Linear", "bias", bias):
            self.bias = Parameter(empty((self.out_features,), dtype=dtype))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw weight and bias anew, uniform within 1 / sqrt(in_features)."""
        init.kaiming_uniform_(self.weight, a=math.sqrt(5))
        if self.bias is not None:
            bound = 1 / math.sqrt(self.in_features)
            init.uniform_(self.bias, -bound, bound)

    def forward(self, input: Tensor) -> Tensor:
        """Map the last axis of `input`."""
        return functional.linear(input, self.weight, self.bias)

    def extra_repr(self) -> str:
        return (
            f"in_features={self.in_features}, out_features={self.out_features}, "
            f"bias={self.bias is not None}"
        )
