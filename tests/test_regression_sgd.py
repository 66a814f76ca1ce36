"""Stochastic gradient descent: losses, the optimum, parts, weights, and when it stops."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn import linear_model, svm
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import KFold, StratifiedKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler, scale

import lepton
from lepton.data import TableBatches
from lepton.regression import SGDClassifier, SGDRegressor
from lepton.regression.loss import BoundedLoss
from lepton.regression.stochastic import LOSSES

Array = np.ndarray[Any, Any]
# The longest stable steps and then shorter ones, in batches of all samples.
EXACT = {
    "learning_rate": "adaptive",
    "eta0": 10.0,
    "tol": 1e-14,
    "max_iter": 20000,
    "n_iter_no_change": 100,
}
ROWS = 240

# Of eta and y, with epsilon 0.3.
FORMULAS: dict[str, Callable[[Array, Array], Array]] = {
    "squared_error": lambda p, y: (p - y) ** 2 / 2,
    "huber": lambda p, y: np.where(
        abs(p - y) < 0.3, (p - y) ** 2 / 2, 0.3 * abs(p - y) - 0.3**2 / 2
    ),
    "epsilon_insensitive": lambda p, y: np.maximum(abs(p - y) - 0.3, 0),
    "squared_epsilon_insensitive": lambda p, y: np.maximum(abs(p - y) - 0.3, 0) ** 2,
    "hinge": lambda p, y: np.maximum(1 - p * y, 0),
    "squared_hinge": lambda p, y: np.maximum(1 - p * y, 0) ** 2,
    "perceptron": lambda p, y: np.maximum(-p * y, 0),
    "log_loss": lambda p, y: np.logaddexp(0, -p * y),
    "modified_huber": lambda p, y: np.where(p * y >= -1, np.maximum(1 - p * y, 0) ** 2, -4 * p * y),
}


def regression_data(rows: int = ROWS) -> tuple[Array, Array]:
    random = np.random.default_rng(0)
    X = random.standard_normal((rows, 5))
    X[:, 1:] += X[:, :-1]
    return X, X @ np.array([2.0, -1.0, 0.5, 0.0, 0.0]) + 3 + random.standard_normal(rows)


def class_data(classes: int = 2, rows: int = ROWS) -> tuple[Array, Array]:
    random = np.random.default_rng(1)
    X = random.standard_normal((rows, 5))
    scores = 2 * X @ random.standard_normal((5, classes)) + random.standard_normal((rows, classes))
    return X, scores.argmax(axis=1)


def objective(model: Any, X: Array, y: Array) -> float:
    """What a model with an L2 penalty minimises."""
    values = FORMULAS[model.loss](X @ model.coef_.ravel() + model.intercept_, y).mean()
    return float(values + model.alpha / 2 * (model.coef_**2).sum())


# ------------------------------------------------------------------ losses


def test_every_loss_has_a_formula() -> None:
    assert FORMULAS.keys() == LOSSES.keys()


@pytest.mark.parametrize("name", LOSSES)
def test_losses_are_their_formulas(name: str) -> None:
    loss: BoundedLoss = LOSSES[name](0.3)
    random = np.random.default_rng(0)
    eta = 3 * random.standard_normal((1, 200))
    y = np.sign(random.standard_normal(200))
    value, slope, curvature = loss.terms(lepton.asarray(eta), y)
    h = 1e-5
    up, down = (FORMULAS[name](eta[0] + d, y) for d in (h, -h))
    np.testing.assert_allclose(value, FORMULAS[name](eta[0], y), rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(slope[0], (up - down) / (2 * h), rtol=1e-6, atol=1e-8)
    bends = (up - 2 * FORMULAS[name](eta[0], y) + down) / h**2
    np.testing.assert_allclose(curvature[0], bends, atol=1e-3)
    assert curvature.max() <= loss.bend
    assert np.isinf(loss.bend) == (not curvature.any() and name != "perceptron")


# ------------------------------------------------------------------ the optimum


def peers(n: int, alpha: float) -> dict[str, Any]:
    """Exact solvers of the same objectives, without intercept."""
    C = 1 / (alpha * n)
    plain: dict[str, Any] = {"C": C, "fit_intercept": False, "tol": 1e-10, "max_iter": 100_000}
    vector = {**plain, "epsilon": 0.3, "random_state": 0}
    return {
        "squared_error": linear_model.Ridge(alpha * n, fit_intercept=False),
        "epsilon_insensitive": svm.LinearSVR(loss="epsilon_insensitive", **vector),
        "squared_epsilon_insensitive": svm.LinearSVR(loss="squared_epsilon_insensitive", **vector),
        "hinge": svm.LinearSVC(loss="hinge", random_state=0, **plain),
        "squared_hinge": svm.LinearSVC(loss="squared_hinge", random_state=0, **plain),
        "log_loss": linear_model.LogisticRegression(**plain),
    }


@pytest.mark.parametrize("name", peers(1, 1.0))
def test_reaches_the_optimum_of_exact_solvers(name: str) -> None:
    """Where a loss is smooth to many digits; with a kink gradient descent nears it slowly."""
    regression = name in SGDRegressor._losses
    X, y = regression_data() if regression else class_data()
    kind = SGDRegressor if regression else SGDClassifier
    kinked = np.isinf(LOSSES[name](0.3).bend)
    options = {**EXACT, "alpha": 0.01, "epsilon": 0.3, "fit_intercept": False}
    if kinked:
        options |= {"learning_rate": "optimal", "tol": None, "max_iter": 3000}
    model = kind(name, batch_size=len(X), **options).fit(X, y)
    peer = peers(len(X), 0.01)[name].fit(X, y)
    signs = y if regression else 2 * y - 1
    expected = (
        FORMULAS[name](X @ peer.coef_.ravel(), signs).mean() + 0.01 / 2 * (peer.coef_**2).sum()
    )
    tolerance = 1e-2 if kinked else 1e-9
    assert expected * (1 - 1e-6) <= objective(model, X, signs) <= expected * (1 + tolerance)
    if not kinked:
        np.testing.assert_allclose(model.coef_.ravel(), peer.coef_.ravel(), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("penalty", "ratio"), [("l1", 1.0), ("elasticnet", 0.5)])
def test_penalties_are_those_of_the_elastic_net(penalty: str, ratio: float) -> None:
    X, y = regression_data()
    options: dict[str, Any] = {**EXACT, "alpha": 0.2, "l1_ratio": 0.5, "batch_size": len(X)}
    model = SGDRegressor(penalty=penalty, **options).fit(X, y)
    peer = linear_model.ElasticNet(0.2, l1_ratio=ratio, tol=1e-12, max_iter=100_000)
    peer.fit(X, y)
    np.testing.assert_allclose(model.coef_, peer.coef_, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(model.intercept_, peer.intercept_, rtol=1e-4)
    np.testing.assert_array_equal(model.coef_ == 0, peer.coef_ == 0)


@pytest.mark.parametrize("class_weight", [None, "balanced", {0: 3.0, 1: 0.5}])
def test_class_weights_multiply_losses(class_weight: Any) -> None:
    X, y = class_data()
    keep = (y == 1) | (np.arange(len(y)) % 3 == 0)
    X, y = X[keep], y[keep]
    options = {**EXACT, "alpha": 0.01, "batch_size": len(X)}
    model = SGDClassifier("log_loss", class_weight=class_weight, **options).fit(X, y)
    peer = linear_model.LogisticRegression(
        C=1 / (0.01 * len(X)), class_weight=class_weight, tol=1e-10, max_iter=10_000
    ).fit(X, y)
    np.testing.assert_allclose(model.coef_, peer.coef_, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(model.intercept_, peer.intercept_, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(model.predict_proba(X), peer.predict_proba(X), atol=1e-4)


def test_several_classes_are_each_told_from_the_others() -> None:
    X, y = class_data(3)
    options = {**EXACT, "alpha": 0.01, "batch_size": len(X), "class_weight": {0: 2.0}}
    model = SGDClassifier("log_loss", **options).fit(X, y)
    for k in range(3):
        options["class_weight"] = {1: 2.0} if k == 0 else None
        one = SGDClassifier("log_loss", **options).fit(X, (y == k).astype(int))
        np.testing.assert_allclose(model.coef_[k], one.coef_[0], rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(model.predict_proba(X).sum(axis=1), 1)


@pytest.mark.parametrize("rule", ["constant", "optimal", "invscaling", "adaptive"])
@pytest.mark.parametrize("batch_size", ["auto", 8])
def test_mini_batches_come_near_the_optimum(rule: str, batch_size: Any) -> None:
    X, y = regression_data()
    X = scale(X)
    best = objective(SGDRegressor(**EXACT, batch_size=len(X)).fit(X, y), X, y)
    options = {"learning_rate": rule, "batch_size": batch_size, "tol": 1e-4}
    value = objective(SGDRegressor(random_state=0, **options).fit(X, y), X, y)
    noisy = rule in ("constant", "optimal")  # long steps to the end
    assert best <= value <= best * (1.2 if noisy else 1.03)


def test_a_batch_may_be_one_sample() -> None:
    X, y = regression_data()
    own = SGDRegressor(batch_size=1, shuffle=False, max_iter=3, tol=None).fit(X, y)
    peer = linear_model.SGDRegressor(shuffle=False, max_iter=3, tol=None).fit(X, y)
    np.testing.assert_allclose(own.coef_, peer.coef_, rtol=1e-4)
    np.testing.assert_allclose(own.intercept_, peer.intercept_, rtol=1e-4)


# ------------------------------------------------------------------ epochs, parts and weights


@pytest.mark.parametrize("average", [False, True, 100])
def test_parts_go_on_where_the_last_one_ended(average: Any) -> None:
    X, y = regression_data()
    options: dict[str, Any] = {"shuffle": False, "batch_size": 40, "average": average}
    whole = SGDRegressor(max_iter=3, tol=None, **options).fit(X, y)
    parts = SGDRegressor(**options)
    for _ in range(3):
        for i in range(0, len(X), 80):
            parts.partial_fit(X[i : i + 80], y[i : i + 80])
    np.testing.assert_array_equal(parts.coef_, whole.coef_)
    np.testing.assert_array_equal(parts.intercept_, whole.intercept_)
    assert parts.t_ == whole.t_ == 3 * len(X) + 1
    assert (parts.n_iter_, whole.n_iter_) == (1, 3)


def test_average_is_that_of_all_steps() -> None:
    X, y = regression_data()
    options: dict[str, Any] = {"shuffle": False, "batch_size": 48}
    steps = SGDRegressor(**options)
    seen = []
    for i in range(0, len(X), 48):
        seen.append(steps.partial_fit(X[i : i + 48], y[i : i + 48]).coef_)
    model = SGDRegressor(average=True, max_iter=1, tol=None, **options).fit(X, y)
    np.testing.assert_allclose(model.coef_, np.mean(seen, axis=0), rtol=1e-12)


@pytest.mark.parametrize("penalty", ["l2", "l1"])
def test_where_nothing_improves_the_mean_of_these_epochs_is_given(penalty: str) -> None:
    """No epoch but the first is progress with a tol that large."""
    X, y = regression_data()
    options: dict[str, Any] = {"shuffle": False, "batch_size": 48, "penalty": penalty, "alpha": 0.1}
    steps = SGDRegressor(**options)
    seen = []
    for i in 4 * [*range(0, len(X), 48)]:
        seen.append(steps.partial_fit(X[i : i + 48], y[i : i + 48]).coef_)
    model = SGDRegressor(tol=1e9, n_iter_no_change=3, **options).fit(X, y)
    assert model.n_iter_ == 4
    expected = np.mean(seen[len(seen) // 4 :], axis=0) * (seen[-1] != 0)
    np.testing.assert_allclose(model.coef_, expected, rtol=1e-12)
    assert (model.coef_ == 0).any() == (penalty == "l1")


@pytest.mark.parametrize("kind", [SGDRegressor, SGDClassifier])
def test_long_steps_circle_around_the_optimum_and_their_mean_is_nearer(kind: Any) -> None:
    X, y = regression_data() if kind is SGDRegressor else class_data()
    signs = y if kind is SGDRegressor else 2 * y - 1
    values = []
    for seed in range(4):
        mean = kind(learning_rate="constant", eta0=0.05, batch_size=8, random_state=seed).fit(X, y)
        last = clone(mean).set_params(max_iter=mean.n_iter_, tol=None).fit(X, y)
        values.append([objective(model, X, signs) for model in (mean, last)])
    assert np.less(*np.mean(values, axis=0))


def test_a_file_lets_parts_go_on(tmp_path: Path) -> None:
    X, y = class_data(3)
    model = SGDClassifier(average=True, random_state=0).partial_fit(X, y, classes=[0, 1, 2])
    model.save(tmp_path / "model.safetensors")
    again = SGDClassifier.load(tmp_path / "model.safetensors")
    for each in (model, again):
        each.partial_fit(X, y)
    np.testing.assert_array_equal(model.coef_, again.coef_)


@pytest.mark.parametrize("kind", [SGDRegressor, SGDClassifier])
def test_a_weight_counts_as_so_many_samples(kind: Any) -> None:
    X, y = regression_data() if kind is SGDRegressor else class_data(3)
    weight = np.arange(len(X)) % 4
    options: dict[str, Any] = {"batch_size": 10 * len(X), "max_iter": 20, "tol": None}
    model = kind(**options).fit(X, y, sample_weight=weight)
    repeated = kind(**options).fit(X.repeat(weight, axis=0), y.repeat(weight))
    np.testing.assert_allclose(model.coef_, repeated.coef_, rtol=1e-8, atol=1e-10)
    assert model.t_ == repeated.t_ == 20 * weight.sum() + 1


def test_warm_start_and_given_starts() -> None:
    X, y = regression_data()
    options: dict[str, Any] = {"tol": None, "max_iter": 2, "shuffle": False, "batch_size": 60}
    first = SGDRegressor(**options).fit(X, y)
    given = SGDRegressor(**options).fit(X, y, first.coef_, first.intercept_)
    warm = SGDRegressor(warm_start=True, **options).fit(X, y).fit(X, y)
    np.testing.assert_array_equal(warm.coef_, given.coef_)
    assert (warm.coef_ != first.coef_).any()
    with pytest.raises(ValueError, match="coef_init expects 5 numbers, got 4"):
        SGDRegressor().fit(X, y, coef_init=np.ones(4))


def test_random_state_decides_alone() -> None:
    X, y = regression_data(2000)
    one, two, other = (SGDRegressor(random_state=s).fit(X, y).coef_ for s in (0, 0, 1))
    np.testing.assert_array_equal(one, two)
    assert (one != other).any()


def test_early_stopping_judges_by_samples_held_out() -> None:
    X, y = class_data(3, 600)
    options: dict[str, Any] = {"random_state": 0, "n_iter_no_change": 3, "tol": 0.0}
    model = SGDClassifier(early_stopping=True, validation_fraction=0.3, **options).fit(X, y)
    assert 3 < model.n_iter_ < 200
    assert model.t_ == 420 * model.n_iter_ + 1
    assert model.score(X, y) > 0.6


# ------------------------------------------------------------------ trouble


def test_too_few_epochs_are_told() -> None:
    X, y = regression_data()
    with pytest.warns(ConvergenceWarning, match="after 2 epochs; max_iter expects more"):
        SGDRegressor(max_iter=2).fit(X, y)


def test_columns_of_different_size_are_told_and_do_not_diverge() -> None:
    X, y = regression_data()
    X = X * [1, 1e4, 1, 1, 1]
    with pytest.warns(
        ConvergenceWarning, match=r"from about 0\.9 \(x0\) to 1e\+04 \(x1\).*Standard"
    ):
        model = SGDRegressor(random_state=0).fit(X, y)
    assert np.isfinite(model.coef_).all()
    assert np.mean((y - model.predict(X)) ** 2) < np.mean(y**2)


@pytest.mark.parametrize("rule", ["constant", "optimal", "invscaling", "adaptive"])
def test_rare_huge_samples_do_not_make_it_diverge(rule: str) -> None:
    """As in tables of houses or people; these make scikit-learn's steps explode, with any rule."""
    X = scale(np.random.default_rng(0).standard_t(1.3, (20_000, 8)))
    assert np.abs(X).max() > 100
    y = X.sum(axis=1) + 0.3 * np.random.default_rng(1).standard_normal(len(X))
    model = SGDRegressor(learning_rate=rule, random_state=0).fit(X, y)
    assert model.score(X, y) > linear_model.LinearRegression().fit(X, y).score(X, y) - 1e-4


