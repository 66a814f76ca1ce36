"""What a case of the bench declares: its work on each side, its ceiling and its target."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

EPS = float(np.finfo(np.float32).eps)


@dataclass
class Work:
    """One side's work, ready to be timed.

    `run` is timed as it is called; `outputs` gives what is compared across sides before that (a
    side that gives nothing, having other weights, is not compared). A work whose result is not its
    time (memory, a ratio) gives `measure` in place of `run`.
    """

    run: Callable[[], Any] | None = None
    outputs: Callable[[], list[Any]] = list
    measure: Callable[[], float] | None = None


@dataclass(frozen=True)
class Ceiling:
    """What bounds a case: `amount` operations ("fma") or bytes ("read", "copy", "triad", ...)."""

    kind: str
    amount: float


@dataclass(frozen=True)
class Case:
    """One row of the table.

    `sides` maps a side, or the family it belongs to, to the function that builds its work:
    "lepton", "torch" (and "torch-default") or both as "framework", "numpy", "onnxruntime",
    "keras". `targets` maps a peer to the least ratio peer / Lepton ("best" is the faster of
    PyTorch's best and NumPy), "ceiling" to the least part of the ceiling, "at most" to the largest
    value of Lepton's own; it is judged on `judged` threads. `tolerance` bounds the difference of
    two sides' outputs over the largest value. A `fresh` case gets new processes; `threads` limits
    it to some numbers of them. Values in another `unit` than seconds are better when smaller, too.
    """

    name: str
    sides: Mapping[str, Callable[[Any], Work]]
    targets: Mapping[str, float] = field(default_factory=dict)
    ceiling: Ceiling | None = None
    tolerance: float = 0.0
    judged: int = 2
    unit: str = "s"
    fresh: bool = False
    threads: tuple[int, ...] | None = None
    rounds: int | None = None


def flops(amount: float, double: bool = False) -> Ceiling:
    """Multiply-adds counted as two; a vector holds half as many doubles."""
    return Ceiling("fma", 2 * amount if double else amount)


def traffic(*sizes: float) -> Ceiling:
    """Floats that are read or written once each, in about equal parts."""
    return Ceiling("copy", 4.0 * sum(sizes))


def sum_tolerance(terms: float, eps: float = EPS) -> float:
    """Bound of |a - b| / max|b| for two ways to add `terms` products of zero mean.

    Rounding errors of a running sum add up like a random walk, to sqrt(terms) eps / 5 of the
    result's spread; four times sqrt(terms) eps is 20 times that, so that no wrong result passes and
    no right one fails.
    """
    return 4 * eps * (terms**0.5 + 2)


def generator(*seed: int) -> np.random.Generator:
    """The random numbers of a case: the same on every side."""
    return np.random.default_rng(seed)


def normal(*shape: int, seed: int = 0, dtype: str = "f4") -> np.ndarray:
    return generator(seed, *shape).standard_normal(shape, dtype=np.dtype(dtype).type)


def questions() -> list[str]:
    """The names of the modules in `bench/cases`."""
    from bench import cases

    return sorted(m.name for m in pkgutil.iter_modules(cases.__path__) if m.name[0] != "_")


def module(question: str) -> Any:
    return importlib.import_module(f"bench.cases.{question}")


def load(question: str, quick: bool) -> Iterator[Case]:
    """The cases of one module; `quick` ones are small and say nothing about targets."""
    yield from module(question).cases(quick)
