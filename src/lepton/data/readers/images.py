# SPDX-License-Identifier: Apache-2.0
"""Image files and folders of them, one sub-folder per class; Pillow is loaded on first use."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from lepton._check import check_choice, check_pair
from lepton.data.dataset import Dataset
from lepton.data.indices import check_index

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["ImageFolder", "load_image", "read_image_folder"]

ImageMode = Literal["L", "RGB"]
Size = int | tuple[int, int]

# Formats that decode inside Pillow; others may start programs (EPS) or need plug-ins.
_FORMATS = {
    "PNG": (".png",),
    "JPEG": (".jpg", ".jpeg"),
    "BMP": (".bmp",),
    "GIF": (".gif",),
    "TIFF": (".tif", ".tiff"),
    "WEBP": (".webp",),
    "PPM": (".ppm", ".pgm", ".pbm", ".pnm"),
}
_SUFFIXES = frozenset(suffix for suffixes in _FORMATS.values() for suffix in suffixes)


def load_image(
    path: str | os.PathLike[str], size: Size | None = None, mode: ImageMode = "RGB"
) -> NDArray[np.uint8]:
    """Read one image file as a uint8 array.

    Photographs are turned upright as their EXIF data says, transparent parts are laid over white,
    and 16-bit grey is scaled to 8 bits. Animated images give their first frame.

    Parameters
    ----------
    path
        A PNG, JPEG, BMP, GIF, TIFF, WebP or PNM file; the content decides, not the name.
    size
        Height and width to resize to, or one number for both (bilinear, antialiased; the aspect
        ratio is not kept). Without it the image keeps its size.
    mode
        ``"RGB"`` for an array of shape (height, width, 3), ``"L"`` (grey) for (height, width).

    Raises
    ------
    ValueError
        If the file is no image, is damaged, or has more pixels than Pillow's limit
        ``PIL.Image.MAX_IMAGE_PIXELS``; the sentence names file and cause.
    FileNotFoundError
        If there is no such file.

    Examples
    --------
    >>> import tempfile, numpy as np
    >>> from pathlib import Path
    >>> from PIL import Image
    >>> from lepton.data import load_image
    >>> path = Path(tempfile.mkdtemp()) / "black.png"
    >>> Image.fromarray(np.zeros((6, 4), dtype=np.uint8)).save(path)
    >>> load_image(path).shape, load_image(path, size=8, mode="L").shape
    ((6, 4, 3), (8, 8))
    """
    if mode not in ("L", "RGB"):
        raise ValueError(f"load_image: mode expects 'L' or 'RGB', got {mode!r}")
    height_width = None if size is None else check_pair("load_image", "size", size, 1)
    image_module, ops_module = _pillow()
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"load_image: {path}: no such file")
    if not path.is_file():
        raise ValueError(f"load_image: {path}: expected an image file, got a directory or device")
    try:
        with image_module.open(path, formats=list(_FORMATS)) as image:
            pixels, limit = image.width * image.height, image_module.MAX_IMAGE_PIXELS
            if limit is not None and pixels > limit:
                raise ValueError(f"{pixels} pixels are more than Pillow's limit of {limit}")
            upright = _eight_bits(ops_module.exif_transpose(image)).convert(mode)
            if height_width is not None:
                height, width = height_width
                upright = upright.resize((width, height), image_module.Resampling.BILINEAR)
            return np.array(upright, dtype=np.uint8)
    except image_module.UnidentifiedImageError as error:
        known = ", ".join(_FORMATS)
        raise ValueError(f"load_image: {path}: not an image ({known}), or damaged") from error
    except Exception as error:  # damaged files make Pillow raise nearly anything
        cause = str(error) or type(error).__name__
        raise ValueError(f"load_image: {path}: cannot read the image: {cause}") from error


def _pillow() -> tuple[ModuleType, ModuleType]:
    try:
        from PIL import Image, ImageOps
    except ImportError as error:
        raise ImportError("reading images needs Pillow: pip install pillow") from error
    return Image, ImageOps


def _eight_bits(image: Image.Image) -> Image.Image:
    """Bring an image into a mode that converts to grey or colour without loss of meaning."""
    from PIL import Image

    if image.mode.startswith("I;16"):
        high = (np.asarray(image).astype(np.uint16) >> 8).astype(np.uint8)
        return Image.fromarray(high)
    if image.mode in ("I", "F"):
        raise ValueError(f"mode {image.mode} (32 bits a pixel) has no fixed range of values")
    if image.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in image.info:
        rgba = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba)
    return image


class ImageFolder(Dataset):
    """Image files with one label each; an image is read when it is asked for.

    Sample `i` is the pair (image, label): a uint8 array as `load_image` gives it, and an int.

    Parameters
    ----------
    files
        One path per image.
    labels
        One class index per image.
    class_names
        The name of each class.
    size, mode
        As for `load_image`.
    """

    def __init__(
        self,
        files: Sequence[Path],
        labels: Sequence[int],
        class_names: Sequence[str],
        size: Size | None = None,
        mode: ImageMode = "RGB",
    ) -> None:
        if len(files) != len(labels):
            raise ValueError(
                f"ImageFolder: expected one label per file, got {len(files)} files"
                f" and {len(labels)} labels"
            )
        self.files = list(files)
        self.labels = np.asarray(labels, dtype=np.int64)
        self.class_names = list(class_names)
        self.size = None if size is None else check_pair("ImageFolder", "size", size, 1)
        check_choice("ImageFolder", "mode", mode, ("L", "RGB"))
        self.mode: ImageMode = mode

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> tuple[NDArray[np.uint8], int]:
        i = check_index("ImageFolder", index, len(self))
        return load_image(self.files[i], self.size, self.mode), int(self.labels[i])

    def arrays(self) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
        """Read all images into memory.

        Returns
        -------
        tuple
            Images of shape (N, H, W) or (N, H, W, 3) and labels of shape (N,).

        Raises
        ------
        ValueError
            If there are none, if one cannot be read, or if their sizes differ and no `size` was
            given.
        """
        if not self.files:
            raise ValueError("ImageFolder: expected at least one image, got none")
        first, _ = self[0]
        images = np.empty((len(self), *first.shape), dtype=np.uint8)
        images[0] = first
        for i in range(1, len(self)):
            image, _ = self[i]
            if image.shape != first.shape:
                raise ValueError(
                    f"ImageFolder: {self.files[i]} has shape {list(image.shape)}, expected"
                    f" {list(first.shape)} as {self.files[0]} has; give a size to resize all"
                )
            images[i] = image
        return images, self.labels


def read_image_folder(
    path: str | os.PathLike[str], size: Size | None = None, mode: ImageMode = "RGB"
) -> ImageFolder:
    """Find the images in a folder that has one sub-folder per class.

    ``path/cat/1.png`` belongs to class ``cat``. Classes are numbered in the sorted order of their
    names; files are found at any depth, in sorted order; names that start with a dot and files
    that do not end like an image are passed over.

    Parameters
    ----------
    path
        The folder that holds the class folders.
    size, mode
        As for `load_image`.

    Raises
    ------
    ValueError
        If `path` is no folder, holds no class folder, or a class folder holds no image.

    Examples
    --------
    >>> import tempfile, numpy as np
    >>> from pathlib import Path
    >>> from PIL import Image
    >>> from lepton.data import read_image_folder
    >>> root = Path(tempfile.mkdtemp())
    >>> for name in ("dog", "cat"):
    ...     (root / name).mkdir()
    ...     Image.fromarray(np.zeros((8, 8), dtype=np.uint8)).save(root / name / "1.png")
    >>> folder = read_image_folder(root, mode="L")
    >>> folder.class_names, len(folder), folder[1][1]
    (['cat', 'dog'], 2, 1)
    """
    root = Path(path)
    if not root.is_dir():
        raise ValueError(f"read_image_folder: {root}: expected a folder with one folder per class")
    classes = sorted(p.name for p in root.iterdir() if p.is_dir() and not p.name.startswith("."))
    if not classes:
        raise ValueError(f"read_image_folder: {root}: no class folders in it")
    files: list[Path] = []
    labels: list[int] = []
    for label, name in enumerate(classes):
        found = sorted(_image_files(root / name))
        if not found:
            raise ValueError(f"read_image_folder: {root / name}: no images in this class folder")
        files += found
        labels += [label] * len(found)
    return ImageFolder(files, labels, classes, size, mode)


def _image_files(folder: Path) -> Iterator[Path]:
    for parent, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in names:
            if not name.startswith(".") and Path(name).suffix.lower() in _SUFFIXES:
                yield Path(parent, name)
