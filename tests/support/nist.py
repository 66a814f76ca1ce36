# SPDX-License-Identifier: Apache-2.0
"""NIST's reference data sets for linear regression, and how many digits of them a solver finds."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal, localcontext
from fractions import Fraction
from pathlib import Path

import numpy as np
import sklearn.linear_model

from lepton.regression import LinearRegression, Summary

_MOST = 15.0  # that certified values have


Vector = Sequence[Fraction]
Numbers = Sequence[float] | Sequence[Decimal] | np.ndarray
Digits = tuple[float, ...]


@dataclass
class Reference:
    """A data set as NIST prints it, and what NIST certifies; the intercept comes first."""

    name: str
    intercept: bool
    degree: int
    x: list[list[str]]  # columns
    y: list[str]
    coefficients: list[str]
    standard_deviations: list[str]
    residual_standard_deviation: str
    r_squared: str

    def printed(self) -> tuple[list[Vector], Vector]:
        """The columns of X, with the powers of a polynomial, and y, without rounding."""
        x = [[Fraction(v) for v in column] for column in self.x]
        powers = [[v**k for v in column] for k in range(1, self.degree + 1) for column in x]
        return list(powers), [Fraction(v) for v in self.y]

    def data(self) -> tuple[np.ndarray, np.ndarray]:
        """X and y as people make them, in float64."""
        x = np.array(self.x, float)
        return np.vstack([x**k for k in range(1, self.degree + 1)]).T, np.array(self.y, float)

    def rounded(self) -> tuple[list[Vector], Vector]:
        """What is in `data`, to the last bit."""
        X, y = self.data()
        return [[Fraction(float(v)) for v in c] for c in X.T], [Fraction(float(v)) for v in y]


@dataclass
class Solution:
    """Least squares in rational arithmetic, and roots to 40 digits."""

    coefficients: list[Decimal]
    standard_deviations: list[Decimal]
    residual_standard_deviation: Decimal
    r_squared: Decimal


def solve_exactly(columns: list[Vector], y: Vector, intercept: bool) -> Solution:
    """By the normal equations."""
    columns = [[Fraction(1)] * len(y)] * intercept + columns
    p, n = len(columns), len(y)
    rows = [
        [_dot(a, b) for b in columns] + [Fraction(i == j) for j in range(p)] + [_dot(a, y)]
        for i, a in enumerate(columns)
    ]
    _eliminate(rows)
    coef = [row[-1] for row in rows]
    residuals = [v - _dot(coef, x) for v, x in zip(y, zip(*columns, strict=True), strict=True)]
    variance = _dot(residuals, residuals) / (n - p)
    mean = sum(y, Fraction(0)) / n * intercept
    total = sum((v - mean) ** 2 for v in y)
    with localcontext() as context:
        context.prec = 40
        return Solution(
            [_decimal(b) for b in coef],
            [_decimal(variance * row[p + j]).sqrt() for j, row in enumerate(rows)],
            _decimal(variance).sqrt(),
            _decimal(1 - variance * (n - p) / total),
        )


def _dot(a: Iterable[Fraction], b: Iterable[Fraction]) -> Fraction:
    return sum((u * v for u, v in zip(a, b, strict=True)), Fraction(0))


def _eliminate(rows: list[list[Fraction]]) -> None:
    """Gauss and Jordan: the square on the left becomes the identity."""
    for i, row in enumerate(rows):
        row[:] = [v / row[i] for v in row]
        for other in rows:
            if other is not row:
                other[:] = [v - other[i] * w for v, w in zip(other, row, strict=True)]


def _decimal(value: Fraction) -> Decimal:
    return Decimal(value.numerator) / Decimal(value.denominator)


def _load() -> list[Reference]:
    sets = json.loads(Path(__file__).with_suffix(".json").read_text())["sets"]
    split = {"y", "coefficients", "standard_deviations"}
    return [
        Reference(
            name,
            **{k: v.split() if k in split else v for k, v in fields.items() if k != "x"},
            x=[column.split() for column in fields["x"]],
        )
        for name, fields in sets.items()
    ]


REFERENCES = _load()


def digits(found: Numbers, certified: Sequence[str]) -> float:
    """Correct significant digits of the worst value, at most 15: -log10 of its relative error."""
    c = np.array(certified, float)
    with np.errstate(divide="ignore"):
        error = np.abs(np.array(found, float) - c) / np.where(c == 0, 1, np.abs(c))
        return float(np.clip(-np.log10(error), 0, _MOST).min())


def summary(reference: Reference) -> Summary:
    """Lepton's, with the intercept first like NIST's."""
    model = LinearRegression(fit_intercept=reference.intercept).fit(*reference.data())
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "LinearRegression.summary: collinear", UserWarning)
        return model.summary()


def of_lepton(reference: Reference) -> Digits:
    """Digits of the coefficients and of their standard errors."""
    table = summary(reference)
    return _both(reference, table.coef, table.std_err)


def of_scikit_learn(reference: Reference, tol: float = 1e-6) -> Digits:
    """Digits of the coefficients; scikit-learn gives no standard errors."""
    model = sklearn.linear_model.LinearRegression(fit_intercept=reference.intercept, tol=tol)
    model.fit(*reference.data())
    coef = [*[model.intercept_] * reference.intercept, *model.coef_]
    return (digits(coef, reference.coefficients),)


def of_statsmodels(reference: Reference, method: str = "pinv") -> Digits:
    """Digits of the coefficients and of their standard errors."""
    from statsmodels.regression.linear_model import OLS

    X, y = reference.data()
    X = np.hstack([np.ones((len(X), 1)), X]) if reference.intercept else X
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of singular X and roots of negative variances
        fit = OLS(y, X).fit(method=method)
        return _both(reference, fit.params, fit.bse)


def possible(reference: Reference) -> Digits:
    """What exact arithmetic makes of the data after their rounding to float64."""
    solution = solve_exactly(*reference.rounded(), reference.intercept)
    return _both(reference, solution.coefficients, solution.standard_deviations)


def _both(reference: Reference, coef: Numbers, std_err: Numbers) -> Digits:
    return digits(coef, reference.coefficients), digits(std_err, reference.standard_deviations)
