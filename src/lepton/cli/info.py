# SPDX-License-Identifier: Apache-2.0
"""Show CPU, instruction set, threads and why, memory and versions.

examples:
  lepton info
  lepton info --format json
  LEPTON_ISA=v3 lepton info           with another instruction set
"""

from __future__ import annotations

import argparse
import importlib.metadata
import os
import platform
from typing import Any

import lepton
from lepton.cli._output import add_format, print_json, print_table


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_format(parser)


def run(args: argparse.Namespace) -> None:
    facts = collect()
    if args.format == "json":
        print_json(facts)
        return
    rows = []
    for name, value in facts.items():
        text = value
        if isinstance(value, dict):
            text = ", ".join(f"{key} {item}" for key, item in value.items()) or "none"
        elif isinstance(value, list):
            text = ", ".join(value)
        rows.append([name.replace("_", " "), str(text)])
    print_table(rows, ["", ""], left=2)


def collect() -> dict[str, Any]:
    """Return what Lepton knows of the machine and itself."""
    threads = lepton.threads()
    return {
        "lepton": lepton.__version__,
        "cpu": cpu_name(),
        "isa": lepton.isa(),
        "isas_available": list(lepton.available_isas()),
        "threads": threads["threads"],
        "threads_why": threads["why"],
        "memory_total": _gigabytes(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")),
        "lepton_memory": dict(lepton.memory_stats()),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "packages": _versions(),
    }


def cpu_name() -> str:
    """Return the CPU's name as the system tells it."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as file:
            for line in file:
                if line.startswith("model name"):
                    return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def _gigabytes(size: int) -> str:
    return f"{size / 2**30:.1f} GiB"


def _versions() -> dict[str, str]:
    """Return the versions of what Lepton says it needs or can use, as far as it is installed."""
    try:
        required = importlib.metadata.requires("lepton-dl") or []
    except importlib.metadata.PackageNotFoundError:
        required = ["numpy", "safetensors"]
    found = {}
    for text in required:
        name = "".join(c if c.isalnum() or c in "-_." else " " for c in text).split()[0]
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    found.pop("lepton-dl", None)
    return dict(sorted(found.items()))
