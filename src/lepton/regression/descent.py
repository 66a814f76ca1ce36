# SPDX-License-Identifier: Apache-2.0
"""Stochastic gradient descent of linear models: steps over mini-batches, and how long they are."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import sparse

import lepton
from lepton.estimator.weights import total_weight

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lepton.regression.loss import BoundedLoss

__all__ = ["Batch", "Descent", "Penalty", "State", "schedule"]

_SMALL_PRODUCT = 1 << 18  # multiplications below which handing arrays over takes longer
_FORGET = 0.999  # of the largest curvature met, each time one looks
_NEAR, _LOOK = 0.5, 16  # steps that are shorter in units of the longest look each so many steps

Rate = Callable[["State"], float]


@dataclass
class State:
    """Where a descent stands; arrays and numbers only, so that a file can hold it.

    Parameters are float64 [outputs, features + 1], intercepts in the last column.
    """

    params: NDArray[np.float64]
    time: float = 1.0  # samples seen, and one
    rate: float = 0.0  # of the schedule "adaptive"
    steps: int = 0
    average: NDArray[np.float64] | None = None
    curvature: NDArray[np.float64] = field(default_factory=lambda: np.zeros(1))
    steepest: float = 0.0  # the largest curvature
    length: float | NDArray[np.float64] = 0.0  # of the last step of each output
    total: float = 1.0  # samples of the last step

    def taken(self) -> float:
        """The rate of the last step, which may have been shortened."""
        return float(np.max(self.length)) / self.total

    def is_finite(self) -> bool:
        """Whether neither parameters nor curvatures, which bound steps, overflowed."""
        return bool(np.isfinite(self.params).all() and np.isfinite(self.curvature).all())


@dataclass
class Batch:
    """Some samples: X [samples, features], which may be a CSR matrix, y and factors of the losses
    [outputs, samples].

    A sample of weight w counts as w samples; factors, which hold these weights, too, only
    multiply losses. None stands for ones.
    """

    X: NDArray[Any]
    y: NDArray[Any]
    factor: NDArray[Any] | None
    weight: NDArray[Any] | None

    def total(self) -> float:
        """How many samples the batch counts as."""
        return total_weight(self.X.shape[0], self.weight)


@dataclass
class Penalty:
    """``alpha (l1_ratio |b|_1 + (1 - l1_ratio) / 2 |b|_2^2)`` of coefficients b."""

    alpha: float
    l1_ratio: float

    def value(self, coef: NDArray[np.float64]) -> float:
        """The penalty of all coefficients."""
        squares = float(np.vdot(coef, coef))
        absolute = float(np.abs(coef).sum()) if self.l1_ratio else 0.0
        return self.alpha * (self.l1_ratio * absolute + (1 - self.l1_ratio) / 2 * squares)

    def shrink(self, coef: NDArray[np.float64], length: NDArray[np.float64]) -> None:
        """The proximal step of that length, one for each output, in place."""
        if self.l1_ratio:
            bound = (self.alpha * self.l1_ratio * length)[:, None]
            coef -= np.clip(coef, -bound, bound)
        if self.l1_ratio < 1:
            coef /= (1 + self.alpha * (1 - self.l1_ratio) * length)[:, None]


def schedule(name: str, eta0: float, power_t: float, alpha: float) -> Rate:
    """The learning rate of one sample, by scikit-learn's names."""
    if name == "constant":
        return lambda state: eta0
    if name == "invscaling":
        return lambda state: eta0 / state.time**power_t
    if name == "adaptive":
        return lambda state: state.rate
    begin = alpha**-0.75  # Bottou: the first rate is as large as typical coefficients, alpha^-1/4
    return lambda state: 1 / (alpha * (begin + state.time - 1))


