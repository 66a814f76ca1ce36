# SPDX-License-Identifier: Apache-2.0
"""Layers in a row that are computed as one: same results, statistics, errors and gradients."""

from __future__ import annotations

import copy
from typing import Any
from unittest import mock

import numpy as np
import pytest

import lepton
from lepton import nn
from lepton.nn import functional


def model() -> nn.Sequential:
    """Convolutions with batch norm and ReLU, in a Sequential within a Sequential."""
    lepton.manual_seed(3)
    return nn.Sequential(
        nn.Sequential(nn.Conv2d(3, 20, 3, padding=1), nn.BatchNorm2d(20), nn.ReLU()),
        nn.Conv2d(20, 16, 3),
        nn.BatchNorm2d(16, momentum=None),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(16 * 6 * 6, 8),
        nn.BatchNorm1d(8, affine=False, track_running_stats=False),
        nn.ReLU(),
        nn.BatchNorm1d(8),
    )


def one_by_one(module: nn.Module, x: lepton.Tensor) -> lepton.Tensor:
    """Run every layer by itself."""
    for layer in module.children():
        x = one_by_one(layer, x) if isinstance(layer, nn.Sequential) else layer(x)
    return x


def close(a: Any, b: Any) -> None:
    """Equal but for the rounding of a few operations on numbers around 1."""
    np.testing.assert_allclose(np.asarray(a), np.asarray(b), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("training", [True, False], ids=["train", "eval"])
def test_batch_norm_and_relu_become_one_op(training: bool) -> None:
    fused, plain = model().train(training), model().train(training)
    x = lepton.randn(4, 3, 8, 8)
    a, b = (copy.deepcopy(x).requires_grad_() for _ in range(2))
    called = mock.Mock(wraps=functional.batch_norm_relu)
    with mock.patch.object(functional, "batch_norm_relu", called):
        y = fused(a)
    assert called.call_count == 3
    z = one_by_one(plain, b)
    close(y.detach(), z.detach())
    weights = lepton.randn(*y.shape)
    (y * weights).sum().backward()
    (z * weights).sum().backward()
    assert a.grad is not None
    close(a.grad, b.grad)
    for (name, p), q in zip(fused.named_parameters(), plain.parameters(), strict=True):
        assert p.grad is not None, name
        close(p.grad, q.grad)
    for (name, s), t in zip(fused.state_dict().items(), plain.state_dict().values(), strict=True):
        close(s, t)
        assert training or "num_batches" not in name or s.item() == 0


def test_an_error_names_the_layer() -> None:
    net = nn.Sequential(nn.Sequential(nn.ReLU(), nn.BatchNorm2d(3), nn.ReLU()))
    with pytest.raises(ValueError, match=r"^0\.1: BatchNorm2d: expects 4-D input, got \[2, 3\]"):
        net(lepton.ones((2, 3)))


def test_what_a_caller_replaced_is_called() -> None:
    class Halved(nn.BatchNorm2d):
        def forward(self, input: lepton.Tensor) -> lepton.Tensor:
            return super().forward(input) * 0.5 - 1

    class Leaky(nn.ReLU):
        def forward(self, input: lepton.Tensor) -> lepton.Tensor:
            return input

    x = lepton.randn(4, 3, 5, 5)
    for net in (
        nn.Sequential(Halved(3), nn.ReLU()),
        nn.Sequential(nn.BatchNorm2d(3), Leaky()),
        nn.Sequential(nn.BatchNorm2d(3), nn.LeakyReLU(), nn.ReLU()),
    ):
        close(net(x).detach(), one_by_one(net, x).detach())
    watched = nn.Sequential(nn.BatchNorm2d(3), nn.ReLU())
    forward = mock.Mock(wraps=watched[0].forward)
    object.__setattr__(watched[0], "forward", forward)
    close(watched(x).detach(), nn.functional.relu(watched[0](x)).detach())
    assert forward.call_count == 2


def test_the_residual_of_a_block_is_added_in_the_same_op() -> None:
    lepton.manual_seed(4)
    x, residual = (lepton.randn(2, 18, 5, 5).requires_grad_() for _ in range(2))
    weight, bias = (lepton.randn(18).requires_grad_() for _ in range(2))
    leaves = (x, residual, weight, bias)
    y = functional.batch_norm_relu(x, None, None, weight, bias, residual, training=True)
    dy = lepton.randn(*y.shape)
    y.backward(dy)
    gradients = [leaf.grad for leaf in leaves]
    for leaf in leaves:
        leaf.grad = None
    z = functional.relu(
        functional.batch_norm(x, None, None, weight, bias, training=True) + residual
    )
    z.backward(dy)
    close(y.detach(), z.detach())
    for gradient, leaf in zip(gradients, leaves, strict=True):
        close(gradient, leaf.grad)


def test_group_norm_equals_torch() -> None:
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(5)
    x = rng.standard_normal((2, 36, 7, 5), dtype=np.float32) + 3
    dy = rng.standard_normal(x.shape, dtype=np.float32)
    weight, bias = (rng.standard_normal(36, dtype=np.float32) for _ in range(2))
    ours = [lepton.tensor(a).requires_grad_() for a in (x, weight, bias)]
    theirs = [torch.tensor(a, requires_grad=True) for a in (x, weight, bias)]
    y = functional.group_norm(ours[0], 4, ours[1], ours[2], 0.01)
    z = torch.nn.functional.group_norm(theirs[0], 4, theirs[1], theirs[2], 0.01)
    y.backward(lepton.tensor(dy))
    z.backward(torch.tensor(dy))
    close(y.detach(), z.detach())
    for a, b in zip(ours, theirs, strict=True):
        # sums of up to 70 products around 1
        np.testing.assert_allclose(np.asarray(a.grad), b.grad.numpy(), rtol=1e-4, atol=1e-4)
