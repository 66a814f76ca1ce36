"""Fifty steps of training end in the same bits with 1, 2, 3 and 4 threads."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

import lepton
from lepton import nn, optim

STEPS = 50


class LastStep(nn.Module):
    """Hands on what a recurrent layer says at the end of each sequence."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: lepton.Tensor) -> lepton.Tensor:
        return self.layer(x)[0][:, -1]


def mlp() -> tuple[nn.Module, np.ndarray]:
    model = nn.Sequential(nn.Linear(200, 300), nn.ReLU(), nn.Dropout(0.1), nn.Linear(300, 10))
    return model, noise(96, 200)


def cnn() -> tuple[nn.Module, np.ndarray]:
    model = nn.Sequential(
        nn.Conv2d(3, 32, 3, padding=1), nn.BatchNorm2d(32), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(32, 32, 3, padding=1), nn.ReLU(), nn.AvgPool2d(2),
        nn.Flatten(), nn.Linear(32 * 16, 10),
    )  # fmt: skip
    return model, noise(24, 3, 16, 16)


def lstm() -> tuple[nn.Module, np.ndarray]:
    layer = nn.LSTM(24, 40, num_layers=2, batch_first=True)
    return nn.Sequential(LastStep(layer), nn.Linear(40, 10)), noise(36, 20, 24)


def embedding() -> tuple[nn.Module, np.ndarray]:
    model = nn.Sequential(
        nn.Embedding(500, 64), nn.LayerNorm(64), nn.Flatten(), nn.Linear(64 * 12, 10)
    )
    return model, np.random.default_rng(0).integers(0, 500, (128, 12))


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).standard_normal(shape, dtype=np.float32)


def trained(make: Callable[[], tuple[nn.Module, np.ndarray]], threads: int) -> list[bytes]:
    """The bits of all losses and of the parameters at the end."""
    lepton.set_num_threads(threads)
    lepton.manual_seed(0)
    model, x = make()
    y = lepton.asarray(np.random.default_rng(1).integers(0, 10, len(x)))
    optimizer = optim.AdamW(model.parameters(), lr=1e-3)
    bits = []
    for _ in range(STEPS):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(lepton.asarray(x)), y)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        bits.append(loss.detach().numpy().tobytes())
    return bits + [p.detach().numpy().tobytes() for p in model.parameters()]


@pytest.mark.parametrize("make", [mlp, cnn, lstm, embedding], ids=lambda make: make.__name__)
def test_training_gives_the_same_bits_for_any_number_of_threads(
    make: Callable[[], tuple[nn.Module, np.ndarray]],
) -> None:
    expected = trained(make, 1)
    assert expected[0] != expected[STEPS - 1]  # it learns
    for threads in (2, 3, 4):
        same = trained(make, threads) == expected
        assert same, f"{make.__name__}: other bits with {threads} threads"
