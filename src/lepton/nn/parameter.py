# SPDX-License-Identifier: Apache-2.0
"""Parameter: the tensor that a module learns."""

from __future__ import annotations

from typing import Any

import numpy as np

from lepton.array import Tensor

__all__ = ["Parameter"]


class Parameter(Tensor):
    """A tensor that belongs to a module and is found by `Module.parameters`.

    Parameters
    ----------
    data : Tensor or array
        The values. Memory is shared with a Tensor, copied from anything else.
    requires_grad : bool
        Whether `backward` gathers a gradient for it.

    Examples
    --------
    >>> import lepton
    >>> from lepton import nn
    >>> weight = nn.Parameter(lepton.zeros((2, 3)))
    >>> weight.shape, weight.requires_grad
    ((2, 3), True)
    """

    def __new__(cls, data: Any, requires_grad: bool = True) -> Parameter:
        parameter: Parameter = super().__new__(cls, data, requires_grad=requires_grad)
        return parameter

    def __repr__(self) -> str:
        return f"Parameter containing:\n{super().__repr__()}"

    def __deepcopy__(self, memo: dict[int, Any]) -> Parameter:
        copy = memo.get(id(self))
        if copy is None:
            copy = type(self)(self.detach().clone(), self.requires_grad)
            memo[id(self)] = copy
        return copy

    def __reduce_ex__(self, protocol: Any) -> tuple[Any, ...]:
        return _rebuild, (type(self), np.asarray(self.detach()), self.requires_grad)


def _rebuild(cls: type[Parameter], values: np.ndarray[Any, Any], requires_grad: bool) -> Parameter:
    return cls(values, requires_grad)
