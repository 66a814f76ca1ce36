# SPDX-License-Identifier: Apache-2.0
"""Tables as people have them: other marks and encodings, odd cells, dates, ids, twins."""

from __future__ import annotations

import bz2
import json
import sys
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import numpy as np
import pandas
import pytest
from sklearn import metrics

from lepton.cli import main
from lepton.cli._importance import importance
from lepton.cli._notes import counter_columns, notes
from lepton.cli._problem import Problem
from lepton.cli._table import TableFile
from lepton.tabular import TabularClassifier, TabularRegressor
from lepton.tabular.measures import bootstrap

QUICK = ["--epochs", "2", "--hidden", "8"]


def write(path: Path, text: str, encoding: str = "utf-8") -> TableFile:
    path.write_bytes(text.encode(encoding))
    return TableFile(str(path))


@pytest.mark.parametrize("name", ["t.csv", "T.CSV", "t.data", "t.csv.bz2", "t.tsv"])
@pytest.mark.parametrize("mark", [",", ";", "\t", "|"])
def test_the_separator_is_found_in_any_file(tmp_path: Path, name: str, mark: str) -> None:
    text = f'"size; m2, net"{mark}town\n' + f'1.5{mark}"a,b;c"\n' * 3
    data = text.encode()
    (tmp_path / name).write_bytes(bz2.compress(data) if name.endswith("bz2") else data)
    frame = TableFile(str(tmp_path / name)).read()
    assert frame.columns.tolist() == ["size; m2, net", "town"]
    assert frame["town"].unique().tolist() == ["a,b;c"]


def test_numbers_with_a_decimal_comma(tmp_path: Path) -> None:
    text = "a;b;c\n0,5;1;x\n-12,25;2;?\n ;3;n.a.\n"
    frame = write(tmp_path / "t.csv", text).read()
    assert frame["a"].tolist()[:2] == [0.5, -12.25]
    assert frame["a"].isna().tolist() == [False, False, True]
    assert frame["c"].isna().tolist() == [False, True, True]
    write(tmp_path / "t.csv", "a;b\n1,007;2\n")
    assert TableFile(str(tmp_path / "t.csv")).read()["a"].tolist() == ["1,007"]
    for option, value in (({"decimal": ","}, 1.007), ({"thousands": ","}, 1007)):
        assert TableFile(str(tmp_path / "t.csv"), option).read()["a"].tolist() == [value]


def test_a_mark_between_thousands_is_no_decimal_mark(tmp_path: Path) -> None:
    write(tmp_path / "t.csv", "a,b\n0.5,1\n")
    with pytest.raises(ValueError, match=r"--thousands expects another mark .* got '\.'"):
        TableFile(str(tmp_path / "t.csv"), {"thousands": "."}).read()


def test_an_archive_without_a_file(tmp_path: Path) -> None:
    with ZipFile(tmp_path / "t.csv.zip", "w"):
        pass
    with pytest.raises(ValueError, match=r"t\.csv\.zip: .*the archive is empty"):
        TableFile(str(tmp_path / "t.csv.zip")).read()


def test_a_format_of_dates_that_is_none(tmp_path: Path) -> None:
    write(tmp_path / "t.csv", "a\n2020\n")
    with pytest.raises(ValueError, match=r"'a' \(--dates\) expects a format such as"):
        TableFile(str(tmp_path / "t.csv"), {"dates": ["a=%Q"]}).read()


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_byte_order_marks_tell_the_encoding(tmp_path: Path, encoding: str) -> None:
    frame = write(tmp_path / "t.csv", "größe,b\n1,é\n", encoding).read()
    assert frame.columns.tolist() == ["größe", "b"]
    assert frame["b"].tolist() == ["é"]