@pytest.mark.parametrize("loss", ["squared_error", "squared_epsilon_insensitive"])
def test_overflow_is_one_sentence(loss: str) -> None:
    X, y = regression_data()
    with pytest.raises(ValueError, match="SGDRegressor: floating-point"):
        SGDRegressor(loss, learning_rate="constant", eta0=1e300).fit(1e60 * X, 1e60 * y)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"loss": "hinge"}, "loss expects 'squared_error' or "),
        ({"penalty": "l3"}, "penalty expects 'l2' or 'l1' or 'elasticnet', got 'l3'"),
        ({"alpha": -1}, "alpha expects a finite number >= 0, got -1"),
        ({"alpha": 0, "learning_rate": "optimal"}, "alpha expects a number > 0 with"),
        ({"penalty": "elasticnet", "l1_ratio": 1.5}, "l1_ratio expects"),
        ({"learning_rate": "pa1"}, "learning_rate expects"),
        ({"eta0": 0}, "eta0 expects a finite number > 0"),
        ({"batch_size": 0}, "batch_size expects an integer >= 1, got 0"),
        ({"batch_size": "all"}, "batch_size expects an integer or 'auto', got 'all'"),
        ({"average": 0}, "average expects an integer >= 1"),
        ({"max_iter": 0}, "max_iter expects"),
        ({"tol": -1}, "tol expects"),
        ({"validation_fraction": 1.0}, "validation_fraction expects"),
    ],
)
def test_bad_parameters_are_refused(options: dict[str, Any], words: str) -> None:
    X, y = regression_data()
    with pytest.raises(ValueError, match=words) as caught:
        SGDRegressor(**options).fit(X, y)
    assert str(caught.value).startswith("SGDRegressor: ")


