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
    "get_num_threads",
    "get_rng_state",
    "isa",
    "manual_seed",
    "memory_stats",
    "reset_peak_memory",
    "set_cache_limit",
    "set_isa",
    "set_num_threads",
    "set_rng_state",
    "threads",
]


def threads() -> dict[str, Any]:
    """How many threads operations use, and why that many."""
    return {"threads": get_num_threads(), "why": _core.num_threads_reason()}
