# SPDX-License-Identifier: Apache-2.0
"""A table as a problem to learn: the target column, weights, parts to train and to test."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lepton.cli._notes import describe_text
from lepton.cli._table import TableFile, shorten
from lepton.data import stratified_split

if TYPE_CHECKING:
    from pandas import DataFrame, Series

__all__ = ["Problem", "split_rows"]

_FEW_CLASSES = 10
_LARGEST = 1e150  # squares of larger numbers overflow


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
        file: TableFile,
        frame: DataFrame,
        target: str,
        task: str,
        drop: Sequence[str] = (),
        weight: str | None = None,
        drop_missing: bool = False,
    ) -> Problem:
        """Take a table apart.

        Parameters
        ----------
        file : TableFile
            Names the table and its rows in errors.
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
        drop_missing : bool
            Leave out the rows without a target.

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
                known = shorten(frame.columns)
                raise ValueError(f"{file}: --{option} expects one of {known}, got {name!r}")
        for option, name in named[1:]:
            if name == target:
                raise ValueError(
                    f"{file}: --{option} expects another column than the target {target!r}"
                )
        if drop_missing:
            frame = frame[frame[target].notna()]
            if not len(frame):
                raise ValueError(f"{file}: column {target!r} (--target) has no value in any row")
        features = frame.drop(columns=[name for _, name in named])
        if not features.shape[1]:
            raise ValueError(f"{file}: expects columns besides the target {target!r}, got none")
        task, values = _read_target(file, frame[target], task)
        weights = None if weight is None else _read_weight(file, frame[weight])
        return cls(task, features, values, target, weights)

    def check_varied(self, file: TableFile) -> None:
        """Refuse a target of which there is nothing to learn."""
        found = np.unique(self.target)
        if len(found) < 2:
            what = "2 classes" if self.task == "classification" else "2 different numbers"
            raise ValueError(
                f"{file}: column {self.name!r} (--target) expects at least {what}, "
                f"got only {found.tolist()[0]!r}"
            )


def _read_target(file: TableFile, column: Series[Any], task: str) -> tuple[str, NDArray[Any]]:
    from lepton.tabular.kinds import read_column

    owner = f"{file}: column {column.name!r} (--target)"
    absent = column.isna().to_numpy()
    if absent.any():
        raise ValueError(
            f"{owner} has no value in {absent.sum():,} of {len(column):,} rows, the first in "
            f"{_place(file, column, absent)}: fill them in, or leave these rows out with "
            f"--drop-missing-target"
        )
    kind, values = read_column(str(file), str(column.name), column)
    whole = kind == "number" and (values == np.round(values)).all()
    if task == "auto":
        few = whole and len(np.unique(values)) <= _FEW_CLASSES
        task = "classification" if few or kind in ("category", "boolean") else "regression"
        if kind == "category":
            _refuse_unique(owner, column)
    if task == "regression":
        if kind != "number":
            got = describe_text(column) if kind == "category" else f"a {kind}"
            raise ValueError(f"{owner} expects numbers, got {got}")
        large = np.abs(values) > _LARGEST
        if large.any():
            raise ValueError(
                f"{owner} expects numbers up to {_LARGEST:g} in size, "
                f"got {values[large][0]:g} in {_place(file, column, large)}"
            )
        return task, values
    if kind == "date" or (kind == "number" and not whole):
        got = "dates" if kind == "date" else "numbers that are not whole"
        raise ValueError(f"{owner} expects classes, got {got}")
    labels = {"number": np.int64, "boolean": np.bool_}.get(kind)
    return task, values.astype(labels) if labels else column.to_numpy(object).astype(str)


def _refuse_unique(owner: str, column: Series[Any]) -> None:
    """Refuse text of which most values occur once: no classes, but numbers not read as such."""
    counts = column.value_counts()
    if len(counts) > _FEW_CLASSES and (counts == 1).sum() > len(column) / 2:
        raise ValueError(f"{owner} expects numbers or classes, got {describe_text(column)}")


def _place(file: TableFile, column: Series[Any], bad: NDArray[np.bool_]) -> str:
    """Where the first bad row of a column is in the file."""
    return file.place(int(column.index[int(bad.argmax())]))


def _read_weight(file: TableFile, column: Series[Any]) -> NDArray[np.float64]:
    from lepton.tabular.kinds import read_column

    owner = f"{file}: column {column.name!r} (--weight)"
    kind, values = read_column(str(file), str(column.name), column)
    if kind != "number":
        raise ValueError(f"{owner} expects numbers >= 0, got a {kind}")
    bad = ~(values >= 0)
    if bad.any():
        first = values[int(bad.argmax())]
        got = "no value" if np.isnan(first) else f"{first:g}"
        raise ValueError(f"{owner} expects numbers >= 0, got {got} in {_place(file, column, bad)}")
    weights: NDArray[np.float64] = values
    return weights


def split_rows(
    file: TableFile, problem: Problem, share: float, seed: int, time: str | None
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the numbers of the rows to train and to test on.

    The test rows are the last `share` by the column `time`; without it a random share, of each
    class alike.

    Raises
    ------
    ValueError
        If the column cannot order the rows, a part would be too small, or classes are in the test
        rows alone.
    """
    rows = len(problem.target)
    count = round(rows * share)
    classes = problem.task == "classification"
    if classes and time is None:
        codes = np.unique(problem.target, return_inverse=True)[1]
        train, test = stratified_split(codes, share, seed)
    else:
        order = np.random.default_rng(seed).permutation(rows)
        if time is not None:
            order = _order_by(file, problem.features, time)
        train, test = np.sort(order[: rows - count]), np.sort(order[rows - count :])
    least = 1 if classes else 2  # R2 of one row is not defined
    if min(len(train), len(test)) < least:
        raise ValueError(
            f"{file}: --test-size {share:g} of {rows:,} rows expects at least {least} "
            f"row{'s' * (least > 1)} in each part, got {len(train):,} to train and {len(test):,} "
            f"to test on"
        )
    if classes:
        new = sorted(set(problem.target[test].tolist()) - set(problem.target[train].tolist()))
        if new:
            raise ValueError(f"{file}: by --time {time} only test rows have the class {new[0]!r}")
    return train, test


def _order_by(file: TableFile, features: DataFrame, name: str) -> NDArray[np.int64]:
    """The rows in the order of a column of numbers or dates."""
    from lepton.tabular.kinds import read_column

    if name not in features:
        known = shorten(features.columns)
        raise ValueError(f"{file}: --time expects one of {known}, got {name!r}")
    kind, values = read_column(str(file), name, features[name])
    ordered = kind in ("number", "date")
    if not ordered or features[name].isna().any():
        got = "missing values" if ordered else f"a {kind}"
        raise ValueError(f"{file}: --time {name} expects numbers or dates, got {got}")
    return np.argsort(np.asarray(values), kind="stable")
