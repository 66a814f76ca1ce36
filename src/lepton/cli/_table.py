# SPDX-License-Identifier: Apache-2.0
"""What the commands on tables share: reading files, with dates, and naming places in them."""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lepton.data.readers.text import TextFormat, encoding_error

if TYPE_CHECKING:
    from pandas import DataFrame, Series

    from lepton.tabular import Schema

__all__ = ["TableFile", "pick_columns"]


class TableFile:
    """A CSV or Parquet file; as text it is its path.

    Parameters
    ----------
    path : str
        Comma, semicolon, tab or bar separate the values of a CSV file, which may be compressed.
    options : mapping, optional
        Those of a run: `sep`, `decimal`, `thousands`, `encoding`, `na_values`, `dates`.
    """

    def __init__(self, path: str, options: Mapping[str, Any] | None = None) -> None:
        self.path, self.options = path, dict(options or {})
        self.dates: dict[str, str | None] = {}  # formats by column
        for entry in self.options.get("dates") or []:
            name, _, form = entry.partition("=")
            self.dates[name] = form or None
        self.text: TextFormat | None = None

    def __str__(self) -> str:
        return self.path

    def place(self, row: int) -> str:
        """Name a row, counted from 0, by its line in a CSV file."""
        line = None if self.text is None else self.text.line(row)
        return f"row {row}" if line is None else f"line {line:,}"

    def date_options(self) -> list[str]:
        """The option `dates` with the formats that were found in reading."""
        return [name if form is None else f"{name}={form}" for name, form in self.dates.items()]

    def read(self, schema: Schema | None = None) -> DataFrame:
        """Read the file; text in which all values are ISO dates becomes dates.

        Parameters
        ----------
        schema : Schema, optional
            Of the table that a model was trained on: its columns are read as they were then.

        Raises
        ------
        FileNotFoundError
            If there is no such file.
        ValueError
            If it holds no rows, has two columns of one name, or is damaged.
        """
        pandas = _pandas()
        if not os.path.isfile(self.path):
            what = "is a folder, no table" if os.path.isdir(self.path) else "no such file"
            raise FileNotFoundError(f"{self}: {what}")
        name = Path(self.path).name.lower()
        try:
            if ".parquet" in name or name.endswith(".pq"):
                frame = pandas.read_parquet(self.path).reset_index(drop=True)
            else:
                frame = self._read_text(schema)
        except pandas.errors.EmptyDataError:
            raise ValueError(f"{self}: the file is empty") from None
        except UnicodeError as error:
            raise encoding_error(str(self), "--encoding", error) from None
        except ImportError as error:  # of what decompresses it
            raise ValueError(f"{self}: {error}") from error
        except ValueError as error:  # also what pandas and pyarrow raise for damaged files
            cause = str(error).removeprefix(f"{self}: ")
            raise ValueError(f"{self}: {cause}") from error
        if not len(frame):
            raise ValueError(f"{self}: the table has no rows")
        frame.columns = frame.columns.map(str).str.strip()
        self._refuse_twins(list(frame.columns))
        return frame.assign(**self._find_dates(frame, schema))

    def _read_text(self, schema: Schema | None) -> DataFrame:
        pandas, options = _pandas(), self.options
        names = ("encoding", "sep", "decimal", "na_values")
        given = {name: options.get(name) for name in names}
        self.text = text = TextFormat.find(str(self), self.path, **given)
        if options.get("thousands") == text.decimal:
            raise ValueError(
                f"{self}: --thousands expects another mark than the decimal mark, got "
                f"{text.decimal!r} for both: name the other with --decimal"
            )
        header, first = ([name.strip() for name in row] for row in text.head(2))
        if len(first) > len(header):  # pandas would take the first values for names of rows
            raise ValueError(
                f"{self}: the header names {len(header)} columns, but rows have {len(first)} values"
            )
        self._refuse_twins([name for name in header if name])
        frame: DataFrame = pandas.read_csv(
            self.path,
            sep=text.sep,
            decimal=text.decimal,
            thousands=options.get("thousands"),
            encoding=text.encoding,
            na_values=list(text.missing),
            skipinitialspace=True,
            dtype=dict.fromkeys([*_text_columns(schema), *self.dates], str),
            low_memory=False,
        )
        return frame

    def _refuse_twins(self, names: Sequence[str]) -> None:
        twice = next((name for i, name in enumerate(names) if name in names[:i]), None)
        if twice is not None:
            raise ValueError(f"{self}: expects columns with different names, got {twice!r} twice")

    def _find_dates(self, frame: DataFrame, schema: Schema | None) -> dict[str, Series[Any]]:
        from lepton.tabular.kinds import parse_dates

        pandas = _pandas()
        kinds = {} if schema is None else schema.kinds
        found = {}
        for name in self.dates:
            if name in frame:
                found[name] = self._read_dates(name, frame[name])
            elif schema is None:
                known = shorten(frame.columns)
                raise ValueError(f"{self}: --dates expects one of {known}, got {name!r}")
        for name, column in frame.items():
            if name in found or pandas.api.types.infer_dtype(column, skipna=True) != "string":
                continue
            if kinds.get(name, "date") != "date":
                continue
            try:
                dates = parse_dates(column)
            except ValueError as error:
                if name in kinds:
                    raise ValueError(f"{self}: column {name!r} expects dates: {error}") from error
                continue
            if dates is not None:
                found[name] = dates
        return found

    def _read_dates(self, name: str, column: Series[Any]) -> Series[Any]:
        """The dates of a column of ``--dates``; a format that was found is kept for other files."""
        pandas = _pandas()
        types = pandas.api.types
        if types.is_datetime64_any_dtype(column.dtype):
            return column
        if types.is_numeric_dtype(column.dtype):  # 20240131
            column = column.astype("Int64")
        text = column.astype("string").str.strip()
        given = self.dates[name]
        formats = [given] if given is not None else _guess_formats(text.dropna().head(10).tolist())
        owner = f"{self}: column {name!r} (--dates)"
        try:
            read = {
                form: pandas.to_datetime(text, format=form, errors="coerce", utc=True)
                for form in formats
            }
        except ValueError as error:
            raise ValueError(f"{owner} expects a format such as %d.%m.%Y: {error}") from None
        whole = {form: dates for form, dates in read.items() if (dates.notna() | text.isna()).all()}
        if len(whole) > 1:
            a, b = whole
            raise ValueError(
                f"{owner} reads as {a} and as {b}: say which, --dates {name}={a} or {name}={b}"
            )
        if not whole:
            best = max(read, key=lambda form: read[form].notna().sum(), default=None)
            bad = text.notna() if best is None else read[best].isna() & text.notna()
            row = int(bad.to_numpy().argmax())
            expected = "dates" if best is None else f"dates such as {best}"
            raise ValueError(f"{owner} expects {expected}, got {text[row]!r} in {self.place(row)}")
        ((self.dates[name], dates),) = whole.items()
        return dates


