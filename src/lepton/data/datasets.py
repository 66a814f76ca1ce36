# SPDX-License-Identifier: Apache-2.0
"""Data sets by name: each public ``load_*`` function that returns `ImageData` is one."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_type_hints

import numpy as np
from numpy.typing import NDArray

from lepton.data.dataset import ArrayDataset
from lepton.data.readers import read_idx, read_image_folder
from lepton.data.readers.images import ImageMode, Size
from lepton.data.split import stratified_split

__all__ = [
    "ImageData",
    "load",
    "load_digits",
    "load_fashion_mnist",
    "load_image_folder",
    "load_mnist",
    "names",
]


@dataclass(frozen=True)
class ImageData:
    """Images with labels, split into a training and a test part.

    Images are uint8 of shape (N, H, W) or (N, H, W, C), labels int64 of shape (N,), class indices
    into `class_names`. `mirror` says that a mirrored image shows the same class, so that training
    may flip it.

    Raises
    ------
    ValueError, TypeError, IndexError
        If shapes or dtypes are others, lengths differ, or a label names no class.
    """

    name: str
    train_images: NDArray[np.uint8]
    train_labels: NDArray[np.int64]
    test_images: NDArray[np.uint8]
    test_labels: NDArray[np.int64]
    class_names: tuple[str, ...]
    mirror: bool = False

    def __post_init__(self) -> None:
        for part in ("train", "test"):
            images, labels = getattr(self, f"{part}_images"), getattr(self, f"{part}_labels")
            if images.dtype != np.uint8:
                raise TypeError(f"{self.name}: {part} images must be uint8, got {images.dtype}")
            if images.ndim not in (3, 4) or images.shape[1:] != self.train_images.shape[1:]:
                raise ValueError(
                    f"{self.name}: {part} images must have the shape (N, H, W) or (N, H, W, C),"
                    f" equal in both parts, got {list(images.shape)}"
                )
            if labels.ndim != 1 or labels.dtype.kind not in "iu":
                raise TypeError(f"{self.name}: {part} labels must be a row of integers")
            if len(labels) != len(images) or not len(labels):
                raise ValueError(
                    f"{self.name}: expected a label for each of at least one {part} image, got"
                    f" {len(images)} images and {len(labels)} labels"
                )
            wrong = np.flatnonzero((labels < 0) | (labels >= len(self.class_names)))
            if wrong.size:
                raise IndexError(
                    f"{self.name}: {part} label {labels[wrong[0]]} at position {wrong[0]} is out"
                    f" of range for {len(self.class_names)} classes"
                )

    @property
    def image_size(self) -> tuple[int, int]:
        """Height and width of the images."""
        return self.train_images.shape[1], self.train_images.shape[2]

    @property
    def in_channels(self) -> int:
        """Number of colour channels, 1 for grey images."""
        return self.train_images.shape[3] if self.train_images.ndim == 4 else 1

    @property
    def num_classes(self) -> int:
        """Number of classes."""
        return len(self.class_names)

    @property
    def train(self) -> ArrayDataset:
        """The training part as a dataset of (image, label)."""
        return ArrayDataset(self.train_images, self.train_labels)

    @property
    def test(self) -> ArrayDataset:
        """The test part as a dataset of (image, label)."""
        return ArrayDataset(self.test_images, self.test_labels)

    def mean_std(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Return mean and standard deviation of each channel of the training images, in [0, 1]."""
        pixels = self.train_images.reshape(-1, self.in_channels)
        # 256 counts say it exactly, however large the set is
        counts = [np.bincount(pixels[:, c], minlength=256) for c in range(self.in_channels)]
        levels = np.arange(256) / 255
        means = [float(np.average(levels, weights=n)) for n in counts]
        variances = [
            float(np.average((levels - mean) ** 2, weights=n))
            for n, mean in zip(counts, means, strict=True)
        ]
        return tuple(means), tuple(max(v**0.5, 1e-6) for v in variances)


