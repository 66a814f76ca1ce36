# SPDX-License-Identifier: Apache-2.0
"""The public functions over the compiled core: the Python array API standard and what surrounds it.

Every name here without an underscore is one of `lepton`, so there is no second list of them.
"""

import typing as _typing

from lepton._core import SparseRows as SparseRows
from lepton._core import Tensor as Tensor
from lepton._core.array import *
from lepton.array import _methods
from lepton.array._constants import *
from lepton.array._creation import *
from lepton.array._dtypes import *
from lepton.array._elementwise import *
from lepton.array._grad_mode import *
from lepton.array._info import *
from lepton.array._manipulation import *
from lepton.array._products import *
from lepton.array._runtime import *
from lepton.array._sets import *
from lepton.array._sorting import *

if not _typing.TYPE_CHECKING:  # checkers follow the star imports; a computed list would hide names
    __all__ = [_name for _name in globals() if not _name.startswith("_")]

_methods.install(globals())
