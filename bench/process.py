"""The harness's end of a side's process."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import contextlib
import pickle
import select
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from bench import sides

ROOT = Path(__file__).resolve().parent.parent
PATIENCE = 300.0  # seconds; a compiler may take its time


class Absent(Exception):
    """The side, or what the case needs of it, is not there."""


class Failed(Exception):
    """The side's process raised or died."""


class Process:
    """One side in a process of its own."""

    def __init__(self, side: str, threads: int, quick: bool, python: str = sys.executable) -> None:
        self.side = side
        environment = sides.environment(side, threads)
        paths = [str(ROOT), environment.get("PYTHONPATH", "")]
        environment["PYTHONPATH"] = ":".join(p for p in paths if p)
        self.errors = tempfile.TemporaryFile()  # noqa: SIM115
        self.process = subprocess.Popen(
            [python, "-m", "bench.worker", side, str(threads), "quick" if quick else "full"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.errors,
            env=environment,
            cwd=ROOT,
        )

    def ask(self, *message: Any) -> Any:
        """Send a message and wait for the answer."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        try:
            pickle.dump(message, self.process.stdin)
            self.process.stdin.flush()
            if not select.select([self.process.stdout], [], [], PATIENCE)[0]:
                self.process.kill()
            kind, value = pickle.load(self.process.stdout)
        except (EOFError, OSError, pickle.UnpicklingError):
            self.process.kill()
            self.process.wait()
            self.errors.seek(0)
            tail = self.errors.read()[-600:].decode(errors="replace")
            raise Failed(f"the process ended ({self.process.returncode}): {tail}") from None
        if kind == "absent":
            raise Absent(value)
        if kind == "failed":
            raise Failed(value)
        return value

    def rest(self) -> None:
        """Wait until the process uses no CPU: threads that spin would slow the next side."""
        clock = (~self.process.pid << 3) | 2  # the CPU clock of another process on Linux
        end = time.perf_counter() + 0.5
        before = -1.0
        while time.perf_counter() < end:
            try:
                now = time.clock_gettime(clock)
            except OSError:
                time.sleep(0.05)
                return
            if now - before < 2e-4:
                return
            before = now
            time.sleep(0.004)

    @property
    def alive(self) -> bool:
        return self.process.poll() is None

    def close(self) -> None:
        with contextlib.suppress(OSError):
            if self.process.stdin:
                self.process.stdin.close()
        try:
            self.process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        if self.process.stdout:
            self.process.stdout.close()
        self.errors.close()
