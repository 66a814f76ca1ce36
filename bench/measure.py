"""The protocol: prepare a case on all sides, compare their outputs, let them take turns.

Each side runs in a process of its own that waits, asleep, until it is told to time for a while; the
sides take turns over several rounds, so that a machine that becomes faster or slower does so for
all. What is reported are medians; a ratio is the median over the rounds of (peer's time / Lepton's
time).
"""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import argparse
import re
import statistics
import sys
from typing import Any

import numpy as np

from bench import ceilings, sides
from bench.case import Case
from bench.process import Absent, Failed, Process

Row = dict[str, Any]
Turns = dict[str, list[list[float]]]
"""Of each side, the times of its calls, turn by turn."""

# Rounds end after so many once every ratio changes by no more than this between them.
LEAST_ROUNDS = 3
STEADY = 0.05


def is_lepton(side: str) -> bool:
    return side.startswith("lepton")


def told(error: Exception) -> str:
    """The last line of what a side's process said, without this machine's folders."""
    text = str(error).strip()
    if isinstance(error, Failed):
        print(text, file=sys.stderr)
    return re.sub(r"(/[\w.+@-]+)+/", "", text.splitlines()[-1])[:300]


def compare(case: Case, outputs: dict[str, list[np.ndarray]], row: Row) -> None:
    """Note each side whose outputs differ from those of the first peer."""
    given = {side: found for side, found in outputs.items() if found}
    peers = [side for side in given if not is_lepton(side)]
    for side, found in given.items() if peers else ():
        for i, (got, wanted) in enumerate(zip(found, given[peers[0]], strict=True)):
            error = "another shape"
            if got.shape == wanted.shape:
                scale = max(float(np.abs(wanted[1:]).max(initial=0)), 1e-30)
                off = float(np.abs(got - wanted).max(initial=0)) / scale
                if off <= case.tolerance:
                    continue
                error = f"off by {off:.1e} of the largest value, {case.tolerance:.1e} allowed"
            row["notes"][side] = f"WRONG: output {i} against {peers[0]}: {error}"


def figures(case: Case, turns: Turns, tops: dict[str, list[float]]) -> Row:
    """Medians and spreads of all sides, and Lepton's ratios and part of the ceiling."""
    result: Row = {}
    for side, found in turns.items():
        every = [t for turn in found for t in turn]
        low, middle, high = np.percentile(every, [25, 50, 75])
        spread = float((high - low) / middle) if middle else 0.0
        result[side] = {"value": float(middle), "spread": spread, "calls": len(every)}
    for side in filter(is_lepton, turns):
        ratios = round_ratios(turns, side)
        result[side]["ratios"] = {
            p: statistics.median(found) for p, found in ratios.items() if found
        }
        if case.ceiling is not None:
            parts = [
                case.ceiling.amount / top / statistics.median(times)
                for top, times in zip(tops[side], turns[side], strict=True)
            ]
            result[side]["ceiling"] = statistics.median(parts)
            result[side]["top"] = statistics.median(tops[side])
            result[side]["ceiling_kind"] = case.ceiling.kind
    return result


def round_ratios(turns: Turns, side: str) -> dict[str, list[float]]:
    """For each peer its time over that of `side`, one ratio a round."""
    medians = {name: [statistics.median(t) for t in found] for name, found in turns.items()}
    return {
        peer: [b / a for a, b in zip(medians[side], theirs, strict=True) if a]
        for peer, theirs in medians.items()
        if not is_lepton(peer)
    }


def steady(turns: Turns) -> bool:
    """Whether all ratios hardly change from round to round."""
    return all(
        max(ratios) - min(ratios) <= STEADY * statistics.median(ratios)
        for side in filter(is_lepton, turns)
        for ratios in round_ratios(turns, side).values()
        if ratios
    )


