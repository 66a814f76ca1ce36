# SPDX-License-Identifier: Apache-2.0
"""Pictures: what they say, that they are saved whole, and that Matplotlib is left as it was."""

import sys

import numpy as np
import pytest

matplotlib = pytest.importorskip("matplotlib")

from lepton import plot  # noqa: E402
from lepton.training import History  # noqa: E402


@pytest.fixture
def history():
    return History(
        {"epoch": n, "loss": 1 / n, "accuracy": n / 10, "val_loss": 1.2 / n, "lr": 0.1}
        for n in range(1, 8)
    )


def titles(figure):
    return [axes.get_title(loc="left") for axes in figure.axes]


def texts(axes):
    return [text.get_text() for text in axes.texts]


def test_history_has_a_panel_for_each_measure_with_its_best_value(history):
    figure = history.plot()
    assert titles(figure) == ["Loss", "Accuracy"]
    loss, accuracy = figure.axes
    drawn = {line.get_label(): line.get_ydata().tolist() for line in loss.lines}
    assert drawn["training"] == history["loss"]
    assert drawn["validation"] == history["val_loss"]
    assert [texts(loss), texts(accuracy)] == [[f"{1.2 / 7:.4g}"], ["0.7"]]


def test_a_changing_learning_rate_gets_a_panel():
    figure = plot.history({"loss": [3.0, 2.0], "lr": [0.1, 0.05]})
    assert titles(figure) == ["Loss", "Learning rate"]


def test_history_takes_one_epoch_and_values_that_are_not_finite():
    plot.history({"loss": [0.5]})
    figure = plot.history({"loss": [float("nan"), 2.0, float("inf")], "f1": [float("nan")] * 3})
    assert [texts(axes) for axes in figure.axes] == [["2"], []]
    with pytest.raises(ValueError, match="at least one finished epoch"):
        plot.history(History())


def test_confusion_matrix_writes_counts_and_accuracy():
    figure = plot.confusion_matrix([[5, 0], [1, 4]], classes=["cat", "dog"])
    axes = figure.axes[0]
    assert titles(figure) == ["Accuracy 90 % of 10 samples"]
    assert sorted(texts(axes)) == ["1", "4", "5"]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["cat", "dog"]


@pytest.mark.parametrize("size", [1, 2, 25, 60])
def test_confusion_matrix_of_any_size_draws(size, tmp_path):
    matrix = np.random.default_rng(0).integers(0, 9, (size, size))
    plot.confusion_matrix(matrix, path=tmp_path / "matrix.png")
    assert (tmp_path / "matrix.png").read_bytes().startswith(b"\x89PNG")


def test_an_empty_confusion_matrix_has_no_accuracy():
    assert titles(plot.confusion_matrix(np.zeros((2, 2), int))) == [
        "Accuracy undefined of 0 samples"
    ]


@pytest.mark.parametrize(
    ("matrix", "classes", "message"),
    [
        ([[1, 2]], None, r"matrix expects shape \[classes, classes\], got \[1, 2\]"),
        ([[1, -1], [0, 1]], None, "expects counts from 0"),
        ([["a"]], None, "expects counts from 0"),
        ([[1]], ["a", "b"], "expected 1 class names, got 2"),
    ],
)
def test_a_wrong_confusion_matrix_is_refused(matrix, classes, message):
    with pytest.raises(ValueError, match=message):
        plot.confusion_matrix(matrix, classes)


@pytest.mark.parametrize(
    "shape", [(5, 8, 8), (5, 1, 8, 8), (5, 3, 8, 8), (5, 8, 8, 3), (5, 8, 8, 1)]
)
def test_predictions_mark_the_wrong_ones(shape):
    images = np.random.default_rng(0).random(shape)
    figure = plot.predictions(images, [0, 1, 2, 1, 0], true=[0, 1, 1, 1, 0], classes="abc")
    assert [axes.get_title() for axes in figure.axes] == ["a", "b", "c, not b", "b", "a"]
    widths = [axes.spines["left"].get_linewidth() for axes in figure.axes]
    assert [width == max(widths) for width in widths] == [False, False, True, False, False]


