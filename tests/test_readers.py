# SPDX-License-Identifier: Apache-2.0
"""Readers of files: what they read, and that damaged files end in one sentence, never worse."""

import gzip
import io
import struct
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lepton.data import (
    DataLoader,
    ImageFolder,
    datasets,
    load_image,
    read_idx,
    read_image_folder,
    write_idx,
)

IDX_DTYPES = ["uint8", "int8", "int16", "int32", "float32", "float64"]


def idx_bytes(code: int, shape: tuple[int, ...], data: bytes) -> bytes:
    return struct.pack(f">HBB{len(shape)}I", 0, code, len(shape), *shape) + data


def refused(path: Path, content: bytes) -> str:
    """Return the sentence with which `read_idx` refuses `content`."""
    path.write_bytes(content)
    with pytest.raises(ValueError, match="read_idx: ") as caught:
        read_idx(path)
    message = str(caught.value)
    assert str(path) in message
    assert "\n" not in message
    return message


# ------------------------------------------------------------------ IDX


@pytest.mark.parametrize("name", ["a.idx", "a.idx.gz"])
@pytest.mark.parametrize("dtype", IDX_DTYPES)
@pytest.mark.parametrize("shape", [(5,), (2, 3, 4), (0, 3), (1, 1)])
def test_idx_written_is_idx_read(tmp_path, name, dtype, shape):
    array = np.random.default_rng(0).integers(-100, 100, shape).astype(dtype)
    write_idx(tmp_path / name, array)
    back = read_idx(tmp_path / name)
    assert back.shape == shape
    assert (back == array).all()
    assert back.dtype == {"int8": np.int32, "int16": np.int32}.get(dtype, array.dtype)
    assert back.flags.writeable
    assert [p.name for p in tmp_path.iterdir()] == [name]


