# SPDX-License-Identifier: Apache-2.0
"""IDX files, the format of MNIST: read with every claim of the header checked, and written."""

from __future__ import annotations

import gzip
import math
import os
import struct
import zlib
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["read_idx", "write_idx"]

_GZIP_MAGIC = b"\x1f\x8b"
_GZIP_MAX_RATIO = 1032  # the most that deflate can pack into one byte
_CHUNK = 1 << 22
_MAX_NDIM = 32

# type code of the header -> (type in the file, type handed out)
_TYPES: dict[int, tuple[str, str]] = {
    0x08: (">u1", "uint8"),
    0x09: (">i1", "int32"),
    0x0B: (">i2", "int32"),
    0x0C: (">i4", "int32"),
    0x0D: (">f4", "float32"),
    0x0E: (">f8", "float64"),
}


def read_idx(path: str | os.PathLike[str], *, max_bytes: int = 1 << 32) -> NDArray[Any]:
    """Read an IDX file, gzip-compressed or not, as a NumPy array.

    The header (magic number, type code, dimensions) is checked against the size of the file before
    anything is allocated; a compressed file is never unpacked further than its header claims.
    Types that Lepton does not have, int8 and int16, come as int32; big-endian numbers come in the
    byte order of the machine.

    Parameters
    ----------
    path
        The file; whether it is compressed is told by its first two bytes, not by its name.
    max_bytes
        The most data that a header may claim, 4 GiB if not given.

    Returns
    -------
    NDArray
        uint8, int32, float32 or float64, in the shape that the header states.

    Raises
    ------
    ValueError
        If the file is not a whole, valid IDX file; the sentence names file, place and cause.
    FileNotFoundError
        If there is no such file.

    Examples
    --------
    >>> import tempfile, numpy as np
    >>> from pathlib import Path
    >>> from lepton.data import read_idx, write_idx
    >>> path = Path(tempfile.mkdtemp()) / "labels-idx1-ubyte.gz"
    >>> write_idx(path, np.array([7, 2, 1], dtype=np.uint8))
    >>> read_idx(path)
    array([7, 2, 1], dtype=uint8)
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"read_idx: {path}: no such file")
    if not path.is_file():
        what = "a directory" if path.is_dir() else "not a regular file"
        raise ValueError(f"read_idx: {path}: is {what}, expected an IDX file")
    try:
        with path.open("rb") as raw:
            size = os.fstat(raw.fileno()).st_size
            packed = raw.read(2) == _GZIP_MAGIC
            raw.seek(0)
            if not packed:
                return _Reader(raw, path, max_bytes).read(exact=size)
            with gzip.GzipFile(fileobj=raw, mode="rb") as unpacked:
                most = min(max_bytes, size * _GZIP_MAX_RATIO)
                return _Reader(unpacked, path, most).read()
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        cause = "ends too early" if isinstance(error, EOFError) else str(error)
        raise ValueError(f"read_idx: {path}: corrupt gzip data: {cause}") from error


class _Reader:
    """Reads header and data from one stream and says where it stopped believing the file."""

    def __init__(self, stream: BinaryIO | gzip.GzipFile, path: Path, max_bytes: int) -> None:
        self.stream, self.path, self.max_bytes = stream, path, max_bytes

    def fail(self, place: int, cause: str) -> ValueError:
        return ValueError(f"read_idx: {self.path}: byte {place}: {cause}")

    def read(self, exact: int | None = None) -> NDArray[Any]:
        """Read the array; `exact` is the size of the file where that is known beforehand."""
        code, shape = self.header()
        stored, given = (np.dtype(name) for name in _TYPES[code])
        start, needed = 4 + 4 * len(shape), math.prod(shape) * stored.itemsize
        need = f"dimensions {list(shape)} need {needed} bytes of data"
        if exact is not None and exact != start + needed:
            what = "is truncated" if exact < start + needed else "has trailing bytes"
            raise self.fail(start, f"the file {what}: {need}, got {exact - start}")
        if needed > self.max_bytes or math.prod(max(n, 1) for n in shape) >= 1 << 48:
            raise self.fail(4, f"{need}, more than this file may hold ({self.max_bytes})")
        data = self.take(needed)
        if len(data) < needed:
            cause = f"the file is truncated: {need}, got {len(data)}"
            raise self.fail(start + len(data), cause)
        if self.stream.read(1):
            raise self.fail(start + needed, f"the file has trailing bytes: {need}, got more")
        array = np.frombuffer(data, dtype=stored).reshape(shape)
        return array if stored == given else array.astype(given)

    def header(self) -> tuple[int, tuple[int, ...]]:
        """Read and check magic number, type code and dimensions."""
        magic = self.take(4)
        if len(magic) < 4:
            raise self.fail(0, f"expected a header of at least 4 bytes, got {len(magic)}")
        zeros, code, ndim = struct.unpack(">HBB", magic)
        if zeros != 0:
            cause = f"an IDX file starts with two zero bytes, got {magic[:2].hex(' ')}"
            raise self.fail(0, cause)
        if code not in _TYPES:
            known = ", ".join(f"0x{key:02x}" for key in _TYPES)
            raise self.fail(2, f"unknown type code 0x{code:02x} (known: {known})")
        if not 1 <= ndim <= _MAX_NDIM:
            raise self.fail(3, f"expected 1 to {_MAX_NDIM} dimensions, got {ndim}")
        sizes = self.take(4 * ndim)
        if len(sizes) < 4 * ndim:
            cause = f"the file ends inside its header, {ndim} dimensions need {4 * ndim} bytes"
            raise self.fail(4 + len(sizes), cause)
        return code, struct.unpack(f">{ndim}I", sizes)

    def take(self, size: int) -> bytearray:
        """Read up to `size` bytes, growing with what is there: a lying header allocates nothing."""
        data = bytearray()
        while len(data) < size:
            part = self.stream.read(min(_CHUNK, size - len(data)))
            if not part:
                break
            data += part
        return data


def write_idx(path: str | os.PathLike[str], array: ArrayLike) -> None:
    """Write an array as an IDX file, compressed if the name ends in ``.gz``.

    The file appears under its name only when it is complete; the same array gives the same bytes.

    Parameters
    ----------
    path
        Where to write.
    array
        uint8, int8, int16, int32, float32 or float64, with 1 to 32 dimensions.

    Raises
    ------
    TypeError
        If IDX has no code for the array's dtype.
    ValueError
        If the array has no dimension or too many.

    Examples
    --------
    >>> import tempfile, numpy as np
    >>> from pathlib import Path
    >>> from lepton.data import read_idx, write_idx
    >>> path = Path(tempfile.mkdtemp()) / "weights.idx"
    >>> write_idx(path, np.ones((2, 3), dtype=np.float32))
    >>> read_idx(path).shape
    (2, 3)
    """
    path = Path(path)
    array = np.asarray(array)
    codes = {np.dtype(stored).newbyteorder("="): code for code, (stored, _) in _TYPES.items()}
    code = codes.get(array.dtype.newbyteorder("="))
    if code is None:
        names = ", ".join(str(dtype) for dtype in codes)
        raise TypeError(f"write_idx: expected one of the dtypes {names}, got {array.dtype}")
    if not 1 <= array.ndim <= _MAX_NDIM:
        raise ValueError(f"write_idx: expected 1 to {_MAX_NDIM} dimensions, got {array.ndim}")
    if max(array.shape) >= 1 << 32:
        raise ValueError(f"write_idx: a dimension must be below 2**32, got {list(array.shape)}")
    data = struct.pack(f">HBB{array.ndim}I", 0, code, array.ndim, *array.shape)
    data += array.astype(_TYPES[code][0]).tobytes()
    if path.suffix == ".gz":
        data = gzip.compress(data, mtime=0)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with part.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
