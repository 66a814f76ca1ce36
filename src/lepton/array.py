"""The public functions over the compiled core: the Python array API standard and what surrounds it."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import builtins
import math
from collections.abc import Callable, Sequence
from contextlib import ContextDecorator
from typing import Any

import numpy as np

from lepton import _core
from lepton._core import (
    Tensor,
    available_isas,
    empty_cache,
    get_num_threads,
    get_rng_state,
    is_grad_enabled,
    isa,
    manual_seed,
    memory_stats,
    set_cache_limit,
    set_grad_enabled,
    set_isa,
    set_num_threads,
    set_rng_state,
)

e = math.e
pi = math.pi
inf = math.inf
nan = math.nan
newaxis = None

bool = np.dtype("bool")
uint8 = np.dtype("uint8")
int32 = np.dtype("int32")
int64 = np.dtype("int64")
float32 = np.dtype("float32")
float64 = np.dtype("float64")


def tensor(data: Any, dtype: Any = None, requires_grad: builtins.bool = False) -> Tensor:
    """A new tensor with a copy of data: a number, nested sequence, NumPy array or tensor.

    NumPy arrays keep their dtype; Python floats become float32 and ints int64.

    >>> tensor([[1, 2], [3, 4]])
    tensor([[1, 2],
            [3, 4]])
    """
    return _core.asarray(data, dtype=dtype, copy=True).detach().requires_grad_(requires_grad)


class _GradMode(ContextDecorator):
    """Context manager and decorator that sets the gradient mode inside and restores it after."""

    mode: builtins.bool

    def __init__(self) -> None:
        self._before: list[builtins.bool] = []

    def __enter__(self) -> None:
        self._before.append(is_grad_enabled())
        set_grad_enabled(self.mode)

    def __exit__(self, *error: object) -> None:
        set_grad_enabled(self._before.pop())


class no_grad(_GradMode):
    """Inside, operations record no gradients.

    >>> x = tensor([1.0], requires_grad=True)
    >>> with no_grad():
    ...     y = x * 2
    >>> y.requires_grad
    False
    """

    mode = False


class enable_grad(_GradMode):
    """Inside, operations record gradients again."""

    mode = True


def threads() -> dict[str, Any]:
    """How many threads operations use, and why that many."""
    return {"threads": get_num_threads(), "why": _core.num_threads_reason()}


def rand(*shape: int) -> Tensor:
    """Uniform random numbers in [0, 1)."""
    return _core.array.uniform(shape)


def randn(*shape: int) -> Tensor:
    """Standard normal random numbers."""
    return _core.array.normal(shape)


def _numpy(self: Tensor) -> np.ndarray[Any, Any]:
    """A NumPy array on the same memory; ValueError if the tensor records gradients."""
    if self.requires_grad:
        raise ValueError("numpy: the tensor records gradients; use detach().numpy()")
    return self._array()


def _as_array(self: Tensor, dtype: Any = None, copy: builtins.bool | None = None) -> np.ndarray[Any, Any]:
    array = _numpy(self)
    if dtype is not None and np.dtype(dtype) != array.dtype:
        if copy is False:
            raise ValueError(f"__array__: converting {array.dtype} to {np.dtype(dtype)} needs a copy")
        return array.astype(dtype)
    return array.copy() if copy else array


def _repr(self: Tensor) -> str:
    text = np.array2string(self.detach()._array(), separator=", ", prefix="tensor(")
    if self.size == 0 and self.ndim != 1:
        text += f", shape={self.shape}"
    if self.dtype not in (bool, int64):
        text += f", dtype={self.dtype}"
    return f"tensor({text}{', requires_grad=True' if self.requires_grad else ''})"


def _str(self: Tensor) -> str:
    return str(self.detach()._array())


for _name, _function in {
    "numpy": _numpy,
    "__array__": _as_array,
    "__repr__": _repr,
    "__str__": _str,
    "tolist": lambda self: self.detach()._array().tolist(),
    "zero_": lambda self: self.fill_(0.0),
    "__array_ufunc__": None,
}.items():
    setattr(Tensor, _name, _function)

asarray = _core.asarray
globals().update({n: getattr(_core.array, n) for n in dir(_core.array) if not n.startswith("_")})
__all__ = [n for n in list(globals()) if not n.startswith("_") and n not in ("np", "builtins", "annotations", "Any", "Callable", "Sequence", "ContextDecorator", "math")]
