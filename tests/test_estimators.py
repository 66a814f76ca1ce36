"""Every estimator: scikit-learn's own checks, pipelines, dtypes, files, names, bad input."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import importlib
import json
import pickle
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.base import clone, is_classifier
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import get_tags
from sklearn.utils.estimator_checks import estimator_checks_generator
from sklearn.utils.validation import has_fit_parameter
from support.estimators import ESTIMATORS, MODERN, sample

from lepton import saving
from lepton.estimator import Estimator
from lepton.regression import LogisticRegression
from lepton.saving.tensors import read_arrays, write_arrays

every_estimator = pytest.mark.parametrize("estimator", ESTIMATORS, ids=repr)
CHECKS = [
    pytest.param(example, check, id=f"{example!r}-{check.func.__name__}")
    for estimator in ESTIMATORS
    for example, check in estimator_checks_generator(clone(estimator))
]


@pytest.mark.skipif(not MODERN, reason="the contract is that of scikit-learn 1.9")
@pytest.mark.filterwarnings("ignore")  # the checks look at the warnings that matter themselves
@pytest.mark.parametrize(("estimator", "check"), CHECKS)
def test_scikit_learn_contract(estimator: Any, check: Any) -> None:
    check(estimator)


def fitted(estimator: Estimator, dtype: str = "float64") -> tuple[Any, Any, Any]:
    X, y = sample(estimator, dtype)
    return clone(estimator).fit(X, y), X, y


def outputs(estimator: Any, X: Any) -> list[Any]:
    names = ["predict", "predict_proba", "decision_function"]
    return [getattr(estimator, name)(X) for name in names if hasattr(estimator, name)]


@every_estimator
def test_file_gives_the_same_estimator(estimator: Estimator, tmp_path: Path) -> None:
    model, X, _ = fitted(estimator)
    path = tmp_path / "model.safetensors"
    model.save(path)
    absent = {
        name: model.get_params(deep=False)[name]
        for name, value in json.loads(saving.read_metadata(path)["lepton.estimator"])[
            "params"
        ].items()
        if isinstance(value, dict) and "$absent" in value
    }
    again = type(estimator).load(path, **absent)
    assert repr(again) == repr(model)
    for a, b in zip(outputs(model, X), outputs(again, X), strict=True):
        np.testing.assert_array_equal(a, b)
    with pytest.raises(ValueError, match="holds a"):
        type("Other", (Estimator,), {}).load(path, **absent)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    with pytest.raises(ValueError, match=r"model\.safetensors"):
        type(estimator).load(path, **absent)


@pytest.mark.parametrize(
    "class_weight",
    [{0: 1, 1: 2.5}, {False: 1.0, True: 2.0}, {0.0: 1.0, 1.0: 2.0}, {0: 1.0, 1: 2.0, "1": 3.0}],
    ids=repr,
)
def test_file_holds_any_keys(class_weight: dict[Any, float], tmp_path: Path) -> None:
    model = LogisticRegression(class_weight=class_weight).fit([[0.0], [1.0]], [0, 1])
    model.save(tmp_path / "model.safetensors")
    again = LogisticRegression.load(tmp_path / "model.safetensors").class_weight
    assert repr(again) == repr(class_weight)  # 0, 0.0 and False are equal


@pytest.mark.parametrize("package", ["lepton.__main__", "lepton.cli", "lepton.estimator", "this"])
def test_file_names_only_public_estimators(
    package: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "model.safetensors"
    LogisticRegression().fit([[0.0], [1.0]], [0, 1]).save(path)
    document = json.loads(saving.read_metadata(path)["lepton.estimator"]) | {"package": package}
    write_arrays(read_arrays(path), path, {"lepton.estimator": json.dumps(document)})
    monkeypatch.setattr("importlib.import_module", lambda name: pytest.fail(f"imports {name}"))
    with pytest.raises(ValueError, match="is no estimator of Lepton"):
        Estimator.load(path)


def test_importing_the_command_line_runs_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lepton.cli.main", lambda: pytest.fail("runs"))
    monkeypatch.delitem(sys.modules, "lepton.__main__", raising=False)
    importlib.import_module("lepton.__main__")


@every_estimator
def test_unfitted_is_not_saved(estimator: Estimator, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not fitted"):
        clone(estimator).save(tmp_path / "model.safetensors")


@every_estimator
def test_float32_stays_float32(estimator: Estimator) -> None:
    model, X, _ = fitted(estimator, "float32")
    for output in outputs(model, X):
        if output.dtype.kind == "f":
            assert output.dtype == np.float32
    wide, X64, _ = fitted(estimator)
    for output in outputs(wide, X64):
        if output.dtype.kind == "f":
            assert output.dtype == np.float64


@every_estimator
def test_works_in_pipelines_and_searches(estimator: Estimator) -> None:
    X, y = sample(estimator)
    pipeline = make_pipeline(StandardScaler(), clone(estimator))
    scores = cross_val_score(pipeline, X, y, cv=3, n_jobs=2)
    assert np.isfinite(scores).all()
    name = next(iter(clone(estimator).get_params(deep=False)))
    value = estimator.get_params()[name]
    search = GridSearchCV(clone(estimator), {name: [value]}, cv=3).fit(X, y)
    assert search.best_params_ == {name: value}


@every_estimator
def test_feature_names_are_remembered(estimator: Estimator) -> None:
    pandas = pytest.importorskip("pandas")
    X, y = sample(estimator)
    frame = pandas.DataFrame(X, columns=["a", "b", "c", "d"])
    model = clone(estimator).fit(frame, y)
    assert list(model.feature_names_in_) == ["a", "b", "c", "d"]
    for wrong in (frame.drop(columns="b"), frame.assign(e=0.0), frame[["b", "a", "c", "d"]]):
        with pytest.raises(ValueError, match="feature names"):
            model.predict(wrong)


@every_estimator
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_not_a_number_is_refused_or_a_missing_value(estimator: Estimator, value: float) -> None:
    X, y = sample(estimator)
    X[3, 1] = value
    if np.isnan(value) and get_tags(estimator).input_tags.allow_nan:
        model = clone(estimator).fit(X, y)
        assert all(np.isfinite(o).all() for o in outputs(model, X) if o.dtype.kind == "f")
        return
    with pytest.raises(ValueError, match=r"NaN|infinity"):
        clone(estimator).fit(X, y)


@every_estimator
def test_constant_and_repeated_columns(estimator: Estimator) -> None:
    X, y = sample(estimator)
    X[:, 2], X[:, 3] = 7.0, X[:, 0]
    model = clone(estimator).fit(X, y)
    assert all(np.isfinite(o).all() for o in outputs(model, X) if o.dtype.kind == "f")


@every_estimator
def test_nothing_but_constant_columns(estimator: Estimator) -> None:
    X, y = sample(estimator)
    model = clone(estimator).fit(np.full_like(X, 3.0), y)
    assert all(np.isfinite(o).all() for o in outputs(model, X) if o.dtype.kind == "f")


@every_estimator
@pytest.mark.parametrize("missing", ["None", "NA"])
def test_missing_labels_are_refused(estimator: Estimator, missing: str) -> None:
    if not is_classifier(estimator):
        pytest.skip("has no classes")
    X, y = sample(estimator)
    y = y.astype(object)
    y[7] = None if missing == "None" else pytest.importorskip("pandas").NA
    with pytest.raises(ValueError, match=rf"^{type(estimator).__name__}: y expects .* sample 7$"):
        clone(estimator).fit(X, y)


@every_estimator
def test_words_are_no_numbers_to_learn(estimator: Estimator) -> None:
    if is_classifier(estimator):
        pytest.skip("learns words")
    X, y = sample(estimator)
    words = y.astype(object)
    words[2] = "much"
    name = type(estimator).__name__
    with pytest.raises(ValueError, match=f"^{name}: y expects numbers, got 'much' for sample 2$"):
        clone(estimator).fit(X, words)


@every_estimator
def test_frames_with_gaps_or_words(estimator: Estimator) -> None:
    """They are for estimators of tables; others say what they cannot take."""
    pandas = pytest.importorskip("pandas")
    X, y = sample(estimator)
    frame = pandas.DataFrame(X, columns=["a", "b", "c", "d"])
    gaps = frame.astype("Float64").mask(frame > 1.5)
    words = frame.assign(b=pandas.Categorical(["u", "v"] * 30))
    for table, cause in ((gaps, "NaN"), (words, "could not convert string to float: 'u'")):
        if get_tags(estimator).input_tags.allow_nan:
            model = clone(estimator).fit(table, y)
            assert all(np.isfinite(o).all() for o in outputs(model, table) if o.dtype.kind == "f")
        else:
            with pytest.raises(ValueError, match=cause):
                clone(estimator).fit(table, y)


@every_estimator
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_more_columns_than_rows(estimator: Estimator) -> None:
    random = np.random.default_rng(0)
    _, y = sample(estimator, rows=12)
    X = random.standard_normal((12, 30))
    model = clone(estimator).fit(X, y)
    assert all(np.isfinite(o).all() for o in outputs(model, X) if o.dtype.kind == "f")


@every_estimator
def test_one_row(estimator: Estimator) -> None:
    """One row is fitted, or refused in a sentence."""
    X, y = sample(estimator)
    refusal = ""
    try:
        model = clone(estimator).fit(X[:1], y[:1])
        assert is_classifier(model) or np.isfinite(model.predict(X)).all()
    except ValueError as error:
        refusal = str(error)
    assert not refusal or any(word in refusal for word in ("sample", "class", "row"))


@every_estimator
def test_one_class_is_refused(estimator: Estimator) -> None:
    if not is_classifier(estimator):
        pytest.skip("has no classes")
    X, y = sample(estimator)
    with pytest.raises(ValueError, match="class"):
        clone(estimator).fit(X, np.full_like(y, y[0]))


@every_estimator
@pytest.mark.parametrize("how", ["sample_weight", "class_weight", "both"])
def test_one_class_with_weight_is_refused(estimator: Estimator, how: str) -> None:
    """A class whose samples weigh nothing, or which weighs nothing itself, is no class."""
    if not is_classifier(estimator) or "class_weight" not in estimator.get_params(deep=False):
        pytest.skip("has no class_weight")
    X, y = sample(estimator)
    y = y.astype("<U5")
    y[::3] = "maybe"
    model, fits = clone(estimator), has_fit_parameter(estimator, "sample_weight")
    weight = np.ones(len(y))
    if how != "sample_weight":
        model.set_params(class_weight={"no": 0, "maybe": 0} if how == "class_weight" else {"no": 0})
    if how != "class_weight":
        weight[(y == "maybe") | ((y == "no") & (how == "sample_weight"))] = 0
    if how != "class_weight" and not fits:
        pytest.skip("has no sample_weight")
    with pytest.raises(ValueError, match=rf"^{type(estimator).__name__}: y .* 1 class: 'yes'$"):
        model.fit(X, y, **({"sample_weight": weight} if fits else {}))


@every_estimator
def test_weights_that_say_nothing_are_refused(estimator: Estimator) -> None:
    if not has_fit_parameter(estimator, "sample_weight"):
        pytest.skip("has no sample_weight")
    X, y = sample(estimator)
    for value, words in ((0.0, "weight"), (-1.0, "egative"), (np.nan, "NaN"), (1e308, "weight")):
        with pytest.raises(ValueError, match=words):
            clone(estimator).fit(X, y, sample_weight=np.full(len(y), value))


@every_estimator
def test_bad_class_weights_are_refused(estimator: Estimator) -> None:
    if "class_weight" not in estimator.get_params(deep=False):
        pytest.skip("has no class_weight")
    X, y = sample(estimator)
    bad = [{y[0]: -1.0}, {y[0]: np.inf}, {"strange": 2.0}, "even", [1.0, 2.0]]
    for class_weight in bad:
        with pytest.raises(ValueError, match=rf"^{type(estimator).__name__}: class_weight"):
            clone(estimator).set_params(class_weight=class_weight).fit(X, y)


@every_estimator
def test_objects_and_words_are_refused(estimator: Estimator) -> None:
    X, y = sample(estimator)
    words = X.astype(object)
    words[0, 0] = "much"
    with pytest.raises((ValueError, TypeError), match=r"much|string|float"):
        clone(estimator).fit(words, y)


@every_estimator
def test_pickle_works_as_in_scikit_learn(estimator: Estimator) -> None:
    model, X, _ = fitted(estimator)
    again = pickle.loads(pickle.dumps(model))
    for a, b in zip(outputs(model, X), outputs(again, X), strict=True):
        np.testing.assert_array_equal(a, b)
