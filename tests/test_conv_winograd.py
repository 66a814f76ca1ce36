"""Winograd's convolution by 3 x 3 filters: errors within the bound of the algorithm, same bits."""

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
every_shape = pytest.mark.parametrize("shape", SHAPES, ids=str)
every_isa = pytest.mark.parametrize("isa", ISAS)


def arrays(shape: tuple[Any, ...], dtype: str) -> tuple[Array, Array, Array]:
    images, channels, height, width, out, _ = shape
    random = np.random.default_rng(0)
    x = random.standard_normal((images, channels, height, width)).astype(dtype)
    w = random.standard_normal((out, channels, 3, 3)).astype(dtype)
    return x, w, random.standard_normal(out).astype(dtype)


def padded(x: Array, padding: Any, extra: int = 0) -> Array:
    h, w = (padding, padding) if isinstance(padding, int) else padding
    return np.pad(x.astype("f8"), [(0, 0), (0, 0), (h, h + extra), (w, w + extra)])


def exact(x: Array, w: Array, b: Array, padding: Any) -> Array:
    windows = sliding_window_view(padded(x, padding), (3, 3), axis=(2, 3))
    y = np.einsum("nchwrs,kcrs->nkhw", windows, w.astype("f8"), optimize=True)
    return np.asarray(y + b.astype("f8")[:, None, None])


def bound(
    matrices: tuple[Array, Array, Array], x: Array, w: Array, b: Array, padding: Any
) -> Array:
    """What the errors of every operation add up to, element by element.

    Each value passes through the rounding of at most `steps` operations of the transforms and of
    one sum over the channels, and |A'| [(|G||g||G'|) * (|B'||d||B|)] |A| bounds the sum of what is
    added (Barabasz et al., Error Analysis and Improving the Accuracy of Winograd Convolution for
    Deep Neural Networks, 2020).
    """
    b_, g_, a_ = (np.abs(m) for m in matrices)
    side, size = a_.shape
    steps = 2 * sum(int(np.count_nonzero(m, axis=1).max()) for m in matrices) + 2
    d = sliding_window_view(np.abs(padded(x, padding, size)), (size, size), axis=(2, 3))
    d = d[:, :, ::side, ::side]
    v = np.einsum("ip,nchwpq,jq->ijnchw", b_, d, b_, optimize=True)
    u = np.einsum("ip,kcpq,jq->ijkc", g_, np.abs(w.astype("f8")), g_, optimize=True)
    m = np.einsum("ijnchw,ijkc->ijnkhw", v, u, optimize=True)
    y = np.einsum("pi,ijnkhw,qj->nkhpwq", a_, m, a_, optimize=True)
    n, k, tiles_h, _, tiles_w, _ = y.shape
    out = y.reshape(n, k, tiles_h * side, tiles_w * side) + np.abs(b.astype("f8"))[:, None, None]
    out *= (x.shape[1] + steps) * np.finfo(x.dtype).eps / 2
    return np.asarray(out)


def channels_last(x: Array) -> lepton.Tensor:
    return lepton.asarray(np.ascontiguousarray(x.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2))


@pytest.mark.parametrize("precision", MATRICES)
def test_the_matrices_compute_a_convolution(precision: str) -> None:
    b, g, a = MATRICES[precision]
    d, w = np.random.default_rng(0).standard_normal((2, len(b)))
    expected = np.correlate(d, w[:3])
    np.testing.assert_allclose(a @ ((g @ w[:3]) * (b @ d)), expected, rtol=0, atol=1e-14)


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


@every_shape
def test_threads_and_layouts_change_no_bit(shape: tuple[Any, ...]) -> None:
    x, w, b = arrays(shape, "f4")
    results = []
    for threads in (1, 2, 3, 4):
        lepton.set_num_threads(threads)
        for place in (channels_last, lepton.asarray):
            leaves = [place(x).detach(), lepton.tensor(w), lepton.tensor(b)]
            for leaf in leaves:
                leaf.requires_grad = True
            y = F.conv2d(*leaves, padding=shape[-1])
            y.backward(y.detach())
            results.append([y.detach().numpy(), *(np.asarray(leaf.grad) for leaf in leaves)])
    for result in results[1:]:
        for values, others in zip(result, results[0], strict=True):
            np.testing.assert_array_equal(values, others)


@every_isa
@pytest.mark.parametrize("dtype", ["f4", "f8"])
@every_shape
def test_errors_of_weight_gradients_stay_within_the_bound(
    shape: tuple[Any, ...], dtype: str, isa: str
) -> None:
    """The transposed algorithm: |G'| [sum over tiles of (|B'||d||B|) * (|A||dy||A'|)] |G|."""
    lepton.set_isa(isa)
    x, w, b = arrays(shape, dtype)
    weight, bias = lepton.tensor(w), lepton.tensor(b)
    weight.requires_grad = bias.requires_grad = True
    y = F.conv2d(channels_last(x), weight, bias, padding=shape[-1])
    dy = np.random.default_rng(1).standard_normal(y.shape).astype(dtype)
    y.backward(channels_last(dy))
    assert weight.grad is not None
    assert bias.grad is not None
    windows = sliding_window_view(padded(x, shape[-1]), (3, 3), axis=(2, 3))
    expected = np.einsum("nchwrs,nkhw->kcrs", windows, dy.astype("f8"), optimize=True)
    b_, g_, a_ = (np.abs(m) for m in TWO)
    d = sliding_window_view(np.abs(padded(x, shape[-1], 4)), (4, 4), axis=(2, 3))[:, :, ::2, ::2]
    even = [(0, length % 2) for length in dy.shape[2:]]
    tiles = np.pad(np.abs(dy.astype("f8")), [(0, 0), (0, 0), *even])
    n, k, height, width = tiles.shape
    tiles = tiles.reshape(n, k, height // 2, 2, width // 2, 2)
    d = d[:, :, : height // 2, : width // 2]
    v = np.einsum("ip,nchwpq,jq->ijnchw", b_, d, b_, optimize=True)
    u = np.einsum("pi,nkhpwq,qj->ijnkhw", a_, tiles, a_, optimize=True)
    m = np.einsum("ijnchw,ijnkhw->ijkc", v, u, optimize=True)
    limit = np.einsum("ir,ijkc,js->kcrs", g_, m, g_, optimize=True)
    steps = 2 * sum(int(np.count_nonzero(t, axis=1).max()) for t in TWO) + 2
    # Where the sum over taps is taken, it has four terms for each tile.
    rounding = np.finfo(dtype).eps / 2 * (2 if dtype == "f8" else 1)
    limit *= (n * height * width + steps) * rounding
    assert np.all(np.abs(weight.grad.numpy() - expected) <= limit)
    sums = np.abs(dy.astype("f8")).sum(axis=(0, 2, 3)) * n * height * width * rounding
    assert np.all(np.abs(bias.grad.numpy() - dy.astype("f8").sum(axis=(0, 2, 3))) <= sums)


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
