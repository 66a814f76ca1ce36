# SPDX-License-Identifier: Apache-2.0
"""A grid of images with what was predicted for them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from lepton.plot.style import GREEN, INK, MUTED, RED, finish, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import ArrayLike, NDArray

__all__ = ["predictions"]


@styled
def predictions(
    images: ArrayLike,
    predicted: ArrayLike,
    true: ArrayLike | None = None,
    classes: Sequence[object] | None = None,
    probabilities: ArrayLike | None = None,
    path: str | os.PathLike[str] | None = None,
    columns: int = 8,
    title: str | None = None,
) -> Figure:
    """Draw a grid of images with what was predicted; wrong ones are framed in red.

    Parameters
    ----------
    images : array_like, shape [N, H, W], [N, C, H, W] or [N, H, W, C] with C = 1 or 3
        Each image is stretched to the full range from its darkest to its brightest value.
    predicted, true : array_like of int, shape [N]
        Class numbers; `true` is optional.
    classes : sequence, optional
        The name of each class.
    probabilities : array_like, shape [N], optional
        The probability of the predicted class, written below the image.
    path : path, optional
        Where to save the picture; its ending chooses the format.
    columns : int
        Images in a row.
    title : str, optional
        A line above the grid.

    Raises
    ------
    ValueError
        If the shapes do not fit, or a class number has no name.

    Examples
    --------
    >>> import numpy as np
    >>> from lepton import plot
    >>> figure = plot.predictions(np.eye(8).reshape(1, 8, 8), [3], true=[5])
    >>> figure.axes[0].get_title()
    '3, not 5'
    """
    from matplotlib.figure import Figure

    pictures = _pictures(np.asarray(images))
    count = len(pictures)
    guesses = _labels("predicted", predicted, count, classes)
    truths = None if true is None else _labels("true", true, count, classes)
    chances = None if probabilities is None else _column("probabilities", probabilities, count)
    if type(columns) is not int or columns < 1:
        raise ValueError(f"plot.predictions: columns expects an integer from 1, got {columns!r}")
    width = min(columns, count)
    rows = -(-count // width)
    height = 1.62 if classes is None else 1.72
    height -= 0.0 if chances is not None else 0.15
    figure = Figure(
        figsize=(max(1.35 * width, 2.4), height * rows + (0.4 if title else 0.05)),
        layout="constrained",
    )
    if title:
        figure.suptitle(title, x=0.01, ha="left", fontsize=12, fontweight="bold", color=INK)
    for index, picture in enumerate(pictures):
        axes = figure.add_subplot(rows, width, index + 1)
        axes.imshow(picture, cmap="gray", interpolation="nearest")
        axes.set_xticks([])
        axes.set_yticks([])
        truth = truths[index] if truths is not None else None
        _caption(axes, guesses[index], truth, None if chances is None else float(chances[index]))
    return finish(figure, path)


def _caption(axes: Axes, guess: str, truth: str | None, chance: float | None) -> None:
    wrong = truth is not None and truth != guess
    color = INK if truth is None else RED if wrong else GREEN
    text = f"{guess}, not {truth}" if wrong else guess
    if len(text) > 15:
        text = text.replace(", not ", ",\nnot ")
    axes.set_title(
        text,
        loc="center",
        color=color,
        fontsize=9,
        pad=4,
        fontweight="bold" if wrong else "normal",
    )
    if chance is not None:
        axes.set_xlabel(f"{100 * chance:.0f} %", fontsize=8, color=MUTED, labelpad=2)
    for spine in axes.spines.values():
        spine.set_visible(True)
        spine.set_color(color if wrong else "#c9d3dc")
        spine.set_linewidth(3.0 if wrong else 0.8)


def _pictures(images: NDArray[Any]) -> NDArray[Any]:
    """Return images as [N, H, W] or [N, H, W, 3] between 0 and 1."""
    shape = list(images.shape)
    if images.ndim == 4 and images.shape[1] in (1, 3) and images.shape[3] not in (1, 3):
        images = np.moveaxis(images, 1, 3)
    if images.ndim == 4 and images.shape[3] == 1:
        images = images[..., 0]
    if images.ndim not in (3, 4) or (images.ndim == 4 and images.shape[3] != 3) or not images.size:
        raise ValueError(
            "plot.predictions: images expects shape [N, H, W], [N, C, H, W] or [N, H, W, C] with "
            f"1 or 3 channels, got {shape}"
        )
    pixels = np.nan_to_num(images.astype(np.float64))
    axes = tuple(range(1, pixels.ndim))
    low, high = pixels.min(axis=axes, keepdims=True), pixels.max(axis=axes, keepdims=True)
    scaled: NDArray[Any] = (pixels - low) / np.where(high > low, high - low, 1.0)
    return scaled


def _column(what: str, values: ArrayLike, count: int) -> NDArray[Any]:
    array = np.asarray(values)
    if array.shape != (count,):
        raise ValueError(
            f"plot.predictions: {what} expects shape [{count}], got {list(array.shape)}"
        )
    return array


def _labels(
    what: str, values: ArrayLike, count: int, classes: Sequence[object] | None
) -> list[str]:
    numbers = _column(what, values, count).tolist()
    if classes is None:
        return [str(number) for number in numbers]
    for position, number in enumerate(numbers):
        if type(number) is not int or not 0 <= number < len(classes):
            raise ValueError(
                f"plot.predictions: {what} expects class numbers from 0 to {len(classes) - 1}, "
                f"got {number} at position {position}"
            )
    return [str(classes[number]) for number in numbers]
