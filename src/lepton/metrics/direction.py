# SPDX-License-Identifier: Apache-2.0
"""Which values of a measure are better, told by its name."""

from __future__ import annotations

from lepton._check import check_choice

__all__ = ["better_is"]

_SMALL_IS_GOOD = ("loss", "error", "perplexity")


def better_is(name: str, mode: str = "auto") -> str:
    """Return "min" or "max": which values of the measure `name` are better.

    Parameters
    ----------
    name
        Such as ``val_loss`` or ``accuracy``.
    mode
        "min" or "max" is returned as it is; "auto" gives "min" for a loss or an error, else "max".

    Raises
    ------
    ValueError
        If `mode` is none of the three.

    Examples
    --------
    >>> from lepton.metrics.direction import better_is
    >>> better_is("val_loss"), better_is("accuracy"), better_is("my_score", "min")
    ('min', 'max', 'min')
    """
    check_choice("better_is", "mode", mode, ["auto", "min", "max"])
    if mode != "auto":
        return mode
    return "min" if any(word in name for word in _SMALL_IS_GOOD) else "max"
