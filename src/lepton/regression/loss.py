# SPDX-License-Identifier: Apache-2.0
"""Losses of generalised linear models: value, gradient and curvature by the linear predictor."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from scipy.special import expit, log_expit, xlogy

import lepton
from lepton.nn import functional as F

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lepton import Tensor

__all__ = [
    "BinomialLoss",
    "BoundedLoss",
    "EpsilonInsensitiveLoss",
    "HingeLoss",
    "HuberLoss",
    "Likelihood",
    "Loss",
    "ModifiedHuberLoss",
    "MultinomialLoss",
    "PoissonLoss",
    "SquaredLoss",
]


class Loss(Protocol):
    """The loss of one sample as a function of its linear predictors.

    Predictors and all that has their shape are [outputs, samples]: outputs come first, so that
    steps over them run along memory. Most have a link, too: ``mean(eta)`` is the expected target.
    """

    outputs: int

    def terms(
        self, eta: Tensor, y: NDArray[Any]
    ) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
        """The loss [samples], its gradient by eta and the diagonal of its second derivative.

        The last two are [outputs, samples]; all have the dtype of eta.
        """


class Likelihood(Loss, Protocol):
    """The negative logarithm of a likelihood."""

    def resists(self, move: NDArray[Any], y: NDArray[Any]) -> NDArray[Any]:
        """The part of a move of predictors along which the loss rises for ever, of each sample."""


class BoundedLoss(Loss, Protocol):
    """A loss whose second derivative nowhere exceeds `bend`, which is infinite with a kink.

    The perceptron's is 0: longer steps only make longer coefficients, so none is too long.
    """

    @property
    def bend(self) -> float: ...


class BinomialLoss:
    """``log(1 + exp(-y eta))`` for y = -1 or 1."""

    outputs, bend = 1, 0.25

    def terms(
        self, eta: Tensor, y: NDArray[Any]
    ) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
        """See `Loss.terms`."""
        margin = lepton.asarray(y) * eta[0]
        wrong = F.sigmoid(-margin).numpy()
        value = -F.logsigmoid(margin).numpy()
        return value, (-y * wrong)[None], (wrong * (1 - wrong))[None]

    def mean(self, eta: NDArray[Any]) -> NDArray[Any]:
        """The probabilities of -1 and of 1, [2, samples]."""
        return np.concatenate([expit(-eta), expit(eta)])

    def log_mean(self, eta: NDArray[Any]) -> NDArray[Any]:
        """The logarithms of the probabilities, exact where these are next to 0."""
        return np.concatenate([log_expit(-eta), log_expit(eta)])

    def resists(self, move: NDArray[Any], y: NDArray[Any]) -> NDArray[Any]:
        """See `Likelihood.resists`."""
        back: NDArray[Any] = np.maximum(-y * move, 0)
        return back


class MultinomialLoss:
    """``log(sum_k exp(eta_k)) - eta_y`` for the class y."""

    def __init__(self, outputs: int) -> None:
        self.outputs = outputs

    def terms(
        self, eta: Tensor, y: NDArray[Any]
    ) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
        """See `Loss.terms`."""
        logarithms = F.log_softmax(eta, 0)
        gradient = lepton.exp(logarithms).numpy()
        curvature = gradient * (1 - gradient)
        samples = np.arange(len(y))
        gradient[y, samples] -= 1
        return -logarithms.numpy()[y, samples], gradient, curvature

    def mean(self, eta: NDArray[Any]) -> NDArray[Any]:
        """The probabilities of the classes, [outputs, samples]."""
        return F.softmax(lepton.asarray(eta), 0).numpy()

    def log_mean(self, eta: NDArray[Any]) -> NDArray[Any]:
        """The logarithms of the probabilities, exact where these are next to 0."""
        return F.log_softmax(lepton.asarray(eta), 0).numpy()


class PoissonLoss:
    """``exp(eta) - y eta`` for counts y >= 0; its mean is exp(eta)."""

    outputs = 1

    def terms(
        self, eta: Tensor, y: NDArray[Any]
    ) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
        """See `Loss.terms`."""
        mean = lepton.exp(eta).numpy()
        return mean[0] - y * eta.numpy()[0], mean - y, mean

    def mean(self, eta: NDArray[Any]) -> NDArray[Any]:
        """The expected counts, of the shape of eta."""
        mean: NDArray[Any] = np.exp(eta)
        return mean

    def resists(self, move: NDArray[Any], y: NDArray[Any]) -> NDArray[Any]:
        """See `Likelihood.resists`."""
        up: NDArray[Any] = np.where(y > 0, np.abs(move), np.maximum(move, 0))
        return up

    def deviance(self, y: NDArray[Any], mean: NDArray[Any]) -> NDArray[Any]:
        """``2 (y log(y / mean) - y + mean)`` of each sample."""
        deviance: NDArray[Any] = 2 * (xlogy(y, y / mean) - y + mean)
        return deviance


class HuberLoss:
    """``r^2 / scale`` of small residuals r, ``2 epsilon |r| - epsilon^2 scale`` above a bound.

    The bound is epsilon scale.
    """

    outputs = 1

    def __init__(self, epsilon: float, scale: float) -> None:
        self.epsilon, self.scale = epsilon, scale

    @property
    def bend(self) -> float:
        """See `BoundedLoss`."""
        return 2 / self.scale

    def terms(
        self, eta: Tensor, y: NDArray[Any]
    ) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
        """See `Loss.terms`."""
        residual = y - eta.numpy()[0]
        bound = self.epsilon * self.scale
        clipped = np.clip(residual, -bound, bound)
        value = clipped * (2 * residual - clipped) / self.scale
        inside = np.abs(residual) <= bound
        curvature = np.where(inside, y.dtype.type(2 / self.scale), y.dtype.type(0))
        return value, (clipped * (-2 / self.scale))[None], curvature[None]


class SquaredLoss:
    """``(eta - y)^2 / 2``."""

    outputs, bend = 1, 1.0

    def terms(
        self, eta: Tensor, y: NDArray[Any]
    ) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
        """See `Loss.terms`."""
        residual = eta.numpy() - y
        return residual[0] * residual[0] / 2, residual, np.ones_like(residual)


class HingeLoss:
    """``max(0, margin - y eta)`` for y = -1 or 1, to a power of 1 or 2.

    Without a margin, the perceptron's loss, parameters of 0 are a minimum, from which mistakes lead
    away all the same: what is not on its side counts as wrong.
    """

    outputs = 1

    def __init__(self, power: int = 1, margin: float = 1.0) -> None:
        self.power, self.margin = power, margin
        self.bend = 2.0 if power == 2 else np.inf if margin else 0.0

    def terms(
        self, eta: Tensor, y: NDArray[Any]
    ) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
        """See `Loss.terms`."""
        missing = self.margin - y * eta.numpy()
        wrong = (missing > 0 if self.margin else missing >= 0).astype(y.dtype)
        missing *= wrong
        if self.power == 1:
            return missing[0], -y * wrong, np.zeros_like(wrong)
        return missing[0] ** 2, -2 * y * missing, 2 * wrong


class ModifiedHuberLoss:
    """``max(0, 1 - z)^2`` where z = y eta >= -1 and ``-4 z`` below, for y = -1 or 1."""

    outputs, bend = 1, 2.0

    def terms(
        self, eta: Tensor, y: NDArray[Any]
    ) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
        """See `Loss.terms`."""
        missing = np.maximum(1 - y * eta.numpy(), 0)
        clipped = np.minimum(missing, 2)
        curved = 2 * ((missing > 0) & (missing <= 2)).astype(y.dtype)
        return (clipped * (2 * missing - clipped))[0], -2 * y * clipped, curved


class EpsilonInsensitiveLoss:
    """``max(0, |y - eta| - epsilon)``, to a power of 1 or 2."""

    outputs = 1

    def __init__(self, epsilon: float, power: int = 1) -> None:
        self.epsilon, self.power = epsilon, power
        self.bend = np.inf if power == 1 else 2.0

    def terms(
        self, eta: Tensor, y: NDArray[Any]
    ) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
        """See `Loss.terms`."""
        residual = eta.numpy() - y
        sign = np.sign(residual)
        excess = sign * residual - self.epsilon
        outside = (excess > 0).astype(residual.dtype)
        excess *= outside
        sign *= outside
        if self.power == 1:
            return excess[0], sign, np.zeros_like(sign)
        return excess[0] ** 2, 2 * sign * excess, 2 * outside
