"""Logistic, Poisson, Huber and quantile regression: scikit-learn, differences, optimality."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import stats
from sklearn import datasets
from sklearn import linear_model as sk
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model._huber import _huber_loss_and_gradient
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler, scale

import lepton
from lepton.regression import (
    HuberRegressor,
    LogisticRegression,
    PoissonRegressor,
    QuantileRegressor,
    loss,
    objective,
    preconditioner,
    solvers,
)
from lepton.regression.huber import HuberObjective
from lepton.regression.objective import Objective

Array = np.ndarray[Any, Any]
SOLVERS = ["newton-cholesky", "lbfgs"]
both_solvers = pytest.mark.parametrize("solver", SOLVERS)


def close(a: Any, b: Any, tolerance: float) -> None:
    np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance * np.abs(b).max())


def problem(classes: int, n: int = 120, p: int = 4, dtype: Any = np.float64) -> Any:
    """Rows far from zero, labels that no line divides, and weights, some of them zero."""
    random = np.random.default_rng([classes, n, p])
    X = random.standard_normal((n, p)) * random.uniform(0.3, 3, p)
    scores = X @ random.standard_normal((p, classes)) + random.gumbel(size=(n, classes))
    return (X + 5).astype(dtype), scores.argmax(1), random.integers(0, 4, n).astype(dtype)


LOSSES = [
    (loss.BinomialLoss(), [-1.0, 1.0, 1.0]),
    (loss.MultinomialLoss(4), [0, 3, 1]),
    (loss.PoissonLoss(), [0.0, 2.0, 5.5]),
    (loss.HuberLoss(1.3, 0.7), [0.1, 2.0, -3.0]),
]
every_loss = pytest.mark.parametrize(
    ("kind", "y"), LOSSES, ids=[type(kind).__name__ for kind, _ in LOSSES]
)


@every_loss
def test_derivatives_of_losses(kind: Any, y: list[float]) -> None:
    eta = np.random.default_rng(0).standard_normal((kind.outputs, len(y)))
    target = np.array(y)
    _, gradient, curvature = kind.terms(lepton.asarray(eta), target)
    h = 1e-5
    for k in range(kind.outputs):
        shift = h * (np.arange(kind.outputs) == k)[:, None]
        up = kind.terms(lepton.asarray(eta + shift), target)
        down = kind.terms(lepton.asarray(eta - shift), target)
        np.testing.assert_allclose((up[0] - down[0]) / (2 * h), gradient[k], atol=1e-8)
        np.testing.assert_allclose((up[1][k] - down[1][k]) / (2 * h), curvature[k], atol=1e-8)


def objectives() -> list[Any]:
    X, y, weight = problem(3)
    made = [
        Objective(
            X if fit_intercept else np.asfortranarray(X),
            target,
            kind,
            weight=weight if fit_intercept else None,
            l2=0.3,
            fit_intercept=fit_intercept,
        )
        for fit_intercept in (True, False)
        for kind, target in [
            (loss.BinomialLoss(), 2.0 * (y == 1) - 1),
            (loss.MultinomialLoss(3), y),
            (loss.PoissonLoss(), 1.0 * y),
        ]
    ]
    huber = HuberObjective(X, X[:, 0] + y, weight, 1.2, 0.1, True)
    return [*made, huber]


@pytest.mark.parametrize("number", range(7))
def test_derivatives_of_objectives(number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Over several blocks of rows, the last one short, from both orders of memory."""
    monkeypatch.setattr(Objective, "_cached_rows", lambda self, least=0: 50)
    subject = objectives()[number]
    huber = isinstance(subject, HuberObjective)
    rows, size = subject.shape[0], subject.shape[1] + huber
    random = np.random.default_rng(1)
    params = 0.1 * random.standard_normal((rows, size))
    params[:, size - 1] = 0.8 if huber else params[:, size - 1] * subject.fit_intercept
    value, gradient, hessian = subject.second_order(params)
    if not huber:
        again, same = subject.first_order(params)
        np.testing.assert_allclose(again, value, rtol=1e-13)
        np.testing.assert_allclose(same, gradient, atol=1e-13)
    h = 1e-6
    for k in range(rows):
        for j in range(size):
            if j == size - 1 and not subject.fit_intercept:
                continue
            shift = np.zeros_like(params)
            shift[k, j] = h
            up, down = subject.second_order(params + shift), subject.second_order(params - shift)
            np.testing.assert_allclose((up[0] - down[0]) / (2 * h), gradient[k, j], atol=1e-8)
            np.testing.assert_allclose((up[1][k] - down[1][k]) / (2 * h), hessian[k, j], atol=1e-7)
    if not huber:
        np.testing.assert_allclose(subject.diagonal(params), np.einsum("kii->ki", hessian))