def test_idx_numbers_are_big_endian(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(idx_bytes(0x0C, (2,), bytes([0, 0, 1, 2, 255, 255, 255, 254])))
    assert read_idx(path).tolist() == [258, -2]
    path.write_bytes(idx_bytes(0x0B, (1,), bytes([255, 0])))
    assert read_idx(path).tolist() == [-256]
    write_idx(path, np.array([1.5], dtype=">f8"))
    assert read_idx(path).tolist() == [1.5]


def test_every_way_an_idx_file_can_lie(tmp_path):
    path = tmp_path / "bad.idx"
    good = idx_bytes(0x08, (2, 3), bytes(6))
    assert "at least 4 bytes, got 0" in refused(path, b"")
    assert "at least 4 bytes, got 3" in refused(path, good[:3])
    assert "two zero bytes, got 00 01" in refused(path, b"\0\1" + good[2:])
    assert "byte 2: unknown type code 0x0a" in refused(path, b"\0\0\x0a" + good[3:])
    assert "byte 3: expected 1 to 32 dimensions, got 0" in refused(path, b"\0\0\x08\0")
    assert "got 200" in refused(path, b"\0\0\x08\xc8" + good[4:])
    assert "byte 8: the file ends inside its header" in refused(path, good[:8])
    assert "[2, 3] need 6 bytes of data, got 5" in refused(path, good[:-1])
    assert "trailing bytes: dimensions [2, 3] need 6 bytes of data, got 7" in refused(
        path, good + b"x"
    )
    assert "truncated" in refused(path, idx_bytes(0x0E, (2**32 - 1,) * 4, bytes(6)))
    assert "more than this file may hold" in refused(path, idx_bytes(8, (0, *[2**32 - 1] * 3), b""))


def test_every_way_a_compressed_idx_file_can_lie(tmp_path):
    path = tmp_path / "bad.gz"
    good = gzip.compress(idx_bytes(0x08, (1000,), bytes(range(250)) * 4))
    assert "corrupt gzip data: ends too early" in refused(path, good[:-9])
    assert "corrupt gzip" in refused(path, good[:10] + b"\xff\xff\xff" + good[13:])
    assert "corrupt gzip data: CRC check failed" in refused(path, good[:-8] + bytes(8))
    assert "trailing bytes" in refused(path, gzip.compress(idx_bytes(8, (2,), bytes(3))))
    assert "need 3 bytes of data, got 2" in refused(path, gzip.compress(idx_bytes(8, (3,), b"ab")))
    assert "corrupt gzip" in refused(path, good + b"garbage")
    assert "corrupt gzip" in refused(path, b"\x1f\x8b")


def test_a_lying_header_allocates_nothing(tmp_path):
    path = tmp_path / "bomb.gz"
    claim = gzip.compress(idx_bytes(0x08, (1 << 31,), bytes(100)))
    bomb = gzip.compress(idx_bytes(0x08, (10,), bytes(1 << 24)))
    tracemalloc.start()
    try:
        assert "may hold" in refused(path, claim)
        assert "trailing bytes" in refused(path, bomb)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 1 << 20


def test_idx_limit_can_be_set(tmp_path):
    write_idx(tmp_path / "a", np.zeros(100, dtype=np.uint8))
    assert read_idx(tmp_path / "a", max_bytes=100).size == 100
    with pytest.raises(ValueError, match=r"may hold \(99\)"):
        read_idx(tmp_path / "a", max_bytes=99)


def test_what_is_no_file_is_refused(tmp_path):
    with pytest.raises(ValueError, match="is a directory, expected an IDX file"):
        read_idx(tmp_path)
    with pytest.raises(FileNotFoundError, match="no such file"):
        read_idx(tmp_path / "missing")
    with pytest.raises(FileNotFoundError, match="no such file"):
        load_image(tmp_path / "missing.png")
    with pytest.raises(ValueError, match="expected an image file"):
        load_image(tmp_path)


def test_write_idx_refuses_what_idx_cannot_say(tmp_path):
    with pytest.raises(TypeError, match=r"write_idx: .* got int64"):
        write_idx(tmp_path / "a", np.zeros(3, dtype=np.int64))
    with pytest.raises(ValueError, match="dimensions, got 0"):
        write_idx(tmp_path / "a", np.uint8(3))
    assert list(tmp_path.iterdir()) == []


def mutations(original: bytes, count: int, seed: int, compressed: bool = False):
    """Yield `count` damaged copies: cut, extended, with bits flipped, bytes replaced or moved."""
    rng = np.random.default_rng(seed)
    for _ in range(count):
        data = bytearray(original)
        for _ in range(rng.integers(1, 4)):
            # half of the damage goes to the header, where it matters most
            end = len(data) if rng.random() < 0.5 else min(len(data), 24)
            at = int(rng.integers(0, max(end, 1)))
            kind = rng.integers(0, 6)
            if kind == 0:
                del data[at:]
            elif kind == 1:
                data += rng.bytes(int(rng.integers(1, 9)))
            elif kind == 2 and at < len(data):
                data[at] ^= 1 << int(rng.integers(0, 8))
            elif kind == 3:
                data[at : at + 4] = rng.bytes(4)
            elif kind == 4:
                data[at:at] = rng.bytes(int(rng.integers(1, 5)))
            else:
                del data[at : at + int(rng.integers(1, 5))]
        yield gzip.compress(bytes(data), 1) if compressed else bytes(data)


def attempt(reader: Callable[[Path], np.ndarray], path: Path) -> np.ndarray | None:
    """Return what was read, or None if the file was refused by name; other errors fail."""
    try:
        return reader(path)
    except ValueError as error:
        if not str(error).startswith(f"{reader.__name__}: {path}: "):
            raise
        return None


@pytest.mark.parametrize("kind", ["plain", "compressed before damage", "compressed after damage"])
@pytest.mark.parametrize("code", [0x08, 0x0B, 0x0E])
def test_thousands_of_damaged_idx_files(tmp_path, kind, code):
    """Each one is read, where the damage left a valid file, or refused by name."""
    size = {0x08: 1, 0x0B: 2, 0x0E: 8}[code]
    original = idx_bytes(code, (4, 5, 3), np.random.default_rng(0).bytes(60 * size))
    if kind == "compressed before damage":
        original = gzip.compress(original)
    path = tmp_path / "fuzz.idx"
    read = refused_count = 0
    for data in mutations(original, 700, seed=code, compressed=kind == "compressed after damage"):
        path.write_bytes(data)
        array = attempt(read_idx, path)
        if array is None:
            refused_count += 1
        else:
            assert array.nbytes <= 4 * 60 * size * 8
            read += 1
    assert refused_count > 300
    assert read + refused_count == 700


# ------------------------------------------------------------------ images


def save(path: Path, array: np.ndarray, **options: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path, **options)
    return path


def colours(seed: int = 0, size: tuple[int, int] = (12, 10)) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (*size, 3)).astype(np.uint8)


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".tiff", ".ppm"])
def test_images_are_read_as_stored(tmp_path, suffix):
    image = colours()
    assert (load_image(save(tmp_path / f"a{suffix}", image)) == image).all()
    grey = load_image(tmp_path / f"a{suffix}", mode="L")
    assert grey.shape == (12, 10)
    assert grey.dtype == np.uint8


