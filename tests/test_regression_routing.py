"""Parameters of fit that estimators with cross-validation hand on, as scikit-learn's do."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import sklearn.linear_model as reference
from sklearn import config_context
from sklearn.datasets import load_diabetes
from sklearn.metrics import get_scorer
from sklearn.model_selection import GroupKFold, cross_val_score

from lepton import regression

X, Y = load_diabetes(return_X_y=True)
GROUPS = (200 * X[:, 0]).round().astype(int)  # of the same age
WEIGHT = np.random.default_rng(0).uniform(0.2, 5, len(Y))
PARAMETERS: dict[str, dict[str, Any]] = {
    "RidgeCV": {"alphas": np.geomspace(1e-3, 10, 12)},
    "LassoCV": {"alphas": 8, "eps": 1e-2, "tol": 1e-8},
    "ElasticNetCV": {"alphas": 8, "eps": 1e-2, "l1_ratio": [0.5, 1.0], "tol": 1e-8},
}
every_name = pytest.mark.parametrize("name", PARAMETERS)


@pytest.fixture
def routing() -> Iterator[None]:
    with config_context(enable_metadata_routing=True):
        yield


def both(name: str, **more: Any) -> tuple[Any, Any]:
    given = PARAMETERS[name] | more
    return getattr(regression, name)(**given), getattr(reference, name)(**given)


def agree(own: Any, theirs: Any) -> None:
    np.testing.assert_allclose(own.alpha_, theirs.alpha_, rtol=1e-10)
    # Lasso and elastic net stop at a duality gap of 1e-8 of the target's square: its root.
    size = np.abs(theirs.coef_).max()
    np.testing.assert_allclose(own.coef_, theirs.coef_, atol=1e-4 * size)


@every_name
@pytest.mark.usefixtures("routing")
@pytest.mark.parametrize("weight", [None, WEIGHT])
def test_groups_reach_the_splitter(name: str, weight: Any) -> None:
    own, theirs = both(name, cv=GroupKFold(3))
    for model in (own, theirs):
        model.set_fit_request(sample_weight=True)
        model.fit(X, Y, sample_weight=weight, groups=GROUPS)
    agree(own, theirs)
    plain = both(name, cv=list(GroupKFold(3).split(X, Y, GROUPS)))[0]
    np.testing.assert_allclose(plain.fit(X, Y, sample_weight=weight).coef_, own.coef_)


@every_name
@pytest.mark.usefixtures("routing")
def test_groups_reach_the_splitter_within_another(name: str) -> None:
    scores = [
        cross_val_score(model, X, Y, cv=GroupKFold(3), params={"groups": GROUPS})
        for model in both(name, cv=GroupKFold(4))
    ]
    np.testing.assert_allclose(*scores, rtol=1e-4)


@every_name
def test_nothing_is_handed_on_without_routing(name: str) -> None:
    own, _ = both(name, cv=GroupKFold(3))
    with pytest.raises(
        ValueError, match=rf"^{name}: fit takes 'groups' only with sklearn\.set_config"
    ):
        own.fit(X, Y, groups=GROUPS)


@every_name
@pytest.mark.usefixtures("routing")
def test_what_nobody_asks_for_is_refused(name: str) -> None:
    with pytest.raises(TypeError, match=rf"{name}\.fit got unexpected argument.*'groups'"):
        both(name, cv=3)[0].fit(X, Y, groups=GROUPS)


@pytest.mark.usefixtures("routing")
@pytest.mark.parametrize("cv", [None, 4])
@pytest.mark.parametrize("requested", [True, False])
def test_weights_reach_the_scorer(cv: int | None, requested: bool) -> None:
    scorer = get_scorer("neg_mean_absolute_error").set_score_request(sample_weight=requested)
    own, theirs = both("RidgeCV", cv=cv, scoring=scorer)
    for model in (own, theirs):
        model.set_fit_request(sample_weight=True).fit(X, Y, sample_weight=WEIGHT)
    agree(own, theirs)
    np.testing.assert_allclose(own.best_score_, theirs.best_score_, rtol=1e-6)
    other = own.best_score_
    scorer.set_score_request(sample_weight=not requested)
    assert own.fit(X, Y, sample_weight=WEIGHT).best_score_ != pytest.approx(other, rel=1e-6)


@pytest.mark.usefixtures("routing")
def test_weights_are_of_the_default_score() -> None:
    for cv in (None, 4):
        own, theirs = both("RidgeCV", cv=cv)
        agree(own.fit(X, Y, sample_weight=WEIGHT), theirs.fit(X, Y, sample_weight=WEIGHT))
        np.testing.assert_allclose(own.best_score_, theirs.best_score_, rtol=1e-6)
