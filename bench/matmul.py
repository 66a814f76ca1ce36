"""Matrix products against the multiply-add peak of this machine and against NumPy.

    python bench/matmul.py [--sizes 512 1024 2048] [--json results.json]

Each side runs in processes of its own (threads that one library keeps awake would slow the other),
the sides alternate, medians are printed. NumPy is timed with OPENBLAS_CORETYPE and
OPENBLAS_L2_SIZE unset.
"""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable

import numpy as np

SIDES = ("peak", "lepton", "numpy")


def rate(run: Callable[[], float | None], operations: float = 0.0, repeats: int = 9) -> float:
    """Median GFLOP/s; run may return how many operations it did."""
    run()
    rates = []
    for _ in range(repeats):
        start = time.perf_counter()
        done = run() or operations
        rates.append(done / (time.perf_counter() - start) / 1e9)
    return statistics.median(rates)


def measure(side: str, sizes: list[int]) -> list[float]:
    """The rates of one side, one for each size."""
    rng = np.random.default_rng(0)
    found = []
    for n in sizes:
        x, y = (rng.standard_normal((n, n), dtype=np.float32) for _ in range(2))
        if side == "numpy":
            found.append(rate(lambda x=x, y=y: np.matmul(x, y) is None, 2.0 * n**3))
            continue
        import lepton
        from lepton import _core

        if side == "peak":
            found.append(rate(lambda: _core.run_peak(200_000)))
            continue
        a, b = lepton.asarray(x), lepton.asarray(y)
        error = np.abs((a @ b).numpy() - x.astype("f8") @ y.astype("f8")).max()
        # |error| <= n eps sum |a||b|, a sum of about 0.64 n for normal numbers.
        assert error < n * 1.2e-7 * n, f"matmul is wrong by {error}"
        found.append(rate(lambda a=a, b=b: (a @ b) is None, 2.0 * n**3))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=[128, 256, 512, 1024, 2048])
    parser.add_argument("--rounds", type=int, default=5, help="processes of each side")
    parser.add_argument("--json", help="file to write the figures to")
    parser.add_argument("--side", choices=SIDES, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.side:
        print(json.dumps(measure(options.side, options.sizes)))
        return
    environment = {k: v for k, v in os.environ.items() if not k.startswith("OPENBLAS_")}
    sizes = [str(n) for n in options.sizes]
    runs: dict[str, list[list[float]]] = {side: [] for side in SIDES}
    for _ in range(options.rounds):
        for side in SIDES:
            command = [sys.executable, __file__, "--side", side, "--sizes", *sizes]
            done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True)
            runs[side].append(json.loads(done.stdout))
    rows = [
        {"n": n, **{side: statistics.median(run[i] for run in runs[side]) for side in SIDES}}
        for i, n in enumerate(options.sizes)
    ]
    import lepton

    print(f"isa {lepton.isa()}, threads {lepton.get_num_threads()}, GFLOP/s (medians)")
    print(f"{'n':>6} {'peak':>8} {'lepton':>8} {'of peak':>8} {'numpy':>8} {'ratio':>7}")
    for row in rows:
        print(
            f"{row['n']:6d} {row['peak']:8.1f} {row['lepton']:8.1f}"
            f" {row['lepton'] / row['peak']:8.1%} {row['numpy']:8.1f}"
            f" {row['lepton'] / row['numpy']:7.2f}"
        )
    if options.json:
        setting = {"isa": lepton.isa(), "threads": lepton.get_num_threads()}
        with open(options.json, "w", encoding="utf-8") as file:
            json.dump({**setting, "rows": rows}, file)


if __name__ == "__main__":
    main()