def test_bad_parts_are_refused() -> None:
    X, y = class_data(3)
    model = SGDClassifier()
    with pytest.raises(ValueError, match="the first partial_fit expects classes, got None"):
        model.partial_fit(X, y)
    model.partial_fit(X, y, classes=[2, 1, 0])
    with pytest.raises(ValueError, match=r"expects the classes \[0, 1, 2\] of the first call"):
        model.partial_fit(X, y, classes=[0, 1])
    with pytest.raises(ValueError, match=r"y expects the classes \[0, 1, 2\], got 3$"):
        model.partial_fit(X, np.full(len(X), 3))
    with pytest.raises(ValueError, match="features"):
        model.partial_fit(X[:, :2], y)
    with pytest.raises(ValueError, match="class_weight to be a dict or None"):
        SGDClassifier(class_weight="balanced").partial_fit(X, y, classes=[0, 1, 2])
    with pytest.raises(ValueError, match="early_stopping to be False"):
        SGDClassifier(early_stopping=True).partial_fit(X, y, classes=[0, 1, 2])
    with pytest.raises(AttributeError, match="predict_proba"):
        _ = model.predict_proba


def test_a_part_that_overflows_changes_nothing() -> None:
    X, y = regression_data()
    models = [SGDRegressor(average=True, random_state=0).partial_fit(X, y) for _ in range(2)]
    with pytest.raises(ValueError, match="overflow"):
        models[0].partial_fit(1e60 * X, 1e60 * y)
    once, never = (model.partial_fit(X, y) for model in models)
    np.testing.assert_array_equal(once.coef_, never.coef_)
    assert once.t_ == never.t_


