# SPDX-License-Identifier: Apache-2.0
"""How the text of a table is read: encoding, separator, decimal mark, what stands for no value."""

from __future__ import annotations

import bz2
import codecs
import csv
import gzip
import io
import lzma
import os
import re
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any, BinaryIO

__all__: list[str] = []

SEPARATORS = ",;\t|"
MISSING = ("?", "-", "--", ".", "n.a.", "N.A.", "None", "<NA>", "#VALUE!", "#DIV/0!", "#REF!")

_SAMPLE = 100  # rows that separator and decimal mark are told from
_MARKS = {  # that begin a text file; those of UTF-32 begin with one of UTF-16
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
_OPENERS: dict[str, Any] = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}
_COMMA = re.compile(r"\s*[-+]?\d+,\d+\s*")
_POINT = re.compile(r"\s*[-+]?\d+\.\d+\s*")
_THOUSANDS = re.compile(r"\s*[-+]?[1-9]\d{0,2},\d{3}\s*")


@dataclass(frozen=True)
class TextFormat:
    """How the text of a table is read.

    Parameters
    ----------
    path : path
        The file, which may be compressed.
    encoding, sep, decimal : str
        As pandas names them.
    missing : tuple of str
        What stands for no value besides what pandas and PyArrow take for that anyway.
    """

    path: str
    encoding: str
    sep: str
    decimal: str
    missing: tuple[str, ...]

    @classmethod
    def find(
        cls,
        owner: str,
        path: str | os.PathLike[str],
        *,
        encoding: str | None = None,
        sep: str | None = None,
        decimal: str | None = None,
        na_values: Sequence[str] | None = None,
    ) -> TextFormat:
        """Tell from the first rows of a file what is not given.

        The encoding is that of a byte order mark, or UTF-8. The separator is the mark that parts
        the rows into most values of the same number. The decimal mark is a comma where numbers such
        as 0,5 are there and none such as 0.5.

        Raises
        ------
        ValueError
            If an option is none, or the file is damaged.
        """
        if encoding is not None:
            _check_encoding(owner, encoding)
        for name, mark in (("sep", sep), ("decimal", decimal)):
            plain = isinstance(mark, str) and len(mark) == 1 and mark.isascii()
            if mark is not None and not (plain and mark not in '\r\n"'):
                raise ValueError(f"{owner}: {name} expects one ASCII character, got {mark!r}")
        given = [na_values] if isinstance(na_values, str) else na_values or []
        missing = tuple(dict.fromkeys([*MISSING, *map(str, given)]))
        found = cls(os.fspath(path), encoding or "utf-8", sep or ",", decimal or ".", missing)
        try:
            if encoding is None:
                found = replace(found, encoding=found._marked_encoding())
            if sep is None:
                found = replace(found, sep=found._guess_separator())
            if decimal is None:
                found = replace(found, decimal=found._guess_decimal())
        except (OSError, EOFError, lzma.LZMAError, zipfile.BadZipFile) as error:
            raise ValueError(f"{owner}: cannot read the table: {error}") from error
        return found

    def rows(self) -> Iterator[tuple[int, list[str]]]:
        """Number of the (last) line, and the values of each row, the header's first."""
        encoding = "utf-8-sig" if self.encoding == "utf-8" else self.encoding
        with _open(self.path) as file:
            text = io.TextIOWrapper(file, encoding, errors="replace", newline="")
            reader = csv.reader(text, delimiter=self.sep, skipinitialspace=True)
            try:
                for row in reader:
                    if len(row) > 1 or (row and row[0].strip()):
                        yield reader.line_num, row
            except csv.Error:  # a value of more than 131,072 characters, or a damaged file
                return

    def head(self, count: int) -> list[list[str]]:
        """The first rows, the header's first; those that are not there are empty."""
        rows = [row for _, row in islice(self.rows(), count)]
        return rows + [[]] * (count - len(rows))

    def line(self, row: int) -> int | None:
        """The line of the file in which a row ends; 0 is the first row after the header."""
        return next((line for line, _ in islice(self.rows(), row + 1, None)), None)

    def _marked_encoding(self) -> str:
        with _open(self.path) as file:
            start = file.read(4)
        return next((name for mark, name in _MARKS.items() if start.startswith(mark)), "utf-8")

    def _guess_separator(self) -> str:
        marks = sorted(SEPARATORS, key="\t".__ne__) if ".tsv" in self.path.lower() else SEPARATORS
        best, most = marks[0], (0.0, 1)
        for mark in marks:
            rows = replace(self, sep=mark).rows()
            widths = [len(row) for _, row in islice(rows, _SAMPLE)]
            if widths and widths[0] > 1:
                fit = sum(width == widths[0] for width in widths) / len(widths), widths[0]
                best, most = max((best, most), (mark, fit), key=lambda pair: pair[1])
        return best

    def _guess_decimal(self) -> str:
        cells = [cell for _, row in islice(self.rows(), 1, _SAMPLE) for cell in row]
        fractions = [cell for cell in cells if _COMMA.fullmatch(cell)]
        clear = not all(map(_THOUSANDS.fullmatch, fractions))  # 1,007 could be a thousand and seven
        return "," if clear and not any(map(_POINT.fullmatch, cells)) else "."


def encoding_error(owner: str, option: str, error: UnicodeError) -> ValueError:
    """What to raise for text that is in another encoding than it was read in."""
    used = getattr(error, "encoding", "utf-8")
    return ValueError(
        f"{owner}: the text is not {used}: name its encoding with {option}, such as cp1252 "
        f"(Windows), latin-1 or utf-16"
    )


def _check_encoding(owner: str, encoding: Any) -> None:
    try:
        "".encode(encoding)
    except (LookupError, TypeError):
        raise ValueError(
            f"{owner}: encoding expects the name of an encoding such as cp1252, got {encoding!r}"
        ) from None


@contextmanager
def _open(path: str) -> Iterator[BinaryIO]:
    """The bytes of a file, decompressed by its ending."""
    ending = os.path.splitext(path)[1].lower()
    if ending == ".zip":
        with zipfile.ZipFile(path) as archive:
            if not archive.namelist():
                raise zipfile.BadZipFile("the archive is empty")
            with archive.open(archive.namelist()[0]) as file:
                yield file  # type: ignore[misc]
    else:
        with _OPENERS.get(ending, open)(path, "rb") as file:
            yield file
