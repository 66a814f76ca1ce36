# SPDX-License-Identifier: Apache-2.0
"""Linear algebra: the `linalg` extension of the array API standard, with gradients."""

import typing as _typing

from lepton.linalg._decompositions import *
from lepton.linalg._norms import *
from lepton.linalg._products import *
from lepton.linalg._solving import *

if not _typing.TYPE_CHECKING:  # checkers follow the star imports; a computed list would hide names
    __all__ = [_name for _name in globals() if not _name.startswith("_")]
