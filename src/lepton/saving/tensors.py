# SPDX-License-Identifier: Apache-2.0
"""Tensors by name in safetensors files."""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from lepton.saving.atomic import atomic_write
from lepton.saving.documents import kind, parse_json

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lepton.array import Tensor
    from lepton.nn import Module

__all__ = ["load", "load_file", "read_metadata", "save", "save_file"]

_MAX_HEADER = 100_000_000
# The dtype codes of the format that Lepton reads; the half floats are widened to float32.
_DTYPES: dict[str, np.dtype[Any]] = {
    "F32": np.dtype("<f4"),
    "F64": np.dtype("<f8"),
    "I32": np.dtype("<i4"),
    "I64": np.dtype("<i8"),
    "U8": np.dtype("u1"),
    "BOOL": np.dtype("?"),
    "F16": np.dtype("<f2"),
    "BF16": np.dtype("<u2"),
}
_SAVED = frozenset(_DTYPES[code].newbyteorder("=") for code in ("F32", "F64", "I32", "I64", "U8"))


def save_file(
    tensors: Mapping[str, Tensor | NDArray[Any]],
    path: str | os.PathLike[str],
    metadata: Mapping[str, str] | None = None,
) -> None:
    """Write tensors (or NumPy arrays) by name to a safetensors file, atomically.

    Parameters
    ----------
    tensors : mapping of str to Tensor or ndarray
        float32, float64, int32, int64, uint8 or bool; any strides.
    path : path
        The file to create or replace.
    metadata : mapping of str to str, optional
        Free text kept in the header; see `read_metadata`.

    Raises
    ------
    TypeError
        If a name or a metadata entry is no string, or a dtype is none of the six.
    OSError
        If the disk is full or the folder cannot be written; a file that was there stays as it was.

    Examples
    --------
    >>> import tempfile, lepton
    >>> from lepton import saving
    >>> path = tempfile.mkdtemp() + "/weights.safetensors"
    >>> saving.save_file({"weight": lepton.tensor([1.0, 2.0])}, path, {"epoch": "3"})
    >>> saving.load_file(path)["weight"].tolist(), saving.read_metadata(path)
    ([1.0, 2.0], {'epoch': '3'})
    """
    arrays = {_text(name, "tensor name"): as_array(name, value) for name, value in tensors.items()}
    notes = {
        _text(key, "metadata key"): _text(value, f"metadata of {key!r}")
        for key, value in (metadata or {}).items()
    }
    if "__metadata__" in arrays:
        raise ValueError("save_file: the name '__metadata__' is reserved by the file format")
    with atomic_write(path) as temporary:
        write_arrays(arrays, temporary, notes)


def write_arrays(
    arrays: Mapping[str, NDArray[Any]], path: Path, metadata: Mapping[str, str] | None = None
) -> None:
    """Write C-contiguous arrays to `path` as they are; an I/O failure is an `OSError`."""
    from safetensors import SafetensorError
    from safetensors.numpy import save_file as write

    path.touch()
    mode = path.stat().st_mode  # the library's own temporary would be private to the user
    try:
        write(dict(arrays), path, dict(metadata) if metadata else None)
        path.chmod(mode)
    except SafetensorError as error:
        code = re.search(r"(?:os error |code: )(\d+)", str(error))
        if code is None:
            raise ValueError(f"save_file: {path}: {error}") from error
        raise OSError(int(code[1]), os.strerror(int(code[1]))) from error


def load_file(path: str | os.PathLike[str]) -> dict[str, Tensor]:
    """Read a safetensors file into tensors by name; float16 and bfloat16 are widened to float32.

    Raises
    ------
    ValueError
        If the file is truncated, oversized or lies about its content; the sentence names the file,
        the place and the cause. See `save_file` for an example.
    OSError
        If the file is missing or unreadable.
    """
    from lepton.array import tensor

    return {name: tensor(array) for name, array in read_arrays(path).items()}


def read_arrays(path: str | os.PathLike[str]) -> dict[str, NDArray[Any]]:
    """Like `load_file`, but as NumPy arrays."""
    with open(path, "rb") as file:
        header, start = _read_header(file, os.fspath(path))
        header.pop("__metadata__", None)
        result = {}
        for name, entry in header.items():
            file.seek(start + entry["data_offsets"][0])
            array = np.empty(entry["shape"], _DTYPES[entry["dtype"]])
            memory: Any = array.reshape(-1).view(np.uint8)
            if file.readinto(memory) != array.nbytes:
                raise ValueError(f"load_file: {path}: tensor {name!r}: the file shrank while read")
            result[name] = _widen(array, entry["dtype"])
        return result


def read_metadata(path: str | os.PathLike[str]) -> dict[str, str]:
    """Return the free text in a safetensors header; the file is checked as `load_file` does."""
    with open(path, "rb") as file:
        return dict(_read_header(file, os.fspath(path))[0].get("__metadata__", {}))


def save(module: Module, path: str | os.PathLike[str]) -> None:
    """Write a module's parameters and buffers to a safetensors file.

    Examples
    --------
    >>> import tempfile, lepton
    >>> from lepton import nn, saving
    >>> path = tempfile.mkdtemp() + "/linear.safetensors"
    >>> saving.save(nn.Linear(3, 2), path)
    >>> sorted(saving.load_file(path))
    ['bias', 'weight']
    """
    save_file(module.state_dict(), path)


