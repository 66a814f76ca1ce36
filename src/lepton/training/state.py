# SPDX-License-Identifier: Apache-2.0
"""Nested state (dicts, lists, numbers, tensors) as JSON beside named arrays, and back exactly."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lepton.array import Tensor, tensor
from lepton.saving.tensors import as_array

__all__: list[str] = []

Arrays = dict[str, NDArray[Any]]

_SCALARS = (bool, int, float, str, np.integer, np.floating, np.bool_)


def split_state(value: Any, place: str = "state") -> tuple[Any, Arrays]:
    """Return `value` with each tensor replaced by a reference, and the tensors by their names.

    Integer keys, tuples and NumPy arrays come back as what they were.

    Raises
    ------
    TypeError
        If a part is none of dict, list, tuple, number, text, None, Tensor, array; names its place.

    Examples
    --------
    >>> import numpy as np
    >>> from lepton.training.state import join_state, split_state
    >>> text, arrays = split_state({"step": 3, "state": {0: np.ones(2)}})
    >>> text
    {'step': 3, 'state': {'$items': [[0, {'$array': 'state.state.0'}]]}}
    >>> join_state(text, arrays)
    {'step': 3, 'state': {0: array([1., 1.])}}
    """
    arrays: Arrays = {}

    def keep(item: Any, path: str) -> str:
        name = path
        while name in arrays:
            name += "_"
        arrays[name] = as_array(name, item)
        return name

    return _split(value, place, keep), arrays


def _split(value: Any, path: str, keep: Callable[[Any, str], str]) -> Any:
    if value is None or isinstance(value, _SCALARS):
        return value.item() if isinstance(value, np.generic) else value
    if isinstance(value, Tensor):
        return {"$tensor": keep(value, path)}
    if isinstance(value, np.ndarray):
        return {"$array": keep(value, path)}
    if isinstance(value, Mapping):
        if all(isinstance(key, str) and not key.startswith("$") for key in value):
            return {key: _split(item, f"{path}.{key}", keep) for key, item in value.items()}
        pairs = [
            [_split(key, path, keep), _split(item, f"{path}.{key}", keep)]
            for key, item in value.items()
        ]
        return {"$items": pairs}
    if isinstance(value, (list, tuple)):
        items = [_split(item, f"{path}.{index}", keep) for index, item in enumerate(value)]
        return {"$tuple": items} if isinstance(value, tuple) else items
    raise TypeError(f"checkpoint: {path} is a {type(value).__name__}, which cannot be saved")


def join_state(value: Any, arrays: Mapping[str, NDArray[Any]]) -> Any:
    """Return what `split_state` was given; ValueError where a reference leads nowhere."""
    if isinstance(value, list):
        return [join_state(item, arrays) for item in value]
    if not isinstance(value, dict):
        return value
    mark = next(iter(value), "")
    if not mark.startswith("$"):
        return {key: join_state(item, arrays) for key, item in value.items()}
    content = value[mark]
    if len(value) == 1 and mark in ("$tensor", "$array"):
        if not isinstance(content, str) or content not in arrays:
            raise ValueError(f"there is no array {content!r}")
        return tensor(arrays[content]) if mark == "$tensor" else arrays[content]
    if len(value) == 1 and mark == "$tuple" and isinstance(content, list):
        return tuple(join_state(item, arrays) for item in content)
    if len(value) == 1 and mark == "$items" and isinstance(content, list):
        return dict(_pair(item, arrays) for item in content)
    raise ValueError(f"{mark!r} is not understood")


def _pair(item: Any, arrays: Mapping[str, NDArray[Any]]) -> tuple[Any, Any]:
    if not isinstance(item, list) or len(item) != 2:
        raise ValueError("'$items' expects pairs of key and value")
    key = join_state(item[0], arrays)
    if not isinstance(key, (str, int, float, tuple)):
        raise ValueError(f"'$items' has the key {key!r}, expected text or a number")
    return key, join_state(item[1], arrays)
