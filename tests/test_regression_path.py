"""Lasso and elastic net: scikit-learn's results, conditions of optimality, folds, the op below."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import _thread
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import sklearn.linear_model as reference
from scipy.optimize import nnls
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import KFold, ShuffleSplit

import lepton
from lepton import _core, regression
from lepton.regression import ElasticNet, ElasticNetCV, Lasso, LassoCV, enet_path, lasso_path
from lepton.regression.coordinate_descent import Products, Rows, Rule

Array = np.ndarray[Any, Any]
# Both sides stop at a duality gap of 1e-12 of the target's square or less.
TIGHT: dict[str, Any] = {"tol": 1e-12, "max_iter": 100_000}
CLOSE = 1e-6


def sample(rows: int, columns: int, correlation: float = 0.5, seed: int = 0) -> tuple[Array, Array]:
    """Neighbouring columns are correlated; ten of them count."""
    random = np.random.default_rng([seed, rows, columns])
    X = random.standard_normal((rows, columns))
    for j in range(1, columns):
        X[:, j] = correlation * X[:, j - 1] + np.sqrt(1 - correlation**2) * X[:, j]
    coef = np.zeros(columns)
    coef[random.permutation(columns)[:10]] = 3 * random.standard_normal(min(10, columns))
    return X + random.standard_normal(columns), X @ coef + random.standard_normal(rows)


def degenerate(rows: int, columns: int) -> tuple[Array, Array]:
    """The same with a constant column, one of zeros, and two that are equal but for their sign."""
    X, y = sample(rows, columns)
    X[:, 1], X[:, 2] = 7.3, 0.0
    X[:, 4] = -X[:, 3]
    return X, y


SAMPLES: dict[str, Callable[[], tuple[Array, Array]]] = {
    "tall": lambda: sample(200, 20),
    "correlated": lambda: sample(150, 30, 0.95),
    "wide": lambda: sample(40, 90),
    "very wide": lambda: sample(50, 700),
    "degenerate": lambda: degenerate(60, 12),
}
every_sample = pytest.mark.parametrize("name", SAMPLES)


def close(found: Any, expected: Any) -> None:
    scale = np.max(np.abs(expected), initial=1e-12)
    np.testing.assert_allclose(found, expected, rtol=0, atol=CLOSE * scale)


@every_sample
@pytest.mark.parametrize("weighted", [False, True], ids=["", "weighted"])
@pytest.mark.parametrize("l1_ratio", [1.0, 0.4])
@pytest.mark.parametrize(
    "options", [{}, {"positive": True}, {"selection": "random", "random_state": 0}], ids=str
)
def test_estimators_agree_with_scikit_learn(
    name: str, weighted: bool, l1_ratio: float, options: dict[str, Any]
) -> None:
    X, y = SAMPLES[name]()
    weight = np.random.default_rng(1).random(len(X)) + 0.1 if weighted else None
    kind = "Lasso" if l1_ratio == 1 else "ElasticNet"
    parameters = {"alpha": 0.1, **TIGHT, **options} | ({} if l1_ratio == 1 else {"l1_ratio": 0.4})
    if name == "degenerate" and l1_ratio == 1:
        X[:, 4] = 2.0  # equal columns have no unique coefficients
    expected = getattr(reference, kind)(**parameters).fit(X, y, weight)
    found = getattr(regression, kind)(**parameters).fit(X, y, weight)
    close(found.coef_, expected.coef_)
    close(found.intercept_, expected.intercept_)
    close(found.predict(X), expected.predict(X))
    assert type(found.n_iter_) is int
    assert found.sparse_coef_.shape == (1, X.shape[1])


@pytest.mark.parametrize("name", ["tall", "wide", "very wide"])
@pytest.mark.parametrize("positive", [False, True])
def test_paths_agree_with_scikit_learn(name: str, positive: bool) -> None:
    X, y = SAMPLES[name]()
    X, y = X - X.mean(0), y - y.mean()
    options = {"alphas": 20, "positive": positive, "return_n_iter": True, **TIGHT}
    for found, expected in (
        (lasso_path(X, y, eps=0.02, **options), reference.lasso_path(X, y, eps=0.02, **options)),
        (enet_path(X, y, **options), reference.enet_path(X, y, **options)),
    ):
        close(found[0], expected[0])
        close(found[1], expected[1])
        assert found[2].shape == expected[2].shape
        assert len(found[3]) == 20


def test_targets_are_fitted_one_by_one() -> None:
    X, y = sample(80, 15)
    Y = np.column_stack([y, -y + X[:, 0], X[:, 3]])
    expected = reference.Lasso(0.1, **TIGHT).fit(X, Y)
    found = Lasso(0.1, **TIGHT).fit(X, Y)
    close(found.coef_, expected.coef_)
    close(found.intercept_, expected.intercept_)
    assert found.dual_gap_.shape == (3,)
    assert len(found.n_iter_) == 3
    close(found.predict(X), expected.predict(X))


@every_sample
@pytest.mark.parametrize("positive", [False, True])
def test_conditions_of_optimality(name: str, positive: bool) -> None:
    X, y = SAMPLES[name]()
    alpha, l1_ratio = 0.05, 0.7
    model = ElasticNet(alpha, l1_ratio=l1_ratio, positive=positive, **TIGHT).fit(X, y)
    residual = y - model.predict(X)
    coef = model.coef_
    slope = (X - X.mean(0)).T @ residual / len(X) - alpha * (1 - l1_ratio) * coef
    bound = alpha * l1_ratio
    noise = 1e-7 * np.abs(X - X.mean(0)).max() * np.abs(y - y.mean()).max()
    assert abs(residual.sum()) < noise * len(y)
    assert np.all(np.abs(slope - bound * np.sign(coef))[coef != 0] < noise)
    outside = slope if positive else np.abs(slope)
    assert np.all(outside[coef == 0] < bound + noise)
    assert not positive or np.all(coef >= 0)


def gap(X: Array, y: Array, coef: Array, alpha: float, l1_ratio: float) -> float:
    """Primal minus dual objective at the residual, scaled until it is feasible."""
    l1, l2 = alpha * l1_ratio * len(X), alpha * (1 - l1_ratio) * len(X)
    residual = y - X @ coef
    squares = residual @ residual + l2 * coef @ coef
    scale = min(1.0, l1 / np.abs(X.T @ residual - l2 * coef).max())
    primal = squares / 2 + l1 * np.abs(coef).sum()
    return float(primal - scale * residual @ y + scale**2 * squares / 2) / len(X)


@pytest.mark.parametrize("name", ["tall", "wide", "very wide"])
def test_duality_gaps_are_true_and_small_enough(name: str) -> None:
    X, y = SAMPLES[name]()
    X, y = X - X.mean(0), y - y.mean()
    largest = np.inf
    for tol in (1e-2, 1e-5, 1e-9):
        alphas, coefs, gaps = enet_path(X, y, alphas=20, tol=tol, max_iter=100_000)
        own = [gap(X, y, c, a, 0.5) for c, a in zip(coefs.T, alphas, strict=True)]
        np.testing.assert_allclose(gaps, own, rtol=1e-6, atol=1e-13 * (y @ y))
        assert np.all(gaps <= tol * (y @ y) / len(y))
        assert gaps.max() < largest
        largest = gaps.max()


@pytest.mark.parametrize("alpha", [0.0, 0.1])
@pytest.mark.parametrize("columns", [20, 700])
@pytest.mark.filterwarnings("error::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.filterwarnings("ignore:.*LinearRegression:UserWarning")
def test_coefficients_held_at_zero_leave_no_gap_without_l1(alpha: float, columns: int) -> None:
    X, y = sample(60, columns)
    X, y = X - X.mean(0), y - y.mean()
    l2 = alpha * len(X)
    rows = np.vstack([X, np.sqrt(l2) * np.eye(columns)])
    expected = nnls(rows, np.append(y, np.zeros(columns)))[0]
    model = ElasticNet(alpha, l1_ratio=0.0, positive=True, **TIGHT).fit(X, y)
    assert (expected == 0).any()
    if alpha:  # else more columns than rows have no unique coefficients
        close(model.coef_, expected)
        assert model.dual_gap_ <= 1e-12 * (y @ y) / len(y)
    assert model.n_iter_ < TIGHT["max_iter"]


@pytest.mark.parametrize("sweeps", [1, 2, 5])
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_gaps_after_too_few_sweeps_are_those_of_all_columns(sweeps: int) -> None:
    X, y = sample(50, 700)
    X, y = X - X.mean(0), y - y.mean()
    alphas, coefs, gaps = enet_path(X, y, alphas=[0.5, 0.01], max_iter=sweeps)
    own = [gap(X, y, c, a, 0.5) for c, a in zip(coefs.T, alphas, strict=True)]
    np.testing.assert_allclose(gaps, own, rtol=1e-6)


def test_no_coefficient_from_the_largest_alpha_on() -> None:
    X, y = sample(60, 10)
    alphas, coefs, _ = lasso_path(X - X.mean(0), y - y.mean())
    assert len(alphas) == 100
    assert not coefs[:, 0].any()
    assert coefs[:, 5].any()
    model = Lasso(alphas[0] * 1.001).fit(X, y)
    assert not model.coef_.any()
    assert model.intercept_ == pytest.approx(y.mean())
    assert model.n_iter_ == 0


def test_alpha_zero_is_least_squares_with_a_warning() -> None:
    X, y = sample(60, 5)
    with pytest.warns(UserWarning, match="LinearRegression"):
        model = Lasso(0.0, **TIGHT).fit(X, y)
    close(model.coef_, np.linalg.lstsq(X - X.mean(0), y - y.mean(), rcond=None)[0])


def test_too_few_sweeps_are_told() -> None:
    X, y = sample(150, 30, 0.95)
    with pytest.warns(ConvergenceWarning, match="Lasso: 1 of 1 solutions did not converge"):
        model = Lasso(0.01, tol=1e-10, max_iter=3).fit(X, y)
    assert model.n_iter_ == 3


def test_warm_start_begins_at_the_last_solution() -> None:
    X, y = sample(150, 30, 0.9)
    model = Lasso(0.05, warm_start=True).fit(X, y)
    first = model.n_iter_
    assert model.fit(X, y).n_iter_ < first
    wide = sample(50, 700)
    large = Lasso(0.05, warm_start=True).fit(*wide)
    again = large.coef_.copy()
    close(large.fit(*wide).coef_, again)


def test_a_given_matrix_is_used() -> None:
    X, y = sample(70, 8)
    X, y = X - X.mean(0), y - y.mean()
    plain = Lasso(0.1, **TIGHT).fit(X, y)
    given = Lasso(0.1, precompute=X.T @ X, **TIGHT).fit(X, y)
    close(given.coef_, plain.coef_)
    path = lasso_path(X, y, alphas=[0.1], precompute=X.T @ X, Xy=X.T @ y, **TIGHT)
    close(path[1][:, 0], plain.coef_)
    with pytest.warns(UserWarning, match="computed anew"):
        shifted = Lasso(0.1, precompute=X.T @ X, **TIGHT).fit(X + 1, y)
    close(shifted.coef_, plain.coef_)
    with pytest.raises(ValueError, match=r"Lasso: precompute expects X'X of shape \(8, 8\)"):
        Lasso(precompute=np.eye(3)).fit(X, y)


@pytest.mark.parametrize("weighted", [False, True], ids=["", "weighted"])
@pytest.mark.parametrize(
    ("rows", "columns", "cv"),
    [
        (120, 12, 5),
        (120, 12, KFold(4, shuffle=True, random_state=0)),
        (90, 12, ShuffleSplit(3, random_state=0)),
        (45, 400, 3),
    ],
)
def test_cross_validation_agrees_with_scikit_learn(
    rows: int, columns: int, cv: Any, weighted: bool
) -> None:
    X, y = sample(rows, columns)
    weight = np.random.default_rng(1).random(rows) + 0.1 if weighted else None
    options = {"cv": cv, "alphas": 15, "eps": 0.02, **TIGHT}
    pairs: list[tuple[Any, Any]] = [(LassoCV(**options), reference.LassoCV(**options))]
    if columns < 100:
        options["l1_ratio"] = [0.3, 0.9]
        pairs.append((ElasticNetCV(**options), reference.ElasticNetCV(**options)))
    for found, expected in pairs:
        found.fit(X, y, weight)
        expected.fit(X, y, sample_weight=weight)
        for name in ("alphas_", "mse_path_", "alpha_", "coef_", "intercept_"):
            close(getattr(found, name), getattr(expected, name))
        assert getattr(found, "l1_ratio_", None) == getattr(expected, "l1_ratio_", None)


@pytest.mark.parametrize("columns", [12, 400])
@pytest.mark.parametrize("weighted", [False, True], ids=["", "weighted"])
def test_rows_count_as_often_as_a_split_names_them(columns: int, weighted: bool) -> None:
    X, y = sample(60, columns)
    random = np.random.default_rng(0)
    weight = random.random(60) + 0.1 if weighted else None
    drawn = [random.integers(0, 60, 60) for _ in range(2)]
    splits = [(train, np.setdiff1d(np.arange(60), train)) for train in drawn]
    options = {"cv": splits, "alphas": 5, "eps": 0.1, **TIGHT}
    found = LassoCV(**options).fit(X, y, weight)
    expected = reference.LassoCV(**options).fit(X, y, sample_weight=weight)
    close(found.mse_path_, expected.mse_path_)


@pytest.mark.parametrize(("split", "side"), [(0, "test"), (1, "training")])
def test_splits_without_weight_are_named(split: int, side: str) -> None:
    X, y = sample(40, 3)
    weight = np.repeat([0.0, 1.0], 20)
    halves = np.arange(20), np.arange(20, 40)
    cv = [(halves[1], halves[split]), (halves[0], halves[1])]
    message = f"^LassoCV: cv expects {side} rows with a weight above 0 .* got none in split {split}"
    with pytest.raises(ValueError, match=message):
        LassoCV(cv=cv).fit(X, y, weight)


def test_folds_keep_their_digits() -> None:
    """Where differences of sums would cancel: a column that one fold alone fills, a far mean."""
    X, y = sample(100, 6)
    X[:20, 2] *= 1e7
    X[20:, 2] *= 1e-3
    X[:, 3] += 1e6
    options = {"alphas": [0.1, 0.01], "cv": 5, "tol": 1e-10, "max_iter": 100_000}
    found = LassoCV(**options).fit(X, y)
    expected = reference.LassoCV(precompute=False, **options).fit(X, y)
    np.testing.assert_allclose(found.mse_path_, expected.mse_path_, rtol=CLOSE)


def test_jobs_change_nothing() -> None:
    X, y = sample(120, 12)
    one, two = LassoCV(alphas=10).fit(X, y), LassoCV(alphas=10, n_jobs=2).fit(X, y)
    np.testing.assert_array_equal(one.mse_path_, two.mse_path_)
    np.testing.assert_array_equal(one.coef_, two.coef_)


@pytest.mark.parametrize(("rows", "columns"), [(3000, 60), (60, 3000)])
def test_same_bits_for_any_number_of_threads(rows: int, columns: int) -> None:
    X, y = sample(rows, columns)
    X, y = X - X.mean(0), y - y.mean()
    results = []
    for threads in (1, 2):
        lepton.set_num_threads(threads)
        results.append(
            [
                Lasso(1.0).fit(X, y).coef_,
                enet_path(X, y, alphas=5, eps=0.3)[1],
                LassoCV(alphas=5, eps=0.3, cv=3).fit(X, y).mse_path_,
            ]
        )
    for one, two in zip(*results, strict=True):
        np.testing.assert_array_equal(one, two)


def test_rows_and_products_give_the_same() -> None:
    X, y = sample(300, 40, 0.8)
    weight = np.random.default_rng(1).random(300)
    rule = Rule(tol=1e-12, max_iter=100_000)
    start = np.random.default_rng(2).standard_normal(40)
    few, many = (kind(X, y[:, None], weight, True) for kind in (Products.of, Rows))
    alphas = np.geomspace(1, 1e-3, 7)
    for begin in (None, start):
        paths = [work.path(alphas, 0.9, rule, start=begin) for work in (few, many)]
        close(paths[0].coefs, paths[1].coefs)


def test_float32_is_enough_for_its_digits() -> None:
    for rows, columns in ((200, 20), (50, 700)):
        X, y = sample(rows, columns)
        wide = Lasso(0.1, tol=1e-6).fit(X, y)
        narrow = Lasso(0.1, tol=1e-6).fit(X.astype("f4"), y.astype("f4"))
        assert narrow.coef_.dtype == np.float32
        np.testing.assert_allclose(narrow.coef_, wide.coef_, atol=1e-3 * np.abs(wide.coef_).max())


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (Lasso(-1.0), "Lasso: alpha expects a finite number >= 0"),
        (ElasticNet(l1_ratio=1.5), "ElasticNet: l1_ratio expects"),
        (Lasso(max_iter=0), "Lasso: max_iter expects an integer >= 1"),
        (Lasso(tol=-1.0), "Lasso: tol expects"),
        (Lasso(selection="best"), "Lasso: selection expects 'cyclic' or 'random'"),
        (LassoCV(alphas=0), "LassoCV: alphas expects an integer >= 1"),
        (LassoCV(alphas=[]), "LassoCV: alphas expects at least one number"),
        (LassoCV(eps=0.0), "LassoCV: eps expects"),
        (ElasticNetCV(l1_ratio=0.0), "ElasticNetCV: alphas expects a sequence where l1_ratio is 0"),
    ],
)
def test_bad_parameters_are_refused(model: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        model.fit(*sample(30, 3))


@pytest.mark.parametrize("shape", [(30, 8), (3, 400)], ids=["products", "rows"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("given", [False, True], ids=["", "matrix"])
def test_paths_refuse_what_is_not_finite(
    shape: tuple[int, int], dtype: type, value: float, given: bool
) -> None:
    X = np.ones(shape, dtype)
    X[1, 2] = value
    with pytest.raises(ValueError, match="contains"):
        lasso_path(X, np.arange(len(X)), precompute=np.eye(X.shape[1]) if given else "auto")


@pytest.mark.parametrize("columns", [8, 400], ids=["products", "rows"])
@pytest.mark.parametrize("size", [1e80, 1e-80])
def test_paths_refuse_numbers_whose_squares_are_lost(columns: int, size: float) -> None:
    X, y = sample(30, columns)
    X[:, 1] *= size
    with pytest.raises(ValueError, match=r"lasso_path: X expects .* in column 1: scale it"):
        lasso_path(X, y)


def test_paths_refuse_several_targets() -> None:
    X, y = sample(30, 3)
    with pytest.raises(ValueError, match=r"lasso_path: y expects shape \(30,\), .*got \(30, 2\)"):
        lasso_path(X, np.column_stack([y, y]))


def descend(gram: Array, xy: Array, l1: float, **options: Any) -> tuple[Array, float, int]:
    """One solution of the op, without a target."""
    coef = lepton.asarray(options.pop("start", np.zeros((1, len(xy)))))
    arrays = [lepton.asarray(a) for a in (gram, xy)]
    penalties = [lepton.asarray(np.array([v])) for v in (l1, 0.0)]
    gaps, sweeps = _core.coordinate_descent(coef, *arrays, None, *penalties, **options)
    return coef.numpy()[0], gaps.item(), sweeps.item()


def test_op_takes_any_matrix_and_a_factor_for_each_coordinate() -> None:
    X, y = sample(100, 9)
    gram, xy = X.T @ X, X.T @ y
    factor = np.arange(9.0)  # the first is free
    coef, worst, sweeps = descend(
        gram, xy, 20.0, factor=lepton.asarray(factor), tol=1e-13, max_iter=10_000
    )
    slope = xy - gram @ coef
    bound = 20 * factor
    assert worst <= 1e-13 * np.abs(xy).max()
    assert 1 < sweeps < 10_000
    np.testing.assert_allclose(slope[coef != 0], (bound * np.sign(coef))[coef != 0], atol=1e-8)
    assert np.all(np.abs(slope) <= bound + 1e-8)
    assert slope[0] == pytest.approx(0, abs=1e-8)
    start = np.ones((1, 9))
    again = descend(gram, xy, 20.0, factor=lepton.asarray(factor), tol=1e-13, start=start)
    close(again[0], coef)


def test_op_may_write_over_its_operands() -> None:
    X, y = sample(100, 9)
    gram, xy = lepton.asarray(X.T @ X), lepton.asarray(X.T @ y)
    penalties = (lepton.asarray(a) for a in (np.array([300.0, 30.0, 3.0]), np.zeros(3)))
    rest = xy, float(y @ y), *penalties, None, 1e-12, 10_000
    expected = lepton.asarray(np.zeros((3, 9)))
    _core.coordinate_descent(expected, gram, *rest)
    found = gram[:3]
    _core.coordinate_descent(found, gram, *rest)
    close(found.numpy(), expected.numpy())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"tol": -1.0}, "tol expects a number of at least 0"),
        ({"max_iter": 0}, "max_iter expects a count from 1"),
        ({"l1": -1.0}, "l1 expects numbers of at least 0"),
        ({"gram": np.eye(2)}, r"gram expects shape \[3, 3\]"),
    ],
)
def test_op_refuses_what_it_cannot_do(options: dict[str, Any], message: str) -> None:
    arguments = {"gram": np.eye(3), "xy": np.ones(3), "l1": 1.0, **options}
    with pytest.raises(ValueError, match=f"coordinate_descent: {message}"):
        descend(**arguments)


@pytest.mark.parametrize(
    ("options", "kind", "message"),
    [
        ({"weight": np.array([1.0, -1.0])}, ValueError, "weight expects numbers of at least 0"),
        ({"weight": np.array([1.0, np.nan])}, ValueError, "weight expects numbers of at least 0"),
        ({"weight": np.ones(3)}, ValueError, r"weight expects shape \[2\], got \[3\]"),
        ({"shift": np.ones(3)}, ValueError, r"shift expects shape \[4\], got \[3\]"),
        ({"shift": np.ones(4, int)}, TypeError, "shift expects float32 or float64, got int64"),
    ],
)
def test_sums_of_products_refuse_bad_operands(
    options: dict[str, Any], kind: type[Exception], message: str
) -> None:
    X, y = np.ones((2, 3)), np.ones((2, 1))
    with pytest.raises(kind, match=f"^gram: {message}"):
        _core.gram(
            *map(lepton.asarray, (X, y)), **{k: lepton.asarray(v) for k, v in options.items()}
        )


def test_long_calls_can_be_interrupted() -> None:
    random = np.random.default_rng(0)
    columns = random.standard_normal((300, 1)) + 1e-4 * random.standard_normal((300, 400))
    timer = threading.Timer(0.2, _thread.interrupt_main)
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        descend(
            columns.T @ columns, columns.T @ random.standard_normal(300), 0.0, tol=0.0,
            max_iter=2_000_000,
        )  # fmt: skip
    timer.join()
