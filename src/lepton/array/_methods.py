# SPDX-License-Identifier: Apache-2.0
"""Methods of Tensor written in Python: conveniences known from PyTorch, and one per function."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import wraps
from types import FunctionType
from typing import Any

import numpy as np

from lepton._core import Tensor
from lepton._core import array as _array
from lepton.array import _interop, _printing
from lepton.array._manipulation import _axis

__all__: list[str] = []

_ALIASES = {"dim": "axis", "keepdim": "keepdims"}


def _view(self: Tensor, *shape: Any) -> Tensor:
    """The same memory in another shape; ValueError where that needs a copy."""
    lengths = shape[0] if len(shape) == 1 and isinstance(shape[0], (tuple, list)) else shape
    return _array.reshape(self, lengths, copy=False)


def _transpose(self: Tensor, *axes: Any) -> Tensor:
    """NumPy's transpose: axes in reverse, or in the order given; PyTorch's swap is swapaxes."""
    if not axes or axes == (None,):
        order: Any = range(self.ndim)[::-1]
    else:
        order = axes[0] if len(axes) == 1 and isinstance(axes[0], (tuple, list)) else axes
    return _array.permute_dims(self, tuple(order))


def _swapaxes(self: Tensor, axis1: int, axis2: int) -> Tensor:
    """Two axes exchanged; a view."""
    order = list(range(self.ndim))
    a, b = (_axis("swapaxes", axis, self.ndim) for axis in (axis1, axis2))
    order[a], order[b] = b, a
    return _array.permute_dims(self, order)


def _squeeze(
    self: Tensor, axis: int | tuple[int, ...] | None = None, *, dim: int | None = None
) -> Tensor:
    """Without the named axes, which must have length 1; without all such axes for None."""
    axis = dim if axis is None else axis
    named = tuple(k for k, n in enumerate(self.shape) if n == 1) if axis is None else axis
    return _array.squeeze(self, named)


def _contains(self: Tensor, value: Any) -> bool:
    return bool(_array.any(_array.equal(self, value)))


def _iterate(self: Tensor) -> Iterator[Tensor]:
    return (self[k] for k in range(len(self)))  # len raises for a tensor without axes


def _complex(self: Tensor) -> complex:
    return complex(self.item())


METHODS: dict[str, Any] = {
    **_interop.METHODS,
    **_printing.METHODS,
    "__contains__": _contains,
    "__iter__": _iterate,
    "__complex__": _complex,
    "view": _view,
    "transpose": _transpose,
    "swapaxes": _swapaxes,
    "squeeze": _squeeze,
    "unsqueeze": lambda self, dim: _array.expand_dims(self, dim),
    "permute": lambda self, *axes: _transpose(self, *axes),
    "expand": lambda self, *shape: _array.broadcast_to(
        self, shape[0] if len(shape) == 1 and isinstance(shape[0], (tuple, list)) else shape
    ),
    "tolist": lambda self: self.detach()._array().tolist(),
    "zero_": lambda self: self.fill_(0.0),
    "copy": lambda self: self.clone(),
    "numel": lambda self: self.size,
    "dim": lambda self: self.ndim,
    "float": lambda self: _array.astype(self, np.float32, copy=False),
    "double": lambda self: _array.astype(self, np.float64, copy=False),
    "int": lambda self: _array.astype(self, np.int32, copy=False),
    "long": lambda self: _array.astype(self, np.int64, copy=False),
    "bool": lambda self: _array.astype(self, np.bool_, copy=False),
}


def _as_method(function: FunctionType) -> Callable[..., Any]:
    """The function as a method: keyword-only arguments also by position, `dim` for `axis`."""
    code = function.__code__
    positional = code.co_argcount
    names = code.co_varnames[positional : positional + code.co_kwonlyargcount]

    @wraps(function)
    def method(*args: Any, **options: Any) -> Any:
        for name, value in zip(names, args[positional:], strict=False):
            if name in options:
                raise TypeError(f"{function.__name__}: got two values for argument '{name}'")
            options[name] = value
        if len(args) > positional + len(names):
            limit = positional + len(names) - 1
            raise TypeError(f"{function.__name__}: expects at most {limit} arguments")
        for alias, name in _ALIASES.items():
            if alias in options and name in names:
                options[name] = options.pop(alias)
        return function(*args[:positional], **options)

    return method


def install(namespace: dict[str, Any]) -> None:
    """Gives Tensor these methods, and one for each Python function that takes a tensor first."""
    for name, method in METHODS.items():
        if isinstance(method, FunctionType):
            method.__name__ = name
            method.__qualname__ = f"Tensor.{name}"
        setattr(Tensor, name, method)
    for name, function in namespace.items():
        if not isinstance(function, FunctionType) or name.startswith("_") or hasattr(Tensor, name):
            continue
        if function.__code__.co_varnames[:1] in (("x",), ("x1",)):
            setattr(Tensor, name, _as_method(function))
