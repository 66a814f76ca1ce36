# SPDX-License-Identifier: Apache-2.0
"""From stored pixels to what a network takes: float32, channels first, scaled."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator

from lepton.vision.transforms.base import Images, Transform

__all__ = ["Normalize", "ToFloat"]


@dataclass(frozen=True)
class Normalize(Transform):
    r"""Scale to [0, 1], subtract `mean` and divide by `std`: :math:`(x / 255 - mean) / std`.

    uint8 images of shape (N, H, W[, C]) become float32 of shape (N, C, H, W), in channels-last
    memory. Floating-point images must have that shape already and are not divided by 255.

    Parameters
    ----------
    mean, std
        One number per channel, or one for all; `std` must be positive.

    Examples
    --------
    >>> import numpy as np
    >>> from lepton.vision import Normalize
    >>> Normalize(0.5, 0.5)(np.array([[[0, 255]]], dtype=np.uint8)).tolist()
    [[[[-1.0, 1.0]]]]
    """

    mean: float | Sequence[float] = 0.0
    std: float | Sequence[float] = 1.0

    def __post_init__(self) -> None:
        for name in ("mean", "std"):
            values = np.asarray(getattr(self, name), dtype=np.float64)
            if values.ndim > 1 or values.size == 0 or not np.isfinite(values).all():
                raise ValueError(f"{self._name}: {name} expects one number per channel")
            object.__setattr__(self, name, tuple(values.reshape(-1).tolist()))
        if min(self._pair[1]) <= 0:
            raise ValueError(f"{self._name}: std must be positive, got {list(self._pair[1])}")

    @property
    def _name(self) -> str:
        return type(self).__name__

    @property
    def _pair(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        return self.mean, self.std  # type: ignore[return-value]  # tuples since __post_init__

    def apply(self, images: Images, generator: Generator | None) -> Images:
        mean, std = (np.asarray(values) for values in self._pair)
        if images.dtype == np.uint8:
            self.check(images)
            images = images[:, None] if images.ndim == 3 else images.transpose(0, 3, 1, 2)
            scale, shift = 1 / (255 * std), -mean / std
        elif images.dtype.kind == "f" and images.ndim == 4:
            scale, shift = 1 / std, -mean / std
        else:
            raise ValueError(
                f"{self._name}: images expects uint8 (N, H, W[, C]) or float (N, C, H, W),"
                f" got {images.dtype} {list(images.shape)}"
            )
        channels = images.shape[1]
        for values in (mean, std):
            if values.size not in (1, channels):
                raise ValueError(
                    f"{self._name}: expected one mean and std per channel, got {values.size}"
                    f" for {channels} channels"
                )
        per_channel = (1, -1, 1, 1)
        result = np.multiply(images, scale.astype(np.float32).reshape(per_channel))
        result += shift.astype(np.float32).reshape(per_channel)
        return result.astype(np.float32, copy=False)


@dataclass(frozen=True)
class ToFloat(Transform):
    """Scale uint8 images of shape (N, H, W[, C]) to float32 in [0, 1] of shape (N, C, H, W).

    Examples
    --------
    >>> import numpy as np
    >>> from lepton.vision import ToFloat
    >>> ToFloat()(np.full((2, 4, 4, 3), 255, dtype=np.uint8)).shape
    (2, 3, 4, 4)
    """

    def apply(self, images: Images, generator: Generator | None) -> Images:
        return Normalize().apply(images, generator)
