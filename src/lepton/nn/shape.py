# SPDX-License-Identifier: Apache-2.0
"""Layers that change the shape and nothing else."""

from __future__ import annotations

import math
from collections.abc import Sequence

from lepton._check import check_int
from lepton.array import Tensor
from lepton.nn.module import Module

__all__ = ["Flatten", "Unflatten"]


class Flatten(Module):
    """Join the axes from `start_dim` to `end_dim` into one.

    Parameters
    ----------
    start_dim, end_dim : int
        First and last axis to join.

    Shapes: x ``(N, a, b, c)``, result ``(N, a * b * c)`` by default.

    Examples
    --------
    >>> import lepton
    >>> from lepton import nn
    >>> nn.Flatten()(lepton.randn(2, 3, 4, 5)).shape
    (2, 60)
    """

    def __init__(self, start_dim: int = 1, end_dim: int = -1) -> None:
        super().__init__()
        self.start_dim = check_int("Flatten", "start_dim", start_dim)
        self.end_dim = check_int("Flatten", "end_dim", end_dim)

    def forward(self, input: Tensor) -> Tensor:
        """Join axes of `input`."""
        return input.flatten(self.start_dim, self.end_dim)

    def extra_repr(self) -> str:
        return f"start_dim={self.start_dim}, end_dim={self.end_dim}"


class Unflatten(Module):
    """Split axis `dim` into axes of the sizes `unflattened_size`.

    Parameters
    ----------
    dim : int
        Axis to split.
    unflattened_size : sequence of int
        The new sizes; one of them may be -1.

    Shapes: x ``(N, a * b)``, result ``(N, a, b)`` with ``dim=1, unflattened_size=(a, b)``.

    Examples
    --------
    >>> import lepton
    >>> from lepton import nn
    >>> nn.Unflatten(1, (3, 4))(lepton.randn(2, 12)).shape
    (2, 3, 4)
    """

    def __init__(self, dim: int, unflattened_size: Sequence[int]) -> None:
        super().__init__()
        self.dim = check_int("Unflatten", "dim", dim)
        if not isinstance(unflattened_size, Sequence) or not unflattened_size:
            raise TypeError(
                "Unflatten: unflattened_size expects a sequence of integers, "
                f"got {unflattened_size!r}"
            )
        self.unflattened_size = tuple(
            check_int("Unflatten", "unflattened_size", size, -1) for size in unflattened_size
        )
        if self.unflattened_size.count(-1) > 1:
            raise ValueError(
                f"Unflatten: unflattened_size expects at most one -1, got {unflattened_size}"
            )

    def forward(self, input: Tensor) -> Tensor:
        """Split an axis of `input`."""
        shape = tuple(input.shape)
        if not -len(shape) <= self.dim < len(shape):
            raise IndexError(
                f"Unflatten: dim {self.dim} is out of range for input of shape {list(shape)}"
            )
        dim = self.dim % len(shape)
        known = math.prod(size for size in self.unflattened_size if size != -1)
        fits = (
            known and shape[dim] % known == 0
            if -1 in self.unflattened_size
            else (shape[dim] == known)
        )
        if not fits:
            raise ValueError(
                f"Unflatten: axis {self.dim} of size {shape[dim]} cannot be split into "
                f"{list(self.unflattened_size)}"
            )
        sizes = [shape[dim] // known if size == -1 else size for size in self.unflattened_size]
        return input.reshape(*shape[:dim], *sizes, *shape[dim + 1 :])

    def extra_repr(self) -> str:
        return f"dim={self.dim}, unflattened_size={self.unflattened_size}"
