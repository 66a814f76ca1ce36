# SPDX-License-Identifier: Apache-2.0
"""Ctrl-C during training: the first is a request, the second aborts."""

from __future__ import annotations

import os
import signal
import threading
from types import FrameType, TracebackType
from typing import Any

__all__ = ["TrainingInterrupted"]


class TrainingInterrupted(KeyboardInterrupt):
    """Raised by `Trainer.fit` after Ctrl-C, when the step is finished and a checkpoint is saved.

    Attributes
    ----------
    checkpoint : path or None
        What was saved, if there is a run directory.

    Examples
    --------
    >>> from lepton.training import TrainingInterrupted
    >>> try:
    ...     raise TrainingInterrupted("stopped after step 7")  # as Trainer.fit does
    ... except KeyboardInterrupt as stop:
    ...     print(stop)
    stopped after step 7
    """

    def __init__(self, message: str, checkpoint: os.PathLike[str] | None = None) -> None:
        super().__init__(message)
        self.checkpoint = checkpoint


class Interrupt:
    """While it is open, the first Ctrl-C only sets `requested`; the next acts as ever.

    Examples
    --------
    >>> import signal
    >>> from lepton.training.interrupt import Interrupt
    >>> with Interrupt() as interrupt:
    ...     signal.raise_signal(signal.SIGINT)
    ...     print(interrupt.requested)
    True
    """

    def __init__(self, message: str = "") -> None:
        self.requested = False
        self._message = message
        self._previous: Any = None

    def __enter__(self) -> Interrupt:
        if threading.current_thread() is threading.main_thread():
            current = signal.getsignal(signal.SIGINT)
            if current is not signal.SIG_IGN and current is not None:
                self._previous = current
                signal.signal(signal.SIGINT, self._handle)
        return self

    def _handle(self, number: int, frame: FrameType | None) -> None:
        self.requested = True
        signal.signal(number, self._previous)
        if self._message:
            os.write(2, f"\n{self._message}\n".encode())  # print is not safe in a signal handler

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._previous is not None:
            signal.signal(signal.SIGINT, self._previous)