def test_weights_of_zero_alone_are_refused_in_parts_held_out() -> None:
    X, y = regression_data()
    model = SGDRegressor(early_stopping=True, random_state=0)
    with pytest.raises(ValueError, match=r"^SGDRegressor: sample_weight expects weights whose sum"):
        model.fit(X, y, sample_weight=np.eye(len(X))[0])


# ------------------------------------------------------------------ real data, and files of them


def quality(kind: Any, X: Array, y: Array, seeds: int = 4, **options: Any) -> float:
    """Mean score over some orders of samples, each on 5 folds of its own."""
    split = KFold if kind.__name__ == "SGDRegressor" else StratifiedKFold
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        scores = [
            cross_val_score(
                make_pipeline(StandardScaler(), kind(random_state=seed, **options)),
                X,
                y,
                cv=split(5, shuffle=True, random_state=seed),
            )
            for seed in range(seeds)
        ]
    return float(np.mean(scores))


@pytest.mark.parametrize("loss", ["hinge", "squared_hinge", "log_loss", "modified_huber"])
def test_breast_cancer_as_well_as_scikit_learn(loss: str) -> None:
    X, y = load_breast_cancer(return_X_y=True)
    own = quality(SGDClassifier, X, y, loss=loss)
    assert own >= quality(linear_model.SGDClassifier, X, y, loss=loss)
    assert own > 0.96


