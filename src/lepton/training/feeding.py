# SPDX-License-Identifier: Apache-2.0
"""What fit, evaluate and predict accept as data, all made into batches that can be resumed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Protocol, TypeAlias

import numpy as np

from lepton.array import Tensor, asarray
from lepton.data import ArrayDataset, DataLoader, Dataset
from lepton.data.collate import map_arrays

__all__ = ["Batches"]

Data: TypeAlias = Any  # DataLoader | Dataset | tuple of arrays | iterable of batches


class Batches(Protocol):
    """Batches of an epoch, with a place in it that can be saved."""

    def __iter__(self) -> Iterator[Any]:
        """Return the batches of the epoch that comes next, or the rest of a loaded one."""

    def set_epoch(self, epoch: int, /) -> None:
        """Choose the epoch that comes next."""

    def state_dict(self) -> dict[str, Any]:
        """Return the place: which epoch, and how many of its batches were handed out."""

    def load_state_dict(self, state: dict[str, Any], /) -> None:
        """Go to a place."""


class Replay:
    """Any iterable of batches, the same each time; a place in it is reached by skipping."""

    def __init__(self, owner: str, batches: Iterable[Any]) -> None:
        if isinstance(batches, Iterator):
            raise TypeError(
                f"{owner}: data expects batches that can be gone through again, such as a "
                f"DataLoader or a list, got a {type(batches).__name__} that can be read only once"
            )
        self.batches = batches
        self.epoch, self.position = 0, 0

    def __iter__(self) -> Iterator[Any]:
        skipped = self.position
        for number, batch in enumerate(self.batches):
            if number >= skipped:
                self.position = number + 1
                yield map_arrays(batch, asarray)
        self.position = 0

    def set_epoch(self, epoch: int) -> None:
        self.epoch, self.position = epoch, 0
        if hasattr(self.batches, "set_epoch"):
            self.batches.set_epoch(epoch)

    def state_dict(self) -> dict[str, Any]:
        return {"epoch": self.epoch, "position": self.position}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        if set(state) != {"epoch", "position"}:
            raise ValueError(f"data: the state of other data was saved, with {', '.join(state)}")
        self.set_epoch(state["epoch"])
        self.position = int(state["position"])


def as_batches(
    owner: str, data: Data, batch_size: int, shuffle: bool = False, seed: int | None = None
) -> Batches:
    """Return batches over whatever is given as data.

    Raises
    ------
    TypeError
        If `data` is nothing that holds samples or batches.
    ValueError
        If it is empty.
    """
    if isinstance(data, DataLoader):
        return data
    if isinstance(data, (Tensor, np.ndarray)):
        data = (data,)
    if isinstance(data, tuple):
        data = ArrayDataset(*data)
    if isinstance(data, Dataset):
        return DataLoader(data, batch_size=batch_size, shuffle=shuffle, seed=seed)
    if isinstance(data, (str, bytes, Mapping)) or not isinstance(data, Iterable):
        raise TypeError(
            f"{owner}: data expects a DataLoader, a Dataset, a tuple of arrays or an iterable of "
            f"batches, got {type(data).__name__}"
        )
    if count_of(data) == 0:
        raise ValueError(f"{owner}: data expects at least one batch, got none")
    if hasattr(data, "state_dict") and hasattr(data, "load_state_dict"):
        return data  # type: ignore[return-value]
    return Replay(owner, data)


def count_of(batches: Any) -> int | None:
    """Return the number of batches in an epoch, if it is known."""
    inner: Any = batches.batches if isinstance(batches, Replay) else batches
    try:
        return len(inner)
    except TypeError:
        return None


def split_batch(owner: str, batch: Any) -> tuple[tuple[Any, ...], Any]:
    """Return (inputs, target) of a batch: the last entry is the target.

    Raises
    ------
    TypeError, ValueError
        If the batch is no tuple of at least two entries, or their lengths differ.
    """
    if not isinstance(batch, (tuple, list)):
        raise TypeError(f"{owner}: a batch expects (input, target), got {type(batch).__name__}")
    if len(batch) < 2:
        raise ValueError(f"{owner}: a batch expects (input, target), got {len(batch)} entry")
    *inputs, target = batch
    counts = {len(entry) for entry in batch if getattr(entry, "ndim", 0)}
    if len(counts) > 1:
        shapes = ", ".join(str(list(getattr(entry, "shape", ()))) for entry in batch)
        raise ValueError(f"{owner}: input and target of a batch have other lengths: {shapes}")
    return tuple(inputs), target


def inputs_of(batch: Any) -> tuple[Any, ...]:
    """Return the inputs of a batch for prediction: all, or all but the target if there is one."""
    if not isinstance(batch, (tuple, list)):
        return (batch,)
    return tuple(batch[:-1]) if len(batch) > 1 else tuple(batch)


def samples_in(batch: Any) -> int:
    """Return how many samples a batch holds."""
    first = batch[0] if isinstance(batch, (tuple, list)) else batch
    return int(first.shape[0]) if getattr(first, "ndim", 0) else 1
