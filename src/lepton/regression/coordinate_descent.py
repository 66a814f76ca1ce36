# SPDX-License-Identifier: Apache-2.0
"""Coordinate descent for penalised least squares: on sums of products, or on a working set."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning

import lepton
from lepton import _core
from lepton.estimator.weights import total_weight
from lepton.regression.least_squares import Centred, gram

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Path", "Products", "Rows", "Rule", "few_columns", "problem"]

# The sums of products of all columns cost as much as looking at the rows for so many columns more.
_COLUMNS_PER_ALPHA = 75
# Of so few columns they cost nothing.
_FEW_COLUMNS = 256
# Columns that may enter a working set at a time, and how many times the set may grow.
_ENTRANTS, _GROWTH = 100, 2


@dataclass(frozen=True)
class Rule:
    """When coordinate descent stops, and what it obeys."""

    tol: float
    max_iter: int
    positive: bool = False
    seed: int | None = None


@dataclass
class Path:
    """Solutions for a sequence of penalties."""

    coefs: NDArray[np.float64]  # [alphas, features]
    gaps: NDArray[np.float64]  # duality gaps, as parts of the mean of squares
    sweeps: NDArray[np.int64]
    limit: float  # the gap that is good enough

    def warn(self, owner: str) -> None:
        """Tell the user of solutions that are not good enough."""
        if missed := int((self.gaps > self.limit).sum()):
            warnings.warn(
                f"{owner}: {missed} of {len(self.gaps)} solutions did not converge; the largest "
                f"duality gap is {self.gaps.max():.3e}, tolerated is {self.limit:.3e}: raise "
                "max_iter or alpha, or scale the columns of X",
                ConvergenceWarning,
                stacklevel=3,
            )


def _descend(
    coef: NDArray[np.float64],
    gram: NDArray[np.float64],
    xy: NDArray[np.float64],
    yy: float,
    penalties: tuple[Any, Any],
    rule: Rule,
    max_iter: int,
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Fill the rows of coef [alphas, features]; gaps and sweeps."""
    arrays = [coef, gram, xy, yy, *(np.asarray(p, np.float64) for p in penalties)]
    gaps, sweeps = _core.coordinate_descent(
        *(lepton.asarray(a) if isinstance(a, np.ndarray) else a for a in arrays),
        tol=rule.tol,
        max_iter=max_iter,
        positive=rule.positive,
        seed=rule.seed,
    )
    return gaps.numpy(), sweeps.numpy()


@dataclass
class Products:
    """Sums of products of the rows of a fit: all that coordinate descent needs of few columns."""

    gram: NDArray[np.float64]
    xy: NDArray[np.float64]  # [features, targets]
    yy: NDArray[np.float64]
    total: float  # of the weights
    x_mean: NDArray[Any]
    y_mean: NDArray[Any]

    @classmethod
    def of(
        cls, X: NDArray[Any], y: NDArray[Any], weight: NDArray[Any] | None, centre: bool
    ) -> Products:
        """The products of the rows of X and y [samples, targets], centred if asked."""
        products, means = gram(X, y, weight, centre)
        return cls.split(products, means, X.shape[1], total_weight(len(X), weight))

    @classmethod
    def split(
        cls, products: NDArray[np.float64], means: NDArray[Any], p: int, total: float
    ) -> Products:
        """The parts of the products of [X, y], X of p columns."""
        x_mean, y_mean = means[:p], means[p:]
        # What rounding of the mean leaves of a constant column is nothing to fit to.
        noise = (8 * np.finfo(np.float64).eps * x_mean) ** 2 * total
        constant = np.flatnonzero(np.diagonal(products)[:p] <= noise)
        if len(constant):
            products[constant] = products[:, constant] = 0
        return cls(
            products[:p, :p],
            products[:p, p:],
            np.diagonal(products)[p:],
            total,
            x_mean,
            y_mean,
        )

    def path(
        self,
        alphas: Sequence[float] | NDArray[np.float64],
        l1_ratio: float,
        rule: Rule,
        target: int = 0,
        start: NDArray[Any] | None = None,
    ) -> Path:
        """Solve for each alpha in turn, each from the solution before."""
        strength = np.asarray(alphas, np.float64) * self.total
        coefs = np.zeros((len(strength), len(self.gram)))
        if start is not None:
            coefs[0] = start
        yy = float(self.yy[target])
        penalties = strength * l1_ratio, strength * (1 - l1_ratio)
        gaps, sweeps = _descend(
            coefs, self.gram, self.xy[:, target], yy, penalties, rule, rule.max_iter
        )
        return Path(coefs, gaps / self.total, sweeps, rule.tol * yy / self.total)


