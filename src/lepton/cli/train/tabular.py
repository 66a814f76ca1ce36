# SPDX-License-Identifier: Apache-2.0
"""Train a network on a table.

A CSV or Parquet file and the name of the column to predict are enough: types, classes or numbers,
missing values, categories and dates are found out and shown.

examples:
  lepton train tabular houses.csv --target price
  lepton train tabular people.parquet --target income --class-weight balanced
  lepton train tabular survey.csv --target income --weight people      a row stands for so many
  lepton train tabular sales.csv --target sold --time day --test-size 0.1    test on the last days
  lepton train tabular data.csv --target grade --task regression --drop id name
  lepton train tabular haus.csv --target preis --decimal , --encoding cp1252 --dates gebaut=%d.%m.%Y
  lepton train tabular --resume runs/houses               go on after Ctrl-C or a crash
"""

from __future__ import annotations

import argparse
import functools
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import lepton
from lepton._check import check_choice, check_int, check_number
from lepton.cli._importance import importance
from lepton.cli._notes import notes
from lepton.cli._output import print_confusion, print_json, print_table
from lepton.cli._problem import Problem
from lepton.cli._runs import add_option, add_run_options, open_run, say_how_to_go_on
from lepton.cli._table import TableFile, pick_columns
from lepton.cli._tabular import (
    MODEL_FILE,
    Table,
    class_names,
    load_model,
    make_model,
    measure,
    pictures,
    predictions,
)
from lepton.training import RunDirectory, TrainingInterrupted

if TYPE_CHECKING:
    from lepton.cli._tabular import Model

DEFAULTS: dict[str, Any] = {
    "data": None,
    "target": None,
    "task": "auto",
    "drop": [],
    "categories": [],
    "dates": [],
    "weight": None,
    "drop_missing_target": False,
    "sep": None,
    "decimal": None,
    "thousands": None,
    "encoding": None,
    "na_values": [],
    "test_size": 0.2,
    "time": None,
    "validation": 0.1,
    "class_weight": None,
    "hidden": [256, 256],
    "dropout": None,
    "epochs": None,
    "batch_size": None,
    "lr": None,
    "seed": 0,
    "checkpoint_every": 30.0,
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "data", nargs="?", default=argparse.SUPPRESS, help="the table: a CSV or Parquet file"
    )
    option = functools.partial(add_option, parser, DEFAULTS)
    option("target", "the column to predict")
    option("task", "classification or regression; auto looks at the target")
    option("drop", "columns to leave out", nargs="+", metavar="COLUMN")
    option("categories", "columns of numbers that are names", nargs="+", metavar="COLUMN")
    option(
        "dates",
        "columns of dates that are not like 2024-12-31; the format is guessed if not "
        "given, such as %%d.%%m.%%Y",
        nargs="+",
        metavar="COLUMN[=FORMAT]",
    )
    option("weight", "the column of the rows' weights, in training and test", metavar="COLUMN")
    option("test_size", "share of the rows to test on", type=float)
    option("drop_missing_target", "leave out rows without a target", action="store_true")
    option("time", "test on the last rows by this column, not on random ones", metavar="COLUMN")
    option("validation", "share of the training rows that chooses the best epoch", type=float)
    option("class_weight", "balanced: rare classes count as much as frequent ones")
    option("hidden", "widths of the hidden layers", type=int, nargs="+", metavar="N")
    option("dropout", "share of hidden values zeroed in training (default: 0.2)", type=float)
    option("epochs", "passes over the rows (default: by their number)", type=int)
    option("batch_size", "rows per step (default: by their number)", type=int)
    option("lr", "the highest learning rate (default: 0.001)", type=float)
    option("seed", "of the split, weights, order and dropout", type=int)
    option("checkpoint_every", "seconds between checkpoints inside an epoch", type=float)
    add_run_options(parser, "TABLE")
    option = functools.partial(
        add_option, parser.add_argument_group("text of a CSV file"), DEFAULTS
    )
    option("sep", "the mark between values (default: of , ; tab | the one that fits)")
    option("decimal", "the decimal mark (default: a comma if numbers look like 0,5)")
    option("thousands", "the mark between thousands", metavar="MARK")
    option("encoding", "such as cp1252 or utf-16 (default: utf-8)")
    option(
        "na_values",
        "what else stands for no value, besides NA, ?, - and the like",
        nargs="+",
        metavar="TEXT",
    )


