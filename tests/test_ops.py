"""Every op against its formula: dtypes, layouts, sizes, special values, instruction sets."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import itertools
from collections.abc import Iterator
from functools import cache
from typing import Any

import numpy as np
import pytest
from support.accuracy import assert_close, longest_sum, spread
from support.reference import Anything
from support.registry import ISAS, OPS, Op
from support.samples import LAYOUTS, Call, Sample, broadcast, cast

import lepton

DTYPES = ["float32", "float64", "int32", "int64", "uint8", "bool"]
KNOWN = [op for op in OPS if op.formula]
REFUSALS = (TypeError, ValueError, IndexError)

every_op = pytest.mark.parametrize("op", KNOWN, ids=str)
every_isa = pytest.mark.parametrize("isa", ISAS)


@pytest.mark.parametrize("op", OPS, ids=str)
def test_declaration_can_be_tested(op: Op) -> None:
    assert op.formula or op.random, (
        f"{op.name} declares no meaning: give its OpInfo a `formula` (a NumPy expression over its "
        "parameters), or `.random = true` if its values come from the random state"
    )
    assert op.samples(), (
        f'{op.name} declares no `samples`: calls to test, such as "randn(2, 3), axis=1"'
    )
    assert op.entry["doc"], f"{op.name} declares no `doc`"
    names = [p[0] for p in op.parameters]
    for name in op.constants + op.writes:
        assert name in names, (
            f"{op.name} declares `{name}`, which is none of its parameters {names}"
        )


def precision(dtype: str) -> Any:
    """Twice the digits, where the machine has them."""
    return np.longdouble if dtype == "float64" else np.float64


def bounds(op: Op, call: Call, expected: list[Any], dtype: str) -> list[Any]:
    """Rounding of inputs, of steps, of each term of the longest sum, and of the result."""
    if dtype not in ("float32", "float64"):
        # Integers are exact; what turns them into floating-point numbers rounds in float32.
        eps = float(np.finfo("float32").eps)
        return [4 * eps * np.abs(e) if np.asarray(e).dtype.kind == "f" else 0 for e in expected]
    eps = float(np.finfo(dtype if call.arrays() else "float32").eps)
    terms = 0 if op.elementwise else longest_sum(call)
    moved = spread(op.reference, call, op.rough_reference)
    return [
        0.0
        if isinstance(e, Anything)
        else (4 + terms) * eps * (np.abs(np.asarray(e, np.float64)) + m)
        for e, m in zip(expected, moved, strict=True)
    ]


def values(op: Op, sample: Sample, dtype: str) -> Iterator[tuple[str, Call]]:
    """The sample's own values, and values that are stretched from few."""
    call = cast(sample.make(), dtype)
    yield "", call
    if not op.writes:
        for stretched in broadcast(call):
            yield "broadcast ", stretched


@cache
def expectations(op_index: int, dtype: str) -> list[tuple[str, Call, list[Any], list[Any]]]:
    """Description, call, results and bounds of every call of an op; once for all kernels."""
    op = KNOWN[op_index]
    found = []
    for sample in op.samples():
        if dtype != "float32" and not any(a.dtype.kind == "f" for a in sample.make().arrays()):
            continue  # nothing in the call would change
        for kind, call in values(op, sample, dtype):
            try:
                expected = op.reference(call, precision(dtype))
            except (*REFUSALS, OverflowError, np.linalg.LinAlgError):
                continue
            limits = (
                [0.0] * len(expected)
                if all(isinstance(e, Anything) for e in expected)
                else bounds(op, call, expected, dtype)
            )
            found.append((kind + sample.text, call, expected, limits))
    return found


def compare(op: Op, results: list[Any], expected: list[Any], limits: list[Any], what: str) -> None:
    assert len(results) == len(expected), (
        f"{what}: {len(results)} results, expected {len(expected)}"
    )
    for result, e, limit in zip(results, expected, limits, strict=True):
        if isinstance(e, Anything):
            assert result.shape == e.shape, f"{what}: shape {result.shape}, expected {e.shape}"
            continue
        if np.asarray(e).dtype.kind == "b":
            assert result.dtype == bool, f"{what}: dtype {result.dtype}, expected bool"
        assert_close(result, np.asarray(e), limit, what)


@every_isa
@every_op
def test_forward(op: Op, isa: str) -> None:
    lepton.set_isa(isa)
    taken = []
    for dtype in op.elementwise["dtypes"] if op.elementwise else DTYPES:
        required = op.elementwise is not None or dtype in ("float32", "float64")
        for text, call, expected, limits in expectations(KNOWN.index(op), dtype):
            layouts = LAYOUTS if not text.startswith("broadcast") else {"broadcast": lambda c: c}
            for layout, place in layouts.items():
                try:
                    results = op.values(place(call))
                except REFUSALS:
                    if required:
                        raise
                    break
                compare(op, results, expected, limits, f"{op.name}({text}) with {layout} {dtype}")
                taken.append(dtype)
    assert taken, f"{op.name}: its formula refuses every sample"


