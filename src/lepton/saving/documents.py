# SPDX-License-Identifier: Apache-2.0
"""JSON that is strict, keeps every bit of a number, and says where it is wrong."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from lepton.saving.atomic import atomic_write

__all__ = ["read_json", "write_json"]

_MAX_JSON = 1_000_000_000


def write_json(value: object, path: str | os.PathLike[str]) -> None:
    """Write a value as JSON, atomically; NaN and infinities become ``{"$float": "nan"}``.

    Numbers come back from `read_json` with the same bits.

    Raises
    ------
    TypeError
        If a part of the value has no JSON form; the sentence names its place.

    Examples
    --------
    >>> import tempfile
    >>> from lepton import saving
    >>> path = tempfile.mkdtemp() + "/metrics.json"
    >>> saving.write_json({"loss": 0.1, "best": float("inf")}, path)
    >>> saving.read_json(path)
    {'loss': 0.1, 'best': inf}
    """
    data = dump_json(value)
    with atomic_write(path) as temporary:
        temporary.write_bytes(data)


def dump_json(value: object) -> bytes:
    """Return the bytes that `write_json` writes."""
    text = json.dumps(_encode(value, "value"), indent=2, ensure_ascii=False, allow_nan=False)
    try:
        return (text + "\n").encode()
    except UnicodeEncodeError as error:
        raise ValueError(f"write_json: {error.object[error.start]!r} is no character") from error


def read_json(path: str | os.PathLike[str]) -> Any:
    """Read a JSON file; the caller checks that it holds what is expected.

    Raises
    ------
    ValueError
        If the file is not valid JSON (also: not UTF-8, duplicate keys, bare NaN, nested too deep);
        the sentence names the file, the line and the cause. See `write_json` for an example.
    OSError
        If the file is missing or unreadable.
    """
    name = os.fspath(path)
    if (size := os.path.getsize(path)) > _MAX_JSON:
        raise ValueError(f"read_json: {name}: {size} bytes are more than the allowed {_MAX_JSON}")
    data = Path(path).read_bytes()
    return parse_json(data, lambda cause: ValueError(f"read_json: {name}: {cause}"), decode_floats)


def parse_json(
    data: bytes,
    refuse: Callable[[str], ValueError],
    decode: Callable[[dict[str, Any]], Any] = lambda pairs: pairs,
) -> Any:
    """Parse strict JSON; whatever is wrong with it becomes the one error that `refuse` makes."""

    def unique(pairs: list[tuple[str, Any]]) -> Any:
        result = dict(pairs)
        if len(result) != len(pairs):
            names = [name for name, _ in pairs]
            twice = next(name for name in names if names.count(name) > 1)
            raise refuse(f"the name {twice!r} appears twice in one object")
        try:
            return decode(result)
        except ValueError as error:
            raise refuse(str(error)) from None

    def constant(name: str) -> float:
        raise refuse(f"{name} is not valid JSON")

    def number(text: str) -> float:
        if math.isinf(value := float(text)):
            raise refuse(f"the number {text[:40]} is out of range")
        return value

    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        raise refuse(f"byte {error.start} is not UTF-8") from None
    try:
        return json.loads(
            text, object_pairs_hook=unique, parse_constant=constant, parse_float=number
        )
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        raise refuse(f"{place}: {error.msg[:1].lower()}{error.msg[1:]}") from None
    except RecursionError:
        raise refuse("nested too deep") from None
    except ValueError as error:
        if "int string conversion" in str(error) or "integer string conversion" in str(error):
            raise refuse("an integer has too many digits") from None
        raise


def _encode(value: object, place: str) -> object:
    if isinstance(value, (bool, str)) or value is None:
        return value
    if isinstance(value, (int, np.integer)):
        return int(value)
    if isinstance(value, (float, np.floating)):
        number = float(value)
        return number if math.isfinite(number) else {"$float": str(number)}
    if isinstance(value, Mapping):
        for key in value:
            if not isinstance(key, str) or key == "$float":
                raise TypeError(f"write_json: {place} has the key {key!r}, expected a plain string")
        return {key: _encode(item, f"{place}[{key!r}]") for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_encode(item, f"{place}[{index}]") for index, item in enumerate(value)]
    raise TypeError(f"write_json: {place} is a {type(value).__name__}, which JSON cannot hold")


def decode_floats(pairs: dict[str, Any]) -> Any:
    if "$float" not in pairs:
        return pairs
    if len(pairs) == 1 and pairs["$float"] in ("nan", "inf", "-inf"):
        return float(pairs["$float"])
    raise ValueError('expected {"$float": "nan"}, "inf" or "-inf"')


def kind(value: object) -> str:
    """Return what a parsed JSON value is, for an error message."""
    names = {dict: "an object", list: "a list", str: "a string", bool: "a truth value"}
    return "null" if value is None else names.get(type(value), "a number")
