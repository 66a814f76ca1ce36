"""Elementwise functions and reductions over 64 MB (memory) and 256 KB (cache)."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from bench.case import EPS, Case, Ceiling, Work, normal, sum_tolerance
from bench.ceilings import ARRAYS

TITLE = "Elementwise functions and reductions"
SUM = sum_tolerance(4096 * 4096)
SIZES = {"64 MB": (4096, 4096), "256 KB": (256, 256)}


class Lepton:
    """The functions as Lepton writes them; `m` is the library."""

    def __init__(self, m: Any) -> None:
        self.exp, self.tanh, self.sum, self.max, self.variance = m.exp, m.tanh, m.sum, m.max, m.var
        self.relu, self.gelu = m.nn.functional.relu, m.nn.functional.gelu
        self.sum_axis = lambda x, axis: m.sum(x, axis=axis)
        self.max_axis = lambda x, axis: m.max(x, axis=axis)


class Torch(Lepton):
    """As PyTorch writes them."""

    def __init__(self, m: Any) -> None:
        super().__init__(m)
        self.variance = lambda x: m.var(x, correction=0)
        self.max_axis = lambda x, axis: m.amax(x, dim=axis)


class NumPy:
    """As NumPy writes them."""

    exp, tanh, sum, max, variance = np.exp, np.tanh, np.sum, np.max, np.var
    sum_axis, max_axis = np.sum, np.max

    @staticmethod
    def relu(x: np.ndarray) -> np.ndarray:
        return np.maximum(x, np.float32(0))


# Name: the function, the loop that moves as many bytes, the error allowed. Exponentials and the
# like are right to a few units in the last place.
Function = Callable[[Any, Any, Any], Any]
ENTRIES: dict[str, tuple[Function, str, float]] = {
    "add": (lambda m, x, y: x + y, "triad", EPS),
    "multiply by a number": (lambda m, x, y: x * 1.5, "copy", EPS),
    "x * y + x": (lambda m, x, y: x * y + x, "", 4 * EPS),
    "exp": (lambda m, x, y: m.exp(x), "copy", 8 * EPS),
    "tanh": (lambda m, x, y: m.tanh(x), "copy", 8 * EPS),
    "relu": (lambda m, x, y: m.relu(x), "copy", 0.0),
    "gelu": (lambda m, x, y: m.gelu(x), "copy", 8 * EPS),
    "sum": (lambda m, x, y: m.sum(x), "read", SUM),
    "sum of columns": (lambda m, x, y: m.sum_axis(x, 0), "read", SUM),
    "sum of rows": (lambda m, x, y: m.sum_axis(x, 1), "read", SUM),
    "max": (lambda m, x, y: m.max(x), "read", 0.0),
    "max of rows": (lambda m, x, y: m.max_axis(x, 1), "read", 0.0),
    "variance": (lambda m, x, y: m.variance(x), "read", SUM),
}


def build(function: Function, shape: tuple[int, int]) -> dict[str, Callable[[Any], Work]]:
    def framework(fw: Any) -> Work:
        x, y = fw.tensor(normal(*shape)), fw.tensor(normal(*shape, seed=1))
        names = Lepton(fw.lib) if fw.is_lepton else Torch(fw.lib)

        def run() -> Any:
            return function(names, x, y)

        return Work(run, lambda: [fw.numpy(run())])

    def numpy(_: Any) -> Work:
        x, y = normal(*shape), normal(*shape, seed=1)
        return Work(lambda: function(NumPy, x, y), lambda: [function(NumPy, x, y)])

    return {"framework": framework, "numpy": numpy}


def cases(quick: bool) -> Iterator[Case]:
    for size, shape in SIZES.items():
        if quick:
            shape = (shape[0] // 16, 16)
        for name, (function, kind, tolerance) in ENTRIES.items():
            moved = 4.0 * shape[0] * shape[1]
            sides = build(function, shape)
            if name == "gelu":
                del sides["numpy"]
            yield Case(
                f"{name}, {size}",
                sides,
                targets={"torch": 1.5, **({"ceiling": 0.9} if kind else {})},
                ceiling=Ceiling(kind, ARRAYS[kind] * moved) if kind else None,
                tolerance=tolerance,
            )
