# SPDX-License-Identifier: Apache-2.0
"""From a run directory to the command that made it: each ``train`` command serves its own runs."""

from __future__ import annotations

import argparse
import importlib
from types import ModuleType

import lepton.cli.train
from lepton.cli import command_names
from lepton.cli._output import add_format
from lepton.training import RunDirectory

__all__ = ["add_run_arguments", "task_of"]


def add_run_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what every command on a finished run takes."""
    parser.add_argument("run_dir", metavar="RUN", help="the run directory that training left")
    parser.add_argument(
        "--checkpoint",
        choices=["best", "last"],
        default="best",
        help="which weights to use (default: best)",
    )
    add_format(parser)


def task_of(run: RunDirectory) -> ModuleType:
    """Return the module of the ``train`` command that made a run.

    Raises
    ------
    ValueError
        If there is no such command.
    """
    task = run.config.get("task")
    known = command_names(lepton.cli.train)
    if task not in known:
        raise ValueError(
            f"{run.path / 'config.json'}: task expects one of {', '.join(known)}, got {task!r}"
        )
    return importlib.import_module(f"lepton.cli.train.{task}")
