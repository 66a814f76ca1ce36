# SPDX-License-Identifier: Apache-2.0
"""Penalised losses of linear predictors: derivatives in passes over blocks of rows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

import lepton
from lepton import _core
from lepton.estimator.weights import total_weight

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lepton.regression.loss import Loss

__all__ = ["Objective"]

# Bytes of a block of X: it is read twice, and should come from a cache the second time.
_CACHE = 2**22
_SAMPLE = 4096  # rows that show means well enough


class Objective:
    """``sum_i s_i loss(y_i, X_i B' + b) / sum(s) + l2 / 2 |B|^2``.

    Its parameters are float64 [outputs, features + 1]: coefficients, and in the last column the
    predictor at the centre of X, in place of the intercept. Around the centre, a mean of rows, the
    intercept hardly depends on the coefficients, and a large mean costs no digits. Sums over rows
    are in the dtype of X within a block and in float64 beyond.
    """

    def __init__(
        self,
        X: NDArray[Any],
        y: NDArray[Any],
        loss: Loss,
        *,
        weight: NDArray[Any] | None,
        l2: float,
        fit_intercept: bool,
        centre: NDArray[Any] | None = None,
    ) -> None:
        self.X, self.y, self.weight, self.loss = X, y, weight, loss
        self.l2, self.fit_intercept = l2, fit_intercept
        self.samples, self.features = X.shape
        self.shape = (loss.outputs, self.features + 1)
        self.unit = 1 / total_weight(self.samples, weight)
        eps = float(np.finfo(X.dtype).eps)
        self.precision = max(float(np.finfo(np.float64).eps), eps / self.samples**0.5)
        self.centre = self._find_centre() if centre is None else centre

    def _find_centre(self) -> NDArray[Any]:
        if not self.fit_intercept:
            return np.zeros(self.features)
        some = slice(None, None, max(1, self.samples // _SAMPLE))
        weight = None if self.weight is None else self.weight[some].astype(np.float64)
        if weight is not None and not weight.any():
            weight = None
        rows = self.X[some].astype(np.float64)
        centre: NDArray[Any] = np.average(rows, axis=0, weights=weight)
        np.clip(centre, rows.min(0), rows.max(0), out=centre)  # constant columns: without rounding
        return centre

    def sample(self, rows: int) -> Objective:
        """The objective of about so many rows, evenly spaced, around the same centre."""
        step = self.samples // max(rows, 1)
        if step < 2:
            return self
        X, y = np.ascontiguousarray(self.X[::step]), np.ascontiguousarray(self.y[::step])
        weight = None if self.weight is None else np.ascontiguousarray(self.weight[::step])
        if weight is not None and not weight.any():
            return self
        options: dict[str, Any] = {"l2": self.l2, "fit_intercept": self.fit_intercept}
        return Objective(X, y, self.loss, weight=weight, centre=self.centre, **options)

    def start(self, coef: NDArray[Any], intercept: NDArray[Any]) -> NDArray[Any]:
        """The parameters of coefficients [outputs, features] and intercepts [outputs]."""
        coef = np.asarray(coef, np.float64).reshape(-1, self.features)
        level = np.asarray(intercept, np.float64).reshape(-1) * self.fit_intercept
        return np.column_stack([coef, level + coef @ self.centre])

    def finish(self, params: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
        """Coefficients [outputs, features] and intercepts [outputs] in the dtype of X."""
        coef = params[:, :-1]
        intercept = params[:, -1] - coef @ self.centre
        if len(intercept) > 1:  # classes know their intercepts up to a constant
            intercept -= intercept.mean()
        return coef.astype(self.X.dtype), intercept.astype(self.X.dtype)

    def slopes(self, gradient: NDArray[Any]) -> NDArray[Any]:
        """Derivatives by coefficients and intercepts, whatever the centre."""
        slopes = gradient.copy()
        slopes[:, :-1] += np.outer(gradient[:, -1], self.centre)
        return slopes

    def violation(self, gradient: NDArray[Any]) -> float:
        """The largest derivative by a coefficient or an intercept."""
        return float(np.abs(self.slopes(gradient)).max())

    def within(self, params: NDArray[Any], step: NDArray[Any]) -> NDArray[Any]:
        """The part of a step that stays where the objective is defined: here all of it."""
        return step

    def penalty(self, params: NDArray[Any]) -> float:
        """``l2 / 2 |B|^2``."""
        return self.l2 / 2 * float(np.vdot(params[:, :-1], params[:, :-1]))

    def is_uniform(self, params: NDArray[Any]) -> bool:
        """Whether several outputs have the same parameters, and so the same curvatures."""
        return len(params) > 1 and bool((params == params[0]).all())

    @np.errstate(over="ignore", invalid="ignore")  # too long a step gives inf, which is refused
    def first_order(self, params: NDArray[Any]) -> tuple[float, NDArray[Any]]:
        """Value and gradient: one pass that reads each block of X once."""
        value, gradient = 0.0, np.zeros(self.shape)
        for rows, losses, slopes, _ in self._pass(params, self._cached_rows()):
            value += float(losses.sum(dtype=np.float64))
            gradient += self._slopes(rows, slopes)
        return self._penalised(params, value, gradient)

    @np.errstate(over="ignore", invalid="ignore")  # too long a step gives inf, which is refused
    def second_order(self, params: NDArray[Any]) -> tuple[float, NDArray[Any], NDArray[Any]]:
        """Value, gradient and the diagonal blocks of the Hessian, one for each output.

        The blocks are [outputs, features + 1, features + 1]. Weighted Gram matrices of X and the
        working response gradient / curvature hold both.
        """
        outputs, size = self.shape
        value, gram = 0.0, np.zeros((outputs, size + 1, size + 1))
        same = self.is_uniform(params)
        floor = np.finfo(self.X.dtype).eps ** 2
        shift = np.append(self.centre, 0.0)
        for rows, losses, slopes, curvature in self._pass(params, self._cached_rows(8 * size)):
            value += float(losses.sum(dtype=np.float64))
            curvature = np.maximum(curvature, floor)
            response = (slopes / curvature)[:, :, None]
            for k in range(1 if same else outputs):
                gram[k] += _core.gram(
                    *map(lepton.asarray, (rows, response[k], curvature[k], shift))
                ).numpy()
        if same:  # equal probabilities have equal curvatures; nobody needs this gradient
            gram[1:] = gram[0]
        response_row = size - 1
        gradient = np.delete(gram[:, response_row], response_row, axis=1)
        hessian = np.delete(np.delete(gram, response_row, axis=1), response_row, axis=2)
        hessian *= self.unit
        diagonal = np.arange(self.features)
        hessian[:, diagonal, diagonal] += self.l2
        if not self.fit_intercept:
            hessian[:, -1], hessian[:, :, -1], hessian[:, -1, -1] = 0, 0, 1
        return *self._penalised(params, value, gradient), hessian

    def diagonal(self, params: NDArray[Any]) -> NDArray[Any]:
        """The diagonal of the Hessian, [outputs, features + 1]."""
        result = np.zeros(self.shape)
        for rows, _, _, curvature in self._pass(params, self._cached_rows()):
            squares = (rows - self.centre) ** 2
            result[:, :-1] += curvature @ squares
            result[:, -1] += curvature.sum(axis=1, dtype=np.float64)
        result *= self.unit
        result[:, :-1] += self.l2
        if not self.fit_intercept:
            result[:, -1] = 1
        return result

    def predictors(self, params: NDArray[Any]) -> NDArray[Any]:
        """The linear predictors [outputs, samples] of parameters for any number of outputs."""
        coef = lepton.asarray(params[:, :-1].astype(self.X.dtype))
        product: NDArray[Any] = lepton.matmul(coef, lepton.asarray(self.X).T).numpy()
        product += (params[:, -1] - params[:, :-1] @ self.centre)[:, None].astype(self.X.dtype)
        return product

    def by_sample(self, params: NDArray[Any]) -> tuple[float, NDArray[Any], NDArray[Any]]:
        """The weighted sum of losses, and their slope and curvature [outputs, samples]."""
        value, slopes = 0.0, np.empty((self.shape[0], self.samples), self.X.dtype)
        curvature, begin = np.empty_like(slopes), 0
        for rows, losses, slope, bend in self._pass(params, self._cached_rows()):
            part = slice(begin, begin + len(rows))
            value += float(losses.sum(dtype=np.float64))
            slopes[:, part], curvature[:, part] = slope, bend
            begin += len(rows)
        return value, slopes, curvature

    def _slopes(self, rows: NDArray[Any], slopes: NDArray[Any]) -> NDArray[Any]:
        """The gradient of a block of rows, from derivatives by its predictors."""
        total = slopes.sum(axis=1, dtype=np.float64)
        product = lepton.matmul(lepton.asarray(slopes), lepton.asarray(rows)).numpy()
        return np.column_stack([product - np.outer(total, self.centre), total])

    def _penalised(
        self, params: NDArray[Any], value: float, gradient: NDArray[Any]
    ) -> tuple[float, NDArray[Any]]:
        gradient *= self.unit
        gradient[:, :-1] += self.l2 * params[:, :-1]
        gradient[:, -1] *= self.fit_intercept
        return value * self.unit + self.penalty(params), gradient

    def _cached_rows(self, least: int = 256) -> int:
        return max(least, _CACHE // int(self.features * self.X.itemsize))

    def _pass(
        self, params: NDArray[Any], size: int
    ) -> Iterator[tuple[NDArray[Any], NDArray[Any], NDArray[Any], NDArray[Any]]]:
        """Blocks of X and the weighted loss, gradient and curvature of their predictors."""
        coef = lepton.asarray(params[:, :-1].astype(self.X.dtype))
        level = params[:, -1] - params[:, :-1] @ self.centre
        intercept = lepton.asarray(level[:, None].astype(self.X.dtype))
        for begin in range(0, self.samples, size):
            part = slice(begin, begin + size)
            rows = self.X[part]
            eta = lepton.matmul(coef, lepton.asarray(rows).T) + intercept
            losses, slopes, curvature = self.loss.terms(eta, self.y[part])
            if self.weight is not None:
                weight = self.weight[part]
                losses, slopes = _weigh(losses, weight), _weigh(slopes, weight)
                curvature = _weigh(curvature, weight)
            yield rows, losses, slopes, curvature


def _weigh(term: NDArray[Any], weight: NDArray[Any]) -> NDArray[Any]:
    """Terms times weights: 0 where the weight is, even where the term overflowed."""
    product: NDArray[Any] = np.zeros_like(term)
    np.multiply(term, weight, out=product, where=weight > 0)
    return product
