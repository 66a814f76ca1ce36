"""The networks of the training and prediction steps, in words that Lepton and PyTorch share."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from bench.case import normal


@dataclass(frozen=True)
class Network:
    """A network, its input, and the multiply-adds (counted as two) of one sample's forward pass."""

    name: str
    make: Callable[[Any], Any]
    batch: int
    shape: tuple[int, ...]
    classes: int
    operations: float
    first: float
    """Of `operations`, those of the first layer, whose input needs no gradient."""
    dropout: bool = False

    @property
    def image(self) -> bool:
        return len(self.shape) == 3

    def data(self, batch: int) -> tuple[np.ndarray, np.ndarray]:
        labels = np.random.default_rng(1).integers(0, self.classes, batch)
        return normal(batch, *self.shape), labels


def mlp(*sizes: int) -> Callable[[Any], Any]:
    def make(nn: Any) -> Any:
        layers: list[Any] = []
        for before, after in itertools.pairwise(sizes[:-1]):
            layers += [nn.Linear(before, after), nn.ReLU()]
        return nn.Sequential(*layers, nn.Linear(sizes[-2], sizes[-1]))

    return make


def lenet(nn: Any) -> Any:
    return nn.Sequential(
        nn.Conv2d(1, 32, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(32, 64, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(64 * 7 * 7, 128), nn.ReLU(), nn.Linear(128, 10),
    )  # fmt: skip


def resnet18(nn: Any) -> Any:
    """ResNet-18 for small images: a 3x3 first convolution and no pooling after it."""

    class Block(nn.Module):
        def __init__(self, inputs: int, outputs: int, stride: int) -> None:
            super().__init__()
            self.conv1 = nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=False)
            self.bn1 = nn.BatchNorm2d(outputs)
            self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
            self.bn2 = nn.BatchNorm2d(outputs)
            self.relu = nn.ReLU()
            self.shortcut = nn.Identity()
            if stride > 1:
                self.shortcut = nn.Sequential(
                    nn.Conv2d(inputs, outputs, 1, stride=stride, bias=False),
                    nn.BatchNorm2d(outputs),
                )

        def forward(self, x: Any) -> Any:
            y = self.relu(self.bn1(self.conv1(x)))
            return self.relu(self.bn2(self.conv2(y)) + self.shortcut(x))

    widths = [64, 64, 64, 128, 128, 256, 256, 512, 512]
    blocks = [
        Block(before, after, 1 + (before != after)) for before, after in itertools.pairwise(widths)
    ]
    return nn.Sequential(
        nn.Conv2d(3, 64, 3, padding=1, bias=False), nn.BatchNorm2d(64), nn.ReLU(), *blocks,
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(512, 10),
    )  # fmt: skip


def lstm_classifier(nn: Any) -> Any:
    class Classifier(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.lstm = nn.LSTM(128, 256, batch_first=True)
            self.head = nn.Linear(256, 10)

        def forward(self, x: Any) -> Any:
            return self.head(self.lstm(x)[0][:, -1])

    return Classifier()


def transformer(nn: Any) -> Any:
    class Classifier(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            layer = nn.TransformerEncoderLayer(256, 4, 1024, dropout=0.1, batch_first=True)
            self.encoder = nn.TransformerEncoder(layer, 4)
            self.head = nn.Linear(256, 10)

        def forward(self, x: Any) -> Any:
            return self.head(self.encoder(x).mean(1))

    return Classifier()


def _dense(*sizes: int) -> float:
    return 2.0 * sum(a * b for a, b in itertools.pairwise(sizes))


def _resnet_operations() -> float:
    total = 2.0 * 32**2 * 64 * 9 * (3 + 4 * 64)
    for size, width in ((16, 128), (8, 256), (4, 512)):
        total += 2.0 * size**2 * width * (9 * (width // 2 + 3 * width) + width // 2)
    return total + _dense(512, 10)


_LENET_FIRST = 2.0 * 28**2 * 25 * 32
_LSTM_FIRST = 128 * _dense(128, 1024)
NETWORKS = [
    Network("MLP 30-64-64-2", mlp(30, 64, 64, 2), 32, (30,), 2, _dense(30, 64, 64, 2),
            _dense(30, 64)),
    Network("MLP 784-512-256-10", mlp(784, 512, 256, 10), 128, (784,), 10,
            _dense(784, 512, 256, 10), _dense(784, 512)),
    Network("LeNet", lenet, 128, (1, 28, 28), 10,
            _LENET_FIRST + 2.0 * 14**2 * 25 * 32 * 64 + _dense(3136, 128, 10), _LENET_FIRST),
    Network("ResNet-18 CIFAR", resnet18, 64, (3, 32, 32), 10, _resnet_operations(),
            2.0 * 32**2 * 64 * 27),
    Network("LSTM classifier", lstm_classifier, 64, (128, 128), 10,
            _LSTM_FIRST + 128 * _dense(256, 1024), _LSTM_FIRST),
    Network("transformer encoder", transformer, 32, (128, 256), 10,
            4 * (128 * _dense(256, 768) + 128 * _dense(256, 256) + 128 * _dense(256, 1024, 256)
                 + 4.0 * 128**2 * 256), 0.0, dropout=True),
]  # fmt: skip
