# SPDX-License-Identifier: Apache-2.0
"""Checkpoints: folders of safetensors and JSON that appear whole and are checked before use.

A checkpoint is a folder of three files: ``model.safetensors`` (weights and buffers),
``state.safetensors`` (optimiser and other tensors) and ``state.json`` (all else, with the size and
checksum of the other two). It is written under a temporary name, flushed and renamed.
"""

from __future__ import annotations

import errno
import os
import shutil
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lepton
from lepton.saving import read_json
from lepton.saving.atomic import cannot_write, remove, remove_leftovers, sync
from lepton.saving.documents import dump_json
from lepton.saving.tensors import as_array, read_arrays, write_arrays
from lepton.training.state import join_state, split_state

__all__ = ["CheckpointFolder", "Snapshot", "find_checkpoint", "read_checkpoint", "write_checkpoint"]

FORMAT = 1
MODEL, STATE, INDEX = "model.safetensors", "state.safetensors", "state.json"


@dataclass
class Snapshot:
    """Everything that makes training go on as if it had never stopped."""

    weights: dict[str, Any]  # arrays or Tensors by name
    state: dict[str, Any]


def write_checkpoint(snapshot: Snapshot, path: str | os.PathLike[str]) -> None:
    """Write a checkpoint folder; one that was at `path` is replaced when the new one is complete.

    Raises
    ------
    ValueError
        If something that is no checkpoint is at `path`.
    OSError
        With one sentence, when the disk is full; nothing is left behind and nothing lost.

    Examples
    --------
    >>> import tempfile, numpy as np
    >>> from lepton.training import Snapshot, read_checkpoint, write_checkpoint
    >>> path = tempfile.mkdtemp() + "/state"
    >>> write_checkpoint(Snapshot({"w": np.ones(2)}, {"epoch": 3}), path)
    >>> read_checkpoint(path).state
    {'epoch': 3}
    """
    target = Path(os.path.realpath(path))
    if target.exists() and not (target / INDEX).is_file() and not _is_empty(target):
        raise ValueError(f"checkpoint: {path} exists and is no checkpoint, so it is not replaced")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _remove_stale(target.parent, f".{target.name}.")
        _swap(_write_folder(snapshot, target.parent, target.name), target)
    except OSError as error:
        raise cannot_write(path, error) from error


def _is_empty(folder: Path) -> bool:
    return folder.is_dir() and not any(folder.iterdir())


def _write_folder(snapshot: Snapshot, parent: Path, name: str) -> Path:
    """Write the files of a checkpoint into a new hidden folder in `parent`, safely on the disk."""
    folder = parent / f".{name}.tmp-{os.getpid()}-{os.urandom(4).hex()}"
    folder.mkdir()
    try:
        text, tensors = split_state(snapshot.state)
        weights = {name: as_array(name, value) for name, value in snapshot.weights.items()}
        files = {}
        for file, arrays in ((MODEL, weights), (STATE, tensors)):
            write_arrays(arrays, folder / file)
            files[file] = _fingerprint(folder / file)
        index = {
            "format": FORMAT,
            "lepton": lepton.__version__,
            "files": files,
            "crc32": zlib.crc32(dump_json(text)),
            "state": text,
        }
        (folder / INDEX).write_bytes(dump_json(index))
        for path in (*(folder / file for file in (MODEL, STATE, INDEX)), folder):
            sync(path)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return folder


def _swap(fresh: Path, target: Path) -> None:
    """Give `fresh` the name `target`; between two renames `find_checkpoint` knows where to look."""
    old = _old(target)
    if target.exists():
        shutil.rmtree(old, ignore_errors=True)
        os.rename(target, old)
    os.rename(fresh, target)
    sync(target.parent)
    shutil.rmtree(old, ignore_errors=True)


def _old(target: Path) -> Path:
    return target.with_name(f".{target.name}.old")


def _remove_stale(parent: Path, start: str) -> None:
    """Remove what killed processes left half done in `parent`, by names that begin with `start`."""
    remove_leftovers(parent, start)
    for path in parent.glob(f"{start}*old"):
        if path.name.endswith(".old") and (parent / path.name[1:-4]).exists():
            remove(path)


def _fingerprint(path: Path) -> dict[str, int]:
    checksum, size = 0, 0
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            checksum, size = zlib.crc32(block, checksum), size + len(block)
    return {"bytes": size, "crc32": checksum}


def find_checkpoint(path: str | os.PathLike[str]) -> Path:
    """Return the checkpoint folder that `path` means: itself, or the last one of a run directory.

    Raises
    ------
    FileNotFoundError
        If there is none.
    """
    given = Path(path)
    for folder in (given, CheckpointFolder(given / "checkpoints").path("last")):
        for candidate in (folder, _old(folder)):
            if (candidate / INDEX).is_file():
                return Path(os.path.realpath(candidate))
    what = "holds no checkpoint" if given.exists() else "does not exist"
    raise FileNotFoundError(f"checkpoint: {given} {what}")


def read_checkpoint(path: str | os.PathLike[str]) -> Snapshot:
    """Read and check a whole checkpoint before anything of it is used.

    Raises
    ------
    ValueError
        If a file is damaged, or the files are not from the same save; names file and cause.
    FileNotFoundError
        If there is no checkpoint at `path`, which may also be a run directory.
    """
    for attempt in range(10):
        folder = find_checkpoint(path)
        try:
            return _read_folder(folder)
        except FileNotFoundError as error:  # replaced by a newer one while it was read
            missing = error
            if attempt and folder == find_checkpoint(path):
                break
    raise ValueError(f"checkpoint: {missing.filename} is missing")


