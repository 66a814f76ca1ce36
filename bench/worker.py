"""The process of one side: builds a case's work and times it when it is told to.

Messages are pickles on standard input and output. Between messages the process waits in a read
and must not use the CPU.
"""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import gc
import os
import pickle
import re
import sys
import time
import traceback
from typing import Any

import numpy as np

from bench import case, sides

# What Python says when a library lacks a name or an argument.
LACKING = re.compile(r"has no attribute|cannot import name|unexpected keyword|No module named")
SAMPLE = 65536
LONG = 0.05  # seconds


def digest(value: Any) -> np.ndarray:
    """An array, or the same random sample of it on each side."""
    array = np.asarray(value)
    flat = array.reshape(-1)
    if flat.size > SAMPLE:
        flat = flat[np.random.default_rng(flat.size).integers(0, flat.size, SAMPLE)]
    return np.array([array.size, *flat], dtype=np.float64)


def durations(run: Any, seconds: float) -> list[float]:
    """Times of single calls for about so many seconds; short calls are timed in groups.

    The first call of a turn finds the other sides' data in the caches and does not count, unless it
    is so long that it does not matter.
    """
    clock = time.perf_counter
    start = clock()
    run()
    once = clock() - start
    found = [once] if once > LONG else []
    group = 1
    if once < 1e-4:
        start = clock()
        run()
        group = max(1, int(1e-4 / max(clock() - start, 1e-8)))
    end = clock() + seconds - sum(found)
    while clock() < end or not found:
        start = clock()
        for _ in range(group):
            run()
        found.append((clock() - start) / group)
    return found


class Worker:
    """Holds the side's library and the work of the current case."""

    def __init__(self, side: str, threads: int, quick: bool) -> None:
        self.side, self.threads, self.quick = side, threads, quick
        self.face: Any = None
        self.known: dict[str, dict[str, case.Case]] = {}
        self.work = case.Work()

    def versions(self) -> dict[str, str]:
        """Load the library."""
        self.face = sides.load(self.side, self.threads)
        gc.collect()
        gc.freeze()  # the library itself is not looked through again
        return sides.versions(self.side)

    def isas(self) -> list[str]:
        """Lepton's instruction sets on this machine, the best first."""
        return list(self.face.lib.available_isas())

    def prepare(self, question: str, name: str) -> list[np.ndarray]:
        """Build the work of a case and return its outputs."""
        if question not in self.known:
            self.known[question] = {c.name: c for c in case.load(question, self.quick)}
        build = sides.builder(self.known[question][name].sides, self.side)
        self.work = build(self.face)
        return [digest(value) for value in self.work.outputs()]

    def time(self, seconds: float) -> list[float]:
        if self.work.measure is not None:
            return [self.work.measure()]
        return durations(self.work.run, seconds)

    def peak(self, seconds: float) -> float:
        """Multiply-adds per second out of registers, times two."""
        from lepton import _core

        rates = []
        end = time.perf_counter() + seconds
        while time.perf_counter() < end or not rates:
            start = time.perf_counter()
            done = _core.run_peak(50_000)
            rates.append(done / (time.perf_counter() - start))
        return float(np.median(rates))

    def drop(self) -> None:
        self.work = case.Work()
        gc.collect()


def answer(worker: Worker, message: tuple[Any, ...]) -> tuple[str, Any]:
    """("ok", result), ("absent", why) or ("failed", why)."""
    method, *arguments = message
    try:
        return "ok", getattr(worker, method)(*arguments)
    except (ImportError, AttributeError, TypeError, NotImplementedError) as error:
        if LACKING.search(str(error)) or isinstance(error, NotImplementedError):
            return "absent", str(error).splitlines()[0]
        return "failed", traceback.format_exc(limit=-4)
    except Exception:
        return "failed", traceback.format_exc(limit=-4)


def main() -> None:
    # Whatever a library prints must not get between the messages.
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    side, threads, quick = sys.argv[1:]
    worker = Worker(side, int(threads), quick == "quick")
    while True:
        try:
            message = pickle.load(sys.stdin.buffer)
        except EOFError:
            return
        pickle.dump(answer(worker, message), out)
        out.flush()


if __name__ == "__main__":
    main()
