# SPDX-License-Identifier: Apache-2.0
"""The table that `Module.summary` prints: layers, output shapes, parameter counts."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from lepton._check import check_int
from lepton.array import Tensor, get_rng_state, no_grad, set_rng_state, zeros

if TYPE_CHECKING:
    from lepton.nn.module import Module


class Summary(str):
    """Text that shows itself, not its quoted form, at a prompt."""

    __repr__ = str.__str__


def summarize(module: Module, input_shape: Iterable[int], dtype: Any = None) -> Summary:
    """Run one batch of zeros through `module` and return the table of its layers."""
    if not isinstance(input_shape, Iterable):
        raise TypeError(
            "summary: input_shape expects the shape of one input without the batch, "
            f"such as (1, 28, 28), got {type(input_shape).__name__}"
        )
    shape = (1, *(check_int("summary", "input_shape", size, 0) for size in input_shape))
    x = zeros(shape) if dtype is None else zeros(shape, dtype=dtype)
    shapes: dict[int, str] = {}
    state = get_rng_state()
    try:
        with _evaluating(module), _recording(module, shapes), no_grad():
            module(x)
    finally:
        set_rng_state(state)
    return Summary(_table(module, shapes))


@contextmanager
def _evaluating(module: Module) -> Iterator[None]:
    modes = [(layer, layer.training) for layer in module.modules()]
    module.eval()
    try:
        yield
    finally:
        for layer, training in modes:
            object.__setattr__(layer, "training", training)


@contextmanager
def _recording(module: Module, shapes: dict[int, str]) -> Iterator[None]:
    """Shadow each layer's ``forward`` by one that notes the shape of what it returns."""

    def noting(layer: Module, forward: Callable[..., Any]) -> Callable[..., Any]:
        def noted(*args: Any, **kwargs: Any) -> Any:
            result = forward(*args, **kwargs)
            shapes.setdefault(id(layer), _describe(result))
            return result

        return noted

    layers = list(module.modules())
    shadowed = [vars(layer).get("forward") for layer in layers]
    try:
        for layer in layers:
            object.__setattr__(layer, "forward", noting(layer, layer.forward))
        yield
    finally:
        for layer, forward in zip(layers, shadowed, strict=True):
            if forward is not None:
                object.__setattr__(layer, "forward", forward)
            else:
                vars(layer).pop("forward", None)


def _describe(result: Any) -> str:
    if isinstance(result, Tensor):
        return str(list(result.shape))
    if isinstance(result, (tuple, list)):
        return ", ".join(map(_describe, result))
    return type(result).__name__


def _table(module: Module, shapes: dict[int, str]) -> str:
    rows = [("layer", "type", "output shape", "parameters")]
    total = 0
    seen: set[int] = set()
    for path, layer in module.named_modules():
        own = [
            parameter for parameter in layer.parameters(recurse=False) if id(parameter) not in seen
        ]
        seen.update(map(id, own))
        count = sum(math.prod(parameter.shape) for parameter in own)
        total += count
        is_leaf = next(layer.children(), None) is None
        if (path or is_leaf) and (count or is_leaf or id(layer) in shapes):
            rows.append((path, type(layer).__name__, shapes.get(id(layer), "-"), f"{count:,}"))
    rows.append(("total", "", shapes.get(id(module), "-"), f"{total:,}"))
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    lines = [
        "  ".join(
            [
                *(cell.ljust(width) for cell, width in zip(row[:3], widths[:3], strict=True)),
                row[3].rjust(widths[3]),
            ]
        )
        for row in rows
    ]
    rule = "-" * len(lines[0])
    frozen = sum(
        math.prod(parameter.shape)
        for parameter in module.parameters()
        if not parameter.requires_grad
    )
    note = [f"of which frozen: {frozen:,}"] * bool(frozen)
    return "\n".join([lines[0], rule, *lines[1:-1], rule, lines[-1], *note])