def load(module: Module, path: str | os.PathLike[str]) -> None:
    """Read a module's parameters and buffers from a safetensors file.

    Raises
    ------
    ValueError
        If the file is bad, or its names or shapes are not the module's; the module keeps its
        weights then.

    Examples
    --------
    >>> import tempfile
    >>> from lepton import nn, saving
    >>> path = tempfile.mkdtemp() + "/linear.safetensors"
    >>> first, second = nn.Linear(3, 2), nn.Linear(3, 2)
    >>> saving.save(first, path)
    >>> saving.load(second, path)
    >>> second.weight.tolist() == first.weight.tolist()
    True
    """
    state = load_file(path)
    try:
        module.load_state_dict(state)
    except (ValueError, TypeError, KeyError) as error:
        raise ValueError(f"load: {os.fspath(path)}: {error}") from error


def as_array(name: str, value: Any) -> NDArray[Any]:
    """Return a tensor's or array's values, C-contiguous in native byte order, ready to be saved."""
    detach = getattr(value, "detach", None)
    array = np.asarray(detach() if detach else value, order="C")
    if array.dtype.newbyteorder("=") in _SAVED:
        return array.astype(array.dtype.newbyteorder("="), copy=False)
    if array.dtype == np.bool_:
        return array
    raise TypeError(
        f"save_file: tensor {name!r} has dtype {array.dtype}, expected float32, float64, int32, "
        "int64, uint8 or bool"
    )


def _text(value: object, what: str) -> str:
    if not isinstance(value, str):
        raise TypeError(f"save_file: {what} expects a str, got {type(value).__name__}")
    return value


def _widen(array: NDArray[Any], code: str) -> NDArray[Any]:
    if code == "F16":
        return array.astype(np.float32)
    if code == "BF16":  # a bfloat16 is the upper half of a float32
        bits: NDArray[Any] = array.astype(np.uint32) << 16
        return bits.view(np.float32)
    if code == "BOOL" and array.view(np.uint8).max(initial=0) > 1:
        return np.asarray(array.view(np.uint8) != 0)
    return array.astype(array.dtype.newbyteorder("="), copy=False)


def _read_header(file: BinaryIO, path: str) -> tuple[dict[str, Any], int]:
    """Return the checked header of an open safetensors file and where its data begin."""

    def refuse(cause: str) -> ValueError:
        return ValueError(f"load_file: {path}: {cause}")

    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    if size < 8:
        raise refuse(f"the file has {size} bytes, fewer than the 8 that hold the header's length")
    length = int.from_bytes(file.read(8), "little")
    if length > size - 8:
        raise refuse(f"the header claims {length} bytes, but only {size - 8} follow (truncated?)")
    if length > _MAX_HEADER:
        raise refuse(f"the header claims {length} bytes, more than the allowed {_MAX_HEADER}")
    header = parse_json(file.read(length), lambda cause: refuse(f"header: {cause}"))
    if not isinstance(header, dict):
        raise refuse(f"header: expected a JSON object, got {kind(header)}")
    _check_metadata(header.get("__metadata__", {}), refuse)
    spans = [
        (*_check_entry(entry, lambda cause, name=name: refuse(f"tensor {name!r}: {cause}")), name)  # type: ignore[misc]
        for name, entry in header.items()
        if name != "__metadata__"
    ]
    _check_spans(sorted(spans), size - 8 - length, refuse)
    return header, 8 + length


def _check_metadata(metadata: object, refuse: Callable[[str], ValueError]) -> None:
    if not isinstance(metadata, dict):
        raise refuse(f"__metadata__: expected a JSON object, got {kind(metadata)}")
    for key, value in metadata.items():
        if not isinstance(value, str):
            raise refuse(f"__metadata__: {key!r}: expected a string, got {kind(value)}")


def _check_entry(entry: object, refuse: Callable[[str], ValueError]) -> tuple[int, int]:
    """Return where one tensor's data begin and end, having checked its header entry."""
    if not isinstance(entry, dict):
        raise refuse(f"expected a JSON object, got {kind(entry)}")
    if set(entry) != {"dtype", "shape", "data_offsets"}:
        names = ", ".join(sorted(map(repr, entry)))
        raise refuse(f"expected dtype, shape and data_offsets, got {names or 'nothing'}")
    code, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
    if not isinstance(code, str) or code not in _DTYPES:
        raise refuse(f"dtype {code!r} is none of {', '.join(_DTYPES)}")
    for what, value in (("shape", shape), ("data_offsets", offsets)):
        if not isinstance(value, list) or not all(type(n) is int and n >= 0 for n in value):
            raise refuse(f"{what} expects a list of integers from 0, got {json.dumps(value)[:80]}")
    if len(offsets) != 2 or offsets[0] > offsets[1]:
        raise refuse(f"data_offsets expects [begin, end] in this order, got {str(offsets)[:80]}")
    if len(shape) > 32 or math.prod(n or 1 for n in shape) >= 2**60:
        raise refuse(f"shape {str(shape)[:80]} is larger than any memory")
    needed = math.prod(shape) * _DTYPES[code].itemsize
    if offsets[1] - offsets[0] != needed:
        raise refuse(
            f"data_offsets {offsets} hold {offsets[1] - offsets[0]} bytes, "
            f"but shape {shape} of {code} needs {needed}"
        )
    return offsets[0], offsets[1]


def _check_spans(
    spans: list[tuple[int, int, str]], size: int, refuse: Callable[[str], ValueError]
) -> None:
    """Demand that the tensors' data lie one after another and fill the file to its last byte."""
    end, before = 0, "the start"
    for begin, stop, name in spans:
        if begin != end:
            what = "overlap" if begin < end else f"leave {begin - end} unused bytes after"
            raise refuse(f"tensor {name!r}: data at byte {begin} {what} {before}, ending at {end}")
        end, before = stop, f"tensor {name!r}"
    if end > size:
        raise refuse(f"{before}: data end at byte {end}, but the file holds {size} (truncated?)")
    if end < size:
        raise refuse(f"{size - end} bytes follow the last tensor, expected none")
