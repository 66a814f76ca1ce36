# SPDX-License-Identifier: Apache-2.0
"""The run directory: what training leaves and everything else takes."""

from __future__ import annotations

import datetime
import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import lepton
from lepton.metrics.direction import better_is
from lepton.saving import read_json, write_json
from lepton.saving.atomic import remove_leftovers
from lepton.training.callbacks import Callback

if TYPE_CHECKING:
    from lepton.training.trainer import Trainer

__all__ = ["RunDirectory"]


class RunDirectory:
    """Paths and JSON files of a run.

    ``config.json`` says how the run was started, ``checkpoints/{last,best}/`` hold its states,
    ``history.csv`` has a row per epoch, ``metrics.json`` the results; plots are PNG files.

    Parameters
    ----------
    path : path
        The folder; it need not exist yet.

    Examples
    --------
    >>> import tempfile
    >>> from lepton.training import RunDirectory
    >>> run = RunDirectory(tempfile.mkdtemp())
    >>> run.update_metrics(test={"accuracy": 0.98})
    >>> run.metrics
    {'test': {'accuracy': 0.98}}
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)

    @property
    def checkpoints(self) -> Path:
        """The folder of the checkpoints."""
        return self.path / "checkpoints"

    @property
    def history_file(self) -> Path:
        """The CSV file with a row per epoch."""
        return self.path / "history.csv"

    def has_checkpoint(self) -> bool:
        """Tell whether there is something to resume or evaluate."""
        return self.checkpoints.is_dir() and any(self.checkpoints.glob("*/state.json"))

    @property
    def config(self) -> dict[str, Any]:
        """What ``config.json`` holds.

        Raises
        ------
        FileNotFoundError
            If the folder is no run directory.
        ValueError
            If the file is damaged.
        """
        if not (self.path / "config.json").is_file():
            what = "holds no config.json" if self.path.is_dir() else "does not exist"
            raise FileNotFoundError(f"run directory: {self.path} {what}")
        return self._object("config.json")

    def write_config(self, config: dict[str, Any]) -> None:
        """Write ``config.json``, and make the folder if need be."""
        self.path.mkdir(parents=True, exist_ok=True)
        write_json(config, self.path / "config.json")

    @property
    def metrics(self) -> dict[str, Any]:
        """What ``metrics.json`` holds; empty before the first epoch."""
        return self._object("metrics.json") if (self.path / "metrics.json").exists() else {}

    def update_metrics(self, **parts: Any) -> None:
        """Write the given parts into ``metrics.json`` and keep the others."""
        self.path.mkdir(parents=True, exist_ok=True)
        write_json({**self.metrics, **parts}, self.path / "metrics.json")

    def _object(self, name: str) -> dict[str, Any]:
        value = read_json(self.path / name)
        if not isinstance(value, dict):
            raise ValueError(f"run directory: {self.path / name}: expected a JSON object")
        return value

    def __repr__(self) -> str:
        return f"RunDirectory({os.fspath(self.path)!r})"


class RunRecorder(Callback):
    """Keeps the files of a run directory up to date, apart from the checkpoints."""

    order: ClassVar[int] = 60

    def __init__(self, run: RunDirectory, monitor: str | None, mode: str) -> None:
        self.run = run
        self.monitor, self.mode = monitor, mode

    def on_fit_start(self, trainer: Trainer) -> None:
        remove_leftovers(self.run.path)
        if not trainer.resumed and not trainer.epoch:
            self.run.write_config(describe(trainer))

    def on_epoch_end(self, trainer: Trainer) -> None:
        history = trainer.history
        history.csv(self.run.history_file)
        column = self.monitor or ("val_loss" if "val_loss" in history else "loss")
        best = history.best(column, better_is(column, self.mode))
        self.run.update_metrics(last=history.last, best=best)

    def on_fit_end(self, trainer: Trainer) -> None:
        if not len(trainer.history):
            return
        with suppress(ImportError):  # pictures are an extra
            trainer.history.plot(self.run.path / "history.png")


def describe(trainer: Trainer) -> dict[str, Any]:
    """Return how a run was started: the user's config, then versions, model and settings."""
    model, optimizer = trainer.model, trainer.optimizer
    parameters = list(model.parameters())
    groups = [
        {key: value for key, value in group.items() if key != "params"}
        for group in optimizer.param_groups
    ]
    made = {
        "lepton": lepton.__version__,
        "started": datetime.datetime.now().astimezone().isoformat(timespec="seconds"),
        "model": {"class": type(model).__name__, "parameters": sum(p.size for p in parameters)},
        "loss": type(trainer.loss).__name__,
        "optimizer": {"class": type(optimizer).__name__, "groups": groups},
        "scheduler": None if trainer.scheduler is None else type(trainer.scheduler).__name__,
        "clip_grad_norm": trainer.clip_grad_norm,
        "accumulate": trainer.accumulate,
        "seed": trainer.seed,
        "threads": lepton.get_num_threads(),
        "isa": lepton.isa(),
    }
    return {**made, **trainer.config}
