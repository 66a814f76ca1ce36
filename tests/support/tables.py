# SPDX-License-Identifier: Apache-2.0
"""Tables of real data, where a package that ships them is installed."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest


def data_folder(package: str, *parts: str) -> Path:
    """A folder of data in an installed package, which is not imported; else skips the test."""
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        pytest.skip(f"{package} is not installed")
    return Path(spec.submodule_search_locations[0], *parts)