def test_other_encodings_have_to_be_named(tmp_path: Path) -> None:
    file = write(tmp_path / "t.csv", "größe,b\n1,é\n", "cp1252")
    with pytest.raises(ValueError, match=r"t.csv: the text is not utf-8: .* with --encoding"):
        file.read()
    frame = TableFile(file.path, {"encoding": "cp1252"}).read()
    assert frame.columns.tolist() == ["größe", "b"]
    with pytest.raises(ValueError, match=r"encoding expects the name .* got 'none'"):
        TableFile(file.path, {"encoding": "none"}).read()


@pytest.mark.parametrize("head", ["a,price,c,price", "a,price,c, price", "price,price,price.1,b"])
def test_twin_columns_are_refused(tmp_path: Path, head: str) -> None:
    file = write(tmp_path / "t.csv", head + "\n1,2,3,4\n")
    with pytest.raises(ValueError, match="columns with different names, got 'price' twice"):
        file.read()


def test_rows_longer_than_the_header_are_refused(tmp_path: Path) -> None:
    file = write(tmp_path / "t.csv", "a,b\n1,2,3\n4,5,6\n")
    with pytest.raises(ValueError, match="names 2 columns, but rows have 3 values"):
        file.read()


@pytest.mark.parametrize(
    ("values", "form"),
    [
        (["03/25/2020", "03/02/2020"], "%m/%d/%Y"),
        (["03/02/2020", "25/03/2020"], "%d/%m/%Y"),
        (["25.03.2020", "", "02.03.2020"], "%d.%m.%Y"),
        (["Mar 25 2020", "Apr 1 2021"], "%b %d %Y"),
        (["20200325", "20210101"], "%Y%m%d"),
    ],
)
def test_dates_in_any_form(tmp_path: Path, values: list[str], form: str) -> None:
    path = tmp_path / "t.csv"
    write(path, "day,x\n" + "".join(f"{value},1\n" for value in values))
    for option in ("day", f"day={form}"):
        file = TableFile(str(path), {"dates": [option]})
        wanted = pandas.to_datetime(pandas.Series(values).replace("", None), format=form, utc=True)
        assert file.read()["day"].tolist() == wanted.tolist()
        assert file.date_options() == [f"day={form}"]


