"""Logistic regression: whole fits, with checks of the data, to the loss scikit-learn's reach."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import importlib
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from bench.case import Case, Work, generator, normal
from bench.cases.tabular import fashion

TITLE = "Logistic regression"
NOTES = """\
The mean loss with its penalty that the fits reach is compared. scikit-learn's fit of Fashion-MNIST
ends after its default of 100 iterations, far from the minimum; Lepton's stops after as many as
bring it below that loss."""
PACKAGES = {"lepton": "lepton.regression", "sklearn": "sklearn.linear_model"}

Data = tuple[np.ndarray, np.ndarray]


def labels(rows: int, features: int, classes: int) -> Callable[[], Data]:
    """Classes whose log-odds are linear in the features."""

    def load() -> Data:
        X = normal(rows, features, dtype="f8")
        scores = X @ (0.3 * normal(features, classes, dtype="f8"))
        return X, (scores + generator(1).gumbel(size=scores.shape)).argmax(1)

    return load


def mean_loss(model: Any, X: np.ndarray, y: np.ndarray) -> float:
    chosen = model.predict_log_proba(X)[np.arange(len(y)), y]
    penalty = np.square(model.coef_, dtype=np.float64).sum() / (2 * model.C * len(y))
    return float(penalty - chosen.mean(dtype=np.float64))


def fit(load: Callable[[], Data], **own: Any) -> dict[str, Callable[[Any], Work]]:
    """The fit on both sides; `own` parameters are Lepton's alone."""

    def side(name: str) -> Callable[[Any], Work]:
        def build(_: Any) -> Work:
            kind = importlib.import_module(PACKAGES[name]).LogisticRegression
            model = kind(**own) if name == "lepton" else kind()
            X, y = load()
            warnings.simplefilter("ignore")  # that iterations were not enough

            def run() -> Any:
                return model.fit(X, y)

            return Work(run, lambda: [mean_loss(run(), X, y)])

        return build

    return {name: side(name) for name in PACKAGES}


def cases(quick: bool) -> Iterator[Case]:
    rows, features = (2000, 5) if quick else (500_000, 50)
    yield Case(
        f"{rows} x {features}, 2 classes",
        fit(labels(rows, features, 2)),
        targets={"sklearn": 2.0},
        tolerance=1e-6,
        threads=(2,),
    )
    yield Case(
        "Fashion-MNIST, 60000 x 784, 10 classes",
        fit(labels(400, 30, 10) if quick else fashion, max_iter=8),
        targets={"sklearn": 4.0},
        tolerance=0.05,
        threads=(2,),
        rounds=1,
    )