def run(args: argparse.Namespace) -> None:
    directory, options = open_run(args, "tabular", DEFAULTS, check_options, _folder_name)
    say = sys.stderr if args.format == "json" else sys.stdout
    table = Table.read(options)
    model = train(directory, table, options, say)
    finish(directory, model, table, args.format)


def check_options(options: dict[str, Any]) -> None:
    """Raise an error for an option that no training could use; make the file's path whole."""
    owner = "train tabular"
    for name, shown in (("data", "DATA"), ("target", "--target")):
        if options[name] is None:
            raise ValueError(f"{owner}: the following arguments are required: {shown}")
    options["data"] = str(Path(options["data"]).resolve())
    for name, least in {"epochs": 1, "batch_size": 1, "seed": 0}.items():
        if options[name] is not None:
            check_int(owner, "--" + name.replace("_", "-"), options[name], least)
    for width in options["hidden"]:
        check_int(owner, "--hidden", width, 1)
    inside = {"open_minimum": True, "open_maximum": True}
    check_number(owner, "--test-size", options["test_size"], 0, 1, **inside)
    check_number(owner, "--validation", options["validation"], 0, 1, **inside)
    check_number(owner, "--checkpoint-every", options["checkpoint_every"], 0)
    if options["dropout"] is not None:
        check_number(owner, "--dropout", options["dropout"], 0, 1, open_maximum=True)
    if options["lr"] is not None:
        check_number(owner, "--lr", options["lr"], 0, open_minimum=True)
    check_choice(owner, "--task", options["task"], ["auto", "classification", "regression"])
    if options["class_weight"] is not None:
        check_choice(owner, "--class-weight", options["class_weight"], ["balanced"])


def _folder_name(options: dict[str, Any]) -> str:
    return Path(options["data"]).name.split(".")[0]


def train(directory: RunDirectory, table: Table, options: dict[str, Any], say: Any) -> Model:
    """Train into the run directory, or go on with what is in it."""
    from lepton.tabular import Schema

    problem = table.problem
    X, y, weight = table.part(table.train)
    model = make_model(problem.task, options)
    schema = Schema.learn(X, model.bins, sample_weight=weight, owner=options["data"])
    rows = {"train": len(table.train), "test": len(table.test), "columns": X.shape[1]}
    config = {
        "task": "tabular",
        "options": options,
        "problem": problem.task,
        "rows": rows,
        "schema": schema.kinds,
    }
    if directory.has_checkpoint() and directory.config.get("rows") != rows:
        raise ValueError(
            f"{options['data']}: the table is not that of the run: it has now {rows}, "
            f"had {directory.config.get('rows')}"
        )
    _introduce(directory, table, schema, say)
    model._run_options = {
        "run_dir": directory.path,
        "config": config,
        "checkpoint_every": float(options["checkpoint_every"]),
    }
    try:
        model.fit(X, y, sample_weight=weight)
    except TrainingInterrupted as stop:
        raise say_how_to_go_on("tabular", directory, stop) from None
    model.save(directory.path / MODEL_FILE)
    return model


def _introduce(directory: RunDirectory, table: Table, schema: Any, say: Any) -> None:
    problem, threads = table.problem, lepton.threads()
    if problem.task == "regression":
        what = f"numbers from {problem.target.min():.6g} to {problem.target.max():.6g}"
    else:
        classes = np.unique(problem.target)
        shown = ", ".join(map(str, classes[:5])) + (", ..." if len(classes) > 5 else "")
        what = f"{len(classes)} classes ({shown})"
    more = "" if problem.weight is None else ", with weights"
    more += f" ({table.dropped:,} without a target left out)" if table.dropped else ""
    print_table(schema.describe(), ["column", "kind", "missing", "values"], left=4, file=say)
    print(file=say)
    for name, value in {
        "target": f"{problem.name}: {what}",
        "rows": f"{len(table.train):,} to train and {len(table.test):,} to test on{more}",
        "threads": f"{threads['threads']} ({threads['why']}), {lepton.isa()}",
        "run": directory.path,
    }.items():
        print(f"{name:<8} {value}", file=say)
    for name in table.counters:
        print(f"note     {name}: left out, as it counts the rows", file=say)
    for name, text in notes(problem.features).items():
        print(f"note     {name}: {text}", file=say)
    say.flush()


