# SPDX-License-Identifier: Apache-2.0
"""Checks before the first step: whatever can be known to fail fails before a weight changes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

import lepton
from lepton.array import Tensor
from lepton.data import ArrayDataset, Subset
from lepton.training.feeding import Batches, split_batch
from lepton.training.step import evaluating

if TYPE_CHECKING:
    from lepton.training.trainer import Trainer

__all__: list[str] = []


def check_fit(trainer: Trainer, owner: str, batches: Batches) -> None:
    """Run one batch through model and loss, and look at all class labels that are in memory.

    Model, random state and the place in the data are left as they were.

    Raises
    ------
    ValueError, TypeError, IndexError
        If the first batch does not fit the model or the loss, or a label names no class.
    """
    place = batches.state_dict()
    random = lepton.get_rng_state()
    try:
        batch = next(iter(batches), None)
        if batch is None:
            if place.get("position"):
                return
            raise ValueError(f"{owner}: data expects at least one batch, got none")
        inputs, target = split_batch(owner, batch)
        with evaluating(trainer.model):
            output = trainer.model(*inputs)
            _check_labels(owner, trainer, batches, output)
            loss = trainer.loss(output, target)
        if loss.ndim != 0:
            raise ValueError(f"{owner}: the loss expects one number, got shape {list(loss.shape)}")
    finally:
        lepton.set_rng_state(random)
        batches.load_state_dict(place)


def _check_labels(owner: str, trainer: Trainer, batches: Batches, output: Any) -> None:
    transform = getattr(batches, "transform", None)  # a foreign one may change labels
    known = transform is None or type(transform).__module__.startswith("lepton.")
    if not known or getattr(batches, "collate", None) is not None:
        return
    labels = labels_of(getattr(batches, "dataset", None))
    if labels is None or labels.dtype.kind not in "iu" or not isinstance(output, Tensor):
        return
    if output.ndim != labels.ndim + 1 or not labels.size:
        return
    classes = output.shape[1]
    ignored = getattr(trainer.loss, "ignore_index", None)
    wrong = np.argwhere(((labels < 0) | (labels >= classes)) & (labels != ignored))
    if len(wrong):
        at = tuple(int(i) for i in wrong[0])
        raise IndexError(
            f"{owner}: class {int(labels[at])} of sample {', '.join(map(str, at))} is out of range "
            f"for {classes} classes"
        )


def labels_of(dataset: Any) -> np.ndarray[Any, Any] | None:
    """Return the labels of a dataset, the last of its arrays, if they are in memory."""
    if isinstance(dataset, Subset):
        labels = labels_of(dataset.dataset)
        return None if labels is None else labels[dataset.indices]
    if isinstance(dataset, ArrayDataset) and dataset.transform is None and len(dataset.tensors) > 1:
        return np.asarray(dataset.tensors[-1])
    return None
