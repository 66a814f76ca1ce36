"""The names that formulas of ops may use: NumPy's, erf, and a few ops written for clarity alone."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import ast
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import numpy as np
from scipy.special import erf

Array = np.ndarray[Any, Any]


class Anything:
    """An array of which a formula gives the shape but not the values: uninitialised memory."""

    def __init__(self, shape: int | Sequence[int]) -> None:
        self.shape = (shape,) if isinstance(shape, int) else tuple(shape)


def one_hot(indices: Array, classes: int, axis: int = -1) -> Array:
    """A new axis of classes: 1 at the index, 0 elsewhere (0 everywhere for an index outside)."""
    return np.moveaxis((indices[..., None] == np.arange(classes)).astype(np.float64), -1, axis)


def log_softmax(x: Array, axis: int = -1) -> Array:
    """Logarithm of softmax along an axis."""
    if x.size == 0:
        return np.zeros(x.shape, x.dtype)
    if x.ndim == 0:
        return np.zeros_like(x)
    shifted = x - np.max(x, axis=axis, keepdims=True)
    return shifted - np.log(np.sum(np.exp(shifted), axis=axis, keepdims=True))


def softmax(x: Array, axis: int = -1) -> Array:
    """Exponentials along an axis over their sum."""
    return np.exp(log_softmax(x, axis))


def reduce(x: Array, reduction: str) -> Array:
    """A loss's elements, or their mean or sum."""
    return {"mean": np.mean, "sum": np.sum, "none": np.asarray}[reduction](x)


def pair(value: int | Sequence[int]) -> tuple[int, int]:
    """One number for both axes, or one each."""
    return (value, value) if isinstance(value, int) else (value[0], value[1])


def windows(
    x: Array,
    kernel_size: int | Sequence[int],
    stride: int | Sequence[int] = 1,
    padding: int | Sequence[int] = 0,
    dilation: int | Sequence[int] = 1,
    fill: float = 0.0,
    ceil_mode: bool = False,
) -> Array:
    """The windows [..., out_h, out_w, kernel_h, kernel_w] of images [..., h, w].

    The border holds `fill`. What `ceil_mode` adds behind the border counts for nothing: it holds
    an infinite `fill` too, for a maximum, and else zero, for a sum and for a count of ones.
    """
    sides = [
        _side(length, *arguments, ceil_mode=ceil_mode)
        for length, *arguments in zip(
            x.shape[-2:],
            pair(kernel_size),
            pair(stride),
            pair(padding),
            pair(dilation),
            strict=True,
        )
    ]
    border = [(0, 0)] * (x.ndim - 2) + [(p, p) for p in pair(padding)]
    padded = np.pad(x, border, constant_values=fill)
    beyond = fill if np.isinf(fill) else 0.0
    reach = [
        int(side.max(initial=0)) + 1 - n for side, n in zip(sides, padded.shape[-2:], strict=True)
    ]
    padded = np.pad(
        padded, [(0, 0)] * (x.ndim - 2) + [(0, max(r, 0)) for r in reach], constant_values=beyond
    )
    rows, columns = sides
    return padded[..., rows[:, None, :, None], columns[None, :, None, :]]


def _side(
    length: int, kernel: int, stride: int, padding: int, dilation: int, ceil_mode: bool
) -> Array:
    """The padded positions [windows, kernel] along one axis."""
    span = length + 2 * padding - dilation * (kernel - 1) - 1
    if span < 0 or kernel < 1:
        raise ValueError("the kernel is larger than the image")
    count = (span + (stride - 1 if ceil_mode else 0)) // stride + 1
    if ceil_mode and (count - 1) * stride >= length + padding:
        count -= 1
    return np.arange(count)[:, None] * stride + np.arange(kernel) * dilation