class Rows:
    """The rows themselves, for many columns: only those of a working set are ever multiplied.

    All others are looked at once for every solution on the working set, by the product of X' with
    the residuals; those that violate the conditions of optimality join it.
    """

    def __init__(
        self, X: NDArray[Any], y: NDArray[Any], weight: NDArray[Any] | None, centre: bool
    ) -> None:
        self.data = Centred.of(X, y, weight, centre)
        self.x_mean, self.y_mean = self.data.x_mean, self.data.y_mean
        self.total = total_weight(len(X), weight)
        self.tensor = lepton.asarray(X)
        self.root = None if weight is None else np.sqrt(weight, dtype=np.float64)
        self.noise = self.data.noise()
        self.targets = (self.data.y - self.y_mean).astype(np.float64)
        if self.root is not None:
            self.targets *= self.root[:, None]
        self.yy = (self.targets**2).sum(0)
        self.xy = self.products(self.targets)

    def products(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        """Sums of products of all columns with those of `rows` [samples, k]: [features, k]."""
        weighted = rows if self.root is None else rows * self.root[:, None]
        left = lepton.asarray(np.ascontiguousarray(weighted.T, self.data.X.dtype))
        product = lepton.matmul(left, self.tensor).numpy().T.astype(np.float64)
        product -= np.outer(self.x_mean.astype(np.float64), weighted.sum(0))
        return product

    def columns(self, members: NDArray[np.intp]) -> NDArray[np.float64]:
        """These columns, centred and weighted, as rows [members, samples]."""
        mean = self.x_mean[members].astype(np.float64)[:, None]
        columns: NDArray[np.float64] = self.data.X.T[members] - mean
        if self.root is not None:
            columns *= self.root
        columns[np.sqrt((columns**2).sum(1)) <= self.noise[members]] = 0
        return columns

    def path(
        self,
        alphas: Sequence[float] | NDArray[np.float64],
        l1_ratio: float,
        rule: Rule,
        target: int = 0,
        start: NDArray[Any] | None = None,
    ) -> Path:
        """Solve for each alpha in turn, each from the solution before."""
        active = _WorkingSet(self, rule, target, start)
        steps = [
            active.solve(alpha * l1_ratio * self.total, alpha * (1 - l1_ratio) * self.total)
            for alpha in alphas
        ]
        coefs, gaps, sweeps = (np.array(part) for part in zip(*steps, strict=True))
        limit = rule.tol * float(self.yy[target]) / self.total
        return Path(coefs, gaps / self.total, sweeps, limit)


class _WorkingSet:
    """The columns that may have coefficients, and their sums of products."""

    def __init__(self, rows: Rows, rule: Rule, target: int, start: NDArray[Any] | None) -> None:
        self.rows, self.rule = rows, rule
        self.y, self.yy = rows.targets[:, target], float(rows.yy[target])
        self.xy = self.gradient = rows.xy[:, target]
        self.coef = np.zeros(len(self.xy))
        self.members = np.empty(0, np.intp)
        self.columns = np.empty((0, len(self.y)))
        self.gram = np.empty((0, 0))
        if start is not None and np.any(start):
            self.coef[:] = start
            self.join(np.flatnonzero(start))
            self.look()
        self.l1 = float(self.pull().max(initial=0))

    def pull(self) -> NDArray[np.float64]:
        """How strongly each coefficient is drawn away from 0."""
        return self.gradient if self.rule.positive else np.abs(self.gradient)

    def join(self, entrants: NDArray[np.intp]) -> None:
        """Take columns into the set."""
        columns = np.concatenate([self.columns, self.rows.columns(entrants)])
        new = lepton.asarray(columns[len(self.members) :])
        products = lepton.matmul(lepton.asarray(columns), lepton.permute_dims(new, (1, 0))).numpy()
        before, after = len(self.members), len(columns)
        larger = np.empty((after, after))
        larger[:before, :before] = self.gram
        larger[:, before:] = products
        larger[before:, :before] = products[:before].T
        self.columns, self.gram = columns, larger
        self.members = np.concatenate([self.members, entrants])

    def admit(self, threshold: float) -> bool:
        """Let those join that are drawn by more than the threshold, the strongest first."""
        pull = self.pull().copy()
        pull[self.members] = -np.inf
        entrants = np.flatnonzero(pull > threshold)
        most = max(_ENTRANTS, _GROWTH * len(self.members))
        if len(entrants) > most:
            entrants = np.sort(entrants[np.argpartition(-pull[entrants], most)[:most]])
        if len(entrants):
            self.join(entrants)
        return len(entrants) > 0

    def look(self) -> None:
        """The gradient of all columns."""
        residual = self.y - self.coef[self.members] @ self.columns
        self.gradient = self.rows.products(residual[:, None])[:, 0]

    def solve(self, l1: float, l2: float) -> tuple[NDArray[np.float64], float, int]:
        """Coefficients, duality gap and sweeps; without violations outside its gap is that of all.

        The strong rule (Tibshirani et al., JRSS B 74, 2012) guesses who joins.
        """
        self.admit(float(np.clip(2 * l1 - self.l1, l1 / 2, l1)))
        self.l1, gap, sweeps = l1, 0.5 * self.yy, 0
        while sweeps < self.rule.max_iter:
            coef = self.coef[self.members][None]
            gaps, counts = _descend(
                coef, self.gram, self.xy[self.members], self.yy, ([l1], [l2]), self.rule,
                self.rule.max_iter - sweeps,
            )  # fmt: skip
            gap, sweeps = float(gaps[0]), sweeps + int(counts[0])
            self.coef[self.members] = coef[0]
            self.look()
            if not self.admit(l1):
                break
        else:  # the last entrants had no sweep
            gap = self.gap(l1, l2)
        return self.coef.copy(), gap, sweeps

    def gap(self, l1: float, l2: float) -> float:
        """The duality gap of all columns at the residual, scaled until none violates its bound."""
        coef = self.coef[self.members]
        residual = self.y - coef @ self.columns
        squares = residual @ residual + l2 * coef @ coef
        drawn = self.gradient - l2 * self.coef
        scale = l1 / max(l1, float((drawn if self.rule.positive else np.abs(drawn)).max()))
        primal = squares / 2 + l1 * np.abs(coef).sum()
        return float(primal + scale**2 * squares / 2 - scale * residual @ self.y)


def few_columns(p: int, samples: int, alphas: int) -> bool:
    """Whether sums of products of all columns are the fastest form for so many penalties."""
    return p <= max(_FEW_COLUMNS, min(_COLUMNS_PER_ALPHA * alphas, samples))


def problem(
    X: NDArray[Any],
    y: NDArray[Any],
    weight: NDArray[Any] | None,
    centre: bool,
    alphas: int,
    precompute: bool,
) -> Products | Rows:
    """The form in which least squares of X and y is solved fastest for so many penalties."""
    y = y.reshape(len(y), -1)
    kind = Products.of if precompute or few_columns(X.shape[1], len(X), alphas) else Rows
    return kind(X, y, weight, centre)
