# SPDX-License-Identifier: Apache-2.0
"""The public functions over the compiled core: the Python array API standard and what surrounds it.

Every name here without an underscore is one of `lepton`, so there is no second list of them.
"""

from lepton._core import Tensor as Tensor
from lepton._core.array import *  # noqa: F403
from lepton.array import _methods
from lepton.array._constants import *  # noqa: F403
from lepton.array._creation import *  # noqa: F403
from lepton.array._dtypes import *  # noqa: F403
from lepton.array._elementwise import *  # noqa: F403
from lepton.array._grad_mode import *  # noqa: F403
from lepton.array._info import *  # noqa: F403
from lepton.array._manipulation import *  # noqa: F403
from lepton.array._products import *  # noqa: F403
from lepton.array._runtime import *  # noqa: F403
from lepton.array._sets import *  # noqa: F403
from lepton.array._sorting import *  # noqa: F403

_methods.install(globals())
