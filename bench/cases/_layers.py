"""Work that is one function of a tensor, forward or forward + backward."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from bench.case import Work, normal

# Makes what does not change from the framework (and its leaves), returns the function to time.
Make = Callable[[Any], tuple[Callable[[Any], Any], list[Any]]]


def layer(
    make: Make, shape: tuple[int, ...], backward: bool, image: bool = False
) -> Callable[[Any], Work]:
    """y = function(x), or both passes with a random gradient of y."""

    def build(fw: Any) -> Work:
        function, leaves = make(fw)
        array = normal(*shape)
        x = fw.image(array, backward) if image else fw.tensor(array, backward)
        if not backward:

            def run() -> Any:
                with fw.no_grad():
                    return function(x)

            return Work(run, lambda: [fw.numpy(run())])
        leaves = [x, *leaves]
        dy = gradient(fw, function(x), image)

        def both() -> None:
            for leaf in leaves:
                leaf.grad = None
            y = function(x)
            y.backward() if dy is None else y.backward(dy)

        def outputs() -> Sequence[Any]:
            both()
            return [fw.grad(leaf) for leaf in leaves]

        return Work(both, outputs)

    return build


def gradient(fw: Any, y: Any, image: bool) -> Any:
    """Random numbers in the shape and layout of an output; None for a scalar, which needs none."""
    shape = tuple(y.shape)
    if not shape:
        return None
    values = np.random.default_rng(7).standard_normal(shape, dtype=np.float32)
    return fw.image(values) if image and len(shape) == 4 else fw.tensor(values)
