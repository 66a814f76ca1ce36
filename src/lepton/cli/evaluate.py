# SPDX-License-Identifier: Apache-2.0
"""Measure a trained model on test data.

examples:
  lepton evaluate runs/digits
  lepton evaluate runs/digits --checkpoint last
  lepton evaluate runs/animals --data more-animals/      a folder with the same class folders
  lepton evaluate runs/houses --data more-houses.csv     a table with the columns of the run
  lepton evaluate runs/digits --format json
"""

from __future__ import annotations

import argparse

from lepton.cli._tasks import add_run_arguments, task_of
from lepton.training import RunDirectory


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_run_arguments(parser)
    parser.add_argument(
        "--data", help="other data than that of the run: a name, or the path of a folder or table"
    )


def run(args: argparse.Namespace) -> None:
    directory = RunDirectory(args.run_dir)
    task_of(directory).evaluate(directory, args)
