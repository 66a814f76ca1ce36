# SPDX-License-Identifier: Apache-2.0
"""Linear algebra: the `linalg` extension of the array API standard, with gradients."""

from __future__ import annotations

from lepton.linalg import decompositions, norms, products, solving
from lepton.linalg.decompositions import *  # noqa: F403
from lepton.linalg.norms import *  # noqa: F403
from lepton.linalg.products import *  # noqa: F403
from lepton.linalg.solving import *  # noqa: F403

__all__: list[str] = []
__all__ += decompositions.__all__
__all__ += norms.__all__
__all__ += products.__all__
__all__ += solving.__all__
