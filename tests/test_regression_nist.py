"""Least squares on NIST's reference data: as many correct digits as others find, or more."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from dataclasses import fields
from decimal import Decimal

import pytest
from support import nist
from support.estimators import MODERN
from support.nist import REFERENCES, Digits, Reference

every_set = pytest.mark.parametrize("reference", REFERENCES, ids=lambda r: r.name)


@every_set
def test_certified_values_are_those_of_the_data(reference: Reference) -> None:
    """In exact arithmetic, to half a unit of the last digit that NIST prints."""
    solution = nist.solve_exactly(*reference.printed(), reference.intercept)
    for field in fields(solution):
        found, printed = getattr(solution, field.name), getattr(reference, field.name)
        pairs = [(found, printed)] if isinstance(printed, str) else zip(found, printed, strict=True)
        for value, text in pairs:
            certified = Decimal(text)
            unit = Decimal((0, (1,), int(certified.as_tuple().exponent)))
            assert abs(value - certified) <= unit / 2, f"{field.name}: {value}, not {text}"


def assert_no_worse(ours: Digits, theirs: Digits) -> None:
    for mine, other in zip(ours, theirs, strict=False):
        # From 13 digits on, the rounding of the data to float64 decides which of two is nearer.
        tie = 0.3 if min(mine, other) >= 13 else 0.0
        assert mine >= other - tie, (ours, theirs)


@pytest.mark.skipif(not MODERN, reason="scikit-learn before 1.9 has no such tolerance")
@pytest.mark.parametrize("tol", [1e-6, 0.0])  # the default, and one that keeps every direction
@every_set
def test_as_many_digits_as_scikit_learn(reference: Reference, tol: float) -> None:
    assert_no_worse(nist.of_lepton(reference), nist.of_scikit_learn(reference, tol))


@every_set
def test_as_many_digits_as_statsmodels(reference: Reference) -> None:
    pytest.importorskip("statsmodels")
    assert_no_worse(nist.of_lepton(reference), nist.of_statsmodels(reference))


# Filip's powers in float64 allow 7.6. Wampler5's residuals are ten million times its coefficients:
# without their share in the refinement 5.7 digits are left.
@pytest.mark.parametrize(("name", "least"), [("Longley", 13), ("Filip", 7), ("Wampler5", 9)])
def test_hard_sets(name: str, least: float) -> None:
    (reference,) = (r for r in REFERENCES if r.name == name)
    assert min(nist.of_lepton(reference)) >= least


@every_set
def test_measures_of_fit(reference: Reference) -> None:
    measures = nist.summary(reference).measures
    least = 9 if reference.name == "Filip" else 13
    for measure, certified in (
        ("residual standard error", reference.residual_standard_deviation),
        ("R2", reference.r_squared),
    ):
        assert nist.digits([measures[measure]], [certified]) >= least, measure
