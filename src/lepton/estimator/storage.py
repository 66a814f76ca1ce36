# SPDX-License-Identifier: Apache-2.0
"""Fitted estimators in safetensors files: arrays as tensors, the rest as JSON in the header."""

from __future__ import annotations

import importlib
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from lepton.saving.atomic import atomic_write
from lepton.saving.documents import decode_floats, dump_json, parse_json
from lepton.saving.tensors import as_array, read_arrays, read_metadata, write_arrays

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lepton.estimator.base import Estimator

_KEY, _VERSION = "lepton.estimator", 1
PACKAGES = ("lepton.regression", "lepton.tabular")  # a file may name what these export


def write_estimator(estimator: Estimator, path: str | os.PathLike[str]) -> None:
    """Write parameters and fitted state; see `Estimator.save`."""
    arrays: dict[str, NDArray[Any]] = {}
    document = {"version": _VERSION, **_describe(estimator, "", arrays)}
    text = dump_json(document).decode()
    with atomic_write(path) as temporary:
        write_arrays(arrays, temporary, {_KEY: text})


def read_estimator(
    path: str | os.PathLike[str], params: Mapping[str, Any], owner: str
) -> Estimator:
    """Read what `write_estimator` wrote; see `Estimator.load`, which errors call `owner`."""
    name = os.fspath(path)

    def refuse(cause: str) -> ValueError:
        return ValueError(f"{owner}: {name}: {cause}")

    try:
        text = read_metadata(path).get(_KEY)
        arrays = {} if text is None else read_arrays(path)
    except ValueError as error:
        cause = str(error).removeprefix(f"load_file: {name}: ")
        raise refuse(f"the file is no model of Lepton, or damaged: {cause}") from error
    if text is None:
        raise refuse("the file is no model of Lepton: it holds tensors alone")
    document = parse_json(text.encode(), refuse, decode_floats)
    if not isinstance(document, dict) or document.get("version") != _VERSION:
        raise refuse(f"expected an estimator of version {_VERSION}")
    try:
        return _rebuild(document, arrays, params)
    except (KeyError, TypeError, AttributeError, IndexError, ValueError) as error:
        raise refuse(str(error)) from error


def _describe(estimator: Estimator, place: str, arrays: dict[str, NDArray[Any]]) -> dict[str, Any]:
    kind = type(estimator)
    package = kind.__module__.rpartition(".")[0]
    if _find_class(package, kind.__name__) is not kind:
        raise TypeError(f"save: {kind.__name__} is no estimator of Lepton: no file could name it")
    params = {}
    for name, value in estimator.get_params(deep=False).items():
        try:
            params[name] = _encode(value, f"{place}params.{name}", arrays)
        except TypeError:
            params[name] = {"$absent": type(value).__name__}
    state = {
        name: _encode(value, f"{place}{name}", arrays)
        for name, value in estimator._fitted_state().items()
    }
    return {"package": package, "class": kind.__name__, "params": params, "state": state}


def _encode(value: Any, place: str, arrays: dict[str, NDArray[Any]]) -> Any:
    from lepton.estimator.base import Estimator

    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, np.generic):
        return {"$scalar": [value.dtype.name, value.item()]}
    if isinstance(value, np.ndarray):
        if value.dtype.kind in "OU":
            items = [_encode(item, place, arrays) for item in value.ravel().tolist()]
            return {"$list": items, "dtype": value.dtype.str, "shape": list(value.shape)}
        arrays[place] = as_array(place, value)
        return {"$tensor": place}
    if isinstance(value, Estimator):
        return {"$estimator": _describe(value, f"{place}.", arrays)}
    if isinstance(value, tuple):
        return {"$tuple": [_encode(v, f"{place}.{i}", arrays) for i, v in enumerate(value)]}
    if isinstance(value, list):
        return [_encode(v, f"{place}.{i}", arrays) for i, v in enumerate(value)]
    if isinstance(value, Mapping) and all(isinstance(key, str) for key in value):
        return {"$dict": {k: _encode(v, f"{place}.{k}", arrays) for k, v in value.items()}}
    if isinstance(value, Mapping):
        pairs = [
            _encode(list(pair), f"{place}.{i}", arrays) for i, pair in enumerate(value.items())
        ]
        return {"$pairs": pairs}
    raise TypeError(f"save: {place} is a {type(value).__name__}, which a file cannot hold")


def _decode(value: Any, arrays: Mapping[str, NDArray[Any]]) -> Any:
    if isinstance(value, list):
        return [_decode(item, arrays) for item in value]
    if not isinstance(value, dict):
        return value
    if "$scalar" in value:
        dtype, item = value["$scalar"]
        return np.dtype(dtype).type(item)
    if "$tensor" in value:
        return arrays[value["$tensor"]]
    if "$list" in value:
        array = np.empty(len(value["$list"]), value["dtype"])
        array[:] = [_decode(item, arrays) for item in value["$list"]]
        return array.reshape(value["shape"])
    if "$tuple" in value:
        return tuple(_decode(item, arrays) for item in value["$tuple"])
    if "$estimator" in value:
        return _rebuild(value["$estimator"], arrays, {})
    if "$pairs" in value:
        return dict(_decode(value["$pairs"], arrays))
    return {key: _decode(item, arrays) for key, item in value["$dict"].items()}


def _rebuild(
    document: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]], given: Mapping[str, Any]
) -> Estimator:
    kind = _find_class(document["package"], document["class"])
    if kind is None:
        raise ValueError(f"{document['package']}.{document['class']} is no estimator of Lepton")
    params = {}
    for name, value in document["params"].items():
        if name in given:
            continue
        if isinstance(value, dict) and "$absent" in value:
            raise ValueError(
                f"{name} was a {value['$absent']}, which a file cannot hold: load(path, {name}=...)"
            )
        params[name] = _decode(value, arrays)
    estimator = kind(**params, **given)
    estimator._restore({k: _decode(v, arrays) for k, v in document["state"].items()})
    return estimator


def _find_class(package: str, name: str) -> type[Estimator] | None:
    """The public estimator of that name in a package of Lepton."""
    from lepton.estimator.base import Estimator

    if package not in PACKAGES:
        return None
    kind = getattr(importlib.import_module(package), name, None)
    return kind if isinstance(kind, type) and issubclass(kind, Estimator) else None
