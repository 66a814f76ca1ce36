# SPDX-License-Identifier: Apache-2.0
"""The schema of a table: learned once, kept with the model, checked against other tables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from lepton._check import check_int
from lepton.tabular.columns import COLUMNS, CategoryColumn, Column, DateColumn, NumberColumn
from lepton.tabular.kinds import EMPTY, read_column

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from pandas import DataFrame

__all__ = ["EncodedTable", "Schema"]


class EncodedTable(NamedTuple):
    """The rows of a table as a network reads them."""

    numbers: NDArray[np.float32]  # [rows, numbers]: places among quantiles
    flags: NDArray[np.float32]  # [rows, flags]: booleans as -1 and 1, and where values are missing
    codes: NDArray[np.int64]  # [rows, categories]: 0 is missing, 1 unseen, then the levels


class Schema:
    """What each column of a table holds, and how its rows are encoded.

    ========  =====================================================================================
    kind      encoded as
    ========  =====================================================================================
    number    its place among up to `bins` quantiles: a piecewise linear map that makes the numbers
              of fit uniform; further out is the end of the map. A missing value is the middle, and
              has a flag if fit has seen one. Durations count in days.
    boolean   a flag of -1 or 1; 0 where it is missing, which has a flag of its own if seen
    category  a code: 0 for missing, 1 for a level that is unseen (or was in one row only, so that
              such rows teach what an unseen level means), then the levels in order
    date      numbers for year, month, day, weekday, days since 1970, and hour, as far as they
              vary; text of ISO 8601 such as 2024-02-29 is a date
    empty     nothing: a column without any value in fit is ignored
    ========  =====================================================================================

    Parameters
    ----------
    columns : list of Column
        What was learned; `learn` makes them.

    Examples
    --------
    >>> import pandas
    >>> from lepton.tabular import Schema
    >>> frame = pandas.DataFrame({"rooms": [2, 3, None, 5], "town": ["Ulm", "Bonn", "Ulm", "Bonn"]})
    >>> schema = Schema.learn(frame)
    >>> schema.kinds
    {'rooms': 'number', 'town': 'category'}
    >>> print(schema)
    column  kind      missing  values
    rooms   number    1        2 to 5
    town    category           2 levels (Bonn, Ulm)
    >>> table = schema.encode(pandas.DataFrame({"rooms": [4.0], "town": ["Rom"]}))
    >>> table.numbers.tolist(), table.flags.tolist(), table.codes.tolist()
    ([[1.5]], [[0.0]], [[1]])
    """

    def __init__(self, columns: list[Column]) -> None:
        self.columns = columns

    @classmethod
    def learn(
        cls,
        frame: DataFrame,
        bins: int = 48,
        *,
        sample_weight: NDArray[Any] | None = None,
        owner: str = "Schema.learn",
    ) -> Schema:
        """Learn the schema of a table.

        Parameters
        ----------
        frame : DataFrame
            Any number of columns with different names.
        bins : int
            Parts that the quantiles of a number cut it into, at most.
        sample_weight : ndarray of shape (rows,), optional
            Weights >= 0: rows of weight 0 are left out, and quantiles are those of the weighted
            rows. Levels and missing values are counted by rows.
        owner : str
            What errors call the caller.

        Raises
        ------
        TypeError
            If a column mixes types, or holds values of another kind.
        ValueError
            If two columns have the same name, or a number is infinite.
        """
        bins = check_int(owner, "bins", bins, 1)
        check_unique(owner, frame)
        if sample_weight is not None and not sample_weight.all():
            frame, sample_weight = frame[sample_weight > 0], sample_weight[sample_weight > 0]
        columns = []
        for name, column in frame.items():
            kind, values = read_column(owner, str(name), column)
            columns.append(COLUMNS[kind].learn(str(name), values, bins, sample_weight))
        return cls(columns)

    def encode(self, frame: DataFrame, *, owner: str = "Schema.encode") -> EncodedTable:
        """Encode the rows of a table with these columns, in any order.

        Raises
        ------
        TypeError
            If the values of a column are of another type than those of `learn`.
        ValueError
            If columns are missing or there are others, or a number is infinite.
        """
        by_name = {str(name): column for name, column in frame.items()}
        self._check_names(owner, list(by_name))
        rows = len(frame)
        total = np.sum([column.widths for column in self.columns], axis=0, dtype=int).tolist()
        numbers, flags = (np.empty((rows, width), np.float32) for width in total[:2])
        table = EncodedTable(numbers, flags, np.empty((rows, total[2]), np.int64))
        for column, parts in zip(self.columns, self.parts(table), strict=True):
            kind, values = read_column(owner, column.name, by_name[column.name], column.kind)
            if kind == EMPTY:
                kind, values = column.kind, self._nothing(column, rows)
            elif not column.accepts(kind, values):
                first = by_name[column.name].dropna().iloc[0]
                was, got = column.kind, kind
                if was == got:  # a level that is text is none that is a number
                    words = ["category of text", "category of numbers"]
                    got, was = words if isinstance(first, str) else words[::-1]
                raise TypeError(
                    f"{owner}: column {column.name!r} was a {was} in fit, "
                    f"got a {got} (such as {str(first)[:40]!r})"
                )
            column.write(values, *parts)
        return table

    def parts(self, table: Sequence[NDArray[Any]]) -> Iterator[list[NDArray[Any]]]:
        """For each column its numbers, flags and codes in an encoded table, as views."""
        ends = np.cumsum([column.widths for column in self.columns], axis=0)
        for column, end in zip(self.columns, ends, strict=True):
            yield [
                array[:, stop - width : stop]
                for array, stop, width in zip(table, end, column.widths, strict=True)
            ]

    def _check_names(self, owner: str, names: list[str]) -> None:
        known = [column.name for column in self.columns]
        missing, extra = sorted(set(known) - set(names)), sorted(set(names) - set(known))
        if missing or extra:
            parts = [f"lacks {', '.join(map(repr, missing))}"] * bool(missing)
            parts += [f"has also {', '.join(map(repr, extra))}"] * bool(extra)
            raise ValueError(
                f"{owner}: expects the columns of fit, got a table that " + " and ".join(parts)
            )

    @staticmethod
    def _nothing(column: Column, rows: int) -> Any:
        """A column of missing values, as `read_column` would give it."""
        from pandas import Series

        if column.kind == "date":
            return Series(np.full(rows, "NaT", "datetime64[ns]"))
        if column.kind == "category":
            return Series(np.full(rows, None, object))
        return np.full(rows, np.nan)

    @property
    def kinds(self) -> dict[str, str]:
        """The kind of each column by name."""
        return {column.name: column.kind for column in self.columns}

    @property
    def bins(self) -> int:
        """The most parts that quantiles cut a number into; 0 without numbers that vary."""
        knots = [c.knots for c in self.columns if isinstance(c, NumberColumn)]
        parts = [c.parts.values() for c in self.columns if isinstance(c, DateColumn)]
        return max(map(len, [*knots, *chain(*parts)]), default=1) - 1

    @property
    def levels(self) -> list[int]:
        """The number of levels of each category."""
        return [len(c.levels) for c in self.columns if isinstance(c, CategoryColumn)]

    def describe(self) -> list[list[str]]:
        """Return name, kind, missing rows and what was learned of each column, as text."""
        return [
            [
                column.name,
                column.kind,
                f"{column.missing:,}" if column.missing else "",
                column.describe(),
            ]
            for column in self.columns
        ]

    def state(self) -> dict[str, Any]:
        """Return what a file holds of the schema: JSON and arrays."""
        return {"columns": [column.state() for column in self.columns]}

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Schema:
        """Take over what `state` gave."""
        return cls([COLUMNS[column["kind"]].from_state(column) for column in state["columns"]])

    def __repr__(self) -> str:
        return f"Schema({', '.join(f'{name}: {kind}' for name, kind in self.kinds.items())})"

    def __str__(self) -> str:
        lines = [["column", "kind", "missing", "values"], *self.describe()]
        widths = [max(map(len, texts)) for texts in zip(*lines, strict=True)]
        return "\n".join(
            "  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip()
            for line in lines
        )


def check_unique(owner: str, frame: DataFrame) -> None:
    """Refuse a table in which two columns have the same name."""
    if not frame.columns.is_unique:
        twice = frame.columns[frame.columns.duplicated()][0]
        raise ValueError(f"{owner}: expects columns with different names, got {twice!r} twice")
