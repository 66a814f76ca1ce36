# SPDX-License-Identifier: Apache-2.0
"""Least squares in one pass: by sums of products where that is safe, else by orthogonal factors."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import linalg, optimize

import lepton
from lepton import _core
from lepton.estimator.weights import total_weight

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Centred", "Factor", "back_substitute", "factorise", "non_negative", "shortest", "solve"]

# Below this many elements the orthogonal factors are kept whole and the solution is refined.
_SMALL = 1 << 14
# The closed form errs by cond(X'X) eps, columns of X having norm 1. Up to the first bound that is
# good enough, up to the second one step of refinement brings it below that.
_GOOD_RCOND, _LEAST_RCOND = 1e-4, 1e-9
# Steps of refinement, at most: each gains digits as long as cond(X) eps < 1.
_STEPS = 10
# Rows that are centred and factorised together.
_BLOCK_ROWS = 4096
# A pilot mean further off than so many standard deviations loses digits by cancellation.
_FAR = 100.0


@dataclass
class Centred:
    """The data of a fit as seen from their means: rows sqrt(weight) (x - mean)."""

    X: NDArray[Any]
    y: NDArray[Any]  # [samples, targets]
    weight: NDArray[Any] | None
    x_mean: NDArray[Any]  # float64 or wider
    y_mean: NDArray[Any]

    @classmethod
    def of(
        cls, X: NDArray[Any], y: NDArray[Any], weight: NDArray[Any] | None, centre: bool
    ) -> Centred:
        """Centre X and y if asked; y may have one axis."""
        y = y.reshape(len(y), -1)
        if not centre:
            return cls(X, y, weight, np.zeros(X.shape[1]), np.zeros(y.shape[1]))
        # Of small problems in extended precision: a mean that is off is a direction of its own.
        dtype = np.longdouble if X.size <= _SMALL else np.float64
        if weight is None:
            return cls(X, y, None, X.mean(0, dtype), y.mean(0, dtype))
        total = weight.sum(dtype=dtype)
        x_mean, y_mean = (_weighted_sum(part, weight, dtype) / total for part in (X, y))
        return cls(X, y, weight, x_mean, y_mean)

    def blocks(self, rows: int = _BLOCK_ROWS) -> Iterator[tuple[NDArray[Any], NDArray[Any]]]:
        """Blocks of rows of X and y, centred and weighted, in float64."""
        for i in range(0, len(self.X), rows):
            part = slice(i, i + rows)
            x, y = (
                np.subtract(a[part], mean, dtype=mean.dtype).astype(np.float64, copy=False)
                for a, mean in ((self.X, self.x_mean), (self.y, self.y_mean))
            )
            if self.weight is not None:
                root = np.sqrt(self.weight[part], dtype=np.float64)[:, None]
                x *= root
                y *= root
            yield x, y

    def offsets(self) -> NDArray[np.float64]:
        """Norms of the columns' means: what rounding of means and of data is relative to."""
        norms: NDArray[np.float64] = np.abs(self.x_mean).astype(np.float64)
        norms *= np.sqrt(total_weight(len(self.X), self.weight))
        return norms

    def noise(self) -> NDArray[np.float64]:
        """Norms of the columns that rounding of the means alone can cause."""
        return self.offsets() * (8 * float(np.finfo(self.x_mean.dtype).eps))

    def residual_sums(self, coef: NDArray[Any]) -> NDArray[np.float64]:
        """Weighted sums of squared residuals, one for each target."""
        total = np.zeros(self.y.shape[1])
        for x, y in self.blocks():
            total += ((y - x @ coef) ** 2).sum(0)
        return total


@dataclass
class Factor:
    """What least squares needs of the data: R with R'R = X'X of the centred rows, and R'^-1 X'y.

    Columns of X are divided by `scale` first, so that R says which of them depend on others
    whatever their units.
    """

    R: NDArray[np.float64]
    rotated: NDArray[np.float64]  # the part of y in the space of the columns: [p or fewer, targets]
    order: NDArray[np.intp]  # R's columns are X's columns in this order
    scale: NDArray[np.float64]
    rank: int
    total: NDArray[np.float64]  # sums of squares of centred y
    residual: NDArray[np.float64] | None  # what the columns cannot explain, where that is known
    Q: NDArray[np.float64] | None = None  # of small problems
    closed_form: bool = False
    refine: bool = False

    def rows(self) -> NDArray[np.float64]:
        """R as rows of X: in the original order and scale, rows' rows = X'X."""
        rows = np.empty_like(self.R)
        rows[:, self.order] = self.R
        rows *= self.scale
        return rows


