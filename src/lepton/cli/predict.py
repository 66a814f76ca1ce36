# SPDX-License-Identifier: Apache-2.0
"""Say what a trained model sees in new inputs: pictures, or the rows of a table.

examples:
  lepton predict runs/digits five.png
  lepton predict runs/digits scans/*.png --top 3
  lepton predict runs/digits photo.jpg --invert          dark writing on white paper
  lepton predict runs/digits five.png --format json
  lepton predict runs/houses new.csv                     a prediction for each row, as CSV
  lepton predict runs/houses new.csv --output prices.csv
"""

from __future__ import annotations

import argparse

from lepton._check import check_int
from lepton.cli._tasks import add_run_arguments, task_of
from lepton.training import RunDirectory


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_run_arguments(parser)
    parser.add_argument("inputs", metavar="INPUT", nargs="+", help="the files to look at")
    parser.add_argument(
        "--top", type=int, default=1, help="for pictures: show so many classes (default: 1)"
    )
    parser.add_argument(
        "--invert", action="store_true", help="for pictures: swap light and dark first"
    )
    parser.add_argument(
        "--output", metavar="FILE", help="for tables: write the predictions into this CSV file"
    )


def run(args: argparse.Namespace) -> None:
    check_int("predict", "--top", args.top, 1)
    directory = RunDirectory(args.run_dir)
    task_of(directory).predict(directory, args)
