"""Estimators of regression: whole fits, with the checks of the data, beside scikit-learn's."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import importlib
import warnings
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from bench.case import Case, Ceiling, Work, flops, generator, normal
from bench.cases.tabular import fashion

TITLE = "Regression"
NOTES = """\
Of logistic regression the mean loss with its penalty is compared. scikit-learn's fit of
Fashion-MNIST ends after its default of 100 iterations, far from the minimum; Lepton's ends after as
many as bring it below that loss. Coordinate descent stops at a duality gap of 1e-8 of the target's
square on both sides."""
PACKAGES = {"lepton": "lepton.regression", "sklearn": "sklearn.linear_model"}
# scikit-learn computes float32 data in float32; both solve it with an error of condition * eps.
TOLERANCE = {"f4": 1e-4, "f8": 1e-6}

Data = tuple[np.ndarray, np.ndarray]


def linear(rows: int, features: int, dtype: str) -> Callable[[], Data]:
    """A target that is linear in the features, plus noise of variance 1."""

    def load() -> Data:
        X = normal(rows, features, dtype=dtype)
        return X, X @ normal(features, dtype=dtype) + normal(rows, dtype=dtype, seed=1)

    return load


def labels(rows: int, features: int, classes: int) -> Callable[[], Data]:
    """Classes whose log-odds are linear in the features."""

    def load() -> Data:
        X = normal(rows, features, dtype="f8")
        scores = X @ (0.3 * normal(features, classes, dtype="f8"))
        return X, (scores + generator(1).gumbel(size=scores.shape)).argmax(1)

    return load


def fit(
    kind: str,
    load: Callable[[], Data],
    outputs: Callable[[Any], list[Any]],
    own: Mapping[str, Any] | None = None,
    **params: Any,
) -> dict[str, Callable[[Any], Work]]:
    """The fit of one estimator on both sides; `outputs` says what of it is compared.

    `own` parameters are Lepton's alone.
    """

    def side(package: str) -> Callable[[Any], Work]:
        def build(_: Any) -> Work:
            mine = own if own and package == PACKAGES["lepton"] else {}
            estimator = getattr(importlib.import_module(package), kind)(**params, **mine)
            X, y = load()
            warnings.simplefilter("ignore")  # that iterations were not enough

            def run() -> Any:
                return estimator.fit(X, y)

            return Work(run, lambda: outputs(run()))

        return build

    return {name: side(package) for name, package in PACKAGES.items()}


def coefficients(model: Any) -> list[Any]:
    return [np.append(model.coef_, model.intercept_)]


def products(rows: int, features: int) -> Ceiling:
    """The upper half of X'X in float64."""
    return flops(1.0 * rows * features * (features + 1), double=True)


def least_squares(quick: bool) -> Iterator[Case]:
    sizes = [(2000, 5)] if quick else [(1_000_000, 50), (100_000, 500)]
    for rows, features in sizes:
        for dtype in ("f8", "f4"):
            target = 8.0 if features < 100 else 4.0
            yield Case(
                f"LinearRegression {rows} x {features} float{8 * int(dtype[1])}",
                fit("LinearRegression", linear(rows, features, dtype), coefficients),
                targets={"sklearn": target},
                ceiling=products(rows, features),
                tolerance=TOLERANCE[dtype],
                threads=(2,),
                rounds=2,
            )


def ridge(quick: bool) -> Iterator[Case]:
    rows, features = (2000, 5) if quick else (1_000_000, 50)
    yield Case(
        f"Ridge {rows} x {features}",
        fit("Ridge", linear(rows, features, "f8"), coefficients),
        targets={"sklearn": 2.5},
        ceiling=products(rows, features),
        tolerance=TOLERANCE["f8"],
        threads=(2,),
    )
    rows, features = (2000, 5) if quick else (100_000, 200)
    yield Case(
        f"RidgeCV, 10 alphas, {rows} x {features}",
        fit(
            "RidgeCV",
            linear(rows, features, "f8"),
            lambda model: [*coefficients(model), model.alpha_, model.best_score_],
            alphas=np.logspace(-3, 3, 10),
        ),
        targets={"sklearn": 4.0},
        tolerance=TOLERANCE["f8"],
        threads=(2,),
        rounds=2,
    )


def mean_loss(load: Callable[[], Data]) -> Callable[[Any], list[Any]]:
    """The objective of logistic regression, by sample."""

    def outputs(model: Any) -> list[Any]:
        X, y = load()
        chosen = model.predict_log_proba(X)[np.arange(len(y)), y]
        penalty = np.square(model.coef_, dtype=np.float64).sum() / (2 * model.C * len(y))
        return [penalty - chosen.mean(dtype=np.float64)]

    return outputs


def logistic(quick: bool) -> Iterator[Case]:
    rows, features = (2000, 5) if quick else (500_000, 50)
    load = labels(rows, features, 2)
    yield Case(
        f"LogisticRegression {rows} x {features}",
        fit("LogisticRegression", load, mean_loss(load)),
        targets={"sklearn": 2.0},
        tolerance=1e-5,  # scikit-learn's default tol ends 1.2e-6 above the minimum
        threads=(2,),
    )
    load = labels(400, 30, 10) if quick else fashion
    yield Case(
        "LogisticRegression, 10 classes, Fashion-MNIST, 60000 x 784",
        fit("LogisticRegression", load, mean_loss(load), own={"max_iter": 9}),
        targets={"sklearn": 4.0},
        tolerance=0.05,
        threads=(2,),
        rounds=1,
    )


def tenth(rows: int, features: int) -> Callable[[], Data]:
    """A target to which one column in ten contributes, plus noise."""

    def load() -> Data:
        rng = generator(rows, features)
        X, coef = normal(rows, features, dtype="f8"), np.zeros(features)
        coef[rng.permutation(features)[: features // 10]] = rng.standard_normal(features // 10)
        return X, X @ coef + 3 * rng.standard_normal(rows)

    return load


def path(load: Callable[[], Data], **params: Any) -> dict[str, Callable[[Any], Work]]:
    """The path of the lasso on both sides."""

    def side(package: str) -> Callable[[Any], Work]:
        def build(_: Any) -> Work:
            function = importlib.import_module(package).lasso_path
            X, y = load()
            return Work(
                lambda: function(X, y, **params), lambda: list(function(X, y, **params)[:2])
            )

        return build

    return {name: side(package) for name, package in PACKAGES.items()}


def lasso(quick: bool) -> Iterator[Case]:
    rows, features = (400, 30) if quick else (10_000, 1000)
    load, stop = tenth(rows, features), {"tol": 1e-8, "max_iter": 10_000}
    shared: dict[str, Any] = {
        "targets": {"sklearn": 2.0},
        "tolerance": TOLERANCE["f8"],
        "threads": (2,),
    }
    size, bound = f"{rows} x {features}", products(rows, features)
    yield Case(
        f"lasso_path, 100 alphas, {size}", path(load, alphas=100, **stop), ceiling=bound, **shared
    )
    yield Case(f"Lasso {size}", fit("Lasso", load, coefficients, alpha=0.1, **stop), **shared)
    yield Case(
        f"LassoCV, 5 folds, 100 alphas, {size}",
        fit("LassoCV", load, coefficients, alphas=100, **stop),
        ceiling=bound,
        rounds=1,
        **shared,
    )


FAMILIES = [least_squares, ridge, lasso, logistic]


def cases(quick: bool) -> Iterator[Case]:
    for family in FAMILIES:
        yield from family(quick)
