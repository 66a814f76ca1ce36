"""What the bench writes: a line per case while it runs, and the tables of RESULTS.md."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import datetime
import json
import math
import os
import platform
from pathlib import Path
from typing import Any

from bench import case as cases

Row = dict[str, Any]
PEERS = {
    "torch": "torch",
    "torch-default": "default",
    "torch-compile": "compile",
    "numpy": "NumPy",
    "sklearn": "scikit-learn",
    "onnxruntime": "ORT",
    "keras-tensorflow": "Keras TF",
    "keras-jax": "Keras JAX",
}


def machine() -> dict[str, Any]:
    """The CPU, the day and the system."""
    name = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        fields = dict(
            [part.strip() for part in line.split(":", 1)]
            for line in info.read_text().splitlines()
            if ":" in line
        )
        name = fields.get("model name", name)
        name += f" (family {fields.get('cpu family')}, model {fields.get('model')})"
    return {
        "cpu": name,
        "cores": len(os.sched_getaffinity(0)),
        "date": datetime.date.today().isoformat(),
        "system": f"{platform.system()} {platform.release()}, Python {platform.python_version()}",
    }


def value(number: float, unit: str) -> str:
    """A measured value with its unit, three digits."""
    if unit != "s":
        return f"{number:.3g} {unit}"
    for scale, name in ((1.0, "s"), (1e-3, "ms"), (1e-6, "us")):
        if number >= scale:
            return f"{number / scale:.3g} {name}"
    return f"{number * 1e9:.3g} ns"


def best_ratio(ratios: dict[str, float]) -> float | None:
    """The ratio to the faster of PyTorch's best and NumPy."""
    return min((ratios[s] for s in ("torch", "numpy") if s in ratios), default=None)


def reached(row: Row, side: str, target: str) -> float | None:
    """What a row reached of one of its targets."""
    entry = row["sides"].get(side)
    if entry is None:
        return None
    if target == "at most":
        return float(entry["value"])
    if target == "ceiling":
        return entry.get("ceiling")
    ratios = entry.get("ratios", {})
    return best_ratio(ratios) if target == "best" else ratios.get(target)


def met(target: str, wanted: float, got: float) -> bool:
    """Whether a figure, rounded as it is printed, reaches its target."""
    got = round(got, 2)
    return got <= wanted if target == "at most" else got >= wanted


def verdicts(row: Row, side: str = "lepton") -> dict[str, bool]:
    """Whether each target of a judged row is met, as far as it was measured."""
    result = {}
    for target, wanted in row["targets"].items():
        got = reached(row, side, target)
        if got is not None and row["judged"]:
            result[target] = met(target, wanted, got)
    return result


def target_text(row: Row, threads: int | None = None) -> str:
    """The targets of a row, with its number of threads where it is not `threads`."""
    words = []
    for target, wanted in row["targets"].items():
        if target == "ceiling":
            words.append(f"{wanted:.0%}")
        elif target == "at most":
            words.append(f"<= {wanted:g}")
        else:
            words.append(f"{PEERS.get(target, target)} {wanted:g}x")
    own = row["threads"]
    place = f" on {own} thread{'s' * (own > 1)}" if words and own != (threads or own) else ""
    return ", ".join(words) + place


def needed(row: Row, side: str, target: str) -> float | None:
    """The part of the ceiling at which a missed ratio to a peer would be reached."""
    got, part = reached(row, side, target), row["sides"][side].get("ceiling")
    if target in ("ceiling", "at most") or not got or part is None:
        return None
    return float(part * row["targets"][target] / got)


def verdict_text(row: Row, side: str = "lepton") -> str:
    """Whether the targets are met, and of missed ones whether the ceiling lies below them."""
    found = verdicts(row, side)
    if not found:
        return ""
    missed = []
    for target in (t for t, good in found.items() if not good):
        part = needed(row, side, target)
        above = f" (needs {part:.0%} of ceiling)" if part and part > 1 else ""
        missed.append(PEERS.get(target, target) + above)
    return "no: " + ", ".join(missed) if missed else "yes"


def percent(entry: Row) -> str:
    return f"{entry['ceiling']:.0%}" if "ceiling" in entry else ""


def line(row: Row) -> str:
    """One line for the terminal."""
    start = f"{row['threads']}t {row['question']:10} {row['case']:44}"
    words = []
    for side, entry in row["sides"].items():
        if side.startswith("lepton"):
            words.append(f"{value(entry['value'], row['unit']):>8} {percent(entry):>5}")
            words += [f"{PEERS[p]} {r:.2f}" for p, r in entry.get("ratios", {}).items()]
    words.append(f"[{target_text(row)}] {verdict_text(row)}" if row["targets"] else "")
    words += [f"({side}: {note.splitlines()[-1][:90]})" for side, note in row["notes"].items()]
    return start + "  ".join(w for w in words if w)


