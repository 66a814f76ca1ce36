# SPDX-License-Identifier: Apache-2.0
"""Finds the layer that first gave NaN or infinity, by running a batch again layer by layer."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np

from lepton.array import SparseRows, Tensor, no_grad
from lepton.nn import Module

__all__ = ["NonFiniteError"]


class NonFiniteError(ValueError, FloatingPointError):
    """The loss or a gradient is NaN or infinite; names the step and the first layer at fault."""


def is_finite(value: Any) -> bool:
    """Tell whether all numbers in a nest of tensors are finite; other things are."""
    if isinstance(value, (Tensor, np.ndarray)):
        array = np.asarray(value.detach() if isinstance(value, Tensor) else value)
        return array.dtype.kind != "f" or bool(np.isfinite(array).all())
    if isinstance(value, SparseRows):
        return is_finite(value.values)
    if isinstance(value, Mapping):
        return all(is_finite(item) for item in value.values())
    if isinstance(value, (list, tuple)):
        return all(is_finite(item) for item in value)
    return True


def explain_loss(model: Module, inputs: tuple[Any, ...], target: Any) -> str:
    """Say where the first value that is not finite comes from when `model` sees `inputs`."""
    if not is_finite(inputs):
        return "the input already holds values that are not finite"
    for name, tensor in (*model.named_parameters(), *model.named_buffers()):
        if not is_finite(tensor):
            return f"{_layer(model, name)} holds a {name.rpartition('.')[2]} that is not finite"
    guilty: list[str] = []
    with _watched(model, guilty), no_grad():
        output = model(*inputs)
    if guilty:
        return f"the first layer whose output is not finite is {guilty[0]}"
    if not is_finite(output):
        return "the output of the model is not finite, though that of each layer is"
    if not is_finite(target):
        return "the target holds values that are not finite"
    return "the output of the model is finite, the loss of it is not"


def explain_gradients(model: Module) -> str | None:
    """Name the layer whose gradient was the first in the backward pass not to be finite."""
    bad = [name for name, p in model.named_parameters() if not is_finite(p.grad)]
    if not bad:
        return None
    last = bad[-1]  # the backward pass runs from the last layer to the first
    return (
        f"the first layer whose gradient is not finite is {_layer(model, last)} "
        f"({last.rpartition('.')[2]})"
    )


def _layer(model: Module, parameter: str) -> str:
    path = parameter.rpartition(".")[0]
    return _title(path, dict(model.named_modules())[path])


def _title(path: str, module: Module) -> str:
    return f"{path}: {type(module).__name__}" if path else type(module).__name__


@contextmanager
def _watched(model: Module, guilty: list[str]) -> Iterator[None]:
    """Let each layer note its name in `guilty` if its output is not finite; inner ones first."""
    watched = [(path, m) for path, m in model.named_modules() if "forward" not in vars(m)]
    for path, module in watched:
        watch = _watch(module.forward, _title(path, module), guilty)
        object.__setattr__(module, "forward", watch)
    try:
        yield
    finally:
        for _, module in watched:
            object.__delattr__(module, "forward")


def _watch(forward: Callable[..., Any], title: str, guilty: list[str]) -> Callable[..., Any]:
    def watching(*args: Any, **kwargs: Any) -> Any:
        output = forward(*args, **kwargs)
        if not is_finite(output):
            guilty.append(title)
        return output

    return watching
