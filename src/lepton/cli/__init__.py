# SPDX-License-Identifier: Apache-2.0
"""The command line ``lepton``: train, evaluate, predict, info.

Each module in this package whose name has no leading underscore is a command, and each package a
group of them. A command's docstring is its help; ``add_arguments(parser)`` and ``run(args)`` do the
rest, so a new command is one new file.
"""

from __future__ import annotations

import argparse
import importlib
import os
import pkgutil
import sys
import traceback
from collections.abc import Sequence
from types import ModuleType
from typing import Any, NoReturn

import lepton
from lepton.training.interrupt import TrainingInterrupted

__all__ = ["main"]

# What a user can cause; anything else that is raised is a fault of Lepton.
_USER_ERRORS = (ValueError, TypeError, IndexError, OSError, ImportError, MemoryError)


class _Parser(argparse.ArgumentParser):
    """Prints a wrong option as one line."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"lepton: error: {message} (see {self.prog} --help)\n")


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of all commands found in this package."""
    parser = _Parser(
        prog="lepton",
        description="Deep learning on the CPU you already have.",
        epilog=(
            "examples:\n"
            "  lepton train image                          a CNN on handwritten digits\n"
            "  lepton train tabular houses.csv --target price   a network on a table\n"
            "  lepton evaluate runs/digits                 how good it is\n"
            "  lepton predict runs/digits five.png         what a picture shows\n"
            "  lepton info                                 CPU, threads, versions\n"
            "\nlepton COMMAND --help has more examples."
        ),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"lepton {lepton.__version__}")
    parser.set_defaults(debug=False)
    _add_commands(parser, sys.modules[__name__])
    return parser


def _add_commands(parser: argparse.ArgumentParser, package: ModuleType) -> None:
    group = parser.add_subparsers(metavar="COMMAND", required=True, parser_class=_Parser)
    for name in command_names(package):
        module = importlib.import_module(f"{package.__name__}.{name}")
        summary, _, rest = (module.__doc__ or "").strip().partition("\n")
        command = group.add_parser(
            name.replace("_", "-"),
            help=summary[0].lower() + summary[1:].rstrip("."),
            description=summary,
            epilog=rest.strip(),
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        if hasattr(module, "__path__"):
            _add_commands(command, module)
            continue
        module.add_arguments(command)
        command.add_argument("--debug", action="store_true", help="show the traceback of an error")
        command.set_defaults(run=module.run)


def command_names(package: ModuleType) -> list[str]:
    """Return the names of the commands in a package: its public modules."""
    found = pkgutil.iter_modules(package.__path__)
    return sorted(module.name for module in found if not module.name.startswith("_"))


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command line and return its exit code.

    0 is success, 1 a fault of Lepton, 2 an error of the user, 130 Ctrl-C.

    Examples
    --------
    >>> from lepton.cli import main
    >>> main(["evaluate", "no/such/run"])
    2
    """
    try:
        args = build_parser().parse_args(argv)
    except SystemExit as stop:  # --help, --version, or an error that is already printed
        return int(stop.code or 0)
    except KeyboardInterrupt:  # while modules load
        return _aborted()
    try:
        return int(args.run(args) or 0)
    except TrainingInterrupted as stop:
        print(f"\n{stop}", file=sys.stderr)
        return 130
    except KeyboardInterrupt:
        return _aborted()
    except BrokenPipeError:  # the reader of our output has gone, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except Exception as error:
        return _report(error, args)


def _aborted() -> int:
    print("\nlepton: aborted", file=sys.stderr)
    return 130


def _report(error: Exception, args: Any) -> int:
    if args.debug:
        traceback.print_exc()
    fault = not isinstance(error, _USER_ERRORS)
    message = " ".join((str(error) or type(error).__name__).split())
    if fault:
        hint = "" if args.debug else "; --debug shows where"
        message = f"this is a fault of Lepton: {type(error).__name__}: {message}{hint}"
    print(f"lepton: error: {message}", file=sys.stderr)
    return 1 if fault else 2