def test_images_are_resized_to_height_and_width(tmp_path):
    path = save(tmp_path / "a.png", colours())
    assert load_image(path, size=(6, 8)).shape == (6, 8, 3)
    assert load_image(path, size=7, mode="L").shape == (7, 7)
    for size in (0, -1, (3,), (3, 0)):
        with pytest.raises(ValueError, match="load_image: size"):
            load_image(path, size=size)
    with pytest.raises(ValueError, match="mode expects 'L' or 'RGB', got 'CMYK'"):
        load_image(path, mode="CMYK")


def test_special_images_keep_their_meaning(tmp_path):
    wide = np.array([[0, 65535, 32768]], dtype=np.uint16)
    assert load_image(save(tmp_path / "wide.png", wide), mode="L").tolist() == [[0, 255, 128]]
    clear = np.zeros((1, 2, 4), dtype=np.uint8)
    clear[0, 1] = [10, 20, 30, 255]
    read = load_image(save(tmp_path / "clear.png", clear))
    assert read.tolist() == [[[255, 255, 255], [10, 20, 30]]]
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by 90 degrees
    turned = save(tmp_path / "turned.png", np.arange(6, dtype=np.uint8).reshape(2, 3), exif=exif)
    assert load_image(turned, mode="L").tolist() == [[3, 0], [4, 1], [5, 2]]


def test_images_beyond_pillows_limit_are_refused(tmp_path, monkeypatch):
    path = save(tmp_path / "large.png", colours())
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    with (
        pytest.warns(Image.DecompressionBombWarning),
        pytest.raises(ValueError, match=r"large.png: .*120 pixels are more than .* 100"),
    ):
        load_image(path)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
    with pytest.raises(ValueError, match=r"large\.png"):
        load_image(path)


@pytest.mark.filterwarnings("ignore")  # Pillow warns of half-broken metadata
@pytest.mark.parametrize("form", ["png", "jpeg"])
def test_hundreds_of_damaged_images(tmp_path, form):
    content = io.BytesIO()
    Image.fromarray(colours(size=(16, 16))).save(content, form)
    path = tmp_path / f"fuzz.{form}"
    refused_count = 0
    for data in mutations(content.getvalue(), 250, seed=len(form)):
        path.write_bytes(data)
        image = attempt(load_image, path)
        refused_count += image is None
        assert image is None or image.dtype == np.uint8
    assert refused_count > 30


def make_folder(root: Path, counts: dict[str, int], size: tuple[int, int] = (8, 8)) -> Path:
    for name, count in counts.items():
        for i in range(count):
            save(root / name / f"{i}.png", np.full((*size, 3), 10 * i, dtype=np.uint8))
    return root


def test_image_folder_is_a_dataset_in_sorted_order(tmp_path):
    root = make_folder(tmp_path, {"dog": 2, "cat": 3})
    (root / ".hidden").mkdir()
    (root / "cat" / "notes.txt").write_text("no image")
    folder = read_image_folder(root)
    assert folder.class_names == ["cat", "dog"]
    assert folder.labels.tolist() == [0, 0, 0, 1, 1]
    image, label = folder[-1]
    assert (int(image[0, 0, 0]), label) == (10, 1)
    x, y = next(iter(DataLoader(folder, batch_size=5)))
    assert x.shape == (5, 8, 8, 3)
    assert y.tolist() == [0, 0, 0, 1, 1]
    images, labels = folder.arrays()
    assert images.shape == (5, 8, 8, 3)
    assert labels.tolist() == [0, 0, 0, 1, 1]


