# SPDX-License-Identifier: Apache-2.0
"""The command line on tables: a whole run, its use, and one line for each mistake."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas
import pytest
from sklearn import metrics

from lepton.cli import main
from lepton.cli._problem import Problem, split_rows
from lepton.cli._table import TableFile
from lepton.estimator import Estimator
from lepton.tabular import Schema
from lepton.tabular.measures import ClassMeasures, RegressionMeasures, bootstrap
from lepton.training import read_checkpoint

QUICK = ["--epochs", "12", "--hidden", "16", "--lr", "0.01"]


def homes(rows: int = 400) -> Any:
    random = np.random.default_rng(0)
    frame = pandas.DataFrame(
        {
            "size": random.gamma(4.0, 25.0, rows).round(1),
            "town": random.choice(["Ulm", "Bonn", "Köln"], rows),
            "lift": random.random(rows) < 0.5,
            "sold": pandas.Timestamp("2021-03-01")
            + pandas.to_timedelta(random.integers(0, 600, rows), "D"),
        }
    )
    price = 3 * frame["size"] + 80 * (frame["town"] == "Ulm") + 40 * frame["lift"]
    frame["price"] = (price + random.normal(0, 8, rows)).round(2)
    frame.loc[::17, "town"] = None
    frame.loc[::23, "size"] = None
    return frame


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A CSV file of homes with prices."""
    path = tmp_path_factory.mktemp("table") / "homes.csv"
    homes().to_csv(path, index=False)
    return path


@pytest.fixture(scope="module")
def run(table: Path) -> Path:
    """A finished run on the prices."""
    folder = table.parent / "run"
    options = [str(table), "--target", "price", "--output", str(folder), *QUICK]
    assert main(["train", "tabular", *options]) == 0
    return folder


@pytest.fixture(scope="module")
def class_run(table: Path) -> Path:
    """A finished run on the towns, without the rows that have none, in a Parquet file."""
    path = table.parent / "towns.parquet"
    homes().dropna(subset=["town"]).to_parquet(path)
    folder = table.parent / "class-run"
    options = [str(path), "--target", "town", "--output", str(folder), *QUICK]
    assert main(["train", "tabular", *options, "--class-weight", "balanced"]) == 0
    return folder


def test_a_run_shows_the_schema_and_ends_in_the_measure(
    table: Path, tmp_path: Path, capsys: Any, monkeypatch: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["train", "tabular", str(table), "--target", "price", *QUICK]) == 0
    lines = capsys.readouterr().out.splitlines()
    kinds = {line.split()[0]: line.split()[1] for line in lines[2:6]}
    assert kinds == {"size": "number", "town": "category", "lift": "boolean", "sold": "date"}
    assert "target   price: numbers from" in "\n".join(lines)
    assert "rows     320 to train and 80 to test on" in lines
    name, value = lines[-1].split("=")
    assert name == "test_r2"
    assert float(value) > 0.8
    assert {path.name for path in (tmp_path / "runs" / "homes").iterdir()} >= {
        "config.json", "checkpoints", "history.csv", "metrics.json", "model.safetensors",
        "history.png", "predictions.png", "importance.png",
    }  # fmt: skip


def test_evaluate_gives_the_test_measures_again(run: Path, table: Path, capsys: Any) -> None:
    test = json.loads((run / "metrics.json").read_text())["test"]
    assert test["importance"][0]["column"] == "size"
    assert main(["evaluate", str(run), "--format", "json"]) == 0
    again = json.loads(capsys.readouterr().out)
    assert again["measures"] == test["measures"]
    for estimate in again["measures"].values():
        assert estimate["low"] < estimate["value"] < estimate["high"]
    assert main(["evaluate", str(run), "--data", str(table)]) == 0
    assert "400 test rows" in capsys.readouterr().out
    assert main(["evaluate", str(run), "--checkpoint", "last"]) == 0


