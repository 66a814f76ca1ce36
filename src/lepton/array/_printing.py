# SPDX-License-Identifier: Apache-2.0
"""How tensors print: as NumPy prints arrays."""

from __future__ import annotations

import numpy as np

from lepton._core import Tensor

__all__: list[str] = []


def _repr(self: Tensor) -> str:
    text = np.array2string(self.detach()._array(), separator=", ", prefix="tensor(")
    if self.size == 0 and self.shape != (0,):
        text += f", shape={self.shape}"
    if self.dtype.kind not in "b" and self.dtype != np.int64:
        text += f", dtype={self.dtype}"
    return f"tensor({text}{', requires_grad=True' if self.requires_grad else ''})"


def _str(self: Tensor) -> str:
    return str(self.detach()._array())


def _format(self: Tensor, spec: str) -> str:
    if not spec:
        return str(self)
    if self.size != 1:
        raise TypeError(
            f"format: '{spec}' expects a tensor with one element, got shape {self.shape}"
        )
    return format(self.item(), spec)


METHODS = {"__repr__": _repr, "__str__": _str, "__format__": _format}
