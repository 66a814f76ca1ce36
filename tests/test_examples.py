"""The examples: the script prints what it promises, the notebook what it shows."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import contextlib
import io
import json
import runpy
import sys
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("matplotlib")
ROOT = Path(__file__).parents[1]
EXAMPLES = ROOT / "examples"


def test_house_prices(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["house_prices.py", "--output", str(tmp_path / "pictures")])
    runpy.run_path(str(EXAMPLES / "house_prices.py"), run_name="__main__")
    lines = capsys.readouterr().out.splitlines()
    for place in ("(6.0,)", "(6.0, 7.0)"):
        for way in ("closed form", "gradient descent"):
            assert f"  {place} costs 400.000000 by {way}" in lines
    assert sum("coefficients [25. 25.], intercept 75" in line for line in lines) == 2
    pictures = sorted(p.name for p in (tmp_path / "pictures").iterdir())
    assert pictures == ["rooms.png", "rooms_and_levels.png"]


def text_of(cell: dict[str, Any]) -> str:
    streams = [o["text"] for o in cell["outputs"] if o["output_type"] == "stream"]
    return "".join("".join(text) for text in streams)


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.ipynb")), ids=lambda path: path.name)
def test_notebook_shows_what_it_computes(path: Path) -> None:
    cells = json.loads(path.read_text())["cells"]
    scope: dict[str, Any] = {"__name__": "__main__"}
    shown = 0
    for cell in cells:
        if cell["cell_type"] != "code":
            continue
        with contextlib.redirect_stdout(io.StringIO()) as printed:
            exec("".join(cell["source"]), scope)
        assert printed.getvalue() == text_of(cell)
        shown += bool(cell["outputs"])
    assert shown > 2, "the notebook shows no results"
