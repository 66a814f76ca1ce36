# SPDX-License-Identifier: Apache-2.0
"""Exchange with NumPy, DLPack, pickle and copy."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from lepton import _core
from lepton._core import Tensor

if TYPE_CHECKING:
    from numpy.typing import DTypeLike

__all__: list[str] = []

_CPU = (1, 0)  # DLPack's device type and number


def _export(self: Tensor, op: str) -> np.ndarray[Any, Any]:
    if self.requires_grad:
        raise ValueError(
            f"{op}: the tensor records gradients, which would get lost; use detach() first"
        )
    return self._array()


def _numpy(self: Tensor) -> np.ndarray[Any, Any]:
    """A NumPy array on the same memory; ValueError if the tensor records gradients."""
    return self._export("numpy")


def _as_array(
    self: Tensor, dtype: DTypeLike | None = None, copy: bool | None = None
) -> np.ndarray[Any, Any]:
    array = self._export("__array__")
    if dtype is not None and np.dtype(dtype) != array.dtype:
        if copy is False:
            wanted = np.dtype(dtype)
            raise ValueError(f"__array__: converting {array.dtype} to {wanted} needs a copy")
        return array.astype(dtype)
    return array.copy() if copy else array


@lru_cache(maxsize=1)
def _ufuncs() -> dict[str, Callable[..., Tensor]]:
    """Functions of the core by the name of the NumPy ufunc with the same meaning."""
    older = {"pow": "power", "bitwise_invert": "invert"}
    older |= {f"bitwise_{side}_shift": f"{side}_shift" for side in ("left", "right")}
    older |= {name: name.replace("a", "arc", 1) for name in ("acos", "acosh", "asin", "asinh")}
    older |= {name: name.replace("a", "arc", 1) for name in ("atan", "atanh")} | {
        "atan2": "arctan2"
    }
    found = {}
    for entry in _core.registry:
        ufunc = getattr(np, older.get(entry["name"], entry["name"]), None)
        if entry["space"] == "array" and isinstance(ufunc, np.ufunc):
            found[ufunc.__name__] = getattr(_core.array, entry["name"])
    return found


def _array_ufunc(self: Tensor, ufunc: np.ufunc, method: str, *inputs: Any, **options: Any) -> Any:
    """np.add(array, tensor) and array + tensor: Lepton's function if there is one, else NumPy's."""
    function = _ufuncs().get(ufunc.__name__)
    if method == "__call__" and not options and function is not None:
        return function(
            *(x if isinstance(x, (Tensor, int, float)) else _core.asarray(x) for x in inputs)
        )
    outputs = options.get("out", ())
    if any(isinstance(x, Tensor) for x in outputs):
        raise TypeError(f"{ufunc.__name__}: out expects an ndarray, not a Tensor")
    arrays = [x._export(ufunc.__name__) if isinstance(x, Tensor) else x for x in inputs]
    result = getattr(ufunc, method)(*arrays, **options)
    if outputs or result is None:
        return result
    if isinstance(result, tuple):
        return tuple(_core.asarray(r) for r in result)
    return _core.asarray(result)


def _dlpack(
    self: Tensor,
    /,
    *,
    stream: Any = None,
    max_version: tuple[int, int] | None = None,
    dl_device: tuple[Any, int] | None = None,
    copy: bool | None = None,
) -> Any:
    """A DLPack capsule of the memory, by way of NumPy; BufferError where that is impossible."""
    if stream is not None:
        raise ValueError(f"__dlpack__: stream expects None on the CPU, got {stream!r}")
    if dl_device is not None and tuple(map(int, dl_device)) != _CPU:
        raise BufferError(f"__dlpack__: dl_device expects the CPU, {_CPU}, got {tuple(dl_device)}")
    if self.requires_grad:
        raise BufferError(
            "__dlpack__: the tensor records gradients, which would get lost; use detach() first"
        )
    array = self._array()
    readonly = not array.flags.writeable and not copy
    if readonly and (max_version is None or max_version[0] < 1):
        raise BufferError(
            "__dlpack__: memory is read-only, which this version of DLPack cannot say"
        )
    if np.lib.NumpyVersion(np.__version__) < "2.1.0":
        return (array.copy() if copy else array).__dlpack__()
    return array.__dlpack__(max_version=max_version, dl_device=None, copy=copy)


def _dlpack_device(self: Tensor, /) -> tuple[int, int]:
    """The device in DLPack's terms: always the CPU."""
    return _CPU


def _to_device(self: Tensor, device: str, /, *, stream: Any = None) -> Tensor:
    """The tensor itself: 'cpu' is the only device."""
    if device != "cpu" or not isinstance(device, str):
        raise ValueError(f"to_device: device expects 'cpu', got {device!r}")
    if stream is not None:
        raise ValueError(f"to_device: stream expects None on the CPU, got {stream!r}")
    return self


def _array_namespace(self: Tensor, /, *, api_version: str | None = None) -> Any:
    """The module lepton, whose functions follow the array API standard."""
    known = ("2021.12", "2022.12", "2023.12", "2024.12", "2025.12")
    if api_version is not None and api_version not in known:
        raise ValueError(
            f"__array_namespace__: api_version expects one of {known}, got {api_version!r}"
        )
    return sys.modules["lepton"]


def _rebuild(cls: type[Tensor], array: np.ndarray[Any, Any], requires_grad: bool) -> Tensor:
    x = cls.__new__(cls, array)
    return x.requires_grad_(requires_grad) if x.requires_grad != requires_grad else x


def _reduce(self: Tensor) -> tuple[Any, ...]:
    if not self.is_leaf:
        raise TypeError("pickle: only leaves can be pickled or deep-copied; use detach() first")
    state = self.__dict__ if hasattr(self, "__dict__") else {}
    array = self.detach()._array()
    return _rebuild, (type(self), array, self.requires_grad), state or None


def _deepcopy(self: Tensor, memo: dict[int, Any]) -> Tensor:
    if not self.is_leaf:
        raise TypeError("deepcopy: only leaves can be deep-copied; use detach() or clone() first")
    result = _rebuild(type(self), self.detach().clone()._array(), self.requires_grad)
    memo[id(self)] = result
    if self.grad is not None:
        result.grad = self.grad.detach().clone()
    if getattr(self, "__dict__", None):
        from copy import deepcopy

        result.__dict__.update(deepcopy(self.__dict__, memo))
    return result


METHODS = {
    "_export": _export,
    "numpy": _numpy,
    "device": property(lambda self: "cpu", doc="Where the memory is: 'cpu'."),
    "to_device": _to_device,
    "__array__": _as_array,
    "__array_ufunc__": _array_ufunc,
    "__array_namespace__": _array_namespace,
    "__dlpack__": _dlpack,
    "__dlpack_device__": _dlpack_device,
    "__reduce__": _reduce,
    "__deepcopy__": _deepcopy,
}
