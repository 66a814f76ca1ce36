"""The bench runs: every case builds on Lepton's side and agrees with its peers, in small."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import argparse
import importlib
import importlib.util
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
if not (ROOT / "bench").is_dir():
    pytest.skip("the bench is not part of this distribution", allow_module_level=True)

case = importlib.import_module("bench.case")
report = importlib.import_module("bench.report")
measure = importlib.import_module("bench.measure")
run = importlib.import_module("bench.run")
sides = importlib.import_module("bench.sides")
worker = importlib.import_module("bench.worker")

KNOWN = [
    pytest.param(question, c.name, id=f"{question}-{c.name}")
    for question in case.questions()
    for c in case.load(question, quick=True)
]


def outputs(side: str, question: str, name: str) -> list[Any] | None:
    """What one side computes for a case, or None where it has no part in it."""
    found = next(c for c in case.load(question, quick=True) if c.name == name)
    build = sides.builder(found.sides, side)
    if build is None:
        return None
    work = build(sides.load(side, 1))
    return [worker.digest(value) for value in work.outputs()]


@pytest.mark.parametrize(("question", "name"), KNOWN)
def test_case_agrees_with_its_peers(question: str, name: str) -> None:
    found = next(c for c in case.load(question, quick=True) if c.name == name)
    try:
        own = outputs("lepton", question, name)
    except (AttributeError, TypeError) as error:
        if not worker.LACKING.search(str(error)):
            raise
        pytest.skip(f"not built: {error}")
    for peer in ("torch", "numpy", "sklearn"):
        if sides.builder(found.sides, peer) is None or importlib.util.find_spec(peer) is None:
            continue
        theirs = outputs(peer, question, name)
        row: dict[str, Any] = {"notes": {}}
        measure.compare(found, {peer: theirs, "lepton": own}, row)
        assert row["notes"] == {}


def test_names_are_unique() -> None:
    for question in case.questions():
        for quick in (True, False):
            names = [c.name for c in case.load(question, quick)]
            assert len(set(names)) == len(names), question


def test_command_writes_tables_and_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    paths = tmp_path / "figures.json", tmp_path / "tables.md"
    arguments = ["--quick", "--threads", "1", "--sides", "numpy", "--only", "sgemm NN 16$"]
    assert run.main([*arguments, "--json", str(paths[0]), "--markdown", str(paths[1])]) == 0
    assert "sgemm NN 16" in capsys.readouterr().out
    (row,) = json.loads(paths[0].read_text())["rows"]
    assert row["sides"]["lepton"]["ratios"]["numpy"] > 0
    assert "| sgemm NN 16" in paths[1].read_text()


def test_parts_measured_again_take_their_places(tmp_path: Path) -> None:
    def row(case_name: str, value: float) -> dict[str, Any]:
        return {"question": "matmul", "case": case_name, "threads": 1, "value": value}

    kept = tmp_path / "results.json"
    before = {**report.machine(), "versions": {"numpy": "1"}, "rows": [row("a", 1), row("b", 2)]}
    kept.write_text(json.dumps(before))
    again = {**report.machine(), "versions": {"torch": "2"}, "rows": [row("b", 3), row("c", 4)]}
    document = report.updated(kept, again)
    assert document["rows"] == [row("a", 1), row("b", 3), row("c", 4)]
    assert document["versions"] == {"numpy": "1", "torch": "2"}
    kept.write_text(json.dumps({**before, "cpu": "another"}))
    with pytest.raises(SystemExit, match="is of another"):
        report.updated(kept, again)


def test_wrong_results_are_told() -> None:
    found = case.Case("n", {}, tolerance=1e-6)
    row: dict[str, Any] = {"notes": {}}
    values = np.array([1.0, 2.0])
    measure.compare(found, {"torch": [values], "lepton": [values + 1e-3]}, row)
    assert "WRONG" in row["notes"]["lepton"]


def test_verdicts_follow_targets() -> None:
    entry = {"value": 1.0, "ratios": {"torch": 1.2, "numpy": 0.9}, "ceiling": 0.5}
    targets = {"torch": 1.1, "best": 1.0, "ceiling": 0.4, "at most": 0.5}
    row = {"sides": {"lepton": entry}, "targets": targets, "judged": True}
    found = report.verdicts(row)
    assert found == {"torch": True, "best": False, "ceiling": True, "at most": False}
    assert report.verdict_text(row) == "no: best, at most"
    row["targets"] = {"torch": 3.0}  # 1.2 at half of the ceiling: 3.0 lies above it
    assert report.verdict_text(row) == "no: torch (needs 125% of ceiling)"


def test_options_refuse_unknown_questions() -> None:
    with pytest.raises(SystemExit):
        run.parse(["nothing"])
    assert isinstance(run.parse(["matmul"]), argparse.Namespace)
