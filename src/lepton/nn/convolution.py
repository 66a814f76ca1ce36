# SPDX-License-Identifier: Apache-2.0
"""Convolution layers."""

from __future__ import annotations

import math
from typing import Any

from lepton._check import check_bool, check_choice, check_int, check_pair
from lepton.array import Tensor, empty
from lepton.nn import functional, init
from lepton.nn.module import Module
from lepton.nn.parameter import Parameter

__all__ = ["Conv2d"]


class Conv2d(Module):
    """Two-dimensional convolution (cross-correlation) with learned kernels.

    ``y[n, o] = bias[o] + sum over c of weight[o, c] * x[n, c]``, summed over the channels c of
    o's group. A spatial size ``s`` becomes
    ``(s + 2 * padding - dilation * (kernel_size - 1) - 1) // stride + 1``.

    Parameters
    ----------
    in_channels, out_channels : int
        Channels of the input and of the output; multiples of `groups`.
    kernel_size, stride, dilation : int or (height, width)
        Size of the kernel, step between outputs, step between the kernel's points.
    padding : int, (height, width), 'valid' or 'same'
        Zeros added on both sides; 'valid' adds none, 'same' keeps the size (stride 1 only).
    groups : int
        Blocks of channels that are convolved separately.
    bias : bool
        Whether a bias is added.
    padding_mode : 'zeros'
        What is added outside of the input.
    dtype : dtype, optional
        Of the parameters; float32 if not given.

    Shapes: x ``(N, in_channels, H, W)``, result ``(N, out_channels, H', W')``, ``weight``
    ``(out_channels, in_channels // groups, *kernel_size)``, ``bias`` ``(out_channels,)``.

    Examples
    --------
    >>> import lepton
    >>> from lepton import nn
    >>> layer = nn.Conv2d(3, 8, kernel_size=3, stride=2, padding=1)
    >>> layer(lepton.randn(2, 3, 8, 8)).shape
    (2, 8, 4, 4)
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | tuple[int, int],
        stride: int | tuple[int, int] = 1,
        padding: str | int | tuple[int, int] = 0,
        dilation: int | tuple[int, int] = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        *,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self.in_channels = check_int("Conv2d", "in_channels", in_channels, 1)
        self.out_channels = check_int("Conv2d", "out_channels", out_channels, 1)
        self.kernel_size = check_pair("Conv2d", "kernel_size", kernel_size, 1)
        self.stride = check_pair("Conv2d", "stride", stride, 1)
        self.dilation = check_pair("Conv2d", "dilation", dilation, 1)
        self.groups = check_int("Conv2d", "groups", groups, 1)
        self.padding_mode = check_choice("Conv2d", "padding_mode", padding_mode, ["zeros"])
        if in_channels % groups or out_channels % groups:
            raise ValueError(
                "Conv2d: groups must divide in_channels and out_channels, got "
                f"groups={groups}, in_channels={in_channels}, out_channels={out_channels}"
            )
        self.padding = self._check_padding(padding)
        self.weight = Parameter(
            empty((out_channels, in_channels // groups, *self.kernel_size), dtype=dtype)
        )
        self.bias: Parameter | None = None
        if check_bool("Conv2d", "bias", bias):
            self.bias = Parameter(empty((out_channels,), dtype=dtype))
        self.reset_parameters()

    def _check_padding(self, padding: Any) -> str | tuple[int, int]:
        if not isinstance(padding, str):
            return check_pair("Conv2d", "padding", padding, 0)
        check_choice("Conv2d", "padding", padding, ["valid", "same"])
        if padding == "same" and self.stride != (1, 1):
            raise ValueError(f"Conv2d: padding='same' expects stride 1, got stride={self.stride}")
        return padding

    def reset_parameters(self) -> None:
        """Draw weight and bias anew, uniform within 1 / sqrt(inputs of one output)."""
        init.kaiming_uniform_(self.weight, a=math.sqrt(5))
        if self.bias is not None:
            bound = 1 / math.sqrt(math.prod(self.weight.shape[1:]))
            init.uniform_(self.bias, -bound, bound)

    def forward(self, input: Tensor) -> Tensor:
        """Convolve `input`."""
        return functional.conv2d(
            input, self.weight, self.bias, self.stride, self.padding, self.dilation, self.groups
        )

    def extra_repr(self) -> str:
        parts = [
            f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}",
            f"stride={self.stride}",
        ]
        parts += [f"padding={self.padding}"] * (self.padding != (0, 0))
        parts += [f"dilation={self.dilation}"] * (self.dilation != (1, 1))
        parts += [f"groups={self.groups}"] * (self.groups != 1)
        parts += ["bias=False"] * (self.bias is None)
        return ", ".join(parts)
