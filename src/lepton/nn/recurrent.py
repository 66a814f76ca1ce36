# SPDX-License-Identifier: Apache-2.0
"""Recurrent layers over sequences."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lepton._check import check_int
from lepton.array import Tensor
from lepton.nn.recurrent_base import GRUKind, LSTMKind, RecurrentLayers, RNNKind

__all__ = ["GRU", "LSTM", "RNN"]


class LSTM(LSTMKind, RecurrentLayers):
    """Long short-term memory [1]_: layers with a state h and a cell state c.

    Per step, with s the logistic function and the gates' weights one below the other::

        i, f, g, o = split(W_ih x + b_ih + W_hh h + b_hh)
        c = s(f) * c + s(i) * tanh(g)
        h = s(o) * tanh(c)

    Parameters
    ----------
    input_size, hidden_size : int
        Features of the input and of the states.
    num_layers : int
        Layers on top of each other; each takes the outputs of the one below.
    bias : bool
        Whether the layers have biases.
    batch_first : bool
        Whether input and output are ``(N, T, ...)`` instead of ``(T, N, ...)``.
    dropout : float
        Probability of a zero in the outputs of all layers but the last, in training.
    bidirectional : bool
        Whether each layer runs in both directions; outputs are joined along the last axis.
    proj_size : 0
        Projections are not offered.
    dtype : dtype, optional
        Of the parameters; float32 if not given.

    Shapes: x ``(T, N, input_size)``, or ``(T, input_size)`` without a batch; the result is
    ``output, (h_n, c_n)`` with output ``(T, N, D * hidden_size)`` and both states
    ``(D * num_layers, N, hidden_size)``, where D is 2 if bidirectional, else 1. ``weight_ih_l0``
    is ``(4 * hidden_size, input_size)``, ``weight_hh_l0`` ``(4 * hidden_size, hidden_size)``,
    the biases ``(4 * hidden_size,)``.

    References
    ----------
    .. [1] Hochreiter and Schmidhuber, "Long short-term memory", Neural Computation, 1997.

    Examples
    --------
    >>> import lepton
    >>> from lepton import nn
    >>> layer = nn.LSTM(4, 3, num_layers=2, bidirectional=True)
    >>> output, (h_n, c_n) = layer(lepton.randn(5, 2, 4))
    >>> output.shape, h_n.shape, c_n.shape
    ((5, 2, 6), (4, 2, 3), (4, 2, 3))
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
        *,
        dtype: Any = None,
    ) -> None:
        super().__init__(
            input_size,
            hidden_size,
            num_layers,
            bias,
            batch_first,
            dropout,
            bidirectional,
            dtype=dtype,
        )
        self.proj_size = check_int("LSTM", "proj_size", proj_size, 0)
        if self.proj_size:
            raise ValueError(f"LSTM: proj_size expects 0 (no projections), got {proj_size}")

    def forward(
        self, input: Tensor, hx: tuple[Tensor, Tensor] | None = None
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """Run over the sequences from the states ``hx = (h_0, c_0)``, zeros if not given."""
        output, (h_n, c_n) = self._compute(input, self._pair(hx))
        return output, (h_n, c_n)

    if TYPE_CHECKING:

        def __call__(  # type: ignore[override]
            self, input: Tensor, hx: tuple[Tensor, Tensor] | None = None
        ) -> tuple[Tensor, tuple[Tensor, Tensor]]: ...


class _OneState(RecurrentLayers):
    """Layers whose cells have no state but h."""

    def forward(self, input: Tensor, hx: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Run over the sequences from the states `hx`, zeros if not given."""
        output, (h_n,) = self._compute(input, [] if hx is None else [hx])
        return output, h_n

    if TYPE_CHECKING:

        def __call__(  # type: ignore[override]
            self, input: Tensor, hx: Tensor | None = None
        ) -> tuple[Tensor, Tensor]: ...


class GRU(GRUKind, _OneState):
    """Gated recurrent units [1]_.

    Per step, with s the logistic function and the gates' weights one below the other::

        r = s(W_ir x + b_ir + W_hr h + b_hr)
        z = s(W_iz x + b_iz + W_hz h + b_hz)
        n = tanh(W_in x + b_in + r * (W_hn h + b_hn))
        h = (1 - z) * n + z * h

    Parameters
    ----------
    input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, dtype
        As in `LSTM`.

    Shapes: x ``(T, N, input_size)``, or ``(T, input_size)`` without a batch; the result is
    ``output, h_n`` with output ``(T, N, D * hidden_size)`` and h_n
    ``(D * num_layers, N, hidden_size)``, where D is 2 if bidirectional, else 1. ``weight_ih_l0``
    is ``(3 * hidden_size, input_size)``, ``weight_hh_l0`` ``(3 * hidden_size, hidden_size)``,
    the biases ``(3 * hidden_size,)``.

    References
    ----------
    .. [1] Cho et al., "Learning phrase representations using RNN encoder-decoder", 2014.

    Examples
    --------
    >>> import lepton
    >>> from lepton import nn
    >>> layer = nn.GRU(4, 3, batch_first=True)
    >>> output, h_n = layer(lepton.randn(2, 5, 4))
    >>> output.shape, h_n.shape
    ((2, 5, 3), (1, 2, 3))
    """


class RNN(RNNKind, _OneState):
    """Plain recurrent layers [1]_: ``h = f(W_ih x + b_ih + W_hh h + b_hh)`` per step.

    Parameters
    ----------
    input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, dtype
        As in `LSTM`.
    nonlinearity : 'tanh' or 'relu'
        The function f.

    Shapes: as of `GRU`, with ``weight_ih_l0`` ``(hidden_size, input_size)``.

    References
    ----------
    .. [1] Elman, "Finding structure in time", Cognitive Science, 1990.

    Examples
    --------
    >>> import lepton
    >>> from lepton import nn
    >>> layer = nn.RNN(4, 3, nonlinearity="relu")
    >>> output, h_n = layer(lepton.randn(5, 2, 4))
    >>> output.shape, h_n.shape
    ((5, 2, 3), (1, 2, 3))
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        nonlinearity: str = "tanh",
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        *,
        dtype: Any = None,
    ) -> None:
        super().__init__(
            input_size,
            hidden_size,
            num_layers,
            bias,
            batch_first,
            dropout,
            bidirectional,
            dtype=dtype,
        )
        self._set_nonlinearity(nonlinearity)
