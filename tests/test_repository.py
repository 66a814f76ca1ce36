"""The repository: floors, lengths of files, first lines, words, tools, cost of the import."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import ast
import doctest
import importlib
import importlib.metadata
import inspect
import json
import os
import pkgutil
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

import lepton

ROOT = Path(__file__).resolve().parent.parent
CPP = ROOT / "src" / "cpp"
PYTHON = ROOT / "src" / "lepton"
TEXT = {".cpp", ".h", ".py", ".pyi", ".md", ".toml", ".txt", ".cmake", ".json", ".yml", ".sh"}
IGNORED = {"build", "dist", "runs", ".git", ".venv", "__pycache__"}


def files(*suffixes: str) -> list[Path]:
    """Source files by their endings, whether committed or not."""
    found = []
    for folder, names, leaves in os.walk(ROOT):
        names[:] = [n for n in names if n not in IGNORED and not n.startswith(".")]
        found += [Path(folder, leaf) for leaf in leaves if Path(leaf).suffix in (suffixes or TEXT)]
    return sorted(found)


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def test_no_file_is_long() -> None:
    lengths = {name(p): len(p.read_text().splitlines()) for p in files() if p.suffix != ".pyi"}
    assert {n: length for n, length in lengths.items() if length > 500} == {}


# Lower floors first; a folder includes only itself and what comes before it.
CPP_FLOORS = ["kernels", "core", "autograd", "ops", "python"]


@pytest.mark.parametrize("floor", CPP_FLOORS)
def test_cpp_floors_include_only_lower_ones(floor: str) -> None:
    known = CPP_FLOORS[: CPP_FLOORS.index(floor) + 1]
    wrong = [
        f"{name(path)} includes {header}"
        for path in sorted((CPP / floor).rglob("*"))
        if path.is_file()
        for header in re.findall(r'#include "([^"]+)"', path.read_text())
        if header.split("/")[0] not in known
    ]
    assert wrong == []
    assert sorted(p.name for p in CPP.iterdir() if p.is_dir()) == sorted(CPP_FLOORS)


# The number of the floor of each module or package below src/lepton.
PYTHON_FLOORS = {
    "_core": 0, "_check": 0, "array": 1, "linalg": 1, "random": 1,
    "nn": 2, "optim": 2, "data": 2, "metrics": 2, "saving": 2,
    "training": 3, "plot": 3, "estimator": 3,
    "vision": 4, "regression": 4, "tabular": 4, "cli": 5,
}  # fmt: skip


def imported(path: Path) -> Iterator[str]:
    """Modules of Lepton that a file imports, inside functions too, but not for types alone."""
    tree = ast.parse(path.read_text())
    for node in list(ast.walk(tree)):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            node.body = []
    package = path.relative_to(PYTHON.parent).parts[:-1]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(package[: len(package) - node.level + 1]) if node.level else ""
            module = ".".join(part for part in (base, node.module) if part)
            yield from (
                [f"{module}.{alias.name}" for alias in node.names]
                if module == "lepton"
                else [module]
            )


@pytest.mark.parametrize("path", files(".py"), ids=name)
def test_python_floors_import_only_lower_ones(path: Path) -> None:
    if PYTHON not in path.parents or (path.parent == PYTHON and path.stem.startswith("__")):
        pytest.skip("the top level joins all floors")
    own = path.relative_to(PYTHON).parts[0].removesuffix(".py")
    assert own in PYTHON_FLOORS, f"{own} stands on no floor: add it to PYTHON_FLOORS"
    for module in imported(path):
        parts = module.split(".")
        if parts[0] != "lepton" or len(parts) < 2 or parts[1] not in PYTHON_FLOORS:
            continue
        assert PYTHON_FLOORS[parts[1]] <= PYTHON_FLOORS[own], (
            f"{name(path)} imports {module} from a floor above its own"
        )


def test_floors_have_no_circles() -> None:
    edges: dict[str, set[str]] = {}
    for path in files(".py"):
        if PYTHON in path.parents and path.parent != PYTHON:
            own = path.relative_to(PYTHON).parts[0]
            targets = {m.split(".")[1] for m in imported(path) if m.startswith("lepton.")}
            edges.setdefault(own, set()).update(targets - {own})
    finished: set[str] = set()
    while ready := {
        n for n in edges if n not in finished and not (edges[n] & edges.keys()) - finished
    }:
        finished |= ready
    assert finished == edges.keys(), f"circular imports among {sorted(edges.keys() - finished)}"


def test_one_file_knows_openmp() -> None:
    pattern = re.compile(r"omp\.h|#\s*pragma\s+omp|\bomp_[a-z]")
    knowing = [
        name(p) for p in files(".cpp", ".h") if CPP in p.parents and pattern.search(p.read_text())
    ]
    assert len(knowing) == 1, f"OpenMP is named in {knowing}"
    assert knowing[0].startswith("src/cpp/core/")


# Split, so that this file does not contain them.
FORBIDDEN = [
    "/wor" "k/", "/tm" "p/", "/op" "t/", "/home" "/", "TO" "DO", "FIX" "ME", "XX" "X",
    "index-" "url", "pypi." "org/simple", "local" "host:",
]  # fmt: skip


@pytest.mark.parametrize("word", FORBIDDEN)
def test_no_forbidden_words(word: str) -> None:
    assert [name(p) for p in files() if word in p.read_text()] == []


SPDX = "SPDX-License-Identifier: Apache-2.0"


@pytest.mark.parametrize("path", files(".cpp", ".h"), ids=name)
def test_cpp_files_open_with_a_sentence_and_the_license(path: Path) -> None:
    first, second = path.read_text().splitlines()[:2]
    assert re.fullmatch(r"// \w.*[.:]", first), f"the first line is no sentence: {first}"
    assert second == f"// {SPDX}"


@pytest.mark.parametrize("path", files(".py"), ids=name)
def test_python_files_open_with_a_sentence_and_the_license(path: Path) -> None:
    text = path.read_text()
    assert SPDX in text, "names no license"
    if PYTHON in path.parents or path.name.startswith("test_"):
        docstring = ast.get_docstring(ast.parse(text)) or ""
        assert docstring.split("\n\n")[0].rstrip().endswith((".", ":")), (
            "has no docstring that is a sentence"
        )


def modules() -> list[str]:
    """All modules of the installed package."""
    found = pkgutil.walk_packages(lepton.__path__, "lepton.")
    return [m.name for m in found if not m.name.endswith("__main__")]


def test_star_imports_have_a_list_to_follow() -> None:
    """A star-imported module has `__all__`, or is a package that declares nothing itself."""
    for path in files(".py"):
        if PYTHON not in path.parents:
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.ImportFrom) or all(a.name != "*" for a in node.names):
                continue
            source = PYTHON.parent.joinpath(*(node.module or "").split("."))
            source = source / "__init__.py" if source.is_dir() else source.with_suffix(".py")
            if not source.exists():
                continue  # compiled: its names are what it binds
            text = source.read_text()
            kinds = (ast.Import, ast.ImportFrom, ast.Expr)
            declares = any(not isinstance(n, kinds) for n in ast.parse(text).body)
            assert "__all__" in text or not declares, (
                f"{node.module} has no __all__, but {name(path)} star-imports it"
            )


@pytest.mark.parametrize("module_name", modules())
def test_public_names_are_documented(module_name: str) -> None:
    module = importlib.import_module(module_name)
    if any(part.startswith("_") for part in module_name.split(".")[1:]):
        pytest.skip("private")
    for public in getattr(module, "__all__", []):
        thing = getattr(module, public)
        if (
            not (inspect.isclass(thing) or callable(thing))
            or getattr(thing, "__module__", None) != module_name
        ):
            continue
        assert inspect.getdoc(thing), f"{module_name}.{public} has no docstring"
        if not inspect.isclass(thing):
            continue
        for member, value in vars(thing).items():
            if not member.startswith("_") and inspect.isfunction(value):
                assert inspect.getdoc(getattr(thing, member)), (
                    f"{module_name}.{public}.{member} has no docstring"
                )


@pytest.mark.parametrize("module_name", modules())
def test_examples_print_what_they_say(
    module_name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert doctest.testmod(importlib.import_module(module_name)).failed == 0


def run_tool(*command: str) -> None:
    # The pinned version beside this Python before the system's.
    places = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    program = shutil.which(command[0], path=places)
    if program is None:
        pytest.skip(f"{command[0]} is not installed")
    done = subprocess.run([program, *command[1:]], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, (done.stdout + done.stderr)[-6000:]


def test_ruff() -> None:
    run_tool("ruff", "check", ".")


def test_mypy() -> None:
    run_tool("mypy")


def test_clang_format() -> None:
    run_tool("clang-format", "--dry-run", "--Werror", *map(name, files(".cpp", ".h")))


COST = r"""
import json, re, sys, time
began = time.process_time()
import lepton
spent = time.process_time() - began
# Not ru_maxrss: that one remembers the process that started this one.
peak = int(re.search(r"VmHWM:\s+(\d+) kB", open("/proc/self/status").read())[1])
print(json.dumps({"cpu": spent, "rss": peak, "modules": sorted(sys.modules)}))
"""
HEAVY = {"pandas", "matplotlib", "sklearn", "PIL", "tqdm", "rich", "safetensors", "scipy"}


def test_import_is_cheap() -> None:
    # NumPy's BLAS spends memory by the number of threads. The least of three runs is the cost.
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}
    runs = []
    for _ in range(3):
        done = subprocess.run(
            [sys.executable, "-c", COST],
            capture_output=True,
            text=True,
            check=True,
            env=environment,
        )
        runs.append(json.loads(done.stdout))
    assert HEAVY & {m.split(".")[0] for m in runs[0]["modules"]} == set()
    assert min(r["cpu"] for r in runs) <= 0.30
    assert min(r["rss"] for r in runs) <= 70 * 1024


def test_hard_dependencies_are_few() -> None:
    # safetensors is the standard format of weights: half a megabyte without dependencies.
    try:
        requirements = importlib.metadata.requires("lepton-dl") or []
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("lepton-dl is not installed")
    required = [r for r in requirements if "extra ==" not in r]
    assert {re.split(r"[^\w-]", r)[0] for r in required} == {"numpy", "safetensors"}


def test_wheel_is_small(tmp_path: Path) -> None:
    wheel = os.environ.get("LEPTON_WHEEL")
    if wheel is None:
        # What a wheel would hold, packed as a wheel is.
        wheel = str(tmp_path / "wheel.zip")
        with zipfile.ZipFile(wheel, "w", zipfile.ZIP_DEFLATED) as archive:
            for folder in lepton.__path__:
                for path in Path(folder).rglob("*"):
                    if path.is_file() and "__pycache__" not in path.parts:
                        archive.write(path, path.relative_to(folder))
    assert Path(wheel).stat().st_size <= 15 * 1024 * 1024
