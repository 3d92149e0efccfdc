"""Our ends of a command's streams: pipes or the master of a terminal, without ever blocking the loop.

Made by `sessions`, one for each command; the other ends are opened in the command's own process (`stdio`).
Invariants: nothing is read far ahead of whoever takes it; we hold the other ends as well until the command is over,
so that it may open them when it likes, and the end of a stream means that everything was read.
"""

from __future__ import annotations

import asyncio
import os
import termios
from collections import deque
from contextlib import suppress
from typing import Literal, Self

from wherry.kube.streams import Output

_AHEAD_BYTES = 1 << 20
_CHUNK_BYTES = 1 << 16
Stream = Literal["stdout", "stderr"]


class Plumbing:
    """`streams` is what the command's request says; `finish` it when the command is over, `close` it in the end."""

    def __init__(self, place: str, *, stdin: bool, tty: bool) -> None:
        """`place` is where the pipes are made: a path to which suffixes are added.  Raises OSError."""
        self.streams: dict[str, str] = {}
        self._loop = asyncio.get_running_loop()
        self._tty = tty
        self._input = -1
        self._held: list[int] = []
        self._open: dict[int, Stream] = {}
        self._paused = False
        self._waiting: deque[Output] = deque()
        self._size = 0
        self._news = asyncio.Event()
        self._over = asyncio.Event()
        try:
            if tty:
                self._terminal(stdin)
            else:
                self._pipes(place, stdin)
        except OSError:
            self.close()
            raise

    def _terminal(self, stdin: bool) -> None:
        master, slave = os.openpty()
        self._held.append(slave)
        self.streams["tty"] = os.ttyname(slave)
        self._read_from(master, "stdout")
        self._input = master if stdin else -1

    def _pipes(self, place: str, stdin: bool) -> None:
        for name in ("stdin", "stdout", "stderr") if stdin else ("stdout", "stderr"):
            path = f"{place}.{name}"
            os.mkfifo(path, 0o600)
            self.streams[name] = path
            reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            writer = os.open(path, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            if name == "stdin":
                self._input = writer
                self._held.append(reader)
            else:
                self._held.append(writer)
                self._read_from(reader, name)

    def _read_from(self, fd: int, stream: Stream) -> None:
        os.set_blocking(fd, False)
        self._open[fd] = stream
        self._loop.add_reader(fd, self._readable, fd)

    def _readable(self, fd: int) -> None:
        try:
            data = os.read(fd, _CHUNK_BYTES)
        except BlockingIOError:
            return
        except OSError:  # a terminal that nobody has open any more
            data = b""
        if data:
            self._waiting.append(Output(self._open[fd], data))
            self._size += len(data)
            if self._size >= _AHEAD_BYTES:
                self._paused = True
                for each in self._open:
                    self._loop.remove_reader(each)
        else:
            self._shut(fd)
        self._news.set()

    def _shut(self, fd: int) -> None:
        self._loop.remove_reader(fd)
        self._open.pop(fd, None)
        if fd == self._input:
            self._input = -1
        os.close(fd)

    async def receive(self) -> Output | None:
        """The next piece, None when every stream is at its end."""
        while not self._waiting:
            if not self._open:
                return None
            self._news.clear()
            await self._news.wait()
        piece = self._waiting.popleft()
        self._size -= len(piece.data)
        if self._paused and not self._waiting:
            self._paused = False
            for fd in self._open:
                self._loop.add_reader(fd, self._readable, fd)
        return piece

    async def send(self, data: bytes) -> None:
        """Writes input; what comes after the command's end is dropped."""
        rest = memoryview(data)
        while rest and self._input >= 0 and not self._over.is_set():
            try:
                rest = rest[os.write(self._input, rest[:_CHUNK_BYTES]) :]
            except BlockingIOError:
                await self._writable()
            except OSError:
                return

    async def _writable(self) -> None:
        fd, room = self._input, asyncio.Event()
        self._loop.add_writer(fd, room.set)
        waits = [asyncio.ensure_future(each.wait()) for each in (room, self._over)]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for each in waits:
                each.cancel()
            if fd == self._input:  # else it was closed meanwhile
                self._loop.remove_writer(fd)

    def end_input(self) -> None:
        """The command reads the end of its input.  A terminal has no such end but the one that is typed."""
        if self._input >= 0 and not self._tty:
            self._loop.remove_writer(self._input)
            os.close(self._input)
            self._input = -1

    def resize(self, columns: int, rows: int) -> None:
        """Sets the terminal's size, which is told to what runs in it."""
        for fd in self._open if self._tty else ():
            termios.tcsetwinsize(fd, (rows, columns))

    def finish(self) -> None:
        """The command is over: what is left in the streams is all that there will be."""
        self._over.set()
        for fd in self._held:
            os.close(fd)
        self._held.clear()

    def close(self) -> None:
        """Lets go of everything."""
        self.finish()
        self.end_input()
        for fd in list(self._open):
            self._shut(fd)
        for name, path in self.streams.items():
            if name != "tty":
                with suppress(OSError):
                    os.unlink(path)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        self.close()