def test_a_finished_run_has_nothing_to_go_on_with(run: Path, capsys: Any) -> None:
    before = (run / "model.safetensors").read_bytes()
    assert main(["train", "tabular", "--resume", str(run), "--format", "json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["run"] == str(run)
    assert len(found["history"]) == 12
    assert list(found["test"]["measures"]) == ["r2", "rmse", "mae"]
    assert (run / "model.safetensors").read_bytes() == before


def test_predict_writes_a_row_for_each_row(
    run: Path, table: Path, tmp_path: Path, capsys: Any
) -> None:
    new = homes()[["town", "price", "sold", "lift", "size"]].head(5)
    new.to_csv(tmp_path / "new.csv", index=False, sep=";")
    model = Estimator.load(run / "model.safetensors")
    wanted = model.predict(TableFile(str(table)).read().head(5).drop(columns="price"))
    out = tmp_path / "out.csv"
    assert main(["predict", str(run), str(tmp_path / "new.csv"), "--output", str(out)]) == 0
    np.testing.assert_allclose(pandas.read_csv(out)["prediction"], wanted, rtol=1e-12)
    capsys.readouterr()
    assert main(["predict", str(run), str(tmp_path / "new.csv")]) == 0
    assert capsys.readouterr().out == out.read_text()
    assert main(["predict", str(run), str(tmp_path / "new.csv"), "--format", "json"]) == 0
    found = json.loads(capsys.readouterr().out)["predictions"][0]["rows"]
    assert [row["prediction"] for row in found] == pytest.approx(wanted.tolist(), rel=1e-12)


def test_classes_have_probabilities(class_run: Path, table: Path, capsys: Any) -> None:
    metrics_file = json.loads((class_run / "metrics.json").read_text())
    names = ["accuracy", "balanced_accuracy", "f1_macro", "roc_auc", "log_loss"]
    assert list(metrics_file["test"]["measures"]) == names
    assert {"confusion_matrix.png", "roc.png"} <= {path.name for path in class_run.iterdir()}
    assert main(["predict", str(class_run), str(table)]) == 0
    rows = capsys.readouterr().out.splitlines()
    assert rows[0] == "prediction,probability_Bonn,probability_Köln,probability_Ulm"
    assert len(rows) == 401
    chances = np.array([row.split(",")[1:] for row in rows[1:]], float)
    np.testing.assert_allclose(chances.sum(axis=1), 1, rtol=1e-6)
    assert main(["evaluate", str(class_run)]) == 0
    assert "confusion matrix" in capsys.readouterr().out


def test_weights_of_rows_are_used_in_training_and_test(tmp_path: Path, capsys: Any) -> None:
    """Rows of weight 0 have nonsense for a price: nothing of it is in the measures."""
    frame = homes()
    frame["people"] = np.tile([0.0, 1.0, 2.0, 1.0], 100)
    frame.loc[::4, "price"] = 1e6
    frame.to_csv(tmp_path / "survey.csv", index=False)
    data, out = str(tmp_path / "survey.csv"), str(tmp_path / "run")
    line = ["--target", "price", "--weight", "people", "--output", out, *QUICK]
    assert main(["train", "tabular", data, *line]) == 0
    assert "320 to train and 80 to test on, with weights" in capsys.readouterr().out
    assert main(["evaluate", out, "--format", "json"]) == 0
    again = json.loads(capsys.readouterr().out)["measures"]
    assert again == json.loads((tmp_path / "run" / "metrics.json").read_text())["test"]["measures"]
    assert main(["evaluate", out, "--data", data, "--format", "json"]) == 0
    found = json.loads(capsys.readouterr().out)["measures"]
    model: Any = Estimator.load(tmp_path / "run" / "model.safetensors")
    assert "people" not in model.schema_.kinds
    X = TableFile(data).read()[list(model.schema_.kinds)]
    wanted = model.score(X, frame["price"], frame["people"])
    assert found["r2"]["value"] == pytest.approx(wanted, rel=1e-6)
    assert found["r2"]["low"] > 0.8
    assert main(["predict", out, str(tmp_path / "survey.csv")]) == 0
    frame.drop(columns="people").to_csv(tmp_path / "new.csv", index=False)
    capsys.readouterr()
    assert main(["predict", out, str(tmp_path / "new.csv")]) == 0
    assert main(["evaluate", out, "--data", str(tmp_path / "new.csv")]) == 2
    assert "--weight expects one of size" in capsys.readouterr().err


def test_ctrl_c_saves_says_how_to_go_on_and_the_end_is_the_same(
    table: Path, tmp_path: Path
) -> None:
    line = ["train", "tabular", str(table), "--target", "price", "--seed", "1", "--batch-size", "2",
            "--epochs", "6", "--output"]  # fmt: skip
    command = [sys.executable, "-m", "lepton", *line, str(tmp_path / "stopped")]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stderr is not None
    for message in process.stderr:
        if message.startswith("epoch 1/6"):
            break
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 130, err
    assert f"go on with: lepton train tabular --resume {tmp_path / 'stopped'}" in err
    assert "Traceback" not in err
    assert main(["evaluate", str(tmp_path / "stopped")]) == 2
    assert main(["train", "tabular", "--resume", str(tmp_path / "stopped")]) == 0
    assert main([*line, str(tmp_path / "whole")]) == 0
    ends = [read_checkpoint(tmp_path / name).weights for name in ("stopped", "whole")]
    assert ends[0].keys() == ends[1].keys()
    assert all(np.array_equal(ends[0][key], ends[1][key]) for key in ends[0])
    histories = [pandas.read_csv(tmp_path / name / "history.csv") for name in ("stopped", "whole")]
    pandas.testing.assert_frame_equal(*(h.drop(columns="seconds") for h in histories))


# -------------------------------------------------------------------------------------- mistakes


FILES = {
    "empty.csv": "",
    "header.csv": "a,b\n",
    "one.csv": "a,b\n1,x\n2,x\n3,x\n",
    "debts.csv": "a,b,c\n1,x,2\n2,y,-1\n",
    "same.csv": "a,b\n1,2.5\n2,2.5\n",
    "holes.csv": "a,b\n1,x\n2,\n3,y\n4,\n",
    "few.csv": "a,b\n1,x\n2,y\n",
    "lonely.csv": "b\nx\ny\n",
    "typed.csv": "size,town,lift,sold,price\nbig,Ulm,True,2021-05-05,100\n",
    "dates.csv": "size,town,lift,sold,price\n50,Ulm,True,2021-02-30,100\n",
    "short.csv": "size,lift,sold\n50,True,2021-05-05\n",
    "damaged.parquet": "PAR1 this is none",
}


@pytest.mark.parametrize(
    ("line", "cause"),
    [
        ("train tabular", "the following arguments are required: DATA"),
        ("train tabular {table}", "the following arguments are required: --target"),
        ("train tabular no.csv --target a", "no.csv: no such file"),
        ("train tabular {tmp} --target a", "is a folder, no table"),
        ("train tabular {tmp}/empty.csv --target a", "empty.csv: the file is empty"),
        ("train tabular {tmp}/header.csv --target a", "header.csv: the table has no rows"),
        ("train tabular {tmp}/damaged.parquet --target a", "damaged.parquet: "),
        ("train tabular {table} --target prize", "--target expects one of size, town, lift, sold, "
         "price, got 'prize'"),
        ("train tabular {table} --target price --drop rooms", "--drop expects one of size"),
        ("train tabular {table} --target price --categories x", "lacks the column(s) 'x'"),
        ("train tabular {table} --target price --weight x", "--weight expects one of size"),
        ("train tabular {table} --target price --weight price", "another column than the target"),
        ("train tabular {table} --target price --weight lift", "numbers >= 0, got a boolean"),
        ("train tabular {table} --target price --weight size", "got no value in line 2"),
        ("train tabular {tmp}/debts.csv --target b --weight c", ">= 0, got -1 in line 3"),
        ("train tabular {table} --target price --time x", "--time expects one of size"),
        ("train tabular {table} --target price --time town", "numbers or dates, got a category"),
        ("train tabular {table} --target price --time size", "got missing values"),
        ("train tabular {table} --target price --test-size 1", "--test-size expects a finite"),
        ("train tabular {table} --target price --epochs 0", "--epochs expects an integer >= 1"),
        ("train tabular {table} --target price --task guess", "--task expects 'auto' or"),
        ("train tabular {table} --target price --class-weight balanced", "is for classification"),
        ("train tabular {table} --target price --task classification", "expects classes, got "
         "numbers that are not whole"),
        ("train tabular {table} --target lift --task regression", "expects numbers, got a boolean"),
        ("train tabular {table} --target sold --task classification", "got dates"),
        ("train tabular {table} --target town", "column 'town' (--target) has no value in 24 of "
         "400 rows, the first in line 2"),
        ("train tabular {tmp}/holes.csv --target b", "2 of 4 rows, the first in line 3"),
        ("train tabular {tmp}/one.csv --target b", "expects at least 2 classes, got only 'x'"),
        ("train tabular {tmp}/same.csv --target b", "at least 2 different numbers, got only 2.5"),
        ("train tabular {tmp}/lonely.csv --target b", "expects columns besides the target 'b'"),
        ("train tabular {tmp}/few.csv --target b", "got 2 to train and 0 to test on"),
        ("train tabular {table} --target price --output {run}", "already holds a run"),
        ("train tabular --resume {run} --lr 1", "leave out --lr"),
        ("train tabular --resume {tmp}", "holds no config.json"),
        ("train image --resume {run}", "this is no run of lepton train image"),
        ("evaluate {run} --data no.csv", "no.csv: no such file"),
        ("evaluate {run} --data {tmp}/short.csv", "--target expects one of size, lift, sold"),
        ("predict {run} no.csv", "no.csv: no such file"),
        ("predict {run} {tmp}/short.csv", "short.csv: lacks the column(s) 'town'"),
        ("predict {run} {tmp}/typed.csv", "column 'size' was a number in fit, got a category"),
        ("predict {run} {tmp}/dates.csv", "dates.csv: column 'sold' expects dates"),
        ("predict {run} {table} --top 2", "are for pictures"),
    ],
)  # fmt: skip
def test_a_mistake_is_one_line_and_exit_code_2(
    run: Path, table: Path, tmp_path: Path, capsys: Any, line: str, cause: str
) -> None:
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    capsys.readouterr()
    output = [] if "--output" in line or "--resume" in line else ["--output", str(tmp_path / "o")]
    more = output if line.startswith("train") else []
    assert main([*line.format(run=run, table=table, tmp=tmp_path).split(), *more]) == 2
    caught = capsys.readouterr()
    assert caught.out == ""
    assert caught.err.startswith("lepton: error: ")
    assert cause in caught.err
    assert caught.err.count("\n") == 1


def test_unknown_classes_and_another_table_are_told(
    class_run: Path, table: Path, tmp_path: Path, capsys: Any
) -> None:
    homes().assign(town="Rom").to_csv(tmp_path / "rome.csv", index=False)
    assert main(["evaluate", str(class_run), "--data", str(tmp_path / "rome.csv")]) == 2
    assert "expects the classes ['Bonn', 'Köln', 'Ulm'] of the run, got 'Rom'" in (
        capsys.readouterr().err
    )
    copy = tmp_path / "copy"
    shutil.copytree(class_run, copy, symlinks=True)
    config = json.loads((copy / "config.json").read_text())
    config["options"].update(data=str(table), target="lift")
    (copy / "config.json").write_text(json.dumps(config))
    assert main(["train", "tabular", "--resume", str(copy)]) == 2
    assert "the table is not that of the run" in capsys.readouterr().err
    os.remove(copy / "model.safetensors")
    assert main(["evaluate", str(copy)]) == 2
    assert "holds no finished model" in capsys.readouterr().err


# ------------------------------------------------------------------------------- what is below


def test_evaluation_on_one_class_has_no_area(class_run: Path, tmp_path: Path, capsys: Any) -> None:
    homes().assign(town="Ulm").to_csv(tmp_path / "ulm.csv", index=False)
    line = ["evaluate", str(class_run), "--data", str(tmp_path / "ulm.csv"), "--format", "json"]
    assert main(line) == 0
    found = json.loads(capsys.readouterr().out)["measures"]
    assert found["roc_auc"] == {"value": None, "low": None, "high": None}
    assert found["accuracy"]["low"] <= found["accuracy"]["value"] <= found["accuracy"]["high"]


def test_text_of_iso_dates_becomes_dates_and_other_text_stays(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text(
        "day\ttime\tword\tpart\tlift\tnone\n"
        "2024-02-29\t2024-01-01T10:00:00Z\ta\t2024-01-01\tTrue\t\n\t\tb\tlater\t\t\n"
    )
    frame = TableFile(str(path)).read()
    kinds = [frame[name].dtype.kind for name in ("day", "time")]
    assert kinds == ["M", "M"]
    assert frame["day"].isna().tolist() == [False, True]
    others = ("word", "part", "lift", "none")
    assert not any(pandas.api.types.is_datetime64_any_dtype(frame[name]) for name in others)
    assert Schema.learn(frame).kinds["lift"] == "boolean"


@pytest.mark.parametrize(
    ("values", "task"),
    [
        (["a", "b"], "classification"),
        ([True, False], "classification"),
        ([0, 1], "classification"),
        ([1.0, 2.0], "classification"),
        (list(range(11)), "regression"),
        ([0.5, 1], "regression"),
    ],
)
def test_the_target_tells_the_task(values: list[Any], task: str) -> None:
    frame = pandas.DataFrame({"x": range(len(values)), "y": values})
    assert Problem.of(TableFile("t.csv"), frame, "y", "auto").task == task


def test_rows_are_split_by_time_or_at_random_with_all_classes_alike() -> None:
    frame = homes()
    problem = Problem.of(TableFile("t.csv"), frame, "price", "auto")
    train, test = split_rows(TableFile("t.csv"), problem, 0.25, 0, "sold")
    assert frame["sold"].iloc[train].max() <= frame["sold"].iloc[test].min()
    late = frame.assign(new=np.where(frame["sold"] > "2022-10-01", "x", "y"))
    with pytest.raises(ValueError, match="only test rows have the class 'x'"):
        split_rows(
            TableFile("t.csv"), Problem.of(TableFile("t.csv"), late, "new", "auto"), 0.25, 0, "sold"
        )
    for name in ("price", "lift"):
        problem = Problem.of(TableFile("t.csv"), frame, name, "auto")
        train, test = split_rows(TableFile("t.csv"), problem, 0.25, 0, None)
        assert sorted([*train, *test]) == list(range(400))
        assert len(test) == 100
        if name == "lift":
            share = frame["lift"].iloc[test].mean()
            assert abs(share - frame["lift"].mean()) <= 0.01
        assert split_rows(TableFile("t.csv"), problem, 0.25, 1, None)[1].tolist() != test.tolist()


@pytest.mark.parametrize("classes", [2, 4])
def test_measures_of_classes_are_those_of_scikit_learn(classes: int) -> None:
    random = np.random.default_rng(0)
    codes = random.integers(0, classes, 300)
    chances = random.dirichlet(np.ones(classes), 300).round(2) + 0.01  # rounded, so that some tie
    chances[np.arange(300), codes] += 0.1
    chances /= chances.sum(axis=1, keepdims=True)
    weight = random.integers(0, 4, 300).astype(float)
    found = ClassMeasures(codes, chances)(weight)
    guesses, options = chances.argmax(axis=1), {"sample_weight": weight}
    score = chances[:, 1] if classes == 2 else chances
    many = {} if classes == 2 else {"multi_class": "ovr"}
    wanted = {
        "accuracy": metrics.accuracy_score(codes, guesses, **options),
        "balanced_accuracy": metrics.balanced_accuracy_score(codes, guesses, **options),
        "f1_macro": metrics.f1_score(codes, guesses, average="macro", **options),
        "roc_auc": metrics.roc_auc_score(codes, score, **many, **options),
        "log_loss": metrics.log_loss(codes, chances, **options),
    }
    assert found == pytest.approx(wanted, rel=1e-12)


def test_measures_of_numbers_are_those_of_scikit_learn() -> None:
    random = np.random.default_rng(0)
    y = 1e6 + random.standard_normal(300)
    guess = y + 0.3 * random.standard_normal(300)
    weight = random.integers(0, 4, 300).astype(float)
    found = RegressionMeasures(y, guess)(weight)
    wanted = {
        "r2": metrics.r2_score(y, guess, sample_weight=weight),
        "rmse": metrics.root_mean_squared_error(y, guess, sample_weight=weight),
        "mae": metrics.mean_absolute_error(y, guess, sample_weight=weight),
    }
    assert found == pytest.approx(wanted, rel=1e-9)


def test_the_bootstrap_of_a_mean_is_as_wide_as_theory_says() -> None:
    values = np.random.default_rng(0).standard_normal(400)
    found = bootstrap(lambda w: {"mean": values @ w / w.sum()}, 400, resamples=2000)["mean"]
    assert found.value == pytest.approx(values.mean())
    # The normal interval is 3.92 standard errors wide; 2000 resamples tell its ends to about 5 %.
    assert found.high - found.low == pytest.approx(3.92 * values.std() / 20, rel=0.1)
