"""Scaled dot-product attention, forward and forward + backward."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from bench.case import Case, Work, flops, normal, sum_tolerance

TITLE = "Attention"
# (batch, heads, length, width of a head), causal.
SHAPES = [((32, 4, 128, 64), False), ((4, 8, 1024, 64), True)]


def attention(
    shape: tuple[int, int, int, int], causal: bool, backward: bool
) -> Callable[[Any], Work]:
    def build(fw: Any) -> Work:
        q, k, v = (fw.tensor(normal(*shape, seed=seed), backward) for seed in range(3))
        dy = fw.tensor(normal(*shape, seed=3))
        function = fw.F.scaled_dot_product_attention

        def forward() -> Any:
            return function(q, k, v, is_causal=causal)

        if not backward:

            def run() -> Any:
                with fw.no_grad():
                    return forward()

            return Work(run, lambda: [fw.numpy(run())])

        def both() -> None:
            q.grad = k.grad = v.grad = None
            forward().backward(dy)

        def outputs() -> list[Any]:
            both()
            return [fw.grad(leaf) for leaf in (q, k, v)]

        return Work(both, outputs)

    return build


def cases(quick: bool) -> Iterator[Case]:
    for shape, causal in SHAPES:
        if quick:
            shape = (2, 2, shape[2] // 16 + 3, 16)
        batch, heads, length, width = shape
        # Two products forward, five backward; half of each is masked in causal attention.
        products = 2.0 * batch * heads * length**2 * width * (0.5 if causal else 1)
        for backward in (False, True):
            text = ", ".join(map(str, shape)) + ", causal" * causal
            yield Case(
                f"({text}) forward{' + backward' * backward}",
                {"framework": attention(shape, causal, backward)},
                targets={"torch": 1.5} if backward else {},
                ceiling=flops(products * (7 if backward else 2)),
                tolerance=sum_tolerance(length),
            )
