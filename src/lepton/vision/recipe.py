# SPDX-License-Identifier: Apache-2.0
"""How to train a network on images if nobody says otherwise: the defaults in one place."""

from __future__ import annotations

from dataclasses import dataclass

from lepton import nn
from lepton.data.datasets import ImageData
from lepton.optim import AdamW
from lepton.optim.lr_scheduler import OneCycleLR
from lepton.optim.optimizer import Optimizer
from lepton.vision.transforms import (
    Compose,
    Normalize,
    RandomCrop,
    RandomHorizontalFlip,
    Transform,
)

__all__ = ["ImageRecipe"]

# Below this number of images an epoch is short, so there are more of them, with augmentation.
_SMALL = 10_000


@dataclass(frozen=True)
class ImageRecipe:
    """Settings of a training run on images, and the parts that they make.

    The defaults suit tens of thousands of images in few epochs; `for_data` chooses. The rate rises
    to `lr` and falls again within the run (one cycle), AdamW decays the weights of convolutions and
    linear layers only, and labels are smoothed.

    Parameters
    ----------
    epochs, batch_size
        Length of the run, and images per step.
    lr
        The highest learning rate.
    weight_decay
        Decay of weights; not of biases and normalisation.
    label_smoothing
        Share of each label that is spread over all classes.
    crop_padding
        Training images are shifted by up to this many pixels; 0 leaves them.
    flip
        Whether half of the training images are mirrored.

    Examples
    --------
    >>> from lepton.data import datasets
    >>> from lepton.vision import ImageRecipe, SmallCNN
    >>> data = datasets.load("digits")
    >>> recipe = ImageRecipe.for_data(data)
    >>> recipe.epochs, recipe.crop_padding
    (20, 1)
    >>> optimizer = recipe.optimizer(SmallCNN(image_size=data.image_size))
    >>> len(optimizer.param_groups)
    2
    """

    epochs: int = 5
    batch_size: int = 128
    lr: float = 1e-2
    weight_decay: float = 1e-2
    label_smoothing: float = 0.1
    crop_padding: int = 0
    flip: bool = False

    @classmethod
    def for_data(cls, data: ImageData) -> ImageRecipe:
        """Return the recipe for a data set, by the number and size of its training images."""
        if len(data.train_images) >= _SMALL:
            return cls()
        padding = max(1, min(data.image_size) // 16)
        return cls(epochs=20, batch_size=64, crop_padding=padding, flip=data.mirror)

    def train_transform(self, data: ImageData) -> Transform:
        """Return augmentation and scaling for the training part."""
        random: list[Transform] = []
        if self.crop_padding:
            random.append(RandomCrop(data.image_size, self.crop_padding))
        if self.flip:
            random.append(RandomHorizontalFlip())
        return Compose([*random, self.test_transform(data)])

    def test_transform(self, data: ImageData) -> Transform:
        """Return the scaling for evaluation and prediction: to mean 0 and standard deviation 1."""
        return Normalize(*data.mean_std())

    def loss(self) -> nn.CrossEntropyLoss:
        """Return the loss."""
        return nn.CrossEntropyLoss(label_smoothing=self.label_smoothing)

    def optimizer(self, model: nn.Module) -> AdamW:
        """Return the optimiser of `model`."""
        parameters = list(model.parameters())
        decayed = [p for p in parameters if p.ndim > 1]
        others = [p for p in parameters if p.ndim <= 1]
        groups = [
            {"params": some, "weight_decay": decay}
            for some, decay in ((decayed, self.weight_decay), (others, 0.0))
            if some
        ]
        return AdamW(groups, lr=self.lr)

    def schedule(self, optimizer: Optimizer, steps_per_epoch: int) -> OneCycleLR:
        """Return the schedule of the learning rate; it steps after each batch."""
        return OneCycleLR(optimizer, self.lr, total_steps=self.epochs * steps_per_epoch)
