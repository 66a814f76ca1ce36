# SPDX-License-Identifier: Apache-2.0
"""Random numbers: counter-based, one seed gives the same bits with any number of threads."""

from __future__ import annotations

from lepton._core import get_rng_state, manual_seed, set_rng_state
from lepton._core.array import normal, randint, randperm, uniform
from lepton.array._creation import rand, randn

__all__ = [
    "get_rng_state",
    "manual_seed",
    "normal",
    "rand",
    "randint",
    "randn",
    "randperm",
    "set_rng_state",
    "uniform",
]