class Bench:
    """The processes of one run."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.processes: dict[tuple[str, int], Process] = {}
        self.missing: dict[str, str] = {}
        self.versions: dict[str, str] = {}

    def process(self, side: str, threads: int, fresh: bool = False) -> Process:
        """The side's process; raises Absent where the side is not installed."""
        if side in self.missing:
            raise Absent(self.missing[side])
        found = self.processes.get((side, threads))
        if found is not None and found.alive and not fresh:
            return found
        if found is not None:
            found.close()
        python = self.options.keras if side.startswith("keras-") else sys.executable
        found = Process(side, threads, self.options.quick, python)
        self.processes[side, threads] = found
        try:
            self.versions.update(found.ask("versions"))
        except (Absent, Failed) as error:
            if is_lepton(side):
                raise SystemExit(f"Lepton does not start: {error}") from None
            self.missing[side] = told(error)
            raise Absent(self.missing[side]) from None
        return found

    def other_isas(self) -> list[str]:
        """AVX2 where the best is better: what most machines have is reported everywhere."""
        known = self.process("lepton", self.options.threads[0]).ask("isas")
        return [isa for isa in known[1:] if isa == "avx2"]

    def sides_of(self, case: Case, threads: int) -> list[str]:
        """Lepton first, then the peers that the case and the options name."""
        lepton = ["lepton", *(f"lepton@{isa}" for isa in self.options.isa)]
        peers = [s for s in sides.FAMILIES if s != "lepton" and s in self.options.sides]
        if threads != case.judged:
            peers = [s for s in peers if s not in sides.COMPILED]
        return [s for s in [*lepton, *peers] if sides.builder(case.sides, s)]

    def run_case(self, question: str, case: Case, threads: int) -> Row:
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
        outputs = self.prepare(question, case, threads, row)
        compare(case, outputs, row)
        ready = [side for side in outputs if side not in row["notes"]]
        if any(map(is_lepton, ready)):
            row["sides"] = figures(case, *self.take_turns(case, threads, ready, row))
        for side in outputs:
            if self.processes[side, threads].alive:
                self.processes[side, threads].ask("drop")
        return row

    def prepare(
        self, question: str, case: Case, threads: int, row: Row
    ) -> dict[str, list[np.ndarray]]:
        """Outputs of the sides that can build the case; nothing if Lepton can not."""
        outputs: dict[str, list[np.ndarray]] = {}
        for side in self.sides_of(case, threads):
            if not is_lepton(side) and not outputs:
                break
            try:
                process = self.process(side, threads, case.fresh)
                outputs[side] = process.ask("prepare", question, case.name)
                process.rest()
            except Absent as error:
                known = side in self.missing
                row["notes"][side] = f"{'not installed' if known else 'not built'}: {told(error)}"
            except Failed as error:
                row["notes"][side] = f"failed: {told(error)}"
        return outputs

    def take_turns(
        self, case: Case, threads: int, ready: list[str], row: Row
    ) -> tuple[Turns, dict[str, list[float]]]:
        """The times of all sides, and the ceilings beside Lepton's turns."""
        turns: Turns = {side: [] for side in ready}
        tops: dict[str, list[float]] = {side: [] for side in ready}
        rounds = case.rounds or self.options.rounds
        done = 0
        while done < rounds:
            for side in list(turns):
                process = self.processes[side, threads]
                try:
                    turns[side].append(process.ask("time", self.options.seconds))
                    process.rest()
                    if case.ceiling is not None and is_lepton(side):
                        tops[side].append(self.top(case.ceiling.kind, process, threads))
                except (Absent, Failed) as error:
                    row["notes"][side] = f"failed: {told(error)}"
                    del turns[side]
            done += 1
            if done >= LEAST_ROUNDS and steady(turns):
                break
        return turns, tops

    def top(self, kind: str, process: Process, threads: int) -> float:
        """What the machine can do just now: operations or bytes per second."""
        if kind != "fma":
            return ceilings.bandwidth(kind, threads)
        found: float = process.ask("peak", 0.01)
        process.rest()
        return found

    def close(self) -> None:
        for process in self.processes.values():
            process.close()
