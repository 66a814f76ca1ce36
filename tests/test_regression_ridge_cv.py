"""RidgeCV against refits without each row, in extended precision."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from lepton.regression import RidgeCV

Array = np.ndarray[Any, Any]

ALPHAS = [1e-12, 1e-9, 1e-6, 1e-3, 1.0, 1e3, 1e6]


def orthogonal_solve(A: Array, b: Array) -> Array:
    """Least squares of full rank by modified Gram and Schmidt, in the dtype of A."""
    Q, p = np.hstack([A, b]), A.shape[1]
    R = np.zeros((p, Q.shape[1]), A.dtype)
    for k in range(p):
        R[k, k] = np.sqrt(Q[:, k] @ Q[:, k])
        Q[:, k] /= R[k, k]
        R[k, k + 1 :] = Q[:, k] @ Q[:, k + 1 :]
        Q[:, k + 1 :] -= np.outer(Q[:, k], R[k, k + 1 :])
    x = np.zeros((p, b.shape[1]), A.dtype)
    for k in range(p - 1, -1, -1):
        x[k] = (R[k, p:] - R[k, k + 1 : p] @ x[k + 1 :]) / R[k, k]
    return x


def refit(X: Array, y: Array, weight: Array, alpha: float, centre: bool) -> tuple[Array, Array]:
    X, y, weight = (a.astype(np.longdouble) for a in (X, y, weight))
    x_mean, y_mean = (centre * (weight @ a) / weight.sum() for a in (X, y))
    root = np.sqrt(weight)[:, None]
    penalty = np.sqrt(np.longdouble(alpha)) * np.eye(X.shape[1], dtype=X.dtype)
    right = np.zeros((X.shape[1], y.shape[1]), X.dtype)
    coef = orthogonal_solve(
        np.vstack([(X - x_mean) * root, penalty]), np.vstack([(y - y_mean) * root, right])
    )
    return coef, y_mean - x_mean @ coef


def left_out(X: Array, y: Array, weight: Array, alpha: float, centre: bool) -> Array:
    """Weighted squared errors of rows by refits without them."""
    errors = np.empty(y.shape)
    for i in range(len(X)):
        coef, intercept = refit(*(np.delete(a, i, 0) for a in (X, y, weight)), alpha, centre)
        errors[i] = weight[i] * (y[i] - X[i].astype(coef.dtype) @ coef - intercept) ** 2
    return errors


@pytest.mark.parametrize("kind", ["plain", "dependent", "lone"])
@pytest.mark.parametrize("shape", [(24, 4), (7, 6), (6, 6), (6, 15)], ids=str)
@pytest.mark.parametrize("centre", [True, False])
@pytest.mark.parametrize("targets", [1, 3])
@pytest.mark.parametrize("weighted", [False, True])
def test_errors_are_those_of_refits(
    kind: str, shape: tuple[int, int], centre: bool, targets: int, weighted: bool
) -> None:
    random = np.random.default_rng(0)
    X, y = random.standard_normal(shape), random.standard_normal((shape[0], targets))
    if kind == "dependent":
        X[:, 2] = X[:, 0] + X[:, 1]
    if kind == "lone":  # only one row knows of the column
        X[:, -1] = np.arange(len(X)) == 3
    weight = random.uniform(0.5, 2, len(X)) if weighted else np.ones(len(X))
    weight[1] *= not weighted
    model = RidgeCV(ALPHAS, fit_intercept=centre, store_cv_results=True)
    model.fit(X, y, weight if weighted else None)
    for k, alpha in enumerate(ALPHAS):
        expected = left_out(X, y, weight, alpha, centre)
        np.testing.assert_allclose(
            model.cv_results_[..., k], expected, rtol=1e-9, atol=1e-9 * expected.max()
        )
    coef, intercept = refit(X, y, weight, model.alpha_, centre)
    found = np.atleast_2d(model.coef_)
    np.testing.assert_allclose(found, coef.T, rtol=1e-11, atol=1e-12 * np.abs(coef).max())
    np.testing.assert_allclose(model.intercept_, intercept, rtol=1e-11, atol=1e-12)


def test_a_row_among_many_may_be_fitted_exactly() -> None:
    random = np.random.default_rng(0)
    X, y = random.standard_normal((5000, 4)), random.standard_normal((5000, 1))
    X[:, -1] = np.arange(len(X)) == 3
    model = RidgeCV([1e-12, 1e-6, 1.0], store_cv_results=True).fit(X, y)
    for k, alpha in enumerate(model.alphas):
        for i in (3, 4):
            rest = (np.delete(a, i, 0) for a in (X, y, np.ones(len(X))))
            coef, intercept = refit(*rest, alpha, True)
            expected = (y[i] - X[i] @ coef - intercept) ** 2
            np.testing.assert_allclose(model.cv_results_[i, :, k], expected.astype(float), 1e-9)
