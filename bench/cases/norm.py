"""Batch, layer and group normalisation in training, forward and forward + backward."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from bench.case import Case, sum_tolerance, traffic
from bench.cases._layers import Make, layer

TITLE = "Normalisation"
# Name: shape of the input, class, arguments, whether the input is a batch of images.
NORMS: dict[str, tuple[tuple[int, ...], str, tuple[Any, ...], bool]] = {
    "batch norm (32,64,56,56)": ((32, 64, 56, 56), "BatchNorm2d", (64,), True),
    "batch norm (64,512,4,4)": ((64, 512, 4, 4), "BatchNorm2d", (512,), True),
    "batch norm (128,256)": ((128, 256), "BatchNorm1d", (256,), False),
    "layer norm (32,128,256)": ((32, 128, 256), "LayerNorm", (256,), False),
    "layer norm (4096,1024)": ((4096, 1024), "LayerNorm", (1024,), False),
    "group norm (32,64,56,56) 8 groups": ((32, 64, 56, 56), "GroupNorm", (8, 64), True),
    "group norm (64,256,14,14) 32 groups": ((64, 256, 14, 14), "GroupNorm", (32, 256), True),
}


def maker(kind: str, arguments: tuple[Any, ...]) -> Make:
    def make(fw: Any) -> Any:
        module = fw.module(getattr(fw.nn, kind)(*arguments))
        return module, list(module.parameters())

    return make


def smaller(shape: tuple[int, ...]) -> tuple[int, ...]:
    return (2, shape[1], *(min(n, 6) for n in shape[2:])) if len(shape) == 4 else (4, *shape[1:])


def cases(quick: bool) -> Iterator[Case]:
    for name, (shape, kind, arguments, image) in NORMS.items():
        if quick:
            shape = smaller(shape)
            name = name.partition(" (")[0] + f" ({','.join(map(str, shape))})"
        for backward in (False, True):
            yield Case(
                f"{name} forward{' + backward' * backward}",
                {"framework": layer(maker(kind, arguments), shape, backward, image)},
                targets={"torch": 2.0},
                # x and y; backward x, dy and dx.
                ceiling=traffic(*[float(np.prod(shape))] * (5 if backward else 2)),
                # The gradients of weight and bias add over all that is not a channel.
                tolerance=sum_tolerance(float(np.prod(shape)) / shape[1 if image else -1]),
            )