def _loaders() -> dict[str, Callable[..., ImageData]]:
    found = {}
    for name in __all__:
        function = globals()[name]
        if name.startswith("load_") and get_type_hints(function)["return"] is ImageData:
            found[name.removeprefix("load_").replace("_", "-")] = function
    return found


def names() -> list[str]:
    """Return the names that `load` knows.

    Examples
    --------
    >>> from lepton.data import datasets
    >>> "digits" in datasets.names()
    True
    """
    return sorted(_loaders())


def load(name: str, **options: Any) -> ImageData:
    """Load a data set by its name, or the images in a folder by its path.

    Parameters
    ----------
    name
        One of `names()`; anything else is taken as the path of a folder, which holds either the
        four IDX files of an MNIST-like set, or images as for `load_image_folder`.
    **options
        Handed to the ``load_*`` function of that name, such as ``path=`` or ``size=``.

    Raises
    ------
    ValueError
        If there is neither such a name nor such a folder, the data set has no such option, or it
        needs one that is not given.

    Examples
    --------
    >>> from lepton.data import datasets
    >>> datasets.load("digits").train_images.shape
    (1438, 8, 8)
    """
    loaders = _loaders()
    function = loaders.get(name)
    if function is None:
        if not Path(name).is_dir():
            known = ", ".join(sorted(loaders))
            raise ValueError(f"load: no data set and no folder is called {name!r} (known: {known})")
        function = load_mnist if _idx_file(Path(name), "train", "images") else load_image_folder
        options = {"path": name, **options}
    parameters = inspect.signature(function).parameters
    for option in options:
        if option not in parameters:
            known = ", ".join(parameters) or "none"
            raise ValueError(f"load: {name!r} has no option {option!r} (options: {known})")
    for option, parameter in parameters.items():
        if parameter.default is parameter.empty and option not in options:
            raise ValueError(f"load: {name!r} needs the option {option!r}")
    return function(**options)


def load_digits() -> ImageData:
    """Return the 1,797 handwritten digits of 8 x 8 pixels that scikit-learn ships.

    The data has no official split: a fifth of each class is the test part, always the same.

    Examples
    --------
    >>> from lepton.data import datasets
    >>> data = datasets.load_digits()
    >>> data.train_images.shape, data.test_images.shape, data.num_classes
    ((1438, 8, 8), (359, 8, 8), 10)
    """
    try:
        from sklearn import datasets as sklearn_datasets
    except ImportError as error:
        raise ImportError("load_digits needs scikit-learn: pip install scikit-learn") from error
    bunch = sklearn_datasets.load_digits()
    images = np.rint(bunch.images * (255 / 16)).astype(np.uint8)  # stored as 0 to 16
    labels = bunch.target.astype(np.int64)
    train, test = stratified_split(labels, test_fraction=0.2, seed=0)
    names_ = tuple(str(digit) for digit in range(10))
    return ImageData("digits", images[train], labels[train], images[test], labels[test], names_)


def load_fashion_mnist(
    path: str | os.PathLike[str] = "/usr/share/datasets/fashion-mnist",
) -> ImageData:
    """Read Fashion-MNIST: 60,000 + 10,000 grey pictures of clothing, 28 x 28 pixels, 10 classes.

    Parameters
    ----------
    path
        The folder with the four IDX files, compressed or not; the default is where Debian's
        package ``dataset-fashion-mnist`` puts them.

    Raises
    ------
    FileNotFoundError
        If a file is missing; the sentence says how to get the data.
    ValueError
        If a file is damaged or does not fit the others.
    """
    class_names = (
        "T-shirt",
        "trouser",
        "pullover",
        "dress",
        "coat",
        "sandal",
        "shirt",
        "sneaker",
        "bag",
        "ankle boot",
    )
    advice = (
        "on Debian and Ubuntu: apt install dataset-fashion-mnist; elsewhere take the four files"
        " from https://github.com/zalandoresearch/fashion-mnist and give their folder as path"
    )
    return _read_mnist("fashion-mnist", Path(path), class_names, mirror=True, advice=advice)


