# SPDX-License-Identifier: Apache-2.0
"""How commands print: tables with rich if it is there, plain text if not, JSON if asked."""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TextIO

import numpy as np
from numpy.typing import NDArray

__all__ = ["add_format", "print_confusion", "print_json", "print_table"]

_WIDEST_MATRIX = 20
_LONGEST_WORD = 20  # longer cells are wrapped where a terminal is too narrow


def add_format(parser: argparse.ArgumentParser) -> None:
    """Add the option ``--format``."""
    parser.add_argument(
        "--format",
        choices=["text", "json"],
        default="text",
        help="text for people, json for programs (default: text)",
    )


def print_json(value: Any) -> None:
    """Print a value as one JSON document; numbers that are not finite become null."""
    print(json.dumps(_plain(value), indent=2, ensure_ascii=False))


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, np.ndarray)):
        return [_plain(item) for item in value]
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value


def print_table(
    rows: Iterable[Sequence[str]],
    headers: Sequence[str],
    title: str = "",
    left: int = 1,
    style: Callable[[int, int], str] = lambda row, column: "",
    file: TextIO | None = None,
) -> None:
    """Print rows of text; the first `left` columns are aligned to the left, the rest right.

    On a terminal `style` gives each cell its colour, as rich names it. Without `file` that is
    standard output.
    """
    file = sys.stdout if file is None else file
    lines = [list(map(str, row)) for row in rows]
    widths = [max(map(len, column)) for column in zip(headers, *lines, strict=True)]
    table = _rich_table(headers, widths, title, left, file)
    if table is not None:
        from rich.console import Console
        from rich.text import Text

        for row, line in enumerate(lines):
            table.add_row(*(Text(cell, style(row, column)) for column, cell in enumerate(line)))
        Console(file=file).print(table)
        return
    if title:
        print(title, file=file)
    head = [list(headers), ["-" * width for width in widths]] if any(headers) else []
    for line in [*head, *lines]:
        cells = (
            cell.ljust(width) if place < left else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(line, widths, strict=True))
        )
        print("  ".join(cells).rstrip(), file=file)


def _rich_table(
    headers: Sequence[str], widths: Sequence[int], title: str, left: int, file: TextIO
) -> Any:
    if not file.isatty():
        return None
    try:
        from rich import box
        from rich.table import Table
        from rich.text import Text
    except ImportError:
        return None
    shape = box.SIMPLE_HEAD if any(headers) else None
    table = Table(
        box=shape,
        show_header=any(headers),
        title=title or None,
        title_justify="left",
        pad_edge=False,
        show_edge=False,
    )
    for place, (header, width) in enumerate(zip(headers, widths, strict=True)):
        justify: Any = "left" if place < left else "right"
        table.add_column(Text(header), justify=justify, no_wrap=width <= _LONGEST_WORD)
    return table


def print_confusion(matrix: NDArray[Any], classes: Sequence[str]) -> None:
    """Print a confusion matrix; of more than 20 classes only the most frequent mistakes."""
    if len(classes) > _WIDEST_MATRIX:
        _print_mistakes(matrix, classes)
        return
    numbered = max(map(len, classes)) > (6 if len(classes) > 5 else 12)
    heads = [str(i) if numbered else name for i, name in enumerate(classes)]
    names = [f"{i} {name}" if numbered else name for i, name in enumerate(classes)]
    rows = [
        [name, *(str(n) if n or i == j else "." for j, n in enumerate(row)), _percent(row, i)]
        for i, (name, row) in enumerate(zip(names, matrix.tolist(), strict=True))
    ]

    def style(row: int, column: int) -> str:
        if not 1 <= column <= len(classes):
            return ""
        right, empty = row == column - 1, rows[row][column] == "."
        return "bold green" if right else "dim" if empty else "bold red"

    print_table(rows, ["true \\ predicted", *heads, "right"], "confusion matrix", style=style)


def _percent(row: Sequence[int], place: int) -> str:
    return f"{100 * row[place] / sum(row):.1f} %" if sum(row) else "-"


def _print_mistakes(matrix: NDArray[Any], classes: Sequence[str], count: int = 15) -> None:
    wrong = matrix - np.diag(np.diag(matrix))
    order = np.argsort(-wrong, axis=None, kind="stable")[:count]
    pairs = [divmod(int(flat), len(classes)) for flat in order]
    rows = [
        [classes[true], classes[guess], str(wrong[true, guess])]
        for true, guess in pairs
        if wrong[true, guess]
    ]
    print_table(rows, ["true", "predicted", "times"], "most frequent mistakes", left=2)
