"""Random numbers: dropout and a million normal numbers, on one thread."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from bench.case import Case, Work, normal

TITLE = "Random numbers"


def moments(values: np.ndarray) -> np.ndarray:
    """Mean, spread and part of zeros: what two sides' random numbers have in common."""
    return np.array([values.mean(), values.std(), (values == 0).mean()])


def dropout(count: int, backward: bool) -> Any:
    def build(fw: Any) -> Work:
        x = fw.tensor(np.abs(normal(count)), backward)
        dy = fw.tensor(normal(count, seed=1))

        def run() -> Any:
            x.grad = None
            y = fw.F.dropout(x, 0.5, training=True)
            if backward:
                y.backward(dy)
            return y

        return Work(run, lambda: [moments(fw.numpy(run()))])

    return build


def normal_numbers(count: int) -> Any:
    def framework(fw: Any) -> Work:
        randn = fw.lib.randn
        return Work(lambda: randn(count), lambda: [moments(fw.numpy(randn(count)))])

    def numpy(_: Any) -> Work:
        rng = np.random.default_rng(0)

        def run() -> np.ndarray:
            return rng.standard_normal(count, dtype=np.float32)

        return Work(run, lambda: [moments(run())])

    return {"framework": framework, "numpy": numpy}


def cases(quick: bool) -> Iterator[Case]:
    count = 10_000 if quick else 1_000_000
    # Each moment of n numbers strays by about 1 / sqrt(n); two sides differ by some of that.
    options: dict[str, Any] = {"tolerance": 8 / count**0.5, "judged": 1}
    for backward in (False, True):
        yield Case(
            f"dropout 1M forward{' + backward' * backward}",
            {"framework": dropout(count, backward)},
            targets={} if backward else {"torch": 10.0},
            **options,
        )
    yield Case("normal 1M", normal_numbers(count), targets={"torch": 4.0}, **options)
