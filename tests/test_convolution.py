# SPDX-License-Identifier: Apache-2.0
"""Convolution and its transpose against PyTorch: results, gradients, layers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import lepton
from lepton import nn
from lepton.nn import functional

# (batch, in, size, out), then what both libraries take.
TRANSPOSED: list[tuple[tuple[int, ...], dict[str, Any]]] = [
    ((2, 3, 5, 4), {"kernel_size": 3}),
    ((2, 8, 7, 20), {"kernel_size": 4, "stride": 2, "padding": 1}),
    ((3, 16, 6, 8), {"kernel_size": 3, "stride": 2, "padding": 1, "output_padding": 1}),
    ((1, 4, 5, 6), {"kernel_size": (2, 3), "stride": (3, 2), "groups": 2, "bias": False}),
    ((2, 6, 4, 6), {"kernel_size": 3, "groups": 6, "stride": 2, "padding": 2}),
    ((2, 2, 3, 3), {"kernel_size": 2, "dilation": 3, "output_padding": 2, "padding": 1}),
    ((2, 40, 5, 70), {"kernel_size": 1, "stride": 2}),
    ((2, 3, 5, 4), {"kernel_size": (3, 200)}),
    ((2, 6, 4, 4), {"kernel_size": (90, 70), "groups": 2, "stride": (1, 3), "padding": (5, 20)}),
]


# (batch, in, height, width, out), then what both libraries take. Between them: blocks of several
# images and several blocks of one, more than one packed part, all taps in the rows of a tile, more
# taps than are summed at once, pixels that no tap reaches, kernels much larger than the image,
# results so large that they are stored past the caches.
GEOMETRIES: list[tuple[tuple[int, ...], tuple[int, int], dict[str, Any]]] = [
    ((9, 13, 7, 7, 20), (3, 3), {"padding": 1}),
    ((3, 40, 40, 33, 24), (3, 2), {"padding": 1, "stride": (1, 2)}),
    ((6, 64, 48, 48, 64), (1, 1), {}),
    ((2, 3, 37, 41, 20), (7, 7), {"stride": 2, "padding": 3}),
    ((5, 1, 28, 28, 32), (3, 3), {"padding": 1}),
    ((2, 2, 19, 17, 5), (2, 3), {"dilation": (3, 2), "padding": (4, 5), "stride": (2, 1)}),
    ((2, 24, 20, 18, 24), (3, 3), {"dilation": 2, "padding": 2}),
    ((3, 12, 15, 21, 20), (3, 3), {"groups": 4, "padding": 1}),
    ((3, 37, 15, 21, 37), (3, 3), {"groups": 37, "padding": 1}),
    ((2, 16, 15, 22, 16), (5, 5), {"groups": 16, "padding": 2, "stride": 2}),
    ((2, 8, 9, 6, 8), (2, 2), {"groups": 8, "padding": (3, 4), "dilation": 2, "stride": 3}),
    ((1, 8, 1, 1, 8), (3, 3), {"groups": 8, "padding": 4}),
    ((2, 3, 4, 6, 20), (3, 300), {"padding": (1, 299)}),
    ((3, 3, 150, 150, 64), (3, 3), {"padding": 1}),
    ((150, 12, 9, 9, 20), (3, 3), {"groups": 4, "padding": 1}),
    ((3, 8, 150, 153, 64), (1, 1), {}),
    ((2, 8, 4, 6, 5), (2, 150), {"padding": (1, 300), "dilation": (1, 2), "stride": (1, 2)}),
    ((2, 6, 7, 6, 4), (9, 90), {"groups": 2, "padding": (2, 80)}),
]


def relative(ours: Any, theirs: Any) -> float:
    ours, theirs = np.asarray(ours), theirs.detach().numpy()
    assert ours.shape == theirs.shape
    return float(np.abs(ours - theirs).max() / np.abs(theirs).max())


@pytest.mark.parametrize(("shape", "arguments"), TRANSPOSED, ids=str)
def test_a_transposed_convolution_equals_torch(
    shape: tuple[int, ...], arguments: dict[str, Any]
) -> None:
    torch = pytest.importorskip("torch")
    batch, channels, size, out = shape
    theirs = torch.nn.ConvTranspose2d(channels, out, **arguments, dtype=torch.float64)
    ours = nn.ConvTranspose2d(channels, out, **arguments, dtype=lepton.float64)
    assert {n: t.shape for n, t in ours.state_dict().items()} == {
        n: tuple(t.shape) for n, t in theirs.state_dict().items()
    }
    ours.load_state_dict({n: lepton.asarray(t.numpy()) for n, t in theirs.state_dict().items()})
    rng = np.random.default_rng(0)
    x = rng.standard_normal((batch, channels, size, size + 1))
    ours_x, theirs_x = lepton.asarray(x), torch.tensor(x, requires_grad=True)
    ours_x.requires_grad = True
    y, expected = ours(ours_x), theirs(theirs_x)
    # A result is one sum of kernel x channels terms, a weight's gradient one over all pixels.
    bound = float(np.finfo("f8").eps) * max(theirs.weight.numel(), y.size)
    assert relative(y.detach(), expected) <= bound
    dy = rng.standard_normal(y.shape)
    y.backward(lepton.asarray(dy))
    expected.backward(torch.tensor(dy))
    assert relative(ours_x.grad, theirs_x.grad) <= bound
    for name, parameter in ours.named_parameters():
        assert relative(parameter.grad, dict(theirs.named_parameters())[name].grad) <= bound


@pytest.mark.parametrize(("shape", "kernel", "arguments"), GEOMETRIES, ids=str)
def test_a_convolution_and_its_gradients_are_as_exact_as_their_sums(
    shape: tuple[int, ...], kernel: tuple[int, int], arguments: dict[str, Any]
) -> None:
    """|error| <= terms * eps * sum of |terms| in any order; any threads give the same bits."""
    torch = pytest.importorskip("torch")
    batch, channels, height, width, out = shape
    rng = np.random.default_rng(0)
    values = [
        rng.standard_normal(size).astype("f4")
        for size in (
            (batch, channels, height, width),
            (out, channels // arguments.get("groups", 1), *kernel),
            (out,),
        )
    ]

    def theirs(take: Any, dy: Any) -> list[Any]:
        leaves = [torch.tensor(take(v), dtype=torch.float64, requires_grad=True) for v in values]
        y = torch.nn.functional.conv2d(*leaves, **arguments)
        y.backward(torch.tensor(take(dy), dtype=torch.float64))
        return [y.detach().numpy(), *(leaf.grad.numpy() for leaf in leaves)]

    def ours(threads: int) -> list[Any]:
        lepton.set_num_threads(threads)
        leaves = [lepton.asarray(v) for v in values]
        for leaf in leaves:
            leaf.requires_grad = True
        y = functional.conv2d(*leaves, **arguments)
        y.backward(lepton.asarray(dy))
        return [y.detach().numpy(), *(np.asarray(leaf.grad) for leaf in leaves)]

    size = torch.nn.functional.conv2d(*map(torch.tensor, values), **arguments).shape
    dy = rng.standard_normal(tuple(size)).astype("f4")
    threads = lepton.get_num_threads()
    try:
        results = [ours(count) for count in (1, 2, 3, 4)]
    finally:
        lepton.set_num_threads(threads)
    points = values[1][0].size + 1
    terms = [points, out * kernel[0] * kernel[1], *[dy[:, 0].size] * 2]
    exact, magnitude = theirs(lambda v: v, dy), theirs(np.abs, dy)
    for i, count in enumerate(terms):
        bound = count * np.finfo("f4").eps * magnitude[i]
        assert (np.abs(results[0][i] - exact[i]) <= bound).all()
        assert all(np.array_equal(results[0][i], other[i]) for other in results[1:])


def test_gradients_that_nobody_asked_for_are_not_computed() -> None:
    """The first layer of a network: weight and bias without the input, and each alone."""
    lepton.manual_seed(0)
    values = [lepton.randn(2, 3, 9, 8), lepton.randn(4, 3, 3, 3), lepton.randn(4)]

    def gradients(*asked: int) -> list[Any]:
        leaves = [value.detach() for value in values]
        for i in asked:
            leaves[i].requires_grad = True
        y = functional.conv2d(*leaves, stride=2)
        y.backward(lepton.ones(y.shape))
        return [leaf.grad for leaf in leaves]

    every = gradients(0, 1, 2)
    for asked in ((0,), (1,), (2,), (1, 2), (0, 2)):
        found = gradients(*asked)
        for i in range(3):
            assert (found[i] is not None) == (i in asked)
            if i in asked:
                np.testing.assert_allclose(found[i].numpy(), every[i].numpy(), rtol=1e-5, atol=1e-6)


def test_output_size_chooses_among_the_sizes_that_a_stride_merges() -> None:
    torch = pytest.importorskip("torch")
    arguments = {"kernel_size": (3, 4), "stride": (2, 3), "padding": 1}
    ours, theirs = (
        nn.ConvTranspose2d(2, 3, **arguments),
        torch.nn.ConvTranspose2d(2, 3, **arguments),
    )
    x = np.ones((2, 2, 4, 5), "f4")
    for height in (7, 8):
        for width in (14, 15, 16):
            for size in ([height, width], (2, 3, height, width)):
                expected = theirs(torch.tensor(x), output_size=size).shape
                assert ours(lepton.asarray(x), output_size=size).shape == tuple(expected)
    for size in ([6, 14], [9, 14], [7, 17], [7], [1, 2, 3]):
        with pytest.raises(ValueError, match="ConvTranspose2d: output_size expects"):
            ours(lepton.asarray(x), output_size=size)


def test_the_transpose_takes_back_what_a_convolution_does() -> None:
    """<conv(x), y> = <x, transpose(y)> for the same weight."""
    lepton.manual_seed(0)
    x, w = lepton.randn(2, 4, 9, 8), lepton.randn(6, 2, 3, 3)
    x, w = (lepton.astype(t, lepton.float64) for t in (x, w))
    y = functional.conv2d(x, w, None, (2, 1), 1, 1, 2)
    back = functional.conv_transpose2d(y, w, None, (2, 1), 1, (0, 0), 2)
    assert back.shape == x.shape
    np.testing.assert_allclose((y * y).sum().item(), (x * back).sum().item(), rtol=1e-12)


def test_errors_of_the_transpose_are_one_sentence() -> None:
    x, w = lepton.zeros((2, 4, 5, 5)), lepton.zeros((4, 3, 3, 3))
    transpose = functional.conv_transpose2d
    for message, call in {
        "weight expects 5 input channels, got 4": lambda: transpose(x, lepton.zeros((5, 3, 3, 3))),
        r"bias expects \[3\], got \[4\]": lambda: transpose(x, w, lepton.zeros(4)),
        "output_padding expects less than": lambda: transpose(x, w, output_padding=1),
        "padding 8 leaves no output": lambda: transpose(x, w, padding=8),
        "groups = 3 does not divide": lambda: transpose(x, w, groups=3),
        "stride expects numbers from 1": lambda: transpose(x, w, stride=0),
        "the kernel is empty": lambda: transpose(x, lepton.zeros((4, 3, 0, 3))),
        r"expects input \[n, in, h, w\]": lambda: transpose(lepton.zeros((4, 5)), w),
    }.items():
        with pytest.raises(ValueError, match=f"^conv_transpose2d: {message}"):
            call()
    with pytest.raises(TypeError, match="conv_transpose2d: expects one floating dtype"):
        transpose(x, lepton.astype(w, lepton.float64))
    with pytest.raises(ValueError, match="ConvTranspose2d: output_padding expects less"):
        nn.ConvTranspose2d(2, 3, 3, stride=2, output_padding=2)
    with pytest.raises(ValueError, match="ConvTranspose2d: groups must divide"):
        nn.ConvTranspose2d(2, 3, 3, groups=2)