TEXTS = {"target", "met", "short of it", "ceiling"}


def grid(head: list[str], body: list[list[str]]) -> str:
    """A Markdown table, aligned in the source, too: words left, figures right, no empty column."""
    kept = [i for i in range(len(head)) if i == 0 or any(line[i] for line in body)]
    head = [head[i] for i in kept]
    body = [[line[i] for i in kept] for line in body]
    widths = [max(len(line[i]) for line in [head, *body]) for i in range(len(head))]
    left = [i == 0 or name in TEXTS for i, name in enumerate(head)]

    def text(line: list[str]) -> str:
        cells = zip(line, widths, left, strict=True)
        return "| " + " | ".join(c.ljust(w) if lj else c.rjust(w) for c, w, lj in cells) + " |"

    rule = ["-" * w if lj else "-" * (w - 1) + ":" for w, lj in zip(widths, left, strict=True)]
    return "\n".join([text(head), text(rule), *map(text, body)])


def variants(rows: list[Row]) -> list[tuple[int, str]]:
    """The numbers of threads and Lepton's instruction sets of some rows, in their order."""
    return list(
        dict.fromkeys((r["threads"], s) for r in rows for s in r["sides"] if s.startswith("lepton"))
    )


def columns(rows: dict[str, Row], side: str, label: str) -> tuple[list[str], dict[str, list[str]]]:
    """The head of one variant's columns, and its cells for each case that has them."""
    entries = {case: row["sides"][side] for case, row in rows.items() if side in row["sides"]}
    peers = [p for p in PEERS if any(p in e.get("ratios", {}) for e in entries.values())]
    cells = {
        case: [
            value(entry["value"], rows[case]["unit"]),
            f"{entry['spread']:.0%}",
            percent(entry),
            *(f"{r:.2f}" if (r := entry.get("ratios", {}).get(p)) else "" for p in peers),
        ]
        for case, entry in entries.items()
    }
    head = ["Lepton", "spread", "of ceiling", *(PEERS[p] for p in peers)]
    if label:
        head = [f"{label}: {name}" for name in head]
    return head, cells


def table(rows: list[Row]) -> str:
    """The cases of one question, a line each; the first variant carries the verdict."""
    judged = {r["case"]: r for r in rows if r["judged"]}
    head, body = ["case"], {row["case"]: [row["case"]] for row in rows}
    for i, (threads, side) in enumerate(variants(rows)):
        of_variant = {r["case"]: r for r in rows if r["threads"] == threads}
        words = [side.partition("@")[2], "1 thread" if threads == 1 else f"{threads} threads"]
        names, cells = columns(of_variant, side, ", ".join(filter(None, words)) if i else "")
        head += names
        for case, line in body.items():
            missing = "not measured" if i == 0 and case in judged else ""
            line += cells.get(case, [missing, *[""] * (len(names) - 1)])
        if i == 0:
            head += ["target", "met"]
            for case, line in body.items():
                row = judged.get(case)
                line += [target_text(row, threads), verdict_text(row)] if row else ["", ""]
    return grid(head, list(body.values()))


def geometric(ratios: list[float]) -> str:
    """The geometric mean, as ratios have it."""
    return f"{math.exp(sum(map(math.log, ratios)) / len(ratios)):.2f}" if ratios else ""


def summary(document: dict[str, Any]) -> str:
    """Per question: mean ratios, how many judged rows reach their targets, and which do not."""
    peers = list(PEERS)
    body = []
    for question in dict.fromkeys(r["question"] for r in document["rows"]):
        rows = [r for r in document["rows"] if r["question"] == question and r["judged"]]
        means = [
            geometric(
                [r for row in rows if (r := reached(row, "lepton", peer)) and row["unit"] == "s"]
            )
            for peer in peers
        ]
        if not rows:
            continue
        judged = [(r, v) for r in rows if (v := verdicts(r))]
        short = [r["case"] for r, v in judged if not all(v.values())]
        text = "; ".join(short[:3]) + (f"; {len(short) - 3} more" if len(short) > 3 else "")
        count = f"{len(judged) - len(short)} of {len(judged)}" if judged else ""
        body.append([cases.module(question).TITLE, *means, count, text])
    words = "Geometric means of the ratios, and the rows that reach their targets:\n\n"
    head = ["question", *PEERS.values(), "at target", "short of it"]
    return words + grid(head, body) if body else ""


