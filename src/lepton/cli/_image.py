# SPDX-License-Identifier: Apache-2.0
"""What the commands on images share: data by name, and a trained network out of its run."""

from __future__ import annotations

import inspect
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lepton import nn, vision
from lepton.array import Tensor, asarray, no_grad
from lepton.data import DataLoader, datasets, load_image
from lepton.data.datasets import ImageData
from lepton.nn import functional
from lepton.training import RunDirectory, read_checkpoint
from lepton.vision import Transform, from_config

__all__ = ["ImageRun", "load_data", "model_classes", "probabilities", "ready_data"]


def model_classes() -> dict[str, type[nn.Module]]:
    """Return the networks of `lepton.vision` by name."""
    public = {name: getattr(vision, name) for name in dir(vision) if not name.startswith("_")}
    return {
        name: value
        for name, value in public.items()
        if inspect.isclass(value) and issubclass(value, nn.Module)
    }


def ready_data() -> list[str]:
    """Return the names of the data sets that need no path."""
    found = []
    for name in datasets.names():
        loader = getattr(datasets, "load_" + name.replace("-", "_"))
        parameters = inspect.signature(loader).parameters.values()
        if all(parameter.default is not parameter.empty for parameter in parameters):
            found.append(name)
    return found


def load_data(name: str, image_size: int | Sequence[int] | None, grey: bool | None) -> ImageData:
    """Load a data set by name or path; size and grey are for folders of image files."""
    options: dict[str, Any] = {}
    if name not in ready_data() and not os.path.isdir(name):
        known = ", ".join(ready_data())
        raise ValueError(f"--data expects {known} or a folder, and there is no folder {name!r}")
    if name not in ready_data() and not _is_idx(name):
        if image_size is not None:
            options["size"] = image_size if isinstance(image_size, int) else tuple(image_size)
        if grey is not None:
            options["mode"] = "L" if grey else "RGB"
    elif image_size is not None or grey:
        raise ValueError(f"--image-size and --grey are for folders of image files, not for {name}")
    return datasets.load(name, **options)


def _is_idx(folder: str) -> bool:
    return any("-idx" in name or ".idx" in name for name in os.listdir(folder))


def probabilities(scores: Tensor) -> NDArray[Any]:
    """Return the probability of each class from the scores of a network."""
    with no_grad():
        return np.asarray(functional.softmax(scores, dim=1).detach())


@dataclass
class ImageRun:
    """A trained network, and how its images are prepared."""

    model: nn.Module
    classes: list[str]
    transform: Transform
    image_size: tuple[int, int]
    channels: int
    data: str

    @classmethod
    def load(cls, run: RunDirectory, checkpoint: str) -> ImageRun:
        """Rebuild the network of a run and load its weights.

        Raises
        ------
        ValueError
            If ``config.json`` does not describe a network, or the weights do not fit it.
        FileNotFoundError
            If the run has no checkpoint yet.
        """
        config = run.config
        try:
            name, arguments = config["model"]["class"], config["model"]["arguments"]
            image = config["image"]
            made = cls(
                model_classes()[name](**arguments),
                [str(name) for name in config["classes"]],
                from_config(config["transform"]),
                (int(image["size"][0]), int(image["size"][1])),
                int(image["channels"]),
                str(config["options"]["data"]),
            )
        except (KeyError, TypeError, IndexError, ValueError) as error:
            cause = f"{type(error).__name__}: {error}"
            raise ValueError(
                f"{run.path / 'config.json'}: does not describe a network for images ({cause})"
            ) from error
        path = run.checkpoints / checkpoint
        try:
            made.model.load_state_dict(read_checkpoint(path).weights)
        except (TypeError, ValueError) as error:
            raise ValueError(f"{path}: {error}") from error
        made.model.eval()
        return made

    def scores(self, images: NDArray[Any], batch_size: int = 256) -> Tensor:
        """Return the scores of the network for images as files hold them."""
        loader = DataLoader(_Images(images), batch_size=batch_size, transform=self.transform)
        with no_grad():
            parts = [np.asarray(self.model(batch).detach()) for batch in loader]
        return asarray(np.concatenate(parts))

    def read(self, path: str, invert: bool) -> NDArray[np.uint8]:
        """Read one picture in the size and colours that the network was trained on."""
        image = load_image(path, size=self.image_size, mode="L" if self.channels == 1 else "RGB")
        return 255 - image if invert else image


class _Images:
    """Images without labels as a dataset."""

    def __init__(self, images: NDArray[Any]) -> None:
        self.images = images

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> NDArray[Any]:
        image: NDArray[Any] = self.images[index]
        return image
