# SPDX-License-Identifier: Apache-2.0
# Written by tools/stubs.py; do not edit.
# ruff: noqa: I001, RUF022, RUF036, RUF100
import builtins
from collections.abc import Sequence

from lepton._core import Tensor

# fmt: off
__all__ = [
    "elu", "leaky_relu", "logsigmoid", "relu", "sigmoid", "silu", "softplus", "linear", "conv2d",
    "conv_transpose2d", "gelu", "softmax", "log_softmax", "batch_norm", "batch_norm_relu",
    "group_norm", "layer_norm", "max_pool2d", "avg_pool2d", "adaptive_avg_pool2d",
    "adaptive_max_pool2d", "dropout", "embedding", "lstm", "gru", "rnn",
    "scaled_dot_product_attention", "packed_attention", "cross_entropy", "nll_loss",
    "binary_cross_entropy_with_logits", "mse_loss", "l1_loss", "huber_loss", "smooth_l1_loss",
]
# fmt: on

def elu(input: Tensor, alpha: builtins.float = ...) -> Tensor: ...
def leaky_relu(input: Tensor, negative_slope: builtins.float = ...) -> Tensor: ...
def logsigmoid(input: Tensor) -> Tensor: ...
def relu(input: Tensor) -> Tensor: ...
def sigmoid(input: Tensor) -> Tensor: ...
def silu(input: Tensor) -> Tensor: ...
def softplus(
    input: Tensor, beta: builtins.float = ..., threshold: builtins.float = ...
) -> Tensor: ...
def linear(input: Tensor, weight: Tensor, bias: Tensor | None = ...) -> Tensor: ...
def conv2d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = ...,
    stride: builtins.int | tuple[builtins.int, builtins.int] = ...,
    padding: builtins.int | tuple[builtins.int, builtins.int] | str = ...,
    dilation: builtins.int | tuple[builtins.int, builtins.int] = ...,
    groups: builtins.int = ...,
) -> Tensor: ...
def conv_transpose2d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = ...,
    stride: builtins.int | tuple[builtins.int, builtins.int] = ...,
    padding: builtins.int | tuple[builtins.int, builtins.int] = ...,
    output_padding: builtins.int | tuple[builtins.int, builtins.int] = ...,
    groups: builtins.int = ...,
    dilation: builtins.int | tuple[builtins.int, builtins.int] = ...,
) -> Tensor: ...
def gelu(input: Tensor, approximate: str = ...) -> Tensor: ...
def softmax(input: Tensor, dim: builtins.int) -> Tensor: ...
def log_softmax(input: Tensor, dim: builtins.int) -> Tensor: ...
def batch_norm(
    input: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = ...,
    bias: Tensor | None = ...,
    training: builtins.bool = ...,
    momentum: builtins.float = ...,
    eps: builtins.float = ...,
) -> Tensor: ...
def batch_norm_relu(
    input: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = ...,
    bias: Tensor | None = ...,
    residual: Tensor | None = ...,
    training: builtins.bool = ...,
    momentum: builtins.float = ...,
    eps: builtins.float = ...,
) -> Tensor: ...
def group_norm(
    input: Tensor,
    num_groups: builtins.int,
    weight: Tensor | None = ...,
    bias: Tensor | None = ...,
    eps: builtins.float = ...,
) -> Tensor: ...
def layer_norm(
    input: Tensor,
    normalized_shape: builtins.int | Sequence[builtins.int],
    weight: Tensor | None = ...,
    bias: Tensor | None = ...,
    eps: builtins.float = ...,
) -> Tensor: ...
def max_pool2d(
    input: Tensor,
    kernel_size: builtins.int | tuple[builtins.int, builtins.int],
    stride: builtins.int | tuple[builtins.int, builtins.int] | None = ...,
    padding: builtins.int | tuple[builtins.int, builtins.int] = ...,
    dilation: builtins.int | tuple[builtins.int, builtins.int] = ...,
    ceil_mode: builtins.bool = ...,
) -> Tensor: ...
def avg_pool2d(
    input: Tensor,
    kernel_size: builtins.int | tuple[builtins.int, builtins.int],
    stride: builtins.int | tuple[builtins.int, builtins.int] | None = ...,
    padding: builtins.int | tuple[builtins.int, builtins.int] = ...,
    ceil_mode: builtins.bool = ...,
    count_include_pad: builtins.bool = ...,
    divisor_override: builtins.int | None = ...,
) -> Tensor: ...
def adaptive_avg_pool2d(
    input: Tensor,
    output_size: builtins.int | None | tuple[builtins.int | None, builtins.int | None],
) -> Tensor: ...
def adaptive_max_pool2d(
    input: Tensor,
    output_size: builtins.int | None | tuple[builtins.int | None, builtins.int | None],
) -> Tensor: ...
def dropout(input: Tensor, p: builtins.float = ..., training: builtins.bool = ...) -> Tensor: ...
def embedding(
    input: Tensor,
    weight: Tensor,
    padding_idx: builtins.int | None = ...,
    *,
    sparse: builtins.bool = ...,
) -> Tensor: ...
def lstm(
    input: Tensor,
    weight_ih: Tensor,
    weight_hh: Tensor,
    bias_ih: Tensor | None = ...,
    bias_hh: Tensor | None = ...,
    h0: Tensor | None = ...,
    c0: Tensor | None = ...,
    reverse: builtins.bool = ...,
) -> tuple[Tensor, ...]: ...
def gru(
    input: Tensor,
    weight_ih: Tensor,
    weight_hh: Tensor,
    bias_ih: Tensor | None = ...,
    bias_hh: Tensor | None = ...,
    h0: Tensor | None = ...,
    reverse: builtins.bool = ...,
) -> tuple[Tensor, ...]: ...
def rnn(
    input: Tensor,
    weight_ih: Tensor,
    weight_hh: Tensor,
    bias_ih: Tensor | None = ...,
    bias_hh: Tensor | None = ...,
    h0: Tensor | None = ...,
    nonlinearity: str = ...,
    reverse: builtins.bool = ...,
) -> tuple[Tensor, ...]: ...
def scaled_dot_product_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = ...,
    dropout_p: builtins.float = ...,
    is_causal: builtins.bool = ...,
    *,
    scale: builtins.float | None = ...,
    enable_gqa: builtins.bool = ...,
) -> Tensor: ...
def packed_attention(
    qkv: Tensor,
    num_heads: builtins.int,
    attn_mask: Tensor | None = ...,
    dropout_p: builtins.float = ...,
    is_causal: builtins.bool = ...,
) -> Tensor: ...
def cross_entropy(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = ...,
    ignore_index: builtins.int = ...,
    reduction: str = ...,
    label_smoothing: builtins.float = ...,
) -> Tensor: ...
def nll_loss(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = ...,
    ignore_index: builtins.int = ...,
    reduction: str = ...,
) -> Tensor: ...
def binary_cross_entropy_with_logits(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = ...,
    reduction: str = ...,
    pos_weight: Tensor | None = ...,
) -> Tensor: ...
def mse_loss(input: Tensor, target: Tensor, reduction: str = ...) -> Tensor: ...
def l1_loss(input: Tensor, target: Tensor, reduction: str = ...) -> Tensor: ...
def huber_loss(
    input: Tensor, target: Tensor, reduction: str = ..., delta: builtins.float = ...
) -> Tensor: ...
def smooth_l1_loss(
    input: Tensor, target: Tensor, reduction: str = ..., beta: builtins.float = ...
) -> Tensor: ...
