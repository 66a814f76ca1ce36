# SPDX-License-Identifier: Apache-2.0
"""Tables on disk: batches, passes, shuffling, memory, and that wrong files end in one sentence."""

import gzip
import subprocess
import sys
from contextlib import suppress
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest
from support.datasets import prefetch_threads

from lepton.data import TableBatches


def write_table(path: Path, rows: int = 10, **columns: object) -> None:
    """A Parquet file with numbers, a truth and a word in each row; `columns` replace or join."""
    table = {
        "a": np.arange(rows),
        "b": np.arange(rows) / 2,
        "ok": np.arange(rows) % 2 == 0,
        "word": [str(i) for i in range(rows)],
    }
    parquet = pytest.importorskip("pyarrow.parquet")
    parquet.write_table(
        pytest.importorskip("pyarrow").table(table | columns), path, row_group_size=4
    )


def rows_of(batches: TableBatches) -> np.ndarray:
    return np.concatenate([np.column_stack(batch) for batch in batches])


def table_refused(error: type[Exception], path: Path, *args: object, **options: object) -> str:
    """Return the sentence with which reading a table ends."""
    with pytest.raises(error, match="TableBatches: ") as caught:
        list(TableBatches(path, *args, **options))
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("ending", ["parquet", "csv", "csv.gz", "tsv"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_tables_come_in_batches_pass_after_pass(tmp_path, ending, dtype):
    path = tmp_path / f"table.{ending}"
    if ending == "parquet":
        write_table(path)
    else:
        lines = ["a,b,ok,word", *(f"{i},{i / 2},{i % 2 == 0},w" for i in range(10))]
        text = "\n".join(lines).replace(",", "\t" if ending == "tsv" else ",").encode()
        path.write_bytes(gzip.compress(text) if ending.endswith("gz") else text)
    batches = TableBatches(path, "b", 4, columns=["ok", "a"], dtype=dtype)
    for _ in range(2):
        found = list(batches)
        assert [len(X) for X, _ in found] == [4, 4, 2]
        assert all(X.dtype == y.dtype == dtype for X, y in found)
        assert all(X.flags.c_contiguous for X, _ in found)
        expected = [[i % 2 == 0, i, i / 2] for i in range(10)]
        assert rows_of(batches).tolist() == expected
    assert batches.columns == ["ok", "a"]
    for target, kind in (("word", "U"), ("ok", "b")):
        assert {y.dtype.kind for _, y in TableBatches(path, target, columns=["a"])} == {kind}
    (X,) = TableBatches(path, columns=["a"])
    assert X.shape == (10, 1)


def test_folders_are_read_part_by_part(tmp_path):
    for i in range(3):
        write_table(tmp_path / f"part-{i}.parquet", a=np.arange(10) + 10 * i)
    (tmp_path / "_SUCCESS").touch()
    batches = TableBatches(tmp_path, "a", 7, columns=["b"])
    found = list(batches)
    assert [len(X) for X, _ in found] == [7, 7, 7, 7, 2]
    assert np.concatenate([y for _, y in found]).tolist() == list(range(30))
    write_table(tmp_path / "part-3.parquet", b=["x"] * 10)
    assert "part-3.parquet: column 'b' expects numbers" in table_refused(
        ValueError, tmp_path, "a", columns=["b"]
    )


@pytest.mark.parametrize("buffer", [1, 5, 12, 100])
def test_shuffled_tables_keep_rows_whole(tmp_path, buffer):
    for i in range(2):
        write_table(
            tmp_path / f"{i}.parquet", 20, a=np.arange(20) + 20 * i, b=-np.arange(20) - 20 * i
        )
    options = {"columns": ["b"], "shuffle_buffer": buffer, "seed": 1}
    batches = TableBatches(tmp_path, "a", 6, **options)
    first, second = rows_of(batches), rows_of(batches)
    assert (rows_of(TableBatches(tmp_path, "a", 6, **options)) == first).all()
    for rows in (first, second):
        assert (rows[:, 0] == -rows[:, 1]).all()
        assert sorted(rows[:, 1]) == list(range(40))
    if buffer > 1:
        assert (first != second).any()


@pytest.mark.parametrize("prefetch", [0, 1, 2])
def test_reading_ahead_changes_neither_batches_nor_errors(tmp_path, prefetch):
    for i in range(2):
        write_table(tmp_path / f"{i}.parquet", b=[*range(9), None] if i else range(10))
    batches = TableBatches(tmp_path, "a", 4, columns=["b"], prefetch=prefetch)
    seen = []
    with pytest.raises(ValueError, match=r"1\.parquet: row 9: column 'b' has a missing value"):
        seen.extend(X[:, 0].tolist() for X, _ in batches)
    assert seen == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 0, 1], [2, 3, 4, 5]]
    assert not prefetch_threads()


