# SPDX-License-Identifier: Apache-2.0
"""Constants of the array API standard."""

from __future__ import annotations

import math

__all__ = ["e", "inf", "nan", "newaxis", "pi"]

e = math.e
pi = math.pi
inf = math.inf
nan = math.nan
newaxis = None
