# SPDX-License-Identifier: Apache-2.0
"""Starting values of parameters, and the functions that nn.functional composes."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import lepton
from lepton import nn
from lepton.nn import functional, init

SHAPE = (60, 40, 3, 3)  # 21,600 numbers
CALLS: dict[str, list[dict[str, Any]]] = {
    "uniform_": [{}, {"a": -3, "b": 1}],
    "normal_": [{}, {"mean": 2, "std": 0.5}],
    "trunc_normal_": [{}, {"mean": 1.0, "std": 2.0, "a": -1.0, "b": 2.0}],
    "constant_": [{"val": 0.25}],
    "zeros_": [{}],
    "ones_": [{}],
    "xavier_uniform_": [{}, {"gain": 2}],
    "xavier_normal_": [{}, {"gain": 2}],
    "kaiming_uniform_": [{}, {"a": 2, "mode": "fan_out"}, {"nonlinearity": "relu"}],
    "kaiming_normal_": [{}, {"a": 2, "mode": "fan_out"}, {"nonlinearity": "tanh"}],
    "orthogonal_": [{}, {"gain": 3}],
}
CASES = [(name, options) for name, calls in CALLS.items() for options in calls]


def test_every_filling_function_has_a_case() -> None:
    assert {name for name in init.__all__ if name.endswith("_")} == set(CALLS)


@pytest.mark.parametrize(("name", "options"), CASES)
def test_numbers_are_spread_as_in_torch(name: str, options: dict[str, Any]) -> None:
    torch = pytest.importorskip("torch")
    lepton.manual_seed(0)
    torch.manual_seed(0)
    tensor = nn.Parameter(lepton.empty(SHAPE))
    assert getattr(init, name)(tensor, **options) is tensor
    assert tensor.requires_grad
    ours = np.sort(np.asarray(tensor.detach()).ravel())
    theirs = np.sort(getattr(torch.nn.init, name)(torch.empty(SHAPE), **options).numpy().ravel())
    # two samples of one distribution: sqrt(n / 2) * the largest distance of their distribution
    # functions is above 2 with probability 7e-4 (Kolmogorov); the seeds are fixed
    points = np.concatenate([ours, theirs])
    distance = np.abs(
        np.searchsorted(ours, points, "right") - np.searchsorted(theirs, points, "right")
    )
    assert distance.max() / ours.size * math.sqrt(ours.size / 2) < 2 or np.array_equal(ours, theirs)


@pytest.mark.parametrize(("name", "options"), CASES)
def test_the_seed_decides_all_numbers(name: str, options: dict[str, Any]) -> None:
    drawn = []
    for seed in (1, 1, 2):
        lepton.manual_seed(seed)
        drawn.append(np.asarray(getattr(init, name)(lepton.empty((8, 9)), **options)))
    np.testing.assert_array_equal(drawn[0], drawn[1])
    if name not in ("constant_", "zeros_", "ones_"):
        assert not np.array_equal(drawn[1], drawn[2])


@pytest.mark.parametrize("layer", [nn.Linear, nn.Conv2d, nn.Embedding])
def test_layers_start_as_in_torch(layer: Any) -> None:
    torch = pytest.importorskip("torch")
    arguments = (60, 40, 3) if layer is nn.Conv2d else (60, 40)
    lepton.manual_seed(0)
    torch.manual_seed(0)
    ours = layer(*arguments).state_dict()
    for name, theirs in getattr(torch.nn, layer.__name__)(*arguments).state_dict().items():
        # the deviation of n numbers is known to a share of 1 / sqrt(2 n)
        share = 5 / math.sqrt(2 * theirs.numel())
        assert np.std(np.asarray(ours[name])) == pytest.approx(theirs.std().item(), rel=2 * share)


@pytest.mark.parametrize(
    ("mean", "std", "a", "b"),
    [
        (0, 1, -2, 2),
        (0, 0.02, -2, 2),
        (0, 1, -1e-3, 2e-3),
        (0, 1, 3, 9),
        (5, 1, -4, 0),
        (0, 1, -2, 30),
    ],
)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_truncated_numbers_follow_the_truncated_law(
    mean: float, std: float, a: float, b: float, dtype: str
) -> None:
    stats = pytest.importorskip("scipy.stats")
    lepton.manual_seed(3)
    tensor = lepton.empty((20000,), dtype=getattr(lepton, dtype))
    values = np.asarray(init.trunc_normal_(tensor, mean, std, a, b)).astype(np.float64)
    assert values.min() >= np.float32(a)
    assert values.max() <= np.float32(b)
    law = stats.truncnorm((a - mean) / std, (b - mean) / std, mean, std)
    ranks = (np.arange(values.size) + 0.5) / values.size
    distance = np.abs(law.cdf(np.sort(values)) - ranks).max()
    assert distance * math.sqrt(values.size) < 2  # probability 7e-4 (Kolmogorov), fixed seed


@pytest.mark.parametrize("shape", [(5, 8), (8, 5), (4, 4), (3, 2, 2)])
def test_orthogonal_rows_or_columns(shape: tuple[int, ...]) -> None:
    matrix = np.asarray(init.orthogonal_(lepton.empty(shape), gain=2.0)).reshape(shape[0], -1)
    gram = matrix @ matrix.T if matrix.shape[0] <= matrix.shape[1] else matrix.T @ matrix
    np.testing.assert_allclose(gram, 4 * np.eye(len(gram)), atol=1e-5)


@pytest.mark.parametrize("name", ["sigmoid", "tanh", "relu", "leaky_relu", "selu", "conv2d"])
def test_gains_equal_torch(name: str) -> None:
    torch = pytest.importorskip("torch")
    assert init.calculate_gain(name) == pytest.approx(torch.nn.init.calculate_gain(name))
    slope = torch.nn.init.calculate_gain("leaky_relu", 0.3)
    assert init.calculate_gain("leaky_relu", 0.3) == pytest.approx(slope)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x: init.xavier_uniform_(x), r"xavier_uniform_: tensor expects at least 2 axes"),
        (lambda x: init.orthogonal_(x), r"orthogonal_: tensor expects at least 2 axes, got \[3\]"),
        (lambda x: init.uniform_(x, 2, 1), "uniform_: expects a <= b, got a=2.0, b=1.0"),
        (lambda x: init.normal_(x, std=-1), "normal_: std expects a finite number >= 0"),
        (lambda x: init.trunc_normal_(x, a=2, b=2), "trunc_normal_: expects a < b"),
        (lambda x: init.calculate_gain("mish"), "calculate_gain: nonlinearity expects 'linear' or"),
        (lambda x: init.kaiming_normal_(x.reshape(1, 3), mode="fan"), "mode expects 'fan_in' or"),
    ],
)
def test_wrong_arguments_are_refused(call: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call(lepton.zeros((3,)))


# ------------------------------------------------------------------- functional compositions


@pytest.mark.parametrize("widths", [(1, 2), (0, 1, 2, 0), (-1, 2), (-1, -1, 1, -1), (0, 0)])
@pytest.mark.parametrize("value", [None, 1.5])
def test_pad_equals_torch(widths: tuple[int, ...], value: float | None) -> None:
    torch = pytest.importorskip("torch")
    x = lepton.randn(2, 3, 4).requires_grad_(True)
    twin = torch.tensor(np.asarray(x.detach()), requires_grad=True)
    result = functional.pad(x, widths, value=value)
    expected = torch.nn.functional.pad(twin, widths, value=value)
    np.testing.assert_array_equal(np.asarray(result.detach()), expected.detach().numpy())
    (result * result).sum().backward()
    (expected * expected).sum().backward()
    np.testing.assert_allclose(np.asarray(x.grad), twin.grad.numpy(), rtol=1e-6)


@pytest.mark.parametrize("p", [1.0, 2.0, 3.0, float("inf")])
def test_normalize_equals_torch_and_zeros_have_a_gradient(p: float) -> None:
    torch = pytest.importorskip("torch")
    values = np.array([[3.0, -4.0, 1.0], [0.0, 0.0, 0.0], [1e-3, 2.0, 5.0]], np.float32)
    x = lepton.tensor(values, requires_grad=True)
    result = functional.normalize(x, p, axis=-1)
    expected = torch.nn.functional.normalize(torch.tensor(values), p, dim=-1)
    np.testing.assert_allclose(np.asarray(result.detach()), expected.numpy(), rtol=1e-5)
    result.sum().backward()
    assert np.isfinite(np.asarray(x.grad)).all()


def test_one_hot_equals_torch() -> None:
    torch = pytest.importorskip("torch")
    indices = np.array([[0, 3], [1, 1]])
    for count in (-1, 6):
        rows = functional.one_hot(lepton.tensor(indices), count)
        expected = torch.nn.functional.one_hot(torch.tensor(indices), count)
        assert rows.dtype == lepton.int64
        np.testing.assert_array_equal(np.asarray(rows), expected.numpy())


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda x: functional.pad(x, (1,)), ValueError, "pad: pad expects two widths per axis"),
        (lambda x: functional.pad(x, (-2, -2)), ValueError, "pad: axis 0 of size 3 cannot be cut"),
        (lambda x: functional.pad(x, (1, 1), "reflect"), ValueError, "mode expects 'constant'"),
        (lambda x: functional.one_hot(x), TypeError, "one_hot: tensor expects integers"),
        (
            lambda x: functional.one_hot(x.astype(lepton.int64) - 1),
            IndexError,
            "one_hot: class index -1 is out of range",
        ),
        (
            lambda x: functional.one_hot(x.astype(lepton.int64) + 3, 3),
            IndexError,
            "one_hot: class index 3 is out of range for 3 classes",
        ),
    ],
)
def test_wrong_arguments_of_functions_are_refused(
    call: Any, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        call(lepton.zeros((3,)))
