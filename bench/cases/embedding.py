"""Embeddings: the lookup, and the gradient of few rows together with an optimiser's step."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from bench.case import EPS, Case, Work, normal

TITLE = "Embeddings"
NOTES = """\
The step is what a training step does to the table: gradient of the looked up rows, and the
optimiser. Lepton's is `Embedding(sparse=True)` with `AdamW(sparse="lazy")`; PyTorch has either
`SparseAdam` (first row) or a dense gradient with AdamW (second row)."""


def data(rows: int, width: int, count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    indices = np.random.default_rng(5).integers(0, rows, count)
    return normal(rows, width), indices, normal(count, width, seed=1)


def lookup(size: tuple[int, int, int]) -> Callable[[Any], Work]:
    def build(fw: Any) -> Work:
        table, indices, _ = (fw.tensor(a) for a in data(*size))
        return Work(
            lambda: fw.F.embedding(indices, table),
            lambda: [fw.numpy(fw.F.embedding(indices, table))],
        )

    return build


def step(size: tuple[int, int, int], optimizer: str, rows: bool, **options: Any) -> Any:
    """Lookup, gradient (of `rows` alone or dense) and step; the gradient of the loss is given."""

    def build(fw: Any) -> Work:
        table, indices, gradient = data(*size)
        module = fw.nn.Embedding(*size[:2], sparse=rows)
        with fw.no_grad():
            module.weight.copy_(fw.tensor(table))
        i, dy = fw.tensor(indices), fw.tensor(gradient)
        steps = fw.optimizer(optimizer, module.parameters(), lr=1e-2, **options)

        def run() -> None:
            steps.zero_grad()
            module(i).backward(dy)
            steps.step()

        def outputs() -> list[Any]:
            run()
            return [fw.numpy(module.weight)]

        return Work(run, outputs)

    return build


def cases(quick: bool) -> Iterator[Case]:
    size = (200, 8, 30) if quick else (200_000, 64, 4096)
    yield Case("lookup of 4096 in 200k x 64", {"framework": lookup(size)})
    lazy = step(size, "AdamW", True, sparse="lazy", weight_decay=0.0)
    # Repeated indices add up, then come a dozen roundings.
    options: dict[str, Any] = {"tolerance": 32 * EPS}
    yield Case(
        "gradient + lazy AdamW, 4096 of 200k x 64, against SparseAdam",
        {"lepton": lazy, "torch": step(size, "SparseAdam", True)},
        targets={"torch": 1.1},
        **options,
    )
    yield Case(
        "gradient + lazy AdamW, 4096 of 200k x 64, against dense Adam",
        {"lepton": lazy, "torch": step(size, "AdamW", False, weight_decay=0.0)},
        targets={"torch": 20.0},
        **options,
    )
