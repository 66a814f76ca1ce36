"""Sparse matrices: SGD learns from them, every linear model predicts of them, all others say no."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import tracemalloc
from typing import Any

import numpy as np
import pytest
from scipy import sparse
from sklearn.base import clone, is_classifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.pipeline import make_pipeline
from sklearn.utils import get_tags
from support.estimators import ESTIMATORS, sample

from lepton.regression import SGDClassifier, SGDRegressor
from lepton.regression.linear_model import LinearModel

LINEAR = [estimator for estimator in ESTIMATORS if isinstance(estimator, LinearModel)]
LEARNERS = [
    estimator for estimator in LINEAR if isinstance(estimator, SGDClassifier | SGDRegressor)
]
FORMATS = [sparse.csr_array, sparse.csr_matrix, sparse.csc_array, sparse.coo_array]
OUTPUTS = ["predict", "predict_proba", "predict_log_proba", "decision_function"]


def thin(estimator: Any, dtype: str = "float64", rows: int = 200) -> tuple[Any, Any]:
    """Rows of which most numbers are 0."""
    X, y = sample(estimator, dtype, rows)
    return np.where(np.abs(X) > 0.8, X, X.dtype.type(0)), y


@pytest.mark.parametrize("estimator", LINEAR, ids=repr)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_predictions_of_sparse_rows(estimator: Any, dtype: str) -> None:
    X, y = thin(estimator, dtype)
    model = clone(estimator).fit(X, y)
    rounding = 100 * np.finfo(dtype).eps
    for name in OUTPUTS:
        if hasattr(model, name):
            expected = getattr(model, name)(X)
            for kind in FORMATS:
                found = getattr(model, name)(kind(X))
                assert found.dtype == expected.dtype
                assert found.shape == expected.shape
                if expected.dtype.kind != "f":
                    np.testing.assert_array_equal(found, expected)
                else:
                    size = np.abs(expected[np.isfinite(expected)]).max()
                    np.testing.assert_allclose(found, expected, rounding, rounding * size)


@pytest.mark.parametrize("estimator", LINEAR, ids=repr)
def test_others_say_that_they_learn_from_dense_rows(estimator: Any) -> None:
    X, y = thin(estimator)
    if get_tags(estimator).input_tags.sparse:
        assert estimator in LEARNERS
        return
    with pytest.raises(TypeError, match=r"[Ss]parse data was passed for X.*toarray\(\)"):
        clone(estimator).fit(sparse.csr_array(X), y)


@pytest.mark.parametrize("estimator", LEARNERS, ids=repr)
@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("part", [False, True])
def test_sparse_rows_teach_what_dense_ones_do(estimator: Any, kind: Any, part: bool) -> None:
    X, y = thin(estimator)
    weight = np.random.default_rng(0).uniform(0.5, 2, len(y))
    models = [clone(estimator).set_params(random_state=0, max_iter=3, tol=None) for _ in range(2)]
    for model, rows in zip(models, (X, kind(X)), strict=True):
        if part:
            classes = {"classes": np.unique(y)} if is_classifier(model) else {}
            model.partial_fit(rows, y, sample_weight=weight, **classes)
        else:
            model.fit(rows, y, sample_weight=weight)
    size = np.abs(models[0].coef_).max()
    # Sums of products in another order, over at most 12 steps.
    np.testing.assert_allclose(models[1].coef_, models[0].coef_, atol=1e-10 * size)
    np.testing.assert_allclose(models[1].intercept_, models[0].intercept_, atol=1e-10 * size)


def test_early_stopping_and_three_classes() -> None:
    random = np.random.default_rng(0)
    X = random.standard_normal((600, 5)) * (random.random((600, 5)) < 0.4)
    y = np.array(["a", "b", "c"])[X[:, :3].argmax(1)]
    fits = [
        SGDClassifier("log_loss", early_stopping=True, random_state=0).fit(rows, y)
        for rows in (X, sparse.csr_matrix(X))
    ]
    np.testing.assert_allclose(fits[0].coef_, fits[1].coef_, atol=1e-8)
    np.testing.assert_allclose(*(fit.predict_proba(X) for fit in fits), atol=1e-8)


def test_wide_rows_are_never_made_dense() -> None:
    rows, columns, each = 2000, 400_000, 8
    random = np.random.default_rng(0)
    places = random.integers(20, columns, (rows, each))
    label = random.integers(0, 2, rows)
    places[:, 0] = label * 10 + random.integers(0, 10, rows)
    X = sparse.csr_array(
        (np.ones(rows * each), places.ravel(), np.arange(0, rows * each + 1, each)),
        shape=(rows, columns),
    )
    tracemalloc.start()
    model = SGDClassifier(max_iter=1, tol=None, random_state=0).fit(X[:1000], label[:1000])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 64 * columns * 8  # a dense batch
    assert model.score(X[1000:], label[1000:]) > 0.95


def test_text() -> None:
    random = np.random.default_rng(0)
    words = np.array([f"word{i}" for i in range(300)])
    topics = np.array(["sport", "music"])
    label = random.integers(0, 2, 400)
    texts = [" ".join(random.choice(words[50 * k : 50 * k + 200], 30)) for k in 2 * label]
    model = make_pipeline(TfidfVectorizer(), SGDClassifier(random_state=0))
    assert model.fit(texts[:200], topics[label[:200]]).score(texts[200:], topics[label[200:]]) > 0.9


def test_bad_numbers_in_sparse_rows() -> None:
    X, y = thin(SGDRegressor())
    for value, words in ((np.nan, "NaN"), (np.inf, "infinity"), (1e80, "1e[+]70, got 1e[+]80")):
        X[3, 1] = value
        with pytest.raises(ValueError, match=words):
            SGDRegressor().fit(sparse.csr_array(X), y)
    X[:, 1] = np.where(np.arange(len(y)) % 3, 0.0, 1e5)
    with pytest.warns(ConvergenceWarning, match=r"1e\+05 \(x1\)"):
        SGDRegressor().fit(sparse.csr_array(X), y)
