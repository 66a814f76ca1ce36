# SPDX-License-Identifier: Apache-2.0
"""Switches for the recording of gradients."""

from __future__ import annotations

from contextlib import ContextDecorator

from lepton._core import is_grad_enabled, set_grad_enabled

__all__ = ["enable_grad", "is_grad_enabled", "no_grad", "set_grad_enabled"]


class _GradMode(ContextDecorator):
    """Context manager and decorator that sets the gradient mode inside and restores it after."""

    mode: bool

    def __init__(self) -> None:
        self._before: list[bool] = []

    def __enter__(self) -> None:
        self._before.append(is_grad_enabled())
        set_grad_enabled(self.mode)

    def __exit__(self, *error: object) -> None:
        set_grad_enabled(self._before.pop())


class no_grad(_GradMode):
    """Inside, operations record no gradients.

    >>> import lepton
    >>> x = lepton.tensor([1.0], requires_grad=True)
    >>> with no_grad():
    ...     y = x * 2
    >>> y.requires_grad
    False
    """

    mode = False


class enable_grad(_GradMode):
    """Inside, operations record gradients again."""

    mode = True