def test_digits_as_well_as_scikit_learn() -> None:
    X, y = load_digits(return_X_y=True)
    own = quality(SGDClassifier, X, y, 1)
    assert own >= quality(linear_model.SGDClassifier, X, y, 1)


@pytest.mark.parametrize("loss", ["squared_error", "huber", "squared_epsilon_insensitive"])
def test_diabetes_as_well_as_scikit_learn(loss: str) -> None:
    X, y = load_diabetes(return_X_y=True)
    options = {"loss": loss, "epsilon": 50.0 if loss == "huber" else 0.1}
    own = quality(SGDRegressor, X, y, 8, **options)
    assert own >= quality(linear_model.SGDRegressor, X, y, 8, **options)


def test_learns_from_a_file_batch_by_batch(tmp_path: Path) -> None:
    X, y = regression_data(5000)
    X = scale(X)
    table = np.column_stack([X, y])
    path = tmp_path / "table.csv"
    np.savetxt(path, table, delimiter=",", header="a,b,c,d,e,y", comments="")
    batches = TableBatches(path, target="y", batch_size=1000)
    model = SGDRegressor(random_state=0)
    for _ in range(20):
        for part, target in batches:
            model.partial_fit(part, target)
    best = linear_model.LinearRegression().fit(X, y)
    assert model.t_ == 100_001
    assert model.score(X, y) > best.score(X, y) - 0.005
