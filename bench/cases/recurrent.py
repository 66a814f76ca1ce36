"""LSTM and GRU over whole sequences, forward and forward + backward."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from bench.case import Case, Work, flops, normal, sum_tolerance

TITLE = "Recurrent layers"
# (batch, time, inputs, hidden): the ratio to reach.
SHAPES = {(64, 128, 128, 256): 1.3, (16, 100, 32, 64): 1.8}
GATES = {"LSTM": 4, "GRU": 3}


def sequence(kind: str, shape: tuple[int, int, int, int], backward: bool) -> Callable[[Any], Work]:
    batch, time, inputs, hidden = shape

    def build(fw: Any) -> Work:
        module = fw.module(getattr(fw.nn, kind)(inputs, hidden, batch_first=True))
        x = fw.tensor(normal(batch, time, inputs), backward)
        dy = fw.tensor(normal(batch, time, hidden, seed=1))
        if not backward:

            def run() -> Any:
                with fw.no_grad():
                    return module(x)[0]

            return Work(run, lambda: [fw.numpy(run())])
        leaves = [x, *module.parameters()]

        def both() -> None:
            for leaf in leaves:
                leaf.grad = None
            module(x)[0].backward(dy)

        def outputs() -> list[Any]:
            both()
            return [fw.grad(leaf) for leaf in leaves]

        return Work(both, outputs)

    return build


def cases(quick: bool) -> Iterator[Case]:
    for kind, gates in GATES.items():
        for shape, ratio in SHAPES.items():
            if quick:
                shape = (3, 7, shape[2] // 8, shape[3] // 8)
            batch, time, inputs, hidden = shape
            operations = 2.0 * batch * time * gates * hidden * (inputs + hidden)
            for backward in (False, True):
                yield Case(
                    f"{kind} ({batch} x {time}, {inputs} to {hidden})"
                    f" forward{' + backward' * backward}",
                    {"framework": sequence(kind, shape, backward)},
                    targets={"torch": ratio} if backward else {},
                    ceiling=flops(operations * (3 if backward else 1)),
                    # Gradients of weights add over the batch and all steps.
                    tolerance=sum_tolerance(batch * time * hidden),
                )
