"""Networks for tables: whole fits, with checks of the data, against scikit-learn's."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from bench.case import Case, Work, flops, generator

TITLE = "Networks for tables"
NOTES = """\
Both sides fit float32 data with the same parameters; the losses they reach are compared, which
differ by the first weights that each draws."""
BATCH, HIDDEN, CLASSES = 200, 256, 10


def fashion() -> tuple[np.ndarray, np.ndarray]:
    """Fashion-MNIST's 60,000 training images as rows of numbers from 0 to 1."""
    from lepton.data import datasets

    try:
        data = datasets.load_fashion_mnist()
    except FileNotFoundError as error:
        raise NotImplementedError(str(error)) from error
    images = data.train_images.reshape(len(data.train_images), -1)
    return images.astype(np.float32) / 255, data.train_labels


def small() -> tuple[np.ndarray, np.ndarray]:
    rng = generator(0)
    return rng.random((400, 30), dtype=np.float32), rng.integers(0, CLASSES, 400)


def fit(load: Callable[[], tuple[np.ndarray, np.ndarray]], package: str) -> Callable[[Any], Work]:
    """One epoch with Adam; each fit draws other first weights."""

    def build(_: Any) -> Work:
        import importlib
        import warnings

        kind = importlib.import_module(package).MLPClassifier
        X, y = load()
        warnings.simplefilter("ignore")  # that one epoch is not enough

        def run() -> Any:
            return kind((HIDDEN,), batch_size=BATCH, max_iter=1).fit(X, y)

        return Work(run, lambda: [run().loss_])

    return build


def cases(quick: bool) -> Iterator[Case]:
    load = small if quick else fashion
    rows, features = (400, 30) if quick else (60_000, 784)
    yield Case(
        f"MLPClassifier (256,), Fashion-MNIST, one epoch, batch {BATCH}",
        {
            "lepton": fit(load, "lepton.tabular"),
            "sklearn": fit(load, "sklearn.neural_network"),
        },
        targets={"sklearn": 4.0},
        # The gradient of the data is not needed.
        ceiling=flops(rows * (4.0 * features * HIDDEN + 6.0 * HIDDEN * CLASSES)),
        tolerance=0.05,  # of losses from other first weights
    )
