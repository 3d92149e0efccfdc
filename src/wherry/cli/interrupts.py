"""Ctrl-C and SIGTERM while a run is followed: counted, never lost, never an exception in the middle of something.

Called by `wherry.cli.follow`.  Invariant: a signal makes `descriptor` readable, so whoever waits on it and on a socket
wakes without a race between looking and waiting.
"""

from __future__ import annotations

import os
import signal
from types import FrameType, TracebackType
from typing import Any


class Interrupts:
    """Counts SIGINT and SIGTERM from entry to exit; then what was there before is back."""

    def __init__(self) -> None:
        self.count = 0
        self.descriptor, self._writer = os.pipe()
        self._before: list[tuple[int, Any]] = []
        self._wakeup = -1

    def __enter__(self) -> Interrupts:
        os.set_blocking(self._writer, False)
        os.set_blocking(self.descriptor, False)
        self._wakeup = signal.set_wakeup_fd(self._writer, warn_on_full_buffer=False)
        self._before = [(number, signal.signal(number, self._caught)) for number in (signal.SIGINT, signal.SIGTERM)]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before:
            signal.signal(number, handler)
        signal.set_wakeup_fd(self._wakeup)
        os.close(self._writer)
        os.close(self.descriptor)

    def drain(self) -> None:
        """Makes `descriptor` quiet again; the count stays."""
        try:
            while os.read(self.descriptor, 512):
                pass
        except BlockingIOError:
            pass

    def _caught(self, number: int, frame: FrameType | None) -> None:
        self.count += 1