def load_mnist(path: str | os.PathLike[str]) -> ImageData:
    """Read MNIST, or any set in its four files, from the folder `path`.

    The files are ``train-images-idx3-ubyte``, ``train-labels-idx1-ubyte`` and the same with
    ``t10k``, compressed (``.gz``) or not. Classes are named by their numbers.

    Raises
    ------
    FileNotFoundError
        If a file is missing.
    ValueError
        If a file is damaged or does not fit the others.
    """
    advice = "download the four files of MNIST and give their folder as path"
    return _read_mnist("mnist", Path(path), None, mirror=False, advice=advice)


def _idx_file(folder: Path, part: str, kind: str) -> Path | None:
    stem = f"{part}-{kind}"
    ending = "idx3-ubyte" if kind == "images" else "idx1-ubyte"
    candidates = [folder / f"{stem}{dot}{ending}{gz}" for dot in "-." for gz in ("", ".gz")]
    return next((path for path in candidates if path.is_file()), None)


def _read_mnist(
    name: str, folder: Path, class_names: tuple[str, ...] | None, mirror: bool, advice: str
) -> ImageData:
    parts: list[NDArray[Any]] = []
    for part in ("train", "t10k"):
        for kind, ndim in (("images", 3), ("labels", 1)):
            path = _idx_file(folder, part, kind)
            if path is None:
                raise FileNotFoundError(f"{name}: no {part}-{kind} file in {folder}: {advice}")
            array = read_idx(path)
            if array.ndim != ndim or array.dtype != np.uint8:
                raise ValueError(
                    f"{name}: {path}: expected uint8 {kind} with {ndim} axes,"
                    f" got {array.dtype} {list(array.shape)}"
                )
            parts.append(array)
    train_images, train_labels, test_images, test_labels = parts
    if class_names is None:
        count = 1 + max(int(labels.max(initial=0)) for labels in (train_labels, test_labels))
        class_names = tuple(str(number) for number in range(count))
    return ImageData(
        name,
        train_images,
        train_labels.astype(np.int64),
        test_images,
        test_labels.astype(np.int64),
        class_names,
        mirror,
    )


def load_image_folder(
    path: str | os.PathLike[str],
    size: Size | None = None,
    mode: ImageMode = "RGB",
    test_fraction: float = 0.2,
) -> ImageData:
    """Read ``path/train/<class>/`` and ``path/test/<class>/``, or split ``path/<class>/``.

    Parameters
    ----------
    path
        A folder with ``train`` and ``test`` (or ``val``) in it, or with one folder per class.
    size, mode
        As for `lepton.data.load_image`; without `size` all images must have the same size.
    test_fraction
        The share of each class that becomes the test part, if the folder has no split of its own.

    Raises
    ------
    ValueError
        If the folder has another form, an image cannot be read, sizes differ, or the two parts
        have different classes.
    """
    root = Path(path)
    name = root.resolve().name
    held_out = next((root / part for part in ("test", "val") if (root / part).is_dir()), None)
    if (root / "train").is_dir() and held_out is not None:
        train = read_image_folder(root / "train", size, mode)
        test = read_image_folder(held_out, size, mode)
        if train.class_names != test.class_names:
            raise ValueError(
                f"load_image_folder: {root}: the classes {test.class_names} of {held_out.name}"
                f" are not the classes {train.class_names} of train"
            )
        return ImageData(name, *train.arrays(), *test.arrays(), tuple(train.class_names))
    folder = read_image_folder(root, size, mode)
    images, labels = folder.arrays()
    at, rest = stratified_split(labels, test_fraction)
    names_ = tuple(folder.class_names)
    return ImageData(name, images[at], labels[at], images[rest], labels[rest], names_)
