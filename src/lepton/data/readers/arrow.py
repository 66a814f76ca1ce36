# SPDX-License-Identifier: Apache-2.0
"""Tables through PyArrow, which is loaded on first use: columns and blocks of rows of one file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

__all__: list[str] = []

CSV = (".csv", ".csv.gz", ".csv.bz2", ".tsv", ".tsv.gz", ".tsv.bz2")
PARQUET = (".parquet", ".pq")

_TEXT_BLOCK = 1 << 20  # bytes of CSV that are parsed at once; some are read ahead
_STREAM_BUFFER = 1 << 20  # bytes of a Parquet column that are read at once


def arrow(module: str = "") -> ModuleType | Any:
    """PyArrow, or one of its modules."""
    try:
        import pyarrow
        import pyarrow.csv
        import pyarrow.parquet
        import pyarrow.types
    except ImportError as error:
        raise ImportError("reading tables needs PyArrow: pip install pyarrow") from error
    return getattr(pyarrow, module) if module else pyarrow


class Damage:
    """Turns what PyArrow raises into one sentence that names the file."""

    def __init__(self, owner: str, file: Path) -> None:
        self.owner, self.file = owner, file

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        if isinstance(error, (arrow().ArrowException, OSError)):
            cause = " ".join(str(error).split())
            raise ValueError(
                f"{self.owner}: {self.file}: cannot read the table: {cause}"
            ) from error


def read_schema(file: Path) -> Any:
    """The columns and their types, those of CSV guessed from its first block."""
    if _is_parquet(file):
        return arrow("parquet").read_schema(file)
    with _open_csv(file) as reader:
        return reader.schema


def read_records(file: Path, columns: list[str], rows: int) -> Iterator[Any]:
    """Record batches of some columns, of about so many rows or, of CSV, of about 1 MB of text."""
    if _is_parquet(file):
        with arrow("parquet").ParquetFile(file, buffer_size=_STREAM_BUFFER) as table:
            for group in range(table.num_row_groups):  # all at once would be kept to the end
                yield from table.iter_batches(rows, [group], columns=list(dict.fromkeys(columns)))
        return
    types, schema = arrow("types"), read_schema(file)
    kept = {name: schema.field(name).type for name in columns}
    for name, kind in kept.items():
        if types.is_integer(kind) or types.is_null(kind):  # fractions may follow the first block
            kept[name] = arrow().float64()
    with _open_csv(file, kept) as reader:
        yield from reader


def is_number(kind: Any) -> bool:
    """Whether a column of that type is a feature; one without any value counts as such."""
    types = arrow("types")
    checks = types.is_integer, types.is_floating, types.is_boolean, types.is_decimal, types.is_null
    return any(check(kind) for check in checks)


def _is_parquet(file: Path) -> bool:
    return file.name.lower().endswith(PARQUET)


def _open_csv(file: Path, kinds: dict[str, Any] | None = None) -> Any:
    csv = arrow("csv")
    tabs = ".tsv" in map(str.lower, file.suffixes)
    return csv.open_csv(
        file,
        read_options=csv.ReadOptions(block_size=_TEXT_BLOCK),
        parse_options=csv.ParseOptions(delimiter="\t" if tabs else ","),
        convert_options=csv.ConvertOptions(
            column_types=kinds, include_columns=None if kinds is None else list(kinds)
        ),
    )