@dataclass
class Descent:
    """Steps of proximal gradient descent over batches.

    A batch makes the steps of its samples at once: its mean gradient times the rate times the
    number of samples. Steps are never longer than is stable for the batches seen of late: than the
    reciprocal of the largest curvature along a gradient if the loss is smooth, and with a kink
    than Polyak's step, which would bring the batch's loss to zero if that were linear.
    """

    loss: BoundedLoss
    penalty: Penalty
    rate: Rate
    fit_intercept: bool
    average: float  # the time at which the mean of all parameters begins; infinite for none

    def step(self, state: State, batch: Batch) -> NDArray[np.float64]:
        """Take one step; return the sum of losses of each output before it."""
        total = batch.total()
        if not total:
            return np.zeros(len(state.params))
        X = batch.X
        losses, slopes = self._terms(_scores(state.params, X), batch)
        gradient = np.empty_like(state.params)
        gradient[:, :-1] = _product(slopes, X)
        gradient[:, -1] = np.add.reduce(slopes, 1) if self.fit_intercept else 0.0
        gradient /= total
        sums: NDArray[np.float64] = np.add.reduce(losses, 1, np.float64)
        length = self._length(state, batch, gradient, sums)
        gradient *= length[:, None]
        state.params -= gradient
        self.penalty.shrink(state.params[:, :-1], length)
        state.time += total
        state.steps += 1
        state.length, state.total = length, total
        if state.time > self.average:
            self._take_average(state, total)
        return sums

    def restart_average(self, state: State) -> None:
        """Let the mean of all parameters begin at the next step."""
        state.average, self.average = None, state.time

    def settle(self, state: State) -> None:
        """Move to the mean: steps that do not vanish circle around the solution.

        Coefficients that an L1 penalty has made 0 stay 0.
        """
        if state.average is not None:
            state.params[:] = np.where(state.params, state.average, 0.0)
        self.restart_average(state)

    def _terms(self, scores: NDArray[Any], batch: Batch) -> tuple[NDArray[Any], NDArray[Any]]:
        """Losses and their slopes times the factors, [outputs, samples]."""
        flat = lepton.asarray(scores.reshape(1, -1))
        losses, slopes, _ = self.loss.terms(flat, batch.y.reshape(-1))
        losses, slopes = losses.reshape(scores.shape), slopes.reshape(scores.shape)
        if batch.factor is None:
            return losses, slopes
        return losses * batch.factor, slopes * batch.factor

    def _length(
        self,
        state: State,
        batch: Batch,
        gradient: NDArray[np.float64],
        losses: NDArray[np.float64],
    ) -> NDArray[np.float64]:
        """The step of each output: by the rate, or the longest stable one if that is shorter."""
        total = batch.total()
        wanted = self.rate(state) * total
        longest: NDArray[np.float64]
        if not math.isinf(self.loss.bend):
            if wanted * state.steepest > _NEAR or state.steps % _LOOK == 0:
                self._look(state, batch, gradient)
            longest = 1 / np.maximum(state.curvature, 1 / wanted)
            return longest
        squares = np.einsum("ij,ij->i", gradient, gradient)
        longest = np.full_like(squares, wanted)
        np.divide(losses, squares * total, out=longest, where=squares > 0)
        return np.minimum(longest, wanted, out=longest)

    def _look(self, state: State, batch: Batch, gradient: NDArray[np.float64]) -> None:
        """Take note of the curvature along the gradient."""
        squares = np.einsum("ij,ij->i", gradient, gradient)
        along = _scores(gradient, batch.X)
        along *= along
        if batch.factor is not None:
            along *= batch.factor
        bent = along.sum(axis=1, dtype=np.float64) * (self.loss.bend / batch.total())
        bent = np.divide(bent, squares, out=np.zeros_like(squares), where=squares > 0)
        state.curvature = np.maximum(bent, _FORGET * state.curvature)
        state.steepest = float(state.curvature.max())

    def _take_average(self, state: State, total: float) -> None:
        if state.average is None:
            state.average = state.params.copy()
        else:
            share = min(1.0, total / (state.time - self.average))
            state.average += (state.params - state.average) * share


def _scores(params: NDArray[np.float64], X: NDArray[Any]) -> NDArray[Any]:
    """Linear predictors [outputs, samples] in the dtype of X."""
    params = params.astype(X.dtype, copy=False)
    scores = _product(params[:, :-1], X.T)
    scores += params[:, -1:]
    return scores


def _product(a: NDArray[Any], b: NDArray[Any]) -> NDArray[Any]:
    if sparse.issparse(b) or a.size * b.shape[1] < _SMALL_PRODUCT:
        return a @ b  # type: ignore[no-any-return]
    return lepton.matmul(lepton.asarray(a), lepton.asarray(b)).numpy()
