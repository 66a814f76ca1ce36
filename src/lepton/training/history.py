# SPDX-License-Identifier: Apache-2.0
"""What training measured, one row for each epoch."""

from __future__ import annotations

import csv
import io
import math
import os
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

import lepton
from lepton.metrics.direction import better_is
from lepton.saving import atomic_write

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["History"]

Row = dict[str, float]


class History:
    """A table with one row per epoch: loss, metrics, validation, learning rate, seconds.

    Parameters
    ----------
    rows : iterable of mappings, optional
        The first rows; each maps a column to a number.

    Examples
    --------
    >>> from lepton.training import History
    >>> history = History([{"epoch": 1, "loss": 0.9}, {"epoch": 2, "loss": 0.5}])
    >>> history["loss"], history.last["loss"], history.best("loss")["epoch"]
    ([0.9, 0.5], 0.5, 2)
    >>> print(history.csv(), end="")
    epoch,loss
    1,0.9
    2,0.5
    """

    def __init__(self, rows: Iterable[Mapping[str, float]] = ()) -> None:
        self.rows: list[Row] = [dict(row) for row in rows]

    def append(self, row: Mapping[str, float]) -> None:
        """Add the row of one more epoch."""
        self.rows.append(dict(row))

    @property
    def names(self) -> list[str]:
        """The columns, in the order in which they first appeared."""
        return list(dict.fromkeys(name for row in self.rows for name in row))

    @property
    def last(self) -> Row:
        """The newest row."""
        if not self.rows:
            raise IndexError("History.last: no epoch is finished yet")
        return dict(self.rows[-1])

    def best(self, name: str, mode: str = "auto") -> Row:
        """Return the row in which column `name` is best.

        Parameters
        ----------
        name : str
            A column.
        mode : {"auto", "min", "max"}
            Which is better; "auto" takes the smallest of a loss or an error, else the largest.

        Raises
        ------
        IndexError
            If no epoch has a number in that column.
        """
        sign = -1.0 if better_is(name, mode) == "min" else 1.0
        rows = [row for row in self.rows if not math.isnan(row.get(name, math.nan))]
        if not rows:
            raise IndexError(f"History.best: no epoch has a {name!r} (columns: {self.names})")
        return dict(max(rows, key=lambda row: sign * row[name]))

    def csv(self, path: str | os.PathLike[str] | None = None) -> str:
        """Return the table as CSV text whose numbers read back exactly; also write it to `path`."""
        names = self.names
        file = io.StringIO()
        if names:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(names)
            writer.writerows([_cell(row.get(name)) for name in names] for row in self.rows)
        text = file.getvalue()
        if path is not None:
            with atomic_write(path) as temporary:
                temporary.write_text(text, encoding="utf-8", newline="")
        return text

    def plot(self, path: str | os.PathLike[str] | None = None) -> Figure:
        """Draw loss and metrics over the epochs; see `lepton.plot.history`."""
        figure: Figure = lepton.plot.history(self, path=path)
        return figure

    def __getitem__(self, name: str) -> list[float]:
        if name not in self.names:
            raise KeyError(f"History has no column {name!r} (columns: {', '.join(self.names)})")
        return [row.get(name, math.nan) for row in self.rows]

    def __contains__(self, name: object) -> bool:
        return name in self.names

    def __len__(self) -> int:
        return len(self.rows)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, History) and self.rows == other.rows

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        names = self.names
        cells = [names] + [[_short(row.get(name)) for name in names] for row in self.rows]
        widths = [max(len(line[i]) for line in cells) for i in range(len(names))]
        table = ("  ".join(c.rjust(w) for c, w in zip(line, widths, strict=True)) for line in cells)
        return "\n".join(table) if names else "History()"


def _cell(value: float | None) -> str:
    return "" if value is None else repr(value)


def _short(value: float | None) -> str:
    if value is None:
        return ""
    return str(value) if isinstance(value, int) else f"{value:.4g}"