@pytest.mark.parametrize("how", [ValueError, KeyboardInterrupt, None])
def test_a_loop_that_is_left_leaves_no_thread(tmp_path, how):
    write_table(tmp_path / "table.parquet", 1000)
    batches = TableBatches(tmp_path, "a", 10, columns=["b"])
    with suppress(ValueError, KeyboardInterrupt):
        for _ in batches:
            assert len(prefetch_threads()) == 1
            if how is None:
                break
            raise how
    assert not prefetch_threads()
    assert sum(len(X) for X, _ in batches) == 1000
    assert not prefetch_threads()


def test_whole_numbers_may_turn_into_fractions(tmp_path):
    path = tmp_path / "late.csv"
    path.write_text("a,b\n" + "1,2\n" * 1_500_000 + "1,2.5\n")
    assert max(y.max() for _, y in TableBatches(path, "b")) == 2.5


def test_every_way_a_table_can_lie(tmp_path):
    path = tmp_path / "table.parquet"
    assert "no such file or folder" in table_refused(FileNotFoundError, tmp_path / "none.csv")
    empty = tmp_path / "empty"
    empty.mkdir()
    assert "no tables (.parquet, .pq, .csv, .tsv)" in table_refused(FileNotFoundError, empty)
    (tmp_path / "table.txt").touch()
    assert "expects a table" in table_refused(ValueError, tmp_path / "table.txt")
    write_table(path)
    assert "expects a column 'z', got ['a', 'b', 'ok', 'word']" in table_refused(
        ValueError, path, "z"
    )
    assert "column 'word' expects numbers, got string" in table_refused(ValueError, path, "a")
    assert "at least one column for X" in table_refused(ValueError, path, "a", columns=[])
    for missing in ([None, *range(9)], [np.nan, *range(9)]):
        write_table(path, b=missing[::-1])
        for target, columns in ((None, ["a", "b"]), ("b", ["a"])):
            sentence = table_refused(ValueError, path, target, columns=columns, batch_size=3)
            assert "row 9: column 'b' has a missing value" in sentence
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    assert "cannot read the table: " in table_refused(ValueError, path)
    path.write_bytes(data[:4] + bytes(50) + data[54:])
    assert "cannot read the table: " in table_refused(ValueError, path, columns=["a"])
    csv = tmp_path / "table.csv"
    for text in ("", "a,b\n1,2\n3\n", "a,b\n" + "1,2\n" * 1_500_000 + "1,x\n", "a,a\n1,2\n"):
        csv.write_text(text)
        assert "table.csv: " in table_refused(ValueError, csv)
    csv.write_text("a,b\n1,2\n3,\n")
    assert "row 1: column 'b' has a missing value" in table_refused(ValueError, csv)
    with pytest.raises(ValueError, match="dtype expects float32 or float64, got int32"):
        TableBatches(csv, dtype="int32")
    with pytest.raises(ValueError, match=r"TableBatches: prefetch.*-1"):
        TableBatches(csv, prefetch=-1)
    with pytest.raises(TypeError, match="columns expects a list of names, got 'a'"):
        TableBatches(csv, columns="a")


