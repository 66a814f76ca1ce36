# SPDX-License-Identifier: Apache-2.0
"""What kind of values a column of a table holds, and the values in one form for each kind."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from pandas import Series

__all__ = ["EMPTY", "parse_dates", "read_column"]

EMPTY = "empty"
_ISO_DATE = r"\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d.*)?"  # the form that is read without guessing

# What pandas calls the values of an object column, and the kind they are.
_INFERRED = {
    "string": "category",
    "boolean": "boolean",
    "integer": "number",
    "floating": "number",
    "mixed-integer-float": "number",
    "decimal": "number",
    "timedelta": "number",
    "datetime64": "date",
    "datetime": "date",
    "date": "date",
    "empty": EMPTY,
}


def read_column(
    owner: str, name: str, column: Series[Any], wanted: str | None = None
) -> tuple[str, Any]:
    """Return the kind of a column and its values.

    Text of ISO 8601 dates is a date, unless a kind is `wanted` that is none.

    ========  ==========================================================================
    kind      values
    ========  ==========================================================================
    number    float64, NaN where missing; durations count in days
    boolean   float64: 0, 1, NaN where missing
    category  a Series of text or of pandas' categories
    date      a Series of datetime64 without a time zone (that of UTC), NaT where missing
    empty     the column as it is: all values are missing
    ========  ==========================================================================

    Raises
    ------
    TypeError
        If values of several types are mixed, or their type is none of these.
    ValueError
        If a number is infinite.
    """
    column = _from_arrow(column)
    kind = _kind(owner, name, column)
    if column.isna().all():
        return EMPTY, column
    if kind == "number":
        return kind, _numbers(owner, name, column)
    if kind == "boolean":
        return kind, column.astype("boolean").to_numpy(np.float64, na_value=np.nan)
    if kind == "category" and wanted in (None, "date"):
        try:
            dates = parse_dates(column)
        except ValueError as error:
            if wanted is not None:
                raise ValueError(f"{owner}: column {name!r} expects dates: {error}") from error
            dates = None
        if dates is not None:
            return "date", _dates(dates)
    return kind, _dates(column) if kind == "date" else column


def parse_dates(column: Series[Any]) -> Series[Any] | None:
    """Return text of ISO 8601 dates as dates in UTC, or None where it looks like something else.

    Raises
    ------
    ValueError
        If it looks like dates, but not all of it is.
    """
    from pandas import CategoricalDtype, to_datetime

    if isinstance(column.dtype, CategoricalDtype):  # names on purpose
        return None
    if not column.dropna().head(100).str.fullmatch(_ISO_DATE).all():
        return None
    try:
        return to_datetime(column, format="ISO8601", utc=True)
    except ValueError as error:  # pandas goes on with advice on its parameters
        raise ValueError(str(error).partition(". You might want")[0]) from error


def _from_arrow(column: Series[Any]) -> Series[Any]:
    """Days, durations and dictionaries of PyArrow as objects; pandas cannot compute with them."""
    from pandas import ArrowDtype
    from pandas.api.types import is_numeric_dtype, is_string_dtype

    dtype = column.dtype
    odd = isinstance(dtype, ArrowDtype) and (dtype.kind in "Om" or dtype.type is datetime.date)
    if odd and not is_numeric_dtype(dtype) and not is_string_dtype(dtype):
        return column.astype(object)
    return column


def _kind(owner: str, name: str, column: Series[Any]) -> str:
    from pandas import CategoricalDtype, PeriodDtype
    from pandas.api import types

    dtype = column.dtype
    if isinstance(dtype, CategoricalDtype):
        return "category"
    if types.is_bool_dtype(dtype):
        return "boolean"
    if types.is_complex_dtype(dtype):
        raise _refusal(owner, name, "complex numbers")
    if types.is_numeric_dtype(dtype) or types.is_timedelta64_dtype(dtype):
        return "number"
    if types.is_datetime64_any_dtype(dtype) or isinstance(dtype, PeriodDtype):
        return "date"
    found = types.infer_dtype(column, skipna=True)
    if found not in _INFERRED:
        raise _refusal(owner, name, _describe(column))
    return _INFERRED[found]


def _refusal(owner: str, name: str, got: str) -> TypeError:
    return TypeError(
        f"{owner}: column {name!r} expects values of one type (numbers, text, booleans, dates or "
        f"categories), got {got}"
    )


def _describe(column: Series[Any]) -> str:
    """Name each type in an object column with its first value and row."""
    present = np.flatnonzero(column.notna().to_numpy())
    types = column.iloc[present].map(type)
    first = present[~types.duplicated().to_numpy()][:3]
    return " and ".join(
        f"{type(value).__name__} ({str(value)[:40]!r} in row {row})"
        for row, value in zip(first, column.iloc[first], strict=True)
    )


def _numbers(owner: str, name: str, column: Series[Any]) -> NDArray[np.float64]:
    from pandas.api.types import infer_dtype, is_timedelta64_dtype

    if is_timedelta64_dtype(column.dtype) or infer_dtype(column, skipna=True) == "timedelta":
        column = column.astype("timedelta64[ns]").dt.total_seconds() / 86400.0
    values: NDArray[np.float64] = column.to_numpy(np.float64, na_value=np.nan)
    if np.isinf(values).any():
        row = int(np.flatnonzero(np.isinf(values))[0])
        raise ValueError(
            f"{owner}: column {name!r} expects finite numbers or missing values, "
            f"got infinity in row {row}"
        )
    return values


def _dates(column: Series[Any]) -> Series[Any]:
    from pandas import PeriodDtype, to_datetime

    if isinstance(column.dtype, PeriodDtype):
        column = column.dt.to_timestamp()
    elif column.dtype == object:
        column = to_datetime(column, utc=True)
    if column.dt.tz is not None:
        column = column.dt.tz_convert("UTC").dt.tz_localize(None)
    return column
