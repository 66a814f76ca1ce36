"""Every gradient against central differences in float64, and float32 against float64."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import pytest
from support.accuracy import assert_close, longest_sum, spread
from support.registry import ISAS, OPS, Op, as_array
from support.samples import LAYOUTS, Call, Sample, broadcast, cast

import lepton

Array = np.ndarray[Any, Any]
STEP = 1e-3
# So many elements of each array are moved; of more, a random choice.
MOST = 40

SUBJECTS = [op for op in OPS if not op.writes and op.widest == "float64"]

every_op = pytest.mark.parametrize("op", SUBJECTS, ids=str)
every_isa = pytest.mark.parametrize("isa", ISAS)


def upstream(results: list[Any]) -> list[Array]:
    """Gradients to start from, the same for the same shapes."""
    random = np.random.default_rng(1)
    return [
        random.uniform(0.5, 1.5, np.shape(r)) * random.choice([-1, 1], np.shape(r)) for r in results
    ]


def floating(arrays: list[Any]) -> list[int]:
    return [i for i, a in enumerate(arrays) if np.asarray(a).dtype.kind == "f"]


def backward(op: Op, call: Call, place: Any = LAYOUTS["contiguous"]) -> list[Array | None]:
    """The gradient of each array of the call, None where nothing is recorded."""
    placed = place(call)
    results, tensors = op.run(placed, requires_grad=True)
    dys = place(
        Call(
            [d.astype(as_array(r).dtype) for d, r in zip(upstream(results), results, strict=True)],
            {},
        )
    )
    recorded = [
        (r, dy)
        for r, dy in zip(results, dys.args, strict=True)
        if getattr(r, "requires_grad", False)
    ]
    for k, (result, dy) in enumerate(recorded):
        result.backward(lepton.asarray(dy), retain_graph=k + 1 < len(recorded))
    return [None if t.grad is None else as_array(t.grad) for t in tensors]


@dataclass
class Slope:
    """Central differences of sum(dy * y) by the elements of one array."""

    value: Array
    bound: Array  # inf where the difference says nothing: a kink, or an element that was not moved


def slope(op: Op, call: Call, which: int) -> Slope:
    """Differences at two steps: their distance bounds what the Taylor series leaves out."""
    arrays = call.arrays()
    x = arrays[which].copy(order="C")
    arrays[which] = x
    moved = call.with_arrays(arrays)
    dys = upstream(op.values(moved))
    scale = 0.0

    def total() -> float:
        nonlocal scale
        terms = [
            np.asarray(dy * y, np.float64) for dy, y in zip(dys, op.values(moved), strict=True)
        ]
        scale = max(scale, sum(float(np.abs(t).sum()) for t in terms))
        return sum(float(t.sum()) for t in terms)

    def eps() -> float:
        kinds = [y.dtype for y in op.values(moved) if y.dtype.kind == "f"]
        return max((float(np.finfo(kind).eps) for kind in kinds), default=0.0)

    found = Slope(np.zeros(x.shape), np.full(x.shape, np.inf))
    places = list(np.ndindex(x.shape))
    if len(places) > MOST:
        chosen = np.random.default_rng(2).choice(len(places), MOST, replace=False)
        places = [places[i] for i in sorted(chosen)]
    center = total()
    for at in places:
        before, sides = x[at], []
        for step in (STEP, -STEP, STEP / 2, -STEP / 2):
            x[at] = before + step
            sides.append(total())
        x[at] = before
        up, down, half_up, half_down = sides
        wide, narrow = (up - down) / (2 * STEP), (half_up - half_down) / STEP
        forward, backwards = (half_up - center) / (STEP / 2), (center - half_down) / (STEP / 2)
        noise = 1e3 * eps() * scale / STEP
        if any(
            abs(a - b) > 0.1 * (abs(a) + abs(b)) + noise
            for a, b in ((forward, backwards), (wide, narrow))
        ):
            continue  # a kink or a jump is near, or an extremum, which says little
        found.value[at] = (4 * narrow - wide) / 3
        found.bound[at] = abs(wide - narrow) + 100 * eps() * scale / STEP
    return found


def value_sets(sample: Sample) -> Iterator[tuple[str, Call]]:
    call = cast(sample.make(), "float64")
    yield "", call
    for stretched in broadcast(call):
        yield "broadcast ", stretched


@cache
def slopes(name: str) -> list[tuple[str, Call, dict[int, Slope]]]:
    """Description, call and differences of each call of an op, for all instruction sets."""
    op = next(o for o in SUBJECTS if o.name == name)
    found = []
    for sample in op.samples():
        for kind, call in value_sets(sample):
            try:
                results = op.values(call)
            except ValueError:
                continue
            if floating(results):
                each = {i: slope(op, call, i) for i in floating(call.arrays())}
                found.append((kind + sample.text, call, each))
    return found


def parameter_names(op: Op, call: Call) -> list[str]:
    """The parameter that each array of a call belongs to."""
    bound = op.bound(call)
    order = [p[0] for p in op.parameters if p[0] in bound]
    return [name for name in order for _ in Call([bound[name]], {}).arrays()]


@every_isa
@every_op
def test_gradient_equals_central_differences(op: Op, isa: str) -> None:
    lepton.set_isa(isa)
    checked = 0
    no_gradient = op.elementwise is not None and not op.elementwise["differentiable"]
    for text, call, each in slopes(op.name):
        names = parameter_names(op, call)
        layouts = {"broadcast": lambda c: c} if text.startswith("broadcast") else LAYOUTS
        if op.random:  # other memory, other numbers
            layouts = {"contiguous": LAYOUTS["contiguous"]}
        for layout, place in layouts.items():
            gradients = backward(op, call, place)
            for i, expected in each.items():
                what = f"{op.name}({text}) by {names[i]}, {layout}"
                gradient = gradients[i]
                known = np.isfinite(expected.bound)
                if gradient is None and (names[i] in op.constants or no_gradient):
                    continue
                if gradient is None:
                    steep = known & (np.abs(expected.value) > expected.bound)
                    assert not steep.any(), (
                        f"{what}: the result depends on it, but no gradient is recorded; do, or "
                        f"name it in the `constants` of the declaration"
                    )
                    continue
                assert gradient.dtype == np.float64, f"{what}: dtype {gradient.dtype}"
                assert_close(
                    np.where(known, gradient, 0),
                    np.where(known, expected.value, 0),
                    expected.bound,
                    what,
                )
                checked += int(known.sum())
    assert checked > 0 or not op.elementwise or no_gradient, (
        f"{op.name}: no element could be checked"
    )


@every_isa
@every_op
def test_float32_gradient_equals_float64(op: Op, isa: str) -> None:
    lepton.set_isa(isa)
    eps = float(np.finfo("float32").eps)
    for sample in op.samples():
        call = cast(sample.make(), "float32")
        narrow = backward(op, call)
        if not any(g is not None for g in narrow):
            continue
        wide = cast(call, "float64")
        kept = [i for i, g in enumerate(narrow) if g is not None]

        def gradients(c: Call, kept: list[int] = kept) -> list[Any]:
            found = backward(op, c)
            return [found[i] for i in kept]

        for i, expected, moved in zip(kept, gradients(wide), spread(gradients, wide), strict=True):
            terms = 4 + longest_sum(call)
            bound = terms * eps * (np.abs(expected) + moved + largest_step(op, wide))
            gradient = narrow[i]
            assert gradient is not None
            assert gradient.dtype == np.float32
            assert_close(gradient, expected, bound, f"{op.name}({sample.text}), array {i}")


def largest_step(op: Op, call: Call) -> float:
    """The size of dy: what a difference of nearly equal terms is rounded by."""
    return max((float(np.abs(d).max(initial=0)) for d in upstream(op.values(call))), default=0.0)


@every_op
def test_empty_and_single(op: Op) -> None:
    """Each length of the samples in turn as 0 and as 1."""
    for sample in op.samples():
        for length in sample.lengths():
            for size in (0, 1):
                for resized in sample.resized(length, size):
                    try:
                        call = cast(resized.make(), "float64")
                        op.values(call)
                    except (ValueError, IndexError):  # the sampler or the op refuses these lengths
                        continue
                    for array, gradient in zip(call.arrays(), backward(op, call), strict=True):
                        if gradient is None:
                            continue
                        assert gradient.shape == array.shape
                        if all(y.size == 0 for y in op.values(call)):
                            assert not gradient.any(), (
                                f"{op.name}({resized.text}): nothing depends on it"
                            )
                    for i in floating(call.arrays()) if size == 1 else []:
                        expected = slope(op, call, i)
                        known = np.isfinite(expected.bound)
                        gradient = backward(op, call)[i]
                        if gradient is not None:
                            assert_close(
                                np.where(known, gradient, 0),
                                np.where(known, expected.value, 0),
                                expected.bound,
                                f"{op.name}({resized.text}), array {i}",
                            )
                    break
