# SPDX-License-Identifier: Apache-2.0
"""Tables through PyArrow, which is loaded on first use: columns and blocks of rows of one file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

from lepton.data.readers.text import TextFormat, encoding_error

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
        if isinstance(error, UnicodeError):
            raise encoding_error(f"{self.owner}: {self.file}", "`encoding`", error) from None
        if isinstance(error, (arrow().ArrowException, OSError)):
            cause = " ".join(str(error).split())
            raise ValueError(
                f"{self.owner}: {self.file}: cannot read the table: {cause}"
            ) from error


def is_text(file: Path) -> bool:
    """Whether a file is read as CSV."""
    return not file.name.lower().endswith(PARQUET)


def read_schema(file: Path, text: TextFormat | None) -> Any:
    """The columns and their types, those of CSV guessed from its first block."""
    if text is None:
        return arrow("parquet").read_schema(file)
    with _open_csv(text) as reader:
        schema = reader.schema
        _ = schema.names  # decodes them
    if any(map(arrow("types").is_binary, schema.types)):  # PyArrow's type for text it cannot decode
        raise UnicodeError
    return schema


def read_records(
    file: Path, text: TextFormat | None, columns: list[str], rows: int
) -> Iterator[Any]:
    """Record batches of some columns, of about so many rows or, of CSV, of about 1 MB of text."""
    if text is None:
        with arrow("parquet").ParquetFile(file, buffer_size=_STREAM_BUFFER) as table:
            for group in range(table.num_row_groups):  # all at once would be kept to the end
                yield from table.iter_batches(rows, [group], columns=list(dict.fromkeys(columns)))
        return
    types, schema = arrow("types"), read_schema(file, text)
    kept = {name: schema.field(name).type for name in columns}
    for name, kind in kept.items():
        if is_whole(kind) or types.is_null(kind):  # fractions may follow the first block
            kept[name] = arrow().float64()
    with _open_csv(text, kept) as reader:
        yield from reader


def is_whole(kind: Any) -> bool:
    """Whether a column of that type holds whole numbers."""
    return bool(arrow("types").is_integer(kind))


def is_number(kind: Any) -> bool:
    """Whether a column of that type is a feature; one without any value counts as such."""
    types = arrow("types")
    checks = types.is_integer, types.is_floating, types.is_boolean, types.is_decimal, types.is_null
    return any(check(kind) for check in checks)


def _open_csv(text: TextFormat, kinds: dict[str, Any] | None = None) -> Any:
    csv = arrow("csv")
    missing = [*csv.ConvertOptions().null_values, *text.missing]
    return csv.open_csv(
        text.path,
        read_options=csv.ReadOptions(block_size=_TEXT_BLOCK, encoding=text.encoding),
        parse_options=csv.ParseOptions(delimiter=text.sep),
        convert_options=csv.ConvertOptions(
            column_types=kinds,
            include_columns=None if kinds is None else list(kinds),
            decimal_point=text.decimal,
            null_values=missing,
            strings_can_be_null=True,
        ),
    )
