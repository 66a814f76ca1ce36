# SPDX-License-Identifier: Apache-2.0
"""A background thread that works some items ahead of the loop that consumes them."""

from __future__ import annotations

import os
import threading
import weakref
from collections import deque
from collections.abc import Iterator
from typing import Generic, TypeVar

__all__ = ["Prefetcher", "read_ahead"]

T = TypeVar("T")


class _Channel(Generic[T]):
    """What the two threads share; it refers to neither, so that both can be let go."""

    def __init__(self, source: Iterator[T], depth: int) -> None:
        self.source = source
        self.depth = depth
        self.items: deque[T] = deque()
        self.error: BaseException | None = None
        self.done = False
        self.closed = False
        self.changed = threading.Condition()
        self.process = os.getpid()
        self.thread = threading.Thread(target=self.produce, name="lepton-prefetch", daemon=True)

    def produce(self) -> None:
        """Run in the background: fill `items` until the source ends, fails, or is not wanted."""
        error: BaseException | None = None
        try:
            for item in self.source:
                with self.changed:
                    self.items.append(item)
                    del item
                    self.changed.notify_all()
                    self.changed.wait_for(lambda: self.closed or len(self.items) < self.depth)
                    if self.closed:
                        break
        except BaseException as caught:  # handed over, whatever it is: nothing is lost
            error = caught
        with self.changed:
            self.source = iter(())
            self.error, self.done = error, True
            self.changed.notify_all()

    def close(self) -> None:
        """Stop the thread and wait for it; it finishes the item it is working on."""
        if os.getpid() != self.process:
            return  # a forked child has the object but not the thread, and maybe a held lock
        with self.changed:
            self.closed = True
            self.items.clear()
            self.changed.notify_all()
        if self.thread.is_alive() and self.thread is not threading.current_thread():
            self.thread.join()


class Prefetcher(Iterator[T]):
    """Iterate over `source` with up to `depth` items prepared ahead by a background thread.

    What `source` raises is raised here, with its traceback, after the items before it. The thread
    ends when the source is exhausted, at `close`, when the iterator is let go, and at the end of
    the program, whichever comes first.

    Examples
    --------
    >>> from lepton.data.prefetch import Prefetcher
    >>> list(Prefetcher(iter(range(3)), depth=2))
    [0, 1, 2]
    """

    def __init__(self, source: Iterator[T], depth: int) -> None:
        self._channel = _Channel(source, depth)
        self._channel.thread.start()
        self._finalizer = weakref.finalize(self, self._channel.close)

    def __next__(self) -> T:
        channel = self._channel
        if os.getpid() != channel.process:
            raise RuntimeError(
                "Prefetcher: made before a fork, its thread is in the parent process"
            )
        with channel.changed:
            channel.changed.wait_for(lambda: channel.items or channel.done or channel.closed)
            if channel.items:
                item = channel.items.popleft()
                channel.changed.notify_all()
                return item
        error, channel.error = channel.error, None
        self.close()
        try:
            if error is not None:
                raise error
            raise StopIteration
        finally:
            del error  # or its traceback would keep this frame, and this frame the traceback

    def close(self) -> None:
        """Stop the background thread and wait until it has ended."""
        self._finalizer()


def read_ahead(source: Iterator[T], depth: int) -> Iterator[T]:
    """Iterate over `source`, up to `depth` items ahead in a background thread; 0 works without one.

    However the loop ends, by `break`, an exception or Ctrl-C, the thread ends with it.
    """
    if not depth:
        yield from source
        return
    ahead = Prefetcher(source, depth)
    try:
        yield from ahead
    finally:
        ahead.close()
