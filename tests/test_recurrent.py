# SPDX-License-Identifier: Apache-2.0
"""Recurrent layers: states, several layers, threads, accuracy, errors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import lepton
from lepton import nn
from lepton.nn import functional

Array = np.ndarray[Any, Any]
KINDS = ["LSTM", "GRU", "RNN"]
OPS: dict[str, Any] = {
    "LSTM": functional.lstm,
    "GRU": functional.gru,
    "RNN": functional.rnn,
}
GATES = {"LSTM": 4, "GRU": 3, "RNN": 1}

every_kind = pytest.mark.parametrize("kind", KINDS)


def flat(result: Any) -> list[Any]:
    return [y for part in result for y in flat(part)] if isinstance(result, tuple) else [result]


def values(result: Any) -> list[Array]:
    return [np.asarray(y.detach()) for y in flat(result)]


def drawn(shape: tuple[int, ...], dtype: str = "float32", seed: int = 0) -> Array:
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


def states(kind: str, shape: tuple[int, ...], wrap: Any) -> tuple[Any, list[Any]]:
    """First states as the layer takes them, and as a list."""
    each = [wrap(drawn(shape, seed=seed)) for seed in range(1 + (kind == "LSTM"))]
    return (tuple(each) if kind == "LSTM" else each[0]), each


# ---------------------------------------------------------------------------- PyTorch


@every_kind
@pytest.mark.parametrize("batched", [True, False])
def test_first_states_and_their_gradients_equal_torch(kind: str, batched: bool) -> None:
    torch = pytest.importorskip("torch")
    options = {"num_layers": 2, "bidirectional": True, "batch_first": True}
    layer = getattr(nn, kind)(5, 7, **options)
    twin = getattr(torch.nn, kind)(5, 7, **options)
    twin.load_state_dict({n: torch.tensor(np.array(p)) for n, p in layer.state_dict().items()})
    batch = (3,) if batched else ()
    x = drawn((*batch, 6, 5))
    ours, ours_list = states(kind, (4, *batch, 7), lambda a: lepton.tensor(a).requires_grad_(True))
    theirs, theirs_list = states(kind, (4, *batch, 7), lambda a: torch.tensor(a).requires_grad_())
    results, expected = flat(layer(lepton.tensor(x), ours)), flat(twin(torch.tensor(x), theirs))
    for result, value in zip(values(tuple(results)), expected, strict=True):
        np.testing.assert_allclose(result, value.detach(), 1e-5, 1e-6)
    # the output, then each last state alone: each has its own way to the gradients
    for k, (result, value) in enumerate(zip(results, expected, strict=True)):
        more = k + 1 < len(results)
        (result * result).sum().backward(retain_graph=more)
        (value * value).sum().backward(retain_graph=more)
        for a, b in zip(
            [*ours_list, *layer.parameters()], [*theirs_list, *twin.parameters()], strict=True
        ):
            np.testing.assert_allclose(np.asarray(a.grad), b.grad, 1e-4, 1e-5)


@pytest.mark.parametrize("kind", ["LSTMCell", "GRUCell", "RNNCell"])
def test_cells_step_by_step_equal_torch(kind: str) -> None:
    torch = pytest.importorskip("torch")
    cell = getattr(nn, kind)(5, 4)
    twin = getattr(torch.nn, kind)(5, 4)
    twin.load_state_dict({n: torch.tensor(np.array(p)) for n, p in cell.state_dict().items()})
    state: Any = None
    expected: Any = None
    for step in range(3):
        x = drawn((2, 5), seed=step)
        state, expected = cell(lepton.tensor(x), state), twin(torch.tensor(x), expected)
    sum((y * y).sum() for y in flat(state)).backward()
    sum((y * y).sum() for y in flat(expected)).backward()
    for a, b in zip(cell.parameters(), twin.parameters(), strict=True):
        np.testing.assert_allclose(np.asarray(a.grad), b.grad, 1e-4, 1e-6)


# ------------------------------------------------------------------------- own behaviour


@every_kind
def test_a_layer_equals_its_cell(kind: str) -> None:
    layer, cell = getattr(nn, kind)(5, 4), getattr(nn, kind + "Cell")(5, 4)
    cell.load_state_dict({n.removesuffix("_l0"): p for n, p in layer.state_dict().items()})
    x = lepton.tensor(drawn((6, 2, 5)))
    state: Any = None
    outputs = []
    for step in range(6):
        state = cell(x[step], state)
        outputs.append(values(state)[0])
    output, *last = values(layer(x))
    np.testing.assert_allclose(output, outputs, 1e-5, 1e-6)
    for a, b in zip(last, values(state), strict=True):
        np.testing.assert_allclose(a[0], b, 1e-5, 1e-6)


@every_kind
def test_dropout_is_between_layers_and_in_training_alone(kind: str) -> None:
    x = lepton.tensor(drawn((6, 2, 5)))
    single = getattr(nn, kind)(5, 4, dropout=0.5)
    np.testing.assert_array_equal(values(single(x))[0], values(single.eval()(x))[0])
    double = getattr(nn, kind)(5, 4, 2, dropout=1.0)
    silent = getattr(nn, kind)(4, 4)
    silent.load_state_dict(
        {n.replace("_l1", "_l0"): p for n, p in double.state_dict().items() if "_l1" in n}
    )
    expected = values(silent(lepton.zeros((6, 2, 4))))[0]
    np.testing.assert_array_equal(values(double(x))[0], expected)
    assert not np.array_equal(values(double.eval()(x))[0], expected)


@every_kind
def test_results_without_a_gradient_are_the_same(kind: str) -> None:
    layer = getattr(nn, kind)(5, 4, 2, bidirectional=True)
    x = lepton.tensor(drawn((300, 2, 5)))
    recorded = values(layer(x))
    with lepton.no_grad():
        for a, b in zip(values(layer(x)), recorded, strict=True):
            np.testing.assert_array_equal(a, b)


@every_kind
def test_one_gradient_alone(kind: str) -> None:
    """What only the input, or only the first state, asks for is the same as beside all others."""
    gates = GATES[kind]
    arrays = [drawn(s) for s in ((4, 2, 5), (gates * 3, 5), (gates * 3, 3), (2, 3))]

    def gradient(asking: set[int]) -> list[Any]:
        x, w_ih, w_hh, h0 = (
            lepton.tensor(a).requires_grad_(i in asking) for i, a in enumerate(arrays)
        )
        OPS[kind](x, w_ih, w_hh, h0=h0)[0].sum().backward()
        return [t.grad for t in (x, w_ih, w_hh, h0)]

    everything = gradient({0, 1, 2, 3})
    for k in range(4):
        alone = gradient({k})
        np.testing.assert_array_equal(alone[k].numpy(), everything[k].numpy())
        assert [g for i, g in enumerate(alone) if i != k] == [None] * 3


def test_writing_to_what_the_gradient_needs_is_refused() -> None:
    layer = nn.LSTM(5, 4)
    output, _ = layer(lepton.tensor(drawn((6, 2, 5))))
    with pytest.raises(RuntimeError, match="the gradient of lstm still needs this tensor"):
        output.detach().fill_(0)


# ------------------------------------------------------------------- threads and accuracy


@every_kind
@pytest.mark.parametrize("shape", [(64, 20, 32, 96), (3, 50, 40, 128), (1, 60, 64, 256)])
def test_same_bits_for_any_number_of_threads(kind: str, shape: tuple[int, ...]) -> None:
    batch, steps, features, units = shape
    lepton.manual_seed(0)
    layer = getattr(nn, kind)(features, units)
    x = drawn((steps, batch, features))
    found = []
    for threads in (1, 2, 3, 4):
        lepton.set_num_threads(threads)
        layer.zero_grad()
        input = lepton.tensor(x).requires_grad_(True)
        output, last = layer(input)
        (output * output).sum().backward()
        bits = [y.tobytes() for y in values((output, last))]
        found.append(bits + [p.grad.numpy().tobytes() for p in (input, *layer.parameters())])
    assert all(each == found[0] for each in found)


def sums_error(
    x: Array, h: Array, of_h: Array, weights: list[Array], eps: float
) -> tuple[Array, Array]:
    """The sums x W_ih^T + h W_hh^T of one step, and how far off they are if h is off by of_h."""
    w_ih, w_hh = weights
    terms = np.abs(x) @ np.abs(w_ih).T + np.abs(h) @ np.abs(w_hh).T
    count = w_ih.shape[1] + w_hh.shape[1]
    return x @ w_ih.T + h @ w_hh.T, count * eps * terms + of_h @ np.abs(w_hh).T


@pytest.mark.parametrize("isa", lepton.available_isas())
def test_lstm_error_is_bounded_step_by_step(isa: str) -> None:
    """Rounding of each step, and what the errors of the step before grow to, in float64."""
    lepton.set_isa(isa)
    eps, units = float(np.finfo("float32").eps), 48
    x, bound = drawn((4, 5, 40)), 1 / units**0.5
    weights = [np.random.default_rng(1).uniform(-bound, bound, (4 * units, n)) for n in (40, units)]
    narrow = [w.astype("float32") for w in weights]
    wide = [w.astype("float64") for w in narrow]
    output, h_n, c_n = functional.lstm(*map(lepton.tensor, [x, *narrow]))
    h, c, of_h, of_c = (np.zeros((5, units)) for _ in range(4))
    for step in range(4):
        total, off = sums_error(x[step].astype("float64"), h, of_h, wide, eps)
        i, f, g, o = np.split(total, 4, axis=1)
        of_i, of_f, of_g, of_o = np.split(off, 4, axis=1)
        i, f, o = (1 / (1 + np.exp(-s)) for s in (i, f, o))
        # the slope of the logistic function is at most 1/4, that of tanh 1; each is 3 ulp off
        of_i, of_f, of_o = (e / 4 + 3 * eps for e in (of_i, of_f, of_o))
        of_g = of_g + 3 * eps
        of_c = f * of_c + np.abs(c) * of_f + i * of_g + np.abs(np.tanh(g)) * of_i
        c = f * c + i * np.tanh(g)
        of_c = of_c + 2 * eps * (np.abs(c) + 1)
        h = o * np.tanh(c)
        of_h = o * of_c + of_o + 4 * eps
        assert np.all(np.abs(output[step].numpy() - h) <= of_h)
    assert np.all(np.abs(c_n.numpy() - c) <= of_c)
    assert np.all(np.abs(h_n.numpy() - h) <= of_h)
    assert of_h.max() < 1e-3  # a bound that says something


# ---------------------------------------------------------------------------------- errors


@pytest.mark.parametrize(
    ("source", "error", "message"),
    [
        ("LSTM(3, 2)(ones((4, 1, 5)))", ValueError, r"expects shape \[steps, batch, 3\] or, unb"),
        (
            "GRU(3, 2, batch_first=True)(ones((3,)))",
            ValueError,
            r"\[batch, steps, 3\] .* got \[3\]",
        ),
        ("LSTM(3, 2)(ones((4, 1, 3)), ones((1, 1, 2)))", TypeError, "hx expects a pair"),
        ("LSTM(3, 2)(ones((4, 1, 3)), (ones((1, 1, 2)), 0))", TypeError, "c_0 expects a Tensor"),
        (
            "GRU(3, 2, 2)(ones((4, 1, 3)), ones((1, 1, 2)))",
            ValueError,
            r"GRU: h_0 expects shape \[2, 1, 2\], got \[1, 1, 2\]",
        ),
        ("RNN(3, 2)(5)", TypeError, "RNN: input expects a Tensor, got int"),
        ("LSTMCell(3, 2)(ones((1, 4)))", ValueError, r"input expects shape \[batch, 3\] or"),
        (
            "GRUCell(3, 2)(ones((1, 3)), ones((1, 3)))",
            ValueError,
            r"GRUCell: hx expects shape \[1, 2\], got \[1, 3\]",
        ),
        (
            "functional.lstm(ones((4, 3)), ones((8, 3)), ones((8, 2)))",
            ValueError,
            r"lstm: input expects \[steps, batch, features\], got shape \[4, 3\]",
        ),
        (
            "functional.gru(ones((4, 1, 3)), ones((8, 3)), ones((8, 2)))",
            ValueError,
            r"gru: weight_ih expects shape \[6, 3\], got \[8, 3\]",
        ),
        (
            "functional.rnn(ones((4, 1, 3)), ones((2, 3)), ones((2, 2)), nonlinearity='elu')",
            ValueError,
            "rnn: nonlinearity expects 'tanh' or 'relu', got 'elu'",
        ),
    ],
)
def test_a_wrong_call_is_refused_in_one_sentence(
    source: str, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        eval(source, {**vars(nn), "ones": lepton.ones})