def _pandas() -> Any:
    try:
        import pandas
    except ImportError as error:
        raise ImportError("tables need pandas: pip install 'lepton-dl[tabular]'") from error
    return pandas


def _guess_formats(examples: Sequence[str]) -> list[str]:
    """How a date may be read, with the month and with the day first."""
    from pandas.tseries.api import guess_datetime_format

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # that the day comes first after all
        found = [guess_datetime_format(text, first) for text in examples for first in (False, True)]
    forms = dict.fromkeys(form for form in found if form is not None)
    return [form for form in forms if not re.match("%Y.?%d", form)]  # no one writes 2024-31-12


def _text_columns(schema: Schema | None) -> list[str]:
    """Columns that are read as text even where they look like numbers."""
    levels = {} if schema is None else {c.name: getattr(c, "levels", ()) for c in schema.columns}
    return [name for name, found in levels.items() if any(isinstance(v, str) for v in found)]


def shorten(names: Sequence[str]) -> str:
    """Names of columns for a sentence: not more than twenty."""
    return ", ".join(names[:20]) + (", ..." if len(names) > 20 else "")


def pick_columns(path: object, frame: DataFrame, names: Sequence[str]) -> DataFrame:
    """Return the named columns of a table in that order; others are left out."""
    missing = [name for name in names if name not in frame]
    if missing:
        raise ValueError(f"{path}: lacks the column(s) {', '.join(map(repr, missing))}")
    return frame[list(names)]
