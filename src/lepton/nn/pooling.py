# SPDX-License-Identifier: Apache-2.0
"""Pooling layers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lepton._check import check_bool, check_int, check_pair
from lepton.array import Tensor
from lepton.nn import functional
from lepton.nn.module import Module

__all__ = ["AdaptiveAvgPool2d", "AdaptiveMaxPool2d", "AvgPool2d", "MaxPool2d"]

Size = int | tuple[int, int]


class _Pool2d(Module):
    """A window that slides over height and width."""

    def __init__(self, kernel_size: Size, stride: Size | None, padding: Size, ceil_mode: bool):
        super().__init__()
        owner = type(self).__name__
        window = check_pair(owner, "kernel_size", kernel_size, 1)
        stride = kernel_size if stride is None else stride
        check_pair(owner, "stride", stride, 1)
        border = check_pair(owner, "padding", padding, 0)
        if any(2 * outside > inside for outside, inside in zip(border, window, strict=True)):
            raise ValueError(
                f"{owner}: padding expects at most half of kernel_size, "
                f"got padding={padding}, kernel_size={kernel_size}"
            )
        self.kernel_size = kernel_size
        self.stride = stride
        self.padding = padding
        self.ceil_mode = check_bool(owner, "ceil_mode", ceil_mode)


class MaxPool2d(_Pool2d):
    """Largest value of each window: ``y[n, c, i, j] = max of x[n, c] over window (i, j)``.

    Parameters
    ----------
    kernel_size : int or (height, width)
        Size of the window.
    stride : int or (height, width), optional
        Step between windows; `kernel_size` if not given.
    padding : int or (height, width)
        Border of minus infinity on both sides; at most half of the window.
    dilation : int or (height, width)
        Step between the points of a window.
    return_indices : False
        Indices of the maxima are not returned.
    ceil_mode : bool
        Whether a window that starts inside and ends outside counts.

    Shapes: x ``(N, C, H, W)``, result ``(N, C, H', W')`` with
    ``H' = (H + 2 * padding - dilation * (kernel_size - 1) - 1) // stride + 1``.

    Examples
    --------
    >>> import lepton
    >>> from lepton import nn
    >>> nn.MaxPool2d(2)(lepton.randn(1, 3, 8, 8)).shape
    (1, 3, 4, 4)
    """

    def __init__(
        self,
        kernel_size: Size,
        stride: Size | None = None,
        padding: Size = 0,
        dilation: Size = 1,
        return_indices: bool = False,
        ceil_mode: bool = False,
    ) -> None:
        super().__init__(kernel_size, stride, padding, ceil_mode)
        check_pair("MaxPool2d", "dilation", dilation, 1)
        _refuse_indices("MaxPool2d", return_indices)
        self.dilation = dilation

    def forward(self, input: Tensor) -> Tensor:
        """Pool `input`."""
        return functional.max_pool2d(
            input, self.kernel_size, self.stride, self.padding, self.dilation, self.ceil_mode
        )

    def extra_repr(self) -> str:
        return (
            f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}, "
            f"dilation={self.dilation}, ceil_mode={self.ceil_mode}"
        )


class AvgPool2d(_Pool2d):
    """Mean of each window: ``y[n, c, i, j] = mean of x[n, c] over window (i, j)``.

    Parameters
    ----------
    kernel_size : int or (height, width)
        Size of the window.
    stride : int or (height, width), optional
        Step between windows; `kernel_size` if not given.
    padding : int or (height, width)
        Border of zeros on both sides; at most half of the window.
    ceil_mode : bool
        Whether a window that starts inside and ends outside counts.
    count_include_pad : bool
        Whether the border counts in the divisor.
    divisor_override : int, optional
        Divisor used in place of the window's size.

    Shapes: x ``(N, C, H, W)``, result ``(N, C, H', W')`` with
    ``H' = (H + 2 * padding - kernel_size) // stride + 1``.

    Examples
    --------
    >>> import lepton
    >>> from lepton import nn
    >>> nn.AvgPool2d(3, stride=2, padding=1)(lepton.randn(1, 3, 8, 8)).shape
    (1, 3, 4, 4)
    """

    def __init__(
        self,
        kernel_size: Size,
        stride: Size | None = None,
        padding: Size = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        divisor_override: int | None = None,
    ) -> None:
        super().__init__(kernel_size, stride, padding, ceil_mode)
        self.count_include_pad = check_bool("AvgPool2d", "count_include_pad", count_include_pad)
        if divisor_override is not None:
            divisor_override = check_int("AvgPool2d", "divisor_override", divisor_override, 1)
        self.divisor_override = divisor_override

    def forward(self, input: Tensor) -> Tensor:
        """Pool `input`."""
        return functional.avg_pool2d(
            input,
            self.kernel_size,
            self.stride,
            self.padding,
            self.ceil_mode,
            self.count_include_pad,
            self.divisor_override,
        )

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class _AdaptivePool2d(Module):
    """Windows chosen so that the output gets a given size."""

    def __init__(self, output_size: Any) -> None:
        super().__init__()
        sizes = output_size if isinstance(output_size, Sequence) else (output_size, output_size)
        if len(sizes) != 2:
            raise ValueError(
                f"{type(self).__name__}: output_size expects 1 or 2 integers, got {len(sizes)}"
            )
        for size in sizes:
            if size is not None:
                check_int(type(self).__name__, "output_size", size, 1)
        self.output_size = output_size

    def extra_repr(self) -> str:
        return f"output_size={self.output_size}"


class AdaptiveAvgPool2d(_AdaptivePool2d):
    """Mean over windows that cut height and width into `output_size` parts.

    Part i of an axis of size s is ``x[i * s // parts : ceil((i + 1) * s / parts)]``.

    Parameters
    ----------
    output_size : int, None, or (height, width) of these
        The output's size; None keeps the input's size. 1 is global pooling.

    Shapes: x ``(N, C, H, W)``, result ``(N, C, *output_size)``.

    Examples
    --------
    >>> import lepton
    >>> from lepton import nn
    >>> nn.AdaptiveAvgPool2d((2, None))(lepton.randn(1, 3, 7, 5)).shape
    (1, 3, 2, 5)
    """

    def forward(self, input: Tensor) -> Tensor:
        """Pool `input`."""
        return functional.adaptive_avg_pool2d(input, self.output_size)


class AdaptiveMaxPool2d(_AdaptivePool2d):
    """Largest value of the windows that cut height and width into `output_size` parts.

    Part i of an axis of size s is ``x[i * s // parts : ceil((i + 1) * s / parts)]``.

    Parameters
    ----------
    output_size : int, None, or (height, width) of these
        The output's size; None keeps the input's size. 1 is global pooling.
    return_indices : False
        Indices of the maxima are not returned.

    Shapes: x ``(N, C, H, W)``, result ``(N, C, *output_size)``.

    Examples
    --------
    >>> import lepton
    >>> from lepton import nn
    >>> nn.AdaptiveMaxPool2d(2)(lepton.randn(1, 3, 7, 5)).shape
    (1, 3, 2, 2)
    """

    def __init__(self, output_size: Any, return_indices: bool = False) -> None:
        super().__init__(output_size)
        _refuse_indices("AdaptiveMaxPool2d", return_indices)

    def forward(self, input: Tensor) -> Tensor:
        """Pool `input`."""
        return functional.adaptive_max_pool2d(input, self.output_size)


def _refuse_indices(owner: str, return_indices: bool) -> None:
    if return_indices:
        raise ValueError(f"{owner}: return_indices expects False, got {return_indices!r}")
