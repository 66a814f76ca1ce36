# SPDX-License-Identifier: Apache-2.0
"""Datasets: things with a length and samples, over arrays or anything else."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lepton.array import Tensor, asarray, take
from lepton.data.collate import default_collate
from lepton.data.indices import Indices, check_index, check_indices, is_range

__all__ = [
    "ArrayDataset",
    "ConcatDataset",
    "Dataset",
    "Subset",
]


class Samples(Protocol):
    """What a `DataLoader` can work on: a `Dataset`, a list, or anyone's own class like them."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int, /) -> Any: ...


class Dataset:
    """Anything that knows its length and can give sample number `i`.

    Subclasses write ``__len__`` and ``__getitem__``; a sample is an array, a number, a string, or
    a tuple or dict of them. One that can fetch many samples faster than one by one also
    overrides `batch`.

    Examples
    --------
    >>> from lepton.data import Dataset, DataLoader
    >>> class Squares(Dataset):
    ...     def __len__(self):
    ...         return 4
    ...     def __getitem__(self, index):
    ...         return float(index), float(index) ** 2
    >>> x, y = next(iter(DataLoader(Squares(), batch_size=4)))
    >>> y.tolist()
    [0.0, 1.0, 4.0, 9.0]
    """

    def __len__(self) -> int:
        raise NotImplementedError(f"{type(self).__name__} must define __len__")

    def __getitem__(self, index: int) -> Any:
        raise NotImplementedError(f"{type(self).__name__} must define __getitem__")

    def batch(self, indices: Indices) -> Any:
        """Return the samples at `indices` as one batch; here they are fetched and stacked."""
        return default_collate([self[int(i)] for i in indices])


class ArrayDataset(Dataset):
    """Arrays of equal length: sample `i` is the tuple of their `i`-th elements.

    The arrays are never copied. A batch is one parallel gather per array, and a view where its
    samples lie next to each other, so do not write into batches.

    Parameters
    ----------
    *arrays
        NumPy arrays or Tensors with at least one axis and equal lengths.
    transform
        Called as ``transform(*sample)`` for each sample; samples are then fetched one by one, so
        prefer the `transform` of `DataLoader`, which works on whole batches.

    Raises
    ------
    ValueError
        If no array is given, one has no axis, or their lengths differ.
    TypeError
        If an array has a dtype that Lepton does not know.

    Examples
    --------
    >>> import numpy as np
    >>> from lepton.data import ArrayDataset
    >>> data = ArrayDataset(np.arange(6.0).reshape(3, 2), np.array([0, 1, 0]))
    >>> len(data), data[1][0].tolist(), int(data[-1][1])
    (3, [2.0, 3.0], 0)
    """

    def __init__(
        self,
        *arrays: NDArray[Any] | Tensor,
        transform: Callable[..., Any] | None = None,
    ) -> None:
        if not arrays:
            raise ValueError("ArrayDataset: expected at least one array, got none")
        self.tensors = tuple(_as_tensor(i, array) for i, array in enumerate(arrays))
        self._mapped = any(isinstance(array, np.memmap) for array in arrays)
        lengths = [tensor.shape[0] for tensor in self.tensors]
        if len(set(lengths)) != 1:
            raise ValueError(f"ArrayDataset: the arrays must have equal lengths, got {lengths}")
        self.transform = transform

    @property
    def in_memory(self) -> bool:
        """Whether a batch is a mere gather: no mapped files to read, no Python for each sample."""
        return self.transform is None and not self._mapped

    def __len__(self) -> int:
        return int(self.tensors[0].shape[0])

    def __getitem__(self, index: int) -> Any:
        i = check_index("ArrayDataset", index, len(self))
        sample = tuple(tensor[i] for tensor in self.tensors)
        return sample if self.transform is None else self.transform(*sample)

    def batch(self, indices: Indices) -> Any:
        """Return a tuple of Tensors: the rows of each array at `indices`."""
        if self.transform is not None:
            return super().batch(indices)
        indices = check_indices("ArrayDataset", indices, len(self))
        size = max(len(indices), 1)
        return next(gather(self, indices, range(0, size, size)))


def _as_tensor(position: int, array: NDArray[Any] | Tensor) -> Tensor:
    try:
        tensor = array.detach() if isinstance(array, Tensor) else asarray(np.asarray(array))
    except TypeError as error:
        raise TypeError(f"ArrayDataset: array {position}: {error}") from error
    if tensor.ndim == 0:
        raise ValueError(f"ArrayDataset: array {position} must have at least one axis, got none")
    return tensor


class Subset(Dataset):
    """The samples of `dataset` at `indices`, in that order; nothing is copied.

    Raises
    ------
    IndexError
        If an index is not in ``[0, len(dataset))``.

    Examples
    --------
    >>> import numpy as np
    >>> from lepton.data import ArrayDataset, Subset
    >>> part = Subset(ArrayDataset(np.arange(10)), [7, 3])
    >>> len(part), int(part[0][0])
    (2, 7)
    """

    def __init__(self, dataset: Samples, indices: ArrayLike) -> None:
        self.dataset = dataset
        self.indices = check_indices("Subset", indices, len(dataset))

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, index: int) -> Any:
        return self.dataset[int(self.indices[check_index("Subset", index, len(self))])]

    def batch(self, indices: Indices) -> Any:
        """Return the batch that the underlying dataset makes of these samples."""
        rows = self.indices[check_indices("Subset", indices, len(self))]
        return fetch(self.dataset, rows)


class ConcatDataset(Dataset):
    """Datasets one after another.

    Examples
    --------
    >>> import numpy as np
    >>> from lepton.data import ArrayDataset, ConcatDataset
    >>> both = ConcatDataset(ArrayDataset(np.arange(3)), ArrayDataset(np.arange(10, 12)))
    >>> [int(both[i][0]) for i in range(len(both))]
    [0, 1, 2, 10, 11]
    """

    def __init__(self, *datasets: Samples) -> None:
        if not datasets:
            raise ValueError("ConcatDataset: expected at least one dataset, got none")
        self.datasets = datasets
        self.ends = np.cumsum([len(dataset) for dataset in datasets])

    def __len__(self) -> int:
        return int(self.ends[-1])

    def __getitem__(self, index: int) -> Any:
        i = check_index("ConcatDataset", index, len(self))
        which = int(np.searchsorted(self.ends, i, side="right"))
        return self.datasets[which][i - int(self.ends[which - 1] if which else 0)]


def fetch(dataset: Samples, indices: Indices) -> Any:
    """Return the batch at `indices` of a `Dataset`, or of anything that can be indexed."""
    if isinstance(dataset, Dataset):
        return dataset.batch(indices)
    return default_collate([dataset[int(i)] for i in indices])


def gather(dataset: Samples, order: Indices, starts: range) -> Iterator[tuple[Tensor, ...]]:
    """Yield, for each of `starts`, the batch at ``order[start : start + starts.step]``.

    `dataset` is an `ArrayDataset` or a `Subset` of one, `order` holds valid indices. Batches whose
    samples lie next to each other are views.
    """
    while isinstance(dataset, Subset):
        order = dataset.indices[order]
        dataset = dataset.dataset
    assert isinstance(dataset, ArrayDataset)
    tensors, size = dataset.tensors, starts.step
    if is_range(order):
        first = int(order[0]) if order.size else 0
        for start in starts:
            begin, end = first + start, first + min(start + size, len(order))
            yield tuple([tensor[begin:end] for tensor in tensors])
        return
    rows = asarray(order)
    for start in starts:
        index = rows[start : start + size]
        yield tuple([take(tensor, index, axis=0) for tensor in tensors])
