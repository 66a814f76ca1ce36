# SPDX-License-Identifier: Apache-2.0
# Written by tools/stubs.py; do not edit.
# ruff: noqa: I001, RUF022, RUF036, RUF100
import builtins
from collections.abc import Sequence

from numpy.typing import DTypeLike

from lepton._core import Tensor

# fmt: off
__all__ = [
    "add", "copysign", "divide", "floor_divide", "maximum", "minimum", "multiply", "negative",
    "nextafter", "pow", "reciprocal", "remainder", "square", "subtract", "abs", "ceil", "conj",
    "floor", "positive", "real", "round", "sign", "trunc", "bitwise_and", "bitwise_invert",
    "bitwise_left_shift", "bitwise_or", "bitwise_right_shift", "bitwise_xor", "equal", "greater",
    "greater_equal", "isfinite", "isinf", "isnan", "less", "less_equal", "logical_and",
    "logical_not", "logical_or", "logical_xor", "not_equal", "signbit", "erf", "exp", "expm1",
    "log", "log10", "log1p", "log2", "logaddexp", "sqrt", "acos", "acosh", "asin", "asinh", "atan",
    "atan2", "atanh", "cos", "cosh", "hypot", "sin", "sinh", "tan", "tanh", "empty", "empty_like",
    "zeros", "zeros_like", "ones", "ones_like", "full", "full_like", "arange", "linspace", "eye",
    "uniform", "normal", "randint", "randperm", "where", "sum", "prod", "max", "min", "mean", "var",
    "std", "any", "all", "count_nonzero", "argmax", "argmin", "cumulative_sum", "cumulative_prod",
    "reshape", "permute_dims", "matrix_transpose", "broadcast_to", "squeeze", "expand_dims",
    "astype", "flip", "flatten", "concat", "stack", "take", "take_along_axis", "nonzero", "matmul",
]
# fmt: on

