# SPDX-License-Identifier: Apache-2.0
"""The training loop: epochs of steps, validation after each, a place to stop after every step."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TYPE_CHECKING, Any

from lepton.training.feeding import Batches, samples_in, split_batch
from lepton.training.interrupt import Interrupt, TrainingInterrupted
from lepton.training.meter import Meter
from lepton.training.step import evaluating, train_step

if TYPE_CHECKING:
    from lepton.training.trainer import Trainer

__all__: list[str] = []


def run_epochs(trainer: Trainer, batches: Batches, held_out: Batches | None) -> None:
    """Train until `trainer.last_epoch`, or until a callback or Ctrl-C stops it."""
    try:
        trainer.call("on_fit_start")
        with Interrupt("finishing this step; Ctrl-C again aborts at once") as interrupt:
            while trainer.epoch < trainer.last_epoch and not trainer.stopped:
                _run_epoch(trainer, batches, held_out, interrupt)
                _obey(trainer, interrupt)
            trainer.call("on_fit_end")
    finally:
        trainer.call("on_fit_exit")


def _run_epoch(
    trainer: Trainer, batches: Batches, held_out: Batches | None, interrupt: Interrupt
) -> None:
    began = time.monotonic() - trainer.seconds
    if not trainer.in_epoch:
        batches.set_epoch(trainer.epoch)
        trainer.meter.reset()
        trainer.in_epoch, trainer.place = True, None
    trainer.model.train()
    trainer.buffers = list(trainer.model.buffers())
    trainer.call("on_epoch_start")
    for group in _groups(batches, trainer.accumulate):
        for result in train_step(trainer, group):
            trainer.meter.add(result.loss, result.samples, result.output, result.target)
        trainer.step += 1
        trainer.place = batches.state_dict()  # at the end of an epoch the data goes to the next
        trainer.lr = float(trainer.optimizer.param_groups[0]["lr"])
        if trainer.scheduler is not None and trainer.scheduler_per_step:
            trainer.scheduler.step()
        trainer.seconds = time.monotonic() - began
        trainer.call("on_step_end")
        _obey(trainer, interrupt)
    row = trainer.meter.results()
    if held_out is not None:
        held_out.set_epoch(trainer.epoch)
        scores = measure(trainer, held_out, interrupt)
        _obey(trainer, interrupt)
        row.update({f"val_{name}": value for name, value in scores.items()})
    if trainer.scheduler is not None and not trainer.scheduler_per_step:
        trainer.scheduler.step()
    trainer.epoch += 1
    seconds = time.monotonic() - began
    trainer.history.append({"epoch": trainer.epoch, **row, "lr": trainer.lr, "seconds": seconds})
    trainer.seconds, trainer.in_epoch = 0.0, False
    trainer.call("on_epoch_end")


def measure(
    trainer: Trainer, batches: Batches, interrupt: Interrupt | None = None
) -> dict[str, float]:
    """Return loss and metrics over all batches, or over those before Ctrl-C."""
    meter = Meter(trainer.validation_metrics, trainer.summed)
    with evaluating(trainer.model):
        for batch in batches:
            inputs, target = split_batch("Trainer.evaluate", batch)
            output = trainer.model(*inputs)
            meter.add(float(trainer.loss(output, target).item()), samples_in(batch), output, target)
            if interrupt is not None and interrupt.requested:
                break
    return meter.results()


def _groups(batches: Iterable[Any], size: int) -> Iterator[list[Any]]:
    iterator = iter(batches)
    while group := list(islice(iterator, size)):
        yield group


def _obey(trainer: Trainer, interrupt: Interrupt) -> None:
    """After Ctrl-C: save, say how to go on, and leave."""
    if not interrupt.requested:
        return
    trainer.saved_to = None
    trainer.call("on_interrupt")
    place = f"step {trainer.step} (epoch {min(trainer.epoch + 1, trainer.last_epoch)})"
    saved = "no run_dir, so nothing is saved"
    if trainer.saved_to is not None:
        saved = f"saved {trainer.saved_to}; fit(..., resume=True) goes on"
    raise TrainingInterrupted(f"Trainer.fit: stopped after {place}; {saved}", trainer.saved_to)
