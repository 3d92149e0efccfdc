"""Attaching to a container that runs: its log as it grows, and its console where it has one.

Made by `sessions`; what goes into the control pipe is read by `console.py`.  Invariant: a frame is written at once or
not at all, so that several who are attached cannot mix their frames.
"""

from __future__ import annotations

import asyncio
import os
import struct
from collections.abc import Callable

from wherry.kube.embedded.node import console
from wherry.kube.protocol import Object
from wherry.kube.streams import SUCCESS, Output

_POLL_S = 0.05
_CHUNK_BYTES = 1 << 16


class Attached:
    """See `wherry.kube.streams.Session`.  `running` says whether the attempt is not over."""

    status: Object = SUCCESS

    def __init__(self, log: str, control: str, running: Callable[[], bool]) -> None:
        """`control` is empty for an attempt without console, or one whose console is not wanted.  Raises OSError."""
        self._log = os.open(log, os.O_RDONLY | os.O_CLOEXEC)
        self._control_path, self._control = control, -1
        self._running = running

    def skip(self) -> None:
        """Leaves out what was written before."""
        os.lseek(self._log, 0, os.SEEK_END)

    async def receive(self) -> Output | None:
        """What the container writes, as soon as it is seen; None when it has ended."""
        while True:
            running = self._running()  # asked before, so that what is read after its end is all of it
            data = os.read(self._log, _CHUNK_BYTES)
            if data:
                return Output("stdout", data)
            if not running:
                return None
            await asyncio.sleep(_POLL_S)

    async def send(self, data: bytes) -> None:
        """Input for the container."""
        for place in range(0, len(data), console.FRAME_BYTES):
            await self._tell(console.frame(console.DATA, data[place : place + console.FRAME_BYTES]))

    async def end_input(self) -> None:
        """The container reads the end of its input."""
        await self._tell(console.frame(console.CLOSE))

    async def resize(self, columns: int, rows: int) -> None:
        """The size of its terminal."""
        await self._tell(console.frame(console.SIZE, struct.pack(">HH", columns, rows)))

    async def _tell(self, frame: bytes) -> None:
        """Waits until the console takes the frame, or is gone."""
        while self._control_path and self._running():
            try:
                if self._control < 0:
                    flags = os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC
                    self._control = os.open(self._control_path, flags)
                os.write(self._control, frame)
            except OSError:  # it is full, or nobody reads it: not yet, or not any more
                await asyncio.sleep(_POLL_S)
            else:
                return

    def close(self) -> None:
        """Lets go of both."""
        os.close(self._log)
        if self._control >= 0:
            os.close(self._control)
