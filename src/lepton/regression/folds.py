# SPDX-License-Identifier: Apache-2.0
"""Cross-validation of least squares: the problem of each fold without reading all rows again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from lepton.estimator.weights import count_weighted
from lepton.regression.coordinate_descent import Products, Rows
from lepton.regression.least_squares import centre_sums, pilot_means, product_sums

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Folds", "Split"]

Split = tuple["NDArray[np.intp]", "NDArray[np.intp]"]

# Elements of the sums of products of all folds that are kept, rather than computed twice.
_KEPT = 1 << 26
# A fold without which less than this is left of a column's sum of squares loses digits.
_LEAST_LEFT = 1e-3


@dataclass
class Folds:
    """The rows of a fit, and how they are split for training and testing."""

    X: NDArray[Any]
    y: NDArray[Any]  # [samples, 1]
    weight: NDArray[Any] | None
    centre: bool
    splits: Sequence[Split]

    def problems(self, products: bool) -> tuple[Products | Rows, Iterator[Products | Rows]]:
        """The problem of all rows, and those of the training rows of each split."""
        if not products:
            return Rows(self.X, self.y, self.weight, self.centre), (
                Rows(self.X, self.y, self._masked(train), self.centre) for train, _ in self.splits
            )
        if self._partition():
            return self._by_difference()
        whole = Products.of(self.X, self.y, self.weight, self.centre)
        return whole, (self._direct(train) for train, _ in self.splits)

    def check(self, owner: str) -> None:
        """Refuse splits without a row that counts on one side."""
        for split, sides in enumerate(self.splits):
            for side, rows in zip(("training", "test"), sides, strict=True):
                weight = None if self.weight is None else self.weight[rows]
                if not count_weighted(np.size(rows), weight):
                    raise ValueError(
                        f"{owner}: cv expects {side} rows with a weight above 0 in each split, "
                        f"got none in split {split}"
                    )

    def _masked(self, train: NDArray[np.intp]) -> NDArray[Any]:
        """Weights that leave the other rows out and count repeated ones: nothing is copied."""
        weight = np.zeros(len(self.X), self.X.dtype)
        np.add.at(weight, train, 1 if self.weight is None else self.weight[train])
        return weight

    def _direct(self, train: NDArray[np.intp]) -> Products:
        return Products.of(self.X, self.y, self._masked(train), self.centre)

    def _partition(self) -> bool:
        """Whether every row is tested once, and trained on in all other splits."""
        n = len(self.X)
        tested = np.zeros(n, np.intp)
        for train, test in self.splits:
            tested[test] += 1
            seen = np.bincount(np.concatenate([train, test]), minlength=n)
            if not (seen == 1).all():
                return False
        return bool((tested == 1).all())

    def _sums(self, rows: NDArray[np.intp], shift: NDArray[np.float64]) -> NDArray[np.float64]:
        chosen: Any = rows
        if len(rows) and (np.diff(rows) == 1).all():
            chosen = slice(rows[0], rows[-1] + 1)  # a view
        weight = None if self.weight is None else self.weight[chosen]
        return product_sums(self.X[chosen], self.y[chosen], weight, shift)

    def _by_difference(self) -> tuple[Products, Iterator[Products]]:
        """Sums over all rows minus those over a fold: all rows are read once."""
        p = self.X.shape[1]
        shift = pilot_means(self.X, self.y, self.centre)
        keep = len(self.splits) * (p + 2) ** 2 <= _KEPT
        for _ in range(2):
            total, parts = np.zeros((p + 2, p + 2)), []
            for _, test in self.splits:
                part = self._sums(test, shift)
                total += part
                if keep:
                    parts.append(part)
            if not self.centre:
                break
            means, near = centre_sums(total, shift)[1:]
            if near:
                break
            shift = means

        def without() -> Iterator[Products]:
            for k, (train, test) in enumerate(self.splits):
                rest = total - (parts[k] if keep else self._sums(test, shift))
                left = np.diagonal(rest)[:p] >= _LEAST_LEFT * np.diagonal(total)[:p]
                yield self._split(rest, shift) if left.all() else self._direct(train)

        return self._split(total, shift), without()

    def _split(self, sums: NDArray[np.float64], shift: NDArray[np.float64]) -> Products:
        if self.centre:
            products, means, _ = centre_sums(sums, shift)
        else:
            products, means = sums[:-1, :-1].copy(), shift
        return Products.split(products, means, self.X.shape[1], float(sums[-1, -1]))
