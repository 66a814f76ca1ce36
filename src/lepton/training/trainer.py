# SPDX-License-Identifier: Apache-2.0
"""Trainer: fits, evaluates, predicts, saves and resumes."""

from __future__ import annotations

import copy
import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import lepton
from lepton._check import check_choice, check_int, check_number
from lepton.array import Tensor, concat
from lepton.nn import Module
from lepton.optim import Optimizer
from lepton.optim.lr_scheduler import LRScheduler, OneCycleLR
from lepton.training import restoring
from lepton.training.callbacks import Callback, Checkpoint
from lepton.training.checkpoint import Snapshot, find_checkpoint, write_checkpoint
from lepton.training.feeding import Batches, Data, as_batches, count_of, inputs_of
from lepton.training.history import History
from lepton.training.loop import measure, run_epochs
from lepton.training.meter import Meter, MetricLike
from lepton.training.preflight import check_fit
from lepton.training.progress import ProgressBar
from lepton.training.run import RunDirectory, RunRecorder
from lepton.training.step import evaluating

__all__ = ["Trainer"]


class Trainer:
    """Trains a model and keeps all that is needed to go on after any interruption.

    Parameters
    ----------
    model : Module
        Called with all entries of a batch but the last.
    loss : callable
        Called as ``loss(output, target)``; gives one number.
    optimizer : Optimizer
        Over the model's parameters.
    metrics : iterable of metrics
        Measured on training and validation batches; see `lepton.metrics`.
    callbacks : iterable of Callback
        Run around steps and epochs, such as `EarlyStopping`.
    scheduler : LRScheduler, optional
        Stepped after each epoch, or, for `OneCycleLR`, after each step.
    run_dir : path, optional
        Gets config, checkpoints, history, metrics and plots; see `RunDirectory`.
    clip_grad_norm : float, optional
        Scale gradients down whose total norm is larger.
    accumulate : int
        Batches whose gradients make up one step.
    seed : int, optional
        Seeds Lepton's random numbers when the first `fit` starts, and the order of the samples.
    monitor, mode : str, optional
        The column that decides which checkpoint is best; see `Checkpoint`.
    checkpoint_every : int or float, optional
        Also save inside an epoch: an int counts steps, a float seconds.
    step_scheduler : {"auto", "epoch", "step"}
        When the scheduler is stepped.
    progress : bool
        Show progress on standard error.
    config : mapping, optional
        What else ``config.json`` shall say.

    Examples
    --------
    >>> import numpy as np
    >>> from lepton import Trainer, nn, optim
    >>> rng = np.random.default_rng(0)
    >>> x = rng.standard_normal((256, 2)).astype(np.float32)
    >>> y = (x[:, 0] > 0).astype(np.int64)
    >>> model = nn.Sequential(nn.Linear(2, 8), nn.ReLU(), nn.Linear(8, 2))
    >>> optimizer = optim.Adam(model.parameters(), lr=0.05)
    >>> trainer = Trainer(model, nn.CrossEntropyLoss(), optimizer, seed=0, progress=False)
    >>> history = trainer.fit((x, y), epochs=5)
    >>> history.last["loss"] < history["loss"][0]
    True
    >>> trainer.predict(x[:3]).shape
    (3, 2)
    >>> trainer.evaluate((x, y))["loss"] < history["loss"][0]
    True

    What was trained can be saved with all that training needs, and taken over elsewhere:

    >>> import tempfile
    >>> folder = tempfile.mkdtemp() + "/trained"
    >>> trainer.save(folder)
    >>> trainer.load(folder)
    """

    def __init__(
        self,
        model: Module,
        loss: Callable[[Any, Any], Tensor],
        optimizer: Optimizer,
        metrics: Iterable[MetricLike] = (),
        callbacks: Iterable[Callback] = (),
        scheduler: LRScheduler | None = None,
        run_dir: str | os.PathLike[str] | None = None,
        clip_grad_norm: float | None = None,
        accumulate: int = 1,
        seed: int | None = None,
        monitor: str | None = None,
        mode: str = "auto",
        checkpoint_every: int | float | None = None,
        step_scheduler: str = "auto",
        progress: bool = True,
        config: Mapping[str, Any] | None = None,
    ) -> None:
        self.model, self.loss, self.optimizer, self.scheduler = model, loss, optimizer, scheduler
        self.metrics = list(metrics)
        self.clip_grad_norm = (
            None
            if clip_grad_norm is None
            else check_number("Trainer", "clip_grad_norm", clip_grad_norm, 0, open_minimum=True)
        )
        self.accumulate = check_int("Trainer", "accumulate", accumulate, 1)
        self.seed = None if seed is None else check_int("Trainer", "seed", seed, 0)
        check_choice("Trainer", "step_scheduler", step_scheduler, ["auto", "epoch", "step"])
        per_step = step_scheduler == "step" or isinstance(scheduler, OneCycleLR)
        self.scheduler_per_step = per_step and step_scheduler != "epoch"
        self.config = dict(config or {})
        self.summed = getattr(loss, "reduction", "mean") == "sum"
        self.parameters = [p for group in optimizer.param_groups for p in group["params"]]
        self.run = None if run_dir is None else RunDirectory(run_dir)
        self.callbacks = self._all_callbacks(callbacks, monitor, mode, checkpoint_every, progress)

        self.history = History()
        self.meter = Meter(self.metrics, self.summed)  # of the running epoch
        self.validation_metrics = copy.deepcopy(self.metrics)
        self.columns = self.meter.names
        self.epoch = 0  # finished epochs
        self.step = 0  # steps of the optimiser
        self.first_epoch, self.last_epoch = 0, 0  # of this fit
        self.batches: Batches | None = None
        self.held_out: Batches | None = None  # for validation
        self.batches_in_epoch: int | None = None
        self.buffers: list[Tensor] = []  # of the model, looked up once per epoch
        self.in_epoch = False
        self.place: dict[str, Any] | None = None  # in the data, after the last step of this epoch
        self.seconds = 0.0  # spent on the running epoch before it was resumed
        self.lr = float(optimizer.param_groups[0]["lr"])  # of the last step
        self.stopped = ""  # why training ended early
        self.fitted, self.resumed = False, False
        self.saved_to: Path | None = None  # where Ctrl-C has saved

    def _all_callbacks(
        self,
        given: Iterable[Callback],
        monitor: str | None,
        mode: str,
        every: int | float | None,
        progress: bool,
    ) -> list[Callback]:
        callbacks = list(given)
        for position, callback in enumerate(callbacks):
            if not isinstance(callback, Callback):
                raise TypeError(
                    f"Trainer: callbacks[{position}] expects a Callback, "
                    f"got {type(callback).__name__}"
                )
        steps = every if isinstance(every, int) else None
        seconds = None if steps is not None else every
        if self.run is not None:
            callbacks.append(RunRecorder(self.run, monitor, mode))
            if not any(isinstance(callback, Checkpoint) for callback in callbacks):
                folder = self.run.checkpoints
                callbacks.append(Checkpoint(folder, monitor, mode, steps, seconds))
        elif every is not None:
            raise ValueError("Trainer: checkpoint_every expects a run_dir to save in, got none")
        if progress and not any(isinstance(callback, ProgressBar) for callback in callbacks):
            callbacks.append(ProgressBar())
        return sorted(callbacks, key=lambda callback: callback.order)

    # ------------------------------------------------------------------------------- training

    def fit(
        self,
        train: Data,
        epochs: int,
        validation: Data | None = None,
        batch_size: int = 32,
        resume: bool | str | os.PathLike[str] = False,
    ) -> History:
        """Train for so many epochs; call it again to train more.

        Parameters
        ----------
        train, validation : DataLoader, Dataset, tuple of arrays, or iterable of batches
            A batch is a tuple whose last entry is the target.
        epochs : int
            Passes over the data; a resumed fit counts those made before it was interrupted.
        batch_size : int
            For data that is not in batches yet; it is then shuffled.
        resume : bool or path
            Go on from the last checkpoint of the run directory, if there is one; or from that of
            the run, or the checkpoint, at the given path. The result has the same bits as if
            training had never stopped.

        Returns
        -------
        History
            A row for each epoch.

        Raises
        ------
        ValueError, TypeError, IndexError
            If something does not fit; found before a weight changes wherever it can be known.
        NonFiniteError
            If the loss or a gradient is NaN or infinite, naming step and layer; a `ValueError`.
        TrainingInterrupted
            After Ctrl-C, when the step is finished and a checkpoint saved; a `KeyboardInterrupt`.
        """
        check_int("Trainer.fit", "epochs", epochs, 1)
        check_int("Trainer.fit", "batch_size", batch_size, 1)
        checkpoint = self._checkpoint_to_resume(resume)
        if self.seed is not None and not self.fitted:
            lepton.manual_seed(self.seed)
        self.batches = as_batches("Trainer.fit", train, batch_size, shuffle=True, seed=self.seed)
        self.held_out = None
        if validation is not None:
            self.held_out = as_batches("Trainer.fit: validation", validation, batch_size)
        self.batches_in_epoch = count_of(self.batches)
        names = self.meter.names
        self.columns = names + [f"val_{name}" for name in names if self.held_out is not None]
        if checkpoint is None:
            self.seconds, self.in_epoch, self.stopped = 0.0, False, ""
            self.first_epoch = self.epoch
        check_fit(self, "Trainer.fit", self.batches)
        if self.held_out is not None:
            check_fit(self, "Trainer.fit: validation", self.held_out)
        if checkpoint is not None:
            restoring.load(self, checkpoint)
        self.last_epoch = self.first_epoch + epochs
        self.fitted, self.resumed = True, checkpoint is not None
        run_epochs(self, self.batches, self.held_out)
        return self.history

    def stop(self, reason: str = "asked to stop") -> None:
        """End training after this epoch; for callbacks."""
        self.stopped = reason

    def _checkpoint_to_resume(self, resume: bool | str | os.PathLike[str]) -> Path | None:
        if resume is False:
            if self.run is not None and not self.fitted and self.run.has_checkpoint():
                raise ValueError(
                    f"Trainer.fit: {self.run.path} already holds a run: resume=True continues it, "
                    "another run_dir begins a new one"
                )
            return None
        if resume is not True:
            return find_checkpoint(resume)
        if self.run is None:
            raise ValueError("Trainer.fit: resume=True expects a run_dir, got none")
        return find_checkpoint(self.run.path) if self.run.has_checkpoint() else None

    # --------------------------------------------------------------------- using what was trained

    def evaluate(self, data: Data, batch_size: int = 256) -> dict[str, float]:
        """Return loss and metrics over all of `data`, in evaluation mode.

        Metrics that are no single number, such as a confusion matrix, are left out.
        """
        check_int("Trainer.evaluate", "batch_size", batch_size, 1)
        return measure(self, as_batches("Trainer.evaluate", data, batch_size))

    def predict(self, data: Data, batch_size: int = 256) -> Tensor:
        """Return the model's outputs for all of `data`, in evaluation mode.

        Parameters
        ----------
        data : Tensor, array, DataLoader, Dataset, or iterable of batches
            Of a batch with more than one entry the last is a target and not used.
        batch_size : int
            For data that is not in batches yet.
        """
        check_int("Trainer.predict", "batch_size", batch_size, 1)
        batches = as_batches("Trainer.predict", data, batch_size)
        with evaluating(self.model):
            return concat([self.model(*inputs_of(batch)) for batch in batches], axis=0)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write everything that training needs to go on into the checkpoint folder `path`.

        Raises
        ------
        OSError
            If it cannot be written; an older checkpoint at `path` stays as it was.
        """
        write_checkpoint(self.snapshot(), path)

    def load(self, path: str | os.PathLike[str]) -> None:
        """Take over weights, optimiser, schedule, random state and history from a checkpoint.

        Parameters
        ----------
        path : path
            A checkpoint folder, or a run directory for its last one.

        Raises
        ------
        ValueError
            If the checkpoint is damaged or of another model; the trainer stays as it was.
        """
        restoring.load(self, find_checkpoint(path))
        self.fitted = True

    def snapshot(self) -> Snapshot:
        """Return what a checkpoint holds; arrays share the memory of the weights."""
        return restoring.take(self)

    def call(self, hook: str) -> None:
        """Run one hook of all callbacks."""
        for callback in self.callbacks:
            getattr(callback, hook)(self)

    def __repr__(self) -> str:
        parts = f"{type(self.model).__name__}, {type(self.optimizer).__name__}"
        return f"Trainer({parts}, epoch={self.epoch}, step={self.step})"
