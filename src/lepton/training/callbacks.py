# SPDX-License-Identifier: Apache-2.0
"""Callbacks: what happens around the steps and epochs of training."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from lepton._check import check_int, check_number
from lepton.metrics.direction import better_is
from lepton.training.checkpoint import CheckpointFolder

if TYPE_CHECKING:
    from lepton.training.trainer import Trainer

__all__ = ["CSVLogger", "Callback", "Checkpoint", "EarlyStopping"]


class Callback:
    """Base class; a subclass overrides the hooks it needs.

    `state_dict` and `load_state_dict` carry what a callback remembers through checkpoints. Hooks of
    callbacks with a higher `order` run later.

    Examples
    --------
    >>> from lepton.training import Callback
    >>> class Cheer(Callback):
    ...     def on_epoch_end(self, trainer):
    ...         print("epoch", trainer.epoch, "is done")
    """

    order: ClassVar[int] = 0

    def on_fit_start(self, trainer: Trainer) -> None:
        """Run before the first epoch, after a checkpoint was loaded."""

    def on_epoch_start(self, trainer: Trainer) -> None:
        """Run before the first batch that this process sees of an epoch."""

    def on_step_end(self, trainer: Trainer) -> None:
        """Run after each step of the optimiser."""

    def on_epoch_end(self, trainer: Trainer) -> None:
        """Run when the epoch's row, `trainer.history.last`, is complete."""

    def on_interrupt(self, trainer: Trainer) -> None:
        """Run after Ctrl-C, when the step is finished."""

    def on_fit_end(self, trainer: Trainer) -> None:
        """Run after the last epoch; not after an error or Ctrl-C."""

    def on_fit_exit(self, trainer: Trainer) -> None:
        """Run when `Trainer.fit` returns or raises, to let go of what the callback holds."""

    def state_dict(self) -> dict[str, Any]:
        """Return what must survive a checkpoint: numbers, text, lists, dicts, Tensors."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take over what `state_dict` returned."""


class _Monitor(Callback):
    """Follows one column of the history and knows when it improved."""

    def __init__(self, monitor: str | None, mode: str, min_delta: float = 0.0) -> None:
        self.monitor = monitor
        self.mode = mode
        self.min_delta = min_delta
        better_is("", mode)
        self.best: float | None = None
        self.best_epoch = 0

    def on_fit_start(self, trainer: Trainer) -> None:
        if self.column(trainer) not in trainer.columns:
            raise ValueError(
                f"{type(self).__name__}: monitor expects one of {', '.join(trainer.columns)}, "
                f"got {self.monitor!r}"
            )

    def column(self, trainer: Trainer) -> str:
        """Return the column that is followed; the (validation) loss by default."""
        return self.monitor or ("val_loss" if "val_loss" in trainer.columns else "loss")

    def improved(self, trainer: Trainer) -> bool:
        """Note the newest epoch; tell whether it is the best so far."""
        column = self.column(trainer)
        value = trainer.history.last[column]
        sign = 1.0 if better_is(column, self.mode) == "max" else -1.0
        better = value == value  # NaN never improves
        if self.best is not None and better:
            better = sign * (value - self.best) > self.min_delta
        if better:
            self.best, self.best_epoch = value, trainer.epoch
        return better

    def state_dict(self) -> dict[str, Any]:
        return {"best": self.best, "best_epoch": self.best_epoch}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.best = None if state["best"] is None else float(state["best"])
        self.best_epoch = int(state["best_epoch"])


