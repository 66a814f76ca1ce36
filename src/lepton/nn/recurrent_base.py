# SPDX-License-Identifier: Apache-2.0
"""What recurrent layers and cells share: parameters, checks, the stack of layers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from lepton._check import check_bool, check_choice, check_int, check_number
from lepton.array import Tensor, concat, empty, permute_dims, stack
from lepton.nn import functional, init
from lepton.nn.module import Module
from lepton.nn.parameter import Parameter

Weights = tuple[Tensor, Tensor, Tensor | None, Tensor | None]
States = tuple[Tensor, ...]


class RecurrentWeights(Module):
    """What layers and cells share: sizes, and parameters within 1 / sqrt(hidden_size)."""

    _gates = 1

    def __init__(self, input_size: int, hidden_size: int, bias: bool) -> None:
        super().__init__()
        name = type(self).__name__
        self.input_size = check_int(name, "input_size", input_size, 1)
        self.hidden_size = check_int(name, "hidden_size", hidden_size, 1)
        self.bias = check_bool(name, "bias", bias)

    def _add_weights(self, suffix: str, input_size: int, dtype: Any) -> None:
        rows = self._gates * self.hidden_size
        shapes: dict[str, tuple[int, ...]]
        shapes = {"weight_ih": (rows, input_size), "weight_hh": (rows, self.hidden_size)}
        if self.bias:
            shapes |= {"bias_ih": (rows,), "bias_hh": (rows,)}
        for name, shape in shapes.items():
            setattr(self, name + suffix, Parameter(empty(shape, dtype=dtype)))

    def _weights(self, suffix: str) -> Weights:
        biases = [getattr(self, name + suffix, None) for name in ("bias_ih", "bias_hh")]
        return (
            getattr(self, "weight_ih" + suffix),
            getattr(self, "weight_hh" + suffix),
            biases[0],
            biases[1],
        )

    def reset_parameters(self) -> None:
        """Draw all parameters anew, uniform within 1 / sqrt(hidden_size)."""
        bound = 1 / math.sqrt(self.hidden_size)
        for parameter in self.parameters(recurse=False):
            init.uniform_(parameter, -bound, bound)

    def _run(self, x: Tensor, weights: Weights, states: Sequence[Tensor], reverse: bool) -> States:
        """Run one direction of one layer: outputs of all steps, then the last of each state."""
        raise NotImplementedError

    def _check_input(self, x: Any, axes: int, shapes: str) -> None:
        self._check_tensor("input", x)
        if x.ndim not in (axes - 1, axes) or x.shape[-1] != self.input_size:
            raise ValueError(
                f"{type(self).__name__}: input expects shape {shapes}, got {list(x.shape)}"
            )

    def _check_states(self, states: Sequence[Any], shape: tuple[int, ...], suffix: str) -> None:
        for name, state in zip(("h", "c"), states, strict=False):
            self._check_tensor(name + suffix, state)
            if tuple(state.shape) != shape:
                raise ValueError(
                    f"{type(self).__name__}: {name}{suffix} expects shape {list(shape)}, "
                    f"got {list(state.shape)}"
                )

    def _check_tensor(self, name: str, x: Any) -> None:
        if not isinstance(x, Tensor):
            raise TypeError(
                f"{type(self).__name__}: {name} expects a Tensor, got {type(x).__name__}"
            )

    def _pair(self, hx: Any) -> list[Tensor]:
        """The two states of an LSTM, or none."""
        if hx is None:
            return []
        if not isinstance(hx, (tuple, list)) or len(hx) != 2:
            got = f"{len(hx)} values" if isinstance(hx, (tuple, list)) else type(hx).__name__
            raise TypeError(f"{type(self).__name__}: hx expects a pair (h, c), got {got}")
        return list(hx)


class RecurrentLayers(RecurrentWeights):
    """Layers of one kind of cell, one on top of the other."""

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        *,
        dtype: Any = None,
    ) -> None:
        super().__init__(input_size, hidden_size, bias)
        name = type(self).__name__
        self.num_layers = check_int(name, "num_layers", num_layers, 1)
        self.batch_first = check_bool(name, "batch_first", batch_first)
        self.dropout = check_number(name, "dropout", dropout, 0, 1)
        self.bidirectional = check_bool(name, "bidirectional", bidirectional)
        directions = 1 + self.bidirectional
        for layer in range(self.num_layers):
            size = self.input_size if layer == 0 else directions * self.hidden_size
            for suffix in self._suffixes(layer):
                self._add_weights(suffix, size, dtype)
        self.reset_parameters()

    def _suffixes(self, layer: int) -> list[str]:
        return [f"_l{layer}"] + [f"_l{layer}_reverse"] * self.bidirectional

    def _compute(self, x: Tensor, first: Sequence[Tensor]) -> tuple[Tensor, list[Tensor]]:
        """Return the last layer's outputs, and of each state the last ones of all layers."""
        order = "batch, steps" if self.batch_first else "steps, batch"
        self._check_input(
            x, 3, f"[{order}, {self.input_size}] or, unbatched, [steps, {self.input_size}]"
        )
        unbatched = x.ndim == 2
        if unbatched:
            x = x.reshape(x.shape[0], 1, x.shape[1])
        elif self.batch_first:
            x = permute_dims(x, (1, 0, 2))
        kept = (self.hidden_size,) if unbatched else (x.shape[1], self.hidden_size)
        shape = (self.num_layers * (1 + self.bidirectional), *kept)
        self._check_states(first, shape, "_0")
        if unbatched:
            first = [state.reshape(shape[0], 1, self.hidden_size) for state in first]
        x, last = self._stack(x, first)
        if unbatched:
            return x.reshape(x.shape[0], x.shape[2]), [state.reshape(*shape) for state in last]
        return (permute_dims(x, (1, 0, 2)) if self.batch_first else x), last

    def _stack(self, x: Tensor, first: Sequence[Tensor]) -> tuple[Tensor, list[Tensor]]:
        last: list[Sequence[Tensor]] = []
        for layer in range(self.num_layers):
            outputs = []
            for suffix in self._suffixes(layer):
                states = [state[len(last)] for state in first]
                output, *ends = self._run(
                    x, self._weights(suffix), states, reverse=suffix.endswith("reverse")
                )
                outputs.append(output)
                last.append(ends)
            x = concat(outputs, axis=-1) if len(outputs) > 1 else outputs[0]
            if layer + 1 < self.num_layers:
                x = functional.dropout(x, self.dropout, self.training)
        return x, [stack(list(ends)) for ends in zip(*last, strict=True)]

    def extra_repr(self) -> str:
        parts = [f"{self.input_size}, {self.hidden_size}"]
        parts += [f"num_layers={self.num_layers}"] * (self.num_layers != 1)
        parts += [f"bias={self.bias}"] * (not self.bias)
        parts += [f"batch_first={self.batch_first}"] * self.batch_first
        parts += [f"dropout={self.dropout}"] * (self.dropout != 0)
        parts += [f"bidirectional={self.bidirectional}"] * self.bidirectional
        return ", ".join(parts)


