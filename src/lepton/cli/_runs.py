# SPDX-License-Identifier: Apache-2.0
"""What the ``train`` commands share: options, new runs, and runs to go on with."""

from __future__ import annotations

import argparse
import os
import shlex
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from lepton.cli._output import add_format
from lepton.training import RunDirectory, TrainingInterrupted

__all__ = ["add_option", "add_run_options", "open_run", "say_how_to_go_on"]

Options = dict[str, Any]


def add_option(
    parser: argparse._ActionsContainer,
    defaults: Mapping[str, Any],
    name: str,
    text: str,
    **more: Any,
) -> None:
    """Add ``--name``, whose default is in `defaults`; what is not given is not in the result."""
    default = defaults[name]
    words = " ".join(map(str, default)) if isinstance(default, list) else default
    shown = "" if words in (None, "", False) else f" (default: {words})"
    flag = "--" + name.replace("_", "-")
    parser.add_argument(flag, default=argparse.SUPPRESS, help=text + shown, **more)


def add_run_options(parser: argparse.ArgumentParser, name: str) -> None:
    """Add ``--output``, ``--resume`` and ``--format``; the folder of a run is ``runs/name``."""
    parser.add_argument("--output", help=f"the run directory (default: runs/{name})")
    parser.add_argument("--resume", metavar="RUN", help="go on with an interrupted run")
    add_format(parser)


def open_run(
    args: argparse.Namespace,
    task: str,
    defaults: Options,
    check: Callable[[Options], None],
    name_of: Callable[[Options], str],
) -> tuple[RunDirectory, Options]:
    """Return the directory and the options of a new run, or of the one that ``--resume`` names.

    Parameters
    ----------
    args : Namespace
        What was given.
    task : str
        The command, ``lepton train <task>``.
    defaults : dict
        All its options.
    check : callable
        Raises an error for options that no training could use.
    name_of : callable
        Names the folder of a new run.

    Raises
    ------
    ValueError
        If ``--resume`` comes with other options or names no run of this command, or if a new run
        would write over another.
    """
    given = {name: value for name, value in vars(args).items() if name in defaults}
    if args.resume is not None:
        if given or args.output is not None:
            extra = ", ".join("--" + n.replace("_", "-") for n in given) or "--output"
            raise ValueError(f"--resume takes all options from the run: leave out {extra}")
        directory = RunDirectory(args.resume)
        config = directory.config
        options = config.get("options")
        if (
            config.get("task") != task
            or not isinstance(options, dict)
            or set(options) != set(defaults)
        ):
            path = directory.path / "config.json"
            raise ValueError(f"{path}: this is no run of lepton train {task}")
        check(options)
        return directory, options
    options = {**defaults, **given}
    check(options)
    directory = RunDirectory(args.output or free_folder(name_of(options)))
    _check_folder(directory.path)
    if directory.has_checkpoint():
        raise ValueError(
            f"{directory.path} already holds a run: go on with --resume {directory.path}, "
            "or choose another --output"
        )
    return directory, options


def _check_folder(path: Path) -> None:
    """Refuse a folder that cannot be written to, before any work is done."""
    there = next(parent for parent in (path, *path.absolute().parents) if parent.exists())
    if not there.is_dir():
        raise ValueError(f"--output expects a folder for the run, and {there} is a file")
    if not os.access(there, os.W_OK | os.X_OK):
        raise ValueError(f"--output expects a folder that can be written to, got {path}")


def free_folder(name: str) -> Path:
    """Return ``runs/NAME``, or the first of ``runs/NAME-2``, ``-3`` ... that is not there yet."""
    folder, count = Path("runs") / name, 1
    while folder.exists():
        count += 1
        folder = Path("runs") / f"{name}-{count}"
    return folder


def say_how_to_go_on(
    task: str, directory: RunDirectory, stop: TrainingInterrupted
) -> TrainingInterrupted:
    """Return the interrupt with the command that goes on."""
    folder = shlex.quote(str(directory.path))
    hint = f"stopped; go on with: lepton train {task} --resume {folder}"
    return TrainingInterrupted(hint, stop.checkpoint)