@every_op
def test_dtype_of_the_result(op: Op) -> None:
    if op.elementwise is None:
        pytest.skip("only elementwise ops say which dtypes they take")
    for dtype in DTYPES:
        call = cast(op.samples()[0].make(), dtype)
        if dtype in op.elementwise["dtypes"]:
            expected = "bool" if op.elementwise["boolean_result"] else dtype
            assert op.values(call)[0].dtype == expected, dtype


def accepted(op: Op, call: Call) -> list[Any] | None:
    """The results, or None where the op refuses the call in a sentence that names it."""
    try:
        return op.values(call)
    except (ValueError, IndexError) as error:
        if str(error).startswith(f"{op.name}:"):
            return None
        raise


@every_op
def test_empty_and_single(op: Op) -> None:
    """Each length of the samples in turn as 0 and as 1, as far as the formula accepts that."""
    dtype = op.widest
    tried = {0: 0, 1: 0}
    for sample in op.samples():
        for length, size in itertools.product(sample.lengths(), tried):
            for resized in sample.resized(length, size):
                try:
                    call = cast(resized.make(), dtype)
                    expected = op.reference(call)
                except (
                    Exception
                ):  # the formula or the sampler refuses these lengths, in its own words
                    continue
                results = accepted(op, call)
                if results is None:
                    continue
                limits = (
                    [0] if isinstance(expected[0], Anything) else bounds(op, call, expected, dtype)
                )
                compare(op, results, expected, limits, f"{op.name}({resized.text})")
                tried[size] += 1
                break
    if any(s.lengths() for s in op.samples()):
        assert min(tried.values()) > 0, (
            f"{op.name} accepts no sample with a length of 0 or none with 1"
        )


def specials(dtype: str) -> np.ndarray[Any, Any]:
    """NaN, infinities, zeros, subnormal numbers, the largest and smallest, and numbers around 1."""
    info = np.finfo(dtype)
    positive = [
        0.0,
        info.smallest_subnormal,
        info.tiny / 3,
        info.tiny,
        info.eps,
        0.5,
        1.0,
        1 + info.eps,
        1.5,
    ]
    positive += [2.0, 3.0, 10.5, 88.9, 104.0, 709.9, 1e10, info.max, np.inf]
    values = np.array([*positive, *(-p for p in positive), np.nan, np.nan], dtype)
    values.view(f"u{values.itemsize}")[-1] |= 0x155  # bits by which R, for one, tells NA from NaN
    return values


ELEMENTWISE = [op for op in KNOWN if op.elementwise and "float32" in op.elementwise["dtypes"]]


@every_isa
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("op", ELEMENTWISE, ids=str)
def test_special_values(op: Op, dtype: str, isa: str) -> None:
    assert op.elementwise
    lepton.set_isa(isa)
    x = specials(dtype)
    grid = np.meshgrid(*[x] * op.elementwise["arity"], indexing="ij")
    call = Call([np.ascontiguousarray(g).ravel() for g in grid], {})
    result = op.values(call)[0]
    wide = np.asarray(op.reference(call, precision(dtype))[0])
    own = np.asarray(op.reference(call, dtype)[0])
    if result.dtype == bool:
        np.testing.assert_array_equal(result, own)
        return
    info = np.finfo(dtype)
    moved = spread(op.reference, call, op.rough_reference)[0]
    with np.errstate(all="ignore"):
        expected = wide.astype(dtype)
        limit = 4 * info.eps * (np.abs(np.asarray(wide, np.float64)) + moved) + info.tiny
        close = np.isfinite(wide) & (np.abs(result - wide) <= limit)
    right = close | (result == expected) | (result == own) | (np.isnan(result) & np.isnan(expected))
    wrong = [
        f"{op.name}({', '.join(repr(a[i].item()) for a in call.args)}) = {result[i].item()}, "
        f"expected {expected[i].item()}"
        for i in np.flatnonzero(~right)
    ]
    assert not wrong, f"{len(wrong)} values are wrong: " + "; ".join(wrong[:8])


RANDOM = [op for op in OPS if op.random]


@pytest.mark.parametrize("op", RANDOM, ids=str)
def test_random_numbers_follow_the_seed(op: Op) -> None:
    for isa, sample in itertools.product(ISAS, op.samples()):
        lepton.set_isa(isa)
        call = sample.make()
        first, again = op.values(call), op.values(call)
        for a, b in zip(first, again, strict=True):
            np.testing.assert_array_equal(a, b)
        made = call.map(lepton.asarray)
        lepton.manual_seed(1)
        other = op.function(*made.args, **made.kwargs)
        following = op.function(*made.args, **made.kwargs)
        if sample == op.samples()[0]:
            assert not np.array_equal(other.numpy(), first[0]), (
                f"{op.name}: another seed, same numbers"
            )
            assert not np.array_equal(other.numpy(), following.numpy()), (
                f"{op.name}: two calls, same numbers"
            )
