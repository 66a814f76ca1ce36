# SPDX-License-Identifier: Apache-2.0
"""Weights of samples: what they add up to, and whether enough samples count."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__: list[str] = []


def total_weight(samples: int, weight: NDArray[Any] | None) -> float:
    """The sum of weights; without weights the number of samples."""
    return float(samples if weight is None else weight.sum(dtype=np.float64))


def count_weighted(samples: int, weight: NDArray[Any] | None) -> int:
    """How many samples have a weight above 0."""
    return samples if weight is None else int(np.count_nonzero(weight))


def check_total(owner: str, weight: NDArray[Any] | None) -> None:
    """Refuse weights that sum to 0 or overflow."""
    with np.errstate(over="ignore"):
        total = total_weight(1, weight)
    if not 0 < total < math.inf:
        raise ValueError(
            f"{owner}: sample_weight expects weights whose sum is > 0 and finite, got {total:g}"
        )
