# SPDX-License-Identifier: Apache-2.0
"""Networks for images; each takes float images of shape (N, C, H, W) and returns class scores."""

from __future__ import annotations

from lepton import nn
from lepton._check import check_int, check_number, check_pair
from lepton.array import Tensor
from lepton.data.readers.images import Size

__all__ = ["LeNet", "SmallCNN"]


def _conv_bn_relu(in_channels: int, out_channels: int) -> list[nn.Module]:
    return [
        nn.Conv2d(in_channels, out_channels, 3, padding=1, bias=False),
        nn.BatchNorm2d(out_channels),
        nn.ReLU(),
    ]


class LeNet(nn.Module):
    """LeNet in its wider form: 5 x 5 convolutions with 32 and 64 channels, then two linear layers.

    Convolutions are padded to keep the size, each is followed by ReLU and 2 x 2 max pooling.

    Parameters
    ----------
    num_classes
        Number of scores per image.
    in_channels
        1 for grey images, 3 for colour.
    image_size
        Height and width of the images, or one number for both; at least 8. The first linear layer
        depends on it.
    hidden
        Width of the hidden linear layer.

    Examples
    --------
    >>> import lepton
    >>> from lepton.vision import LeNet
    >>> LeNet(image_size=28)(lepton.zeros((2, 1, 28, 28))).shape
    (2, 10)
    """

    def __init__(
        self,
        num_classes: int = 10,
        in_channels: int = 1,
        image_size: Size = 28,
        hidden: int = 128,
    ) -> None:
        super().__init__()
        check_int("LeNet", "num_classes", num_classes, 1)
        height, width = check_pair("LeNet", "image_size", image_size, 8)
        self.features = nn.Sequential(
            nn.Conv2d(in_channels, 32, 5, padding=2),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(32, 64, 5, padding=2),
            nn.ReLU(),
            nn.MaxPool2d(2),
        )
        self.classifier = nn.Sequential(
            nn.Flatten(),
            nn.Linear(64 * (height // 4) * (width // 4), hidden),
            nn.ReLU(),
            nn.Linear(hidden, num_classes),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return scores of shape (N, num_classes)."""
        return self.classifier(self.features(x))


class SmallCNN(nn.Module):
    """A small network of 3 x 3 convolutions with batch norm and ReLU, good from 8 x 8 pixels up.

    Channels double from `width` to 4 `width` while max pooling halves the image twice, and again as
    long as both sides have 16 pixels or more. The end is averaged to 2 x 2 fields, so that larger
    images than `image_size` work too.

    Parameters
    ----------
    num_classes
        Number of scores per image.
    in_channels
        1 for grey images, 3 for colour.
    image_size
        Height and width of the images it is meant for, or one number for both; at least 8. It
        decides the depth.
    width
        Channels of the first convolution.
    dropout
        Probability to drop a feature before the linear layer.

    Examples
    --------
    >>> import lepton
    >>> from lepton.vision import SmallCNN
    >>> model = SmallCNN(num_classes=10, in_channels=3, image_size=32)
    >>> model(lepton.zeros((2, 3, 32, 32))).shape
    (2, 10)
    """

    def __init__(
        self,
        num_classes: int = 10,
        in_channels: int = 1,
        image_size: Size = 28,
        width: int = 16,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        check_int("SmallCNN", "num_classes", num_classes, 1)
        check_int("SmallCNN", "width", width, 1)
        check_number("SmallCNN", "dropout", dropout, 0, 1, open_maximum=True)
        side = min(check_pair("SmallCNN", "image_size", image_size, 8)) // 4
        layers = [
            *_conv_bn_relu(in_channels, width),
            nn.MaxPool2d(2),
            *_conv_bn_relu(width, 2 * width),
            *_conv_bn_relu(2 * width, 2 * width),
            nn.MaxPool2d(2),
            *_conv_bn_relu(2 * width, 4 * width),
        ]
        while side >= 16:
            layers += [nn.MaxPool2d(2), *_conv_bn_relu(4 * width, 4 * width)]
            side //= 2
        self.features = nn.Sequential(*layers)
        self.classifier = nn.Sequential(
            nn.AdaptiveAvgPool2d(2),
            nn.Flatten(),
            nn.Dropout(dropout),
            nn.Linear(16 * width, num_classes),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return scores of shape (N, num_classes)."""
        return self.classifier(self.features(x))
