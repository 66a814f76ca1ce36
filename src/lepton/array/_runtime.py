# SPDX-License-Identifier: Apache-2.0
"""Threads, instruction sets, memory and random state."""

from __future__ import annotations

from typing import Any

from lepton import _core
from lepton._core import (
    available_isas,
    empty_cache,
    get_num_threads,
    get_rng_state,
    isa,
    manual_seed,
    memory_stats,
    reset_peak_memory,
    set_cache_limit,
    set_isa,
    set_num_threads,
    set_rng_state,
)

__all__ = [
    "available_isas",
    "empty_cache",
    "get_conv_precision",
    "get_num_threads",
    "get_rng_state",
    "isa",
    "manual_seed",
    "memory_stats",
    "reset_peak_memory",
    "set_cache_limit",
    "set_conv_precision",
    "set_isa",
    "set_num_threads",
    "set_rng_state",
    "threads",
]


def get_conv_precision() -> str:
    """What `set_conv_precision` chose: 'highest' or 'high'."""
    return str(_core.get_conv_precision())


def set_conv_precision(precision: str) -> None:
    """Let convolutions trade exactness for speed, as `torch.set_float32_matmul_precision` does.

    Convolutions by 3 x 3 filters at stride 1 use Winograd's algorithm F(m x m, 3 x 3) [1]_, which
    takes (m + 2)^2 multiplications for m^2 outputs where a sum over taps takes 9 m^2. Filters of
    twice the stride (2 x 2; 4 x 4 at stride 2, transposed too) always take F(2 x 2, 2 x 2).

    Parameters
    ----------
    precision : {'highest', 'high'}
        'highest', the default: m = 2, with errors no larger than those of the sum over taps.
        'high': m = 4 where it takes fewer multiplications; up to 1.8 times fewer, with errors about
        three times as large.

    Raises
    ------
    ValueError
        For another word.

    References
    ----------
    .. [1] A. Lavin and S. Gray, Fast Algorithms for Convolutional Neural Networks, 2016.

    Examples
    --------
    >>> import lepton
    >>> lepton.set_conv_precision("high")
    >>> lepton.get_conv_precision()
    'high'
    >>> lepton.set_conv_precision("highest")
    """
    _core.set_conv_precision(precision)


def threads() -> dict[str, Any]:
    """How many threads operations use, and why that many."""
    return {"threads": get_num_threads(), "why": _core.num_threads_reason()}
