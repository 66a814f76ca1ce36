"""The pages: every block of code runs and prints what stands below it, and links lead somewhere."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import contextlib
import doctest
import importlib.util
import io
import re
import runpy
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from support.estimators import classes

from lepton.cli import main

pytest.importorskip("matplotlib")
ROOT = Path(__file__).parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def page_name(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to work in, with the examples at hand."""
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.filterwarnings("ignore:.*collinear columns:UserWarning")
@pytest.mark.parametrize("path", [p for p in PAGES if p.name != "CONTRIBUTING.md"], ids=page_name)
def test_pages_run_and_print_what_they_say(path: Path, place: Path) -> None:
    text = path.read_text()
    for package in re.findall(r"^<!-- needs (\w+) -->$", text, re.MULTILINE):
        if importlib.util.find_spec(package) is None:
            pytest.skip(f"{package} is not installed")
    scope: dict[str, Any] = {"__name__": "__main__"}
    for language, block in FENCE.findall(text):
        if language == "python" and ">>> " in block:
            run_session(block, scope)
        elif language == "python":
            exec(block, scope)
        elif language == "console":
            run_console(block, place)
        else:  # the README's shell commands are what continuous integration begins with
            assert (path, language) == (ROOT / "README.md", "sh"), f"this is not tested: {block}"


def run_session(block: str, scope: dict[str, Any]) -> None:
    session = doctest.DocTestParser().get_doctest(block, {}, "session", None, None)
    session.globs = scope
    printed = io.StringIO()
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
    runner.run(session, out=printed.write, clear_globs=False)
    assert runner.failures == 0, printed.getvalue()


def run_console(block: str, place: Path) -> None:
    """Run each line after a ``$``, and compare what it prints with the lines that follow.

    ``...`` stands for anything. Numbers with a fraction need agree only roughly: training differs
    in last digits between processors. A command goes on after a backslash, as in a shell.
    """
    commands = re.findall(r"^\$ ((?:.*\\\n)*.*\n)((?:(?!\$ ).*\n)*)", block, re.MULTILINE)
    assert commands, f"no command is tested: {block}"
    for command, wanted in commands:
        program, *words = shlex.split(command)
        if program in ("lepton", "python"):  # in this process: imports are slow
            screen = io.StringIO()
            with contextlib.redirect_stdout(screen), contextlib.redirect_stderr(screen):
                code = main(words) if program == "lepton" else run_script(*words)
            output = screen.getvalue()
        else:
            done = subprocess.run(command, shell=True, cwd=place, stdout=subprocess.PIPE, text=True)
            code, output = done.returncode, done.stdout
        assert code == 0, f"{command}: {output}"
        assert_alike(wanted, output)


def run_script(script: str, *words: str) -> int:
    before, sys.argv = sys.argv, [script, *words]
    try:
        runpy.run_path(script, run_name="__main__")
    finally:
        sys.argv = before
    return 0


def assert_alike(wanted: str, got: str) -> None:
    wanted, got = (" ".join(text.split()) for text in (wanted, got))
    pattern, numbers = "", []
    for piece in re.split(r"(\.\.\.|-?\d+\.\d+)", wanted):
        number = re.fullmatch(r"-?\d+\.\d+", piece)
        pattern += ".*?" if piece == "..." else r"(-?\d+\.\d+)" if number else re.escape(piece)
        numbers += [float(piece)] if number else []
    found = re.fullmatch(pattern, got)
    assert found, f"expected\n{wanted}\ngot\n{got}"
    assert [float(text) for text in found.groups()] == pytest.approx(numbers, rel=0.25, abs=0.1)


@pytest.mark.parametrize(
    ("got", "same"),
    [
        ("rows 354 to train and r2 0.3601 end", True),
        ("rows 354 to train and more r2 0.2999 end", True),
        ("rows 355 to train and r2 0.3557 end", False),
        ("rows 354 to train and r2 0.6557 end", False),
        ("rows 354 to train and r2 0.3557", False),
    ],
)
def test_outputs_are_compared(got: str, same: bool) -> None:
    with contextlib.nullcontext() if same else pytest.raises(AssertionError):
        assert_alike("rows  354 to train\n...\nr2 0.3557\nend", got)


def headings(text: str) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    lines = re.findall(r"^#+ (.+)$", FENCE.sub("", text), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", line).strip().lower().replace(" ", "-") for line in lines}


@pytest.mark.parametrize("path", PAGES, ids=page_name)
def test_links_lead_somewhere(path: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", FENCE.sub("", path.read_text())):
        if re.match(r"https?://", target):
            continue
        name, _, anchor = target.partition("#")
        goal = path.parent / name if name else path
        assert goal.exists(), f"{target} is not there"
        assert not anchor or anchor in headings(goal.read_text()), f"{target}: no such heading"


def test_every_page_and_picture_is_linked() -> None:
    linked = {
        (path.parent / target.partition("#")[0]).resolve()
        for path in PAGES
        for target in re.findall(r"\]\(([^)\s]+)\)", path.read_text())
        if not target.startswith("http")
    }
    files = {path for path in ROOT.glob("docs/**/*.*") if path.is_file()}
    assert files - linked == set()


def test_every_estimator_is_in_a_table() -> None:
    lines = [
        line for page in ROOT.glob("docs/*/README.md") for line in page.read_text().splitlines()
    ]
    words = {word for line in lines if line.startswith("|") for word in re.findall(r"\w+", line)}
    assert {kind.__name__ for kind in classes()} <= words
