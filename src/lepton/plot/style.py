# SPDX-License-Identifier: Apache-2.0
"""One look for all pictures, and how they are saved."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from lepton.saving import atomic_write

if TYPE_CHECKING:
    from matplotlib.figure import Figure

INK, MUTED, GRID = "#1b2733", "#66788a", "#e3e8ed"
BLUE, ORANGE, RED, GREEN = "#1769aa", "#e07b00", "#c62828", "#2e7d32"

_STYLE: Any = {
    "axes.edgecolor": "#b8c4cf",
    "axes.labelcolor": MUTED,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlecolor": INK,
    "axes.titlelocation": "left",
    "axes.titlesize": 12,
    "axes.titleweight": "bold",
    "axes.titlepad": 12,
    "figure.dpi": 110,
    "figure.facecolor": "white",
    "font.family": "sans-serif",
    "font.size": 10,
    "grid.color": GRID,
    "lines.linewidth": 2.2,
    "lines.solid_capstyle": "round",
    "savefig.dpi": 150,
    "text.color": INK,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
}

P = ParamSpec("P")
R = TypeVar("R")


@contextmanager
def _style() -> Iterator[None]:
    try:
        import matplotlib
    except ImportError as error:
        raise ImportError("lepton.plot needs Matplotlib: pip install matplotlib") from error
    if "IPython" in sys.modules and "matplotlib.pyplot" not in sys.modules:
        from matplotlib import pyplot

        # A notebook shows figures once its backend is loaded, which pyplot puts off.
        if "inline" in (backend := pyplot.get_backend()):
            pyplot.switch_backend(backend)
    with matplotlib.rc_context(_STYLE):
        yield


def styled(function: Callable[P, R]) -> Callable[P, R]:
    """Let a function draw in Lepton's style and leave Matplotlib's settings as they were."""

    @wraps(function)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> R:
        with _style():
            return function(*args, **kwargs)

    return wrapper


def finish(figure: Figure, path: str | os.PathLike[str] | None) -> Figure:
    """Save a figure if there is a path, in the format of its ending; return the figure."""
    if path is not None:
        suffix = os.path.splitext(os.fspath(path))[1].lstrip(".").lower() or "png"
        with atomic_write(path) as temporary:
            figure.savefig(temporary, format=suffix, bbox_inches="tight")
    return figure