def finish(directory: RunDirectory, model: Model, table: Table, form: str) -> None:
    """Test the best weights, write results and pictures, and print them."""
    X, y, weight = table.part(table.test)
    result = measure(model, X, y, weight)
    directory.update_metrics(test=result)
    if form != "json":
        show(model, result)
    result["importance"] = importance(model, X, y, weight, sys.stderr)
    directory.update_metrics(test=result)
    try:
        pictures(directory, model, X, y, result["importance"])
    except ImportError:
        print("no pictures: pip install matplotlib", file=sys.stderr)
    if form == "json":
        rows = model.history_.rows
        print_json({"run": str(directory.path), "history": rows, "test": result})
        return
    show_importance(model, result["importance"])
    print(f"\nrun directory: {directory.path}")
    print(_last_line(result))


def show(model: Model, result: dict[str, Any]) -> None:
    """Print the results on the test rows."""
    print()
    rows = [
        [
            name.replace("_", " "),
            f"{found['value']:.4f}",
            f"{found['low']:.4f} to {found['high']:.4f}",
        ]
        for name, found in result["measures"].items()
    ]
    print_table(rows, ["measure", "test", "95 % interval"])
    if "confusion_matrix" in result:
        print()
        print_confusion(np.array(result["confusion_matrix"]), class_names(model))


def show_importance(model: Model, ranking: list[dict[str, Any]]) -> None:
    """Print the most important columns."""
    print()
    unit = "log loss" if hasattr(model, "classes_") else "R2"
    rows = [
        [entry["column"], f"{entry['mean']:.4f}", f"{entry['std']:.4f}"] for entry in ranking[:15]
    ]
    print_table(rows, ["column", f"importance ({unit})", "deviation"])


def _last_line(result: dict[str, Any]) -> str:
    name, found = next(iter(result["measures"].items()))
    return f"test_{name}={found['value']:.4f}"


def evaluate(directory: RunDirectory, args: argparse.Namespace) -> None:
    """Serve ``lepton evaluate`` for runs of this command."""
    model = load_model(directory, args.checkpoint)
    options = directory.config["options"]
    if args.data is None:
        table = Table.read(options)
        X, y, weight = table.part(table.test)
    else:
        file = TableFile(args.data, options)
        problem = Problem.of(
            file,
            file.read(model.schema_),
            options["target"],
            "classification" if hasattr(model, "classes_") else "regression",
            weight=options["weight"],
            drop_missing=options["drop_missing_target"],
        )
        X = pick_columns(file, problem.features, list(model.schema_.kinds))
        y, weight = problem.target, problem.weight
    result = measure(model, X, y, weight)
    name = args.data or options["data"]
    if args.format == "json":
        print_json({"run": str(directory.path), "data": name, **result})
        return
    show(model, result)
    print(f"\n{len(y):,} test rows of {name}")
    print(_last_line(result))


def predict(directory: RunDirectory, args: argparse.Namespace) -> None:
    """Serve ``lepton predict`` for runs of this command."""
    model = load_model(directory, args.checkpoint)
    if args.invert or args.top != 1:
        raise ValueError("--invert and --top are for pictures, and this run is on a table")
    options = directory.config["options"]
    found = [(path, predictions(model, TableFile(path, options))) for path in args.inputs]
    if args.format == "json":
        rows = [{"file": path, "rows": frame.to_dict("records")} for path, frame in found]
        print_json({"run": str(directory.path), "predictions": rows})
        return
    import pandas

    if len(found) > 1:
        found = [(path, frame.assign(file=path)) for path, frame in found]
    whole = pandas.concat([frame for _, frame in found])
    if args.output is None:
        whole.to_csv(sys.stdout, index=False)
        return
    with lepton.saving.atomic_write(args.output) as temporary:
        whole.to_csv(temporary, index=False)
    print(f"{len(whole):,} predictions written to {args.output}")