class EarlyStopping(_Monitor):
    """Stop when a column of the history has not improved for `patience` epochs.

    Parameters
    ----------
    monitor : str, optional
        The column; by default ``val_loss`` if there is validation, else ``loss``.
    patience : int
        Epochs without improvement before training stops.
    min_delta : float
        Smaller changes are no improvement.
    mode : {"auto", "min", "max"}
        Which is better; "auto" takes the smallest of a loss or an error, else the largest.
    restore_best : bool
        Give the model the weights of its best epoch in the end.

    Examples
    --------
    >>> from lepton.training import EarlyStopping
    >>> stopping = EarlyStopping("val_accuracy", patience=3)
    """

    def __init__(
        self,
        monitor: str | None = None,
        patience: int = 5,
        min_delta: float = 0.0,
        mode: str = "auto",
        restore_best: bool = True,
    ) -> None:
        delta = check_number("EarlyStopping", "min_delta", min_delta, 0)
        super().__init__(monitor, mode, delta)
        self.patience = check_int("EarlyStopping", "patience", patience, 1)
        self.restore_best = restore_best
        self.waited = 0
        self.weights: dict[str, Any] | None = None

    def on_fit_start(self, trainer: Trainer) -> None:
        super().on_fit_start(trainer)
        if not trainer.resumed:
            self.waited = 0

    def on_epoch_end(self, trainer: Trainer) -> None:
        if self.improved(trainer):
            self.waited = 0
            if self.restore_best:
                self.weights = {k: v.clone() for k, v in trainer.model.state_dict().items()}
            return
        self.waited += 1
        if self.waited >= self.patience:
            trainer.stop(
                f"{self.column(trainer)} has not improved since epoch {self.best_epoch} "
                f"({'no value yet' if self.best is None else format(self.best, '.4g')})"
            )

    def on_fit_end(self, trainer: Trainer) -> None:
        if self.weights is not None:
            trainer.model.load_state_dict(self.weights)

    def state_dict(self) -> dict[str, Any]:
        return {**super().state_dict(), "waited": self.waited, "weights": self.weights}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        super().load_state_dict(state)
        self.waited, self.weights = int(state["waited"]), state["weights"]


class Checkpoint(_Monitor):
    """Keep the last and the best checkpoint in a folder, at each epoch and, if asked, between.

    Parameters
    ----------
    folder : path
        Where ``last`` and ``best`` appear; a run directory has it as ``checkpoints``.
    monitor, mode
        What "best" means, as for `EarlyStopping`.
    every_steps : int, optional
        Also save after so many steps inside an epoch.
    every_seconds : float, optional
        Also save inside an epoch when so much time has passed since the last save.

    Examples
    --------
    >>> import tempfile
    >>> from lepton.training import Checkpoint
    >>> checkpoint = Checkpoint(tempfile.mkdtemp(), monitor="val_accuracy", every_seconds=60)
    """

    order = 100  # after the others, so that what they have learned is in the checkpoint

    def __init__(
        self,
        folder: str | os.PathLike[str],
        monitor: str | None = None,
        mode: str = "auto",
        every_steps: int | None = None,
        every_seconds: float | None = None,
    ) -> None:
        super().__init__(monitor, mode)
        self.folder = CheckpointFolder(folder)
        self.every_steps = (
            None if every_steps is None else check_int("Checkpoint", "every_steps", every_steps, 1)
        )
        self.every_seconds = (
            None
            if every_seconds is None
            else check_number("Checkpoint", "every_seconds", every_seconds, 0)
        )
        self._saved_at = time.monotonic()

    def on_fit_start(self, trainer: Trainer) -> None:
        super().on_fit_start(trainer)
        self._saved_at = time.monotonic()
        if not trainer.resumed:  # so that a run can be resumed from its first moment on
            self.save(trainer, ["last"])

    def on_step_end(self, trainer: Trainer) -> None:
        steps, seconds = self.every_steps, self.every_seconds
        due = steps is not None and trainer.step % steps == 0
        if due or (seconds is not None and time.monotonic() - self._saved_at >= seconds):
            self.save(trainer, ["last"])

    def on_epoch_end(self, trainer: Trainer) -> None:
        self.save(trainer, ["last", "best"] if self.improved(trainer) else ["last"])

    def on_interrupt(self, trainer: Trainer) -> None:
        trainer.saved_to = self.save(trainer, ["last"])

    def save(self, trainer: Trainer, names: list[str]) -> Path:
        """Save now, under the given names."""
        self.folder.save(trainer.snapshot(), trainer.step, names)
        self._saved_at = time.monotonic()
        return self.folder.path(names[0])


class CSVLogger(Callback):
    """Write the history to a CSV file after each epoch; the file is always whole.

    Examples
    --------
    >>> import tempfile
    >>> from lepton.training import CSVLogger
    >>> logger = CSVLogger(tempfile.mkdtemp() + "/history.csv")
    """

    order = 50

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)

    def on_epoch_end(self, trainer: Trainer) -> None:
        trainer.history.csv(self.path)
