# SPDX-License-Identifier: Apache-2.0
"""Convolution layers and their transposes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from lepton._check import check_bool, check_choice, check_int, check_pair
from lepton.array import Tensor, empty
from lepton.nn import functional, init
from lepton.nn.module import Module
from lepton.nn.parameter import Parameter

__all__ = ["Conv2d", "ConvTranspose2d"]


class _Convolution(Module):
    """What both ways share: checked arguments, a kernel and its first values."""

    padding: str | tuple[int, int]

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | tuple[int, int],
        stride: int | tuple[int, int],
        dilation: int | tuple[int, int],
        groups: int,
        padding_mode: str,
    ) -> None:
        super().__init__()
        owner = type(self).__name__
        self.in_channels = check_int(owner, "in_channels", in_channels, 1)
        self.out_channels = check_int(owner, "out_channels", out_channels, 1)
        self.kernel_size = check_pair(owner, "kernel_size", kernel_size, 1)
        self.stride = check_pair(owner, "stride", stride, 1)
        self.dilation = check_pair(owner, "dilation", dilation, 1)
        self.groups = check_int(owner, "groups", groups, 1)
        self.padding_mode = check_choice(owner, "padding_mode", padding_mode, ["zeros"])
        if in_channels % groups or out_channels % groups:
            raise ValueError(
                f"{owner}: groups must divide in_channels and out_channels, got "
                f"groups={groups}, in_channels={in_channels}, out_channels={out_channels}"
            )

    def _create_parameters(self, first: int, second: int, bias: bool, dtype: Any) -> None:
        """Create weight ``(first, second // groups, *kernel_size)`` and bias, and draw them."""
        shape = (first, second // self.groups, *self.kernel_size)
        self.weight = Parameter(empty(shape, dtype=dtype))
        self.bias: Parameter | None = None
        if check_bool(type(self).__name__, "bias", bias):
            self.bias = Parameter(empty((self.out_channels,), dtype=dtype))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw weight and bias anew, uniform within 1 / sqrt(size of weight[0])."""
        init.kaiming_uniform_(self.weight, a=math.sqrt(5))
        if self.bias is not None:
            bound = 1 / math.sqrt(math.prod(self.weight.shape[1:]))
            init.uniform_(self.bias, -bound, bound)

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


class Conv2d(_Convolution):
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
        super().__init__(
            in_channels, out_channels, kernel_size, stride, dilation, groups, padding_mode
        )
        self.padding = self._check_padding(padding)
        self._create_parameters(self.out_channels, self.in_channels, bias, dtype)

    def _check_padding(self, padding: Any) -> str | tuple[int, int]:
        if not isinstance(padding, str):
            return check_pair("Conv2d", "padding", padding, 0)
        check_choice("Conv2d", "padding", padding, ["valid", "same"])
        if padding == "same" and self.stride != (1, 1):
            raise ValueError(f"Conv2d: padding='same' expects stride 1, got stride={self.stride}")
        return padding

    def forward(self, input: Tensor) -> Tensor:
        """Convolve `input`."""
        return functional.conv2d(
            input, self.weight, self.bias, self.stride, self.padding, self.dilation, self.groups
        )


class ConvTranspose2d(_Convolution):
    """Transposed two-dimensional convolution: upsampling with learned kernels.

    The map of `Conv2d`'s gradient with respect to its input: every pixel of the input adds its
    multiple of the kernel to the output (Zeiler et al. 2010, "Deconvolutional Networks"). A spatial
    size ``s`` becomes ``(s - 1) * stride - 2 * padding + dilation * (kernel_size - 1) +
    output_padding + 1``.

    Parameters
    ----------
    in_channels, out_channels : int
        Channels of the input and of the output; multiples of `groups`.
    kernel_size, stride, dilation : int or (height, width)
        Size of the kernel, step between the pixels' places in the output, step between the
        kernel's points.
    padding : int or (height, width)
        What is cut off on both sides of the output.
    output_padding : int or (height, width)
        Lines added after the output; less than the stride or the dilation. A `Conv2d` of stride
        above 1 takes several sizes to one; this says which of them comes back.
    groups : int
        Blocks of channels that are convolved separately.
    bias : bool
        Whether a bias is added.
    padding_mode : 'zeros'
        As in `Conv2d`.
    dtype : dtype, optional
        Of the parameters; float32 if not given.

    Shapes: x ``(N, in_channels, H, W)`` or ``(in_channels, H, W)``, result
    ``(N, out_channels, H', W')``, ``weight`` ``(in_channels, out_channels // groups,
    *kernel_size)``, ``bias`` ``(out_channels,)``.

    Examples
    --------
    >>> import lepton
    >>> from lepton import nn
    >>> layer = nn.ConvTranspose2d(8, 3, kernel_size=3, stride=2, padding=1)
    >>> layer(lepton.randn(2, 8, 4, 4)).shape
    (2, 3, 7, 7)
    >>> layer(lepton.randn(2, 8, 4, 4), (8, 8)).shape
    (2, 3, 8, 8)
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | tuple[int, int],
        stride: int | tuple[int, int] = 1,
        padding: int | tuple[int, int] = 0,
        output_padding: int | tuple[int, int] = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: int | tuple[int, int] = 1,
        padding_mode: str = "zeros",
        *,
        dtype: Any = None,
    ) -> None:
        super().__init__(
            in_channels, out_channels, kernel_size, stride, dilation, groups, padding_mode
        )
        self.padding: tuple[int, int] = check_pair("ConvTranspose2d", "padding", padding, 0)
        self.output_padding = check_pair("ConvTranspose2d", "output_padding", output_padding, 0)
        for extra, step, spread in zip(
            self.output_padding, self.stride, self.dilation, strict=True
        ):
            if extra >= max(step, spread):
                raise ValueError(
                    "ConvTranspose2d: output_padding expects less than the stride or the dilation, "
                    f"got output_padding={self.output_padding}, stride={self.stride}, "
                    f"dilation={self.dilation}"
                )
        self._create_parameters(self.in_channels, self.out_channels, bias, dtype)

    def forward(self, input: Tensor, output_size: Sequence[int] | None = None) -> Tensor:
        """Convolve `input`; `output_size`, (height, width) or more, replaces `output_padding`."""
        extra = self.output_padding if output_size is None else self._extra(input, output_size)
        return functional.conv_transpose2d(
            input,
            self.weight,
            self.bias,
            self.stride,
            self.padding,
            extra,
            self.groups,
            self.dilation,
        )

    def _extra(self, input: Tensor, output_size: Sequence[int]) -> tuple[int, int]:
        """Return the output_padding that makes the result as large as asked."""
        if len(output_size) not in (2, input.ndim):
            raise ValueError(
                f"ConvTranspose2d: output_size expects 2 or {input.ndim} lengths, "
                f"got {len(output_size)}"
            )
        wanted = check_pair("ConvTranspose2d", "output_size", list(output_size)[-2:], 0)
        least = [
            (length - 1) * self.stride[i]
            - 2 * self.padding[i]
            + self.dilation[i] * (self.kernel_size[i] - 1)
            + 1
            for i, length in enumerate(input.shape[-2:])
        ]
        most = [low + step - 1 for low, step in zip(least, self.stride, strict=True)]
        if any(not a <= b <= c for a, b, c in zip(least, wanted, most, strict=True)):
            raise ValueError(
                f"ConvTranspose2d: output_size expects from {tuple(least)} to {tuple(most)} for "
                f"input of {tuple(input.shape[-2:])}, got {wanted}"
            )
        return wanted[0] - least[0], wanted[1] - least[1]

    def extra_repr(self) -> str:
        extra = f", output_padding={self.output_padding}" * (self.output_padding != (0, 0))
        return super().extra_repr() + extra
