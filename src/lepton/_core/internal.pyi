# SPDX-License-Identifier: Apache-2.0
# Written by tools/stubs.py; do not edit.
# ruff: noqa: I001, RUF022, RUF036, RUF100
import builtins

from lepton._core import Tensor

# fmt: off
__all__ = [
    "rsqrt", "gelu_erf", "gelu_tanh", "absolute_error", "huber", "logistic_loss", "smooth_l1",
    "squared_error",
]
# fmt: on

def rsqrt(x: Tensor, /) -> Tensor: ...
def gelu_erf(x: Tensor, /) -> Tensor: ...
def gelu_tanh(x: Tensor, /) -> Tensor: ...
def absolute_error(
    x1: Tensor | builtins.bool | builtins.int | builtins.float,
    x2: Tensor | builtins.bool | builtins.int | builtins.float,
    /,
) -> Tensor: ...
def huber(
    x1: Tensor | builtins.bool | builtins.int | builtins.float,
    x2: Tensor | builtins.bool | builtins.int | builtins.float,
    /,
    delta: builtins.float = ...,
) -> Tensor: ...
def logistic_loss(
    x1: Tensor | builtins.bool | builtins.int | builtins.float,
    x2: Tensor | builtins.bool | builtins.int | builtins.float,
    /,
) -> Tensor: ...
def smooth_l1(
    x1: Tensor | builtins.bool | builtins.int | builtins.float,
    x2: Tensor | builtins.bool | builtins.int | builtins.float,
    /,
    beta: builtins.float = ...,
) -> Tensor: ...
def squared_error(
    x1: Tensor | builtins.bool | builtins.int | builtins.float,
    x2: Tensor | builtins.bool | builtins.int | builtins.float,
    /,
) -> Tensor: ...
