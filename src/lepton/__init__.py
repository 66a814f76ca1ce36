"""Lepton: deep learning for the CPU you already have.

    >>> import lepton
    >>> x = lepton.tensor([1.0, 2.0, 3.0], requires_grad=True)
    >>> (x * x).sum().backward()
    >>> x.grad
    tensor([2., 4., 6.], dtype=float32)

`lepton` itself holds tensors and the functions of the Python array API standard; networks live in
`lepton.nn`, optimisers in `lepton.optim`, data sets in `lepton.data`, and the training loop is
`lepton.Trainer`. They load on first use.
"""

from __future__ import annotations

import importlib
from typing import Any

from lepton import array as _array
from lepton.array import *  # noqa: F403

__version__ = "0.1.0"

# Where a name that `import lepton` does not load comes from.
_LAZY = {"Trainer": "lepton.training"}
_PACKAGES = (
    "cli", "data", "linalg", "metrics", "nn", "optim", "plot", "random", "saving", "training", "vision",
)

__all__ = [*_array.__all__, *_LAZY, *_PACKAGES]


def __getattr__(name: str) -> Any:
    if name in _PACKAGES:
        return importlib.import_module(f"lepton.{name}")
    if name in _LAZY:
        return getattr(importlib.import_module(_LAZY[name]), name)
    raise AttributeError(f"module 'lepton' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
