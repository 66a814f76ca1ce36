# SPDX-License-Identifier: Apache-2.0
"""Any module as an estimator: parameters, shapes, losses, searches, files, bad input."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import lepton
from lepton import Tensor, nn, optim
from lepton.tabular import MLPRegressor, NeuralClassifier, NeuralRegressor
from lepton.tabular.layers import perceptron

Array = np.ndarray[Any, Any]


class Net(nn.Module):
    """One hidden layer, that knows from the estimator how wide its ends are."""

    def __init__(self, in_features: int, out_features: int, hidden: int = 8) -> None:
        super().__init__()
        self.hidden = nn.Linear(in_features, hidden)
        self.out = nn.Linear(hidden, out_features)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(nn.functional.relu(self.hidden(x)))


class OneScore(nn.Module):
    """One number for each sample, without an axis of its own."""

    def __init__(self, in_features: int) -> None:
        super().__init__()
        self.linear = nn.Linear(in_features, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.linear(x).reshape(-1)


def convolutional(channels: int = 8) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, channels, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
        nn.Linear(channels * 16, 10),
    )  # fmt: skip


def table(rows: int = 200, classes: int = 0) -> tuple[Array, Array]:
    random = np.random.default_rng(rows)
    X = random.standard_normal((rows, 3)).astype(np.float32)
    y = (X @ [1, -2, 0.5]).astype(np.float32)
    return X, (np.digitize(y, np.quantile(y, np.arange(1, classes) / classes)) if classes else y)


QUICK: dict[str, Any] = {"lr": 0.05, "max_epochs": 20, "batch_size": 32, "random_state": 0}


def test_images_go_through_convolutions() -> None:
    X, y = load_digits(return_X_y=True)
    X = (X / 16).astype(np.float32).reshape(-1, 1, 8, 8)
    model = NeuralClassifier(convolutional, **{**QUICK, "lr": 0.01, "max_epochs": 5})
    model.fit(X[:1200], y[:1200])
    assert model.score(X[1200:], y[1200:]) > 0.9
    assert model.predict_proba(X[:7]).shape == (7, 10)
    assert model.predict_proba(X[:7]).dtype == np.float32


@pytest.mark.parametrize("module", [Net, OneScore])
def test_two_classes_take_two_scores_or_one(module: Any) -> None:
    X, y = table(classes=2)
    names = np.array(["no", "yes"])[y]
    model = NeuralClassifier(module, validation_fraction=0.2, class_weight="balanced", **QUICK)
    assert model.fit(X, names).score(X, names) > 0.95
    assert model.history_.last["val_accuracy"] > 0.9
    np.testing.assert_allclose(model.predict_proba(X).sum(axis=1), 1, rtol=1e-6)


@pytest.mark.parametrize("targets", [1, 2])
def test_regressors_have_any_number_of_targets(targets: int) -> None:
    X, y = table()
    wanted = y if targets == 1 else np.column_stack([y, -y])
    model = NeuralRegressor(Net, module__hidden=16, **QUICK).fit(X, wanted)
    assert model.predict(X).shape == wanted.shape
    assert model.score(X, wanted) > 0.95
    if targets == 1:
        assert NeuralRegressor(OneScore, **QUICK).fit(X, y).score(X, y) > 0.95


def test_it_is_the_perceptron_of_the_same_parameters() -> None:
    """Half the squared error with half the gradient: SGD with twice the rate does the same."""
    X, y = table()
    mlp = MLPRegressor(
        hidden_layer_sizes=8, solver="sgd", learning_rate_init=0.02, alpha=0, max_iter=5,
        batch_size=32, random_state=0, n_iter_no_change=np.inf,
    ).fit(X, y)  # fmt: skip
    neural = NeuralRegressor(
        perceptron, module__sizes=[3, 8, 1], module__activation="relu", optimizer="sgd", lr=0.01,
        optimizer__momentum=0.9, optimizer__nesterov=True, batch_size=32, max_epochs=5,
        random_state=0,
    ).fit(X, y)  # fmt: skip
    np.testing.assert_allclose(neural.predict(X), mlp.predict(X), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(neural.loss_curve_, np.multiply(mlp.loss_curve_, 2), rtol=1e-4)


def test_an_instance_is_copied_with_its_weights() -> None:
    X, y = table()
    network = nn.Linear(3, 1)
    before = np.array(network.weight.detach())
    model = NeuralRegressor(network, **{**QUICK, "lr": 1e-30, "max_epochs": 1}).fit(X, y)
    np.testing.assert_array_equal(model.module_.weight.detach(), before)
    model.set_params(lr=0.1).fit(X, y)
    assert model.module_ is not network
    np.testing.assert_array_equal(network.weight.detach(), before)
    with pytest.raises(ValueError, match="module__hidden expects module to be a class"):
        NeuralRegressor(network, module__hidden=3).fit(X, y)


def test_parameters_of_the_module_are_parameters() -> None:
    model = NeuralClassifier(Net, module__hidden=3, optimizer__eps=1e-6)
    assert model.get_params()["module__hidden"] == 3
    twin = clone(model.set_params(module__hidden=5, lr=0.02))
    assert twin.get_params() == model.get_params()
    assert "module__hidden=5" in repr(twin)
    X, y = table(classes=3)
    fitted = twin.set_params(max_epochs=1).fit(X, y)
    assert fitted.module_.hidden.out_features == 5
    assert fitted._optimizer.defaults["eps"] == 1e-6
    with pytest.raises(ValueError, match="Invalid parameter 'depth'"):
        model.set_params(depth=3)
    with pytest.raises(TypeError, match=r"^NeuralClassifier: there is no parameter 'depth'"):
        NeuralClassifier(Net, depth=3).fit(X, y)


@pytest.mark.parametrize("piped", [False, True])
def test_searches_vary_the_module(piped: bool) -> None:
    X, y = table(classes=2)
    model: Any = NeuralClassifier(Net, **QUICK)
    grid = {"module__hidden": [1, 6], "optimizer__weight_decay": [0.0]}
    if piped:
        model = make_pipeline(StandardScaler(), model)
        grid = {f"neuralclassifier__{name}": values for name, values in grid.items()}
    search = GridSearchCV(model, grid, cv=3, n_jobs=1).fit(X, y)
    assert search.best_score_ > 0.9
    assert set(search.best_params_) == set(grid)


def test_losses_may_be_classes_instances_and_functions() -> None:
    X, y = table()
    huber = NeuralRegressor(Net, loss=nn.HuberLoss(delta=0.5), **QUICK).fit(X, y, np.ones(200))
    same = NeuralRegressor(Net, loss=nn.HuberLoss(delta=0.5), **QUICK).fit(X, y)
    np.testing.assert_allclose(huber.predict(X), same.predict(X), rtol=1e-4, atol=1e-4)

    def each(output: Tensor, target: Tensor) -> Tensor:
        return lepton.abs(output - target)

    def mean(output: Tensor, target: Tensor) -> Tensor:
        return lepton.mean(each(output, target))

    weight = np.linspace(0, 1, 200)
    by_class = NeuralRegressor(Net, loss=nn.L1Loss, **QUICK).fit(X, y, weight)
    by_function = NeuralRegressor(Net, loss=each, **QUICK).fit(X, y, weight)
    np.testing.assert_allclose(by_class.predict(X), by_function.predict(X), rtol=1e-4, atol=1e-4)
    assert NeuralRegressor(Net, loss=mean, **QUICK).fit(X, y).score(X, y) > 0.9
    with pytest.raises(ValueError, match=r"^NeuralRegressor: with weights .* got one number"):
        NeuralRegressor(Net, loss=mean, **QUICK).fit(X, y, weight)


def test_patience_gives_the_best_weights_back() -> None:
    X, y = table()
    y = y + np.random.default_rng(0).standard_normal(200).astype(np.float32)
    model = NeuralRegressor(
        Net, module__hidden=64, lr=0.05, max_epochs=300, validation_fraction=0.5, patience=5,
        random_state=0,
    ).fit(X, y)  # fmt: skip
    best = model.history_.best("val_loss")
    assert model.n_iter_ == best["epoch"] + 5 < 300
    assert model.callbacks_[0].best == best["val_loss"]
    saved = model.callbacks_[0].weights
    for name, value in model.module_.state_dict().items():
        np.testing.assert_array_equal(value, saved[name])


def test_token_indices_reach_an_embedding() -> None:
    random = np.random.default_rng(0)
    X = random.integers(0, 20, (300, 4))
    y = np.sin(X).sum(axis=1)
    network = nn.Sequential(nn.Embedding(20, 4), nn.Flatten(), nn.Linear(16, 1))
    model = NeuralRegressor(network, dtype="int64", **{**QUICK, "max_epochs": 60}).fit(X, y)
    assert model.score(X, y) > 0.8
    assert model.predict(X).dtype == np.float32


def test_a_file_asks_for_the_module(tmp_path: Path) -> None:
    X, y = table(classes=3)
    path = tmp_path / "model.safetensors"
    model = NeuralClassifier(Net, module__hidden=5, **QUICK).fit(X, y)
    model.save(path)
    with pytest.raises(ValueError, match=r"module was a type, .* load\(path, module=\.\.\.\)"):
        NeuralClassifier.load(path)
    state = lepton.get_rng_state()
    again = NeuralClassifier.load(path, module=Net)
    assert lepton.get_rng_state() == state
    np.testing.assert_array_equal(again.predict_proba(X), model.predict_proba(X))
    with pytest.raises(ValueError, match="the state dict does not fit"):
        NeuralClassifier.load(path, module=Net, module__hidden=4)


BAD = [
    ({"module": 3}, "module expects a Module, or a class or function that makes one, got int"),
    ({"module": lambda: 3}, "module expects a function that returns a Module, got int"),
    ({"module": nn.Linear(3, 5)}, "module expects to give 3 scores for each sample.*, got 5"),
    (
        {"module": nn.Identity, "loss": "hinge"},
        "loss expects 'auto', a loss of lepton.nn or .*, got 'hinge'",
    ),
    ({"loss": 3}, "loss expects 'auto', a loss of lepton.nn or a function .*, got int"),
    ({"optimizer": optim.SGD([nn.Parameter(lepton.ones(2))], lr=0.1)}, "optimizer .*, got SGD$"),
    ({"optimizer": "lamb"}, "optimizer expects .*'adam'.*, got 'lamb'"),
    ({"lr": 0.0}, "lr expects a finite number > 0, got 0.0"),
    ({"batch_size": 0}, "batch_size expects an integer >= 1, got 0"),
    ({"max_epochs": 0}, "max_epochs expects an integer >= 1, got 0"),
    ({"patience": 0}, "patience expects an integer >= 1, got 0"),
    ({"scheduler": "fast"}, "a schedule expects .*, got 'fast'"),
    ({"optimizer__zz": 1}, "optimizer__zz expects a parameter of Adam, which has .*betas"),
    ({"optimizer": "sgd", "optimizer__momentum": -1}, "optimizer: SGD: momentum expects"),
    ({"module__zz": 1}, "module__zz expects a parameter of Net, which has .*hidden"),
    ({"module__hidden": "a"}, "module: Linear: out_features expects an integer, got str"),
    ({"dtype": "int8"}, "dtype expects 'auto' or .*, got 'int8'"),
]


@pytest.mark.parametrize(("options", "message"), BAD, ids=[message for _, message in BAD])
def test_bad_parameters_are_refused_in_a_sentence(options: dict[str, Any], message: str) -> None:
    X, y = table(classes=3)
    with pytest.raises((ValueError, TypeError), match=f"^NeuralClassifier: {message}"):
        NeuralClassifier(**{"module": Net, **options}).fit(X, y)


def test_outputs_that_are_no_rows_are_refused() -> None:
    class Wide(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x.reshape(-1, 3, 1)

    X, y = table(classes=3)
    with pytest.raises(ValueError, match=r"a row of outputs for each sample, got \[1, 3, 1\]"):
        NeuralClassifier(Wide).fit(X, y)


def test_one_row_under_batch_norm_is_refused() -> None:
    X, y = np.ones((1, 4)), np.ones(1)
    module = nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3), nn.Linear(3, 1))
    with pytest.raises(ValueError, match=r"^NeuralRegressor: batch_norm expects batches of at "):
        NeuralRegressor(module).fit(X, y)


def test_a_loss_that_overflows_is_that_of_the_estimator() -> None:
    X, y = np.ones((9, 4)), np.full(9, 1e200)
    with pytest.raises(FloatingPointError, match=r"^NeuralRegressor: Trainer.fit: the loss is inf"):
        NeuralRegressor(nn.Linear(4, 1)).fit(X, y)


def test_a_module_of_another_width_is_named() -> None:
    X, y = np.ones((9, 4)), np.arange(9) % 2
    for kind in (NeuralClassifier, NeuralRegressor):
        with pytest.raises(ValueError, match=rf"^{kind.__name__}: module: linear: expects "):
            kind(nn.Linear(3, 1)).fit(X, y)