def test_text_of_other_people(tmp_path):
    path = tmp_path / "t.csv"
    for encoding in ("cp1252", "utf-16"):
        path.write_bytes("größe;b;wort\n1,5;2;ä\n2,5;-;?\n".encode(encoding))
        options = {} if encoding == "utf-16" else {"encoding": encoding}
        (X,) = TableBatches(path, columns=["größe"], **options)
        assert X.tolist() == [[1.5], [2.5]]
        for column in ("b", "wort"):
            sentence = table_refused(ValueError, path, column, columns=["größe"], **options)
            assert f"row 1: column {column!r} has a missing value" in sentence
    for text in ("größe,b\n1,2\n", "a,b\n1,ä\n"):
        path.write_bytes(text.encode("cp1252"))
        assert "name its encoding with `encoding`" in table_refused(ValueError, path, "b")
    path.write_text("a,b\n1,0.5\nNone,x\n")
    options = {"na_values": ["x"], "columns": ["b"]}
    assert "row 1: column 'b' has a missing" in table_refused(ValueError, path, **options)


def test_decimal_targets_are_numbers(tmp_path):
    path = tmp_path / "t.parquet"
    write_table(path, 2, y=[Decimal("1.50"), Decimal("2.25")])
    ((_, y),) = TableBatches(path, "y", columns=["a"])
    assert y.tolist() == [1.5, 2.25]


@pytest.mark.parametrize("ending", ["parquet", "csv"])
def test_whole_numbers_of_a_target_keep_their_digits(tmp_path, ending):
    path = tmp_path / f"t.{ending}"
    if ending == "csv":
        path.write_text("a,y\n1.5,16777216\n2.5,16777217\n")
    else:
        write_table(path, 2, y=[16777216, 16777217])
    ((X, y),) = TableBatches(path, "y", columns=["a"], dtype="float32")
    assert X.dtype == np.float32
    assert y.tolist() == [16777216, 16777217]


def test_columns_that_cannot_be_features(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("a,y\n1,2\ninf,3\n")
    with pytest.raises(ValueError, match="columns expects others than 'y'"):
        TableBatches(path, "y", columns=["y", "a"])
    with pytest.raises(ValueError, match="columns expects each name once, got 'a' twice"):
        TableBatches(path, "y", columns=["a", "a"])
    assert "row 1: column 'a' has an infinite value" in table_refused(ValueError, path, "y")
    assert "column 'a' has an infinite" in table_refused(ValueError, path, "a", columns=["y"])


MEMORY = """
import resource, sys
import pyarrow, pyarrow.csv, pyarrow.parquet
from lepton.data import TableBatches

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

pyarrow.set_cpu_count(2)
before = peak()
rows = sum(len(X) for X, _ in TableBatches(sys.argv[1], "y", 1000, shuffle_buffer=int(sys.argv[2])))
print(rows, peak() - before)
"""


@pytest.mark.parametrize(
    ("name", "rows", "group", "limit"),
    [
        ("one-group.parquet", 1_000_000, 1_000_000, 60),
        ("groups.parquet", 1_000_000, 20_000, 60),
        ("text.csv", 2_000_000, 0, 200),  # blocks are parsed ahead
    ],
)
def test_tables_are_read_in_bounded_memory(tmp_path, name, rows, group, limit):
    """The numbers of the whole table, 80 MB in a million rows, would exceed the limit."""
    pyarrow = pytest.importorskip("pyarrow")
    path = tmp_path / name
    numbers = np.random.default_rng(0).integers(0, 1000, rows).astype(float)
    table = pyarrow.table(dict.fromkeys("abcdefghiy", numbers))
    if path.suffix == ".csv":
        pytest.importorskip("pyarrow.csv").write_csv(table, path)
    else:
        options = {"use_dictionary": False, "compression": "none", "row_group_size": group}
        pytest.importorskip("pyarrow.parquet").write_table(table, path, **options)
    command = [sys.executable, "-c", MEMORY, str(path), "10000"]
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    assert int(output[0]) == rows
    assert float(output[1]) < limit, output
