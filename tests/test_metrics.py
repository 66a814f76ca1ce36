# SPDX-License-Identifier: Apache-2.0
"""Metrics against scikit-learn, batch by batch against all at once, and refusals."""

import json
import warnings

import numpy as np
import pytest

import lepton
from lepton import metrics
from lepton.metrics import (
    Accuracy,
    ConfusionMatrix,
    F1Score,
    MeanLoss,
    Metric,
    Precision,
    Recall,
    TopKAccuracy,
)

reference = pytest.importorskip("sklearn.metrics")

AVERAGES = ["macro", "micro", "weighted", None]
RATIOS = ["precision", "recall", "f1_score"]


def labels(seed: int, count: int = 200, classes: int = 7) -> tuple[np.ndarray, np.ndarray]:
    """Return predictions and targets that agree in about half of the cases."""
    rng = np.random.default_rng(seed)
    targets = rng.integers(0, classes, count)
    predictions = np.where(rng.random(count) < 0.5, targets, rng.integers(0, classes, count))
    return predictions, targets


def scores(seed: int, count: int = 200, classes: int = 7) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.standard_normal((count, classes)).astype(np.float32), rng.integers(0, classes, count)


def sklearn_ratio(name: str, predictions, targets, average, **options):
    function = {"precision": "precision_score", "recall": "recall_score"}.get(name, name)
    return getattr(reference, function)(targets, predictions, average=average, **options)


# ------------------------------------------------------------------ against scikit-learn


@pytest.mark.parametrize("seed", range(5))
def test_accuracy_and_confusion_matrix(seed):
    predictions, targets = labels(seed)
    expected = reference.accuracy_score(targets, predictions)
    assert metrics.accuracy(predictions, targets) == pytest.approx(expected, rel=1e-15)
    matrix = metrics.confusion_matrix(predictions, targets)
    assert (matrix == reference.confusion_matrix(targets, predictions)).all()
    assert metrics.confusion_matrix(predictions, targets, num_classes=9).shape == (9, 9)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("k", [1, 3, 7])