def add(
    x1: Tensor | builtins.bool | builtins.int | builtins.float,
    x2: Tensor | builtins.bool | builtins.int | builtins.float,
    /,
) -> Tensor: ...
def copysign(
    x1: Tensor | builtins.bool | builtins.int | builtins.float,
    x2: Tensor | builtins.bool | builtins.int | builtins.float,
    /,
) -> Tensor: ...
def divide(
    x1: Tensor | builtins.bool | builtins.int | builtins.float,
    x2: Tensor | builtins.bool | builtins.int | builtins.float,
    /,
) -> Tensor: ...
def floor_divide(
    x1: Tensor | builtins.bool | builtins.int | builtins.float,
    x2: Tensor | builtins.bool | builtins.int | builtins.float,
    /,
) -> Tensor: ...
def maximum(
    x1: Tensor | builtins.bool | builtins.int | builtins.float,
    x2: Tensor | builtins.bool | builtins.int | builtins.float,
    /,
) -> Tensor: ...
def minimum(
    x1: Tensor | builtins.bool | builtins.int | builtins.float,
    x2: Tensor | builtins.bool | builtins.int | builtins.float,
    /,
) -> Tensor: ...
def multiply(
    x1: Tensor | builtins.bool | builtins.int | builtins.float,
    x2: Tensor | builtins.bool | builtins.int | builtins.float,
    /,
) -> Tensor: ...
def negative(x: Tensor, /) -> Tensor: ...
def nextafter(
    x1: Tensor | builtins.bool | builtins.int | builtins.float,
    x2: Tensor | builtins.bool | builtins.int | builtins.float,
    /,
) -> Tensor: ...
def pow(
    x1: Tensor | builtins.bool | builtins.int | builtins.float,
    x2: Tensor | builtins.bool | builtins.int | builtins.float,
    /,
) -> Tensor: ...
def reciprocal(x: Tensor, /) -> Tensor: ...
def remainder(
    x1: Tensor | builtins.bool | builtins.int | builtins.float,
    x2: Tensor | builtins.bool | builtins.int | builtins.float,
    /,
) -> Tensor: ...
def square(x: Tensor, /) -> Tensor: ...
def subtract(
    x1: Tensor | builtins.bool | builtins.int | builtins.float,
    x2: Tensor | builtins.bool | builtins.int | builtins.float,
    /,
) -> Tensor: ...
def abs(x: Tensor, /) -> Tensor: ...
def ceil(x: Tensor, /) -> Tensor: ...
def conj(x: Tensor, /) -> Tensor: ...
def floor(x: Tensor, /) -> Tensor: ...
def positive(x: Tensor, /) -> Tensor: ...
def real(x: Tensor, /) -> Tensor: ...
def round(x: Tensor, /) -> Tensor: ...
def sign(x: Tensor, /) -> Tensor: ...
def trunc(x: Tensor, /) -> Tensor: ...
def bitwise_and(
    x1: Tensor | builtins.bool | builtins.int | builtins.float,
    x2: Tensor | builtins.bool | builtins.int | builtins.float,
    /,
) -> Tensor: ...
def bitwise_invert(x: Tensor, /) -> Tensor: ...
def bitwise_left_shift(
    x1: Tensor | builtins.bool | builtins.int | builtins.float,
    x2: Tensor | builtins.bool | builtins.int | builtins.float,
    /,
) -> Tensor: ...
def bitwise_or(
    x1: Tensor | builtins.bool | builtins.int | builtins.float,
    x2: Tensor | builtins.bool | builtins.int | builtins.float,
    /,
) -> Tensor: ...
def bitwise_right_shift(
    x1: Tensor | builtins.bool | builtins.int | builtins.float,
    x2: Tensor | builtins.bool | builtins.int | builtins.float,
    /,
) -> Tensor: ...
def bitwise_xor(
    x1: Tensor | builtins.bool | builtins.int | builtins.float,
    x2: Tensor | builtins.bool | builtins.int | builtins.float,
    /,
) -> Tensor: ...
def equal(
    x1: Tensor | builtins.bool | builtins.int | builtins.float,
    x2: Tensor | builtins.bool | builtins.int | builtins.float,
    /,
) -> Tensor: ...
def greater(
    x1: Tensor | builtins.bool | builtins.int | builtins.float,
    x2: Tensor | builtins.bool | builtins.int | builtins.float,
    /,
) -> Tensor: ...
def greater_equal(
    x1: Tensor | builtins.bool | builtins.int | builtins.float,
    x2: Tensor | builtins.bool | builtins.int | builtins.float,
    /,
) -> Tensor: ...
def isfinite(x: Tensor, /) -> Tensor: ...
def isinf(x: Tensor, /) -> Tensor: ...
def isnan(x: Tensor, /) -> Tensor: ...
def less(
    x1: Tensor | builtins.bool | builtins.int | builtins.float,
    x2: Tensor | builtins.bool | builtins.int | builtins.float,
    /,
) -> Tensor: ...
def less_equal(
    x1: Tensor | builtins.bool | builtins.int | builtins.float,
    x2: Tensor | builtins.bool | builtins.int | builtins.float,
    /,
) -> Tensor: ...
def logical_and(
    x1: Tensor | builtins.bool | builtins.int | builtins.float,
    x2: Tensor | builtins.bool | builtins.int | builtins.float,
    /,
) -> Tensor: ...
def logical_not(x: Tensor, /) -> Tensor: ...
def logical_or(
    x1: Tensor | builtins.bool | builtins.int | builtins.float,
    x2: Tensor | builtins.bool | builtins.int | builtins.float,
    /,
) -> Tensor: ...
def logical_xor(
    x1: Tensor | builtins.bool | builtins.int | builtins.float,
    x2: Tensor | builtins.bool | builtins.int | builtins.float,
    /,
) -> Tensor: ...
def not_equal(
    x1: Tensor | builtins.bool | builtins.int | builtins.float,
    x2: Tensor | builtins.bool | builtins.int | builtins.float,
    /,
) -> Tensor: ...
def signbit(x: Tensor, /) -> Tensor: ...
def erf(x: Tensor, /) -> Tensor: ...
def exp(x: Tensor, /) -> Tensor: ...
def expm1(x: Tensor, /) -> Tensor: ...
def log(x: Tensor, /) -> Tensor: ...
def log10(x: Tensor, /) -> Tensor: ...
def log1p(x: Tensor, /) -> Tensor: ...
def log2(x: Tensor, /) -> Tensor: ...
def logaddexp(
    x1: Tensor | builtins.bool | builtins.int | builtins.float,
    x2: Tensor | builtins.bool | builtins.int | builtins.float,
    /,
) -> Tensor: ...
def sqrt(x: Tensor, /) -> Tensor: ...
def acos(x: Tensor, /) -> Tensor: ...
def acosh(x: Tensor, /) -> Tensor: ...
def asin(x: Tensor, /) -> Tensor: ...
def asinh(x: Tensor, /) -> Tensor: ...
def atan(x: Tensor, /) -> Tensor: ...
def atan2(
    x1: Tensor | builtins.bool | builtins.int | builtins.float,
    x2: Tensor | builtins.bool | builtins.int | builtins.float,
    /,
) -> Tensor: ...
def atanh(x: Tensor, /) -> Tensor: ...
def cos(x: Tensor, /) -> Tensor: ...
def cosh(x: Tensor, /) -> Tensor: ...
def hypot(
    x1: Tensor | builtins.bool | builtins.int | builtins.float,
    x2: Tensor | builtins.bool | builtins.int | builtins.float,
    /,
) -> Tensor: ...
def sin(x: Tensor, /) -> Tensor: ...
def sinh(x: Tensor, /) -> Tensor: ...
def tan(x: Tensor, /) -> Tensor: ...
def tanh(x: Tensor, /) -> Tensor: ...
def empty(
    shape: builtins.int | Sequence[builtins.int],
    *,
    dtype: DTypeLike | None = ...,
    device: str | None = ...,
) -> Tensor: ...
def empty_like(
    x: Tensor, /, *, dtype: DTypeLike | None = ..., device: str | None = ...
) -> Tensor: ...
def zeros(
    shape: builtins.int | Sequence[builtins.int],
    *,
    dtype: DTypeLike | None = ...,
    device: str | None = ...,
) -> Tensor: ...
def zeros_like(
    x: Tensor, /, *, dtype: DTypeLike | None = ..., device: str | None = ...
) -> Tensor: ...
def ones(
    shape: builtins.int | Sequence[builtins.int],
    *,
    dtype: DTypeLike | None = ...,
    device: str | None = ...,
) -> Tensor: ...
def ones_like(
    x: Tensor, /, *, dtype: DTypeLike | None = ..., device: str | None = ...
) -> Tensor: ...
def full(
    shape: builtins.int | Sequence[builtins.int],
    fill_value: builtins.bool | builtins.int | builtins.float,
    *,
    dtype: DTypeLike | None = ...,
    device: str | None = ...,
) -> Tensor: ...
def full_like(
    x: Tensor,
    /,
    fill_value: builtins.bool | builtins.int | builtins.float,
    *,
    dtype: DTypeLike | None = ...,
    device: str | None = ...,
) -> Tensor: ...
def arange(
    start: builtins.bool | builtins.int | builtins.float,
    /,
    stop: builtins.bool | builtins.int | builtins.float | None = ...,
    step: builtins.bool | builtins.int | builtins.float = ...,
    *,
    dtype: DTypeLike | None = ...,
    device: str | None = ...,
) -> Tensor: ...
def linspace(
    start: builtins.float,
    stop: builtins.float,
    /,
    num: builtins.int,
    *,
    dtype: DTypeLike | None = ...,
    device: str | None = ...,
    endpoint: builtins.bool = ...,
) -> Tensor: ...
def eye(
    n_rows: builtins.int,
    n_cols: builtins.int | None = ...,
    /,
    *,
    k: builtins.int = ...,
    dtype: DTypeLike | None = ...,
    device: str | None = ...,
) -> Tensor: ...
def uniform(
    shape: builtins.int | Sequence[builtins.int],
    low: builtins.float = ...,
    high: builtins.float = ...,
    *,
    dtype: DTypeLike | None = ...,
) -> Tensor: ...
def normal(
    shape: builtins.int | Sequence[builtins.int],
    mean: builtins.float = ...,
    std: builtins.float = ...,
    *,
    dtype: DTypeLike | None = ...,
) -> Tensor: ...
def randint(
    low: builtins.int, high: builtins.int, shape: builtins.int | Sequence[builtins.int]
) -> Tensor: ...
def randperm(n: builtins.int) -> Tensor: ...
def where(
    condition: Tensor,
    x1: Tensor | builtins.bool | builtins.int | builtins.float,
    x2: Tensor | builtins.bool | builtins.int | builtins.float,
    /,
) -> Tensor: ...
def sum(
    x: Tensor,
    /,
    *,
    axis: builtins.int | Sequence[builtins.int] | None = ...,
    dtype: DTypeLike | None = ...,
    keepdims: builtins.bool = ...,
) -> Tensor: ...
def prod(
    x: Tensor,
    /,
    *,
    axis: builtins.int | Sequence[builtins.int] | None = ...,
    dtype: DTypeLike | None = ...,
    keepdims: builtins.bool = ...,
) -> Tensor: ...
def max(
    x: Tensor,
    /,
    *,
    axis: builtins.int | Sequence[builtins.int] | None = ...,
    keepdims: builtins.bool = ...,
) -> Tensor: ...
def min(
    x: Tensor,
    /,
    *,
    axis: builtins.int | Sequence[builtins.int] | None = ...,
    keepdims: builtins.bool = ...,
) -> Tensor: ...
def mean(
    x: Tensor,
    /,
    *,
    axis: builtins.int | Sequence[builtins.int] | None = ...,
    keepdims: builtins.bool = ...,
) -> Tensor: ...
def var(
    x: Tensor,
    /,
    *,
    axis: builtins.int | Sequence[builtins.int] | None = ...,
    correction: builtins.float = ...,
    keepdims: builtins.bool = ...,
) -> Tensor: ...
def std(
    x: Tensor,
    /,
    *,
    axis: builtins.int | Sequence[builtins.int] | None = ...,
    correction: builtins.float = ...,
    keepdims: builtins.bool = ...,
) -> Tensor: ...
def any(
    x: Tensor,
    /,
    *,
    axis: builtins.int | Sequence[builtins.int] | None = ...,
    keepdims: builtins.bool = ...,
) -> Tensor: ...
def all(
    x: Tensor,
    /,
    *,
    axis: builtins.int | Sequence[builtins.int] | None = ...,
    keepdims: builtins.bool = ...,
) -> Tensor: ...
def count_nonzero(
    x: Tensor,
    /,
    *,
    axis: builtins.int | Sequence[builtins.int] | None = ...,
    keepdims: builtins.bool = ...,
) -> Tensor: ...
def argmax(
    x: Tensor, /, *, axis: builtins.int | None = ..., keepdims: builtins.bool = ...
) -> Tensor: ...
def argmin(
    x: Tensor, /, *, axis: builtins.int | None = ..., keepdims: builtins.bool = ...
) -> Tensor: ...
def cumulative_sum(
    x: Tensor,
    /,
    *,
    axis: builtins.int | None = ...,
    dtype: DTypeLike | None = ...,
    include_initial: builtins.bool = ...,
) -> Tensor: ...
def cumulative_prod(
    x: Tensor,
    /,
    *,
    axis: builtins.int | None = ...,
    dtype: DTypeLike | None = ...,
    include_initial: builtins.bool = ...,
) -> Tensor: ...
def reshape(
    x: Tensor, /, shape: builtins.int | Sequence[builtins.int], *, copy: builtins.bool | None = ...
) -> Tensor: ...
def permute_dims(x: Tensor, /, axes: builtins.int | Sequence[builtins.int]) -> Tensor: ...
def matrix_transpose(x: Tensor, /) -> Tensor: ...
def broadcast_to(x: Tensor, /, shape: builtins.int | Sequence[builtins.int]) -> Tensor: ...
def squeeze(x: Tensor, /, axis: builtins.int | Sequence[builtins.int]) -> Tensor: ...
def expand_dims(x: Tensor, /, axis: builtins.int | Sequence[builtins.int]) -> Tensor: ...
def astype(
    x: Tensor, dtype: DTypeLike, /, *, copy: builtins.bool = ..., device: str | None = ...
) -> Tensor: ...
def flip(x: Tensor, /, *, axis: builtins.int | Sequence[builtins.int] | None = ...) -> Tensor: ...
def flatten(x: Tensor, start_dim: builtins.int = ..., end_dim: builtins.int = ...) -> Tensor: ...
def concat(arrays: Sequence[Tensor], /, *, axis: builtins.int | None = ...) -> Tensor: ...
def stack(arrays: Sequence[Tensor], /, *, axis: builtins.int = ...) -> Tensor: ...
def take(x: Tensor, indices: Tensor, /, *, axis: builtins.int | None = ...) -> Tensor: ...
def take_along_axis(x: Tensor, indices: Tensor, /, *, axis: builtins.int = ...) -> Tensor: ...
def nonzero(x: Tensor, /) -> tuple[Tensor, ...]: ...
def matmul(x1: Tensor, x2: Tensor, /) -> Tensor: ...
