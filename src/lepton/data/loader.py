# SPDX-License-Identifier: Apache-2.0
"""Batches of a dataset: shuffled by seed and epoch, prepared ahead, resumable at any batch."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from lepton._check import check_int
from lepton.array import asarray
from lepton.data.collate import map_arrays, to_numpy
from lepton.data.dataset import ArrayDataset, Samples, Subset, fetch, gather
from lepton.data.indices import Indices, check_seed, permutation
from lepton.data.prefetch import read_ahead

__all__ = ["DataLoader"]


class DataLoader:
    """Iterate over a dataset in batches of Tensors, once per epoch.

    Which samples a batch holds, and what random transforms do to it, depends on (`seed`, epoch,
    number of the batch) alone: not on threads, on prefetching, or on whether the run was stopped
    and resumed. Each iteration is the next epoch, also after one that was left early.

    Parameters
    ----------
    dataset
        A `Dataset`, or anything with ``len()`` and integer indexing.
    batch_size
        Samples per batch; the last batch of an epoch may be smaller.
    shuffle
        Visit the samples in another order each epoch.
    drop_last
        Leave out a last batch that is smaller than `batch_size`.
    seed
        Of the order and of random transforms; if not given, it is drawn from Lepton's random state
        (`lepton.manual_seed`) when it is first needed.
    prefetch
        How many batches a background thread prepares ahead; 0 works without a thread. Batches that
        are only gathered from arrays in memory are made without one in any case.
    collate
        Makes a batch from a list of samples; arrays in its result become Tensors. Without it array
        datasets gather their batch in one go, and other samples are stacked.
    transform
        Called as ``transform(*arrays, generator=generator)`` with the batch as NumPy arrays; what
        it returns is the batch, a tuple if it was one before. The transforms of `lepton.vision` fit
        here. `generator` is a `numpy.random.Generator`. Do not write into the arrays: they may be
        the dataset's memory.

    Raises
    ------
    ValueError
        If the dataset is empty, `batch_size` is not positive, `prefetch` or `seed` is negative, or
        `drop_last` would leave no batch.

    Examples
    --------
    >>> import numpy as np
    >>> from lepton.data import ArrayDataset, DataLoader
    >>> data = ArrayDataset(np.arange(10, dtype=np.float32), np.arange(10))
    >>> loader = DataLoader(data, batch_size=4)
    >>> [y.tolist() for x, y in loader]
    [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]
    >>> loader.state_dict()["epoch"]
    1
    """

    def __init__(
        self,
        dataset: Samples,
        batch_size: int = 32,
        shuffle: bool = False,
        drop_last: bool = False,
        seed: int | None = None,
        prefetch: int = 2,
        collate: Callable[[list[Any]], Any] | None = None,
        transform: Callable[..., Any] | None = None,
    ) -> None:
        self.dataset = dataset
        self.batch_size = check_int("DataLoader", "batch_size", batch_size, 1)
        self.shuffle = bool(shuffle)
        self.drop_last = bool(drop_last)
        self.prefetch = check_int("DataLoader", "prefetch", prefetch, 0)
        self.collate = collate
        self.transform = transform
        self._seed = None if seed is None else check_seed("DataLoader", seed)
        self._epoch = 0
        self._position = 0
        self._running: object | None = None
        if len(dataset) == 0:
            raise ValueError("DataLoader: the dataset is empty")
        if len(self) == 0:
            raise ValueError(
                f"DataLoader: drop_last leaves no batch: {len(dataset)} samples are fewer than"
                f" batch_size={self.batch_size}"
            )

    def __len__(self) -> int:
        """Return the number of batches in an epoch."""
        samples = len(self.dataset)
        return samples // self.batch_size if self.drop_last else -(-samples // self.batch_size)

    @property
    def seed(self) -> int:
        """The seed; drawn from Lepton's random state on first use if none was given."""
        if self._seed is None:
            self._seed = check_seed("DataLoader", None)
        return self._seed

    @property
    def epoch(self) -> int:
        """The epoch that is running, or, between two, the one that comes next."""
        return self._epoch

    @property
    def position(self) -> int:
        """How many batches of this epoch have been handed out."""
        return self._position

    def set_epoch(self, epoch: int) -> None:
        """Let the next iteration be the whole of epoch number `epoch`."""
        self._epoch = check_int("DataLoader", "epoch", epoch, 0)
        self._position, self._running = 0, None

    def state_dict(self) -> dict[str, Any]:
        """Return all that `load_state_dict` needs to go on with exactly the next batch, as JSON."""
        return {
            "epoch": self._epoch,
            "position": self._position,
            "seed": self._seed,
            **self._setting(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on where the loader that gave `state` stood: the next iteration gives its next batch.

        Raises
        ------
        ValueError
            If `state` is damaged, or comes from a loader with other samples or batches.
        """
        wanted = {"epoch", "position", "seed", *self._setting()}
        if not isinstance(state, dict) or state.keys() != wanted:
            got = sorted(state) if isinstance(state, dict) else type(state).__name__
            raise ValueError(f"DataLoader: state expects the keys {sorted(wanted)}, got {got}")
        for name, value in self._setting().items():
            if state[name] != value:
                raise ValueError(
                    f"DataLoader: the state was saved with {name}={state[name]!r},"
                    f" this loader has {name}={value!r}"
                )
        for name in ("epoch", "position", "seed"):
            value = state[name]
            if (type(value) is not int or value < 0) and (name != "seed" or value is not None):
                raise ValueError(
                    f"DataLoader: state: {name} must be a non-negative integer, got {value!r}"
                )
        if state["position"] > len(self):
            raise ValueError(
                f"DataLoader: state: position {state['position']} lies behind the"
                f" {len(self)} batches of an epoch"
            )
        if state["seed"] is not None:
            self._seed = check_seed("DataLoader", state["seed"])
        self._epoch, self._position, self._running = state["epoch"], state["position"], None

    def _setting(self) -> dict[str, Any]:
        return {
            "samples": len(self.dataset),
            "batch_size": self.batch_size,
            "shuffle": self.shuffle,
            "drop_last": self.drop_last,
        }

    def __iter__(self) -> Iterator[Any]:
        """Return the batches of the next epoch, or the rest of the one that was loaded."""
        if self._running is not None:  # left early: what remains of that epoch is given up
            self._epoch, self._position = self._epoch + 1, 0
        self._running = token = object()
        seed = self.seed if self.shuffle or self.transform is not None else 0
        return self._hand_out(token, self._batches(seed, self._epoch, self._position))

    def _hand_out(self, token: object, batches: Iterator[Any]) -> Iterator[Any]:
        """Count the batches as they leave; only the newest iteration moves the position."""
        # A gather takes some microseconds, a hand-over from thread to thread 100.
        for batch in read_ahead(batches, 0 if self._gathers() else self.prefetch):
            if self._running is token:
                self._position += 1
            yield batch
            del batch  # its memory is free before the next one is made
        if self._running is token:
            self._epoch, self._position, self._running = self._epoch + 1, 0, None

    def _gathers(self) -> bool:
        """Tell whether a batch is a mere gather from memory: no thread, no checks."""
        dataset: Samples = self.dataset
        while isinstance(dataset, Subset):
            dataset = dataset.dataset
        gathers = isinstance(dataset, ArrayDataset) and dataset.in_memory
        return gathers and self.transform is None and self.collate is None

    def _batches(self, seed: int, epoch: int, position: int) -> Iterator[Any]:
        """Make the batches of `epoch` from number `position` on."""
        samples = len(self.dataset)
        order = permutation(samples, seed, epoch) if self.shuffle else np.arange(samples)
        starts = range(position * self.batch_size, len(self) * self.batch_size, self.batch_size)
        if self._gathers():
            yield from gather(self.dataset, order, starts)
            return
        for start in starts:
            indices = order[start : start + self.batch_size]
            yield self._batch(indices, seed, epoch, start // self.batch_size)

    def _batch(self, indices: Indices, seed: int, epoch: int, number: int) -> Any:
        if self.collate is None:
            batch = fetch(self.dataset, indices)
        else:
            batch = self.collate([self.dataset[int(i)] for i in indices])
        if self.transform is not None:
            arrays = map_arrays(batch, to_numpy)
            generator = batch_generator(seed, epoch, number)
            if isinstance(arrays, tuple):
                batch = self.transform(*arrays, generator=generator)
                batch = batch if isinstance(batch, tuple) else (batch,)
            else:
                batch = self.transform(arrays, generator=generator)
        return map_arrays(batch, asarray)


def batch_generator(seed: int, epoch: int, number: int) -> np.random.Generator:
    """Return the random numbers of one batch: a function of its place alone."""
    key = np.array([seed, epoch], dtype=np.uint64)
    counter = np.array([0, 0, number, 1], dtype=np.uint64)
    return np.random.Generator(np.random.Philox(key=key, counter=counter))
