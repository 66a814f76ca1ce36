"""How far a result may be from its reference, derived from the precision and the length of sums."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from support.reference import Anything
from support.samples import Call

Array = np.ndarray[Any, Any]

# Errors are first-order in this step, and rounding in float64 is 1e-9 of it.
STEP = 1e-7
TRIALS = 5


def disturbed(x: Any) -> Any:
    """Floating-point numbers, each off by STEP of itself, up or down."""
    if isinstance(x, (np.ndarray, np.floating)) and x.dtype.kind == "f":
        with np.errstate(all="ignore"):
            return x * (1 + STEP * _random.choice([-1.0, 1.0], x.shape))
    return x


_random = np.random.default_rng(0)


def spread(
    function: Callable[[Call], list[Any]],
    call: Call,
    rough: Callable[[Call], list[Any]] | None = None,
) -> list[Array]:
    """How much results move per relative change of the inputs (and of the steps, in `rough`).

    What a formula leaves open does not move.
    """
    center = _numbers(function(call))
    moved = [np.zeros(np.shape(c)) for c in center]
    for _ in range(TRIALS):
        nearby = call.map(disturbed)
        for m, y, c in zip(moved, _numbers((rough or function)(nearby)), center, strict=True):
            with np.errstate(all="ignore"):
                change = np.abs(np.asarray(y, np.float64) - np.asarray(c, np.float64)) / STEP
            np.maximum(m, np.where(np.isfinite(change), change, 0), out=m)
    return moved


def _numbers(results: list[Any]) -> list[Any]:
    return [0.0 if isinstance(r, Anything) else r for r in results]


def longest_sum(call: Call) -> int:
    """No sum in the call has more terms than its largest array has elements."""
    return max((x.size for x in call.arrays()), default=0)


def assert_close(result: Array, expected: Array, bound: Array, what: str) -> None:
    """|result - expected| <= bound, NaN where NaN is expected, infinities equal."""
    expected = np.asarray(expected)
    assert result.shape == expected.shape, (
        f"{what}: shape {result.shape}, expected {expected.shape}"
    )
    if result.dtype == bool or expected.dtype == bool:
        np.testing.assert_array_equal(result, expected, what)
        return
    with np.errstate(all="ignore"):
        wrong = ~((np.abs(result - expected) <= bound) | (result == expected))
    wrong &= ~(np.isnan(result) & np.isnan(expected))
    if wrong.any():
        at = tuple(int(i) for i in np.argwhere(wrong)[0])
        raise AssertionError(
            f"{what}: {wrong.sum()} of {wrong.size} elements are off; the first, at {at}, is "
            f"{result[at]!r}, expected {expected[at]!r} "
            f"within {np.broadcast_to(bound, wrong.shape)[at]:.3g}"
        )
