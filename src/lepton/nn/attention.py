# SPDX-License-Identifier: Apache-2.0
"""Multi-head attention."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from lepton._check import check_bool, check_int, check_number
from lepton.array import (
    Tensor,
    arange,
    bool,
    broadcast_to,
    concat,
    empty,
    expand_dims,
    matmul,
    mean,
    permute_dims,
    squeeze,
    where,
    zeros,
)
from lepton.nn import functional, init
from lepton.nn.linear import Linear
from lepton.nn.module import Module
from lepton.nn.parameter import Parameter

__all__ = ["MultiheadAttention"]


def additive_mask(owner: str, name: str, mask: Tensor | None, like: Tensor) -> Tensor | None:
    """Return a mask as numbers to be added to scores: minus infinity where it is True."""
    if mask is None or mask.dtype == like.dtype:
        return mask
    if mask.dtype != bool:
        raise TypeError(f"{owner}: {name} expects bool or {like.dtype}, got {mask.dtype}")
    hidden, seen = zeros((), dtype=like.dtype) - math.inf, zeros((), dtype=like.dtype)
    return where(mask, hidden, seen)


def causal_mask(queries: int, keys: int) -> Tensor:
    """Return True where a key comes after the query."""
    return expand_dims(arange(queries), axis=1) < arange(keys)


def is_causal_mask(mask: Tensor) -> Any:
    """Whether a mask of [L, L] hides the keys after each query and does nothing else."""
    if mask.ndim != 2 or mask.shape[0] != mask.shape[1]:
        return False
    values = mask.detach().numpy()
    later = causal_mask(*mask.shape).numpy()
    expected = later if values.dtype == np.bool_ else np.where(later, -math.inf, 0)
    return np.array_equal(values, expected)


class MultiheadAttention(Module):
    """Attention of several heads, each with projections of its own (Vaswani et al., 2017).

    ``head = softmax(q @ k.T / sqrt(embed_dim / num_heads) + mask) @ v`` for ``q = query @ W_q.T``,
    ``k = key @ W_k.T`` and ``v = value @ W_v.T``; the heads side by side go through ``out_proj``.
    Without `need_weights` no matrix of weights is made, see
    `functional.scaled_dot_product_attention`.

    Parameters
    ----------
    embed_dim, num_heads : int
        Width of query and result, and the number of heads it is divided among.
    dropout : float
        Probability that a weight becomes 0 in training.
    bias : bool
        Whether the projections add a bias.
    add_bias_kv, add_zero_attn : bool
        Whether keys and values get a learned, or a zero, element at their end.
    kdim, vdim : int, optional
        Widths of key and value, `embed_dim` if not given.
    batch_first : bool
        Whether the batch is the first axis, or the second.
    dtype : dtype, optional
        Of the parameters; float32 if not given.

    Shapes: query ``(L, N, embed_dim)``, key ``(S, N, kdim)``, value ``(S, N, vdim)``, result
    ``(L, N, embed_dim)`` and weights ``(N, L, S)``; ``(N, L, embed_dim)`` and so on with
    `batch_first`; all without ``N`` for one sequence. ``in_proj_weight``
    ``(3 * embed_dim, embed_dim)``, or ``q_proj_weight``, ``k_proj_weight`` and ``v_proj_weight``
    where `kdim` or `vdim` differ.

    Examples
    --------
    >>> import lepton
    >>> from lepton import nn
    >>> attention = nn.MultiheadAttention(8, 2, batch_first=True)
    >>> x = lepton.randn(3, 5, 8)
    >>> y, weights = attention(x, x, x)
    >>> y.shape, weights.shape
    ((3, 5, 8), (3, 5, 5))
    """

    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        dropout: float = 0.0,
        bias: Any = True,
        add_bias_kv: Any = False,
        add_zero_attn: Any = False,
        kdim: int | None = None,
        vdim: int | None = None,
        batch_first: Any = False,
        *,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        owner = "MultiheadAttention"
        self.embed_dim = check_int(owner, "embed_dim", embed_dim, 1)
        self.num_heads = check_int(owner, "num_heads", num_heads, 1)
        if embed_dim % num_heads:
            raise ValueError(
                f"{owner}: embed_dim expects a multiple of num_heads, "
                f"got embed_dim={embed_dim}, num_heads={num_heads}"
            )
        self.kdim = embed_dim if kdim is None else check_int(owner, "kdim", kdim, 1)
        self.vdim = embed_dim if vdim is None else check_int(owner, "vdim", vdim, 1)
        self.dropout = check_number(owner, "dropout", dropout, 0, 1)
        self.batch_first = check_bool(owner, "batch_first", batch_first)
        self.add_zero_attn = check_bool(owner, "add_zero_attn", add_zero_attn)
        check_bool(owner, "bias", bias)
        packed = self.kdim == embed_dim and self.vdim == embed_dim

        def weight(made: Any, *shape: int) -> Parameter | None:
            return Parameter(empty(shape, dtype=dtype)) if made else None

        self.in_proj_weight = weight(packed, 3 * embed_dim, embed_dim)
        self.q_proj_weight = weight(not packed, embed_dim, embed_dim)
        self.k_proj_weight = weight(not packed, embed_dim, self.kdim)
        self.v_proj_weight = weight(not packed, embed_dim, self.vdim)
        self.in_proj_bias = weight(bias, 3 * embed_dim)
        learned = check_bool(owner, "add_bias_kv", add_bias_kv)
        self.bias_k = weight(learned, 1, 1, embed_dim)
        self.bias_v = weight(learned, 1, 1, embed_dim)
        self.out_proj = Linear(embed_dim, embed_dim, bias, dtype=dtype)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the weights anew (Xavier) and set the biases of the projections to 0."""
        for weight in (
            self.in_proj_weight,
            self.q_proj_weight,
            self.k_proj_weight,
            self.v_proj_weight,
        ):
            if weight is not None:
                init.xavier_uniform_(weight)
        self.out_proj.reset_parameters()
        for bias in (self.in_proj_bias, self.out_proj.bias):
            if bias is not None:
                init.zeros_(bias)
        for bias in (self.bias_k, self.bias_v):
            if bias is not None:
                init.xavier_normal_(bias)

    if TYPE_CHECKING:

        def __call__(  # type: ignore[override]
            self, query: Tensor, key: Tensor, value: Tensor, **kwargs: Any
        ) -> tuple[Tensor, Tensor | None]: ...

    def forward(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        key_padding_mask: Tensor | None = None,
        need_weights: Any = True,
        attn_mask: Tensor | None = None,
        average_attn_weights: Any = True,
        is_causal: Any = False,
    ) -> tuple[Tensor, Tensor | None]:
        """Return the result, and the weights if they are needed (None else).

        Parameters
        ----------
        query, key, value : Tensor
            The sequences; where all three are one object, one product projects them.
        key_padding_mask : Tensor, optional
            ``(N, S)``: True, or minus infinity, for keys that no query sees.
        need_weights, average_attn_weights : bool
            Whether weights are returned, and as their mean over the heads or ``(N, heads, L, S)``.
        attn_mask : Tensor, optional
            ``(L, S)`` or ``(N * heads, L, S)``: True where a query must not see a key, or numbers
            that are added to the scores.
        is_causal : bool
            Whether `attn_mask` hides later keys and nothing else; it may be left out then.
        """
        self._check_inputs(query, key, value)
        batched = query.ndim == 3
        masks = self._masks(query, key, key_padding_mask, attn_mask, need_weights, is_causal)
        causal = is_causal and masks is None
        sequences = [query, key, value]
        if not batched:
            sequences = [expand_dims(x, axis=0) for x in sequences]
        elif not self.batch_first:
            sequences = [permute_dims(x, (1, 0, 2)) for x in sequences]
        alike = query is key and key is value
        extended = self.bias_k is not None or self.add_zero_attn
        weights = None
        if self.in_proj_weight is not None and alike and not (extended or need_weights):
            qkv = functional.linear(sequences[0], self.in_proj_weight, self.in_proj_bias)
            result = functional.packed_attention(
                qkv, self.num_heads, masks, self._dropout(), causal
            )
        else:
            result, weights = self._attend(sequences, masks, need_weights, causal)
        result = self.out_proj(result)
        if weights is not None and average_attn_weights:
            weights = mean(weights, axis=1)
        if not batched:
            weights = None if weights is None else squeeze(weights, axis=0)
            return squeeze(result, axis=0), weights
        return result if self.batch_first else permute_dims(result, (1, 0, 2)), weights

    def _dropout(self) -> float:
        return self.dropout if self.training else 0.0

    def _check_inputs(self, query: Tensor, key: Tensor, value: Tensor) -> None:
        axis = 0 if self.batch_first else 1
        shapes = [tuple(x.shape) for x in (query, key, value)]
        widths = (self.embed_dim, self.kdim, self.vdim)
        fits = (
            query.ndim in (2, 3)
            and all(x.ndim == query.ndim for x in (key, value))
            and tuple(shape[-1] for shape in shapes) == widths
            and shapes[1][:-1] == shapes[2][:-1]
            and (query.ndim == 2 or shapes[0][axis] == shapes[1][axis])
        )
        if not fits:
            order = "N, L" if self.batch_first else "L, N"
            raise ValueError(
                f"MultiheadAttention: expects sequences [{order}, width] or [L, width] of widths "
                f"{widths}, got query {list(shapes[0])}, key {list(shapes[1])}, "
                f"value {list(shapes[2])}"
            )

    def _masks(
        self,
        query: Tensor,
        key: Tensor,
        key_padding_mask: Tensor | None,
        attn_mask: Tensor | None,
        need_weights: Any,
        is_causal: Any,
    ) -> Tensor | None:
        """Both masks as one, to be added to scores [N, heads, L, S]; None where causal says all."""
        owner = "MultiheadAttention"
        axis = 1 if self.batch_first and query.ndim == 3 else 0
        batch = query.shape[1 - axis] if query.ndim == 3 else 1
        queries, keys = query.shape[axis], key.shape[axis]
        if is_causal and key_padding_mask is None and not need_weights:
            return None
        if is_causal and attn_mask is None:
            attn_mask = causal_mask(queries, keys)
        masks = additive_mask(owner, "attn_mask", attn_mask, query)
        if masks is not None:
            if masks.shape == (batch * self.num_heads, queries, keys) and masks.ndim == 3:
                masks = masks.reshape(batch, self.num_heads, queries, keys)
            elif masks.shape != (queries, keys):
                raise ValueError(
                    f"{owner}: attn_mask expects [{queries}, {keys}] or "
                    f"[{batch * self.num_heads}, {queries}, {keys}], got {list(masks.shape)}"
                )
        padding = additive_mask(owner, "key_padding_mask", key_padding_mask, query)
        if padding is None:
            return masks
        if padding.shape not in ((batch, keys), (keys,)) or padding.ndim != query.ndim - 1:
            raise ValueError(
                f"{owner}: key_padding_mask expects {[batch, keys][3 - query.ndim :]}, "
                f"got {list(padding.shape)}"
            )
        padding = padding.reshape(batch, 1, 1, keys)
        return padding if masks is None else masks + padding

    def _project(self, sequences: list[Tensor]) -> list[Tensor]:
        size = self.embed_dim
        weights: list[Any] = [self.q_proj_weight, self.k_proj_weight, self.v_proj_weight]
        if self.in_proj_weight is not None:
            weights = [self.in_proj_weight[i * size : (i + 1) * size] for i in range(3)]
        biases: list[Any] = [None] * 3
        if self.in_proj_bias is not None:
            biases = [self.in_proj_bias[i * size : (i + 1) * size] for i in range(3)]
        return [
            functional.linear(x, weight, bias)
            for x, weight, bias in zip(sequences, weights, biases, strict=True)
        ]

    def _attend(
        self, sequences: list[Tensor], masks: Tensor | None, need_weights: Any, causal: Any
    ) -> tuple[Tensor, Tensor | None]:
        """Attention of [N, L, E] sequences that are different, extended, or shown with weights."""
        q, k, v = self._project(sequences)
        batch, queries, size = q.shape
        if self.bias_k is not None and self.bias_v is not None:
            k = concat([k, broadcast_to(self.bias_k, (batch, 1, size))], axis=1)
            v = concat([v, broadcast_to(self.bias_v, (batch, 1, size))], axis=1)
        if self.add_zero_attn:
            zero = zeros((batch, 1, size), dtype=k.dtype)
            k, v = concat([k, zero], axis=1), concat([v, zero], axis=1)
        if masks is not None and masks.shape[-1] < k.shape[1]:
            masks = functional.pad(masks, (0, k.shape[1] - masks.shape[-1]))
        q, k, v = (
            permute_dims(x.reshape(batch, x.shape[1], self.num_heads, -1), (0, 2, 1, 3))
            for x in (q, k, v)
        )
        weights = None
        if need_weights:
            scores = matmul(q * (size // self.num_heads) ** -0.5, permute_dims(k, (0, 1, 3, 2)))
            weights = functional.softmax(scores if masks is None else scores + masks, -1)
            weights = functional.dropout(weights, self.dropout, self.training)
            result = matmul(weights, v)
        else:
            result = functional.scaled_dot_product_attention(
                q, k, v, masks, self._dropout(), causal
            )
        return permute_dims(result, (0, 2, 1, 3)).reshape(batch, queries, size), weights