def test_image_folder_names_what_is_wrong(tmp_path):
    with pytest.raises(ValueError, match="no class folders"):
        read_image_folder(tmp_path)
    with pytest.raises(ValueError, match="expected a folder"):
        read_image_folder(tmp_path / "missing")
    root = make_folder(tmp_path / "set", {"cat": 2})
    (root / "dog").mkdir()
    with pytest.raises(ValueError, match=r"dog: no images"):
        read_image_folder(root)
    save(root / "dog" / "x.png", np.zeros((4, 8, 3), dtype=np.uint8))
    with pytest.raises(ValueError, match=r"x\.png has shape \[4, 8, 3\], expected \[8, 8, 3\]"):
        read_image_folder(root).arrays()
    assert read_image_folder(root, size=8).arrays()[0].shape == (3, 8, 8, 3)
    (root / "dog" / "x.png").write_bytes(b"no image at all")
    with pytest.raises(ValueError, match=r"x\.png: not an image"):
        list(DataLoader(read_image_folder(root), batch_size=3))
    with pytest.raises(ValueError, match="one label per file"):
        ImageFolder([root], [], [])


def test_a_folder_of_images_is_an_image_data_set(tmp_path):
    data = datasets.load(str(make_folder(tmp_path / "a", {"x": 10, "y": 5})), size=8, mode="L")
    assert data.train_images.shape == (12, 8, 8)
    assert np.bincount(data.test_labels).tolist() == [2, 1]
    assert data.class_names == ("x", "y")
    assert data.in_channels == 1
    make_folder(tmp_path / "b" / "train", {"x": 3, "y": 3})
    make_folder(tmp_path / "b" / "test", {"x": 1, "y": 1})
    split = datasets.load(str(tmp_path / "b"))
    assert (len(split.train), len(split.test), split.in_channels) == (6, 2, 3)
    make_folder(tmp_path / "b" / "test", {"z": 1})
    with pytest.raises(ValueError, match="are not the classes"):
        datasets.load(str(tmp_path / "b"))


# ------------------------------------------------------------------ MNIST and its like


def make_mnist(folder: Path, labels: int = 10) -> Path:
    folder.mkdir()
    images = np.arange(10 * 16, dtype=np.uint8).reshape(10, 4, 4)
    classes = np.arange(labels, dtype=np.uint8) % 10
    write_idx(folder / "train-images-idx3-ubyte.gz", images)
    write_idx(folder / "train-labels-idx1-ubyte", classes)
    write_idx(folder / "t10k-images.idx3-ubyte", images[:4])
    write_idx(folder / "t10k-labels-idx1-ubyte.gz", classes[:4])
    return folder


def test_mnist_is_read_from_its_four_files(tmp_path):
    folder = make_mnist(tmp_path / "mnist")
    data = datasets.load_mnist(folder)
    assert data.image_size == (4, 4)
    assert (len(data.train), len(data.test), data.num_classes) == (10, 4, 10)
    assert (datasets.load(str(folder)).train_images == data.train_images).all()


def test_mnist_says_which_file_does_not_fit(tmp_path):
    folder = make_mnist(tmp_path / "mnist", labels=9)
    with pytest.raises(ValueError, match="got 10 images and 9 labels"):
        datasets.load_mnist(folder)
    write_idx(folder / "train-labels-idx1-ubyte", np.full(10, 10, dtype=np.uint8))
    with pytest.raises(IndexError, match="train label 10 at position 0 is out of range for 10"):
        datasets.load_fashion_mnist(folder)
    write_idx(folder / "train-labels-idx1-ubyte", np.zeros(10, dtype=np.float32))
    with pytest.raises(ValueError, match="expected uint8 labels with 1 axes, got float32"):
        datasets.load_mnist(folder)
    (folder / "train-labels-idx1-ubyte").unlink()
    with pytest.raises(FileNotFoundError, match="no train-labels file in"):
        datasets.load_mnist(folder)
    with pytest.raises(FileNotFoundError, match="apt install dataset-fashion-mnist"):
        datasets.load_fashion_mnist(folder)


def test_fashion_mnist_of_debian():
    try:
        data = datasets.load("fashion-mnist")
    except FileNotFoundError:
        pytest.skip("Debian's package dataset-fashion-mnist is not installed")
    assert data.train_images.shape == (60000, 28, 28)
    assert np.bincount(data.test_labels).tolist() == [1000] * 10
    assert data.mean_std()[0][0] == pytest.approx(0.2860, abs=5e-5)
