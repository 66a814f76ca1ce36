"""Softmax, and cross-entropy as losses compute it, forward and forward + backward."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from bench.case import Case, sum_tolerance, traffic
from bench.cases._layers import Make, layer

TITLE = "Softmax and cross-entropy"
SHAPES = [(4096, 1000), (16384, 128), (128, 10)]


def maker(name: str, rows: int, classes: int) -> Make:
    def make(fw: Any) -> Any:
        labels = fw.tensor(np.random.default_rng(3).integers(0, classes, rows))
        functions = {
            "softmax": lambda x: fw.F.softmax(x, -1),
            "log-softmax": lambda x: fw.F.log_softmax(x, -1),
            "cross-entropy": lambda x: fw.F.cross_entropy(x, labels),
        }
        return functions[name], []

    return make


def passes(name: str, size: int, backward: bool) -> list[int]:
    """What must move: x and y; backward y, dy and dx. A loss has no large y and dy."""
    forward = [size] if name == "cross-entropy" else [size] * 2
    return forward + [size] * (len(forward) + 1) * backward


def cases(quick: bool) -> Iterator[Case]:
    for rows, classes in [(6, 10), (4, 33)] if quick else SHAPES:
        for name in ("softmax", "log-softmax", "cross-entropy"):
            for backward in (False, True):
                yield Case(
                    f"{name} ({rows},{classes}) forward{' + backward' * backward}",
                    {"framework": layer(maker(name, rows, classes), (rows, classes), backward)},
                    targets={"torch": 2.0},
                    ceiling=traffic(*passes(name, rows * classes, backward)),
                    # A mean over rows of sums over classes, and an exponential.
                    tolerance=sum_tolerance(rows if name == "cross-entropy" else classes),
                )
