# SPDX-License-Identifier: Apache-2.0
"""Small datasets for tests of datasets and loaders."""

import threading

import numpy as np

import lepton
from lepton.data import ArrayDataset, DataLoader, Dataset


def numbers(count: int = 10) -> ArrayDataset:
    return ArrayDataset(np.arange(count, dtype=np.float32), np.arange(count))


def order(loader: DataLoader) -> list[list[int]]:
    return [y.tolist() for _, y in loader]


def prefetch_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "lepton-prefetch"]


def memory(array: object) -> np.ndarray:
    return array.numpy() if isinstance(array, lepton.Tensor) else np.asarray(array)


class Squares(Dataset):
    """A dataset with samples made one by one."""

    def __init__(self, count: int = 10) -> None:
        self.count = count

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> tuple[float, int]:
        return float(index) ** 2, index
