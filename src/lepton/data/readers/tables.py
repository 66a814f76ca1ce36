# SPDX-License-Identifier: Apache-2.0
"""Tables on disk, CSV or Parquet, in batches of rows; PyArrow is loaded on first use."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from lepton._check import check_int
from lepton.array import asarray, stack
from lepton.data.indices import check_seed, permutation
from lepton.data.prefetch import read_ahead
from lepton.data.readers.arrow import (
    CSV,
    PARQUET,
    Damage,
    arrow,
    is_number,
    is_text,
    is_whole,
    read_records,
    read_schema,
)
from lepton.data.readers.text import TextFormat

__all__ = ["TableBatches"]

Block = tuple[NDArray[Any], ...]  # X, or X and y


class TableBatches:
    """Rows of a CSV or Parquet file, or of a folder of such files, batch by batch.

    Each iteration is one pass over all rows; memory is bounded whatever the size of the file.
    Batches are pairs (X, y), ready for an estimator's ``partial_fit``, or X alone without a target.

    Parameters
    ----------
    path
        A ``.parquet`` (``.pq``), ``.csv`` or ``.tsv`` file, the latter two also compressed
        (``.gz``, ``.bz2``), or a folder of files of one of these kinds, which are read in the order
        of their names; files whose names start with ``.`` or ``_`` are passed over.
    target
        Column of y. Numbers with fractions get `dtype`; whole numbers keep all digits (of CSV,
        where fractions may follow, as float64); words and booleans stay what they are.
    batch_size
        Rows in a batch; the last one may be smaller.
    columns
        Columns of X in that order, all but the target if not given. They must hold numbers or
        booleans, none missing.
    dtype
        float32 or float64.
    shuffle_buffer
        Rows that are gathered and shuffled together, 0 for none; the files of a folder come in
        another order in each pass, too. It bounds the memory.
    seed
        Of the orders; each pass has its own. If not given, it is drawn from Lepton's random state.
    sep, decimal, encoding, na_values
        Of the text of CSV files, as pandas names them: the mark between values, the decimal mark,
        the encoding, and a list of what else stands for no value. What is not given is told from
        the first rows, the encoding from a byte order mark; without one it is UTF-8.
    prefetch
        How many batches a background thread reads ahead while one is learned from; 0 works without
        a thread.

    Attributes
    ----------
    columns : list of str
        The columns of X.
    files : list of Path
        The files.

    Raises
    ------
    FileNotFoundError
        If there is no such file or folder, or the folder holds no table.
    ValueError
        If a column is not there, holds no numbers or a missing value, or a file is damaged.
    ImportError
        If PyArrow is not installed.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from lepton.data import TableBatches
    >>> from lepton.regression import SGDRegressor
    >>> path = Path(tempfile.mkdtemp()) / "prices.csv"
    >>> _ = path.write_text("rooms,area,price\\n" + "3,1.5,450\\n2,0.5,250\\n" * 500)
    >>> batches = TableBatches(path, target="price", batch_size=100)
    >>> batches.columns
    ['rooms', 'area']
    >>> model = SGDRegressor(random_state=0)
    >>> for epoch in range(50):
    ...     for X, y in batches:
    ...         model = model.partial_fit(X, y)
    >>> model.predict([[3, 1.5]]).round()
    array([450.])
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        target: str | None = None,
        batch_size: int = 16384,
        columns: Sequence[str] | None = None,
        dtype: DTypeLike = np.float64,
        shuffle_buffer: int = 0,
        seed: int | None = None,
        prefetch: int = 1,
        *,
        sep: str | None = None,
        decimal: str | None = None,
        encoding: str | None = None,
        na_values: Sequence[str] | None = None,
    ) -> None:
        name = type(self).__name__
        arrow()
        self.path = Path(path)
        self.target = target
        self.batch_size = check_int(name, "batch_size", batch_size, 1)
        self.shuffle_buffer = check_int(name, "shuffle_buffer", shuffle_buffer, 0)
        self.prefetch = check_int(name, "prefetch", prefetch, 0)
        self.dtype = np.dtype(dtype)
        if self.dtype not in (np.float32, np.float64):
            raise ValueError(f"{name}: dtype expects float32 or float64, got {self.dtype}")
        if isinstance(columns, str):
            raise TypeError(f"{name}: columns expects a list of names, got {columns!r}")
        self.seed = check_seed(name, seed) if shuffle_buffer or seed is not None else 0
        self._text: dict[str, Any] = {
            "sep": sep,
            "decimal": decimal,
            "encoding": encoding,
            "na_values": na_values,
        }
        self._whole = False  # whether the target is of whole numbers
        self.files = self._find_files()
        found = self._schema(self.files[0])
        features = found if columns is None else columns
        self.columns = [column for column in features if columns is not None or column != target]
        self._check_names()
        for file in self.files:
            self._check_columns(file)
        self._passes = 0

    def __iter__(self) -> Iterator[Any]:
        stream, self._passes = self._passes, self._passes + 1
        blocks = self._blocks(stream)
        if self.shuffle_buffer:
            blocks = self._shuffled(blocks, stream)
        for block in read_ahead(_gather(blocks, self.batch_size), self.prefetch):
            yield block if self.target is not None else block[0]
            del block  # its memory is free before the next one is made

    def __repr__(self) -> str:
        shown = f"{str(self.path)!r}, target={self.target!r}, columns={self.columns}"
        return f"{self._name}({shown}, batch_size={self.batch_size})"

    def _find_files(self) -> list[Path]:
        known = ", ".join(PARQUET + CSV[:1] + CSV[3:4])
        if not self.path.exists():
            raise FileNotFoundError(f"{self._name}: {self.path}: no such file or folder")
        if self.path.is_file():
            if not self.path.name.lower().endswith(PARQUET + CSV):
                raise ValueError(f"{self._name}: {self.path}: expects a table ({known})")
            return [self.path]
        parts = [p for p in sorted(self.path.iterdir()) if p.is_file() and p.name[0] not in "._"]
        for endings in (PARQUET, CSV):
            if found := [part for part in parts if part.name.lower().endswith(endings)]:
                return found
        raise FileNotFoundError(f"{self._name}: {self.path}: no tables ({known}) in this folder")

    @property
    def _name(self) -> str:
        return type(self).__name__

    def _check_names(self) -> None:
        """Refuse columns of X that come twice or are the target."""
        for i, column in enumerate(self.columns):
            if column in self.columns[:i]:
                raise ValueError(
                    f"{self._name}: columns expects each name once, got {column!r} twice"
                )
            if column == self.target:
                raise ValueError(f"{self._name}: columns expects others than {column!r}")

    def _format(self, file: Path) -> TextFormat | None:
        """How the text of a file is read; None for Parquet."""
        if not is_text(file):
            return None
        return TextFormat.find(f"{self._name}: {file}", file, **self._text)

    def _schema(self, file: Path) -> dict[str, Any]:
        """Columns and their types."""
        with Damage(self._name, file):
            schema = read_schema(file, self._format(file))
        if len(set(schema.names)) < len(schema.names):
            raise ValueError(f"{self._name}: {file}: expects unique columns, got {schema.names}")
        return dict(zip(schema.names, schema.types, strict=True))

    def _check_columns(self, file: Path) -> None:
        found = self._schema(file)
        wanted = [*self.columns] if self.target is None else [*self.columns, self.target]
        for column in wanted:
            if column not in found:
                raise ValueError(
                    f"{self._name}: {file}: expects a column {column!r}, got {list(found)}"
                )
        for column in self.columns:
            if not is_number(found[column]):
                raise ValueError(
                    f"{self._name}: {file}: column {column!r} expects numbers, "
                    f"got {found[column]}; leave it out with `columns`"
                )
        if self.target is not None:
            self._whole |= is_whole(found[self.target])
        if not self.columns:
            raise ValueError(f"{self._name}: {file}: expects at least one column for X, got none")

    def _blocks(self, stream: int) -> Iterator[Block]:
        """Blocks of rows of any size, file by file."""
        files = self.files
        if self.shuffle_buffer:
            files = [files[i] for i in permutation(len(files), self.seed, 2 * stream)]
        wanted = [*self.columns] if self.target is None else [*self.columns, self.target]
        for file in files:
            row = 0
            with Damage(self._name, file):
                for batch in read_records(file, self._format(file), wanted, self.batch_size):
                    yield self._arrays(file, batch, row)
                    row += batch.num_rows

    def _arrays(self, file: Path, batch: Any, row: int) -> Block:
        features = [self._values(file, batch, column, row) for column in self.columns]
        X = stack(
            [asarray(values.astype(self.dtype, copy=False)) for values in features], axis=1
        ).numpy()
        if not np.isfinite(X.sum()) and (bad := np.argwhere(~np.isfinite(X))).size:
            i, j = bad[0].tolist()
            self._refuse(file, self.columns[j], row + i, X[i, j])
        if self.target is None:
            return (X,)
        y = self._values(file, batch, self.target, row)
        if y.dtype.kind == "f":
            y = y if self._whole else y.astype(self.dtype)
            if not np.isfinite(y).all():
                i = int(np.isfinite(y).argmin())
                self._refuse(file, self.target, row + i, y[i])
        return X, y.astype(str) if y.dtype == object else y

    def _values(self, file: Path, batch: Any, column: str, row: int) -> NDArray[Any]:
        values = batch.column(column)
        if values.null_count:
            missing = values.is_null().to_numpy(zero_copy_only=False)
            self._refuse(file, column, row + int(missing.argmax()), np.nan)
        if arrow("types").is_decimal(values.type):
            values = values.cast(arrow().float64())
        array: NDArray[Any] = values.to_numpy(zero_copy_only=False)
        return array

    def _refuse(self, file: Path, column: str, row: int, value: float) -> None:
        what = "a missing value" if np.isnan(value) else "an infinite value"
        raise ValueError(f"{self._name}: {file}: row {row}: column {column!r} has {what}")

    def _shuffled(self, blocks: Iterator[Block], stream: int) -> Iterator[Block]:
        """Fill the buffer, shuffle it, hand it out."""
        for number, block in enumerate(_gather(blocks, self.shuffle_buffer)):
            order = permutation(len(block[0]), self.seed, (number << 32) + 2 * stream + 1)
            for i in range(0, len(order), self.batch_size):
                rows = order[i : i + self.batch_size]
                yield tuple(part[rows] for part in block)


def _gather(blocks: Iterable[Block], size: int) -> Iterator[Block]:
    """The same rows in blocks of `size`; the last one may be smaller."""
    parts: list[Block] = []
    rows = 0
    for block in blocks:
        begin = 0
        while rows + len(block[0]) - begin >= size:
            end = begin + size - rows
            parts.append(tuple(array[begin:end] for array in block))
            yield _joined(parts)
            parts, rows, begin = [], 0, end
        if begin < len(block[0]):
            parts.append(tuple(array[begin:] for array in block))
            rows += len(block[0]) - begin
    if parts:
        yield _joined(parts)


def _joined(parts: list[Block]) -> Block:
    if len(parts) == 1:
        return parts[0]
    return tuple(np.concatenate(arrays) for arrays in zip(*parts, strict=True))
