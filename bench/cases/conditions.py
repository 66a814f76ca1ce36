"""Memory, and conditions that are not quiet: a busy neighbour, NumPy beside, odd data and sizes."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import os
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from bench.case import Case, Work, normal
from bench.cases.training_step import trained
from bench.models import NETWORKS

TITLE = "Memory and real conditions"
NOTES = """\
Memory is what the process holds at most, less what it held after loading the library. The neighbour
is one process that spins, bound to one core; the figure is a step's time beside it over the time
when it is quiet. "NumPy after an operation" is the time of a 512 x 512 NumPy product right after an
operation of the framework over the time after as long a wait. "Denormal data" is the time on
numbers near 1e-40 over the time on normal ones. Smaller is better everywhere."""
RESNET = next(n for n in NETWORKS if n.name.startswith("ResNet"))


def resident(field: str = "VmRSS") -> float:
    """Memory of this process in MB."""
    status = Path("/proc/self/status").read_text()
    found = re.search(rf"{field}:\s+(\d+) kB", status)
    if found is None:
        raise NotImplementedError("/proc/self/status does not tell the memory")
    return int(found[1]) / 1024


def seconds(run: Callable[[], Any], calls: int) -> float:
    """Median time of a call."""
    times = []
    for _ in range(calls):
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def peak_memory(batch: int) -> Callable[[Any], Work]:
    def build(fw: Any) -> Work:
        def measure() -> float:
            before = resident()
            step = trained(RESNET, batch, fw)
            for _ in range(3):
                step()
            return resident("VmHWM") - before

        return Work(measure=measure)

    return build


def busy_neighbour(batch: int, calls: int) -> Callable[[Any], Work]:
    def build(fw: Any) -> Work:
        step = trained(RESNET, batch, fw)

        def measure() -> float:
            step()
            quiet = seconds(step, calls)
            core = max(os.sched_getaffinity(0))
            code = f"import os; os.sched_setaffinity(0, [{core}])\nwhile True: pass"
            with subprocess.Popen([sys.executable, "-c", code]) as spinner:
                try:
                    time.sleep(0.2)
                    busy = seconds(step, calls + 2)
                finally:
                    spinner.kill()
            return busy / quiet

        return Work(measure=measure)

    return build


def numpy_after(calls: int) -> Callable[[Any], Work]:
    def build(fw: Any) -> Work:
        a, b = normal(512, 512), normal(512, 512, seed=1)
        x = fw.tensor(normal(1_000_000))

        def product() -> float:
            start = time.perf_counter()
            np.matmul(a, b)
            return time.perf_counter() - start

        def wait() -> None:
            end = time.perf_counter() + length
            while time.perf_counter() < end:
                pass

        def operation() -> None:
            fw.F.relu(x)

        length = seconds(operation, 20)

        def measure() -> float:
            found: dict[Callable[[], None], list[float]] = {wait: [], operation: []}
            for _ in range(calls):
                for before, times in found.items():
                    time.sleep(0.02)
                    before()
                    times.append(product())
            return statistics.median(found[operation]) / statistics.median(found[wait])

        return Work(measure=measure)

    return build


def denormal(name: str, size: int) -> Callable[[Any], Work]:
    def build(fw: Any) -> Work:
        def on(scale: float) -> Callable[[], Any]:
            x = fw.tensor(normal(size, size) * np.float32(scale))
            y = fw.tensor(normal(size, size, seed=1))
            image = fw.image(normal(8, 32, 28, 28) * np.float32(scale))
            weight = fw.weight(normal(32, 32, 3, 3))
            operations: dict[str, Callable[[], Any]] = {
                "x * y": lambda: x * y,
                "exp": lambda: fw.lib.exp(x),
                "sum": lambda: fw.lib.sum(x),
                "softmax": lambda: fw.F.softmax(x, -1),
                "matmul": lambda: x @ y,
                "conv2d": lambda: fw.F.conv2d(image, weight, padding=1),
            }
            return operations[name]

        usual, odd = on(1.0), on(1e-40)

        def measure() -> float:
            ratios = []
            for _ in range(7):
                for run in (usual, odd):
                    run()
                ratios.append(seconds(odd, 5) / seconds(usual, 5))
            return statistics.median(ratios)

        return Work(measure=measure)

    return build


def growth(passes: int, first: int) -> Callable[[Any], Work]:
    """Forward passes of a small network with images of random sizes."""

    def build(fw: Any) -> Work:
        nn = fw.nn
        model = fw.module(
            nn.Sequential(
                nn.Conv2d(3, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
                nn.Conv2d(16, 32, 3, padding=1), nn.BatchNorm2d(32), nn.ReLU(),
                nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, 10),
            )
        ).eval()  # fmt: skip

        def measure() -> float:
            rng = np.random.default_rng(0)
            before = 0.0
            for i in range(passes):
                height, width = rng.integers(16, 97, 2)
                image = np.ones((1, 3, height, width), np.float32)
                with fw.no_grad():
                    model(fw.tensor(image))
                if i == first:
                    before = resident()
            return max(resident() - before, 0.0)

        return Work(measure=measure)

    return build


def cases(quick: bool) -> Iterator[Case]:
    batch, calls = (2, 1) if quick else (RESNET.batch, 5)
    options: dict[str, Any] = {"fresh": True, "rounds": 1, "threads": (2,)}
    yield Case(
        "peak memory of a ResNet-18 step",
        {"framework": peak_memory(batch)},
        targets={"torch": 1.0},
        unit="MB",
        **options,
    )
    yield Case(
        "ResNet-18 step beside a busy neighbour",
        {"framework": busy_neighbour(batch, calls)},
        targets={"at most": 2.2},
        unit="x",
        **options,
    )
    yield Case(
        "NumPy after an operation",
        {"framework": numpy_after(2 if quick else 60)},
        targets={"at most": 1.1},
        unit="x",
        **options,
    )
    for name in ("x * y", "exp", "sum", "softmax", "matmul", "conv2d"):
        yield Case(
            f"denormal data, {name}",
            {"framework": denormal(name, 64 if quick else 512)},
            targets={"at most": 1.1},
            unit="x",
            rounds=1,
        )
    yield Case(
        "growth over 5,000 image sizes after the first 200",
        {"framework": growth(*((30, 10) if quick else (5000, 200)))},
        targets={"at most": 20.0},
        unit="MB",
        **options,
    )
