# SPDX-License-Identifier: Apache-2.0
"""How far training is: a bar on a terminal or in a notebook, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Any

from lepton.training.callbacks import Callback

if TYPE_CHECKING:
    from lepton.training.trainer import Trainer

__all__ = ["ProgressBar"]

_BAR = "{desc} {percentage:3.0f}%|{bar:20}| {n_fmt}/{total_fmt} [{elapsed}<{remaining}]{postfix}"


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
            bar_format=_BAR if trainer.batches_in_epoch else None,
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
            self._bar.set_postfix_str(text, refresh=False)
        self._bar.update(trainer.meter.batches - self._bar.n)

    def on_epoch_end(self, trainer: Trainer) -> None:
        row = trainer.history.last
        shown = {k: v for k, v in row.items() if k not in ("epoch", "lr", "seconds")}
        text = f"{_values(shown)}  {self._rate(trainer):,.0f} samples/s"
        if self._bar is None:
            print(
                f"{_title(trainer, trainer.epoch)}  {text}  {row['seconds']:.1f} s", file=sys.stderr
            )
            return
        self._bar.set_postfix_str(text, refresh=False)
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
    return "  ".join(f"{name} {value:.4f}" for name, value in values.items())


def _find_tqdm() -> Any:
    try:
        if "ipykernel" in sys.modules:
            from tqdm.auto import tqdm
        else:
            from tqdm import tqdm
    except ImportError:
        return None
    return tqdm


def _seen() -> bool:
    return sys.stderr.isatty() or "ipykernel" in sys.modules
