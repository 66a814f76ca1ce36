# SPDX-License-Identifier: Apache-2.0
"""Crops, flips and resizing: what moves pixels."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.random import Generator
from numpy.typing import NDArray

from lepton._check import check_int, check_number, check_pair
from lepton.data.readers.images import Size
from lepton.vision.transforms.base import Images, Transform, given_or_new

__all__ = ["CenterCrop", "RandomCrop", "RandomHorizontalFlip", "Resize"]


@dataclass(frozen=True)
class _Sized(Transform):
    """A transform whose first parameter is a size: height and width, or one number for both."""

    size: Size

    def __post_init__(self) -> None:
        object.__setattr__(self, "size", check_pair(type(self).__name__, "size", self.size, 1))

    @property
    def height_width(self) -> tuple[int, int]:
        """The size as a pair."""
        return check_pair(type(self).__name__, "size", self.size, 1)

    def _check_fits(self, images: Images) -> None:
        height, width = self.height_width
        if images.shape[1] < height or images.shape[2] < width:
            raise ValueError(
                f"{type(self).__name__}: cannot cut {height} x {width} pixels from images of"
                f" {images.shape[1]} x {images.shape[2]}"
            )


@dataclass(frozen=True)
class CenterCrop(_Sized):
    """Cut out the middle.

    Parameters
    ----------
    size
        Height and width of the result, or one number for both.

    Examples
    --------
    >>> import numpy as np
    >>> from lepton.vision import CenterCrop
    >>> CenterCrop((24, 20))(np.zeros((2, 28, 28, 3), dtype=np.uint8)).shape
    (2, 24, 20, 3)
    """

    def apply(self, images: Images, generator: Generator | None) -> Images:
        self.check(images)
        self._check_fits(images)
        height, width = self.height_width
        top, left = (images.shape[1] - height) // 2, (images.shape[2] - width) // 2
        return images[:, top : top + height, left : left + width]


@dataclass(frozen=True)
class RandomCrop(_Sized):
    """Cut out a piece at a random place, another for each image.

    Parameters
    ----------
    size
        Height and width of the result, or one number for both.
    padding
        How many pixels of value `fill` to put around the images first.
    fill
        The value of these pixels.

    Examples
    --------
    >>> import numpy as np
    >>> from lepton.vision import RandomCrop
    >>> crop = RandomCrop(28, padding=2)
    >>> crop(np.zeros((2, 28, 28), dtype=np.uint8), generator=np.random.default_rng(0)).shape
    (2, 28, 28)
    """

    padding: int = 0
    fill: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        check_int("RandomCrop", "padding", self.padding, 0)

    def apply(self, images: Images, generator: Generator | None) -> Images:
        self.check(images)
        if self.padding:
            count, high, wide, *channels = images.shape
            p = self.padding
            padded = np.full(
                (count, high + 2 * p, wide + 2 * p, *channels), self.fill, images.dtype
            )
            padded[:, p : p + high, p : p + wide] = images
            images = padded
        self._check_fits(images)
        height, width = self.height_width
        generator = given_or_new(generator)
        top = generator.integers(0, images.shape[1] - height + 1, images.shape[0])
        left = generator.integers(0, images.shape[2] - width + 1, images.shape[0])
        windows = sliding_window_view(images, (height, width), axis=(1, 2))
        cut: Images = windows[np.arange(images.shape[0]), top, left]
        return cut if cut.ndim == 3 else np.moveaxis(cut, 1, 3)


@dataclass(frozen=True)
class RandomHorizontalFlip(Transform):
    """Mirror each image left to right with probability `p`.

    Examples
    --------
    >>> import numpy as np
    >>> from lepton.vision import RandomHorizontalFlip
    >>> RandomHorizontalFlip(p=1.0)(np.array([[[1, 2, 3]]], dtype=np.uint8)).tolist()
    [[[3, 2, 1]]]
    """

    p: float = 0.5

    def __post_init__(self) -> None:
        check_number("RandomHorizontalFlip", "p", self.p, 0, 1)

    def apply(self, images: Images, generator: Generator | None) -> Images:
        self.check(images)
        chosen = given_or_new(generator).random(images.shape[0]) < self.p
        result = images.copy()
        result[chosen] = images[chosen][:, :, ::-1]
        return result


@dataclass(frozen=True)
class Resize(_Sized):
    """Resize with a bilinear (triangle) filter, antialiased when shrinking, as Pillow does.

    Height and width are two small matrix products for the whole batch. uint8 stays uint8.

    Parameters
    ----------
    size
        Height and width of the result, or one number for both; the aspect ratio is not kept.

    Examples
    --------
    >>> import numpy as np
    >>> from lepton.vision import Resize
    >>> Resize(2)(np.array([[[0, 0, 4, 4]] * 4], dtype=np.uint8)).tolist()
    [[[1, 3], [1, 3]]]
    """

    def apply(self, images: Images, generator: Generator | None) -> Images:
        self.check(images)
        count, high, wide, *channels = images.shape
        height, width = self.height_width
        if high == 0 or wide == 0:
            raise ValueError(f"Resize: images have no pixels, got {list(images.shape)}")
        rows, columns = _triangle_weights(high, height), _triangle_weights(wide, width)
        depth = channels[0] if channels else 1
        result: Images = rows @ images.astype(np.float32).reshape(count, high, wide * depth)
        result = columns @ result.reshape(count, height, wide, depth)
        result = result.reshape(count, height, width, *channels)
        if images.dtype == np.uint8:
            return np.clip(np.rint(result), 0, 255).astype(np.uint8)
        return result.astype(images.dtype, copy=False)


@lru_cache(maxsize=64)
def _triangle_weights(size: int, new_size: int) -> NDArray[np.float32]:
    """Return the (new_size, size) matrix that resamples one axis; each row adds up to 1."""
    scale = size / new_size
    support = max(scale, 1.0)
    centers = (np.arange(new_size)[:, None] + 0.5) * scale
    distance = np.abs(np.arange(size)[None, :] + 0.5 - centers)
    weights = np.maximum(0.0, 1.0 - distance / support)
    matrix: NDArray[np.float32] = (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)
    return matrix
