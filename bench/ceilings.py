"""Stream bandwidth of this machine: what work that only moves memory can reach.

Four loops: "read" (a sum), "copy" (one array in, one out), "triad" (two in, one out), "update"
(three in, two of them written in place). `stream.cpp` is compiled where there is a compiler, with
stores through the cache and past it, and the better counts; without one NumPy's loops stand in.
Bytes are those the program asks for, not what the cache fetches in order to be overwritten.
"""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np

# Arrays that each kind goes over, counting one that is read and written twice.
ARRAYS = {"read": 1, "copy": 2, "triad": 3, "update": 5}
MEGABYTES = 64


@cache
def library() -> ctypes.CDLL | None:
    """`stream.cpp`, compiled for this machine, or None."""
    compiler = os.environ.get("CXX") or shutil.which("c++") or shutil.which("g++")
    if not compiler:
        return None
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "stream.so")
        source = Path(__file__).with_name("stream.cpp")
        flags = ["-O3", "-march=native", "-std=c++20", "-shared", "-fPIC", "-Wno-psabi"]
        done = subprocess.run([compiler, *flags, source, "-o", path], capture_output=True)
        return ctypes.CDLL(str(path)) if done.returncode == 0 else None


@cache
def arrays(megabytes: float) -> list[np.ndarray]:
    """Three arrays whose pages exist, on addresses that are multiples of 64."""
    count = int(megabytes * 2**20) // 4
    made = []
    for _ in range(3):
        raw = np.ones(count + 16, np.float32)
        start = -raw.ctypes.data % 64 // 4
        made.append(raw[start : start + count])
    return made


def _compiled(kind: str, past_cache: int) -> Callable[[list[np.ndarray]], object]:
    function = getattr(library(), f"stream_{kind}")
    pointer = ctypes.POINTER(ctypes.c_float)
    function.argtypes = [pointer, pointer, pointer, ctypes.c_size_t, ctypes.c_int]
    function.restype = ctypes.c_float

    def call(parts: list[np.ndarray]) -> object:
        return function(*(p.ctypes.data_as(pointer) for p in parts), parts[0].size, past_cache)

    return call


def _with_numpy(kind: str) -> Callable[[list[np.ndarray]], object]:
    def call(parts: list[np.ndarray]) -> object:
        a, b, c = parts
        if kind == "read":
            return a.sum()
        if kind == "copy":
            return np.copyto(b, a)
        if kind == "update":
            np.add(a, c, out=a)
            return np.add(b, c, out=b)
        return np.add(a, b, out=c)

    return call


def methods(kind: str) -> list[Callable[[list[np.ndarray]], object]]:
    if library() is None:
        return [_with_numpy(kind)]
    return [_compiled(kind, past) for past in (0, 1)]


_best: dict[tuple[str, int], Callable[[list[np.ndarray]], object]] = {}


def bandwidth(kind: str, threads: int, megabytes: float = MEGABYTES) -> float:
    """Bytes per second that all threads together move, by the method that was best at first."""
    passes = max(1, 6 // ARRAYS[kind])

    def rate(call: Callable[..., object]) -> float:
        return max(_rate(call, threads, megabytes, passes) for _ in range(3))

    if (kind, threads) not in _best:
        _best[kind, threads] = max(methods(kind), key=rate)
    return rate(_best[kind, threads]) * ARRAYS[kind]


def _rate(call: Callable[..., object], threads: int, megabytes: float, passes: int) -> float:
    whole = arrays(megabytes)
    step = whole[0].size // threads // 128 * 128
    parts = [[a[i * step : (i + 1) * step] for a in whole] for i in range(threads)]

    def loop(part: list[np.ndarray]) -> None:
        for _ in range(passes):
            call(part)

    workers = [threading.Thread(target=loop, args=(part,)) for part in parts[1:]]
    start = time.perf_counter()
    for worker in workers:
        worker.start()
    loop(parts[0])
    for worker in workers:
        worker.join()
    return 4 * step * threads * passes / (time.perf_counter() - start)
