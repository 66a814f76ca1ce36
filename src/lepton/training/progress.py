# SPDX-License-Identifier: Apache-2.0
"""How far training is: a bar on a terminal or in a notebook, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from importlib import import_module
from typing import TYPE_CHECKING, Any

from lepton.training.callbacks import Callback

if TYPE_CHECKING:
    from lepton.training.trainer import Trainer

__all__ = ["ProgressBar"]

_KNOWN = "{desc} {percentage:3.0f}%|{bar:20}| {n_fmt}/{total_fmt} [{elapsed}<{remaining}]  "
_UNKNOWN = "{desc}  batch {n_fmt} [{elapsed}]  "  # how many batches there are


class ProgressBar(Callback):
    """Show loss, metrics and samples per second while training runs, on standard error.

    Parameters
    ----------
    bar : bool, optional
        A bar (needs tqdm) or one plain line per epoch; by default a bar where it can be seen.

    Examples
    --------
    >>> from lepton.training import ProgressBar
    >>> progress = ProgressBar(bar=False)
    """

    order = 200

    def __init__(self, bar: bool | None = None) -> None:
        self.bar = bar
        self._bar: Any = None
        self._began = self._now = 0.0
        self._samples = 0

    def on_epoch_start(self, trainer: Trainer) -> None:
        self._began = self._now = time.monotonic()
        self._samples = trainer.meter.samples
        bar = _find_tqdm() if self.bar is not False else None
        if bar is None or not (self.bar or _seen()):
            return
        self._bar = bar(
            total=trainer.batches_in_epoch,
            initial=trainer.meter.batches,
            desc=_title(trainer, trainer.epoch + 1),
            bar_format=_KNOWN if trainer.batches_in_epoch else _UNKNOWN,
            file=sys.stderr,
            leave=True,
            mininterval=0.1,
        )

    def on_step_end(self, trainer: Trainer) -> None:
        self._now = time.monotonic()
        if self._bar is None:
            return
        if time.time() - self._bar.last_print_t >= 0.1:
            text = f"{_values(trainer.meter.results())}  {self._rate(trainer):,.0f} samples/s"
            self._bar.bar_format = (_KNOWN if self._bar.total else _UNKNOWN) + text
        self._bar.update(trainer.meter.batches - self._bar.n)

    def on_epoch_end(self, trainer: Trainer) -> None:
        row = trainer.history.last
        shown = {k: v for k, v in row.items() if k not in ("epoch", "lr", "seconds")}
        text = (
            f"{_title(trainer, trainer.epoch)}  {_values(shown)}  "
            f"{self._rate(trainer):,.0f} samples/s  {row['seconds']:.1f} s"
        )
        if self._bar is None:
            print(text, file=sys.stderr)
            return
        self._bar.bar_format = "{desc}"  # the bar becomes the line of the epoch
        self._bar.set_description_str(text, refresh=False)
        self._close()

    def on_fit_end(self, trainer: Trainer) -> None:
        if trainer.stopped:
            print(f"stopped early: {trainer.stopped}", file=sys.stderr)

    def on_fit_exit(self, trainer: Trainer) -> None:
        self._close()

    def _close(self) -> None:
        if self._bar is not None:
            self._bar.refresh()
            self._bar.close()
            self._bar = None

    def _rate(self, trainer: Trainer) -> float:
        return (trainer.meter.samples - self._samples) / max(self._now - self._began, 1e-9)


def _title(trainer: Trainer, epoch: int) -> str:
    width = len(str(trainer.last_epoch))
    return f"epoch {epoch:>{width}}/{trainer.last_epoch}"


def _values(values: dict[str, float]) -> str:
    text = "  ".join(f"{name} {value:.4f}" for name, value in values.items())
    return text.replace("{", "{{").replace("}", "}}")


def _find_tqdm() -> Any:
    try:
        return import_module("tqdm.auto" if "ipykernel" in sys.modules else "tqdm").tqdm
    except ImportError:
        return None


def _seen() -> bool:
    return sys.stderr.isatty() or "ipykernel" in sys.modules
