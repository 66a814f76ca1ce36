# SPDX-License-Identifier: Apache-2.0
"""Permutation importance of the columns of a table, in bounded time."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, TextIO

import numpy as np

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["importance"]

_REPEATS = 5
_MOST_ROWS, _LEAST_ROWS = 10_000, 100
_MOST_PRODUCTS = 2e12  # of all predictions together, which takes some ten seconds
_SECONDS = 60.0  # no repeat begins and no column is added after that


def importance(
    model: Any, X: DataFrame, y: Any, weight: Any, say: TextIO, seconds: float = _SECONDS
) -> list[dict[str, Any]]:
    """Return how much worse the model gets when the values of a column are shuffled.

    In R2 or in log loss, five times each, on at most 10,000 rows, fewer where the network is large;
    the most important first. Where time is over, columns have fewer shuffles, and the last ones of
    a very wide table none: they are left out, and `say` is told.
    """
    columns, end = model.schema_.columns, time.monotonic() + seconds
    products = sum(tensor.size for tensor in model.module_.parameters())
    most = _MOST_PRODUCTS / (products * _REPEATS * len(columns))
    random = np.random.default_rng(0)
    chosen = random.permutation(len(X))[: int(np.clip(most, _LEAST_ROWS, _MOST_ROWS))]
    inputs = model._predict_inputs(X.iloc[chosen])
    y, weight = y[chosen], None if weight is None else weight[chosen]
    whole = _score(model, inputs, y, weight)
    losses: list[list[float]] = [[] for _ in columns]
    next_word = time.monotonic() + 5
    for repeat in range(_REPEATS):
        for done, (found, parts) in enumerate(
            zip(losses, model.schema_.parts(inputs), strict=True)
        ):
            now = time.monotonic()
            if now > end:
                break
            if now > next_word:
                share = (repeat + done / len(columns)) / _REPEATS
                print(f"importance of the columns: {share:.0%}", file=say, flush=True)
                next_word = now + 5
            order = random.permutation(len(chosen))
            kept = [part.copy() for part in parts]
            for part, values in zip(parts, kept, strict=True):
                part[:] = values[order]
            found.append(whole - _score(model, inputs, y, weight))
            for part, values in zip(parts, kept, strict=True):
                part[:] = values
    left = sum(not found for found in losses)
    if left:
        print(f"importance: no time for {left:,} of {len(columns):,} columns", file=say)
    result = [
        {"column": column.name, "mean": float(np.mean(found)), "std": float(np.std(found))}
        for column, found in zip(columns, losses, strict=True)
        if found
    ]
    return sorted(result, key=lambda entry: -entry["mean"])


def _score(model: Any, inputs: Any, y: Any, weight: Any) -> float:
    """R2, or the negative log loss, of the predictions for encoded rows."""
    from sklearn.metrics import log_loss, r2_score

    if hasattr(model, "classes_"):
        chances = np.exp(model._log_chances(inputs))
        return -float(log_loss(y, chances, labels=model.classes_, sample_weight=weight))
    predicted = model._mean(model._outputs(inputs))
    return float(r2_score(y, predicted, sample_weight=weight))
