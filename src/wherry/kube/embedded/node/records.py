"""What an attempt leaves in its pod's folder, and how attempts are named.

Called by the agent and the log source; written by the zygote and its children.  Invariant: `pods/<uid>/` of the home
holds for each attempt `<container>-<restart>/` (its working folder, made exclusively: the proof that it was started),
`.log`, `.index` (times of log offsets), `.exit` (the exit record, whole or absent), `.error` (why it could not start)
and `.message` (its termination message).
"""

from __future__ import annotations

import os
import shutil
from typing import NamedTuple

import msgspec

MESSAGE_LIMIT_BYTES = 4096  # Kubernetes: "the message is truncated to 4096 bytes"
LOG_MESSAGE_LIMIT_BYTES = 2048  # with FallbackToLogsOnError: 2048 bytes or 80 lines, whichever is smaller
LOG_MESSAGE_LIMIT_LINES = 80


class Usage(msgspec.Struct, frozen=True):
    """What the main process and the children it waited for used."""

    user_s: float = 0.0
    system_s: float = 0.0
    max_rss_kb: int = 0


class Exit(msgspec.Struct, frozen=True):
    """The end of an attempt: times in seconds since the epoch, `code` as a shell tells it, `signal` 0 for none."""

    id: str
    pid: int
    start: str
    begin: float
    end: float
    code: int
    signal: int
    usage: Usage = Usage()


class Attempt(NamedTuple):
    """One start of one container of one pod."""

    uid: str
    container: str
    restart: int

    @property
    def name(self) -> str:
        """How its files are called."""
        return f"{self.container}-{self.restart}"

    @property
    def id(self) -> str:
        """How the zygote calls it."""
        return f"{self.uid}/{self.container}-{self.restart}"


def parse_id(text: str) -> Attempt:
    """The attempt that `Attempt.id` named.  Raises ValueError."""
    uid, _, name = text.partition("/")
    container, _, restart = name.rpartition("-")
    return Attempt(uid, container, int(restart))


_decode_exit = msgspec.json.Decoder(Exit).decode


class Folder:
    """The files of one pod."""

    __slots__ = ("path",)

    def __init__(self, pods: str, uid: str) -> None:
        self.path = f"{pods}/{uid}"

    def shared(self, attempt: Attempt) -> str:
        """Why the attempt has no ports of its own; empty when it has."""
        try:
            with open(f"{self.path}/{attempt.name}.shared", errors="replace") as file:
                return file.read()
        except OSError:
            return ""

    def was_started(self, attempt: Attempt) -> bool:
        """Whether the attempt has ever begun."""
        return os.path.isdir(f"{self.path}/{attempt.name}")

    def last_restart(self, container: str) -> int:
        """The number of the container's last attempt, -1 when there is none."""
        last = -1
        try:
            entries = os.scandir(self.path)
        except FileNotFoundError:
            return last
        with entries:
            for entry in entries:
                stem, _, number = entry.name.rpartition("-")
                if stem == container and number.isdecimal() and entry.is_dir():
                    last = max(last, int(number))
        return last

    def exit(self, attempt: Attempt) -> Exit | None:
        """The exit record, None when there is none."""
        data = _read(f"{self.path}/{attempt.name}.exit", 65536)
        try:
            return _decode_exit(data) if data else None
        except msgspec.DecodeError:
            return None

    def start_error(self, attempt: Attempt) -> str:
        """Why the attempt could not start, empty when it could."""
        return _read(f"{self.path}/{attempt.name}.error", MESSAGE_LIMIT_BYTES).decode("utf-8", "replace")

    def log(self, attempt: Attempt) -> str:
        """Where standard output and error go."""
        return f"{self.path}/{attempt.name}.log"

    def control(self, attempt: Attempt) -> str:
        """The pipe by which an attempt with a console is spoken to (`console.py`)."""
        return f"{self.path}/{attempt.name}.control"

    def message_path(self, attempt: Attempt) -> str:
        """Where the attempt writes its termination message."""
        return f"{self.path}/{attempt.name}.message"

    def message(self, attempt: Attempt, *, from_log: bool) -> str:
        """The termination message; `from_log` takes the end of the log when there is none."""
        data = _read(self.message_path(attempt), MESSAGE_LIMIT_BYTES)
        if not data and from_log:
            data = _tail(self.log(attempt), LOG_MESSAGE_LIMIT_BYTES)
            data = b"".join(data.splitlines(keepends=True)[-LOG_MESSAGE_LIMIT_LINES:])
        return data.decode("utf-8", "replace")

    def said(self, attempt: Attempt, limit: int) -> str:
        """The end of what the attempt has written, at most `limit` bytes."""
        return _tail(self.log(attempt), limit).decode("utf-8", "replace").strip()

    def remove(self) -> None:
        """Removes all of it; what is gone already is no matter."""
        try:
            for name in os.listdir(self.path):
                path = f"{self.path}/{name}"
                try:
                    os.unlink(path)
                except OSError:  # a folder: empty ones are the rule
                    os.rmdir(path)
            os.rmdir(self.path)
        except OSError:
            shutil.rmtree(self.path, ignore_errors=True)


def _read(path: str, limit: int) -> bytes:
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return b""
    try:
        return os.read(fd, limit)
    finally:
        os.close(fd)


def _tail(path: str, limit: int) -> bytes:
    try:
        with open(path, "rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - limit))
            return file.read(limit)
    except OSError:
        return b""
