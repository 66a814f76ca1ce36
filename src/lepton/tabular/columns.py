# SPDX-License-Identifier: Apache-2.0
"""Columns of a table: what is learned of each, and how its values become numbers and codes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from pandas import Series

    Weight = NDArray[Any] | None  # of the rows, all above 0

__all__ = ["COLUMNS", "Column"]

MISSING, UNSEEN = 0, 1  # the codes before those of the levels
_DAY = 86_400_000_000  # microseconds, which reach any year; nanoseconds end in 2262


@dataclass(frozen=True)
class Column:
    """What was learned of a column.

    A column of the table gives `widths`: so many numbers, flags and codes to each row, and `write`
    fills them in.
    """

    name: str
    missing: int  # rows of fit without a value
    kind: ClassVar[str]

    @classmethod
    def learn(cls, name: str, values: Any, bins: int, weight: Weight) -> Column:
        """Learn from the values that `read_column` gave; weights of rows move quantiles only."""
        raise NotImplementedError

    @property
    def widths(self) -> tuple[int, int, int]:
        """How many numbers, flags and codes the column gives."""
        raise NotImplementedError

    def write(
        self, values: Any, numbers: NDArray[Any], flags: NDArray[Any], codes: NDArray[Any]
    ) -> None:
        """Fill in the column's part of the encoded rows."""
        raise NotImplementedError

    def accepts(self, kind: str, values: Any) -> bool:
        """Tell whether values of this kind in another table are of the type that was learned."""
        return kind == self.kind

    def describe(self) -> str:
        """Say in a few words what was learned."""
        raise NotImplementedError

    def state(self) -> dict[str, Any]:
        """What a file holds of the column."""
        return {"kind": self.kind, **{f.name: getattr(self, f.name) for f in fields(self)}}

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Column:
        """Take over what `state` gave."""
        return cls(**{f.name: state[f.name] for f in fields(cls)})


@dataclass(frozen=True)
class EmptyColumn(Column):
    """Had no value at all in fit; it is ignored."""

    kind = "empty"

    @classmethod
    def learn(cls, name: str, values: Any, bins: int, weight: Weight) -> EmptyColumn:
        return cls(name, len(values))

    @property
    def widths(self) -> tuple[int, int, int]:
        return 0, 0, 0

    def write(
        self, values: Any, numbers: NDArray[Any], flags: NDArray[Any], codes: NDArray[Any]
    ) -> None:
        pass

    def accepts(self, kind: str, values: Any) -> bool:
        return True

    def describe(self) -> str:
        return "no value: ignored"


@dataclass(frozen=True)
class NumberColumn(Column):
    """Numbers, as their place among quantiles; see `place`."""

    knots: NDArray[np.float64]
    kind = "number"

    @classmethod
    def learn(cls, name: str, values: NDArray[Any], bins: int, weight: Weight) -> NumberColumn:
        return cls(name, int(np.isnan(values).sum()), find_knots(values, bins, weight))

    @property
    def widths(self) -> tuple[int, int, int]:
        return 1, int(self.missing > 0), 0

    def write(
        self, values: Any, numbers: NDArray[Any], flags: NDArray[Any], codes: NDArray[Any]
    ) -> None:
        numbers[:, 0] = place(values, self.knots)
        if self.missing:
            flags[:, 0] = np.isnan(values)

    def describe(self) -> str:
        return f"{self.knots[0]:.6g} to {self.knots[-1]:.6g}"


@dataclass(frozen=True)
class BooleanColumn(Column):
    """True or false as a flag of 1 or -1; 0 where missing, with a flag for that."""

    kind = "boolean"

    @classmethod
    def learn(cls, name: str, values: NDArray[Any], bins: int, weight: Weight) -> BooleanColumn:
        return cls(name, int(np.isnan(values).sum()))

    @property
    def widths(self) -> tuple[int, int, int]:
        return 0, 1 + (self.missing > 0), 0

    def write(
        self, values: Any, numbers: NDArray[Any], flags: NDArray[Any], codes: NDArray[Any]
    ) -> None:
        flags[:, 0] = np.nan_to_num(2.0 * values - 1.0, nan=0.0)
        if self.missing:
            flags[:, 1] = np.isnan(values)

    def describe(self) -> str:
        return "true or false"


@dataclass(frozen=True)
class CategoryColumn(Column):
    """Levels by code: 0 is missing, 1 a level that fit has not seen twice, then one for each."""

    levels: list[Any]
    counts: list[int]  # rows of each
    rare: int  # levels of a single row
    kind = "category"

    @classmethod
    def learn(cls, name: str, values: Series[Any], bins: int, weight: Weight) -> CategoryColumn:
        codes, found = _factorize(values)
        counts = np.bincount(codes[codes >= 0], minlength=len(found))
        kept = {level: int(n) for level, n in zip(found, counts, strict=True) if n > 1}
        levels = list(kept)
        if len({isinstance(level, str) for level in levels}) == 1:
            levels.sort()
        missing, rare = int((codes < 0).sum()), int((counts == 1).sum())
        return cls(name, missing, levels, [kept[level] for level in levels], rare)

    @property
    def widths(self) -> tuple[int, int, int]:
        return 0, 0, 1

    def write(
        self, values: Any, numbers: NDArray[Any], flags: NDArray[Any], codes: NDArray[Any]
    ) -> None:
        place = {level: code for code, level in enumerate(self.levels, UNSEEN + 1)}
        found, levels = _factorize(values)
        # The last entry is what code -1 of a missing value finds.
        lookup = np.array([*(place.get(level, UNSEEN) for level in levels), MISSING], codes.dtype)
        codes[:, 0] = lookup[found]

    def accepts(self, kind: str, values: Any) -> bool:
        if kind == "date" or not self.levels:
            return kind != "date"
        given = _levels_of(values) if kind == "category" else [0]
        return not given or _has_text(self.levels) == _has_text(given)

    def describe(self) -> str:
        shown = ", ".join(str(level)[:20] for level in self.levels[:3])
        more = ", ..." if len(self.levels) > 3 else ""
        count = len(self.levels)
        known = f"{count:,} level{'s' * (count > 1)} ({shown}{more})" if count else ""
        rare = f"{self.rare:,} {'' if count else 'levels '}of one row each" if self.rare else ""
        return ", and ".join(filter(None, [known, rare]))


