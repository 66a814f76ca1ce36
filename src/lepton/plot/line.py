# SPDX-License-Identifier: Apache-2.0
"""A fitted line through its points as a picture."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import numpy as np

from lepton.plot.style import BLUE, INK, ORANGE, finish, styled

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from numpy.typing import ArrayLike

__all__ = ["fitted_line"]


@styled
def fitted_line(
    x: ArrayLike,
    y: ArrayLike,
    model: Any,
    new: ArrayLike = (),
    path: str | os.PathLike[str] | None = None,
    labels: tuple[str, str] = ("x", "y"),
    title: str = "",
) -> Figure:
    """Draw points, the line (or curve) that a model fits to them, and predictions at new places.

    Parameters
    ----------
    x, y : array_like, shape [samples]
        The points.
    model : object with ``predict`` or callable
        Takes [samples, 1], or for a callable whatever it makes of that, and gives [samples].
    new : array_like, shape [places]
        Where predictions are marked.
    path : path, optional
        Where to save the picture; its ending chooses the format.
    labels : tuple of str
        Names of the axes.
    title : str
        What stands above.

    Raises
    ------
    ValueError
        If x and y have not one shape [samples], or there is no sample.

    Examples
    --------
    >>> from lepton import plot
    >>> from lepton.regression import LinearRegression
    >>> x, y = [1, 2, 3], [2.0, 4.0, 6.0]
    >>> model = LinearRegression().fit([[1], [2], [3]], y)
    >>> figure = plot.fitted_line(x, y, model, new=[4], labels=("rooms", "price"))
    >>> figure.axes[0].get_xlabel()
    'rooms'
    """
    from matplotlib.figure import Figure

    xs, ys, places = (np.asarray(a, float) for a in (x, y, new))
    if xs.shape != ys.shape or xs.ndim != 1 or not xs.size:
        raise ValueError(
            "plot.fitted_line: expects x and y of one shape [samples], got "
            f"{[*xs.shape]} and {[*ys.shape]}"
        )
    predict = getattr(model, "predict", model)
    reach = np.concatenate([xs, places])
    pad = 0.06 * (np.ptp(reach) or 1.0)
    along = np.linspace(reach.min() - pad, reach.max() + pad, 200)
    figure = Figure(figsize=(5.6, 4.0), layout="constrained")
    axes = figure.add_subplot()
    axes.plot(along, np.ravel(predict(along[:, None])), color=BLUE, zorder=2)
    axes.scatter(xs, ys, s=46, color=INK, zorder=3, edgecolors="white", linewidths=0.8)
    if places.size:
        found = np.ravel(predict(places[:, None]))
        axes.scatter(places, found, s=64, color=ORANGE, zorder=4, edgecolors="white")
        for place, value in zip(places, found, strict=True):
            axes.annotate(
                f"{value:.4g}",
                (place, value),
                xytext=(-8, 6),
                textcoords="offset points",
                ha="right",
                color=ORANGE,
                fontweight="bold",
            )
    axes.set_title(title)
    axes.set_xlabel(labels[0])
    axes.set_ylabel(labels[1])
    axes.grid(axis="y")
    axes.set_axisbelow(True)
    return finish(figure, path)