def parts(length: int, count: int | None) -> list[slice]:
    """The overlapping parts into which adaptive pooling cuts an axis."""
    count = length if count is None else count
    return [slice(i * length // count, -(-(i + 1) * length // count)) for i in range(count)]


def adaptive_pool(x: Array, output_size: Any, take: Callable[..., Array]) -> Array:
    """take() over the parts of the last two axes."""
    sizes = output_size if isinstance(output_size, Sequence) else (output_size, output_size)
    rows = parts(x.shape[-2], sizes[0])
    columns = parts(x.shape[-1], sizes[1])
    result = np.empty((*x.shape[:-2], len(rows), len(columns)))
    for i, row in enumerate(rows):
        for j, column in enumerate(columns):
            result[..., i, j] = take(x[..., row, column], axis=(-2, -1))
    return result


def convolve(
    x: Array, weight: Array, stride: Any, padding: Any, dilation: Any, groups: int
) -> Array:
    """Cross-correlation of images [..., in, h, w] with weight [out, in / groups, rows, columns]."""
    kernel = weight.shape[-2:]
    if padding == "valid":
        padding = 0
    if padding == "same":
        total = [d * (k - 1) for d, k in zip(pair(dilation), kernel, strict=True)]
        x = np.pad(x, [(0, 0)] * (x.ndim - 2) + [(t // 2, t - t // 2) for t in total])
        padding = 0
    cut = windows(x, kernel, stride, padding, dilation)
    per_group = cut.reshape(*cut.shape[:-5], groups, -1, *cut.shape[-4:])
    if per_group.shape[-5] != weight.shape[1]:
        raise ValueError("the channels do not fit")
    filters = weight.reshape(groups, -1, *weight.shape[1:])
    y = np.einsum("...gchwij,gocij->...gohw", per_group, filters)
    return y.reshape(*y.shape[:-4], -1, *y.shape[-2:])


def convolve_transposed(
    x: Array,
    weight: Array,
    stride: Any,
    padding: Any,
    output_padding: Any,
    groups: int,
    dilation: Any,
) -> Array:
    """Every pixel of [..., in, h, w] times weight [in, out / groups, rows, columns], added up."""
    if x.shape[-3] != len(weight):
        raise ValueError("the channels do not fit")
    steps, reach = pair(stride), pair(dilation)
    per_group = x.reshape(*x.shape[:-3], groups, -1, *x.shape[-2:])
    filters = weight.reshape(groups, -1, *weight.shape[1:])
    terms = np.einsum("...gchw,gcoij->...gohwij", per_group, filters)
    terms = terms.reshape(*terms.shape[:-6], -1, *terms.shape[-4:])
    h, w, rows, columns = terms.shape[-4:]
    size = [
        (n - 1) * step + d * (k - 1) + 1 + extra
        for n, step, d, k, extra in zip(
            (h, w), steps, reach, (rows, columns), pair(output_padding), strict=True
        )
    ]
    y = np.zeros((*terms.shape[:-4], *size), terms.dtype)
    for i in range(rows):
        for j in range(columns):
            top, left = i * reach[0], j * reach[1]
            bottom, right = top + (h - 1) * steps[0] + 1, left + (w - 1) * steps[1] + 1
            y[..., top : bottom : steps[0], left : right : steps[1]] += terms[..., i, j]
    cut = [slice(p, n - p) for p, n in zip(pair(padding), size, strict=True)]
    return y[..., cut[0], cut[1]]


def class_loss(
    log_probabilities: Array,
    target: Array,
    weight: Array | None,
    ignore_index: int,
    reduction: str,
    label_smoothing: float = 0.0,
) -> Array:
    """Minus the weighted log-probability of the target: class indices or probabilities."""
    axis = 0 if log_probabilities.ndim == 1 else 1
    classes = log_probabilities.shape[axis]
    shape = [1] * log_probabilities.ndim
    shape[axis] = classes
    weights = np.ones(shape) if weight is None else weight.reshape(shape)
    indices = target.dtype.kind in "iu"
    expected = one_hot(target, classes, axis) if indices else target
    kept = (target != ignore_index) if indices else np.ones(log_probabilities.sum(axis).shape)
    if indices and np.any(kept & ((target < 0) | (target >= classes))):
        raise IndexError("a class index is out of range")
    smoothed = expected * (1 - label_smoothing) + label_smoothing / classes
    losses = -np.sum(smoothed * weights * log_probabilities, axis=axis) * kept
    if reduction != "mean":
        return reduce(losses, reduction)
    total = np.sum(np.sum(expected * weights, axis) * kept) if indices else np.asarray(losses.size)
    return np.sum(losses) / total


def sigmoid(x: Array) -> Array:
    """The logistic function."""
    return 1 / (1 + np.exp(-x))


def recurrent_sums(x: Array, weight: Array, bias: Array | None, gates: int) -> Array:
    """x weight.T + bias as [gates, batch, units]."""
    rows = x @ weight.T + (0 if bias is None else bias)
    if len(weight) % gates or (bias is not None and bias.shape != (len(weight),)):
        raise ValueError("the weights and biases do not fit")
    return np.stack(np.split(rows, gates, axis=-1))


def recurrent(
    step: Callable[..., list[Array]], x: Array, units: int, first: list[Array | None], reverse: bool
) -> list[Array]:
    """The first states of all steps, then the last of each state."""
    shape = (x.shape[1], units)
    states = [np.zeros(shape, x.dtype) if s is None else s for s in first]
    if any(s.shape != shape for s in states):
        raise ValueError("the states do not fit")
    output = np.zeros((len(x), *shape), x.dtype)
    for t in reversed(range(len(x))) if reverse else range(len(x)):
        states = step(x[t], *states)
        output[t] = states[0]
    return [output, *states]


def lstm(
    x: Array, w_ih: Array, w_hh: Array, b_ih: Any, b_hh: Any, h0: Any, c0: Any, reverse: bool
) -> list[Array]:
    """An LSTM layer; gates input, forget, cell, output."""

    def step(x: Array, h: Array, c: Array) -> list[Array]:
        i, f, g, o = recurrent_sums(x, w_ih, b_ih, 4) + recurrent_sums(h, w_hh, b_hh, 4)
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        return [sigmoid(o) * np.tanh(c), c]

    return recurrent(step, x, w_hh.shape[1], [h0, c0], reverse)


def gru(
    x: Array, w_ih: Array, w_hh: Array, b_ih: Any, b_hh: Any, h0: Any, reverse: bool
) -> list[Array]:
    """A GRU layer; gates reset, update, new."""

    def step(x: Array, h: Array) -> list[Array]:
        of_input, of_state = recurrent_sums(x, w_ih, b_ih, 3), recurrent_sums(h, w_hh, b_hh, 3)
        r, z = of_input[:2] + of_state[:2]
        n = np.tanh(of_input[2] + sigmoid(r) * of_state[2])
        return [sigmoid(-z) * n + sigmoid(z) * h]  # 1 - sigmoid(z) would lose all digits

    return recurrent(step, x, w_hh.shape[1], [h0], reverse)


def rnn(
    x: Array, w_ih: Array, w_hh: Array, b_ih: Any, b_hh: Any, h0: Any, kind: str, reverse: bool
) -> list[Array]:
    """A layer of plain recurrent cells."""

    def step(x: Array, h: Array) -> list[Array]:
        total = (recurrent_sums(x, w_ih, b_ih, 1) + recurrent_sums(h, w_hh, b_hh, 1))[0]
        return [np.tanh(total) if kind == "tanh" else np.maximum(total, 0)]

    return recurrent(step, x, w_hh.shape[1], [h0], reverse)


def attention(
    query: Array,
    key: Array,
    value: Array,
    mask: Array | None = None,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Array:
    """Softmax of scaled products of queries with keys, times values; 0 where no key is seen."""
    if enable_gqa:
        key, value = (np.repeat(x, query.shape[-3] // x.shape[-3], axis=-3) for x in (key, value))
    factor = max(query.shape[-1], 1) ** -0.5 if scale is None else scale
    scores = query @ np.swapaxes(key, -1, -2) * factor
    if is_causal:
        scores = np.where(np.tri(*scores.shape[-2:], dtype=bool), scores, -np.inf)
    if mask is not None and mask.dtype == bool:
        scores = np.where(mask, scores, -np.inf)
    elif mask is not None:
        scores = scores + mask
    most = np.max(scores, axis=-1, keepdims=True, initial=-np.inf)
    weights = np.exp(scores - np.where(np.isfinite(most), most, 0))
    total = np.sum(weights, axis=-1, keepdims=True)
    return weights / np.where(total == 0, 1, total) @ value


def packed_attention(
    qkv: Array, num_heads: int, mask: Array | None = None, is_causal: bool = False
) -> Array:
    """Attention of heads that lie side by side in the last axis, as their results do."""
    batch, length, _ = qkv.shape
    heads = np.moveaxis(qkv.reshape(batch, length, 3, num_heads, -1), 1, 3)
    result = attention(heads[:, 0], heads[:, 1], heads[:, 2], mask, is_causal)
    return np.moveaxis(result, 1, 2).reshape(batch, length, -1)


def elastic_net(
    coef: Array,
    gram: Array,
    xy: Array,
    yy: float,
    l1: Array,
    l2: Array,
    positive: bool,
    sweeps: int = 300,
) -> list[Array]:
    """Half the squared errors, the penalties, the dual objectives and the minima [n, p].

    Plain coordinate descent over all coordinates, from each minimum to the next.
    """
    minima = np.zeros_like(coef)
    values = np.zeros((3, len(l1)), gram.dtype)
    present = np.diagonal(gram) != 0
    b = np.where(present, coef[0], 0) if len(coef) else coef
    for k, (lasso, ridge) in enumerate(zip(l1, l2, strict=True)):
        for _ in range(sweeps):
            before = b.copy()
            for j in np.flatnonzero(present):
                pull = xy[j] - gram[j] @ b + gram[j, j] * b[j]
                pull = max(pull, 0) if positive else pull
                b[j] = np.sign(pull) * max(abs(pull) - lasso, 0) / (gram[j, j] + ridge)
            if np.all(b == before):
                break
        minima[k] = b
        squares = yy - 2 * (xy @ b) + b @ gram @ b + ridge * (b @ b)
        drawn = xy - gram @ b - ridge * b
        most = np.max(drawn if positive else np.abs(drawn), initial=0)
        scale = lasso / most if most > lasso else 1
        values[:, k] = squares / 2, lasso * np.sum(np.abs(b)), 0
        values[2, k] = scale * (yy - xy @ b) - scale**2 * squares / 2
    return [*values, minima]


FORMULA_SCOPE = {
    **{name: getattr(np, name) for name in dir(np) if not name.startswith("_")},
    **{
        f.__name__: f for f in (one_hot, log_softmax, softmax, reduce, pair, windows, adaptive_pool)
    },
    **{f.__name__: f for f in (convolve, convolve_transposed, class_loss, lstm, gru, rnn)},
    **{f.__name__: f for f in (attention, packed_attention, elastic_net)},
    "anything": Anything,
    "erf": lambda x: erf(np.asarray(x, np.float64)),
    "range": range,
    "tuple": tuple,
}


class _Rounding(ast.NodeTransformer):
    """Passes the result of every operation and call through `after_each`."""

    def visit_BinOp(self, node: ast.BinOp) -> ast.AST:
        return self._wrap(node)

    def visit_Call(self, node: ast.Call) -> ast.AST:
        return self._wrap(node)

    def _wrap(self, node: ast.expr) -> ast.AST:
        self.generic_visit(node)
        call = ast.Call(ast.Name("after_each", ast.Load()), [node], [])
        return ast.fix_missing_locations(ast.copy_location(call, node))


@cache
def _compiled(formula: str, every_step: bool) -> Any:
    tree = ast.parse(formula, mode="eval")
    return compile(_Rounding().visit(tree) if every_step else tree, "<formula>", "eval")


def evaluate(
    formula: str, values: dict[str, Any], after_each: Callable[[Any], Any] | None = None
) -> Any:
    """The formula of an op over its arguments; each step may pass through a function."""
    # One dictionary for both scopes: a lambda inside a formula sees globals only.
    scope = {**FORMULA_SCOPE, **values, "after_each": after_each}
    with np.errstate(all="ignore"):
        return eval(_compiled(formula, after_each is not None), scope)