def tops(document: dict[str, Any]) -> str:
    """The ceilings as they were measured beside the cases: least, median, most."""
    found: dict[tuple[str, int, str], list[float]] = {}
    for row in document["rows"]:
        for side, entry in row["sides"].items():
            if "top" in entry:
                key = (entry["ceiling_kind"], row["threads"], side)
                found.setdefault(key, []).append(entry["top"] / 1e9)
    body = []
    for (kind, threads, side), rates in sorted(found.items()):
        rates.sort()
        name = f"{kind} {side.partition('@')[2]}".strip()
        figures = (rates[0], rates[len(rates) // 2], rates[-1])
        unit = "GFLOP/s" if kind == "fma" else "GB/s"
        body.append([name, str(threads), unit, *(f"{f:.1f}" for f in figures)])
    return grid(["ceiling", "threads", "unit", "least", "median", "most"], body) if body else ""


READING = """\
Ratios are peer's time / Lepton's time: above 1 Lepton is faster. "torch" is PyTorch at its best
(channels-last, fused optimiser, malloc told to keep its memory), "default" PyTorch as it is
installed, "compile" `torch.compile` of the former. Each side has a process of its own; sides take
turns, one works while the others sleep; times are medians, a ratio is the median over the rounds,
"spread" the distance between the quartiles over the median. Outputs are compared before anything is
timed. Time includes what users wait for: allocation and changes of layout. "of ceiling" is against
what this machine reached in the same minutes: multiply-adds out of registers, or the bytes per
second of a loop that does nothing else, over arrays of 64 MB (smaller ones may stay in a cache and
pass 100 %, and Winograd's convolutions do with fewer multiply-adds than are counted). A target that
"needs" more than the ceiling lies above what this machine can do. Targets are judged on as many
threads as the first columns have, unless they name another number. Written by `python -m bench`;
do not edit.
"""


def as_json(document: dict[str, Any]) -> str:
    """The figures with four digits, one row of the table a line."""
    exact = json.dumps(document)
    short = json.loads(exact, parse_float=lambda text: float(f"{float(text):.4g}"))
    rows = ",\n".join(map(json.dumps, short.pop("rows")))
    return f'{json.dumps(short)[:-1]},\n"rows": [\n{rows}\n]}}\n'


def updated(kept: Path, document: dict[str, Any]) -> dict[str, Any]:
    """The results kept in a file with the rows of another run of this machine in their places."""
    if not kept.exists():
        return document
    before = json.loads(kept.read_text(encoding="utf-8"))
    if before["cpu"] != document["cpu"]:
        raise SystemExit(f"{kept} is of {before['cpu']}, this is {document['cpu']}")

    def key(row: Row) -> tuple[str, str, int]:
        return row["question"], row["case"], row["threads"]

    rows = {key(row): row for row in [*before["rows"], *document["rows"]]}
    order = {question: place for place, question in enumerate(cases.questions())}
    return {
        **before,
        "date": document["date"],
        "versions": {**before["versions"], **document["versions"]},
        "rows": sorted(rows.values(), key=lambda row: order.get(row["question"], len(order))),
    }


def markdown(document: dict[str, Any]) -> str:
    """The whole of RESULTS.md."""
    versions = ", ".join(f"{n} {v}" for n, v in document["versions"].items())
    parts = [
        "# Lepton measured",
        f"{document['cpu']}, {document['cores']} cores. {document['date']}. {document['system']}.\n"
        f"{versions}. The run took {document['seconds'] / 60:.0f} min.",
        f"{READING.rstrip()} The first columns are of {document['threads'][0]} threads.",
        summary(document),
        tops(document),
    ]
    if document["missing"]:
        lacking = "; ".join(f"{side}: {why}" for side, why in document["missing"].items())
        parts.append(f"Not measured: {lacking}.")
    for question in dict.fromkeys(r["question"] for r in document["rows"]):
        parts.append(f"## {cases.module(question).TITLE}")
        if notes := getattr(cases.module(question), "NOTES", ""):
            parts.append(notes.strip())
        rows = [r for r in document["rows"] if r["question"] == question]
        parts.append(table(rows))
    wrong = [
        f"- {row['case']}, {row['threads']} threads, {side}: {' '.join(note.split())[:300]}"
        for row in document["rows"]
        for side, note in row["notes"].items()
        if not note.startswith("not installed")
    ]
    if wrong:
        parts += ["## What was not measured, and why", "\n".join(wrong)]
    return "\n\n".join(p for p in parts if p) + "\n"
