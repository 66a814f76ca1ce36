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
