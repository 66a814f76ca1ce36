# SPDX-License-Identifier: Apache-2.0
"""The folder of checkpoints: whole at any moment, for readers and after a kill while it writes."""

import os
import shutil
import threading
from pathlib import Path

import numpy as np
import pytest

from lepton.training import (
    CheckpointFolder,
    Snapshot,
    find_checkpoint,
    read_checkpoint,
    write_checkpoint,
)


def snapshot(number):
    values = np.full(1000, number, np.float32)
    return Snapshot({"w": values}, {"number": number, "more": values})


def check(found):
    number = found.state["number"]
    assert (found.weights["w"] == number).all()
    assert (found.state["more"] == number).all()
    return number


CALLS = ("rename", "replace", "symlink", "fsync", "unlink", "rmdir")


def save_and_die(save, after):
    """Run `save` in a child that dies at its n-th change of the disk; tell whether it died."""
    child = os.fork()
    if child == 0:
        left = [after]

        def dying(call):
            def wrapper(*args, **kwargs):
                if left[0] == 0:
                    os._exit(9)
                left[0] -= 1
                return call(*args, **kwargs)

            return wrapper

        for name in CALLS:
            setattr(os, name, dying(getattr(os, name)))
        save()
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
@pytest.mark.parametrize("kind", ["folder", "copied folder", "no links", "single"])
def test_a_kill_between_any_two_changes_of_the_disk_leaves_a_checkpoint(
    tmp_path, kind, monkeypatch
):
    folder = CheckpointFolder(tmp_path / "run" / "checkpoints")
    target = tmp_path / "state"
    if kind == "no links":
        monkeypatch.setattr(os, "symlink", refuse_links)

    def save(number):
        if kind == "single":
            write_checkpoint(snapshot(number), target)
        else:
            folder.save(snapshot(number), number, ["last", "best"])

    def read():
        return check(read_checkpoint(target if kind == "single" else tmp_path / "run"))

    save(0)
    if kind == "copied folder":  # as unpacked from an archive that knows no links
        shutil.copytree(folder.path("last"), tmp_path / "copy")
        shutil.rmtree(folder.root)
        shutil.copytree(tmp_path / "copy", folder.root / "last")
    current, died = 0, 0
    for number in range(1, 100):
        if not save_and_die(lambda number=number: save(number), after=died):
            assert read() == number
            break
        assert read() in (current, number)
        current = read()
        died += 1
    assert died > 5
    save(1000)
    assert read() == 1000
    names = {path.name for path in (tmp_path if kind == "single" else folder.root).iterdir()}
    assert not [name for name in names if "tmp" in name or "old" in name]


def refuse_links(*args, **kwargs):
    raise PermissionError(1, "Operation not permitted")


def test_a_reader_beside_a_writer_sees_only_whole_checkpoints(tmp_path):
    folder = CheckpointFolder(tmp_path / "run" / "checkpoints")
    folder.save(snapshot(0), 0, ["last"])
    stop = threading.Event()

    def write():
        number = 1
        while not stop.is_set():
            folder.save(snapshot(number), number, ["last"])
            number += 1

    writer = threading.Thread(target=write)
    writer.start()
    try:
        seen = [check(read_checkpoint(tmp_path / "run")) for _ in range(200)]
    finally:
        stop.set()
        writer.join()
    assert seen == sorted(seen)
    assert seen[-1] > seen[0]


def test_only_what_is_pointed_to_is_kept(tmp_path):
    folder = CheckpointFolder(tmp_path)
    folder.save(snapshot(1), 1, ["last", "best"])
    for number in (2, 3, 3):
        folder.save(snapshot(number), number, ["last"])
    assert check(read_checkpoint(folder.path("best"))) == 1
    assert check(read_checkpoint(folder.path("last"))) == 3
    assert len([path for path in tmp_path.iterdir() if not path.is_symlink()]) == 2
    assert find_checkpoint(folder.path("last")).name.startswith("step-00000003")
    assert isinstance(folder.path("last"), Path)
