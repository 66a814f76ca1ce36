"""What one small operation costs from Python, with and without recording a gradient."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from bench.case import EPS, Case, Work, normal, sum_tolerance

TITLE = "Small operations"


def add(grad: bool) -> Callable[[Any], Work]:
    def build(fw: Any) -> Work:
        x, y = fw.tensor(normal(8), grad), fw.tensor(normal(8, seed=1), grad)
        return Work(lambda: x + y, lambda: [fw.numpy(x + y)])

    return build


def add_numpy(_: Any) -> Work:
    x, y = normal(8), normal(8, seed=1)
    return Work(lambda: x + y, lambda: [x + y])


def chain(fw: Any) -> Work:
    """Eight small operations and their backward."""
    x, w = fw.tensor(normal(8), True), fw.tensor(normal(8, seed=1), True)

    def run() -> Any:
        x.grad = w.grad = None
        y = x
        for _ in range(4):
            y = y * w + x
        fw.lib.sum(y).backward()
        return x

    def outputs() -> list[Any]:
        run()
        return [fw.grad(x), fw.grad(w)]

    return Work(run, outputs)


def linear(fw: Any) -> Work:
    layer = fw.module(fw.nn.Linear(8, 8))
    bias = fw.tensor(normal(8, seed=2))
    with fw.no_grad():
        layer.bias.copy_(bias)
    x = fw.tensor(normal(1, 8))
    return Work(lambda: layer(x), lambda: [fw.numpy(layer(x))])


def cases(quick: bool) -> Iterator[Case]:
    for grad in (True, False):
        yield Case(
            f"add of 8 floats, {'recording' if grad else 'without recording'}",
            {"framework": add(grad), **({} if grad else {"numpy": add_numpy})},
            targets={"torch": round(1 / 0.6, 2)} if grad else {},
            tolerance=EPS,
        )
    yield Case("9 small operations and backward", {"framework": chain}, tolerance=64 * EPS)
    yield Case("nn.Linear(8, 8), recording", {"framework": linear}, tolerance=sum_tolerance(8))
