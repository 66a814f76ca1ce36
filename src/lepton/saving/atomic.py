# SPDX-License-Identifier: Apache-2.0
"""Files that are replaced whole or not at all."""

from __future__ import annotations

import errno
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

__all__ = ["atomic_write"]


@contextmanager
def atomic_write(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a temporary name beside `path`; on success flush it and rename it to `path`.

    Raises
    ------
    OSError
        With one sentence, when the disk is full or the folder cannot be written. The temporary is
        removed and what was at `path` before is untouched.
    """
    target = Path(os.path.realpath(path))
    temporary = target.with_name(f".{target.name}.tmp-{os.getpid()}-{os.urandom(4).hex()}")
    try:
        yield temporary
        sync(temporary)
        os.replace(temporary, target)
        sync(target.parent)
    except OSError as error:
        raise cannot_write(path, error) from error
    finally:
        with suppress(OSError):
            temporary.unlink()


def sync(path: str | os.PathLike[str]) -> None:
    """Wait until a file's content, or a folder's list of names, is on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # some file systems sync no folders
            raise
    finally:
        os.close(descriptor)


def cannot_write(path: str | os.PathLike[str], error: OSError) -> OSError:
    cause = error.strerror or str(error)
    before = "; what was there is unchanged" if os.path.lexists(path) else ""
    sentence = type(error)(f"cannot write {os.fspath(path)}: {cause}{before}")
    sentence.errno = error.errno
    return sentence


def remove_leftovers(folder: Path, start: str = ".") -> None:
    """Remove the temporaries in `folder` that killed processes left, by how their names begin."""
    for path in folder.glob(f"{start}*"):
        if _left_by_dead(path.name):
            remove(path)


def remove(path: Path) -> None:
    """Remove a file, a link or a whole folder, as far as that is possible."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _left_by_dead(name: str) -> bool:
    match = re.search(r"\.tmp-(\d+)-[0-9a-f]+$", name)
    if match is None:
        return False
    process = int(match[1])
    if process == os.getpid():  # an earlier one of this number: our own are gone by now
        return True
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return True
    except (OSError, OverflowError):
        return False
    return False
