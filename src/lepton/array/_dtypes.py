# SPDX-License-Identifier: Apache-2.0
"""Dtypes, which are NumPy's own objects, and what can be asked about them."""

from __future__ import annotations

import builtins
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from lepton._core import Tensor, promote_types

if TYPE_CHECKING:
    from numpy.typing import DTypeLike

__all__ = [
    "bool",
    "can_cast",
    "finfo",
    "float32",
    "float64",
    "iinfo",
    "int32",
    "int64",
    "isdtype",
    "result_type",
    "uint8",
]

bool: np.dtype[Any] = np.dtype("bool")
uint8: np.dtype[Any] = np.dtype("uint8")
int32: np.dtype[Any] = np.dtype("int32")
int64: np.dtype[Any] = np.dtype("int64")
float32: np.dtype[Any] = np.dtype("float32")
float64: np.dtype[Any] = np.dtype("float64")

_ALL = (bool, uint8, int32, int64, float32, float64)
_KINDS: dict[str, tuple[np.dtype[Any], ...]] = {
    "bool": (bool,),
    "signed integer": (int32, int64),
    "unsigned integer": (uint8,),
    "integral": (uint8, int32, int64),
    "real floating": (float32, float64),
    "complex floating": (),
    "numeric": (uint8, int32, int64, float32, float64),
}


def _dtype(op: str, value: Any) -> np.dtype[Any]:
    """The dtype of a tensor, or the dtype itself; TypeError naming `op` for anything else."""
    return value.dtype if isinstance(value, Tensor) else promote_types(value, value, op)


class finfo_object(NamedTuple):
    """Limits of a floating-point dtype."""

    bits: int
    eps: float
    max: float
    min: float
    smallest_normal: float
    dtype: np.dtype[Any]


class iinfo_object(NamedTuple):
    """Limits of an integer dtype."""

    bits: int
    max: int
    min: int
    dtype: np.dtype[Any]


def finfo(type: DTypeLike | Tensor, /) -> finfo_object:
    """Limits of a floating-point dtype, or of the dtype of a tensor.

    >>> finfo(float32).max
    3.4028234663852886e+38
    """
    dtype = _dtype("finfo", type)
    if dtype.kind != "f":
        raise TypeError(f"finfo: expects float32 or float64, got {dtype}")
    info = np.finfo(dtype)
    eps, largest, least, normal = map(float, (info.eps, info.max, info.min, info.smallest_normal))
    return finfo_object(int(info.bits), eps, largest, least, normal, dtype)


def iinfo(type: DTypeLike | Tensor, /) -> iinfo_object:
    """Limits of an integer dtype, or of the dtype of a tensor.

    >>> iinfo(uint8).max
    255
    """
    dtype = _dtype("iinfo", type)
    if dtype.kind not in "iu":
        raise TypeError(f"iinfo: expects uint8, int32 or int64, got {dtype}")
    info = np.iinfo(dtype)
    return iinfo_object(int(info.bits), int(info.max), int(info.min), dtype)


def isdtype(dtype: DTypeLike, kind: DTypeLike | tuple[Any, ...]) -> builtins.bool:
    """Whether a dtype is of a kind: a dtype, a name such as 'integral', or a tuple of these.

    Kinds are 'bool', 'signed integer', 'unsigned integer', 'integral', 'real floating',
    'complex floating' (of which Lepton has none) and 'numeric'.

    >>> isdtype(int32, ("bool", "integral"))
    True
    """
    if not isinstance(dtype, np.dtype):
        raise TypeError(f"isdtype: dtype expects a dtype, got {dtype!r}")
    for one in kind if isinstance(kind, tuple) else (kind,):
        if isinstance(one, str):
            if one not in _KINDS:
                names = ", ".join(map(repr, _KINDS))
                raise ValueError(f"isdtype: kind expects a dtype or one of {names}, got {one!r}")
            if dtype in _KINDS[one]:
                return True
        elif not isinstance(one, np.dtype):
            raise TypeError(f"isdtype: kind expects dtypes and names of kinds, got {one!r}")
        elif dtype == one:
            return True
    return False


def can_cast(from_: DTypeLike | Tensor, to: DTypeLike, /) -> builtins.bool:
    """Whether promotion may turn one dtype (or a tensor's) into another.

    >>> can_cast(int32, int64), can_cast(int64, int32)
    (True, False)
    """
    source, target = _dtype("can_cast", from_), _dtype("can_cast", to)
    return promote_types(source, target) == target


def result_type(*arrays_and_dtypes: Any) -> np.dtype[Any]:
    """The dtype of an operation on these tensors, dtypes and Python numbers.

    Numbers follow the dtypes: they only matter where their kind is a higher one.

    >>> result_type(uint8, int32), result_type(float32, 1.5)
    (dtype('int32'), dtype('float32'))
    """
    result: np.dtype[Any] | None = None
    kind = -1
    for value in arrays_and_dtypes:
        if isinstance(value, (int, float)) and not isinstance(value, np.generic):
            kind = max(
                kind, 0 if isinstance(value, builtins.bool) else 1 + isinstance(value, float)
            )
        else:
            other = _dtype("result_type", value)
            result = other if result is None else promote_types(result, other)
    if result is None:
        raise ValueError("result_type: expects at least one tensor or dtype")
    if kind == 2 and result.kind != "f":
        return float32
    return int64 if kind == 1 and result == bool else result