def _weighted_sum(part: NDArray[Any], weight: NDArray[Any], dtype: Any) -> NDArray[Any]:
    total = np.zeros(part.shape[1], dtype)
    for i in range(0, len(part), _BLOCK_ROWS):
        rows = slice(i, i + _BLOCK_ROWS)
        total += weight[rows].astype(dtype) @ part[rows]
    return total


def pilot_means(X: NDArray[Any], y: NDArray[Any], centre: bool) -> NDArray[np.float64]:
    """Numbers near the means of the columns of [X, y]; zeros where nothing is centred."""
    if not centre:
        return np.zeros(X.shape[1] + y.shape[1])
    return np.concatenate([X[:1024].mean(0, np.float64), y[:1024].mean(0, np.float64)])


def product_sums(
    X: NDArray[Any], y: NDArray[Any], weight: NDArray[Any] | None, shift: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Sums of products of the columns [X - shift, y - shift, 1]."""
    tensors = [lepton.asarray(a) for a in ([X, y] if weight is None else [X, y, weight])]
    sums: NDArray[np.float64] = _core.gram(*tensors, shift=lepton.asarray(shift)).numpy()
    return sums


def centre_sums(
    sums: NDArray[np.float64], shift: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], bool]:
    """Products of centred columns from those of shifted ones, the means; whether digits hold."""
    away = sums[:-1, -1] / sums[-1, -1]
    products = sums[:-1, :-1] - sums[-1, -1] * np.outer(away, away)
    spread = np.diagonal(products) / sums[-1, -1]
    near = bool((away**2 <= _FAR**2 * spread).all() or not away.any())
    return products, shift + away, near


def gram(
    X: NDArray[Any], y: NDArray[Any], weight: NDArray[Any] | None, centre: bool
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Sums of products of centred [X, y], and the means: one pass, two if the pilot mean is bad."""
    means = pilot_means(X, y, centre)
    for _ in range(2):
        sums = product_sums(X, y, weight, means)
        if not centre:
            return sums[:-1, :-1], means
        products, means, near = centre_sums(sums, means)
        if near:
            break
    return products, means


def factorise(
    X: NDArray[Any], y: NDArray[Any], weight: NDArray[Any] | None, centre: bool
) -> tuple[Centred, Factor]:
    """The factors of least squares, by the fastest way that is accurate."""
    y = y.reshape(len(y), -1)
    if X.size > _SMALL and len(X) >= 4 * X.shape[1]:
        products, means = gram(X, y, weight, centre)
        data = Centred(X, y, weight, means[: X.shape[1]], means[X.shape[1] :])
        if (factor := _from_products(products, data.noise())) is not None:
            return data, factor
    else:
        data = Centred.of(X, y, weight, centre)
    return data, _orthogonal(data)


def _from_products(products: NDArray[np.float64], noise: NDArray[np.float64]) -> Factor | None:
    """Cholesky's factor of X'X, or None where it would lose digits."""
    p = len(noise)
    scale = np.sqrt(np.maximum(np.diagonal(products)[:p], 0))
    if not (scale > noise).all():
        return None
    try:
        R = linalg.cholesky(products[:p, :p] / np.outer(scale, scale), check_finite=False)
    except linalg.LinAlgError:
        return None
    rcond = linalg.lapack.dtrcon(R)[0] ** 2
    if rcond < _LEAST_RCOND:
        return None
    rotated = linalg.solve_triangular(R, products[:p, p:] / scale[:, None], trans="T")
    total = np.diagonal(products)[p:].copy()
    residual = total - (rotated**2).sum(0)
    known = residual if (residual > 1e-6 * total).all() else None  # else digits cancelled
    factor = Factor(R, rotated, np.arange(p), scale, p, total, known, closed_form=True)
    factor.refine = rcond < _GOOD_RCOND
    return factor


def _orthogonal(data: Centred) -> Factor:
    """Householder's factors with pivoting, of blocks of rows first where there are many."""
    small = data.X.size <= _SMALL
    if small:
        (x, y), *_ = data.blocks(max(len(data.X), 1))
    else:
        x, y = _reduce(data)
    total = (y**2).sum(0)
    scale = np.sqrt((x**2).sum(0))
    noise = data.noise()
    scale[scale <= noise] = 0
    x = np.divide(x, scale, out=np.zeros_like(x), where=scale > 0)
    Q, R, order = linalg.qr(x, mode="economic", pivoting=True, check_finite=False)
    diagonal = np.abs(np.diagonal(R))
    tolerance = _tolerance(data, scale)
    rank = int((diagonal > tolerance * diagonal[:1]).sum()) if scale.any() else 0
    rotated = (Q.T @ y)[:rank]
    residual = ((y - Q[:, :rank] @ rotated) ** 2).sum(0)
    R = R[:rank]
    return Factor(R, rotated, order, scale, rank, total, residual, Q[:, :rank] if small else None)


def _tolerance(data: Centred, scale: NDArray[np.float64]) -> float:
    """Parts of a column's norm that rounding can leave of one that depends on the others.

    Rounding is that of the factors, of the means and of the data themselves.
    """
    far = float((data.offsets()[scale > 0] / scale[scale > 0]).max(initial=0))
    factors = max(data.X.shape) * float(np.finfo(np.float64).eps)
    means = 8 * float(np.finfo(data.x_mean.dtype).eps) * far
    return float(factors + means + np.finfo(data.X.dtype).eps * max(1.0, far))


def _reduce(data: Centred) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """As many rows as columns with the products of all rows (Demmel et al., 2012, "TSQR")."""
    p, top = data.X.shape[1], None
    for x, y in data.blocks(max(_BLOCK_ROWS, 4 * data.X.shape[1])):
        block = np.hstack([x, y])
        block = block if top is None else np.vstack([top, block])
        top = linalg.qr(block, mode="r", overwrite_a=True, check_finite=False)[0]
        top = top[: block.shape[1]]
    assert top is not None
    return np.ascontiguousarray(top[:, :p]), np.ascontiguousarray(top[:, p:])


def solve(data: Centred, factor: Factor) -> NDArray[Any]:
    """The coefficients [features, targets] of least squares; of many solutions the shortest.

    float64, or wider where they have been refined.
    """
    coef = back_substitute(factor, factor.rotated)
    if factor.Q is not None:
        return _refine(data, factor, coef)
    if factor.refine:
        right = np.zeros_like(coef)
        for x, y in data.blocks():
            right += x.T @ (y - x @ coef)
        right /= factor.scale[:, None]
        coef += back_substitute(factor, linalg.solve_triangular(factor.R, right, trans="T"))
    return coef


def back_substitute(factor: Factor, rotated: NDArray[np.float64]) -> NDArray[np.float64]:
    """The shortest b with R b = rotated, in the original order and scale."""
    p, rank = len(factor.scale), factor.rank
    if rank < p:
        return shortest(factor.rows(), rotated)
    coef = np.zeros((p, rotated.shape[1]))
    coef[factor.order] = linalg.solve_triangular(factor.R, rotated, check_finite=False)
    coef /= factor.scale[:, None]
    return coef


def shortest(rows: NDArray[np.float64], right: NDArray[np.float64]) -> NDArray[np.float64]:
    """The shortest solutions b of ``rows b = right``, where no row depends on the others."""
    solution = np.zeros((rows.shape[1], right.shape[1]))
    if len(rows):
        Q, R = linalg.qr(rows.T, mode="economic", check_finite=False)
        solution = Q @ linalg.solve_triangular(R, right, trans="T", check_finite=False)
        solution[~rows.any(axis=0)] = 0  # not only nearly
    return solution


def _refine(data: Centred, factor: Factor, coef: NDArray[Any]) -> NDArray[Any]:
    """Coefficients and residuals refined together, in extended precision (Bjorck, BIT 7, 1967).

    They solve ``residual + X b = y`` and ``X' residual = 0``. To correct b alone would cost as many
    digits as residuals are larger than what b explains.
    """
    assert factor.Q is not None
    wide, chosen = np.longdouble, factor.order[: factor.rank]
    x = data.X.astype(wide) - data.x_mean
    y = data.y.astype(wide) - data.y_mean
    if data.weight is not None:
        root = np.sqrt(data.weight.astype(wide))[:, None]
        x *= root
        y *= root
    coef = coef.astype(wide)
    residual, last = y - x @ coef, np.inf
    for _ in range(_STEPS if factor.rank else 0):
        unmet = (y - x @ coef - residual).astype(np.float64)
        slope = (residual.T @ x).T[chosen].astype(np.float64) / factor.scale[chosen, None]
        change = factor.Q.T @ unmet
        change += linalg.solve_triangular(factor.R[:, : factor.rank], slope, trans="T")
        size = np.abs(change).max()
        if not size < last / 2:  # rounding is all that is left
            break
        last = size
        coef += back_substitute(factor, change)
        residual += unmet - factor.Q @ change
    factor.residual = (residual**2).sum(0).astype(np.float64)
    return coef


def non_negative(factor: Factor, alpha: float = 0.0) -> NDArray[np.float64]:
    """The least ``|y - X b|^2 + alpha |b|^2`` with ``b >= 0``: b of shape [features, targets]."""
    rows, rotated = factor.rows(), factor.rotated
    p, targets = rows.shape[1], rotated.shape[1]
    if not factor.rank:
        return np.zeros((p, targets))
    if alpha > 0:
        rows = np.concatenate([rows, np.sqrt(alpha) * np.eye(p)])
        rotated = np.concatenate([rotated, np.zeros((p, targets))])
    return np.stack([optimize.nnls(rows, b)[0] for b in rotated.T], 1)
