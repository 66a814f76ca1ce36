# SPDX-License-Identifier: Apache-2.0
"""Embedding layers: learned vectors looked up by index."""

from __future__ import annotations

from typing import Any

from lepton._check import check_bool, check_int
from lepton.array import Tensor, empty, no_grad
from lepton.nn import functional, init
from lepton.nn.module import Module
from lepton.nn.parameter import Parameter

__all__ = ["Embedding"]


class Embedding(Module):
    """Table of vectors: ``y[...] = weight[x[...]]``.

    Parameters
    ----------
    num_embeddings, embedding_dim : int
        Number of vectors and their length.
    padding_idx : int, optional
        Index whose vector starts as zeros and gets no gradient.
    sparse : bool
        Whether ``weight.grad`` is `lepton.SparseRows`, the rows that were looked up, instead of a
        tensor with zeros in all others. `optim.SGD` without momentum and weight decay and
        ``optim.AdamW(sparse="lazy")`` take steps that cost no more than these rows; all other
        optimisers spread them out first.
    dtype : dtype, optional
        Of the vectors; float32 if not given.

    Shapes: x any shape of integers, result ``(*x.shape, embedding_dim)``, ``weight``
    ``(num_embeddings, embedding_dim)``.

    Examples
    --------
    >>> import lepton
    >>> from lepton import nn
    >>> layer = nn.Embedding(10, 4, padding_idx=0)
    >>> layer(lepton.tensor([[1, 2, 0]])).shape
    (1, 3, 4)
    """

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        padding_idx: int | None = None,
        *,
        sparse: bool = False,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self.num_embeddings = check_int("Embedding", "num_embeddings", num_embeddings, 1)
        self.embedding_dim = check_int("Embedding", "embedding_dim", embedding_dim, 1)
        if padding_idx is not None:
            padding_idx = check_int("Embedding", "padding_idx", padding_idx)
            if not -num_embeddings <= padding_idx < num_embeddings:
                raise ValueError(
                    f"Embedding: padding_idx expects an index into {num_embeddings} "
                    f"embeddings, got {padding_idx}"
                )
            padding_idx %= num_embeddings
        self.padding_idx = padding_idx
        self.sparse = check_bool("Embedding", "sparse", sparse)
        self.weight = Parameter(empty((num_embeddings, embedding_dim), dtype=dtype))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the vectors anew from the standard normal distribution."""
        init.normal_(self.weight)
        if self.padding_idx is not None:
            with no_grad():
                self.weight[self.padding_idx] = 0

    def forward(self, input: Tensor) -> Tensor:
        """Look up the vectors of the indices in `input`."""
        return functional.embedding(input, self.weight, self.padding_idx, sparse=self.sparse)

    def extra_repr(self) -> str:
        padding = "" if self.padding_idx is None else f", padding_idx={self.padding_idx}"
        sparse = ", sparse=True" if self.sparse else ""
        return f"{self.num_embeddings}, {self.embedding_dim}{padding}{sparse}"
