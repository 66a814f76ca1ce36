"""Steps of optimisers over ten million parameters."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from bench.case import EPS, Case, Ceiling, Work, normal

TITLE = "Optimisers"
# As a transformer of that size holds them: large matrices and small vectors.
SHAPES = [(1024, 1024)] * 8 + [(1024, 1510)] + [(1024,)] * 64
# Name: options, bytes of memory read and written for each parameter.
OPTIMIZERS: dict[str, tuple[dict[str, Any], int]] = {
    "AdamW": ({"lr": 1e-3}, 28),
    "Adam": ({"lr": 1e-3}, 28),
    "SGD": ({"lr": 1e-2, "momentum": 0.9}, 20),
}


def steps(kind: str, options: dict[str, Any], shapes: list[tuple[int, ...]]) -> Callable[..., Work]:
    def build(fw: Any) -> Work:
        parameters = [
            fw.tensor(normal(*shape, seed=i), grad=True) for i, shape in enumerate(shapes)
        ]
        for i, parameter in enumerate(parameters):
            parameter.grad = fw.tensor(normal(*shapes[i], seed=1000 + i))
        optimizer = fw.optimizer(kind, parameters, **options)

        def outputs() -> list[Any]:
            for _ in range(3):
                optimizer.step()
            return [fw.numpy(parameters[0]), fw.numpy(parameters[-1])]

        return Work(optimizer.step, outputs)

    return build


def cases(quick: bool) -> Iterator[Case]:
    shapes = [(20, 30), (7,)] if quick else SHAPES
    count = sum(shape[0] * (shape[1] if len(shape) > 1 else 1) for shape in shapes)
    for kind, (options, moved) in OPTIMIZERS.items():
        yield Case(
            f"{kind} step, 10M parameters",
            {"framework": steps(kind, options, shapes)},
            targets={"ceiling": 0.9} if kind == "AdamW" else {},
            ceiling=Ceiling("update", float(moved * count)),
            # Three steps of a dozen roundings each.
            tolerance=36 * EPS,
        )
