# SPDX-License-Identifier: Apache-2.0
"""Normalisation layers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, ClassVar

from lepton._check import check_bool, check_int, check_number
from lepton.array import Tensor, int64, ones, zeros
from lepton.nn import functional, init
from lepton.nn.activation import ReLU
from lepton.nn.module import Module
from lepton.nn.parameter import Parameter

__all__ = ["BatchNorm1d", "BatchNorm2d", "GroupNorm", "LayerNorm"]


class _BatchNorm(Module):
    """Normalise each channel by the batch's or by running statistics.

    ``y = (x - mean) / sqrt(var + eps) * weight + bias``, mean and variance taken over all axes
    but the channels. In training the batch's statistics are used and gathered:
    ``running = (1 - momentum) * running + momentum * batch``; in evaluation the running ones
    are used.
    """

    ndims: ClassVar[tuple[int, ...]]  # input dimensions the layer takes

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        *,
        bias: bool = True,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        owner = type(self).__name__
        self.num_features = check_int(owner, "num_features", num_features, 1)
        self.eps = check_number(owner, "eps", eps, 0)
        if momentum is not None:
            momentum = check_number(owner, "momentum", momentum, 0, 1)
        self.momentum = momentum
        self.affine = check_bool(owner, "affine", affine)
        self.track_running_stats = check_bool(owner, "track_running_stats", track_running_stats)
        check_bool(owner, "bias", bias)
        size = (num_features,)
        self.weight = Parameter(ones(size, dtype=dtype)) if affine else None
        self.bias = Parameter(zeros(size, dtype=dtype)) if affine and bias else None
        self.running_mean: Tensor | None
        self.running_var: Tensor | None
        self.num_batches_tracked: Tensor | None
        track = self.track_running_stats
        self.register_buffer("running_mean", zeros(size, dtype=dtype) if track else None)
        self.register_buffer("running_var", ones(size, dtype=dtype) if track else None)
        self.register_buffer("num_batches_tracked", zeros((), dtype=int64) if track else None)

    def reset_running_stats(self) -> None:
        """Forget the statistics gathered."""
        if self.running_mean is not None and self.running_var is not None:
            self.running_mean.fill_(0)
            self.running_var.fill_(1)
        if self.num_batches_tracked is not None:
            self.num_batches_tracked.fill_(0)

    def reset_parameters(self) -> None:
        """Forget the statistics and set weight to 1 and bias to 0."""
        self.reset_running_stats()
        _reset_affine(self.weight, self.bias)

    def forward(self, input: Tensor) -> Tensor:
        """Normalise `input`."""
        return self._normalize(functional.batch_norm, input)

    def _fused_with(self, following: Module) -> Callable[[Any], Any] | None:
        if type(self).forward is _BatchNorm.forward and type(following) is ReLU:
            return partial(self._normalize, functional.batch_norm_relu)
        return None

    def _normalize(self, function: Callable[..., Tensor], input: Tensor) -> Tensor:
        if input.ndim not in self.ndims:
            expected = " or ".join(f"{ndim}-D" for ndim in self.ndims)
            raise ValueError(
                f"{type(self).__name__}: expects {expected} input, got {list(input.shape)}"
            )
        momentum = 0.0 if self.momentum is None else self.momentum
        if self.training and self.num_batches_tracked is not None:
            self.num_batches_tracked.fill_(self.num_batches_tracked.item() + 1)
            if self.momentum is None:
                momentum = 1.0 / float(self.num_batches_tracked.item())
        return function(
            input,
            self.running_mean,
            self.running_var,
            self.weight,
            self.bias,
            training=self.training or self.running_mean is None,
            momentum=momentum,
            eps=self.eps,
        )

    def extra_repr(self) -> str:
        return (
            f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, "
            f"affine={self.affine}, bias={self.bias is not None}, "
            f"track_running_stats={self.track_running_stats}"
        )


class BatchNorm1d(_BatchNorm):
    """Normalise each channel of vectors or sequences over the batch.

    ``y = (x - mean) / sqrt(var + eps) * weight + bias``: in training with the batch's mean and
    variance, which also move the running ones, in evaluation with the running ones.

    Parameters
    ----------
    num_features : int
        Number of channels.
    eps : float
        Added to the variance.
    momentum : float or None
        Share of the new batch in the running statistics; None takes the mean of all batches.
    affine, bias : bool
        Whether ``weight`` and ``bias`` are learned.
    track_running_stats : bool
        Whether running statistics are kept; without them each batch is normalised by itself.
    dtype : dtype, optional
        Of the parameters; float32 if not given.

    Shapes: x and result ``(N, C)`` or ``(N, C, L)``; parameters and statistics ``(C,)``.

    Examples
    --------
    >>> import lepton
    >>> from lepton import nn
    >>> nn.BatchNorm1d(4)(lepton.randn(8, 4)).shape
    (8, 4)
    """

    ndims = (2, 3)


class BatchNorm2d(_BatchNorm):
    """Normalise each channel of images over the batch, as `BatchNorm1d` does for vectors.

    ``y = (x - mean) / sqrt(var + eps) * weight + bias``: in training with the batch's mean and
    variance, which also move the running ones, in evaluation with the running ones.

    Parameters
    ----------
    num_features, eps, momentum, affine, track_running_stats, bias, dtype
        As in `BatchNorm1d`.

    Shapes: x and result ``(N, C, H, W)``; parameters and statistics ``(C,)``.

    Examples
    --------
    >>> import lepton
    >>> from lepton import nn
    >>> nn.BatchNorm2d(3)(lepton.randn(2, 3, 5, 5)).shape
    (2, 3, 5, 5)
    """

    ndims = (4,)


class GroupNorm(Module):
    """Normalise each sample over groups of its channels (Wu and He, 2018, arXiv:1803.08494).

    ``y = (x - mean) / sqrt(var + eps) * weight + bias``, mean and variance (with divisor n)
    taken over each of `num_groups` groups of neighbouring channels; weight and bias have one
    value per channel. One group per channel is instance normalisation.

    Parameters
    ----------
    num_groups : int
        Number of groups; a divisor of `num_channels`.
    num_channels : int
        Number of channels.
    eps : float
        Added to the variance.
    affine, bias : bool
        Whether ``weight`` and ``bias`` are learned.
    dtype : dtype, optional
        Of the parameters; float32 if not given.

    Shapes: x and result ``(N, num_channels, ...)``; parameters ``(num_channels,)``.

    Examples
    --------
    >>> import lepton
    >>> from lepton import nn
    >>> nn.GroupNorm(2, 6)(lepton.randn(2, 6, 5, 5)).shape
    (2, 6, 5, 5)
    """

    def __init__(
        self,
        num_groups: int,
        num_channels: int,
        eps: float = 1e-5,
        affine: bool = True,
        *,
        bias: bool = True,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self.num_groups = check_int("GroupNorm", "num_groups", num_groups, 1)
        self.num_channels = check_int("GroupNorm", "num_channels", num_channels, 1)
        if num_channels % num_groups:
            raise ValueError(
                f"GroupNorm: num_groups expects a divisor of num_channels {num_channels}, "
                f"got {num_groups}"
            )
        self.eps = check_number("GroupNorm", "eps", eps, 0)
        self.affine = check_bool("GroupNorm", "affine", affine)
        check_bool("GroupNorm", "bias", bias)
        size = (num_channels,)
        self.weight = Parameter(ones(size, dtype=dtype)) if affine else None
        self.bias = Parameter(zeros(size, dtype=dtype)) if affine and bias else None

    def reset_parameters(self) -> None:
        """Set weight to 1 and bias to 0."""
        _reset_affine(self.weight, self.bias)

    def forward(self, input: Tensor) -> Tensor:
        """Normalise `input`."""
        return functional.group_norm(input, self.num_groups, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        return (
            f"{self.num_groups}, {self.num_channels}, eps={self.eps}, affine={self.affine}, "
            f"bias={self.bias is not None}"
        )


class LayerNorm(Module):
    """Normalise each sample over its last axes.

    ``y = (x - mean) / sqrt(var + eps) * weight + bias``, mean and variance (with divisor n)
    taken over the last ``len(normalized_shape)`` axes.

    Parameters
    ----------
    normalized_shape : int or sequence of int
        Sizes of the axes to normalise over.
    eps : float
        Added to the variance.
    elementwise_affine, bias : bool
        Whether ``weight`` and ``bias`` are learned.
    dtype : dtype, optional
        Of the parameters; float32 if not given.

    Shapes: x and result ``(..., *normalized_shape)``; parameters ``normalized_shape``.

    Examples
    --------
    >>> import lepton
    >>> from lepton import nn
    >>> nn.LayerNorm(6)(lepton.randn(2, 3, 6)).shape
    (2, 3, 6)
    """

    def __init__(
        self,
        normalized_shape: int | Sequence[int],
        eps: float = 1e-5,
        elementwise_affine: bool = True,
        bias: bool = True,
        *,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        sizes = normalized_shape if isinstance(normalized_shape, Sequence) else [normalized_shape]
        self.normalized_shape = tuple(
            check_int("LayerNorm", "normalized_shape", size, 1) for size in sizes
        )
        if not self.normalized_shape:
            raise ValueError("LayerNorm: normalized_shape expects at least 1 axis, got 0")
        self.eps = check_number("LayerNorm", "eps", eps, 0)
        affine = check_bool("LayerNorm", "elementwise_affine", elementwise_affine)
        check_bool("LayerNorm", "bias", bias)
        self.elementwise_affine = affine
        shape = self.normalized_shape
        self.weight = Parameter(ones(shape, dtype=dtype)) if affine else None
        self.bias = Parameter(zeros(shape, dtype=dtype)) if affine and bias else None

    def reset_parameters(self) -> None:
        """Set weight to 1 and bias to 0."""
        _reset_affine(self.weight, self.bias)

    def forward(self, input: Tensor) -> Tensor:
        """Normalise `input`."""
        return functional.layer_norm(input, self.normalized_shape, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        return (
            f"{self.normalized_shape}, eps={self.eps}, "
            f"elementwise_affine={self.elementwise_affine}, bias={self.bias is not None}"
        )


def _reset_affine(weight: Parameter | None, bias: Parameter | None) -> None:
    if weight is not None:
        init.ones_(weight)
    if bias is not None:
        init.zeros_(bias)
