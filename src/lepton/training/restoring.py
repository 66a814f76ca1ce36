# SPDX-License-Identifier: Apache-2.0
"""From a trainer to a snapshot of it and back, completely or not at all."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import lepton
from lepton.array import Tensor
from lepton.training.checkpoint import Snapshot, read_checkpoint
from lepton.training.history import History

if TYPE_CHECKING:
    from lepton.training.trainer import Trainer

__all__: list[str] = []

# The trainer's own attributes that a checkpoint holds, each with its type.
_PLAIN: dict[str, type] = {
    "epoch": int,
    "step": int,
    "first_epoch": int,
    "in_epoch": bool,
    "seconds": float,
    "lr": float,
    "stopped": str,
}


def take(trainer: Trainer) -> Snapshot:
    """Return everything that `load` needs; arrays share memory with the trainer's."""
    scheduler, place = trainer.scheduler, None
    if trainer.batches is not None:
        inside = trainer.in_epoch and trainer.place is not None
        place = trainer.place if inside else trainer.batches.state_dict()
    state: dict[str, Any] = {
        "trainer": {name: getattr(trainer, name) for name in _PLAIN},
        "optimizer": trainer.optimizer.state_dict(),
        "scheduler": None if scheduler is None else scheduler.state_dict(),
        "random": lepton.get_rng_state(),
        "data": place,
        "validation": None if trainer.held_out is None else trainer.held_out.state_dict(),
        "meter": trainer.meter.state_dict() if trainer.in_epoch else None,
        "history": trainer.history.rows,
        "callbacks": [[type(c).__name__, c.state_dict()] for c in trainer.callbacks],
    }
    return Snapshot(dict(trainer.model.state_dict()), state)


def load(trainer: Trainer, path: Path) -> None:
    """Bring a trainer into the state of the checkpoint at `path`.

    Raises
    ------
    ValueError
        If the checkpoint is damaged or does not fit; the trainer is then as it was.
    """
    snapshot = read_checkpoint(path)
    before = take(trainer)
    before = Snapshot(_copied(before.weights), _copied(before.state))
    try:
        _apply(trainer, snapshot)
    except Exception as error:
        _apply(trainer, before)
        cause = f"there is no {error}" if isinstance(error, KeyError) else str(error)
        raise ValueError(f"checkpoint: {path} does not fit this trainer: {cause}") from error


def _copied(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _copied(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(_copied(item) for item in value)
    if isinstance(value, Tensor):
        return value.detach().clone()
    return value.copy() if isinstance(value, np.ndarray) else copy.copy(value)


def _apply(trainer: Trainer, snapshot: Snapshot) -> None:
    state = snapshot.state
    plain = {name: _plain(state["trainer"], name, kind) for name, kind in _PLAIN.items()}
    history = History(_rows(state["history"]))
    trainer.model.load_state_dict(snapshot.weights)
    trainer.optimizer.load_state_dict(state["optimizer"])
    if (trainer.scheduler is None) != (state["scheduler"] is None):
        has = "no scheduler" if state["scheduler"] is None else "a scheduler"
        raise ValueError(f"it was saved with {has}")
    if trainer.scheduler is not None:
        trainer.scheduler.load_state_dict(state["scheduler"])
    if trainer.batches is not None and state["data"] is not None:
        trainer.batches.load_state_dict(state["data"])
        trainer.place = state["data"]
    if trainer.held_out is not None and state["validation"] is not None:
        trainer.held_out.load_state_dict(state["validation"])
    if state["meter"] is not None:
        trainer.meter.load_state_dict(state["meter"])
    else:
        trainer.meter.reset()
    _apply_callbacks(trainer, state["callbacks"])
    lepton.set_rng_state(state["random"])
    trainer.history = history
    for name, value in plain.items():
        setattr(trainer, name, value)


def _apply_callbacks(trainer: Trainer, saved: Any) -> None:
    """Give each callback the next state of its class; new ones keep theirs."""
    left = [(name, state) for name, state in saved]
    for callback in trainer.callbacks:
        name = type(callback).__name__
        match = next((entry for entry in left if entry[0] == name), None)
        if match is not None:
            left.remove(match)
            callback.load_state_dict(match[1])


def _plain(state: Any, name: str, kind: type) -> Any:
    value = state[name]
    if type(value) is not kind:
        raise ValueError(f"{name} expects {kind.__name__}, got {value!r}")
    return value


def _rows(rows: Any) -> list[dict[str, float]]:
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise ValueError("history expects a list of rows")
    for row in rows:
        for name, value in row.items():
            if type(value) not in (int, float):
                raise ValueError(f"history expects numbers, got {value!r} for {name}")
    return rows
