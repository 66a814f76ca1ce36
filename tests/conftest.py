"""Every test leaves threads, instruction set and random state as it found them."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Iterator

import pytest

import lepton


@pytest.fixture(autouse=True)
def _same_machine() -> Iterator[None]:
    threads, isa, state = lepton.get_num_threads(), lepton.isa(), lepton.get_rng_state()
    yield
    if lepton.get_num_threads() != threads:
        lepton.set_num_threads(threads)
    lepton.set_isa(isa)
    lepton.set_conv_precision("highest")
    lepton.set_rng_state(state)
    lepton.set_grad_enabled(True)
