"""The bench's command: which cases, on which sides and threads, and what is written.

Each side runs in a process of its own that waits, asleep, until it is told to time for a while.
For every case all sides build their work, their outputs are compared, and then the sides take turns
over several rounds, so that a machine that becomes faster or slower does so for all. What is
reported are medians; a ratio is the median over the rounds of (peer's time / Lepton's time).
"""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import argparse
import json
import os
import re
import statistics
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from bench import case as cases
from bench import ceilings, report, sides
from bench.process import Absent, Failed, Process

HERE = Path(__file__).resolve().parent
Row = dict[str, Any]


def compare(case: cases.Case, outputs: dict[str, list[np.ndarray]], row: Row) -> None:
    """Note each side whose outputs differ from those of the first peer."""
    given = {side: found for side, found in outputs.items() if found}
    peers = [side for side in given if not side.startswith("lepton")]
    for side, found in given.items() if peers else ():
        for i, (got, wanted) in enumerate(zip(found, outputs[peers[0]], strict=True)):
            error = "another shape"
            if got.shape == wanted.shape:
                scale = max(float(np.abs(wanted[1:]).max(initial=0)), 1e-30)
                off = float(np.abs(got - wanted).max(initial=0)) / scale
                if off <= case.tolerance:
                    continue
                error = f"off by {off:.1e} of the largest value, {case.tolerance:.1e} allowed"
            row["notes"][side] = f"WRONG: output {i} against {peers[0]}: {error}"


class Bench:
    """The processes of one run, and what has been measured."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.processes: dict[tuple[str, int], Process] = {}
        self.missing: dict[str, str] = {}
        self.versions: dict[str, str] = {}
        self.rows: list[Row] = []

    def process(self, side: str, threads: int, fresh: bool = False) -> Process:
        """The side's process; raises Absent where the side is not installed."""
        if side in self.missing:
            raise Absent(self.missing[side])
        found = self.processes.get((side, threads))
        if found is None or not found.alive or fresh:
            if found is not None:
                found.close()
            python = self.options.keras if side.startswith("keras-") else sys.executable
            found = self.processes[side, threads] = Process(
                side, threads, self.options.quick, python
            )
            try:
                self.versions.update(found.ask("versions"))
            except (Absent, Failed) as error:
                if side.startswith("lepton"):
                    raise SystemExit(f"Lepton does not start: {error}") from None
                self.missing[side] = str(error).strip().splitlines()[-1]
                raise Absent(self.missing[side]) from None
        return found

    def sides_of(self, case: cases.Case) -> list[str]:
        """Lepton first, then the peers that the case and the options name."""
        lepton = ["lepton", *(f"lepton@{isa}" for isa in self.options.isa)]
        known = [*lepton, *(s for s in sides.FAMILIES if s != "lepton")]
        wanted = self.options.sides
        return [
            s
            for s in known
            if sides.builder(case.sides, s)
            and (not wanted or s.startswith("lepton") or s in wanted)
        ]

    def run_case(self, question: str, case: cases.Case, threads: int) -> Row:
        """Build, compare and time one case."""
        row: Row = {
            "question": question,
            "case": case.name,
            "threads": threads,
            "unit": case.unit,
            "targets": dict(case.targets),
            "judged": threads == case.judged and not self.options.quick,
            "sides": {},
            "notes": {},
        }
        outputs: dict[str, list[np.ndarray]] = {}
        for side in self.sides_of(case):
            try:
                process = self.process(side, threads, case.fresh)
                outputs[side] = process.ask("prepare", question, case.name)
                process.rest()
            except Absent as error:
                known = side in self.missing
                row["notes"][side] = f"{'not installed' if known else 'not built'}: {error}"
            except Failed as error:
                row["notes"][side] = f"failed: {str(error).strip()}"
        compare(case, outputs, row)
        ready = [side for side in outputs if side not in row["notes"]]
        if any(side.startswith("lepton") for side in ready):
            self.take_turns(case, threads, ready, row)
        for side in ready:
            if self.processes[side, threads].alive:
                self.processes[side, threads].ask("drop")
        return row

    def take_turns(self, case: cases.Case, threads: int, ready: list[str], row: Row) -> None:
        """Time the sides in turn; fill in medians, ratios and the part of the ceiling."""
        rounds = case.rounds or self.options.rounds
        times: dict[str, list[float]] = {side: [] for side in ready}
        all_times: dict[str, list[float]] = {side: [] for side in ready}
        tops: dict[str, list[float]] = {}
        done = 0
        while done < rounds:
            for side in ready:
                process = self.processes[side, threads]
                try:
                    found = process.ask("time", self.options.seconds)
                    process.rest()
                except (Absent, Failed) as error:
                    row["notes"][side] = f"failed: {str(error).strip()}"
                    ready = [s for s in ready if s != side]
                    continue
                times[side].append(statistics.median(found))
                all_times[side] += found
                if case.ceiling is not None and side.startswith("lepton"):
                    tops.setdefault(side, []).append(self.top(case.ceiling.kind, process, threads))
            done += 1
            if done == 1 and sum(t[0] for t in times.values() if t) > 1.0:
                rounds = min(rounds, 3)  # long steps vary less
        for side in ready:
            low, high = np.percentile(all_times[side], [25, 75])
            middle = statistics.median(all_times[side])
            row["sides"][side] = {
                "value": middle,
                "spread": float(high - low) / middle if middle else 0.0,
                "calls": len(all_times[side]),
            }
        for side, own in times.items():
            if not side.startswith("lepton") or side not in row["sides"]:
                continue
            entry = row["sides"][side]
            entry["ratios"] = {
                peer: statistics.median(b / a for a, b in zip(own, times[peer], strict=True) if a)
                for peer in ready
                if not peer.startswith("lepton") and len(times[peer]) == len(own) and all(own)
            }
            if case.ceiling is not None:
                limits = [case.ceiling.amount / top for top in tops[side]]
                entry["ceiling"] = statistics.median(
                    limit / t for limit, t in zip(limits, own, strict=True)
                )
                entry["top"] = statistics.median(tops[side])
                entry["ceiling_kind"] = case.ceiling.kind

    def top(self, kind: str, process: Process, threads: int) -> float:
        if kind == "fma":
            found: float = process.ask("peak", 0.01)
            process.rest()
            return found
        return ceilings.bandwidth(kind, threads)

    def close(self) -> None:
        for process in self.processes.values():
            process.close()


def parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__.split("\n\n")[0])
    parser.add_argument(
        "questions", nargs="*", metavar="QUESTION", help=", ".join(cases.questions())
    )
    parser.add_argument("--only", metavar="PATTERN", help="cases whose name has this in it (regex)")
    parser.add_argument("--threads", type=int, nargs="+", help="default: 1 and 2")
    parser.add_argument("--sides", nargs="+", choices=list(sides.FAMILIES), help="default: all")
    parser.add_argument(
        "--isa", nargs="+", default=[], help="Lepton with these instead of the best, too"
    )
    parser.add_argument(
        "--quick", action="store_true", help="small shapes, few rounds: does it run?"
    )
    parser.add_argument("--rounds", type=int, help="turns of each side (5; quick: 2)")
    parser.add_argument("--seconds", type=float, help="length of a turn (0.06; quick: 0.01)")
    parser.add_argument("--list", action="store_true", help="name the cases and stop")
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    parser.add_argument("--markdown", type=Path, help="write the tables to this file")
    parser.add_argument(
        "--keras", default=sys.executable, help="Python that has Keras and backends"
    )
    options = parser.parse_args(arguments)
    if wrong := set(options.questions) - set(cases.questions()):
        parser.error(f"no question {', '.join(sorted(wrong))}; there are {cases.questions()}")
    options.rounds = options.rounds or (2 if options.quick else 5)
    options.seconds = options.seconds or (0.01 if options.quick else 0.06)
    cores = len(os.sched_getaffinity(0))
    options.threads = options.threads or [n for n in (2, 1) if n <= cores]
    if not (options.questions or options.only or options.quick or options.sides or options.list):
        # The whole run is the one that is kept.
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
    try:
        for threads in options.threads:
            for question, case in chosen:
                if case.threads and threads not in case.threads:
                    continue
                row = bench.run_case(question, case, threads)
                bench.rows.append(row)
                print(report.line(row), flush=True)
    finally:
        bench.close()
    document = {
        **report.machine(),
        "versions": bench.versions,
        "missing": bench.missing,
        "threads": options.threads,
        "seconds": round(time.perf_counter() - began, 1),
        "rows": bench.rows,
    }
    if options.json:
        options.json.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    if options.markdown:
        options.markdown.write_text(report.markdown(document), encoding="utf-8")
    wrong = [
        f"{r['case']}: {s}: {n}" for r in bench.rows for s, n in r["notes"].items() if "WRONG" in n
    ]
    print("\n".join([*wrong, f"{document['seconds']} s"]))
    return 1 if wrong else 0
