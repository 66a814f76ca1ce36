# SPDX-License-Identifier: Apache-2.0
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

import importlib as _importlib
import pkgutil as _pkgutil
import typing as _typing
from typing import Any as _Any

from lepton.array import *
from lepton.array import __array_api_version__ as __array_api_version__
from lepton.array import __array_namespace_info__ as __array_namespace_info__

if _typing.TYPE_CHECKING:
    from lepton import data as data
    from lepton import estimator as estimator
    from lepton import linalg as linalg
    from lepton import metrics as metrics
    from lepton import nn as nn
    from lepton import optim as optim
    from lepton import plot as plot
    from lepton import random as random
    from lepton import regression as regression
    from lepton import saving as saving
    from lepton import tabular as tabular
    from lepton import training as training
    from lepton import vision as vision
    from lepton.training import Trainer as Trainer

__version__ = "0.1.0"

# Where a name that `import lepton` does not load comes from.
_LAZY = {"Trainer": "lepton.training"}


def _packages() -> set[str]:
    names = {module.name for module in _pkgutil.iter_modules(__path__)}  # noqa: F405  # noqa: F405
    return {name for name in names if not name.startswith("_")}


def __getattr__(name: str) -> _Any:
    if name in _packages():
        return _importlib.import_module(f"lepton.{name}")
    if name in _LAZY:
        return getattr(_importlib.import_module(_LAZY[name]), name)
    raise AttributeError(f"module 'lepton' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted({*globals(), *_LAZY, *_packages()})
