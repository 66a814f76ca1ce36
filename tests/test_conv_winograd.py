"""Winograd's convolution: errors within the bound of the algorithm, the same bits."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.lib.stride_tricks import sliding_window_view
from support.registry import ISAS

import lepton
from lepton.nn import functional as F

Array = np.ndarray[Any, Any]

# B', G and A' of F(2, 3): y = A' [(G g G') * (B' d B)] A for each tile d of 4 x 4 pixels.
TWO = (
    np.array([[1, 0, -1, 0], [0, 1, 1, 0], [0, -1, 1, 0], [0, 1, 0, -1]], "f8"),
    np.array([[1, 0, 0], [0.5, 0.5, 0.5], [0.5, -0.5, 0.5], [0, 0, 1]], "f8"),
    np.array([[1, 1, 1, 0], [0, 1, -1, -1]], "f8"),
)

# Those of F(2, 2).
TWO_TAPS = (
    np.array([[1, -1, 0], [0, 1, 0], [0, -1, 1]], "f8"),
    np.array([[1, 0], [1, 1], [0, 1]], "f8"),
    np.array([[1, 1, 0], [0, 1, 1]], "f8"),
)


def four() -> tuple[Array, Array, Array]:
    """Those of F(4, 3), whose polynomials go through 0, a, -a, b, -b and infinity."""
    a, b = 0.625, 1.5
    points = [0, a, -a, b, -b]
    # Row i of B' holds the coefficients of the product of x - p over all points p but the i-th.
    rows = [[*np.poly([p for p in points if p != q])[::-1].tolist(), 0.0] for q in points]
    rows.append(np.poly(points)[::-1].tolist())
    scale = [np.prod([q - p for p in points if p != q]) for q in points]
    g = [[q**k / s for k in range(3)] for q, s in zip(points, scale, strict=True)]
    outputs = [[q**k for q in points] + [float(k == 3)] for k in range(4)]
    return np.array(rows), np.array([*g, [0.0, 0.0, 1.0]]), np.array(outputs)


MATRICES = {"highest": TWO, "high": four()}

SHAPES = [
    # images, in, height, width, out, padding
    (2, 32, 56, 30, 32, 1),
    (3, 33, 7, 9, 37, 1),
    (1, 64, 14, 13, 40, 0),
    (2, 48, 5, 6, 100, 2),
    (4, 32, 30, 2, 32, 1),
    (40, 40, 1, 4, 32, (1, 1)),
    (5, 65, 8, 8, 64, (0, 2)),
    (8, 256, 7, 7, 64, 1),
]
# Filters of two taps along each axis: of every input, or of every second.
STRIDED = [
    # kernel, stride, and as above
    (2, 1, (2, 32, 17, 24, 40, 1)),
    (2, 1, (3, 33, 15, 15, 32, 0)),
    (4, 2, (2, 64, 28, 28, 128, 1)),
    (4, 2, (3, 33, 15, 18, 37, 1)),
    (4, 2, (1, 40, 18, 23, 64, 0)),
    (4, 2, (5, 32, 12, 32, 50, (2, 1))),
]
every_shape = pytest.mark.parametrize("shape", SHAPES, ids=str)
every_strided = pytest.mark.parametrize(("kernel", "stride", "shape"), STRIDED, ids=str)
every_isa = pytest.mark.parametrize("isa", ISAS)


def arrays(shape: tuple[Any, ...], dtype: str, kernel: int = 3) -> tuple[Array, Array, Array]:
    images, channels, height, width, out, _ = shape
    random = np.random.default_rng(0)
    x = random.standard_normal((images, channels, height, width)).astype(dtype)
    w = random.standard_normal((out, channels, kernel, kernel)).astype(dtype)
    return x, w, random.standard_normal(out).astype(dtype)


def padded(x: Array, padding: Any, extra: int = 0) -> Array:
    h, w = (padding, padding) if isinstance(padding, int) else padding
    return np.pad(x.astype("f8"), [(0, 0), (0, 0), (h, h + extra), (w, w + extra)])


def exact(x: Array, w: Array, b: Array, padding: Any, stride: int = 1) -> Array:
    windows = sliding_window_view(padded(x, padding), w.shape[2:], axis=(2, 3))
    windows = windows[:, :, ::stride, ::stride]
    y = np.einsum("nchwrs,kcrs->nkhw", windows, w.astype("f8"), optimize=True)
    return np.asarray(y + b.astype("f8")[:, None, None])


def transformed(matrix: Array, tiles: Array) -> Array:
    return np.einsum("ip,nchwpq,jq->ijnchw", matrix, tiles, matrix, optimize=True)


def tiles_of(x: Array, size: int, side: int) -> Array:
    return sliding_window_view(np.abs(x), (size, size), axis=(2, 3))[:, :, ::side, ::side]


def steps_of(matrices: tuple[Array, Array, Array]) -> int:
    return 2 * sum(int(np.count_nonzero(m, axis=1).max()) for m in matrices) + 2


def bound(
    matrices: tuple[Array, Array, Array],
    x: Array,
    w: Array,
    b: Array,
    padding: Any,
    stride: int = 1,
) -> Array:
    """What the errors of every operation add up to, element by element.

    Each value passes through the rounding of at most `steps` operations of the transforms and of
    one sum over the channels, and |A'| [(|G||g||G'|) * (|B'||d||B|)] |A| bounds the sum of what is
    added (Barabasz et al., Error Analysis and Improving the Accuracy of Winograd Convolution for
    Deep Neural Networks, 2020). With a stride the sum is over every stride-th input, too.
    """
    b_, g_, a_ = (np.abs(m) for m in matrices)
    side, size = a_.shape
    d, m = padded(x, padding, stride * size), np.zeros(())
    d = d[:, :, : d.shape[2] // stride * stride, : d.shape[3] // stride * stride]
    for i, j in np.ndindex(stride, stride):
        v = transformed(b_, tiles_of(d[:, :, i::stride, j::stride], size, side))
        taps = np.abs(w[:, :, i::stride, j::stride].astype("f8"))
        u = np.einsum("ip,kcpq,jq->ijkc", g_, taps, g_, optimize=True)
        m = m + np.einsum("ijnchw,ijkc->ijnkhw", v, u, optimize=True)
    y = np.einsum("pi,ijnkhw,qj->nkhpwq", a_, m, a_, optimize=True)
    n, k, tiles_h, _, tiles_w, _ = y.shape
    out = y.reshape(n, k, tiles_h * side, tiles_w * side) + np.abs(b.astype("f8"))[:, None, None]
    out *= (x.shape[1] * stride**2 + steps_of(matrices)) * np.finfo(x.dtype).eps / 2
    return np.asarray(out)


def gradient_bound(
    matrices: tuple[Array, Array, Array],
    x: Array,
    dy: Array,
    kernel: int,
    padding: Any,
    stride: int = 1,
) -> Array:
    """The transposed algorithm: |G'| [sum over tiles of (|B'||d||B|) * (|A||dy||A'|)] |G|."""
    b_, g_, a_ = (np.abs(m) for m in matrices)
    side, size = a_.shape
    even = [(0, length % side) for length in dy.shape[2:]]
    tiles = tiles_of(np.pad(dy.astype("f8"), [(0, 0), (0, 0), *even]), side, side)
    u = transformed(a_.T, tiles)
    n, k, height, width = tiles.shape[:4]
    d = padded(x, padding, stride * size)
    limit = np.zeros((k, x.shape[1], kernel, kernel))
    for i, j in np.ndindex(stride, stride):
        of = tiles_of(d[:, :, i::stride, j::stride], size, side)[:, :, :height, :width]
        m = np.einsum("ijnchw,ijnkhw->ijkc", transformed(b_, of), u, optimize=True)
        limit[:, :, i::stride, j::stride] = np.einsum("ir,ijkc,js->kcrs", g_, m, g_, optimize=True)
    # Where the sum over taps is taken, it has side^2 terms for each tile.
    terms = n * height * width * side**2 + steps_of(matrices)
    return np.asarray(limit * terms * np.finfo(dy.dtype).eps / 2)


def channels_last(x: Array) -> lepton.Tensor:
    return lepton.asarray(np.ascontiguousarray(x.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2))


@pytest.mark.parametrize("matrices", [*MATRICES.values(), TWO_TAPS])
def test_the_matrices_compute_a_convolution(matrices: tuple[Array, Array, Array]) -> None:
    b, g, a = matrices
    d, w = np.random.default_rng(0).standard_normal((2, len(b)))
    w = w[: g.shape[1]]
    expected = np.correlate(d, w)
    np.testing.assert_allclose(a @ ((g @ w) * (b @ d)), expected, rtol=0, atol=1e-14)


@every_isa
@pytest.mark.parametrize("precision", MATRICES)
@pytest.mark.parametrize("dtype", ["f4", "f8"])
@every_shape
def test_errors_stay_within_the_bound(
    shape: tuple[Any, ...], dtype: str, precision: str, isa: str
) -> None:
    lepton.set_isa(isa)
    lepton.set_conv_precision(precision)
    x, w, b = arrays(shape, dtype)
    y = F.conv2d(channels_last(x), lepton.asarray(w), lepton.asarray(b), padding=shape[-1])
    expected = exact(x, w, b, shape[-1])
    _, _, height, width = expected.shape
    limit = bound(TWO, x, w, b, shape[-1])[:, :, :height, :width]
    if precision == "high":  # a pass takes the tiles that need fewer products
        larger = bound(MATRICES[precision], x, w, b, shape[-1])[:, :, :height, :width]
        limit = np.maximum(limit, larger)
    if dtype == "f8":
        limit *= 2  # the expected values are rounded too
    assert np.all(np.abs(y.numpy() - expected) <= limit)


@every_isa
@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize(
    ("size", "dilation", "padding"),
    [((28, 28), (2, 2), (2, 2)), ((29, 23), (4, 3), (4, 1)), ((9, 40), (1, 5), (7, 0))],
)
def test_every_phase_of_a_dilated_convolution_stays_within_the_bound(
    size: tuple[int, int],
    dilation: tuple[int, int],
    padding: tuple[int, int],
    dtype: str,
    isa: str,
) -> None:
    lepton.set_isa(isa)
    x, w, b = arrays((3, 40, *size, 36, 0), dtype)
    given, weight, bias = channels_last(x), lepton.asarray(w), lepton.asarray(b)
    y = F.conv2d(given, weight, bias, padding=padding, dilation=dilation)
    x = padded(x, padding).astype(dtype)
    for i in range(dilation[0]):
        for j in range(dilation[1]):
            phase = x[:, :, i :: dilation[0], j :: dilation[1]]
            got = y.numpy()[:, :, i :: dilation[0], j :: dilation[1]]
            limit = bound(TWO, phase, w, b, 0)[:, :, : got.shape[2], : got.shape[3]]
            limit *= 2 if dtype == "f8" else 1
            assert np.all(np.abs(got - exact(phase, w, b, 0)) <= limit)


def test_phases_of_a_dilated_convolution_are_convolutions() -> None:
    def run(x: Array, dy: Array, dilation: int) -> tuple[Array, Array]:
        given = channels_last(x).requires_grad_()
        y = F.conv2d(given, lepton.asarray(w), lepton.asarray(b), dilation=dilation)
        y.backward(channels_last(dy))
        assert given.grad is not None
        return y.detach().numpy(), given.grad.numpy()

    x, w, b = arrays((4, 48, 31, 38, 32, 0), "f4")
    dy = np.random.default_rng(1).standard_normal((4, 32, 25, 32), "f4")
    y, dx = run(x, dy, 3)
    for at in np.ndindex(3, 3):
        every = np.s_[:, :, at[0] :: 3, at[1] :: 3]
        of_phase = run(x[every], dy[every], 1)
        np.testing.assert_array_equal(y[every], of_phase[0])
        np.testing.assert_array_equal(dx[every], of_phase[1])


def test_two_by_two_tiles_are_as_accurate_as_a_sum_over_taps() -> None:
    shape = (2, 128, 14, 14, 64, 1)
    x, w, b = arrays(shape, "f4")
    expected = exact(x, w, b, 1)
    y = F.conv2d(channels_last(x), lepton.asarray(w), lepton.asarray(b), padding=1)
    # The sum over taps, which a group of fewer channels takes.
    taps = b[:, None, None]
    for c in range(0, 128, 16):
        part = F.conv2d(channels_last(x[:, c : c + 16]), lepton.tensor(w[:, c : c + 16]), padding=1)
        taps = taps + part.numpy()
    error, other = (np.sqrt(np.mean((r - expected) ** 2)) for r in (y.numpy(), taps))
    assert error < 2 * other


@pytest.mark.parametrize(
    ("kernel", "stride", "shape"), [*((3, 1, shape) for shape in SHAPES), *STRIDED], ids=str
)
def test_threads_and_layouts_change_no_bit(
    kernel: int, stride: int, shape: tuple[Any, ...]
) -> None:
    x, w, b = arrays(shape, "f4", kernel)
    results = []
    for threads in (1, 2, 3, 4):
        lepton.set_num_threads(threads)
        for place in (channels_last, lepton.asarray):
            leaves = [place(x).detach(), lepton.tensor(w), lepton.tensor(b)]
            for leaf in leaves:
                leaf.requires_grad = True
            y = F.conv2d(leaves[0], leaves[1], leaves[2], stride=stride, padding=shape[-1])
            y.backward(y.detach())
            results.append([y.detach().numpy(), *(np.asarray(leaf.grad) for leaf in leaves)])
    for result in results[1:]:
        for values, others in zip(result, results[0], strict=True):
            np.testing.assert_array_equal(values, others)


def check_weight_gradients(
    matrices: tuple[Array, Array, Array],
    shape: tuple[Any, ...],
    dtype: str,
    kernel: int = 3,
    stride: int = 1,
) -> None:
    x, w, b = arrays(shape, dtype, kernel)
    weight, bias = lepton.tensor(w), lepton.tensor(b)
    weight.requires_grad = bias.requires_grad = True
    y = F.conv2d(channels_last(x), weight, bias, stride=stride, padding=shape[-1])
    dy = np.random.default_rng(1).standard_normal(y.shape).astype(dtype)
    y.backward(channels_last(dy))
    assert weight.grad is not None
    assert bias.grad is not None
    windows = sliding_window_view(padded(x, shape[-1]), w.shape[2:], axis=(2, 3))
    windows = windows[:, :, ::stride, ::stride]
    expected = np.einsum("nchwrs,nkhw->kcrs", windows, dy.astype("f8"), optimize=True)
    twice = 2 if dtype == "f8" else 1  # the expected values are rounded too
    limit = gradient_bound(matrices, x, dy, kernel, shape[-1], stride) * twice
    assert np.all(np.abs(weight.grad.numpy() - expected) <= limit)
    sums = np.abs(dy.astype("f8")).sum(axis=(0, 2, 3)) * twice
    sums *= dy[:, 0].size * np.finfo(dtype).eps / 2
    assert np.all(np.abs(bias.grad.numpy() - dy.astype("f8").sum(axis=(0, 2, 3))) <= sums)


@every_isa
@pytest.mark.parametrize("dtype", ["f4", "f8"])
@every_shape
def test_errors_of_weight_gradients_stay_within_the_bound(
    shape: tuple[Any, ...], dtype: str, isa: str
) -> None:
    lepton.set_isa(isa)
    check_weight_gradients(TWO, shape, dtype)


@every_isa
@pytest.mark.parametrize("dtype", ["f4", "f8"])
@every_strided
def test_filters_of_two_taps_stay_within_the_bound(
    kernel: int, stride: int, shape: tuple[Any, ...], dtype: str, isa: str
) -> None:
    lepton.set_isa(isa)
    x, w, b = arrays(shape, dtype, kernel)
    y = F.conv2d(
        channels_last(x), lepton.asarray(w), lepton.asarray(b), stride=stride, padding=shape[-1]
    )
    expected = exact(x, w, b, shape[-1], stride)
    _, _, height, width = expected.shape
    limit = bound(TWO_TAPS, x, w, b, shape[-1], stride)[:, :, :height, :width]
    limit *= 2 if dtype == "f8" else 1
    assert np.all(np.abs(y.numpy() - expected) <= limit)
    check_weight_gradients(TWO_TAPS, shape, dtype, kernel, stride)


@every_isa
@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("padding", [0, 1, 2, 3])
def test_every_phase_of_a_transposed_convolution_stays_within_the_bound(
    padding: int, dtype: str, isa: str
) -> None:
    lepton.set_isa(isa)
    x, w, b = arrays((3, 40, 15, 20, 36, padding), dtype, 4)
    y = F.conv_transpose2d(
        channels_last(x),
        lepton.asarray(np.ascontiguousarray(w.swapaxes(0, 1))),
        lepton.asarray(b),
        stride=2,
        padding=padding,
    )
    for i, j in np.ndindex(2, 2):
        got = y.numpy()[:, :, i::2, j::2]
        (h, r), (v, s) = divmod(i + padding, 2), divmod(j + padding, 2)
        # Outputs 2t + i are products of the taps r, r + 2 and the inputs before and at t + h.
        under = padded(x, 1).astype(dtype)[:, :, h:, v:]
        taps = w[:, :, r::2, s::2][:, :, ::-1, ::-1]
        limit = bound(TWO_TAPS, under, taps, b, 0)[:, :, : got.shape[2], : got.shape[3]]
        limit *= 2 if dtype == "f8" else 1
        expected = exact(under, taps, b, 0)[:, :, : got.shape[2], : got.shape[3]]
        assert np.all(np.abs(got - expected) <= limit)


def test_gradients_of_a_transposed_convolution_are_convolutions() -> None:
    x, w, _ = arrays((3, 40, 15, 20, 36, 1), "f4", 4)
    leaf, weight = channels_last(x).detach(), lepton.tensor(w.swapaxes(0, 1))
    leaf.requires_grad = weight.requires_grad = True
    y = F.conv_transpose2d(leaf, weight, stride=2, padding=1)
    dy = channels_last(np.random.default_rng(1).standard_normal(y.shape).astype("f4"))
    y.backward(dy)
    again = weight.detach()
    again.requires_grad = True
    of_dy = F.conv2d(dy, again, stride=2, padding=1)
    of_dy.backward(channels_last(x))
    for one, other in ((leaf.grad, of_dy.detach()), (weight.grad, again.grad)):
        assert one is not None
        assert other is not None
        np.testing.assert_array_equal(one.numpy(), other.numpy())


def test_weights_written_by_others_are_read_again() -> None:
    x, w, _ = arrays((1, 32, 12, 12, 32, 1), "f4")
    weight = lepton.tensor(w)
    inputs = channels_last(x)

    def check() -> None:
        y = F.conv2d(inputs, lepton.asarray(weight.numpy().copy()), padding=1)
        for _ in range(3):
            np.testing.assert_array_equal(F.conv2d(inputs, weight, padding=1).numpy(), y.numpy())

    check()
    weight *= 2
    check()
    view = weight.numpy()
    check()
    view[3] = 1
    check()
    del view
    check()
    for precision in ("high", "highest"):
        lepton.set_conv_precision(precision)
        check()
    for isa in ISAS:
        lepton.set_isa(isa)
        check()


def test_what_is_derived_from_weights_is_freed_with_them() -> None:
    x, w, _ = arrays((1, 32, 12, 12, 32, 1), "f4")
    inputs = channels_last(x)
    before = lepton.memory_stats()["in_use"]
    weight = lepton.tensor(w)
    alone = lepton.memory_stats()["in_use"]
    F.conv2d(inputs, weight, padding=1)
    assert lepton.memory_stats()["in_use"] == alone  # asked for once: nothing is kept
    for _ in range(3):
        F.conv2d(inputs, weight, padding=1)
    kept = lepton.memory_stats()["in_use"] - alone
    assert kept >= 16 * weight.nbytes // 9
    F.conv2d(inputs, weight, padding=1)
    assert lepton.memory_stats()["in_use"] == alone + kept
    del weight
    assert lepton.memory_stats()["in_use"] == before


def test_a_precision_has_a_name() -> None:
    with pytest.raises(ValueError, match="set_conv_precision: expects 'highest' or 'high', got"):
        lepton.set_conv_precision("medium")


@every_shape
def test_the_gradient_equals_the_transposed_convolution(shape: tuple[Any, ...]) -> None:
    x, w, b = arrays(shape, "f8")
    leaf = channels_last(x).detach()
    leaf.requires_grad = True
    y = F.conv2d(leaf, lepton.asarray(w), lepton.asarray(b), padding=shape[-1])
    dy = np.random.default_rng(1).standard_normal(y.shape)
    y.backward(lepton.asarray(dy))
    assert leaf.grad is not None
    # The convolution is linear in x: <dy, conv(v)> = <dx, v> for any v.
    v = np.asarray(np.random.default_rng(2).standard_normal(x.shape))
    of_v = exact(v, w, np.zeros_like(b), shape[-1])
    terms = np.abs(dy * of_v).sum()
    assert abs((dy * of_v).sum() - (leaf.grad.numpy() * v).sum()) <= 1e-12 * terms
