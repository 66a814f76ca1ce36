# SPDX-License-Identifier: Apache-2.0
"""The public functions over the compiled core: the Python array API standard and what surrounds it."""

from __future__ import annotations

from lepton._core import Tensor as Tensor
from lepton._core import array as _functions
from lepton._core.array import *  # noqa: F403
from lepton.array import (
    constants,
    creation,
    dtypes,
    elementwise,
    grad_mode,
    info,
    manipulation,
    methods,
    products,
    runtime,
    sets,
    sorting,
)
from lepton.array.constants import *  # noqa: F403
from lepton.array.creation import *  # noqa: F403
from lepton.array.dtypes import *  # noqa: F403
from lepton.array.elementwise import *  # noqa: F403
from lepton.array.grad_mode import *  # noqa: F403
from lepton.array.info import *  # noqa: F403
from lepton.array.manipulation import *  # noqa: F403
from lepton.array.products import *  # noqa: F403
from lepton.array.runtime import *  # noqa: F403
from lepton.array.sets import *  # noqa: F403
from lepton.array.sorting import *  # noqa: F403

__all__ = ["Tensor"]
__all__ += [name for name in vars(_functions) if not name.startswith("_")]
__all__ += constants.__all__
__all__ += creation.__all__
__all__ += dtypes.__all__
__all__ += elementwise.__all__
__all__ += grad_mode.__all__
__all__ += info.__all__
__all__ += manipulation.__all__
__all__ += products.__all__
__all__ += runtime.__all__
__all__ += sets.__all__
__all__ += sorting.__all__

methods.install(globals())
