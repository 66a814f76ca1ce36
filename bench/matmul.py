"""Matrix products against the multiply-add peak of this machine and against NumPy.

    python bench/matmul.py [--sizes 512 1024 2048] [--json results.json]

The sides alternate in one process, medians are printed. NumPy is timed with OPENBLAS_CORETYPE and
OPENBLAS_L2_SIZE unset, so that its BLAS chooses its kernels itself.
"""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import time
from collections.abc import Callable

for _name in ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE"):
    if os.environ.pop(_name, None) is not None:
        os.execv(sys.executable, [sys.executable, *sys.argv])

import numpy as np  # noqa: E402

import lepton  # noqa: E402
from lepton import _core  # noqa: E402


def seconds(run: Callable[[], object]) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def measure(n: int, rounds: int) -> dict[str, float]:
    """Median GFLOP/s of the peak loop, Lepton and NumPy at size n, checked for equality first."""
    a, b = lepton.randn(n, n), lepton.randn(n, n)
    x, y = a.numpy(), b.numpy()
    error = np.abs((a @ b).numpy() - x.astype("f8") @ y.astype("f8")).max()
    # |error| <= n * eps * max sum |a||b|; the latter is about 0.64 n for normal numbers.
    assert error < n * 1.2e-7 * n, f"matmul is wrong by {error}"
    operations = 2.0 * n**3
    rates: dict[str, list[float]] = {"peak": [], "lepton": [], "numpy": []}
    for _ in range(rounds):
        start = time.perf_counter()
        done = _core.run_peak(400_000)
        rates["peak"].append(done / (time.perf_counter() - start))
        rates["lepton"].append(operations / seconds(lambda: a @ b))
        rates["numpy"].append(operations / seconds(lambda: x @ y))
    return {name: statistics.median(values) / 1e9 for name, values in rates.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=[128, 256, 512, 1024, 2048])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--json", help="file to write the figures to")
    options = parser.parse_args()
    print(f"isa {lepton.isa()}, threads {lepton.get_num_threads()}, GFLOP/s (medians)")
    print(f"{'n':>6} {'peak':>8} {'lepton':>8} {'of peak':>8} {'numpy':>8} {'ratio':>7}")
    rows = []
    for n in options.sizes:
        row = measure(n, options.rounds)
        rows.append({"n": n, **row})
        print(
            f"{n:6d} {row['peak']:8.1f} {row['lepton']:8.1f} {row['lepton'] / row['peak']:8.1%} "
            f"{row['numpy']:8.1f} {row['lepton'] / row['numpy']:7.2f}"
        )
    if options.json:
        with open(options.json, "w", encoding="utf-8") as file:
            machine = {"isa": lepton.isa(), "threads": lepton.get_num_threads()}
            json.dump({**machine, "rows": rows}, file)


if __name__ == "__main__":
    main()
