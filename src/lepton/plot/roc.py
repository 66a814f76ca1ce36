# SPDX-License-Identifier: Apache-2.0
"""Receiver operating characteristics as a picture."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from lepton.plot.style import BLUE, GREEN, GRID, MUTED, ORANGE, RED, finish, styled

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from numpy.typing import ArrayLike, NDArray

__all__ = ["roc_curve"]

_MOST_CLASSES = 8


@styled
def roc_curve(
    labels: ArrayLike,
    scores: ArrayLike,
    classes: Sequence[object] | None = None,
    path: str | os.PathLike[str] | None = None,
) -> Figure:
    """Draw the share of hits against that of false alarms at all thresholds of a score.

    Parameters
    ----------
    labels : array_like, shape [samples]
        Class numbers.
    scores : array_like, shape [samples, classes]
        A score for each class; of two classes the curve of the second is drawn, of more one curve
        each against the rest, and of more than 8 those of the most frequent.
    classes : sequence, optional
        The name of each class; its number by default.
    path : path, optional
        Where to save the picture; its ending chooses the format.

    Raises
    ------
    ValueError
        If shapes or names do not fit together.

    Examples
    --------
    >>> from lepton import plot
    >>> chances = [[0.9, 0.1], [0.4, 0.6], [0.6, 0.4], [0.2, 0.8]]
    >>> figure = plot.roc_curve([0, 0, 1, 1], chances, classes=["no", "yes"])
    >>> figure.axes[0].get_title(loc="left")
    'ROC of yes: area 0.750'
    """
    from matplotlib.figure import Figure

    wanted, values = np.asarray(labels), np.asarray(scores)
    if wanted.ndim != 1 or values.ndim != 2 or len(values) != len(wanted) or values.shape[1] < 2:
        raise ValueError(
            "plot.roc_curve: expects labels [samples] and scores [samples, classes], "
            f"got {[*wanted.shape]} and {[*values.shape]}"
        )
    names = [str(name) for name in (range(values.shape[1]) if classes is None else classes)]
    if len(names) != values.shape[1]:
        raise ValueError(
            f"plot.roc_curve: expected {values.shape[1]} class names, got {len(names)}"
        )
    counts = np.bincount(wanted, minlength=len(names))
    shown = sorted(np.argsort(-counts, kind="stable")[:_MOST_CLASSES].tolist())
    shown = [1] if len(names) == 2 else [c for c in shown if 0 < counts[c] < len(wanted)]
    figure = Figure(figsize=(5.0, 5.0), layout="constrained")
    axes = figure.add_subplot()
    axes.plot([0, 1], [0, 1], color=MUTED, linewidth=1.0, linestyle=(0, (4, 3)))
    areas = []
    colors = [BLUE, ORANGE, GREEN, RED, "#7b4fa3", "#00838f", "#8d6e63", "#ad1457"]
    for color, column in zip(colors, shown, strict=False):
        x, y, area = _roc(wanted == column, values[:, column])
        axes.plot(x, y, color=color, label=f"{names[column]}  {area:.3f}", clip_on=False)
        areas.append(area)
    if len(names) == 2:
        axes.fill_between(x, y, color=BLUE, alpha=0.08, linewidth=0)
        axes.set_title(f"ROC of {names[1]}: area {areas[0]:.3f}")
    else:
        axes.set_title(f"ROC, each against the rest: mean area {np.mean(areas):.3f}")
        axes.legend(frameon=False, loc="lower right", labelcolor="linecolor")
    axes.set_xlabel("share of false alarms")
    axes.set_ylabel("share of hits")
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1)
    axes.set_aspect("equal")
    axes.grid(color=GRID)
    axes.set_axisbelow(True)
    return finish(figure, path)


def _roc(positive: NDArray[Any], scores: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any], float]:
    """Return shares of false alarms and of hits from (0, 0) to (1, 1), and the area below."""
    order = np.argsort(-scores, kind="stable")
    ends = np.append(np.flatnonzero(np.diff(scores[order])), len(order) - 1)
    hits = np.append(0, np.cumsum(positive[order])[ends])
    alarms = np.append(0, np.cumsum(~positive[order])[ends])
    x, y = alarms / max(alarms[-1], 1), hits / max(hits[-1], 1)
    return x, y, float(((x[1:] - x[:-1]) * (y[1:] + y[:-1])).sum() / 2)
