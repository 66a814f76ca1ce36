"""Measure Lepton beside its peers: everything, or the questions that are named."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import argparse
import os
import re
import sys
import time
from pathlib import Path

from bench import case as cases
from bench import report, sides
from bench.measure import Bench, Row

HERE = Path(__file__).resolve().parent


def parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument(
        "questions", nargs="*", metavar="QUESTION", help=", ".join(cases.questions())
    )
    parser.add_argument("--only", metavar="PATTERN", help="cases whose name has this in it (regex)")
    parser.add_argument("--threads", type=int, nargs="+", help="default: 1 and 2")
    every = [side for side in sides.FAMILIES if side != "lepton"]
    parser.add_argument(
        "--sides", nargs="+", choices=every, default=every, metavar="SIDE", help=", ".join(every)
    )
    parser.add_argument(
        "--isa", nargs="*", help="Lepton with these, too (default: avx2 where the best is better)"
    )
    parser.add_argument(
        "--quick", action="store_true", help="small shapes, few rounds: does it run?"
    )
    parser.add_argument("--rounds", type=int, help="most turns of each side (5; quick: 2)")
    parser.add_argument("--seconds", type=float, help="length of a turn (0.05; quick: 0.01)")
    parser.add_argument("--list", action="store_true", help="name the cases and stop")
    parser.add_argument(
        "--update",
        action="store_true",
        help="put these rows into the kept results, in place of those of the same cases",
    )
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    parser.add_argument("--markdown", type=Path, help="write the tables to this file")
    parser.add_argument(
        "--keras", default=sys.executable, help="Python that has Keras and backends"
    )
    options = parser.parse_args(arguments)
    if wrong := set(options.questions) - set(cases.questions()):
        parser.error(f"no question {', '.join(sorted(wrong))}; there are {cases.questions()}")
    options.rounds = options.rounds or (2 if options.quick else 5)
    options.seconds = options.seconds or (0.01 if options.quick else 0.05)
    cores = len(os.sched_getaffinity(0))
    options.threads = options.threads or [n for n in (2, 1) if n <= cores]
    part = options.questions or options.only or options.quick or options.sides != every
    if options.update or not (part or options.list):
        # The whole run is the one that is kept, with parts that were measured again.
        options.markdown = options.markdown or HERE / "RESULTS.md"
        options.json = options.json or HERE / "results.json"
    return options


def selected(options: argparse.Namespace) -> list[tuple[str, cases.Case]]:
    pattern = re.compile(options.only or "")
    return [
        (question, case)
        for question in options.questions or cases.questions()
        for case in cases.load(question, options.quick)
        if pattern.search(case.name)
    ]


def main(arguments: list[str] | None = None) -> int:
    """Run the bench; the result is 1 if some side computed something wrong."""
    options = parse(arguments)
    chosen = selected(options)
    if options.list:
        print("\n".join(f"{question:14} {case.name}" for question, case in chosen))
        return 0
    began = time.perf_counter()
    bench = Bench(options)
    rows: list[Row] = []
    try:
        if options.isa is None:
            options.isa = bench.other_isas()
        for threads in options.threads:
            for question, case in chosen:
                if case.threads is None or threads in case.threads:
                    rows.append(bench.run_case(question, case, threads))
                    print(report.line(rows[-1]), flush=True)
    finally:
        bench.close()
    document = {
        **report.machine(),
        "versions": bench.versions,
        "missing": bench.missing,
        "threads": options.threads,
        "seconds": round(time.perf_counter() - began, 1),
        "rows": rows,
    }
    if options.update:
        document = report.updated(options.json, document)
    if options.json:
        options.json.write_text(report.as_json(document), encoding="utf-8")
    if options.markdown:
        options.markdown.write_text(report.markdown(document), encoding="utf-8")
    wrong = [f"{r['case']}: {s}: {n}" for r in rows for s, n in r["notes"].items() if "WRONG" in n]
    print("\n".join([*wrong, f"{document['seconds']} s"]))
    return 1 if wrong else 0
