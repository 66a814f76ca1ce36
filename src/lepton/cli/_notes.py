# SPDX-License-Identifier: Apache-2.0
"""What to know of a table before training: text that looks like numbers or dates, ids."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from pandas import DataFrame, Series

__all__ = ["counter_columns", "describe_text", "notes"]

_NUMBER = re.compile(r"[^\w.,-]*[-+]?\d[\d.,' \u00a0]*\s*(?:[%\u20ac$\u00a3]|[A-Za-z]{1,3})?")
_DATE = re.compile(
    r"(?:\d{1,4}[-/.]\d{1,2}[-/.]\d{2,4}|\d{1,2}\.? [A-Za-z]{3,9}\.? \d{4}|"
    r"[A-Za-z]{3,9}\.? \d{1,2},? \d{4})(?:[T ,].*)?"
)
_SOME = 1000  # values of a column that are looked at
_LEAST_IDS = 10


def describe_text(column: Series[Any]) -> str:
    """Say what a column of text holds, and how it could be read as something else."""
    return _reading(column) or f"text of {column.nunique():,} values ({_examples(column)})"


def _reading(column: Series[Any]) -> str | None:
    """How text might be read as numbers or dates; None where it looks like neither."""
    from pandas import to_numeric

    text = column.dropna().astype(str)
    if not len(text):
        return None
    plain = to_numeric(text, errors="coerce").notna()
    if plain.mean() >= 0.5:
        others = text[~plain]
        return (
            f"text, though {plain.sum():,} of {len(text):,} values are numbers; the others are "
            f"{_examples(others)}: --na-values {_quoted(others.iloc[0])} takes that for missing"
        )
    some = text.head(_SOME)
    dates = some.map(lambda value: _DATE.fullmatch(value.strip()) is not None)
    if dates.mean() >= 0.5:
        others = some[~dates]
        rest = f"; others are {_examples(others)} (see --na-values)" if len(others) else ""
        return f"text that looks like dates ({_examples(some[dates])}){rest}: see --dates"
    numbers = some.map(lambda value: _NUMBER.fullmatch(value.strip()) is not None)
    if numbers.mean() >= 0.5:
        return (
            f"text that looks like numbers ({_examples(some[numbers])}): "
            f"see --decimal, --thousands and --na-values, or take units out"
        )
    return None


def _examples(values: Series[Any]) -> str:
    found = [str(value)[:20] for value in values.dropna().unique()[:4]]
    return ", ".join(map(repr, found[:3])) + (", ..." if len(found) > 3 else "")


def _quoted(value: str) -> str:
    return value if value.isalnum() else repr(value)


def counter_columns(frame: DataFrame) -> list[str]:
    """Columns without a name that count the rows, as an index that was written to the file does."""
    unnamed = [name for name in frame.columns if re.fullmatch(r"|Unnamed: \d+", name)]
    return [name for name in unnamed if _steps(frame[name]) == {1}]


def _steps(column: Series[Any]) -> set[int]:
    """The differences between each whole number of a column and the next."""
    if column.dtype.kind not in "iu":
        return set()
    return set(np.unique(np.diff(column.to_numpy(np.int64))).tolist())


def notes(frame: DataFrame) -> dict[str, str]:
    """What to know of columns, by name."""
    from pandas import CategoricalDtype
    from pandas.api.types import infer_dtype

    found = {}
    for name, column in frame.items():
        if isinstance(column.dtype, CategoricalDtype):
            continue
        words = infer_dtype(column, skipna=True) == "string"
        reading = _reading(column) if words else None
        steps = _steps(column)
        if reading is not None:
            found[str(name)] = reading
        elif len(column) >= _LEAST_IDS and steps and min(steps) > 0:
            found[str(name)] = "whole numbers that only rise, as ids do: --drop leaves ids out"
        elif words and len(column) >= _LEAST_IDS and column.is_unique:
            found[str(name)] = "text that is different in each row teaches nothing"
    return found
