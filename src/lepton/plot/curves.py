# SPDX-License-Identifier: Apache-2.0
"""Curves of loss and metrics over the epochs."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from lepton.metrics.direction import better_is
from lepton.plot.style import BLUE, ORANGE, finish, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from lepton.training.history import History

__all__ = ["history"]


@styled
def history(
    history: History | Mapping[str, Sequence[float]],
    path: str | os.PathLike[str] | None = None,
) -> Figure:
    """Draw each measure over the epochs, one panel per measure, validation beside training.

    Parameters
    ----------
    history : History or mapping of str to sequence
        What `Trainer.fit` returns, or columns by name; ``val_x`` is drawn into the panel of ``x``.
    path : path, optional
        Where to save the picture; its ending chooses the format.

    Raises
    ------
    ValueError
        If there is no finished epoch.

    Examples
    --------
    >>> from lepton import plot
    >>> figure = plot.history({"loss": [0.9, 0.5, 0.4], "val_loss": [0.8, 0.6, 0.5]})
    >>> [axes.get_title(loc="left") for axes in figure.axes]
    ['Loss']
    """
    from matplotlib.figure import Figure

    names = history.names if hasattr(history, "names") else list(history)
    columns = {name: np.asarray(history[name], dtype=float) for name in names}
    epochs = columns.pop("epoch", None)
    columns.pop("seconds", None)
    rate = columns.pop("lr", None)
    if not columns or max(map(len, columns.values())) == 0:
        raise ValueError("plot.history: expected at least one finished epoch, got none")
    if epochs is None:
        epochs = np.arange(1, 1 + max(map(len, columns.values())), dtype=float)
    panels = list(dict.fromkeys(name.removeprefix("val_") for name in columns))
    if rate is not None and len(set(rate.tolist())) > 1:
        panels.append("lr")
        columns["lr"] = rate
    width = min(len(panels), 3)
    rows = -(-len(panels) // width)
    figure = Figure(figsize=(max(5.2, 4.4 * width), 3.5 * rows), layout="constrained")
    for index, name in enumerate(panels):
        axes = figure.add_subplot(rows, width, index + 1)
        _curves(axes, name, epochs, columns)
    return finish(figure, path)


def _curves(
    axes: Axes, name: str, epochs: NDArray[Any], columns: Mapping[str, NDArray[Any]]
) -> None:
    from matplotlib.ticker import MaxNLocator

    marker = "o" if len(epochs) < 30 else None
    lines = [
        (label, color, columns[column])
        for label, color, column in (
            ("training", BLUE, name),
            ("validation", ORANGE, f"val_{name}"),
        )
        if column in columns
    ]
    for label, color, values in lines:
        axes.plot(epochs, values, color=color, label=label, marker=marker, markersize=4.5)
    axes.set_title("Learning rate" if name == "lr" else name.replace("_", " ").capitalize())
    axes.set_xlabel("epoch")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=8, min_n_ticks=1))
    axes.grid(axis="y")
    axes.set_axisbelow(True)
    axes.margins(x=0.04, y=0.16)
    if len(epochs) == 1:
        axes.set_xlim(float(epochs[0]) - 0.5, float(epochs[0]) + 0.5)
    if name != "lr":
        other = lines[0][2] if len(lines) > 1 else None
        _mark_best(axes, name, epochs, *lines[-1][1:], other)
    if len(lines) > 1:
        axes.legend(frameon=False, labelcolor="linecolor", handlelength=1.2, borderaxespad=0.2)


def _mark_best(
    axes: Axes,
    name: str,
    epochs: NDArray[Any],
    color: str,
    values: NDArray[Any],
    other: NDArray[Any] | None,
) -> None:
    """Ring the best epoch of a curve and write its value on the side away from the other curve."""
    from matplotlib.patheffects import withStroke

    values = np.where(np.isfinite(values), values, np.nan)
    if np.isnan(values).all():
        return
    best = int(np.nanargmin(values) if better_is(name) == "min" else np.nanargmax(values))
    above = better_is(name) != "min" if other is None else bool(values[best] > other[best])
    axes.plot(
        epochs[best],
        values[best],
        marker="o",
        markersize=10,
        markerfacecolor="none",
        markeredgecolor=color,
        markeredgewidth=1.6,
    )
    axes.annotate(
        f"{values[best]:.4g}",
        (epochs[best], values[best]),
        xytext=(0, 10 if above else -10),
        textcoords="offset points",
        ha="center",
        va="bottom" if above else "top",
        color=color,
        fontweight="bold",
        fontsize=9,
        path_effects=[withStroke(linewidth=3, foreground="white")],
    )