def test_top_k_accuracy(seed, k):
    values, targets = scores(seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that k = 7 of 7 is always right
        expected = reference.top_k_accuracy_score(targets, values, k=k, labels=range(7))
    assert metrics.top_k_accuracy(values, targets, k) == pytest.approx(expected, rel=1e-15)


def test_top_1_is_accuracy_even_among_equals():
    values = np.random.default_rng(0).integers(0, 3, (100, 5)).astype(np.float32)
    targets = np.random.default_rng(1).integers(0, 5, 100)
    assert metrics.top_k_accuracy(values, targets, 1) == metrics.accuracy(values, targets)


@pytest.mark.parametrize("average", AVERAGES)
@pytest.mark.parametrize("name", RATIOS)
@pytest.mark.parametrize("zero_division", [0.0, 1.0])
@pytest.mark.parametrize(("count", "classes"), [(200, 7), (8, 7), (1, 3)])
def test_ratios(name, average, zero_division, count, classes):
    """Few samples leave classes without predictions, without targets, and without both."""
    for seed in range(5):
        predictions, targets = labels(seed, count, classes)
        found = getattr(metrics, name)(
            predictions, targets, average, num_classes=classes, zero_division=zero_division
        )
        every = {"labels": range(classes)} if average is None else {}
        expected = sklearn_ratio(
            name, predictions, targets, average, zero_division=zero_division, **every
        )
        np.testing.assert_allclose(found, expected, rtol=1e-14)


@pytest.mark.parametrize("name", RATIOS)
def test_undefined_ratios_may_be_nan_and_stay_out_of_the_mean(name):
    predictions, targets = np.array([0, 0, 1]), np.array([0, 1, 2])
    each = getattr(metrics, name)(predictions, targets, None, 4, zero_division=np.nan)
    mean = getattr(metrics, name)(predictions, targets, "macro", 4, zero_division=np.nan)
    expected = sklearn_ratio(name, predictions, targets, "macro", zero_division=np.nan)
    assert np.isnan(each[3])
    assert mean == pytest.approx(expected, rel=1e-14)


def test_errors_of_numbers():
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal(100), rng.standard_normal(100)
    for name in ("mean_absolute_error", "mean_squared_error", "r2_score"):
        expected = getattr(reference, name)(y, x)
        assert getattr(metrics, name)(x, y) == pytest.approx(expected, rel=1e-13)
    assert metrics.r2_score([2.0, 2.0], [2.0, 2.0]) == 1.0
    assert metrics.r2_score([2.0, 3.0], [2.0, 2.0]) == 0.0


# ------------------------------------------------------------------ what they accept


def test_tensors_and_arrays_give_the_same():
    values, targets = scores(0)
    x, y = lepton.tensor(values), lepton.tensor(targets)
    assert metrics.accuracy(x, y) == metrics.accuracy(values, targets)
    assert metrics.f1_score(x, y) == metrics.f1_score(values, targets)
    assert metrics.mean_squared_error(x, x) == 0.0


def test_scores_may_have_places_behind_the_classes():
    values = np.random.default_rng(0).standard_normal((4, 3, 5, 6))
    targets = np.random.default_rng(1).integers(0, 3, (4, 5, 6))
    expected = (values.argmax(axis=1) == targets).mean()
    assert metrics.accuracy(values, targets) == pytest.approx(expected, rel=1e-15)
    assert metrics.top_k_accuracy(values, targets, 1) == metrics.accuracy(values, targets)
    assert metrics.confusion_matrix(values, targets).sum() == 120


@pytest.mark.parametrize("name", ["accuracy", "confusion_matrix", *RATIOS])
def test_bad_classes_are_refused(name):
    function = getattr(metrics, name)
    with pytest.raises(IndexError, match=rf"{name}: targets: class 7 at position 2 is out of .* 3"):
        function(np.eye(3), [0, 1, 7])
    with pytest.raises(IndexError, match=r"targets: class -1 at position \[0, 1\] must not be"):
        function([[0, 1]], [[0, -1]])
    with pytest.raises(IndexError, match="predictions: class -2 at position 0"):
        function([-2], [0])
    with pytest.raises(ValueError, match=r"predictions: \[3\], targets: \[1\]"):
        function([0, 1, 2], [0])
    with pytest.raises(ValueError, match=r"predictions: \[2, 3\], targets: \[3\]"):
        function(np.zeros((2, 3)), [0, 1, 2])
    with pytest.raises(ValueError, match=r"predictions: \[3, 1\], targets: \[3, 2\]"):
        function(np.zeros((3, 1), dtype=int), np.zeros((3, 2), dtype=int))
    with pytest.raises(TypeError, match="must be integers"):
        function([0.0, 1.0], [0, 1])
    with pytest.raises(ValueError, match=r"NaN, the first at \[1, 0\]"):
        function([[0.0, 1.0], [np.nan, 1.0]], [0, 1])
    with pytest.raises(ValueError, match="at least one sample, got none"):
        function(np.zeros((0, 3)), np.zeros(0, dtype=int))


def test_num_classes_is_a_bound():
    with pytest.raises(IndexError, match="class 3 at position 1 is out of range for 3 classes"):
        metrics.confusion_matrix([0, 3], [0, 1], num_classes=3)
    with pytest.raises(ValueError, match="scores for 4 classes, got 3"):
        metrics.confusion_matrix(np.eye(3), [0, 1, 2], num_classes=4)
    with pytest.raises(ValueError, match="num_classes"):
        metrics.confusion_matrix([0], [0], num_classes=0)


def test_other_bad_arguments_are_refused():
    with pytest.raises(ValueError, match="average expects"):
        metrics.precision([0], [0], average="samples")
    with pytest.raises(ValueError, match="average expects"):
        Precision(average="samples")
    with pytest.raises(ValueError, match="k expects at most 3 classes, got 4"):
        metrics.top_k_accuracy(np.eye(3), [0, 1, 2], k=4)
    with pytest.raises(ValueError, match="k expects an integer >= 1"):
        metrics.top_k_accuracy(np.eye(3), [0, 1, 2], k=0)
    for function in (metrics.mean_absolute_error, metrics.mean_squared_error, metrics.r2_score):
        with pytest.raises(ValueError, match=r"predictions: \[3, 1\], targets: \[3\]"):
            function(np.zeros((3, 1)), np.zeros(3))
        with pytest.raises(ValueError, match="NaN"):
            function([np.nan], [0.0])
        with pytest.raises(ValueError, match="at least one sample"):
            function([], [])


# ------------------------------------------------------------------ many batches


def subclasses(base: type) -> list[type]:
    found = []
    for each in base.__subclasses__():
        # Other packages have metrics of their own, and tests beside them.
        found += [each] * each.__module__.startswith("lepton.metrics") + subclasses(each)
    return [each for each in found if each.__module__.startswith("lepton.")]


def squared(x, y):
    return ((x - y) ** 2).mean()


def build(kind: type) -> Metric:
    return kind(squared) if kind is MeanLoss else kind()


def feed(metric: Metric, parts: list[slice]) -> Metric:
    values, targets = scores(3, count=97)
    if type(metric).__name__.startswith("Mean"):
        values, targets = values[:, 0], values[:, 1]
    for part in parts:
        metric.update(values[part], targets[part])
    return metric


PUBLIC = [kind for kind in subclasses(Metric) if not kind.__name__.startswith("_")]


@pytest.mark.parametrize("kind", PUBLIC)
def test_batches_add_up_to_the_whole(kind):
    whole = feed(build(kind), [slice(0, 97)]).compute()
    parts = feed(build(kind), [slice(0, 32), slice(32, 64), slice(64, 97)])
    np.testing.assert_allclose(parts.compute(), whole, rtol=1e-6)
    parts.reset()
    with pytest.raises(ValueError, match="at least one sample"):
        parts.compute()


@pytest.mark.parametrize("kind", PUBLIC)
def test_state_goes_through_json(kind):
    first = feed(build(kind), [slice(0, 40)])
    resumed = build(kind)
    resumed.load_state_dict(json.loads(json.dumps(first.state_dict())))
    expected = feed(first, [slice(40, 97)]).compute()
    assert np.array_equal(feed(resumed, [slice(40, 97)]).compute(), expected)


@pytest.mark.parametrize("kind", PUBLIC)
def test_states_that_do_not_fit_are_refused(kind):
    metric = feed(build(kind), [slice(0, 40)])
    before = metric.state_dict()
    some = next(iter(before))
    for state in ([], {}, {**before, "more": 1}, {**before, some: "x"}, {**before, some: [[-1]]}):
        with pytest.raises(ValueError, match=metric.name):
            metric.load_state_dict(state)
    assert metric.state_dict() == before


@pytest.mark.parametrize("kind", PUBLIC)
def test_every_metric_is_public_and_has_a_name(kind):
    assert getattr(metrics, kind.__name__) is kind
    assert build(kind).name.isidentifier()


def test_names():
    assert (Accuracy().name, F1Score().name, ConfusionMatrix().name) == (
        "accuracy",
        "f1_score",
        "confusion_matrix",
    )
    assert TopKAccuracy(3).name == "top_3_accuracy"
    assert MeanLoss(squared, name="mse").name == "mse"


def test_streaming_equals_the_functions():
    values, targets = scores(5)
    for kind, function in (
        (Accuracy, metrics.accuracy),
        (Precision, metrics.precision),
        (Recall, metrics.recall),
        (F1Score, metrics.f1_score),
    ):
        metric = kind()
        metric.update(values, targets)
        assert metric.compute() == function(values, targets)


def test_the_matrix_grows_with_the_classes_it_meets():
    metric = ConfusionMatrix()
    metric.update([0], [0])
    metric.update([4], [2])
    metric.update([1], [1])
    expected = reference.confusion_matrix([0, 2, 1], [0, 4, 1], labels=range(5))
    assert (metric.compute() == expected).all()
    with pytest.raises(IndexError, match="class 4 at position 0 is out of range for 3 classes"):
        ConfusionMatrix(num_classes=3).update([4], [2])