@dataclass(frozen=True)
class DateColumn(Column):
    """Dates as year, month, day, weekday, days since the epoch, and the hour if there are times.

    Parts with one value only are left out.
    """

    parts: dict[str, NDArray[np.float64]]  # the knots of each
    first: str
    last: str
    kind = "date"

    @classmethod
    def learn(cls, name: str, values: Series[Any], bins: int, weight: Weight) -> DateColumn:
        knots = {part: find_knots(data, bins, weight) for part, data in date_parts(values).items()}
        varied = {part: k for part, k in knots.items() if len(k) > 1}
        first, last = str(values.min())[:10], str(values.max())[:10]
        return cls(name, int(values.isna().sum()), varied, first, last)

    @property
    def widths(self) -> tuple[int, int, int]:
        return len(self.parts), int(self.missing > 0), 0

    def write(
        self, values: Any, numbers: NDArray[Any], flags: NDArray[Any], codes: NDArray[Any]
    ) -> None:
        parts = date_parts(values)
        for column, (part, knots) in enumerate(self.parts.items()):
            numbers[:, column] = place(parts[part], knots)
        if self.missing:
            flags[:, 0] = values.isna()

    def describe(self) -> str:
        return f"{self.first} to {self.last}: {', '.join(self.parts) or 'one date'}"


COLUMNS: dict[str, type[Column]] = {
    kind.kind: kind
    for kind in (EmptyColumn, NumberColumn, BooleanColumn, CategoryColumn, DateColumn)
}


def find_knots(
    values: NDArray[Any], bins: int, weight: NDArray[Any] | None = None
) -> NDArray[np.float64]:
    """Values that cut a column into at most `bins` parts of about equal size, each once.

    The size of a part is the number of its rows, or their weight, which is above 0.
    A value that is more frequent than a part counts as one part, so that the others are cut finely
    enough where most values are equal. Few distinct values are all knots.
    """
    present = ~np.isnan(values)
    if weight is None:
        distinct, counts = np.unique(values[present], return_counts=True)
        sizes = counts.astype(np.float64)
    else:
        distinct, inverse = np.unique(values[present], return_inverse=True)
        sizes = np.bincount(inverse, weight[present]).astype(np.float64, copy=False)
    if len(distinct) <= bins + 1:
        return distinct
    while (most := sizes.sum() / bins) < 0.999 * sizes.max():
        np.minimum(sizes, most, out=sizes)
    ends = np.cumsum(sizes)
    chosen = np.searchsorted(ends, np.linspace(0.0, ends[-1], bins + 1)[:-1], side="right")
    return np.unique(distinct[np.append(chosen, len(distinct) - 1)])


def place(values: NDArray[Any], knots: NDArray[np.float64]) -> NDArray[np.float64]:
    """Where numbers lie among knots: i + f between knots i and i + 1, within [0, len(knots) - 1].

    A missing value lies in the middle.
    """
    steps = np.arange(len(knots), dtype=np.float64)
    found: NDArray[np.float64] = np.interp(values, knots, steps)
    return np.nan_to_num(found, copy=False, nan=(len(knots) - 1) / 2)


def date_parts(dates: Series[Any]) -> dict[str, NDArray[np.float64]]:
    """Numbers that a date consists of, NaN where it is missing."""
    absent = dates.isna().to_numpy()
    stamps = dates.to_numpy("datetime64[us]").view(np.int64)
    days = stamps // _DAY
    parts = {
        "year": dates.dt.year,
        "month": dates.dt.month,
        "day": dates.dt.day,
        "weekday": (days + 3) % 7,  # Monday is 0; 1 January 1970 was a Thursday
        "days": days,
        "hour": (stamps - days * _DAY) / (_DAY / 24),
    }
    return {name: np.where(absent, np.nan, np.asarray(part, float)) for name, part in parts.items()}


def _levels_of(values: Any) -> list[Any]:
    """The levels of pandas' categories, or one of those of text."""
    found = values.cat.categories if hasattr(values, "cat") else values.dropna().head(1)
    return [_plain(level) for level in found.tolist()]


def _has_text(levels: list[Any]) -> bool:
    return any(isinstance(level, str) for level in levels)


def _factorize(values: Any) -> tuple[NDArray[Any], list[Any]]:
    """Return the code of each value, -1 where it is missing, and the level of each code."""
    from pandas import CategoricalDtype, factorize

    if isinstance(getattr(values, "dtype", None), CategoricalDtype):
        codes, levels = values.cat.codes.to_numpy(), values.cat.categories
    else:
        codes, levels = factorize(values)
    return codes, [_plain(level) for level in levels.tolist()]


def _plain(level: Any) -> Any:
    """A level as JSON holds it: text, a number or a boolean; anything else by its text."""
    return level if isinstance(level, (str, int, float)) else str(level)
