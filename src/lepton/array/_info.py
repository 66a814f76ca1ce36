# SPDX-License-Identifier: Apache-2.0
"""What this namespace says about itself."""

from __future__ import annotations

from typing import Any

import numpy as np

from lepton.array._creation import _check_device
from lepton.array._dtypes import _ALL, _KINDS, float32, int64, isdtype

__all__ = ["__array_api_version__", "__array_namespace_info__"]

__array_api_version__ = "2025.12"


class Info:
    """Answers of `__array_namespace_info__`."""

    def capabilities(self) -> dict[str, Any]:
        """What the namespace supports: all indexing, shapes that depend on data, 64 axes."""
        return {"boolean indexing": True, "data-dependent shapes": True, "max dimensions": 64}

    def default_device(self) -> str:
        """The device of new tensors."""
        return "cpu"

    def devices(self) -> tuple[str, ...]:
        """All devices."""
        return ("cpu",)

    def default_dtypes(self, *, device: str | None = None) -> dict[str, np.dtype[Any]]:
        """Dtypes of results where nothing else decides. Lepton has no complex dtypes."""
        _check_device("default_dtypes", device)
        return {"real floating": float32, "integral": int64, "indexing": int64}

    def dtypes(
        self, *, device: str | None = None, kind: str | tuple[str, ...] | None = None
    ) -> dict[str, np.dtype[Any]]:
        """Dtypes of a kind (see `isdtype`), or all, by name."""
        _check_device("dtypes", device)
        kinds = (kind,) if isinstance(kind, str) else tuple(_KINDS) if kind is None else kind
        return {str(d): d for d in _ALL if any(isdtype(d, one) for one in kinds)}


def __array_namespace_info__() -> Info:
    """Capabilities, devices and dtypes of Lepton.

    >>> __array_namespace_info__().default_dtypes()["real floating"]
    dtype('float32')
    """
    return Info()
