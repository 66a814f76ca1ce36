"""Every op gives the same bits with one thread and with several, forward and backward."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from support.registry import OPS, Op, as_array
from support.samples import LAYOUTS, Call, Sample, cast

import lepton

# Larger than what any op gives to one thread, in elements.
SIZE = 150_000
# Neither side of a call may have more elements than this: some ops grow with the square.
LIMIT = 4_000_000
THREADS = (2, 3, 4)


def enlarged(op: Op) -> Iterator[Sample]:
    """Samples whose largest array has SIZE elements: by one length or by all of them."""
    for sample in op.samples():
        largest = max(sample.sizes(), default=1)
        factor = math.ceil(SIZE / max(largest, 1))
        for length in sample.lengths():
            if length > 0:
                yield from sample.resized(length, length * factor)
        if not sample.lengths():
            for scale in (30, 300, 3000, 30000):
                yield from sample.scaled(scale)
            continue
        axes = max((a.ndim for a in sample.make().arrays()), default=1)
        yield from sample.scaled(math.ceil(factor ** (1 / max(axes, 1))))


def outcome(op: Op, call: Call) -> list[bytes]:
    """The bits of the results and of the gradients of the arguments."""
    results, tensors = op.run(call, requires_grad=not op.writes)
    bits = [as_array(r).tobytes() for r in results]
    if op.writes or not getattr(results[0], "requires_grad", False):
        return bits
    random = np.random.default_rng(0)
    dy = random.standard_normal(results[0].shape).astype(results[0].dtype)
    results[0].backward(lepton.asarray(dy))
    return bits + [as_array(t.grad).tobytes() for t in tensors if t.grad is not None]


def large_calls(op: Op) -> list[tuple[str, Call]]:
    """Up to three different enlarged calls that the op accepts; one where no array is large."""
    found: list[tuple[str, Call]] = []
    texts = set()
    lepton.set_num_threads(1)
    for sample in enlarged(op):
        if len(found) == (3 if sample.sizes() else 1):
            break
        try:
            sizes = sample.sizes()
            if sample.text in texts or max(sizes, default=0) > LIMIT:
                continue
            call = cast(sample.make(), "float32" if op.widest == "float64" else op.widest)
            results = op.values(LAYOUTS["contiguous"](call))
        except (TypeError, ValueError, IndexError, MemoryError, OverflowError):
            continue
        if not SIZE / 2 <= max([*sizes, *(r.size for r in results)]) <= LIMIT:
            continue
        texts.add(sample.text)
        found.append((sample.text, call))
    return found


@pytest.mark.parametrize("op", [op for op in OPS if not op.undefined], ids=str)
def test_same_bits(op: Op) -> None:
    calls = large_calls(op)
    assert calls, f"{op.name}: no sample could be made large enough to be cut among threads"
    for text, call in calls:
        for layout in ("contiguous", "transposed"):
            place: Any = LAYOUTS[layout]
            lepton.set_num_threads(1)
            expected = outcome(op, place(call))
            for threads in THREADS:
                lepton.set_num_threads(threads)
                # Compared outside assert: a difference of megabytes is nothing to print.
                same = outcome(op, place(call)) == expected
                assert same, f"{op.name}({text}) {layout}: other bits with {threads} threads"
