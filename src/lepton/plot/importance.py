# SPDX-License-Identifier: Apache-2.0
"""How much a model needs each feature as a picture."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from lepton.plot.style import BLUE, INK, MUTED, finish, styled

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from numpy.typing import ArrayLike

__all__ = ["importance"]


@styled
def importance(
    names: Sequence[object],
    values: ArrayLike,
    errors: ArrayLike | None = None,
    path: str | os.PathLike[str] | None = None,
    label: str = "importance",
    most: int = 20,
) -> Figure:
    """Draw a bar for each feature, the most important first.

    Parameters
    ----------
    names : sequence
        The features.
    values : array_like, shape [features]
        How important each is.
    errors : array_like, shape [features], optional
        Standard deviations, drawn as lines.
    path : path, optional
        Where to save the picture; its ending chooses the format.
    label : str
        What the values are.
    most : int
        Show so many features at most.

    Raises
    ------
    ValueError
        If there is not one value for each of at least one name.

    Examples
    --------
    >>> from lepton import plot
    >>> figure = plot.importance(["rooms", "age"], [0.1, 0.4], [0.02, 0.01], label="loss of R2")
    >>> [text.get_text() for text in figure.axes[0].get_yticklabels()]
    ['age', 'rooms']
    """
    from matplotlib.figure import Figure

    numbers = np.asarray(values, float)
    spread = np.zeros_like(numbers) if errors is None else np.asarray(errors, float)
    if not len(names) or numbers.shape != (len(names),) or spread.shape != numbers.shape:
        raise ValueError(
            f"plot.importance: expects a value for each of {len(names)} names (at least 1), "
            f"got {[*numbers.shape]}"
        )
    order = np.argsort(-numbers, kind="stable")[:most]
    figure = Figure(figsize=(6.4, 1.1 + 0.32 * len(order)), layout="constrained")
    axes = figure.add_subplot()
    places = np.arange(len(order))
    axes.barh(places, numbers[order], height=0.62, color=BLUE)
    axes.errorbar(
        numbers[order], places, xerr=spread[order], fmt="none", ecolor=INK, elinewidth=1.2
    )
    axes.set_yticks(places, [_short(str(names[i])) for i in order], color=INK)
    axes.set_ylim(len(order) - 0.4, -0.6)
    axes.axvline(0, color=MUTED, linewidth=0.8)
    cut = f" (first {len(order)} of {len(numbers)} features)" if len(numbers) > len(order) else ""
    axes.set_title(f"Importance{cut}")
    axes.set_xlabel(label)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.grid(axis="x")
    axes.set_axisbelow(True)
    return finish(figure, path)


def _short(name: str, most: int = 28) -> str:
    return name if len(name) <= most else name[: most - 1] + "…"