def test_dates_that_are_none_are_told_by_line(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    write(path, "day,x\n03.02.2020,1\n04.02.2020,1\n")
    with pytest.raises(ValueError, match=r"reads as %m.%d.%Y and as %d.%m.%Y: say which"):
        TableFile(str(path), {"dates": ["day"]}).read()
    write(path, 'day,x\n"2020-02-03","a\nb"\n\nunknown,1\n')
    with pytest.raises(ValueError, match="dates such as %Y-%m-%d, got 'unknown' in line 5"):
        TableFile(str(path), {"dates": ["day"]}).read()
    frame = TableFile(str(path), {"dates": ["day"], "na_values": ["unknown"]}).read()
    assert frame["day"].isna().tolist() == [False, True]
    with pytest.raises(ValueError, match="--dates expects one of day, x, got 'date'"):
        TableFile(str(path), {"dates": ["date"]}).read()


def test_what_looks_wrong_is_said() -> None:
    count = 40
    frame = pandas.DataFrame(
        {
            "area": [*map(str, range(count - 1)), "bad"],
            "day": ["2020-01-01"] * (count - 1) + ["unknown"],
            "cost": [f"${n},000" for n in range(count)],
            "id": range(100, 100 + count),
            "name": [f"n{n}x" for n in range(count)],
            "word": ["a", "b"] * (count // 2),
            "fine": np.random.default_rng(0).integers(0, 9, count),
        }
    )
    found = notes(frame)
    assert list(found) == ["area", "day", "cost", "id", "name"]
    assert "39 of 40 values are numbers; the others are 'bad': --na-values bad" in found["area"]
    assert "dates ('2020-01-01'); others are 'unknown'" in found["day"]
    assert "looks like numbers ('$0,000', '$1,000', '$2,000', ...)" in found["cost"]
    assert "only rise, as ids do" in found["id"]
    assert "different in each row" in found["name"]
    index = {"Unnamed: 0": range(count), "Unnamed: 1": [1] * count}
    assert counter_columns(frame.assign(**index)) == ["Unnamed: 0"]


@pytest.mark.parametrize(
    ("values", "task", "cause"),
    [
        ([f"{n},007" for n in range(30)], "auto", "text that looks like numbers .* --thousands"),
        ([f"${n}" for n in range(30)], "auto", "expects numbers or classes, got text that looks"),
        ([f"w{n}x" for n in range(30)], "auto", "got text of 30 values"),
        ([*map(str, range(30)), "?!"], "regression", "though 30 of 31 values are numbers"),
        ([0.5, 1.0, 1e300], "auto", r"up to 1e\+150 in size, got 1e\+300 in row 2"),
        ([None, None, None], "drop", "has no value in any row"),
    ],
)
def test_targets_that_are_none(values: list[Any], task: str, cause: str) -> None:
    frame = pandas.DataFrame({"x": range(len(values)), "y": values})
    with pytest.raises(ValueError, match=cause):
        Problem.of(
            TableFile("t.parquet"),
            frame,
            "y",
            task.replace("drop", "auto"),
            drop_missing=task == "drop",
        )


def messy(rows: int = 300) -> str:
    random = np.random.default_rng(0)
    lines = [";Straße;Größe;gebaut;preis"]
    for i in range(rows):
        size = random.gamma(4.0, 25.0)
        price = "" if i % 50 == 7 else f"{3 * size + random.normal(0, 8):.2f}"
        day = f"{i % 28 + 1:02}/{i % 12 + 1:02}/{2000 + i % 20}"
        line = f"{i};{random.choice(['Höhe', 'Tal', '-'])};{size:.1f};{day};{price}"
        lines.append(line.replace(".", ","))
    return "\n".join(lines) + "\n"


def test_a_messy_file_from_training_to_prediction(tmp_path: Path, capsys: Any) -> None:
    path, out = tmp_path / "haus.CSV", str(tmp_path / "run")
    write(path, messy(), "cp1252")
    line = ["--target", "preis", "--encoding", "cp1252", "--dates", "gebaut", *QUICK]
    assert main(["train", "tabular", str(path), *line, "--output", out]) == 2
    assert "no value in 6 of 300 rows, the first in line 9" in capsys.readouterr().err
    line = [*line, "--drop-missing-target", "--output", out]
    assert main(["train", "tabular", str(path), *line]) == 0
    text = capsys.readouterr().out
    assert "note     Unnamed: 0: left out, as it counts the rows" in text
    assert "235 to train and 59 to test on (6 without a target left out)" in text
    kinds = json.loads((tmp_path / "run" / "config.json").read_text())["schema"]
    assert kinds == {"Straße": "category", "Größe": "number", "gebaut": "date"}
    assert main(["evaluate", out, "--data", str(path)]) == 0
    assert "294 test rows" in capsys.readouterr().out
    assert main(["predict", out, str(path)]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 301
    assert main(["train", "tabular", "--resume", out]) == 0


@pytest.mark.parametrize(
    ("text", "options", "cause"),
    [
        ("a,b\n" + "1,2.5\n2,3.5\n" * 2 + "3,1.5\n", "--target b", "got 4 to train and 1 to test"),
        ("a,b\n" + "".join(f"{i},w{i}\n" for i in range(9)), "--target b", "9 to train and 0 to"),
        ("a,b,c\n1,2.5,1\n2,3.5,1\n", "--target b --drop b", "--drop expects another column than"),
    ],
)
def test_tables_of_which_nothing_is_left(
    tmp_path: Path, capsys: Any, text: str, options: str, cause: str
) -> None:
    write(tmp_path / "t.csv", text)
    line = [str(tmp_path / "t.csv"), *options.split(), "--output", str(tmp_path / "o")]
    assert main(["train", "tabular", *line]) == 2
    assert cause in capsys.readouterr().err


@pytest.mark.parametrize("kind", ["classification", "regression"])
def test_importance_is_the_loss_of_shuffled_columns(kind: str) -> None:
    random = np.random.default_rng(0)
    count = 200
    frame = pandas.DataFrame(
        {
            "size": np.where(np.arange(count) % 7 == 0, np.nan, random.normal(size=count)),
            "town": random.choice(["Ulm", "Bonn", None], count),
            "lift": random.random(count) < 0.5,
            "day": pandas.Timestamp("2024-01-01") + pandas.to_timedelta(np.arange(count), "D"),
        }
    )
    y = frame["size"].fillna(0).to_numpy() + (frame["town"] == "Ulm")
    weight = random.integers(1, 4, count).astype(float)
    options: Any = {"max_iter": 3, "hidden_layer_sizes": 8, "random_state": 0}
    if kind == "classification":
        y = y > 0
        model: Any = TabularClassifier(**options).fit(frame, y)
    else:
        model = TabularRegressor(**options).fit(frame, y)

    def score(X: Any, rows: Any) -> float:
        sample = {"sample_weight": weight[rows]}
        if kind == "regression":
            return float(metrics.r2_score(y[rows], model.predict(X), **sample))
        return -float(metrics.log_loss(y[rows], model.predict_proba(X), **sample))

    found = importance(model, frame, y, weight, sys.stderr)
    draws = np.random.default_rng(0)
    rows = draws.permutation(count)
    X = frame.iloc[rows].reset_index(drop=True)
    losses = np.empty((5, 4))
    for repeat, column in np.ndindex(5, 4):
        name, order = X.columns[column], draws.permutation(count)
        shuffled = X.assign(**{name: X[name].iloc[order].to_numpy()})
        losses[repeat, column] = score(X, rows) - score(shuffled, rows)
    order = np.argsort(-losses.mean(axis=0), kind="stable")
    assert [entry["column"] for entry in found] == frame.columns[order].tolist()
    for entry, column in zip(found, order, strict=True):
        assert entry["mean"] == pytest.approx(losses[:, column].mean(), abs=1e-6)
        assert entry["std"] == pytest.approx(losses[:, column].std(), abs=1e-6)


def test_importance_ends_when_time_is_over(capsys: Any) -> None:
    frame = pandas.DataFrame(np.random.default_rng(0).normal(size=(30, 4)), columns=[*"abcd"])
    model = TabularRegressor(max_iter=1).fit(frame, frame["a"])
    assert importance(model, frame, frame["a"].to_numpy(), None, sys.stderr, seconds=-1.0) == []
    assert "no time for 4 of 4 columns" in capsys.readouterr().err


@pytest.mark.parametrize("size", [1e160, 1e300, 1e-200])
def test_targets_of_any_size_are_learned(size: float) -> None:
    frame = pandas.DataFrame({"a": np.linspace(1.0, 2.0, 60)})
    model = TabularRegressor(max_iter=20, random_state=0)
    plain = model.fit(frame, frame["a"]).predict(frame)
    found = model.fit(frame, frame["a"] * size).predict(frame)
    np.testing.assert_allclose(found / size, plain, rtol=1e-3)


def test_the_bootstrap_of_what_is_not_defined() -> None:
    found = bootstrap(lambda weight: {"r2": np.nan}, 10, resamples=5)["r2"]
    assert np.isnan([found.value, found.low, found.high]).all()


def test_a_folder_that_cannot_be_is_told_before_the_table_is_read(
    tmp_path: Path, capsys: Any
) -> None:
    (tmp_path / "file").touch()
    for output in ("file", "file/run"):
        line = ["none.csv", "--target", "b", "--output", str(tmp_path / output)]
        assert main(["train", "tabular", *line]) == 2
        assert f"and {tmp_path / 'file'} is a file" in capsys.readouterr().err


def test_ctrl_c_while_modules_load(monkeypatch: Any, capsys: Any) -> None:
    def stop() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("lepton.cli.build_parser", stop)
    assert main(["info"]) == 130
    assert capsys.readouterr().err == "\nlepton: aborted\n"
