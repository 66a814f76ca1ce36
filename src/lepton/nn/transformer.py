# SPDX-License-Identifier: Apache-2.0
"""Transformer encoders."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

from lepton._check import check_bool, check_choice, check_int, check_number
from lepton.array import Tensor
from lepton.nn import functional
from lepton.nn.attention import MultiheadAttention, additive_mask, is_causal_mask
from lepton.nn.container import ModuleList
from lepton.nn.dropout import Dropout
from lepton.nn.linear import Linear
from lepton.nn.module import Module
from lepton.nn.normalization import LayerNorm

__all__ = ["TransformerEncoder", "TransformerEncoderLayer"]


class TransformerEncoderLayer(Module):
    """Self-attention and a feed-forward network, each with a residual (Vaswani et al., 2017).

    ``x = norm1(x + attention(x)); x = norm2(x + linear2(f(linear1(x))))``, or with `norm_first`
    ``x = x + attention(norm1(x)); x = x + linear2(f(linear1(norm2(x))))``; in training dropout
    follows attention, f and linear2.

    Parameters
    ----------
    d_model, nhead : int
        Width of the sequence, and the number of heads it is divided among.
    dim_feedforward : int
        Width between linear1 and linear2.
    dropout : float
        Probability of a zero, and that a weight of attention becomes 0.
    activation : 'relu', 'gelu' or callable
        The function f.
    layer_norm_eps : float
        Added to the variance.
    batch_first : bool
        Whether the batch is the first axis, or the second.
    norm_first : bool
        Whether sequences are normalised before each part, or after.
    bias : bool
        Whether linear layers and norms add a bias.
    dtype : dtype, optional
        Of the parameters; float32 if not given.

    Shapes: x and result ``(L, N, d_model)``, or ``(N, L, d_model)`` with `batch_first`, or
    ``(L, d_model)``.

    Examples
    --------
    >>> import lepton
    >>> from lepton import nn
    >>> layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
    >>> layer(lepton.randn(3, 5, 8)).shape
    (3, 5, 8)
    """

    def __init__(
        self,
        d_model: int,
        nhead: int,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: str | Callable[[Tensor], Tensor] = functional.relu,
        layer_norm_eps: float = 1e-5,
        batch_first: bool = False,
        norm_first: bool = False,
        bias: bool = True,
        *,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        owner = "TransformerEncoderLayer"
        check_int(owner, "d_model", d_model, 1)
        check_int(owner, "dim_feedforward", dim_feedforward, 1)
        check_number(owner, "dropout", dropout, 0, 1)
        check_number(owner, "layer_norm_eps", layer_norm_eps, 0)
        self.self_attn = MultiheadAttention(
            d_model, nhead, dropout, bias, batch_first=batch_first, dtype=dtype
        )
        self.linear1 = Linear(d_model, dim_feedforward, bias, dtype=dtype)
        self.dropout = Dropout(dropout)
        self.linear2 = Linear(dim_feedforward, d_model, bias, dtype=dtype)
        self.norm_first = check_bool(owner, "norm_first", norm_first)
        self.norm1 = LayerNorm(d_model, layer_norm_eps, bias=bias, dtype=dtype)
        self.norm2 = LayerNorm(d_model, layer_norm_eps, bias=bias, dtype=dtype)
        self.dropout1 = Dropout(dropout)
        self.dropout2 = Dropout(dropout)
        # By name where it has one: the core's functions cannot be pickled.
        self.activation: str | Callable[[Tensor], Tensor] = activation
        for word in ("relu", "gelu"):
            if activation is getattr(functional, word):
                self.activation = word
        if not callable(activation):
            check_choice(owner, "activation", activation, ["relu", "gelu"])

    def forward(
        self,
        src: Tensor,
        src_mask: Tensor | None = None,
        src_key_padding_mask: Tensor | None = None,
        is_causal: bool = False,
    ) -> Tensor:
        """Encode `src`; the masks are those of `MultiheadAttention`."""
        masks = (src_mask, src_key_padding_mask, is_causal)
        if self.norm_first:
            src = src + self._attend(self.norm1(src), *masks)
            return src + self._feed_forward(self.norm2(src))
        src = self.norm1(src + self._attend(src, *masks))
        return self.norm2(src + self._feed_forward(src))

    def _attend(
        self, x: Tensor, mask: Tensor | None, padding: Tensor | None, is_causal: bool
    ) -> Tensor:
        result, _ = self.self_attn(
            x,
            x,
            x,
            key_padding_mask=padding,
            need_weights=False,
            attn_mask=mask,
            is_causal=is_causal,
        )
        return self.dropout1(result)

    def _feed_forward(self, x: Tensor) -> Tensor:
        name = self.activation
        function = getattr(functional, name) if isinstance(name, str) else name
        return self.dropout2(self.linear2(self.dropout(function(self.linear1(x)))))


class TransformerEncoder(Module):
    """Encoder layers one after another (Vaswani et al., 2017).

    Parameters
    ----------
    encoder_layer : Module
        The layer; every layer of the encoder is a copy of it, with its values.
    num_layers : int
        How many.
    norm : Module, optional
        What the result goes through.
    enable_nested_tensor, mask_check : bool
        Taken so that code written for PyTorch runs; padding is never cut away.

    Shapes: those of the layer.

    Examples
    --------
    >>> import lepton
    >>> from lepton import nn
    >>> layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
    >>> encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
    >>> encoder(lepton.randn(3, 5, 8)).shape
    (3, 5, 8)
    """

    def __init__(
        self,
        encoder_layer: Module,
        num_layers: int,
        norm: Module | None = None,
        enable_nested_tensor: bool = True,
        mask_check: bool = True,
    ) -> None:
        super().__init__()
        owner = "TransformerEncoder"
        if not isinstance(encoder_layer, Module):
            raise TypeError(
                f"{owner}: encoder_layer expects a Module, got {type(encoder_layer).__name__}"
            )
        self.num_layers = check_int(owner, "num_layers", num_layers, 1)
        self.layers = ModuleList(copy.deepcopy(encoder_layer) for _ in range(num_layers))
        self.norm = norm
        self.enable_nested_tensor = check_bool(owner, "enable_nested_tensor", enable_nested_tensor)
        self.mask_check = check_bool(owner, "mask_check", mask_check)

    def forward(
        self,
        src: Tensor,
        mask: Tensor | None = None,
        src_key_padding_mask: Tensor | None = None,
        is_causal: bool | None = None,
    ) -> Tensor:
        """Encode `src`; the masks are those of `MultiheadAttention`.

        Where `is_causal` is not given, a causal `mask` is recognised, which saves the work on
        what it hides.
        """
        if is_causal is None:
            is_causal = mask is not None and is_causal_mask(mask)
        owner = "TransformerEncoder"
        mask = additive_mask(owner, "mask", mask, src)
        padding = additive_mask(owner, "src_key_padding_mask", src_key_padding_mask, src)
        for layer in self.layers:
            src = layer(src, mask, padding, is_causal)
        return src if self.norm is None else self.norm(src)
