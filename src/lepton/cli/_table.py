# SPDX-License-Identifier: Apache-2.0
"""What the commands on tables share: reading files, the target column, parts to train and test."""

from __future__ import annotations

import gzip
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lepton.data import stratified_split

if TYPE_CHECKING:
    from pandas import DataFrame, Series

    from lepton.tabular import Schema

__all__ = ["Problem", "pick_columns", "read_table", "split_rows"]

_DATE = r"\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d.*)?"  # ISO 8601, the form that is read without guessing
_FEW_CLASSES = 10


def read_table(path: str, schema: Schema | None = None) -> DataFrame:
    """Read a CSV or Parquet file; text in which all values are ISO dates becomes dates.

    Parameters
    ----------
    path : str
        Comma, semicolon, tab or bar separate the values of a CSV file, which may be compressed.
    schema : Schema, optional
        Of the table that a model was trained on: its columns are read as they were then.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it holds no rows, or is damaged.
    """
    pandas = _pandas()
    if not os.path.isfile(path):
        what = "is a folder, no table" if os.path.isdir(path) else "no such file"
        raise FileNotFoundError(f"{path}: {what}")
    try:
        if ".parquet" in Path(path).name or path.endswith(".pq"):
            frame = pandas.read_parquet(path)
        else:
            texts = dict.fromkeys(_text_columns(schema), str)
            frame = pandas.read_csv(path, sep=_separator(path), dtype=texts, low_memory=False)
    except pandas.errors.EmptyDataError:
        raise ValueError(f"{path}: the file is empty") from None
    except ValueError as error:  # also what pandas and pyarrow raise for damaged files
        raise ValueError(f"{path}: {error}") from error
    if not len(frame):
        raise ValueError(f"{path}: the table has no rows")
    frame.columns = frame.columns.map(str)
    return frame.assign(**dict(_find_dates(path, frame, schema)))


def _pandas() -> Any:
    try:
        import pandas
    except ImportError as error:
        raise ImportError("tables need pandas: pip install 'lepton-dl[tabular]'") from error
    return pandas


def _separator(path: str) -> str:
    """The separator that is most frequent in the first line."""
    opened = gzip.open if path.endswith(".gz") else open
    with opened(path, "rb") as file:
        line = file.readline(1 << 16)
    counts = {mark: line.count(mark.encode()) for mark in ",;\t|"}
    best = max(counts, key=lambda mark: counts[mark])
    return best if path.endswith((".csv", ".tsv", ".txt", ".gz")) and counts[best] else ","


def _text_columns(schema: Schema | None) -> list[str]:
    """Columns that are read as text even where they look like numbers."""
    levels = {} if schema is None else {c.name: getattr(c, "levels", ()) for c in schema.columns}
    return [name for name, found in levels.items() if any(isinstance(v, str) for v in found)]


def _find_dates(
    path: str, frame: DataFrame, schema: Schema | None
) -> list[tuple[str, Series[Any]]]:
    pandas = _pandas()
    kinds = {} if schema is None else schema.kinds
    found = []
    for name, column in frame.items():
        if pandas.api.types.infer_dtype(column, skipna=True) != "string":
            continue
        wanted = kinds.get(name, "date") == "date"
        if not wanted or not column.dropna().head(100).str.fullmatch(_DATE).all():
            continue
        try:
            found.append((name, pandas.to_datetime(column, format="ISO8601", utc=True)))
        except ValueError as error:
            if name in kinds:
                raise ValueError(f"{path}: column {name!r} expects dates: {error}") from error
    return found


def pick_columns(path: str, frame: DataFrame, names: Sequence[str]) -> DataFrame:
    """Return the named columns of a table in that order; others are left out."""
    missing = [name for name in names if name not in frame]
    if missing:
        raise ValueError(f"{path}: lacks the column(s) {', '.join(map(repr, missing))}")
    return frame[list(names)]


