# SPDX-License-Identifier: Apache-2.0
"""The base of all transforms, chains of them, and their form as JSON."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.random import Generator, Philox
from numpy.typing import NDArray

from lepton.data.indices import check_seed

__all__ = ["Compose", "Transform", "from_config"]

Images = NDArray[Any]
_MAX_CHANNELS = 4


class Transform:
    """Base of all transforms: a function from a batch of images to a batch of images.

    Images are uint8 of shape (N, H, W) if grey or (N, H, W, C) if coloured, as files and screens
    hold them, until `ToFloat` or `Normalize` makes them float32 of shape (N, C, H, W), as networks
    take them. Crops, flips and resizing come before that step.

    A transform is called as ``transform(images)`` or, as `lepton.data.DataLoader` does it, as
    ``transform(images, *others, generator=generator)``; the others (labels) pass through. Random
    transforms draw from `generator`, a `numpy.random.Generator`, and from nothing else; without one
    Lepton's random state makes one.

    A subclass is a frozen dataclass with one method, `apply`, which never writes into `images`.

    Examples
    --------
    >>> import numpy as np
    >>> from dataclasses import dataclass
    >>> from lepton.vision import Transform
    >>> @dataclass(frozen=True)
    ... class Invert(Transform):
    ...     def apply(self, images, generator):
    ...         return 255 - images
    >>> int(Invert()(np.zeros((1, 8, 8), dtype=np.uint8)).max())
    255
    """

    def __call__(self, images: Images, *others: Any, generator: Generator | None = None) -> Any:
        result = self.apply(np.asarray(images), generator)
        return (result, *others) if others else result

    def apply(self, images: Images, generator: Generator | None) -> Images:
        """Return the transformed images."""
        raise NotImplementedError(f"{type(self).__name__} must define apply")

    def config(self) -> dict[str, Any]:
        """Return as JSON what `from_config` needs to build the same transform."""
        if not dataclasses.is_dataclass(self):
            raise TypeError(f"{type(self).__name__} must be a dataclass to have a config")
        fields = {f.name: _plain(getattr(self, f.name)) for f in dataclasses.fields(self)}
        return {"name": type(self).__name__, **fields}

    def check(self, images: Images) -> None:
        """Refuse what is not a batch of images in file layout."""
        grey, coloured = images.ndim == 3, images.ndim == 4 and images.shape[3] <= _MAX_CHANNELS
        if not (grey or coloured):
            raise ValueError(
                f"{type(self).__name__}: images expects the shape (N, H, W) or (N, H, W, C) with at"
                f" most {_MAX_CHANNELS} channels, got {list(images.shape)}"
            )


def _plain(value: Any) -> Any:
    if isinstance(value, Transform):
        return value.config()
    return [_plain(entry) for entry in value] if isinstance(value, tuple) else value


def _subclasses(base: type[Transform]) -> dict[str, type[Transform]]:
    found = {}
    for each in base.__subclasses__():
        found.update({each.__name__: each, **_subclasses(each)})
    return found


def from_config(config: dict[str, Any]) -> Transform:
    """Build the transform that gave `config`.

    Raises
    ------
    ValueError
        If the config names no transform, or has parameters that it does not take.

    Examples
    --------
    >>> from lepton.vision import CenterCrop, from_config
    >>> from_config(CenterCrop(24).config())
    CenterCrop(size=(24, 24))
    """
    known = _subclasses(Transform)
    name = config.get("name") if isinstance(config, dict) else None
    if name not in known:
        raise ValueError(f"from_config: unknown transform {name!r} (known: {sorted(known)})")
    arguments = {key: _revived(value) for key, value in config.items() if key != "name"}
    try:
        return known[name](**arguments)
    except TypeError as error:
        raise ValueError(f"from_config: {name}: {error}") from error


def _revived(value: Any) -> Any:
    if isinstance(value, dict):
        return from_config(value)
    return tuple(_revived(entry) for entry in value) if isinstance(value, list) else value


def given_or_new(generator: Generator | None) -> Generator:
    """Return `generator`, or a new one made by Lepton's random state."""
    if generator is not None:
        return generator
    return Generator(Philox(key=check_seed("Transform", None)))


@dataclass(frozen=True)
class Compose(Transform):
    """Transforms one after another.

    Examples
    --------
    >>> import numpy as np
    >>> from lepton.vision import CenterCrop, Compose, ToFloat
    >>> both = Compose([CenterCrop(24), ToFloat()])
    >>> both(np.zeros((2, 28, 28), dtype=np.uint8)).shape
    (2, 1, 24, 24)
    """

    transforms: Sequence[Transform]

    def __post_init__(self) -> None:
        for i, transform in enumerate(self.transforms):
            if not isinstance(transform, Transform):
                raise TypeError(f"Compose: entry {i} must be a Transform, got {transform!r}")
        object.__setattr__(self, "transforms", tuple(self.transforms))

    def apply(self, images: Images, generator: Generator | None) -> Images:
        for transform in self.transforms:
            images = transform.apply(images, generator)
        return images
