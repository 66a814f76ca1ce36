"""Learning from a table on disk that need not fit into memory.

Run as a program, this module writes the table: the memory of writing is not that of reading.
"""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import importlib
import shutil
import subprocess
import sys
import tempfile
import weakref
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from bench.case import Case, Work, generator
from bench.cases.conditions import resident

TITLE = "Regression out of core"
NOTES = """\
Each pass reads a file of float64 numbers, not compressed, and calls `partial_fit` of SGDRegressor
with 16,384 rows at a time: Lepton's through `lepton.data.TableBatches`, which reads ahead,
scikit-learn's in a loop over PyArrow's `iter_batches`. Rows in a second are the rows of the case
over the time. Memory is what the process holds at most, less what it held
after loading the library; the file is written by another process."""
FEATURES = 24
BLOCK = 1 << 17  # rows in a row group
ROWS = 16_384  # that are learned from at once
ROW = 8 * (FEATURES + 1)  # bytes


def write(path: Path, rows: int) -> None:
    """Random numbers and a target that is linear in them, float64, not compressed."""
    import pyarrow
    from pyarrow import parquet

    names = [*(f"x{i}" for i in range(FEATURES)), "y"]
    schema = pyarrow.schema([(name, pyarrow.float64()) for name in names])
    rng = generator(0)
    coef = rng.standard_normal(FEATURES)
    options: dict[str, Any] = {"compression": "none", "use_dictionary": False}
    with parquet.ParquetWriter(path, schema, write_statistics=False, **options) as file:
        for begin in range(0, rows, BLOCK):
            X = rng.standard_normal((FEATURES, min(BLOCK, rows - begin)))
            y = coef @ X + rng.standard_normal(X.shape[1])
            file.write_batch(pyarrow.record_batch([*map(pyarrow.array, [*X, y])], schema=schema))


class Table:
    """A file in a folder that vanishes with this object."""

    def __init__(self, size: int) -> None:
        folder = tempfile.mkdtemp(prefix="lepton-bench-")
        self.remove = weakref.finalize(self, shutil.rmtree, folder)
        self.path = Path(folder, "table.parquet")
        command = [sys.executable, "-m", __name__, str(self.path), str(size // ROW)]
        subprocess.run(command, check=True)

    def learn(self, package: str) -> Any:
        """One pass of SGDRegressor."""
        model = importlib.import_module(package).SGDRegressor(random_state=0)
        for X, y in self.read(package):
            model.partial_fit(X, y)
        return model

    def read(self, package: str) -> Iterable[tuple[Any, Any]]:
        """Blocks of rows, as people read them who use the package."""
        if package.startswith("lepton"):
            from lepton.data import TableBatches

            return TableBatches(self.path, "y", ROWS)
        from pyarrow import parquet

        frames = (part.to_pandas() for part in parquet.ParquetFile(self.path).iter_batches(ROWS))
        return ((frame.drop(columns="y").to_numpy(), frame["y"].to_numpy()) for frame in frames)


def one_pass(size: int, package: str) -> Callable[[Any], Work]:
    """The time of reading and learning."""

    def build(_: Any) -> Work:
        table = Table(size)
        return Work(lambda: table.learn(package), lambda: [table.learn(package).coef_])

    return build


def peak_memory(size: int, package: str) -> Callable[[Any], Work]:
    """What one pass holds at most, in MB, more than the library alone."""

    def build(_: Any) -> Work:
        def measure() -> float:
            before = resident()
            table = Table(size)
            table.learn(package)
            table.remove()
            return resident("VmHWM") - before

        return Work(measure=measure)

    return build


def cases(quick: bool) -> Iterator[Case]:
    packages = {"lepton": "lepton.regression", "sklearn": "sklearn.linear_model"}
    size = 5_000_000 if quick else 500_000_000
    yield Case(
        f"SGDRegressor.partial_fit over a Parquet file, {size // ROW:,} x {FEATURES}",
        {side: one_pass(size, package) for side, package in packages.items()},
        tolerance=0.05,  # of two descents that end near the same coefficients
        threads=(2,),
        rounds=2,
    )
    size = 5_000_000 if quick else 5_000_000_000
    yield Case(
        f"SGDRegressor.partial_fit over {size / 1e9:g} GB of Parquet, memory",
        {"lepton": peak_memory(size, packages["lepton"])},
        targets={"at most": 500.0},
        unit="MB",
        fresh=True,
        rounds=1,
        threads=(2,),
    )


if __name__ == "__main__":
    write(Path(sys.argv[1]), int(sys.argv[2]))
