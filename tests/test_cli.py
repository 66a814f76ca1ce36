# SPDX-License-Identifier: Apache-2.0
"""The command line: what newcomers type first, and one clear line for each mistake."""

import io
import json
import os
import pkgutil
import re
import shutil
import signal
import subprocess
import sys

import numpy as np
import pytest

import lepton
from lepton import cli
from lepton.cli import _output, command_names, main
from lepton.data import datasets
from lepton.training import read_checkpoint

pytest.importorskip("sklearn")
Image = pytest.importorskip("PIL.Image")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A finished run on the digits, trained with the defaults."""
    folder = tmp_path_factory.mktemp("cli") / "digits"
    assert main(["train", "image", "--output", str(folder)]) == 0
    return folder


def lepton_process(*args, **options):
    options.setdefault("stdout", subprocess.PIPE)
    return subprocess.Popen(
        [sys.executable, "-m", "lepton", *map(str, args)],
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )


def test_the_defaults_reach_98_percent_and_leave_a_whole_run(run, capsys):
    assert main(["evaluate", str(run)]) == 0
    out = capsys.readouterr().out
    last = out.splitlines()[-1]
    assert re.fullmatch(r"test_accuracy=0\.\d{4}|test_accuracy=1\.0000", last)
    assert float(last.partition("=")[2]) >= 0.98
    assert "confusion matrix" in out
    names = {path.name for path in run.iterdir()}
    assert names >= {
        "config.json",
        "checkpoints",
        "history.csv",
        "metrics.json",
        "history.png",
        "confusion_matrix.png",
        "predictions.png",
    }
    metrics = json.loads((run / "metrics.json").read_text())
    assert f"test_accuracy={metrics['test']['accuracy']:.4f}" == last
    assert sum(map(sum, metrics["test"]["confusion_matrix"])) == 359


def test_train_prints_data_model_threads_and_ends_in_the_accuracy(tmp_path):
    process = lepton_process("train", "image", "--epochs", 1, cwd=tmp_path)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    assert [line.split()[0] for line in out.splitlines()[:4]] == ["data", "model", "threads", "run"]
    assert re.fullmatch(r"test_accuracy=\d\.\d{4}", out.splitlines()[-1])
    assert "run directory: runs/digits" in out
    assert re.search(r"^epoch 1/1 .* samples/s", err, re.MULTILINE)
    process = lepton_process("train", "image", "--epochs", 1, "--format", "json", cwd=tmp_path)
    found = json.loads(process.communicate(timeout=120)[0])
    assert found["run"] == "runs/digits-2"
    assert len(found["history"]) == 1


def test_one_seed_gives_the_same_history(tmp_path):
    for name in "ab":
        args = ["train", "image", "--epochs", "2", "--seed", "4", "--output", str(tmp_path / name)]
        assert main(args) == 0
    weights = [read_checkpoint(tmp_path / name).weights for name in "ab"]
    assert all(np.array_equal(weights[0][key], weights[1][key]) for key in weights[0])


def test_ctrl_c_saves_says_how_to_go_on_and_the_end_is_the_same(tmp_path):
    args = ("train", "image", "--epochs", 6, "--seed", 1, "--output")
    process = lepton_process(*args, tmp_path / "stopped")
    for line in process.stderr:
        if line.startswith("epoch 2/6"):
            break
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert f"go on with: lepton train image --resume {tmp_path / 'stopped'}" in err
    assert "Traceback" not in err
    assert main(["train", "image", "--resume", str(tmp_path / "stopped")]) == 0
    assert main([*map(str, args), str(tmp_path / "whole")]) == 0
    ends = [read_checkpoint(tmp_path / name).weights for name in ("stopped", "whole")]
    assert all(np.array_equal(ends[0][key], ends[1][key]) for key in ends[0])


def test_predict_names_class_and_probability(run, tmp_path, capsys):
    data = datasets.load_digits()
    files = []
    for number in range(5):
        files.append(str(tmp_path / f"{number}.png"))
        Image.fromarray(data.test_images[number]).save(files[-1])
    assert main(["predict", str(run), *files, "--format", "json", "--top", "10"]) == 0
    found = json.loads(capsys.readouterr().out)["predictions"]
    assert [entry["file"] for entry in found] == files
    assert [int(entry["top"][0]["class"]) for entry in found] == data.test_labels[:5].tolist()
    for entry in found:
        chances = [guess["probability"] for guess in entry["top"]]
        assert chances == sorted(chances, reverse=True)
        assert sum(chances) == pytest.approx(1)
    assert main(["predict", str(run), files[0]]) == 0
    cells = capsys.readouterr().out.splitlines()[-1].split()
    assert cells[:2] == [files[0], str(data.test_labels[0])]
    Image.fromarray(255 - data.test_images[0]).save(files[0])
    assert main(["predict", str(run), files[0], "--invert"]) == 0
    assert capsys.readouterr().out.splitlines()[-1].split()[1] == str(data.test_labels[0])


def test_a_folder_of_class_folders_trains_and_evaluates(tmp_path, capsys):
    rng = np.random.default_rng(0)
    for name, level in (("dark", 40), ("light", 200)):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for number in range(20):
            pixels = np.clip(rng.normal(level, 20, (20, 16, 3)), 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(tmp_path / "photos" / name / f"{number}.png")
    out = str(tmp_path / "run")
    options = ["--data", str(tmp_path / "photos"), "--image-size", "16", "--epochs", "3"]
    assert main(["train", "image", *options, "--output", out]) == 0
    assert "16 x 16 colour, 2 classes" in capsys.readouterr().out
    assert main(["evaluate", out, "--data", str(tmp_path / "photos")]) == 0
    assert main(["predict", out, str(tmp_path / "photos" / "dark" / "0.png")]) == 0


def test_info_tells_cpu_threads_and_versions(capsys):
    assert main(["info", "--format", "json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["isa"] in facts["isas_available"]
    assert facts["threads"] == lepton.get_num_threads()
    assert facts["threads_why"]
    assert facts["packages"]["numpy"] == np.__version__
    assert main(["info"]) == 0
    assert f"lepton          {lepton.__version__}" in capsys.readouterr().out


# -------------------------------------------------------------------------------------- mistakes


@pytest.mark.parametrize(
    ("line", "cause"),
    [
        ("", "the following arguments are required: COMMAND"),
        ("frobnicate", "invalid choice: 'frobnicate'"),
        ("train image --epochs two", "argument --epochs: invalid int value: 'two'"),
        ("train image --epochs 0", "--epochs expects an integer >= 1, got 0"),
        ("train image --batch-size -3", "--batch-size expects an integer >= 1, got -3"),
        ("train image --lr nan", "--lr expects a finite number > 0, got nan"),
        ("train image --validation 1.5", "--validation expects a finite number > 0 and < 1"),
        ("train image --model Transformer", "--model expects 'LeNet' or 'SmallCNN'"),
        ("train image --data no/where", "there is no folder 'no/where'"),
        ("train image --data digits --grey", "are for folders of image files, not for digits"),
        ("train image --output {run}", "already holds a run: go on with --resume {run}"),
        ("train image --resume no/where", "no/where does not exist"),
        ("train image --resume {run} --lr 1", "leave out --lr"),
        ("train image --resume {tmp}", "{tmp} holds no config.json"),
        ("evaluate no/where", "no/where does not exist"),
        ("evaluate {run} --data no/where", "there is no folder 'no/where'"),
        ("predict {run} no.png", "no.png: no such file"),
        ("predict {run} {run}/config.json", "not an image"),
        ("predict {run} x.png --top 0", "--top expects an integer >= 1, got 0"),
        ("predict {run}", "the following arguments are required: INPUT"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(run, tmp_path, capsys, line, cause):
    line, cause = (text.format(run=run, tmp=tmp_path) for text in (line, cause))
    assert main(line.split()) == 2
    caught = capsys.readouterr()
    assert caught.out == ""
    assert caught.err.startswith("lepton: error: ")
    assert cause in caught.err
    assert caught.err.count("\n") == 1


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("config.json", b""),
        ("config.json", b"[]"),
        ("config.json", b'{"task": "image"}'),
        ("config.json", b'{"task": "poetry"}'),
        ("checkpoints/best/model.safetensors", b"x" * 100),
    ],
)
def test_a_damaged_run_is_named(run, tmp_path, capsys, name, content):
    copy = tmp_path / "copy"
    shutil.copytree(run, copy, symlinks=True)
    (copy / name).write_bytes(content)
    assert main(["evaluate", str(copy)]) == 2
    err = capsys.readouterr().err
    assert name.rpartition("/")[2] in err
    assert err.count("\n") == 1


def test_a_fault_of_lepton_is_told_apart(monkeypatch, capsys):
    monkeypatch.setattr("lepton.cli.info.collect", lambda: 1 / 0)
    assert main(["info"]) == 1
    assert "this is a fault of Lepton: ZeroDivisionError" in capsys.readouterr().err
    assert main(["info", "--debug"]) == 1
    assert "Traceback" in capsys.readouterr().err


def test_a_reader_that_goes_away_is_no_error():
    read, write = os.pipe()
    os.close(read)
    process = lepton_process("info", stdout=write)
    os.close(write)
    assert "Traceback" not in process.communicate(timeout=60)[1]


# ---------------------------------------------------------------------------------- all commands


def all_commands(package=cli, path=()):
    for name in command_names(package):
        found = pkgutil.resolve_name(f"{package.__name__}.{name}")
        yield (*path, name), found
        if hasattr(found, "__path__"):
            yield from all_commands(found, (*path, name))


@pytest.mark.parametrize("path", [path for path, _ in all_commands()], ids=" ".join)
def test_every_command_has_help_with_examples_that_parse(path, capsys):
    assert main([*path, "--help"]) == 0
    text = capsys.readouterr().out
    examples = re.findall(r"^  (?:LEPTON_\w+=\w+ )?lepton (.*?)(?:   .*)?$", text, re.MULTILINE)
    assert not re.search(r"default: (\[|\))", text), "a default that is a list or nothing is shown"
    assert examples
    for example in examples:
        cli.build_parser().parse_args(example.replace("--help", "").split())


def test_a_command_is_found_by_being_there(tmp_path, monkeypatch, capsys):
    (tmp_path / "sing.py").write_text(
        '"""Sing a song.\n\nexamples:\n  lepton sing\n"""\n'
        "def add_arguments(parser): parser.add_argument('--loud', action='store_true')\n"
        "def run(args): print('LA' if args.loud else 'la')\n"
    )
    monkeypatch.setattr(cli, "__path__", [*cli.__path__, str(tmp_path)])
    assert main(["sing", "--loud"]) == 0
    assert capsys.readouterr().out == "LA\n"


def test_tables_of_many_classes_show_the_mistakes_only(capsys):
    matrix = np.diag(np.full(30, 9))
    matrix[3, 4] = 2
    _output.print_confusion(matrix, [f"c{i}" for i in range(30)])
    assert capsys.readouterr().out.splitlines()[-1].split() == ["c3", "c4", "2"]


def test_a_narrow_terminal_wraps_long_cells_and_shows_short_ones_whole(monkeypatch):
    pytest.importorskip("rich")
    monkeypatch.setenv("COLUMNS", "60")
    screen = io.StringIO()
    monkeypatch.setattr(screen, "isatty", lambda: True, raising=False)
    rows = [["a long name of a column " * 2, "category", "12,345", "words " * 20]]
    _output.print_table(rows, ["column", "kind", "missing", "values"], left=4, file=screen)
    text = screen.getvalue()
    assert all(word in text for word in ("kind", "missing", "category", "12,345"))
    assert text.count("words") == 20


def test_json_has_no_nan(capsys):
    _output.print_json({"a": float("nan"), "b": np.float32(1.5), "c": (1, np.array([2]))})
    assert json.loads(capsys.readouterr().out) == {"a": None, "b": 1.5, "c": [1, [2]]}
