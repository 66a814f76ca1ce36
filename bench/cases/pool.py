"""Max and average pooling, forward and forward + backward."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from bench.case import EPS, Case, traffic
from bench.cases._layers import Make, layer

TITLE = "Pooling"
# Name: function, its arguments, inputs for each output.
POOLS = {
    "max 2x2": ("max_pool2d", (2,), 4),
    "max 3x3 stride 2": ("max_pool2d", (3, 2, 1), 4),
    "average 2x2": ("avg_pool2d", (2,), 4),
    "average 3x3 stride 1": ("avg_pool2d", (3, 1, 1), 1),
    "global average": ("adaptive_avg_pool2d", (1,), 10_000),
}
SHAPES = [(32, 64, 112, 112), (128, 32, 28, 28)]


def maker(name: str, arguments: tuple[int, ...]) -> Make:
    def make(fw: Any) -> Any:
        function = getattr(fw.F, name)
        return lambda x: function(x, *arguments), []

    return make


def cases(quick: bool) -> Iterator[Case]:
    for shape in [(2, 16, 12, 12)] if quick else SHAPES:
        for label, (function, arguments, fewer) in POOLS.items():
            for backward in (False, True):
                text = ",".join(map(str, shape))
                size = float(np.prod(shape))
                moved = size + size / fewer  # x and y; backward dy and dx
                # A window adds at most a whole image of values of one sign at worst.
                tolerance = (shape[2] * shape[3] if "global" in label else 9) * EPS
                yield Case(
                    f"{label} ({text}) forward{' + backward' * backward}",
                    {"framework": layer(maker(function, arguments), shape, backward, image=True)},
                    targets={"torch": 2.0},
                    ceiling=traffic(moved * (2 if backward else 1)),
                    tolerance=tolerance,
                )
