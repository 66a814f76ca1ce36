# SPDX-License-Identifier: Apache-2.0
"""Recurrent cells: one step of a sequence at a time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from lepton.array import Tensor
from lepton.nn.recurrent_base import GRUKind, LSTMKind, RecurrentWeights, RNNKind

__all__ = ["GRUCell", "LSTMCell", "RNNCell"]


class _Cell(RecurrentWeights):
    """One step of one layer."""

    def __init__(
        self, input_size: int, hidden_size: int, bias: bool = True, *, dtype: Any = None
    ) -> None:
        super().__init__(input_size, hidden_size, bias)
        self._add_weights("", self.input_size, dtype)
        self.reset_parameters()

    def _step(self, x: Tensor, states: Sequence[Tensor]) -> list[Tensor]:
        self._check_input(x, 2, f"[batch, {self.input_size}] or, unbatched, [{self.input_size}]")
        shape = (*x.shape[:-1], self.hidden_size)
        self._check_states(states, shape, "x")
        batch = x.shape[0] if x.ndim == 2 else 1
        first = [state.reshape(batch, self.hidden_size) for state in states]
        steps = x.reshape(1, batch, self.input_size)
        _, *ends = self._run(steps, self._weights(""), first, reverse=False)
        return [end.reshape(*shape) for end in ends]

    def extra_repr(self) -> str:
        return f"{self.input_size}, {self.hidden_size}" + ", bias=False" * (not self.bias)


class _OneState(_Cell):
    """Cells that have no state but h."""

    def forward(self, input: Tensor, hx: Tensor | None = None) -> Tensor:
        """Return the state after `input` from the state `hx`, zeros if not given."""
        return self._step(input, [] if hx is None else [hx])[0]


class LSTMCell(LSTMKind, _Cell):
    """One step of an `LSTM` layer.

    Parameters
    ----------
    input_size, hidden_size : int
        Features of the input and of the states.
    bias : bool
        Whether the cell has biases.
    dtype : dtype, optional
        Of the parameters; float32 if not given.

    Shapes: x ``(N, input_size)`` or ``(input_size,)``; the result is the pair h, c of shape
    ``(N, hidden_size)``. ``weight_ih`` is ``(4 * hidden_size, input_size)``, ``weight_hh``
    ``(4 * hidden_size, hidden_size)``, the biases ``(4 * hidden_size,)``.

    Examples
    --------
    >>> import lepton
    >>> from lepton import nn
    >>> cell = nn.LSTMCell(4, 3)
    >>> x = lepton.randn(5, 2, 4)
    >>> h, c = cell(x[0])
    >>> for step in range(1, 5):
    ...     h, c = cell(x[step], (h, c))
    >>> h.shape, c.shape
    ((2, 3), (2, 3))
    """

    def forward(
        self, input: Tensor, hx: tuple[Tensor, Tensor] | None = None
    ) -> tuple[Tensor, Tensor]:
        """Return the states after `input` from ``hx = (h, c)``, zeros if not given."""
        h, c = self._step(input, self._pair(hx))
        return h, c

    if TYPE_CHECKING:

        def __call__(  # type: ignore[override]
            self, input: Tensor, hx: tuple[Tensor, Tensor] | None = None
        ) -> tuple[Tensor, Tensor]: ...


class GRUCell(GRUKind, _OneState):
    """One step of a `GRU` layer.

    Parameters
    ----------
    input_size, hidden_size, bias, dtype
        As in `LSTMCell`.

    Shapes: x ``(N, input_size)`` or ``(input_size,)``, result ``(N, hidden_size)``,
    ``weight_ih`` ``(3 * hidden_size, input_size)``.

    Examples
    --------
    >>> import lepton
    >>> from lepton import nn
    >>> cell = nn.GRUCell(4, 3)
    >>> h = cell(lepton.randn(2, 4))
    >>> cell(lepton.randn(2, 4), h).shape
    (2, 3)
    """


class RNNCell(RNNKind, _OneState):
    """One step of an `RNN` layer: ``h = f(W_ih x + b_ih + W_hh h + b_hh)``.

    Parameters
    ----------
    input_size, hidden_size, bias, dtype
        As in `LSTMCell`.
    nonlinearity : 'tanh' or 'relu'
        The function f.

    Shapes: x ``(N, input_size)`` or ``(input_size,)``, result ``(N, hidden_size)``,
    ``weight_ih`` ``(hidden_size, input_size)``.

    Examples
    --------
    >>> import lepton
    >>> from lepton import nn
    >>> cell = nn.RNNCell(4, 3, nonlinearity="relu")
    >>> h = cell(lepton.randn(2, 4))
    >>> cell(lepton.randn(2, 4), h).shape
    (2, 3)
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        nonlinearity: str = "tanh",
        *,
        dtype: Any = None,
    ) -> None:
        super().__init__(input_size, hidden_size, bias, dtype=dtype)
        self._set_nonlinearity(nonlinearity)

    def extra_repr(self) -> str:
        relu = f", nonlinearity={self.nonlinearity}" * (self.nonlinearity != "tanh")
        return super().extra_repr() + relu