@pytest.mark.parametrize(
    ("images", "predicted", "more", "message"),
    [
        (np.zeros((2, 8)), [0, 0], {}, "images expects shape"),
        (np.zeros((2, 5, 8, 8)), [0, 0], {}, "images expects shape"),
        (np.zeros((0, 8, 8)), [], {}, "images expects shape"),
        (np.zeros((2, 8, 8)), [0], {}, r"predicted expects shape \[2\], got \[1\]"),
        (np.zeros((2, 8, 8)), [0, 0], {"true": [1]}, r"true expects shape \[2\]"),
        (np.zeros((2, 8, 8)), [0, 3], {"classes": "abc"}, "from 0 to 2, got 3 at position 1"),
        (np.zeros((2, 8, 8)), [0, 0], {"columns": 0}, "columns expects an integer from 1"),
    ],
)
def test_wrong_predictions_are_refused(images, predicted, more, message):
    with pytest.raises(ValueError, match=message):
        plot.predictions(images, predicted, **more)


@pytest.mark.parametrize(
    ("ending", "start"), [("png", b"\x89PNG"), ("svg", b"<?xml"), ("pdf", b"%PDF")]
)
def test_the_ending_chooses_the_format(history, tmp_path, ending, start):
    history.plot(tmp_path / f"history.{ending}")
    assert (tmp_path / f"history.{ending}").read_bytes().startswith(start)
    assert [path.name for path in tmp_path.iterdir()] == [f"history.{ending}"]


def test_settings_and_windows_are_left_alone(history):
    before = dict(matplotlib.rcParams)
    loaded = "matplotlib.pyplot" in sys.modules
    history.plot()
    plot.confusion_matrix([[1]])
    assert dict(matplotlib.rcParams) == before
    assert ("matplotlib.pyplot" in sys.modules) == loaded


def test_roc_curve_has_the_area_of_the_pairs_in_order():
    random = np.random.default_rng(0)
    labels = random.integers(0, 3, 200)
    scores = (random.random((200, 3)) + np.eye(3)[labels]).round(1)
    figure = plot.roc_curve(labels, scores, ["a", "b", "c"])
    curves = [line for line in figure.axes[0].lines if not line.get_label().startswith("_")]
    for column, curve in enumerate(curves):
        own, others = (scores[labels == column, column], scores[labels != column, column])
        pairs = own[:, None] - others
        area = ((pairs > 0) + 0.5 * (pairs == 0)).mean()
        assert curve.get_label() == f"{'abc'[column]}  {area:.3f}"
    assert len(curves) == 3
    assert titles(plot.roc_curve([0, 1], [[0.6, 0.4], [0.1, 0.9]])) == ["ROC of 1: area 1.000"]


def test_predictions_are_points_or_hexagons_around_the_diagonal():
    y = np.random.default_rng(0).standard_normal(3000)
    few = plot.predicted_against_true(y[:100], y[:100] + 0.1, name="price").axes[0]
    assert few.get_xlabel() == "true price"
    assert few.get_xlim() == few.get_ylim()
    many = plot.predicted_against_true(np.append(y, 1e6), np.append(y, 0.0))
    assert many.axes[0].get_xlim()[1] < 5  # the outlier is beyond, with a thousandth at each end
    assert 2994 <= sum(many.axes[0].collections[0].get_array()) <= 3000
    assert titles(plot.predicted_against_true([2.0], [2.5]))[0] == "R2 undefined on 1 samples"


def test_importance_shows_the_first_features_in_order():
    figure = plot.importance([f"f{i}" for i in range(30)], np.arange(30), np.ones(30), most=5)
    labels = [text.get_text() for text in figure.axes[0].get_yticklabels()]
    assert labels == ["f29", "f28", "f27", "f26", "f25"]
    assert titles(figure) == ["Importance (first 5 of 30 features)"]


@pytest.mark.parametrize(
    ("call", "cause"),
    [
        (lambda: plot.roc_curve([0, 1], [0.1, 0.9]), r"got \[2\] and \[2\]"),
        (lambda: plot.roc_curve([0, 1], [[1, 0], [0, 1]], ["a"]), "expected 2 class names, got 1"),
        (lambda: plot.predicted_against_true([], []), r"got \[0\] and \[0\]"),
        (lambda: plot.predicted_against_true([1, 2], [1]), r"got \[2\] and \[1\]"),
        (lambda: plot.importance([], []), "each of 0 names"),
        (lambda: plot.importance(["a"], [1, 2]), "each of 1 names"),
    ],
)
def test_what_does_not_fit_together_is_refused(call, cause):
    with pytest.raises(ValueError, match=cause):
        call()
