# SPDX-License-Identifier: Apache-2.0
"""The confusion matrix as a picture."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from lepton.plot.style import BLUE, INK, RED, finish, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import ArrayLike, NDArray

__all__ = ["confusion_matrix"]


@styled
def confusion_matrix(
    matrix: ArrayLike,
    classes: Sequence[object] | None = None,
    path: str | os.PathLike[str] | None = None,
    title: str | None = None,
) -> Figure:
    """Draw a confusion matrix: right answers in blue on the diagonal, mistakes in red.

    The shade is the share of the row (of the true class), so rare classes show as well.

    Parameters
    ----------
    matrix : array_like, shape [classes, classes]
        Counts; row = true class, column = predicted class.
    classes : sequence, optional
        The name of each class; its number by default.
    path : path, optional
        Where to save the picture; its ending chooses the format.
    title : str, optional
        By default the accuracy and the number of samples.

    Raises
    ------
    ValueError
        If the matrix is not square, holds negative counts, or the names do not fit it.

    Examples
    --------
    >>> from lepton import plot
    >>> figure = plot.confusion_matrix([[9, 1], [2, 8]], classes=["cat", "dog"])
    >>> figure.axes[0].get_title(loc="left")
    'Accuracy 85 % of 20 samples'
    """
    from matplotlib.figure import Figure

    counts, names = check_confusion("plot.confusion_matrix", matrix, classes)
    total = counts.sum(axis=1, keepdims=True)
    share = np.divide(counts, total, out=np.zeros(counts.shape), where=total > 0)
    size = len(names)
    side = float(np.clip(0.62 * size, 3.4, 13.0))
    figure = Figure(figsize=(side + 1.2, side + 1.0), layout="constrained")
    axes = figure.add_subplot()
    axes.imshow(_confusion_colors(share))
    step = -(-size // 40)
    ticks = range(0, size, step)
    turned = max(map(len, names)) > 3
    axes.set_xticks(
        ticks,
        names[::step],
        rotation=45 if turned else 0,
        ha="right" if turned else "center",
        rotation_mode="anchor" if turned else "default",
    )
    axes.set_yticks(ticks, names[::step])
    axes.set_xlabel("predicted")
    axes.set_ylabel("true")
    axes.set_title(title if title is not None else confusion_title(counts))
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    axes.set_xticks(np.arange(size + 1) - 0.5, minor=True)
    axes.set_yticks(np.arange(size + 1) - 0.5, minor=True)
    axes.grid(which="minor", color="white", linewidth=1.5 if size <= 25 else 0.3)
    axes.tick_params(which="minor", length=0)
    if size <= 25:
        _write_counts(axes, counts, share)
    return finish(figure, path)


def _write_counts(axes: Axes, counts: NDArray[Any], share: NDArray[Any]) -> None:
    for row, column in np.argwhere(counts > 0):
        right = row == column
        dark = share[row, column] > (0.55 if right else 0.2)
        axes.text(
            column,
            row,
            f"{counts[row, column]:.6g}",
            ha="center",
            va="center",
            color="white" if dark else INK,
            fontsize=9 if len(counts) > 12 else 10,
            fontweight="bold" if right else "normal",
        )


def check_confusion(
    owner: str, matrix: ArrayLike, classes: Sequence[object] | None
) -> tuple[NDArray[Any], list[str]]:
    """Return a confusion matrix as an array and its class names as text, or raise."""
    counts = np.asarray(matrix)
    if counts.ndim != 2 or counts.shape[0] != counts.shape[1] or counts.size == 0:
        raise ValueError(f"{owner}: matrix expects shape [classes, classes], got {[*counts.shape]}")
    if not np.issubdtype(counts.dtype, np.number) or not (counts >= 0).all():
        raise ValueError(f"{owner}: matrix expects counts from 0, got other values")
    names = [str(name) for name in (range(len(counts)) if classes is None else classes)]
    if len(names) != len(counts):
        raise ValueError(f"{owner}: expected {len(counts)} class names, got {len(names)}")
    return counts, names


def confusion_title(counts: NDArray[Any]) -> str:
    """Return the line that sums a confusion matrix up."""
    total = counts.sum()
    accuracy = float(100 * np.trace(counts) / total) if total else float("nan")
    return f"Accuracy {accuracy:.4g} % of {total:,.6g} samples".replace("nan %", "undefined")


def _confusion_colors(share: NDArray[Any]) -> NDArray[Any]:
    """Blend from near white to blue (diagonal) or red; small mistakes are lifted to be seen."""
    blue, red, empty = (
        np.array([int(color[i : i + 2], 16) for i in (1, 3, 5)]) / 255
        for color in (BLUE, RED, "#f4f6f8")
    )
    right = np.eye(len(share), dtype=bool)
    strength = np.where(right, share, np.sqrt(np.minimum(share * 2, 1)))
    target = np.where(right[..., None], blue, red)
    colors: NDArray[Any] = empty + (target - empty) * strength[..., None]
    return colors