@dataclass
class Problem:
    """A target column and the features to tell it from."""

    task: str  # "classification" or "regression"
    features: DataFrame
    target: NDArray[Any]
    name: str
    weight: NDArray[np.float64] | None = None  # of each row

    @classmethod
    def of(
        cls,
        path: str,
        frame: DataFrame,
        target: str,
        task: str,
        drop: Sequence[str] = (),
        weight: str | None = None,
    ) -> Problem:
        """Take a table apart.

        Parameters
        ----------
        path : str
            What errors call the table.
        frame : DataFrame
            The table.
        target : str
            The column to predict.
        task : {"auto", "classification", "regression"}
            "auto" takes text, booleans and whole numbers of at most 10 values as classes.
        drop : sequence of str
            Columns to leave out.
        weight : str, optional
            The column of the weights of rows, which is left out, too.

        Raises
        ------
        ValueError
            If a column is not there, the target is none of the task, or weights are not numbers
            >= 0.
        """
        named = [("target", target), *(("drop", name) for name in drop)]
        named += [("weight", weight)] if weight is not None else []
        for option, name in named:
            if name not in frame:
                known = ", ".join(frame.columns[:20]) + (", ..." if frame.shape[1] > 20 else "")
                raise ValueError(f"{path}: --{option} expects one of {known}, got {name!r}")
        if weight == target:
            raise ValueError(f"{path}: --weight expects another column than the target {target!r}")
        features = frame.drop(columns=[name for _, name in named])
        if not features.shape[1]:
            raise ValueError(f"{path}: expects columns besides the target {target!r}, got none")
        task, values = _read_target(f"{path}: column {target!r} (--target)", frame[target], task)
        weights = None
        if weight is not None:
            weights = _read_weight(f"{path}: column {weight!r} (--weight)", frame[weight])
        return cls(task, features, values, target, weights)

    def check_varied(self, path: str) -> None:
        """Refuse a target of which there is nothing to learn."""
        found = np.unique(self.target)
        if len(found) < 2:
            what = "2 classes" if self.task == "classification" else "2 different numbers"
            raise ValueError(
                f"{path}: column {self.name!r} (--target) expects at least {what}, "
                f"got only {found.tolist()[0]!r}"
            )


def _read_target(owner: str, column: Series[Any], task: str) -> tuple[str, NDArray[Any]]:
    from lepton.tabular.kinds import read_column

    absent = column.isna().to_numpy()
    if absent.any():
        raise ValueError(
            f"{owner} has no value in {absent.sum():,} of {len(column):,} rows, the first in row "
            f"{int(absent.argmax())}: fill them in or leave these rows out"
        )
    kind, values = read_column(owner, str(column.name), column)
    whole = kind == "number" and (values == np.round(values)).all()
    if task == "auto":
        few = whole and len(np.unique(values)) <= _FEW_CLASSES
        task = "classification" if few or kind in ("category", "boolean") else "regression"
    if task == "regression":
        if kind != "number":
            raise ValueError(f"{owner} expects numbers, got a {kind}")
        return task, values
    if kind == "date" or (kind == "number" and not whole):
        got = "dates" if kind == "date" else "numbers that are not whole"
        raise ValueError(f"{owner} expects classes, got {got}")
    labels = {"number": np.int64, "boolean": np.bool_}.get(kind)
    return task, values.astype(labels) if labels else column.to_numpy(object).astype(str)


def _read_weight(owner: str, column: Series[Any]) -> NDArray[np.float64]:
    from lepton.tabular.kinds import read_column

    kind, values = read_column(owner, str(column.name), column)
    if kind != "number":
        raise ValueError(f"{owner} expects numbers >= 0, got a {kind}")
    bad = ~(values >= 0)
    if bad.any():
        row = int(bad.argmax())
        got = "no value" if np.isnan(values[row]) else f"{values[row]:g}"
        raise ValueError(f"{owner} expects numbers >= 0, got {got} in row {row}")
    weights: NDArray[np.float64] = values
    return weights


def split_rows(
    path: str, problem: Problem, share: float, seed: int, time: str | None
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the numbers of the rows to train and to test on.

    The test rows are the last `share` by the column `time`; without it a random share, of each
    class alike.

    Raises
    ------
    ValueError
        If the column cannot order the rows, a part would be empty, or classes are in the test rows
        alone.
    """
    rows = len(problem.target)
    count = round(rows * share)
    if not 0 < count < rows:
        raise ValueError(
            f"{path}: --test-size {share:g} of {rows:,} rows expects at least one row in each "
            f"part, got {rows - count:,} to train and {count:,} to test on"
        )
    if time is not None:
        order = _order_by(path, problem.features, time)
    elif problem.task == "classification":
        codes = np.unique(problem.target, return_inverse=True)[1]
        return stratified_split(codes, share, seed)
    else:
        order = np.random.default_rng(seed).permutation(rows)
    train, test = np.sort(order[: rows - count]), np.sort(order[rows - count :])
    if problem.task == "classification":
        new = sorted(set(problem.target[test].tolist()) - set(problem.target[train].tolist()))
        if new:
            raise ValueError(f"{path}: by --time {time} only test rows have the class {new[0]!r}")
    return train, test


def _order_by(path: str, features: DataFrame, name: str) -> NDArray[np.int64]:
    """The rows in the order of a column of numbers or dates."""
    from lepton.tabular.kinds import read_column

    if name not in features:
        known = ", ".join(features.columns[:20])
        raise ValueError(f"{path}: --time expects one of {known}, got {name!r}")
    kind, values = read_column(path, name, features[name])
    ordered = kind in ("number", "date")
    if not ordered or features[name].isna().any():
        got = "missing values" if ordered else f"a {kind}"
        raise ValueError(f"{path}: --time {name} expects numbers or dates, got {got}")
    return np.argsort(np.asarray(values), kind="stable")