class LSTMKind(RecurrentWeights):
    """Cells with a cell state."""

    _gates = 4

    def _run(self, x: Tensor, weights: Weights, states: Sequence[Tensor], reverse: bool) -> States:
        h0, c0 = states or (None, None)
        w_ih, w_hh, b_ih, b_hh = weights
        return functional.lstm(x, w_ih, w_hh, b_ih, b_hh, h0, c0, reverse)


class GRUKind(RecurrentWeights):
    """Cells with a reset and an update gate."""

    _gates = 3

    def _run(self, x: Tensor, weights: Weights, states: Sequence[Tensor], reverse: bool) -> States:
        w_ih, w_hh, b_ih, b_hh = weights
        h0 = states[0] if states else None
        return functional.gru(x, w_ih, w_hh, b_ih, b_hh, h0, reverse)


class RNNKind(RecurrentWeights):
    """Cells without gates."""

    nonlinearity: str

    def _set_nonlinearity(self, nonlinearity: str) -> None:
        name = type(self).__name__
        self.nonlinearity = check_choice(name, "nonlinearity", nonlinearity, ["tanh", "relu"])

    def _run(self, x: Tensor, weights: Weights, states: Sequence[Tensor], reverse: bool) -> States:
        w_ih, w_hh, b_ih, b_hh = weights
        h0 = states[0] if states else None
        return functional.rnn(x, w_ih, w_hh, b_ih, b_hh, h0, self.nonlinearity, reverse)
