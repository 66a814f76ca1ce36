# SPDX-License-Identifier: Apache-2.0
"""Linear algebra: the `linalg` extension of the array API standard, with gradients."""

from lepton.linalg._decompositions import *  # noqa: F403
from lepton.linalg._norms import *  # noqa: F403
from lepton.linalg._products import *  # noqa: F403
from lepton.linalg._solving import *  # noqa: F403
