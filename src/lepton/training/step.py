# SPDX-License-Identifier: Apache-2.0
"""One step: gradients of one or more batches, checked, clipped and given to the optimiser."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

import lepton
from lepton import _core
from lepton.array import Tensor, no_grad
from lepton.nn import Module
from lepton.training.diagnosis import NonFiniteError, explain_gradients, explain_loss
from lepton.training.feeding import samples_in, split_batch

if TYPE_CHECKING:
    from lepton.training.trainer import Trainer

__all__: list[str] = []


class Result:
    """What a batch gave: its loss, output, target and number of samples."""

    def __init__(self, loss: float, output: Tensor, target: Any, samples: int) -> None:
        self.loss, self.output, self.target, self.samples = loss, output, target, samples


def train_step(trainer: Trainer, batches: Sequence[Any]) -> list[Result]:
    """Change the weights once by the mean gradient of `batches`; all or nothing.

    After an error the weights, buffers and random state are what they were before.
    """
    total = sum(samples_in(batch) for batch in batches)
    with _undone_on_error(trainer):
        trainer.optimizer.zero_grad()
        results = []
        for batch in batches:
            share = 1.0 if trainer.summed else samples_in(batch) / total
            results.append(_gradients(trainer, batch, share))
        _clip(trainer)
        trainer.optimizer.step()
    return results


def _gradients(trainer: Trainer, batch: Any, share: float) -> Result:
    inputs, target = split_batch("Trainer.fit", batch)
    random = lepton.get_rng_state()
    output = trainer.model(*inputs)
    loss = trainer.loss(output, target)
    value = float(loss.item())
    if not math.isfinite(value):
        lepton.set_rng_state(random)
        cause = explain_loss(trainer.model, inputs, target)
        raise NonFiniteError(f"Trainer.fit: the loss is {value}: {cause}")
    (loss if share == 1.0 else loss * share).backward()
    return Result(value, output.detach(), target, samples_in(batch))


def _clip(trainer: Trainer) -> None:
    grads = [p.grad for p in trainer.parameters if p.grad is not None]
    if not grads:
        raise ValueError("Trainer.fit: the loss gives no parameter a gradient")
    limit = trainer.clip_grad_norm
    norm = _core.clip_grad_norm(grads, math.inf, 1e-6)  # scales nothing
    if not math.isfinite(norm):
        cause = explain_gradients(trainer.model)
        if cause is not None or limit is not None:
            raise NonFiniteError(f"Trainer.fit: {cause or 'the norm of the gradients overflows'}")
    if limit is not None and norm > limit:
        _core.clip_grad_norm(grads, limit, 1e-6)


@contextmanager
def _undone_on_error(trainer: Trainer) -> Iterator[None]:
    """Put buffers and random state back if the step fails, and say which step it was."""
    random = lepton.get_rng_state()
    buffers = [(b, np.array(b.detach(), copy=True)) for b in trainer.buffers]
    try:
        yield
    except Exception as error:
        restore(buffers)
        lepton.set_rng_state(random)
        trainer.optimizer.zero_grad()
        _say_where(error, trainer)
        raise


def restore(buffers: list[tuple[Tensor, Any]]) -> None:
    """Copy saved values back into tensors."""
    with no_grad():
        for buffer, values in buffers:
            buffer.copy_(lepton.tensor(values))


def _say_where(error: Exception, trainer: Trainer) -> None:
    if isinstance(error, (ValueError, TypeError, IndexError)) and len(error.args) == 1:
        batch = trainer.meter.batches + 1
        place = f"step {trainer.step + 1} (epoch {trainer.epoch + 1}, batch {batch})"
        error.args = (f"{error.args[0]}, in {place}",)


@contextmanager
def evaluating(model: Module) -> Iterator[None]:
    """Run in evaluation mode without gradients; each layer gets its own mode back."""
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        with no_grad():
            yield
    finally:
        for module, mode in modes:
            object.__setattr__(module, "training", mode)
