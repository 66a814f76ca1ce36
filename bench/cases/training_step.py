"""Whole training steps with Adam: forward, loss, backward, optimiser."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from bench.case import Case, Work, flops, sum_tolerance
from bench.models import NETWORKS, Network

TITLE = "Training steps"
NOTES = """\
Both frameworks run the same text (`bench/models.py`) with the same first weights; the losses of two
steps and the first gradients are compared (dropout off), then the step is timed in training mode.
Keras runs its own layers."""
TARGETS = {
    "MLP 30-64-64-2": {"torch": 2.0, "torch-default": 2.0},
    "MLP 784-512-256-10": {"torch": 1.7, "torch-default": 1.8},
    "LeNet": {"torch": 2.0, "torch-default": 3.0},
    "ResNet-18 CIFAR": {"torch": 1.4, "torch-default": 1.6},
    "LSTM classifier": {"torch": 1.3, "torch-default": 2.2},
    "transformer encoder": {"torch": 2.2, "torch-default": 2.4},
}
# Twenty layers whose gradients add over all pixels of a batch.
TOLERANCE = 20 * sum_tolerance(64 * 32 * 32)
# Beside float64 the first gradient of the ResNet is off by 7.1e-3 of its largest value (PyTorch
# channels-last), 4.2e-3 (PyTorch as it comes) and 2.4e-3 (Lepton): rounding turns ReLUs on or off.
TOLERANCES = {"ResNet-18 CIFAR": 2e-2}


def trained(network: Network, batch: int, fw: Any, compiled: bool = False) -> Callable[[], Any]:
    """A function that makes one step and returns the loss before it."""
    model = fw.module(network.make(fw.nn))
    model.train(not network.dropout)
    optimizer = fw.optimizer("Adam", model.parameters(), lr=1e-3)
    images, labels = network.data(batch)
    x = fw.image(images) if network.image else fw.tensor(images)
    y = fw.tensor(labels)
    forward = fw.lib.compile(model) if compiled else model

    def step() -> Any:
        optimizer.zero_grad()
        loss = fw.F.cross_entropy(forward(x), y)
        loss.backward()
        optimizer.step()
        return loss

    step.model = model  # type: ignore[attr-defined]
    return step


def framework(network: Network, batch: int, compiled: bool = False) -> Callable[[Any], Work]:
    def build(fw: Any) -> Work:
        step = trained(network, batch, fw, compiled)

        def outputs() -> list[Any]:
            first = fw.numpy(step())
            parameters = list(step.model.parameters())  # type: ignore[attr-defined]
            gradients = [fw.grad(parameters[i]) for i in (0, -1)]
            second = fw.numpy(step())
            step.model.train()  # type: ignore[attr-defined]
            return [first, second, *gradients]

        return Work(step, outputs)

    return build


def keras(network: Network, batch: int) -> Callable[[Any], Work]:
    def build(side: Any) -> Work:
        from bench import keras_models

        return Work(keras_models.step(side.lib, network, batch))

    return build


def cases(quick: bool) -> Iterator[Case]:
    for network in NETWORKS:
        batch = 4 if quick else network.batch
        sides: dict[str, Any] = {"framework": framework(network, batch)}
        if not quick:
            sides["torch-compile"] = framework(network, batch, compiled=True)
            sides["keras"] = keras(network, batch)
        yield Case(
            f"{network.name}, batch {network.batch}",
            sides,
            targets=TARGETS[network.name],
            # Without the gradient of the data.
            ceiling=flops(batch * (3 * network.operations - network.first)),
            tolerance=TOLERANCES.get(network.name, TOLERANCE),
        )
