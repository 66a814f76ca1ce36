# SPDX-License-Identifier: Apache-2.0
"""Tensors from other objects, and from nothing."""

from __future__ import annotations

import builtins
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from lepton import _core
from lepton._core import Tensor
from lepton._core.array import arange, broadcast_to, normal, reshape, uniform, where, zeros

if TYPE_CHECKING:
    from numpy.typing import DTypeLike

__all__ = ["asarray", "from_dlpack", "meshgrid", "rand", "randn", "tensor", "tril", "triu"]


def _check_device(op: str, device: Any) -> None:
    if device is not None and (not isinstance(device, str) or device != "cpu"):
        raise ValueError(f"{op}: device expects 'cpu', got {device!r}")


def asarray(
    obj: Any,
    /,
    *,
    dtype: DTypeLike | None = None,
    device: str | None = None,
    copy: builtins.bool | None = None,
) -> Tensor:
    """A tensor of an array, number, buffer or nested sequence; memory is shared where it can be.

    Parameters
    ----------
    obj : Tensor, ndarray, buffer, number or nested sequence
        NumPy arrays keep their dtype; Python floats become float32 and ints int64.
    dtype : dtype, optional
        Element type of the result.
    device : 'cpu', optional
        The only device.
    copy : bool, optional
        True copies always; False never and raises ValueError where it would have to; None copies
        where memory cannot be shared.

    Examples
    --------
    >>> import lepton
    >>> lepton.asarray([1.0, 2.0])
    tensor([1., 2.], dtype=float32)
    """
    _check_device("asarray", device)
    return _core.asarray(obj, dtype=dtype, copy=copy)


def tensor(
    data: Any, dtype: DTypeLike | None = None, requires_grad: builtins.bool = False
) -> Tensor:
    """A new tensor with a copy of data: a number, nested sequence, NumPy array or tensor.

    NumPy arrays keep their dtype; Python floats become float32 and ints int64.

    >>> tensor([[1, 2], [3, 4]])
    tensor([[1, 2],
            [3, 4]])
    """
    return _core.asarray(data, dtype=dtype, copy=True).detach().requires_grad_(requires_grad)


def from_dlpack(
    x: Any, /, *, device: str | None = None, copy: builtins.bool | None = None
) -> Tensor:
    """A tensor on the memory of an object with `__dlpack__`: a PyTorch tensor, a NumPy array.

    Examples
    --------
    >>> import lepton, numpy
    >>> lepton.from_dlpack(numpy.arange(3))
    tensor([0, 1, 2])
    """
    _check_device("from_dlpack", device)
    if not hasattr(x, "__dlpack__"):
        raise AttributeError(
            f"from_dlpack: expects an object with __dlpack__, got {type(x).__name__}"
        )
    if isinstance(x, Tensor):
        shared: Any = x._export("from_dlpack")
    else:
        try:
            shared = np.from_dlpack(x)
        except RuntimeError as error:
            raise BufferError(f"from_dlpack: {error}") from error
    return _core.asarray(shared, copy=bool(copy) if copy is not None else False)


def meshgrid(*arrays: Tensor, indexing: Literal["xy", "ij"] = "xy") -> tuple[Tensor, ...]:
    """Coordinate grids from one-dimensional coordinates, one per axis.

    With 'ij' grid k varies along axis k; 'xy' exchanges the first two axes.

    Examples
    --------
    >>> import lepton
    >>> [grid.shape for grid in lepton.meshgrid(lepton.arange(2), lepton.arange(3))]
    [(3, 2), (3, 2)]
    """
    if indexing not in ("xy", "ij"):
        raise ValueError(f"meshgrid: indexing expects 'xy' or 'ij', got {indexing!r}")
    lengths = []
    for k, x in enumerate(arrays):
        if not isinstance(x, Tensor) or x.ndim > 1:
            found = x.shape if isinstance(x, Tensor) else type(x).__name__
            raise ValueError(f"meshgrid: array {k} expects one axis, got {found}")
        lengths.append(x.size)
        if x.dtype != arrays[0].dtype:
            raise ValueError(f"meshgrid: expects one dtype, got {arrays[0].dtype} and {x.dtype}")
    places = list(range(len(arrays)))
    if indexing == "xy" and len(arrays) > 1:
        places[:2] = [1, 0]
        lengths[:2] = lengths[1], lengths[0]
    grids = []
    for place, x in zip(places, arrays, strict=True):
        shape = [1] * len(arrays)
        shape[place] = x.size
        grids.append(broadcast_to(reshape(x, shape), lengths).clone())
    return tuple(grids)


def _triangle(op: str, x: Tensor, k: int, lower: builtins.bool) -> Tensor:
    if not isinstance(x, Tensor):
        raise TypeError(f"{op}: x expects a Tensor, got {type(x).__name__}")
    if x.ndim < 2:
        raise ValueError(f"{op}: expects at least 2 axes, got shape {x.shape}")
    rows, columns = x.shape[-2:]
    offset = min(max(int(k), -rows), columns)
    distance = arange(columns) - reshape(arange(rows), (rows, 1))
    kept = distance <= offset if lower else distance >= offset
    return where(kept, x, zeros((), dtype=x.dtype))


def tril(x: Tensor, /, *, k: int = 0) -> Tensor:
    """The lower triangle of matrices: zero above diagonal k."""
    return _triangle("tril", x, k, True)


def triu(x: Tensor, /, *, k: int = 0) -> Tensor:
    """The upper triangle of matrices: zero below diagonal k."""
    return _triangle("triu", x, k, False)


def _shape(op: str, shape: tuple[Any, ...]) -> Any:
    return shape[0] if len(shape) == 1 and isinstance(shape[0], (tuple, list)) else shape


def rand(*shape: Any) -> Tensor:
    """Uniform random numbers in [0, 1): rand(2, 3) or rand((2, 3))."""
    return uniform(_shape("rand", shape))


def randn(*shape: Any) -> Tensor:
    """Standard normal random numbers: randn(2, 3) or randn((2, 3))."""
    return normal(_shape("randn", shape))
