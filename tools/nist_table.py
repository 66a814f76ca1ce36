# SPDX-License-Identifier: Apache-2.0
"""Writes docs/regression/nist.md: correct digits on NIST's reference data sets for regression.

Run it after a change of least squares, with scikit-learn and statsmodels installed:
python tools/nist_table.py
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))

from support import nist  # noqa: E402

TARGET = ROOT / "docs" / "regression" / "nist.md"

TEXT = """<!-- Written by tools/nist_table.py; do not edit. -->
# Numerical trust: NIST's reference data sets

The [Statistical Reference Datasets](https://www.itl.nist.gov/div898/strd/) of the National
Institute of Standards and Technology come with regression coefficients and standard errors
certified to 15 digits. The tables count how many of them a program finds: -log10 of the relative
error (of the absolute error where the certified value is 0) of the worst value of each set. Every
program gets the same columns in float64: the data as printed and, for polynomials, their powers.
The first column is what exact arithmetic makes of those: where it stays below 15, rounding of the
data has taken the other digits, and who finds more is lucky.

## Coefficients

{coefficients}

## Standard errors

{errors}

scikit-learn {sklearn}, which gives no standard errors, and statsmodels {statsmodels}, each as it
comes and with an option that may save digits; "-" is an estimate that is no number. Digits may
differ by some tenths between processors and BLAS libraries.

## Why it comes out so

`LinearRegression` centres its columns and divides them by their lengths before it decides on the
rank. Powers differ by many orders of magnitude (Pontius has columns of 1e6 and 1e13), so a program
that compares singular values of the columns as they are drops directions that matter: scikit-learn
finds Filip's 10 columns to have rank 4. The scaled columns are factorised by Householder
reflections with pivoting, whose error grows with the condition number (4e9 for Filip, 1600 for
Wampler's sets) and not with its square as in the normal equations. In small problems coefficients
and residuals are then refined together, from what they leave unmet in extended precision (Bjorck,
"Iterative refinement of linear least squares solutions", BIT 7, 1967), so that the large residuals
of Wampler4 and Wampler5 cost few digits; the intercept follows before the coefficients are rounded.

`tests/test_regression_nist.py` repeats this for every set, and proves the certified values from the
printed data in rational arithmetic.
"""


def table(place: int, solvers: dict[str, Callable[[nist.Reference], nist.Digits]]) -> str:
    """Markdown: a row for each set, a column for each solver."""
    rows = [["data set", *solvers], ["---", *["---:"] * len(solvers)]]
    for reference in nist.REFERENCES:
        found = [solver(reference)[place] for solver in solvers.values()]
        rows.append([reference.name, *("-" if d != d else f"{d:.1f}" for d in found)])
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def main() -> None:
    """Write the page and print it."""
    both = {"possible in float64": nist.possible, "Lepton": nist.of_lepton}
    learn = {
        "scikit-learn": nist.of_scikit_learn,
        "scikit-learn, `tol=0`": lambda r: nist.of_scikit_learn(r, 0.0),
    }
    models = {
        "statsmodels": nist.of_statsmodels,
        'statsmodels, `method="qr"`': lambda r: nist.of_statsmodels(r, "qr"),
    }
    page = TEXT.format(
        coefficients=table(0, both | learn | models),
        errors=table(1, both | models),
        sklearn=version("scikit-learn"),
        statsmodels=version("statsmodels"),
    )
    TARGET.parent.mkdir(parents=True, exist_ok=True)
    TARGET.write_text(page)
    print(page)


if __name__ == "__main__":
    main()
