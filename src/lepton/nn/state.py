# SPDX-License-Identifier: Apache-2.0
"""What `Module.load_state_dict` checks before it changes anything."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from lepton.array import Tensor, asarray

__all__ = ["IncompatibleKeys"]


class IncompatibleKeys(NamedTuple):
    """Names that one side lacks; both lists are empty when all fits."""

    missing_keys: list[str]
    unexpected_keys: list[str]


def match_state(
    owner: str, own: Mapping[str, Tensor], given: Mapping[str, Any], strict: bool
) -> tuple[dict[str, Tensor], IncompatibleKeys]:
    """Return the tensors of `given` in the dtypes of `own`, and the names that do not fit."""
    if not isinstance(given, Mapping):
        raise TypeError(
            f"{owner}: load_state_dict expects a mapping of names to tensors, "
            f"got {type(given).__name__}"
        )
    keys = IncompatibleKeys(
        [name for name in own if name not in given], [name for name in given if name not in own]
    )
    values = {name: _as_tensor(owner, name, given[name]) for name in own if name in given}
    misshapen = [
        f"{name!r} (expects {list(own[name].shape)}, got {list(value.shape)})"
        for name, value in values.items()
        if value.shape != own[name].shape
    ]
    problems = {
        "missing": [repr(name) for name in keys.missing_keys if strict],
        "unexpected": [repr(name) for name in keys.unexpected_keys if strict],
        "misshapen": misshapen,
    }
    if any(problems.values()):
        text = "; ".join(f"{word} {', '.join(names)}" for word, names in problems.items() if names)
        raise ValueError(f"{owner}: the state dict does not fit: {text}")
    return {name: value.astype(own[name].dtype) for name, value in values.items()}, keys


def _as_tensor(owner: str, name: str, value: Any) -> Tensor:
    if isinstance(value, Tensor):
        return value.detach()
    if not hasattr(value, "__array__"):
        raise TypeError(
            f"{owner}: load_state_dict expects a Tensor or an array for {name!r}, "
            f"got {type(value).__name__}"
        )
    return asarray(value)
