# SPDX-License-Identifier: Apache-2.0
"""Dropout layers."""

from __future__ import annotations

from lepton._check import check_bool, check_number
from lepton.array import Tensor
from lepton.nn import functional
from lepton.nn.module import Module

__all__ = ["Dropout"]


class Dropout(Module):
    """Zero each element with probability `p` in training; do nothing in evaluation.

    ``y = x * mask / (1 - p)``, so the mean stays what it was.

    Parameters
    ----------
    p : float
        Probability of a zero, from 0 to 1.
    inplace : bool
        Taken so that code written for PyTorch runs; the input is never overwritten.

    Shapes: x and result have any one shape.

    Examples
    --------
    >>> import lepton
    >>> from lepton import nn
    >>> layer = nn.Dropout(0.5)
    >>> layer(lepton.ones((2, 3))).shape
    (2, 3)
    >>> layer.eval()(lepton.ones((3,))).tolist()
    [1.0, 1.0, 1.0]
    """

    def __init__(self, p: float = 0.5, inplace: bool = False) -> None:
        super().__init__()
        self.p = check_number("Dropout", "p", p, 0, 1)
        self.inplace = check_bool("Dropout", "inplace", inplace)

    def forward(self, input: Tensor) -> Tensor:
        """Drop elements of `input` in training."""
        return functional.dropout(input, self.p, self.training)

    def extra_repr(self) -> str:
        return f"p={self.p}, inplace={self.inplace}"
