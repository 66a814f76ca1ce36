# SPDX-License-Identifier: Apache-2.0
"""Files of weights and JSON: exact round trips, clear refusals, a full disk that harms nothing."""

import json
import os
import random
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from support.disk import full_disk

import lepton
from lepton import nn, saving
from lepton.saving import tensors as tensor_files
from lepton.saving.atomic import remove_leftovers

DTYPES = [np.float32, np.float64, np.int32, np.int64, np.uint8, np.bool_]


def example_arrays():
    rng = np.random.default_rng(0)
    arrays = {np.dtype(t).name: rng.integers(0, 2, (3, 2)).astype(t) for t in DTYPES}
    arrays["scalar"] = np.float32(2.5).reshape(())
    arrays["empty"] = np.zeros((0, 4), np.float32)
    arrays["special"] = np.array([np.nan, np.inf, -np.inf, -0.0, 1e-45], np.float32)
    arrays["strided"] = np.arange(12, dtype=np.float64).reshape(3, 4).T[::2]
    return arrays


def craft(path, header, data=b"", length=None):
    """Write a safetensors file whose header says whatever the test wants."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text) if length is None else length) + text + data)
    return path


def refusal(read, path):
    """Return the sentence with which a file is refused, or None if it is read."""
    try:
        read(path)
    except ValueError as error:
        return str(error)
    return None


def entry(dtype="F32", shape=(2,), offsets=(0, 8)):
    return {"dtype": dtype, "shape": list(shape), "data_offsets": list(offsets)}


def test_round_trip_keeps_every_bit_shape_and_dtype(tmp_path):
    arrays = example_arrays()
    saving.save_file(arrays, tmp_path / "x.safetensors", {"note": "ü"})
    loaded = saving.load_file(tmp_path / "x.safetensors")
    assert saving.read_metadata(tmp_path / "x.safetensors") == {"note": "ü"}
    assert loaded.keys() == arrays.keys()
    for name, array in arrays.items():
        got = np.asarray(loaded[name])
        assert (got.dtype, got.shape) == (array.dtype, array.shape)
        assert got.tobytes() == array.tobytes()


def test_files_are_exchanged_with_the_reference_library(tmp_path):
    from safetensors.numpy import load_file, save_file

    arrays = {name: np.ascontiguousarray(a) for name, a in example_arrays().items() if a.ndim}
    saving.save_file(arrays, tmp_path / "ours")
    save_file(arrays, tmp_path / "theirs")
    for name, array in arrays.items():
        assert load_file(tmp_path / "ours")[name].tobytes() == array.tobytes()
        assert np.asarray(saving.load_file(tmp_path / "theirs")[name]).tobytes() == array.tobytes()


def test_half_floats_are_widened_exactly(tmp_path):
    half = np.array([1.5, -0.1, np.inf], np.float16)
    brain = np.array([0x3F80, 0xC000, 0x7F80], np.uint16)  # 1, -2 and infinity
    data = half.tobytes() + brain.tobytes()
    header = {"h": entry("F16", [3], [0, 6]), "b": entry("BF16", [3], [6, 12])}
    loaded = saving.load_file(craft(tmp_path / "x", header, data))
    assert loaded["h"].dtype == loaded["b"].dtype == lepton.float32
    assert loaded["h"].tolist() == half.astype(np.float32).tolist()
    assert loaded["b"].tolist() == [1.0, -2.0, float("inf")]


def test_tensors_with_gradients_and_modules_are_saved(tmp_path):
    layer, other = nn.Linear(3, 2), nn.Linear(3, 2)
    saving.save(layer, tmp_path / "layer")
    saving.load(other, tmp_path / "layer")
    assert np.array_equal(other.weight.detach().numpy(), layer.weight.detach().numpy())
    before = other.weight.tolist()
    with pytest.raises(ValueError, match=r"load: .*layer: .*weight"):
        saving.load(nn.Linear(4, 2), tmp_path / "layer")
    assert other.weight.tolist() == before


@pytest.mark.parametrize(
    ("header", "data", "cause"),
    [
        (b"\xff{", b"", "header: byte 0 is not UTF-8"),
        (b"{", b"", "header: line 1, column 2: expecting property name"),
        (b"[]", b"", "header: expected a JSON object, got a list"),
        (b"[" * 100_000, b"", "header: nested too deep"),
        (b'{"a": NaN}', b"", "header: NaN is not valid JSON"),
        (b'{"a": {}, "a": {}}', b"", "header: the name 'a' appears twice"),
        (b'{"a": ' + b"9" * 5000 + b"}", b"", "header: an integer has too many digits"),
        ({"__metadata__": {"k": 1}}, b"", "__metadata__: 'k': expected a string, got a number"),
        ({"__metadata__": []}, b"", "__metadata__: expected a JSON object, got a list"),
        ({"a": []}, b"", "tensor 'a': expected a JSON object, got a list"),
        ({"a": {"dtype": "F32"}}, b"", "tensor 'a': expected dtype, shape and data_offsets"),
        ({"a": {**entry(), "x": 1}}, b"", "tensor 'a': expected dtype, shape and data_offsets"),
        ({"a": entry("F31")}, bytes(8), "tensor 'a': dtype 'F31' is none of F32"),
        ({"a": entry(["F32"])}, bytes(8), "tensor 'a': dtype ['F32'] is none of F32"),
        ({"a": entry(shape=[-2])}, bytes(8), "tensor 'a': shape expects a list of integers"),
        ({"a": entry(shape=[True, 2])}, bytes(8), "tensor 'a': shape expects a list of integers"),
        ({"a": entry(shape=[2.0])}, bytes(8), "tensor 'a': shape expects a list of integers"),
        ({"a": entry(shape=[2**62, 8])}, bytes(8), "tensor 'a': shape .* larger than any memory"),
        ({"a": entry(shape=[0, 2**62], offsets=[0, 0])}, b"", "shape .* larger than any memory"),
        ({"a": entry(shape=[1] * 40)}, bytes(8), "shape .* larger than any memory"),
        ({"a": entry(offsets=[8, 0])}, bytes(8), "tensor 'a': data_offsets expects"),
        ({"a": entry(offsets=[0])}, bytes(8), "tensor 'a': data_offsets expects"),
        ({"a": entry(offsets=[-8, 0])}, bytes(8), "tensor 'a': data_offsets expects a list"),
        ({"a": entry(offsets=[0, 4])}, bytes(8), "hold 4 bytes, but shape [2] of F32 needs 8"),
        ({"a": entry(), "b": entry(offsets=[4, 12])}, bytes(12), "overlap tensor 'a'"),
        ({"a": entry(), "b": entry(offsets=[9, 17])}, bytes(17), "leave 1 unused bytes after"),
        ({"a": entry(offsets=[4, 12])}, bytes(12), "leave 4 unused bytes after the start"),
        ({"a": entry()}, bytes(7), "data end at byte 8, but the file holds 7"),
        ({"a": entry()}, bytes(9), "1 bytes follow the last tensor"),
    ],
)
def test_a_lying_header_is_refused_with_file_place_and_cause(tmp_path, header, data, cause):
    path = craft(tmp_path / "bad.safetensors", header, data)
    message = refusal(saving.load_file, path)
    assert message.startswith(f"load_file: {path}: ")
    assert all(part in message for part in cause.split(" .* "))
    assert "\n" not in message


@pytest.mark.parametrize(
    ("content", "cause"),
    [
        (b"", "0 bytes, fewer than the 8"),
        (b"1234567", "7 bytes, fewer than the 8"),
        (struct.pack("<Q", 3) + b"{}", "claims 3 bytes, but only 2 follow"),
        (struct.pack("<Q", 2**64 - 1) + b"{}", "but only 2 follow"),
    ],
)
def test_a_cut_file_is_refused(tmp_path, content, cause):
    (tmp_path / "x").write_bytes(content)
    with pytest.raises(ValueError, match=cause):
        saving.load_file(tmp_path / "x")


def test_a_header_over_the_limit_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(tensor_files, "_MAX_HEADER", 10)
    with pytest.raises(ValueError, match="claims 61 bytes, more than the allowed 10"):
        saving.load_file(craft(tmp_path / "x", {"a": entry()}, bytes(8)))


def mutations(data, count, seed):
    """Yield damaged copies of `data`: flips, cuts, insertions, repeats and swapped digits."""
    rng = random.Random(seed)
    head = min(len(data), 8 + int.from_bytes(data[:8], "little"))
    for _ in range(count):
        damaged = bytearray(data)
        for _ in range(rng.choice([1, 1, 1, 2, 5])):
            at = rng.randrange(min(head, len(damaged)) or 1)
            kind = rng.randrange(6)
            if kind == 0:
                damaged[at] ^= 1 << rng.randrange(8)
            elif kind == 1:
                damaged[at] = rng.randrange(256)
            elif kind == 2:
                del damaged[rng.randrange(len(damaged)) :]
            elif kind == 3:
                damaged[at:at] = rng.choice([b"0", b"9", b"-", b'"', b"}", b"[", bytes(9), b"\xff"])
            elif kind == 4:
                del damaged[at : at + rng.randrange(1, 9)]
            else:
                size = rng.randrange(1, 40)
                damaged[at:at] = damaged[at : at + size]
            if not damaged:
                break
        yield bytes(damaged)


def test_thousands_of_damaged_files_are_read_right_or_refused(tmp_path):
    from safetensors import SafetensorError
    from safetensors.numpy import load

    path = tmp_path / "x.safetensors"
    saving.save_file(example_arrays(), path, {"note": "text"})
    original = path.read_bytes()
    refused = 0
    for damaged in mutations(original, 4000, seed=1):
        path.write_bytes(damaged)
        message = refusal(tensor_files.read_arrays, path)
        if message is not None:
            refused += 1
            assert message.startswith(f"load_file: {path}: ")
            assert "\n" not in message
            continue
        loaded = tensor_files.read_arrays(path)
        try:  # whatever Lepton takes the reference reader takes too, with the same values
            reference = load(damaged)
        except SafetensorError as error:
            pytest.fail(f"accepted what the reference refuses ({error}): {damaged!r}")
        except KeyError:  # the reference has no NumPy name for bfloat16
            continue
        assert loaded.keys() == reference.keys()
        for name, array in loaded.items():
            if array.dtype == reference[name].dtype != np.bool_:
                assert array.tobytes() == reference[name].tobytes()
    assert refused > 2500


def test_wrong_types_are_refused_before_a_file_appears(tmp_path):
    path = tmp_path / "x"
    for tensors, metadata, message in [
        ({"a": np.zeros(2, np.complex64)}, None, "tensor 'a' has dtype complex64"),
        ({"a": np.zeros(2, np.float16)}, None, "tensor 'a' has dtype float16"),
        ({1: np.zeros(2)}, None, "tensor name expects a str, got int"),
        ({"a": np.zeros(2)}, {"k": 1}, "metadata of 'k' expects a str, got int"),
    ]:
        with pytest.raises(TypeError, match=message):
            saving.save_file(tensors, path, metadata)
    with pytest.raises(ValueError, match="reserved"):
        saving.save_file({"__metadata__": np.zeros(2)}, path)
    assert not path.exists()


# ------------------------------------------------------------------------------------------- JSON


def test_json_keeps_every_float(tmp_path):
    rng = np.random.default_rng(0)
    value = {
        "floats": [
            float(x) for x in rng.standard_normal(200) * 10.0 ** rng.integers(-300, 300, 200)
        ],
        "special": [float("inf"), float("-inf"), -0.0, 5e-324],
        "names": ["NaN", "ü", "\x00"],
        "whole": [2**70, -1, True, None],
    }
    saving.write_json(value, tmp_path / "x.json")
    assert repr(saving.read_json(tmp_path / "x.json")) == repr(value)
    saving.write_json({"x": float("nan")}, tmp_path / "x.json")
    assert np.isnan(saving.read_json(tmp_path / "x.json")["x"])
    json.loads((tmp_path / "x.json").read_text(), parse_constant=pytest.fail)


@pytest.mark.parametrize(
    ("content", "cause"),
    [
        (b"", "line 1, column 1: expecting value"),
        (b'{"a": 1,\n "b" 2}', "line 2, column 6: expecting ':' delimiter"),
        (b'{"a": 1} x', "line 1, column 10: extra data"),
        (b'{"a": 1, "a": 2}', "the name 'a' appears twice in one object"),
        (b'{"a": Infinity}', "Infinity is not valid JSON"),
        (b'{"a": 1e999}', "the number 1e999 is out of range"),
        (b'{"a": "\xc3"}', "byte 7 is not UTF-8"),
        (b"[" * 200_000, "nested too deep"),
        (b"1" * 6000, "an integer has too many digits"),
        (b'{"$float": "one"}', 'expected {"$float": "nan"}'),
    ],
)
def test_bad_json_is_refused_with_file_place_and_cause(tmp_path, content, cause):
    path = tmp_path / "x.json"
    path.write_bytes(content)
    assert refusal(saving.read_json, path).startswith(f"read_json: {path}: {cause}")


def test_thousands_of_damaged_json_files_are_read_or_refused(tmp_path):
    path = tmp_path / "x.json"
    saving.write_json({"a": [1, 2.5e-3, {"b": float("nan")}], "name": "ü"}, path)
    original = path.read_bytes()
    refused = 0
    for damaged in mutations(original, 2000, seed=2):
        path.write_bytes(damaged)
        message = refusal(saving.read_json, path)
        if message is not None:
            refused += 1
            assert message.startswith(f"read_json: {path}: ")
    assert refused > 500


def test_what_json_cannot_hold_is_named_by_place(tmp_path):
    for value, place in [
        ({"a": [1, {2}]}, r"value\['a'\]\[1\] is a set"),
        ({"a": {3: 1}}, r"value\['a'\] has the key 3"),
        ({"$float": "nan"}, r"value has the key '\$float'"),
    ]:
        with pytest.raises(TypeError, match=place):
            saving.write_json(value, tmp_path / "x.json")
    with pytest.raises(ValueError, match="is no character"):
        saving.write_json("\ud800", tmp_path / "x.json")
    assert not list(tmp_path.iterdir())


# -------------------------------------------------------------------------------------- full disk


def test_a_full_disk_leaves_the_old_file_and_no_other(tmp_path):
    tensors, text = tmp_path / "x.safetensors", tmp_path / "x.json"
    saving.save_file({"a": np.ones(3)}, tensors)
    saving.write_json([1], text)
    for path, write in [
        (tensors, lambda: saving.save_file({"a": np.ones(3000)}, tensors)),
        (text, lambda: saving.write_json(list(range(5000)), text)),
    ]:
        ending = "; what was there is unchanged$"
        message = f"^cannot write {path}: .*{ending}"
        with pytest.raises(OSError, match=message), full_disk(4096):
            write()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["x.json", "x.safetensors"]
    assert saving.load_file(tensors)["a"].tolist() == [1.0, 1.0, 1.0]
    assert saving.read_json(text) == [1]


def test_what_a_killed_process_left_is_removed_and_nothing_else(tmp_path):
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    names = [f".x.tmp-{dead.pid}-00ff", f".x.tmp-{os.getppid()}-00ff", ".x.tmp-notes", "x"]
    for name in names:
        (tmp_path / name).write_bytes(b"")
    remove_leftovers(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(names[1:])


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"cannot write .*/no/x: No such file or directory"):
        saving.save_file({"a": np.ones(3)}, tmp_path / "no" / "x")


def test_others_may_read_as_the_user_has_set(tmp_path):
    (tmp_path / "plain").write_bytes(b"")
    saving.save_file({"a": np.ones(3)}, tmp_path / "x")
    assert (tmp_path / "x").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_a_link_is_written_through(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "real")
    saving.write_json([1], Path(tmp_path / "link"))
    assert (tmp_path / "link").is_symlink()
    assert saving.read_json(tmp_path / "real") == [1]
