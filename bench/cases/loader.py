"""DataLoader over arrays against one `X[idx]` for each batch, which is all the work there is."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from bench.case import Case, Work, normal

TITLE = "Data loader"
BATCH, WIDTH = 32, 16


def lepton(rows: int) -> Any:
    def build(fw: Any) -> Work:
        from lepton.data import ArrayDataset, DataLoader

        loader = DataLoader(ArrayDataset(normal(rows, WIDTH)), BATCH, shuffle=True, seed=0)
        return epoch(loader)

    return build


def torch(rows: int) -> Any:
    def build(fw: Any) -> Work:
        from torch.utils.data import DataLoader, TensorDataset

        return epoch(DataLoader(TensorDataset(fw.tensor(normal(rows, WIDTH))), BATCH, shuffle=True))

    return build


def numpy(rows: int) -> Any:
    def build(_: Any) -> Work:
        x = normal(rows, WIDTH)
        order = np.random.default_rng(0).permutation(rows)

        def run() -> None:
            for start in range(0, rows, BATCH):
                x[order[start : start + BATCH]]

        return Work(run, lambda: [np.abs(x).sum()])

    return build


def epoch(loader: Any) -> Work:
    def run() -> None:
        for _ in loader:
            pass

    def outputs() -> list[Any]:
        # A shuffled epoch holds every row once.
        batches = [b[0] if isinstance(b, (tuple, list)) else b for b in loader]
        return [np.sum([np.abs(np.asarray(b)).sum() for b in batches])]

    return Work(run, outputs)


def cases(quick: bool) -> Iterator[Case]:
    rows = 320 if quick else 32_000
    yield Case(
        f"an epoch of {rows} x {WIDTH}, shuffled, batches of {BATCH}; NumPy: X[idx]",
        {"lepton": lepton(rows), "torch": torch(rows), "numpy": numpy(rows)},
        targets={"numpy": round(1 / 1.3, 2)},
        tolerance=1e-5,  # of a sum in another order
    )
