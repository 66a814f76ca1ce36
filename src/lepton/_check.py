# SPDX-License-Identifier: Apache-2.0
"""Checks of constructor arguments: each returns the value in its plain Python type or raises."""

from __future__ import annotations

import math
import numbers
import operator
from collections.abc import Sequence
from typing import Any

import numpy as np

__all__ = ["check_bool", "check_choice", "check_int", "check_number", "check_pair", "show"]


def show(value: Any) -> str:
    """Return how a sentence prints a value: a scalar of NumPy as the plain one it stands for."""
    return repr(value.item() if isinstance(value, np.generic) else value)


def check_int(owner: str, name: str, value: Any, minimum: int | None = None) -> int:
    """Return `value` as an int of at least `minimum`; NumPy integers count, booleans do not."""
    try:
        if isinstance(value, bool):
            raise TypeError
        result = operator.index(value)
    except TypeError:
        raise TypeError(f"{owner}: {name} expects an integer, got {type(value).__name__}") from None
    if minimum is not None and result < minimum:
        raise ValueError(f"{owner}: {name} expects an integer >= {minimum}, got {result}")
    return result


def check_number(
    owner: str,
    name: str,
    value: Any,
    minimum: float = -math.inf,
    maximum: float = math.inf,
    *,
    open_minimum: bool = False,
    open_maximum: bool = False,
) -> float:
    """Return `value` as a float between the bounds; an open bound itself does not belong."""
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise TypeError(f"{owner}: {name} expects a number, got {type(value).__name__}")
    result = float(value)
    low = result > minimum if open_minimum else result >= minimum
    high = result < maximum if open_maximum else result <= maximum
    if math.isinf(result) or not (low and high):  # NaN fails both comparisons
        bounds = [f"{'>' if open_minimum else '>='} {minimum:g}"] * math.isfinite(minimum)
        bounds += [f"{'<' if open_maximum else '<='} {maximum:g}"] * math.isfinite(maximum)
        expected = " and ".join(["a finite number", *bounds]).replace(" and ", " ", 1)
        raise ValueError(f"{owner}: {name} expects {expected}, got {result}")
    return result


def check_bool(owner: str, name: str, value: Any) -> bool:
    """Return `value` as a bool."""
    if type(value).__name__ not in ("bool", "bool_"):
        raise TypeError(f"{owner}: {name} expects True or False, got {show(value)}")
    return bool(value)


def check_choice(owner: str, name: str, value: Any, choices: Sequence[str]) -> str:
    """Return `value`, one of the words in `choices`."""
    if not isinstance(value, str) or value not in choices:
        words = " or ".join(map(repr, choices))
        raise ValueError(f"{owner}: {name} expects {words}, got {show(value)}")
    return value


def check_pair(owner: str, name: str, value: Any, minimum: int) -> tuple[int, int]:
    """Return `value`, an integer or two of them, as (height, width)."""
    if isinstance(value, Sequence) and not isinstance(value, str):
        if len(value) != 2:
            raise ValueError(f"{owner}: {name} expects 1 or 2 integers, got {len(value)}")
        height, width = value
    else:
        height = width = value
    return check_int(owner, name, height, minimum), check_int(owner, name, width, minimum)
