# SPDX-License-Identifier: Apache-2.0
"""Predicted against true numbers as a picture."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import numpy as np

from lepton.plot.style import BLUE, INK, finish, styled

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from numpy.typing import ArrayLike

__all__ = ["predicted_against_true"]

_MOST_POINTS = 2000


@styled
def predicted_against_true(
    targets: ArrayLike,
    predictions: ArrayLike,
    path: str | os.PathLike[str] | None = None,
    name: str = "",
) -> Figure:
    """Draw predictions over what is true, with the diagonal on which they would be equal.

    More than 2000 samples are counted in hexagons. The axes leave out the outermost thousandth of
    the targets on each side if it would take more room than all others.

    Parameters
    ----------
    targets, predictions : array_like, shape [samples]
        What is true, and what was predicted.
    path : path, optional
        Where to save the picture; its ending chooses the format.
    name : str
        What is predicted, for the axes.

    Raises
    ------
    ValueError
        If the shapes are not equal, or there is no sample.

    Examples
    --------
    >>> from lepton import plot
    >>> figure = plot.predicted_against_true([1.0, 2.0, 3.0], [1.1, 1.9, 3.0], name="price")
    >>> figure.axes[0].get_title(loc="left")
    'R2 0.990 on 3 samples'
    """
    from matplotlib.colors import LinearSegmentedColormap
    from matplotlib.figure import Figure

    x, y = np.asarray(targets, float), np.asarray(predictions, float)
    if x.shape != y.shape or x.ndim != 1 or not x.size:
        raise ValueError(
            "plot.predicted_against_true: expects targets and predictions of one shape [samples], "
            f"got {[*x.shape]} and {[*y.shape]}"
        )
    low, high = _limits(np.concatenate([x, y]))
    figure = Figure(figsize=(5.4, 5.0), layout="constrained")
    axes = figure.add_subplot()
    if len(x) > _MOST_POINTS:
        colors = LinearSegmentedColormap.from_list("blues", ["#dce9f3", BLUE, INK])
        cells = axes.hexbin(
            x, y, gridsize=60, extent=(low, high, low, high), bins="log", mincnt=1, cmap=colors,
            linewidths=0.2,
        )  # fmt: skip
        bar = figure.colorbar(cells, ax=axes, shrink=0.8, label="samples", format="%d")
        bar.ax.minorticks_off()
        bar.outline.set_visible(False)
    else:
        axes.scatter(x, y, s=18, color=BLUE, alpha=0.45, linewidths=0)
    axes.plot([low, high], [low, high], color=INK, linewidth=1.0, linestyle=(0, (4, 3)))
    axes.set_xlim(low, high)
    axes.set_ylim(low, high)
    axes.set_aspect("equal")
    axes.set_xlabel(f"true {name}".rstrip())
    axes.set_ylabel(f"predicted {name}".rstrip())
    spread = ((x - x.mean()) ** 2).sum()
    score = f"{1 - ((x - y) ** 2).sum() / spread:.3f}" if spread > 0 else "undefined"
    axes.set_title(f"R2 {score} on {len(x):,} samples")
    axes.grid()
    axes.set_axisbelow(True)
    return finish(figure, path)


def _limits(values: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> tuple[float, float]:
    """Ends of both axes."""
    low, high = values.min(), values.max()
    inner_low, inner_high = np.quantile(values, [0.001, 0.999])
    if high - low > 2 * (inner_high - inner_low) > 0:
        low, high = inner_low, inner_high
    margin = 0.04 * (high - low) or 0.5
    return float(low - margin), float(high + margin)