def _read_folder(folder: Path) -> Snapshot:
    index_path = folder / INDEX
    index = read_json(index_path)

    def refuse(cause: str) -> ValueError:
        return ValueError(f"checkpoint: {index_path}: {cause}")

    if not isinstance(index, dict) or not isinstance(index.get("format"), int):
        raise refuse("this is no checkpoint of Lepton")
    if index["format"] != FORMAT:
        raise refuse(f"format {index['format']} is not understood, expected {FORMAT}")
    if set(index) != {"format", "lepton", "files", "crc32", "state"}:
        raise refuse(f"expected format, lepton, files, crc32 and state, got {', '.join(index)}")
    if not isinstance(index["state"], dict) or zlib.crc32(_dump(index["state"])) != index["crc32"]:
        raise refuse("state: damaged (its checksum is another)")
    files = index["files"]
    if not isinstance(files, dict) or set(files) != {MODEL, STATE}:
        raise refuse(f"files: expected {MODEL} and {STATE}")
    for name, expected in files.items():
        got = _fingerprint(folder / name)
        if got != expected:
            raise ValueError(
                f"checkpoint: {folder / name}: damaged, or not from the same save as {INDEX} "
                f"(expected {_tell(expected)}, got {_tell(got)})"
            )
    tensors = read_arrays(folder / STATE)
    try:
        state = join_state(index["state"], tensors)
    except ValueError as error:
        raise refuse(f"state: {error}") from error
    return Snapshot(read_arrays(folder / MODEL), state)


def _dump(value: Any) -> bytes:
    try:
        return dump_json(value)
    except (TypeError, ValueError):  # parsed, but nothing that a checkpoint is written from
        return b""


def _tell(fingerprint: Any) -> str:
    if not isinstance(fingerprint, Mapping):
        return "nothing"
    return ", ".join(f"{key} {value}" for key, value in fingerprint.items())


class CheckpointFolder:
    """The ``checkpoints`` folder of a run: numbered checkpoints and the names that point to them.

    ``last`` and ``best`` are symbolic links that are switched in one step, so a reader always finds
    a whole checkpoint and a kill at any moment leaves one. Where the file system has no links,
    they are folders, replaced by renaming.

    Examples
    --------
    >>> import tempfile, numpy as np
    >>> from lepton.training.checkpoint import CheckpointFolder, Snapshot, read_checkpoint
    >>> folder = CheckpointFolder(tempfile.mkdtemp())
    >>> folder.save(Snapshot({"w": np.ones(2)}, {"epoch": 1}), step=10, names=["last", "best"])
    >>> read_checkpoint(folder.path("best")).state
    {'epoch': 1}
    """

    def __init__(self, root: str | os.PathLike[str]) -> None:
        self.root = Path(root)

    def path(self, name: str) -> Path:
        """Return the folder of a name; for ``last`` also if only numbered folders were copied."""
        path = self.root / name
        if name == "last" and not path.exists() and not _old(path).exists():
            numbered = [p for p in self._versions() if (p / INDEX).is_file()]
            return max(numbered, default=path, key=lambda p: p.stat().st_mtime_ns)
        return path

    def save(self, snapshot: Snapshot, step: int, names: list[str]) -> None:
        """Write a checkpoint, let `names` point to it, and remove those no name points to."""
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            self._clean()
            fresh = _write_folder(snapshot, self.root, f"step-{step:08d}")
            version = self._free_name(step)
            os.rename(fresh, version)
            sync(self.root)
            for name in names:
                self._point(name, version)
            sync(self.root)
        except OSError as error:
            raise cannot_write(self.root / names[0], error) from error
        self._clean()

    def _free_name(self, step: int) -> Path:
        path, count = self.root / f"step-{step:08d}", 1
        while path.exists():
            path, count = self.root / f"step-{step:08d}-{count}", count + 1
        return path

    def _point(self, name: str, version: Path) -> None:
        link = self.root / name
        temporary = self.root / f".{name}.tmp-{os.getpid()}-{os.urandom(4).hex()}"
        try:
            os.symlink(version.name, temporary, target_is_directory=True)
        except OSError as error:
            if error.errno == errno.ENOSPC:
                raise
            shutil.copytree(version, temporary)
            _swap(temporary, link)
            return
        if link.is_dir() and not link.is_symlink():  # a copy of the run made links into folders
            _swap(temporary, link)
        else:
            os.replace(temporary, link)

    def _versions(self) -> list[Path]:
        if not self.root.is_dir():
            return []
        return [p for p in self.root.iterdir() if p.name.startswith("step-") and p.is_dir()]

    def _clean(self) -> None:
        """Remove what no name points to: older checkpoints, and what a killed process left."""
        names = [p for p in self.root.iterdir() if not p.name.startswith((".", "step-"))]
        kept = {os.path.realpath(name) for name in names}
        if not kept and not any(_old(self.root / name).exists() for name in ("last", "best")):
            return
        for path in self.root.glob("step-*"):
            if os.path.realpath(path) not in kept:
                remove(path)
        _remove_stale(self.root, ".")
