"""Matrix products: square in all transposes, small, tall and thin, batched, and with vectors."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from bench.case import Case, Ceiling, Work, flops, normal, sum_tolerance

TITLE = "Matrix products"
NOTES = """\
N and T tell which factors are transposed views. Twice PyTorch is the aim on AMD processors with
AVX-512, where PyTorch's BLAS stays on its AVX2 path."""
LARGE = (512, 1024, 1536, 2048)
SMALL = (16, 32, 48, 64, 96, 100, 128)
# Name, shapes of both factors.
SHAPES = {
    "tall-skinny 100000x32 @ 32x32": ((100_000, 32), (32, 32)),
    "tall-skinny 4096x64 @ 64x256": ((4096, 64), (64, 256)),
    "tall-skinny 32x8192 @ 8192x32": ((32, 8192), (8192, 32)),
    "batched 256 x (64x64 @ 64x64)": ((256, 64, 64), (256, 64, 64)),
    "batched 128 x (128x64 @ 64x128)": ((128, 128, 64), (128, 64, 128)),
    "matrix-vector 1024x1024 @ 1024": ((1024, 1024), (1024,)),
    "matrix-vector 4096x4096 @ 4096": ((4096, 4096), (4096,)),
    "vector-matrix 4096 @ 4096x4096": ((4096,), (4096, 4096)),
}


def product(
    x: tuple[int, ...], y: tuple[int, ...], turned: str, dtype: str
) -> dict[str, Callable[[Any], Work]]:
    """x @ y, of which those marked T in `turned` are transposed views of what lies in memory."""

    def operands() -> list[np.ndarray]:
        return [
            np.ascontiguousarray(a.T) if mark == "T" else a
            for a, mark in zip(
                (normal(*x, dtype=dtype), normal(*y, seed=1, dtype=dtype)), turned, strict=True
            )
        ]

    def framework(fw: Any) -> Work:
        a, b = (
            fw.tensor(m).T if mark == "T" else fw.tensor(m)
            for m, mark in zip(operands(), turned, strict=True)
        )
        matmul = fw.lib.matmul
        return Work(lambda: matmul(a, b), lambda: [fw.numpy(matmul(a, b))])

    def numpy(_: Any) -> Work:
        a, b = (m.T if mark == "T" else m for m, mark in zip(operands(), turned, strict=True))
        return Work(lambda: np.matmul(a, b), lambda: [np.matmul(a, b)])

    return {"framework": framework, "numpy": numpy}


def square(n: int, turned: str, targets: dict[str, float], dtype: str = "f4") -> Case:
    double = dtype == "f8"
    return Case(
        f"{'dgemm' if double else 'sgemm'} {turned} {n}",
        product((n, n), (n, n), turned, dtype),
        targets=targets,
        ceiling=flops(2 * n**3, double),
        tolerance=sum_tolerance(n, float(np.finfo(dtype).eps)),
    )


def cases(quick: bool) -> Iterator[Case]:
    for n in (48,) if quick else LARGE:
        for turned in ("NN", "NT", "TN", "TT"):
            yield square(n, turned, {"ceiling": 0.9, "numpy": 1.0, "torch": 2.0})
    for n in (16,) if quick else SMALL:
        yield square(n, "NN", {"best": 1.3})
    for name, (x, y) in SHAPES.items():
        if quick:
            x, y = (tuple(min(n, 24) for n in shape) for shape in (x, y))
        terms = x[-1]
        work = 2.0 * terms * float(np.prod(x[:-1])) * (y[-1] if len(y) > 1 else 1)
        vector = len(x) == 1 or len(y) == 1
        matrix = max(np.prod(x), np.prod(y)) * 4.0
        yield Case(
            name,
            product(x, y, "NN", "f4"),
            targets={"best": 1.3},
            ceiling=Ceiling("read", matrix) if vector else flops(work),
            tolerance=sum_tolerance(terms),
        )
    for n in (40,) if quick else LARGE:
        yield square(n, "NN", {"ceiling": 0.88}, "f8")