@both_solvers
@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("class_weight", [None, "balanced", {0: 2.0, 1: 0.5}])
@pytest.mark.parametrize("C", [0.3, np.inf])
def test_logistic_agrees_with_scikit_learn(
    solver: str, classes: int, fit_intercept: bool, class_weight: Any, C: float
) -> None:
    X, y, weight = problem(classes)
    options = {"C": C, "fit_intercept": fit_intercept, "class_weight": class_weight}
    ours = LogisticRegression(solver=solver, tol=1e-10, max_iter=1000, **options)
    ours.fit(X, y, weight)
    theirs = sk.LogisticRegression(solver="newton-cholesky", tol=1e-12, **options)
    theirs.fit(X, y, weight)
    close(ours.predict_proba(X), theirs.predict_proba(X), 1e-6)
    if np.inf > C:  # classes know theirs up to a constant otherwise
        close(ours.coef_, theirs.coef_, 1e-6)
    if classes == 2:
        close(ours.decision_function(X), theirs.decision_function(X), 1e-6)
    assert (ours.predict(X) == theirs.predict(X)).all()


def stationarity(model: Any, X: Array, y: Array) -> float:
    """How far zero is from the subgradient of the objective, by an independent computation."""
    penalty = 1 / (model.C * len(X))
    residual = model.predict_proba(X) - (y[:, None] == model.classes_)
    residual = residual[:, 1:] if len(model.classes_) == 2 else residual
    gradient = residual.T @ X / len(X) + (1 - model.l1_ratio) * penalty * model.coef_
    l1 = model.l1_ratio * penalty
    at_zero = np.maximum(np.abs(gradient) - l1, 0)
    excess = np.where(model.coef_ == 0, at_zero, np.abs(gradient + l1 * np.sign(model.coef_)))
    return float(max(excess.max(), np.abs(residual.mean(0)).max()))


