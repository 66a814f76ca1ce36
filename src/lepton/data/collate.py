# SPDX-License-Identifier: Apache-2.0
"""How samples become batches: stacking, and the step between NumPy arrays and Tensors."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from lepton.array import Tensor, asarray

__all__ = ["default_collate"]


def default_collate(samples: Sequence[Any]) -> Any:
    """Stack samples into one batch.

    Arrays and numbers are stacked along a new first axis into a Tensor (Python floats become
    float32); tuples, lists and dicts are stacked entry by entry; anything else, such as strings,
    is gathered in a list.

    Raises
    ------
    ValueError
        If the samples do not fit together; the sentence names the first that differs.

    Examples
    --------
    >>> import numpy as np
    >>> from lepton.data import default_collate
    >>> x, y, names = default_collate([(np.zeros(3), 1, "a"), (np.ones(3), 0, "b")])
    >>> x.shape, y.tolist(), names
    ((2, 3), [1, 0], ['a', 'b'])
    """
    if not samples:
        raise ValueError("default_collate: expected at least one sample, got none")
    first = samples[0]
    if isinstance(first, dict):
        for i, sample in enumerate(samples):
            if not isinstance(sample, dict) or sample.keys() != first.keys():
                raise _misfit(i, sample, f"a dict with the keys {list(first)}")
        return {key: default_collate([sample[key] for sample in samples]) for key in first}
    if isinstance(first, tuple | list):
        for i, sample in enumerate(samples):
            if not isinstance(sample, tuple | list) or len(sample) != len(first):
                raise _misfit(i, sample, f"a tuple of {len(first)}")
        return tuple(default_collate(entries) for entries in zip(*samples, strict=True))
    if isinstance(first, str | bytes):
        return list(samples)
    if isinstance(first, Tensor | np.ndarray | np.generic | bool | int | float):
        return asarray(_stack(samples))
    return list(samples)


def _stack(samples: Sequence[Any]) -> np.ndarray[Any, Any]:
    arrays = [to_numpy(sample) for sample in samples]
    for i, array in enumerate(arrays):
        if array.shape != arrays[0].shape:
            raise _misfit(i, array, f"shape {list(arrays[0].shape)}")
    stacked = np.stack(arrays)
    python_floats = all(type(sample) in (bool, int, float) for sample in samples)
    return stacked.astype(np.float32) if python_floats and stacked.dtype.kind == "f" else stacked


def _misfit(position: int, sample: Any, expected: str) -> ValueError:
    got = f"shape {list(sample.shape)}" if hasattr(sample, "shape") else type(sample).__name__
    return ValueError(
        f"default_collate: samples of one batch must match: sample 0 has {expected},"
        f" sample {position} is {got}"
    )


def to_numpy(value: Any) -> Any:
    """Return a Tensor as the NumPy array over its memory, anything else as an array."""
    return value.detach().numpy() if isinstance(value, Tensor) else np.asarray(value)


def map_arrays(batch: Any, function: Callable[[Any], Any]) -> Any:
    """Apply `function` to every Tensor and NumPy array of a batch, whatever its structure."""
    if isinstance(batch, Tensor | np.ndarray | np.generic):
        return function(batch)
    if isinstance(batch, dict):
        return {key: map_arrays(value, function) for key, value in batch.items()}
    if isinstance(batch, tuple):
        values = (map_arrays(value, function) for value in batch)
        return type(batch)(*values) if hasattr(batch, "_fields") else tuple(values)
    if isinstance(batch, list):
        return [map_arrays(value, function) for value in batch]
    return batch
