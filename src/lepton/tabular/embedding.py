# SPDX-License-Identifier: Apache-2.0
"""The network of the tabular estimators: embeddings of numbers and categories, a perceptron."""

from __future__ import annotations

import math
from collections.abc import Sequence

import lepton
from lepton import nn
from lepton.array import Tensor
from lepton.nn import functional, init
from lepton.tabular.columns import UNSEEN
from lepton.tabular.layers import perceptron

__all__: list[str] = []


def embedding_size(levels: int) -> int:
    """Length of the vectors of a category with so many levels: ``1.6 levels**0.56``, at most 50.

    The rule is that of fastai, which found it by trying many tables.
    """
    return int(min(50, round(1.6 * levels**0.56)))


class NumberEmbedding(nn.Module):
    """A vector for each number: a learned function of it, linear between quantiles, then ReLU.

    ``relu(sum_t clip(x - t, 0, 1) weight[t] + bias)`` for a number x that `Schema` has placed among
    its quantiles.

    Parameters
    ----------
    numbers : int
        Numbers in each row.
    bins : int
        Parts that quantiles cut a number into, at most.
    size : int
        Length of the vectors.

    Notes
    -----
    The piecewise linear encoding of Gorishniy, Rubachev and Babenko, "On embeddings for numerical
    features in tabular deep learning", NeurIPS 2022, section 3.2, held constant outside of fit.
    """

    def __init__(self, numbers: int, bins: int, size: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(lepton.empty((numbers, bins, size)))
        self.bias = nn.Parameter(lepton.zeros((numbers, 1, size)))
        bound = 1 / math.sqrt(bins)
        init.uniform_(self.weight, -bound, bound)

    def forward(self, input: Tensor) -> Tensor:
        """Return vectors [n, numbers * size] of numbers [n, numbers]."""
        rows = input.shape[0]
        steps = lepton.arange(self.weight.shape[1], dtype=input.dtype)
        place = lepton.expand_dims(input.T, axis=2)
        code = lepton.clip(place - steps, 0.0, 1.0)  # [numbers, n, bins]
        found = functional.relu(lepton.matmul(code, self.weight) + self.bias)
        return lepton.permute_dims(found, (1, 0, 2)).reshape(rows, -1)


class TabularNetwork(nn.Module):
    """Numbers and categories through embeddings, flags as they are, then a perceptron.

    Parameters
    ----------
    numbers, flags : int
        Columns of the first and second input.
    bins : int
        Of `NumberEmbedding`.
    levels : sequence of int
        Levels of each category, without the codes for missing and unseen.
    outputs : int
        Columns of the result.
    hidden : sequence of int
        Widths of the hidden layers.
    dropout : float
        Share of the values of categories and of hidden values that are zeroed in training.
    batch_norm : bool
        Normalise before each activation of the perceptron.
    size : int
        Length of the vector of a number.
    """

    def __init__(
        self,
        numbers: int,
        flags: int,
        bins: int,
        levels: Sequence[int],
        outputs: int,
        hidden: Sequence[int],
        dropout: float,
        batch_norm: bool,
        size: int,
    ) -> None:
        super().__init__()
        self.number = NumberEmbedding(numbers, bins, size) if numbers and bins else None
        sizes = [embedding_size(count + UNSEEN + 1) for count in levels]
        self.category = nn.ModuleList(
            _embedding(count + UNSEEN + 1, width)
            for count, width in zip(levels, sizes, strict=True)
        )
        self.dropout = nn.Dropout(dropout)
        width = flags + sum(sizes) + (numbers * size if self.number is not None else 0)
        self.body = perceptron([max(width, 1), *hidden, outputs], "relu", dropout, batch_norm)

    def forward(self, numbers: Tensor, flags: Tensor, codes: Tensor) -> Tensor:
        """Return outputs [n, outputs] of the rows of an `EncodedTable`."""
        parts = [] if self.number is None else [self.number(numbers)]
        vectors = [table(codes[:, column]) for column, table in enumerate(self.category)]
        parts += [self.dropout(vector) for vector in vectors]
        if flags.shape[1] or not parts:
            nothing = lepton.zeros((flags.shape[0], 1), dtype=flags.dtype)
            parts.append(flags if flags.shape[1] else nothing)
        return self.body(lepton.concat(parts, axis=1))


def _embedding(levels: int, size: int) -> nn.Embedding:
    """Vectors of length about 1."""
    table = nn.Embedding(levels, size)
    init.normal_(table.weight, std=1 / math.sqrt(size))
    return table
