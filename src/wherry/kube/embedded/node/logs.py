"""Logs: what containers wrote, with times, tails and follow.

Called by `EmbeddedKube.logs` (as its `LogSource`) and ticked by the agent.  A container writes straight into its file,
so a log costs no process and no copy; times come from watching the file grow: `<attempt>.index` holds a line
`offset time` for each growth seen, at most four a second.  Invariant: a line's time is that of the first look that saw
its end, never earlier than the writing and at most a quarter of a second later while the server runs.
"""

from __future__ import annotations

import asyncio
import os
from bisect import bisect_right
from collections.abc import AsyncGenerator
from typing import BinaryIO

from wherry.kube.embedded.node.records import Attempt, Folder
from wherry.seams import Clock, iso

TICK_S = 0.25
_POLL_S = 0.05
_CHUNK_BYTES = 1 << 16


class LogIndex:
    """Times of offsets in one log, in memory and in its file."""

    __slots__ = ("offsets", "path", "times")

    def __init__(self, path: str) -> None:
        self.path = path
        self.offsets: list[int] = []
        self.times: list[float] = []
        try:
            with open(path) as file:
                for line in file:
                    offset, _, time = line.partition(" ")
                    if line.endswith("\n"):
                        self.offsets.append(int(offset))
                        self.times.append(float(time))
        except (FileNotFoundError, ValueError):
            pass

    def saw(self, size: int, now: float) -> None:
        """The log has that size now."""
        if size and (not self.offsets or size > self.offsets[-1]):
            self.offsets.append(size)
            self.times.append(now)
            with open(self.path, "a") as file:
                file.write(f"{size} {now:.6f}\n")

    def time_of(self, offset: int, default: float) -> float:
        """When the byte at `offset` was first seen."""
        place = bisect_right(self.offsets, offset)
        return self.times[place] if place < len(self.times) else default


class LogBook:
    """All logs of the node; those that are watched still grow."""

    def __init__(self, pods: str, clock: Clock) -> None:
        self._pods = pods
        self._clock = clock
        self._watched: dict[Attempt, LogIndex] = {}

    def watch(self, attempt: Attempt) -> None:
        """From now on ticks look at the attempt's log."""
        self._watched[attempt] = LogIndex(self._path(attempt, ".index"))

    def unwatch(self, attempt: Attempt) -> None:
        """The attempt has ended: one last look.  A log that grew only once needs no index: its file says when."""
        index = self._watched.pop(attempt, None)
        if index is not None and index.offsets:
            self._look(attempt, index)

    def tick(self) -> bool:
        """Looks at every watched log; false when there is none."""
        for attempt, index in self._watched.items():
            self._look(attempt, index)
        return bool(self._watched)

    def _look(self, attempt: Attempt, index: LogIndex) -> None:
        try:
            index.saw(os.stat(self._path(attempt, ".log")).st_size, self._clock.time())
        except OSError:
            pass  # not there yet, or gone with its pod

    def _path(self, attempt: Attempt, suffix: str) -> str:
        return f"{self._pods}/{attempt.uid}/{attempt.name}{suffix}"

    async def read(
        self,
        uid: str,
        container: str,
        *,
        follow: bool,
        tail: int | None,
        timestamps: bool,
        since_s: float | None,
        restart: int | None = None,
    ) -> AsyncGenerator[bytes, None]:
        """The log of an attempt of the container; see `LogSource.read`."""
        if restart is None:
            restart = max(Folder(self._pods, uid).last_restart(container), 0)
        attempt = Attempt(uid, container, restart)
        path = self._path(attempt, ".log")
        try:
            file = open(path, "rb")  # noqa: SIM115, ASYNC230  a local file, closed below
        except FileNotFoundError:
            return
        with file:
            index = self._watched.get(attempt) or LogIndex(self._path(attempt, ".index"))
            default = os.fstat(file.fileno()).st_mtime
            if attempt in self._watched:
                self._look(attempt, index)
            start = 0
            if since_s is not None:
                start = _since(file, index, default, self._clock.time() - since_s)
            if tail is not None:
                start = max(start, _tail_offset(file, tail))
            file.seek(start)
            async for chunk in self._chunks(attempt, index, file, follow=follow):
                if timestamps:
                    yield _stamped(chunk[1], chunk[0], index, default)
                else:
                    yield chunk[1]

    async def _chunks(
        self, attempt: Attempt, index: LogIndex, file: BinaryIO, *, follow: bool
    ) -> AsyncGenerator[tuple[int, bytes], None]:
        """(offset, bytes) of whole lines (as long as they are bounded), then of what is left at the end."""
        rest = b""
        while True:
            live = follow and attempt in self._watched
            offset = file.tell() - len(rest)
            data = file.read(_CHUNK_BYTES)
            if data:
                if live:
                    self._look(attempt, index)
                rest += data
                cut = rest.rfind(b"\n") + 1
                if not cut and len(rest) >= _CHUNK_BYTES:
                    cut = len(rest)
                if cut:
                    yield offset, rest[:cut]
                    rest = rest[cut:]
                await asyncio.sleep(0)
            elif live:
                await asyncio.sleep(_POLL_S)
            else:
                if rest:
                    yield offset, rest
                return


def _stamped(data: bytes, offset: int, index: LogIndex, default: float) -> bytes:
    parts: list[bytes] = []
    for line in _lines(data):
        offset += len(line)
        parts.append(iso(index.time_of(offset - 1, default)).encode() + b" " + line)
    return b"".join(parts)


def _lines(data: bytes) -> list[bytes]:
    """Lines end with a line feed only: a carriage return redraws a line."""
    lines = [line + b"\n" for line in data.split(b"\n")]
    lines[-1] = lines[-1][:-1]
    return lines if lines[-1] else lines[:-1]


def _since(file: BinaryIO, index: LogIndex, default: float, since: float) -> int:
    """The offset of the first line that is not older than `since`."""
    for place, time in enumerate(index.times):
        if time >= since:
            return index.offsets[place - 1] if place else 0
    size = os.fstat(file.fileno()).st_size
    return (index.offsets[-1] if index.offsets else 0) if default >= since else size


def _tail_offset(file: BinaryIO, lines: int) -> int:
    """Where the last `lines` lines begin, found from the end."""
    position = size = file.seek(0, os.SEEK_END)
    wanted = lines
    if size:
        file.seek(size - 1)
        wanted += file.read(1) == b"\n"
    if lines == 0:
        return size
    while position > 0:
        step = min(_CHUNK_BYTES, position)
        position -= step
        file.seek(position)
        block = file.read(step)
        end = len(block)
        while (found := block.rfind(b"\n", 0, end)) >= 0:
            wanted -= 1
            if wanted == 0:
                return position + found + 1
            end = found
    return 0