@both_solvers
@pytest.mark.parametrize("classes", [2, 4])
@pytest.mark.parametrize("l1_ratio", [1.0, 0.4])
@pytest.mark.parametrize("wide", [False, True])
def test_l1_penalty_is_at_its_minimum(
    solver: str, classes: int, l1_ratio: float, wide: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The conditions of optimality of a convex problem; `wide` takes the diagonal of the model."""
    if wide:
        monkeypatch.setattr(preconditioner, "_WIDEST", 1)
    X, y, _ = problem(classes, n=200, p=12)
    model = LogisticRegression(
        C=0.05, l1_ratio=l1_ratio, solver=solver, tol=1e-9, max_iter=5000
    ).fit(X, y)
    # Where the value is flat up to rounding slopes are up to sqrt(2 curvature value eps) high.
    assert stationarity(model, X, y) <= 1e-7
    assert 0 < (model.coef_ == 0).sum() < model.coef_.size


def test_l1_agrees_with_saga() -> None:
    X, y = datasets.load_iris(return_X_y=True)
    X = scale(X)
    options = {"C": 0.5, "l1_ratio": 0.8, "max_iter": 5000}
    ours = LogisticRegression(tol=1e-10, **options).fit(X, y)
    theirs = sk.LogisticRegression(solver="saga", tol=1e-12, random_state=0, **options).fit(X, y)
    close(ours.coef_, theirs.coef_, 1e-6)
    close(ours.intercept_, theirs.intercept_, 1e-6)


@pytest.mark.parametrize("load", [datasets.load_breast_cancer, datasets.load_digits])
@both_solvers
def test_accuracy_is_that_of_scikit_learn(load: Any, solver: str) -> None:
    X, y = load(return_X_y=True)
    ours = LogisticRegression(C=0.1, tol=1e-8, max_iter=500, solver=solver)
    theirs = sk.LogisticRegression(C=0.1, tol=1e-8, max_iter=500)
    scores = [
        cross_val_score(make_pipeline(StandardScaler(), model), X, y, cv=3).mean()
        for model in (ours, theirs)
    ]
    assert scores[0] >= scores[1]


@both_solvers
def test_wide_and_large_shapes(solver: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The diagonal model, samples of rows, and a start on a part of the rows change no result."""
    X, y, weight = problem(2, n=9000, p=3)
    options: dict[str, Any] = {"solver": solver, "tol": 1e-10, "max_iter": 2000}
    usual = LogisticRegression(**options).fit(X, y, weight)
    theirs = sk.LogisticRegression(solver="newton-cholesky", tol=1e-12).fit(X, y, weight)
    close(usual.coef_, theirs.coef_, 1e-6)
    monkeypatch.setattr(preconditioner, "_WIDEST", 1)
    close(LogisticRegression(**options).fit(X, y, weight).coef_, theirs.coef_, 1e-6)


@both_solvers
def test_separable_classes(solver: str) -> None:
    """Without a penalty the likelihood has no maximum: probabilities go to 0 and 1."""
    X = np.array([[0.0], [1.0], [2.0], [10.0], [11.0], [12.0]])
    y = np.array(["low"] * 3 + ["high"] * 3)
    model = LogisticRegression(C=np.inf, solver=solver)
    with pytest.warns(ConvergenceWarning, match="no finite coefficients"):
        model.fit(X, y)
    assert (model.predict(X) == y).all()
    assert np.isfinite(model.coef_).all()
    assert model.predict_proba(X).max(1).min() > 0.99
    far = model.predict_log_proba([[1e6]])
    assert np.isfinite(far).all()
    assert far.min() < -1000


@pytest.mark.parametrize("dtype", ["int8", "int64", "bool", "float16", "uint8"])
def test_other_dtypes_become_float64(dtype: str) -> None:
    X = (np.random.default_rng(0).standard_normal((60, 3)) > 0).astype(dtype)
    y = X[:, 0].astype(int) ^ (np.arange(60) % 5 == 0)
    model = LogisticRegression().fit(X, y)
    assert model.coef_.dtype == np.float64
    close(model.coef_, LogisticRegression().fit(X.astype(float), y).coef_, 1e-12)


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("l1_ratio", [0.0, 1.0])
def test_single_precision_is_close(classes: int, l1_ratio: float) -> None:
    X, y, weight = problem(classes)
    options: dict[str, Any] = {"C": 0.5, "l1_ratio": l1_ratio, "tol": 1e-6}
    wide = LogisticRegression(**options).fit(X, y, weight)
    narrow = LogisticRegression(**options).fit(X.astype("f4"), y, weight)
    close(narrow.coef_, wide.coef_, 1e-4)


def test_warm_start() -> None:
    X, y, _ = problem(3)
    model = LogisticRegression(warm_start=True, tol=1e-8).fit(X, y)
    cold = model.n_iter_[0]
    assert model.fit(X, y).n_iter_[0] <= 1 < cold
    with pytest.raises(ValueError, match=r"warm start expects coefficients \(1, 4\), got \(3, 4\)"):
        model.fit(X, y > 0)


def test_iterations_that_run_out() -> None:
    X, y, _ = problem(3)
    with pytest.warns(ConvergenceWarning, match="after 2 iterations.* raise max_iter or tol"):
        LogisticRegression(max_iter=2).fit(X, y)


@pytest.mark.parametrize("kind", [LogisticRegression, PoissonRegressor, HuberRegressor])
def test_warnings_point_to_the_call_of_fit(kind: Any) -> None:
    X, y, _ = problem(2)
    with pytest.warns(ConvergenceWarning, match=f"{kind.__name__}: no convergence") as caught:
        kind(max_iter=1, tol=1e-12).fit(X, y)
    assert [warning.filename for warning in caught] == [__file__]


def test_a_search_that_fails_is_no_lack_of_iterations() -> None:
    """A wrong gradient leads uphill."""

    class Wrong(Objective):
        def first_order(self, params: Array) -> tuple[float, Array]:
            value, gradient = super().first_order(params)
            return value, -gradient

    X, y, _ = problem(2)
    wrong = Wrong(X, 2.0 * y - 1, loss.BinomialLoss(), weight=None, l2=0.0, fit_intercept=True)
    start = np.zeros(wrong.shape)
    solve = preconditioner.preconditioner(wrong)
    solution = solvers.lbfgs(wrong, start, precondition=solve, tol=1e-9, max_iter=50)
    with pytest.warns(ConvergenceWarning, match="no step lowered the objective") as caught:
        solution.warn("Model")
    assert "max_iter" not in str(caught[0].message)


BAD = [
    (LogisticRegression(C=0.0), "C expects a finite number > 0"),
    (LogisticRegression(C=np.nan), "C expects"),
    (LogisticRegression(l1_ratio=1.5), "l1_ratio expects"),
    (LogisticRegression(class_weight="even"), "class_weight expects"),
    (LogisticRegression(class_weight={"x": 1.0}), "class_weight expects keys"),
    (LogisticRegression(solver="newton"), "solver expects 'auto' or"),
    (PoissonRegressor(alpha=-1.0), "alpha expects"),
    (HuberRegressor(epsilon=0.5), "epsilon expects a finite number >= 1"),
    (QuantileRegressor(quantile=1.0), "quantile expects"),
]


@pytest.mark.parametrize(("model", "message"), BAD, ids=[m for _, m in BAD])
def test_parameters_out_of_range(model: Any, message: str) -> None:
    X, y, _ = problem(2)
    with pytest.raises(ValueError, match=message):
        model.fit(X, y)


@pytest.mark.parametrize("kind", [LogisticRegression, PoissonRegressor, HuberRegressor])
def test_weights_of_zero_alone_are_refused(kind: Any) -> None:
    X, y, _ = problem(2)
    with pytest.raises(ValueError, match=r"[Ss]ample.weight"):
        kind().fit(X, y, np.zeros(len(y)))


@both_solvers
@pytest.mark.parametrize("alpha", [0.0, 0.5])
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_poisson_agrees_with_scikit_learn(solver: str, alpha: float, fit_intercept: bool) -> None:
    X, _, weight = problem(2)
    X = X - 4
    y = np.random.default_rng(0).poisson(np.exp(X @ [0.3, -0.2, 0.1, 0.05]))
    options = {"alpha": alpha, "fit_intercept": fit_intercept}
    ours = PoissonRegressor(solver=solver, tol=1e-10, max_iter=1000, **options).fit(X, y, weight)
    theirs = sk.PoissonRegressor(solver="newton-cholesky", tol=1e-12, **options).fit(X, y, weight)
    close(ours.coef_, theirs.coef_, 1e-6)
    close(ours.predict(X), theirs.predict(X), 1e-6)
    for w in (None, weight):
        assert ours.score(X, y, w) == pytest.approx(theirs.score(X, y, w), abs=1e-9)


def test_poisson_refuses_negative_counts() -> None:
    with pytest.raises(ValueError, match="y expects numbers >= 0, got -1"):
        PoissonRegressor().fit([[0.0], [1.0]], [2.0, -1.0])


def test_poisson_survives_steps_that_overflow() -> None:
    X, y = np.array([[0.0], [1.0], [2.0]]), [1.0, 2.0, 4.0]
    model = PoissonRegressor(alpha=0.0, warm_start=True, tol=1e-9).fit(X, y)
    model.coef_, model.intercept_ = np.array([0.0]), -10.0
    close(model.fit(X, y).predict(X), y, 1e-8)


@both_solvers
def test_rows_of_no_weight_may_overflow(solver: str) -> None:
    model = PoissonRegressor(alpha=0.0, solver=solver, tol=1e-9)
    model.fit([[0.0], [1.0], [2.0], [1e6]], [1.0, 2.0, 4.0, 0.0], [1.0, 1.0, 1.0, 0.0])
    close(model.coef_, [np.log(2)], 1e-8)


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("epsilon", [1.1, 1.35, 3.0])
def test_huber_is_at_the_minimum_of_scikit_learn(epsilon: float, fit_intercept: bool) -> None:
    X, y = datasets.load_diabetes(return_X_y=True)
    weight = np.random.default_rng(0).integers(0, 3, len(y)).astype(float)
    model = HuberRegressor(epsilon=epsilon, alpha=0.01, fit_intercept=fit_intercept)
    model.fit(X, y, weight)
    params = np.r_[model.coef_, [model.intercept_] * fit_intercept, model.scale_]
    value, gradient = _huber_loss_and_gradient(params, X, y, epsilon, 0.01, weight)
    assert np.abs(gradient).max() <= 1e-9 * value
    theirs = sk.HuberRegressor(
        epsilon=epsilon, alpha=0.01, fit_intercept=fit_intercept, max_iter=10_000
    ).fit(X, y, weight)
    assert (model.outliers_ != theirs.outliers_).sum() <= 3  # theirs stops earlier
    close(model.predict(X), theirs.predict(X), 1e-3)


def test_huber_scales_with_the_target() -> None:
    X, y = datasets.load_diabetes(return_X_y=True)
    small, large = HuberRegressor(alpha=0.0).fit(X, y), HuberRegressor(alpha=0.0).fit(X, 1e4 * y)
    close(large.coef_, 1e4 * small.coef_, 1e-8)
    assert large.scale_ == pytest.approx(1e4 * small.scale_, rel=1e-8)


def test_huber_of_a_perfect_fit() -> None:
    X = np.arange(6.0)[:, None]
    model = HuberRegressor(alpha=0.0).fit(X, 3 * X[:, 0] + 2)
    close(model.predict(X), 3 * X[:, 0] + 2, 1e-9)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("noise", [0.0, 1e-12, 1e-9, 1e-6])
@pytest.mark.parametrize("alpha", [0.0, 1e-4])
def test_huber_of_a_nearly_perfect_fit(noise: float, alpha: float) -> None:
    """A penalty moves the coefficients in proportion to the scale, which is next to nothing."""
    random = np.random.default_rng(0)
    X = random.standard_normal((60, 4))
    model = HuberRegressor(alpha=alpha).fit(X, X[:, 0] + noise * random.standard_normal(60))
    np.testing.assert_allclose(model.coef_, [1, 0, 0, 0], rtol=0, atol=1e-13 + noise)
    assert model.scale_ <= 1e-13 + 2 * noise


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(("dtype", "tolerance"), [("f8", 1e-12), ("f4", 1e-6)])
def test_huber_of_a_perfect_fit_with_outliers(dtype: str, tolerance: float) -> None:
    X = np.random.default_rng(0).standard_normal((60, 4)).astype(dtype)
    for outliers in (0, 3):
        y = X[:, 0].copy()
        y[:outliers] += 5
        model = HuberRegressor().fit(X, y)
        np.testing.assert_allclose(model.coef_, [1, 0, 0, 0], rtol=0, atol=tolerance)
        assert model.outliers_[:outliers].all()


@pytest.mark.parametrize("alpha", [65.0, 80.0, 100.0])
def test_huber_leaves_a_perfect_fit_that_the_penalty_forbids(alpha: float) -> None:
    X = np.random.default_rng(0).standard_normal((60, 4))
    model = HuberRegressor(alpha=alpha).fit(X, X[:, 0])
    params = np.r_[model.coef_, model.intercept_, model.scale_]
    value, gradient = _huber_loss_and_gradient(params, X, X[:, 0], 1.35, alpha, np.ones(60))
    assert np.abs(gradient).max() <= 1e-6 * value


def test_huber_warm_start() -> None:
    X, y = datasets.load_diabetes(return_X_y=True)
    model = HuberRegressor(warm_start=True).fit(X, y[0] + X[:, 0])
    assert model.scale_ < 1e-6
    close(model.fit(X, y).coef_, HuberRegressor().fit(X, y).coef_, 1e-6)
    model.scale_ = 0.0
    close(model.fit(X, y).coef_, HuberRegressor().fit(X, y).coef_, 1e-6)
    with pytest.raises(
        ValueError, match=r"warm start expects coefficients \(1, 2\), got \(1, 10\)"
    ):
        model.fit(X[:, :2], y)


def test_quantile_within_limits_too_tight() -> None:
    X, y = datasets.load_diabetes(return_X_y=True)
    with pytest.raises(ValueError, match=r"solver_options expects limits .* got {'maxiter': 1}"):
        QuantileRegressor(solver_options={"maxiter": 1}).fit(X, y)


@pytest.mark.parametrize("quantile", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_quantile_agrees_with_scikit_learn(quantile: float, fit_intercept: bool) -> None:
    X, y = datasets.load_diabetes(return_X_y=True)
    weight = np.random.default_rng(0).integers(0, 3, len(y)).astype(float)
    options = {"quantile": quantile, "alpha": 0.001, "fit_intercept": fit_intercept}
    ours = QuantileRegressor(**options).fit(X, y, weight)
    theirs = sk.QuantileRegressor(**options).fit(X, y, weight)

    def value(model: Any) -> float:
        residual = y - model.predict(X)
        pinball = np.maximum(quantile * residual, (quantile - 1) * residual)
        return float(np.average(pinball, weights=weight) + 0.001 * np.abs(model.coef_).sum())

    assert value(ours) == pytest.approx(value(theirs), rel=1e-9)
    if fit_intercept:
        below = np.average(y <= ours.predict(X) + 1e-9, weights=weight)
        assert below == pytest.approx(quantile, abs=12 / weight.sum())


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("kind", ["logistic", "poisson"])
def test_summary_is_large_sample_theory(kind: str, fit_intercept: bool) -> None:
    X, y, _ = problem(2)
    model: Any
    if kind == "logistic":
        model = LogisticRegression(C=np.inf, tol=1e-12, fit_intercept=fit_intercept).fit(X, y)
        mean = model.predict_proba(X)[:, 1]
        variance, likelihood = mean * (1 - mean), stats.bernoulli.logpmf(y, mean).sum()
    else:
        model = PoissonRegressor(alpha=0.0, tol=1e-12, fit_intercept=fit_intercept).fit(X, y)
        mean = model.predict(X)
        variance, likelihood = mean, stats.poisson.logpmf(y, mean).sum()
    design = np.column_stack([np.ones(len(X)), X]) if fit_intercept else X
    errors = np.sqrt(np.diag(np.linalg.inv(design.T @ (design * variance[:, None]))))
    table = model.summary()
    close(table.std_err, errors, 1e-8)
    coef = np.r_[np.ravel(model.intercept_) if fit_intercept else [], np.ravel(model.coef_)]
    close(table.coef, coef, 1e-8)
    close(table.p_value, 2 * stats.norm.sf(np.abs(coef / errors)), 1e-6)
    assert table.statistic_name == "z"
    assert table.measures["log-likelihood"] == pytest.approx(likelihood, rel=1e-9)


def test_summary_wants_a_likelihood() -> None:
    X, y, _ = problem(2)
    for model in (LogisticRegression(), PoissonRegressor()):
        with pytest.raises(ValueError, match="summary: expects a fit without"):
            model.fit(X, y).summary()


def test_blocks_do_not_change_results(monkeypatch: pytest.MonkeyPatch) -> None:
    X, y, weight = problem(3, n=1000)
    whole = LogisticRegression(tol=1e-10).fit(X, y, weight)
    monkeypatch.setattr(objective, "_CACHE", 1)
    close(LogisticRegression(tol=1e-10).fit(X, y, weight).coef_, whole.coef_, 1e-8)
