"""The agent's side of the zygotes: starts them, speaks to them, notices their end.

Called by the node agent, in its event loop; nothing here blocks.  Invariants: at most one zygote an environment, found
again by its socket's name after a restart; a zygote never holds a descriptor of the server but its own listening
socket; every attempt that was asked for is later told as exited, failed or, with its zygote gone, lost.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import signal
import socket
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from wherry.home import SOCKET_PATH_LIMIT, short_folder
from wherry.kube.embedded.node.records import Usage

SOURCE = str(Path(__file__).with_name("zygote.py"))
IDLE_S = 5.0
_HELLO_WITHIN_S = 5.0
_BACKLOG = 8
_UNUSED_S = 120.0  # a zygote that had nothing to do for so long is let go, while the server lives on


class Message(msgspec.Struct, frozen=True):
    """What a zygote says: op is hello, started, exited or failed (empty for an attempt in a hello)."""

    op: str = ""
    id: str = ""
    pid: int = 0
    start: str = ""
    begin: float = 0.0
    end: float = 0.0
    code: int = 0
    signal: int = 0
    usage: Usage = Usage()
    message: str = ""
    attempts: tuple[Message, ...] = ()


class Home(NamedTuple):
    """What a zygote is started with: interpreter, its key (part of the socket's name), environment, site folders."""

    python: str
    key: str
    environ: Mapping[str, str]
    sites: tuple[str, ...] = ()


_decode = msgspec.json.Decoder(Message).decode
_encode = msgspec.json.Encoder().encode


class Zygote:
    """One connection to one zygote."""

    def __init__(self, key: str, sock: socket.socket, owner: Zygotes) -> None:
        self.key = key
        self.attempts: set[str] = set()
        self.used = True  # since the last look
        self.pid = 0
        self.found: list[Message] = []
        self.greeted = asyncio.Event()
        self._owner = owner
        self._sock = sock
        self._unread = b""
        self._unsent = bytearray()
        self._flushing = False
        self._loop = asyncio.get_running_loop()
        sock.setblocking(False)
        self._loop.add_reader(sock, self._readable)

    def send(self, message: Mapping[str, Any]) -> None:
        """Queues one request; all of one turn of the loop go out in one call."""
        self._unsent += _encode(message)
        self._unsent += b"\n"
        if not self._flushing:
            self._flushing = True
            self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        self._flushing = False
        if self._sock.fileno() < 0 or not self._unsent:
            return
        try:
            sent = self._sock.send(self._unsent)
        except BlockingIOError:
            sent = 0
        except OSError:
            return  # the reader sees the end
        del self._unsent[:sent]
        if self._unsent:
            self._loop.add_writer(self._sock, self._flush)
        else:
            self._loop.remove_writer(self._sock)

    def _readable(self) -> None:
        try:
            data = self._sock.recv(1 << 18)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self.close()
            self.greeted.set()
            self._owner.gone(self)
            return
        lines = (self._unread + data).split(b"\n")
        self._unread = lines.pop()
        for line in lines:
            self._owner.heard(self, _decode(line))

    def close(self) -> None:
        """Lets go of the zygote; it lives on while it has attempts."""
        if self._sock.fileno() >= 0:
            self._flush()
            self._loop.remove_reader(self._sock)
            self._loop.remove_writer(self._sock)
            self._sock.close()


class Zygotes:
    """All zygotes of a home.

    `told(message)` is called for started, exited and failed; `lost(ids, why)` when a zygote ended with attempts open,
    `why` is what it wrote when it could not even start.
    """

    def __init__(
        self,
        run: Path,
        runtime: str,
        *,
        told: Callable[[Message], None],
        lost: Callable[[list[str], str], None],
        idle_s: float = IDLE_S,
        unused_s: float = _UNUSED_S,
    ) -> None:
        self._run = run
        self._runtime = runtime
        self._told = told
        self._lost = lost
        self._idle_s = idle_s
        self._unused_s = unused_s
        self._looking: asyncio.TimerHandle | None = None
        self._zygotes: dict[str, Zygote] = {}
        self._of_attempt: dict[str, Zygote] = {}
        self._spawned: set[int] = set()

    async def adopt(self) -> list[Message]:
        """Finds the zygotes that are still there; what they say lives."""
        for log in sorted(self._run.glob("zygote-*.log")):
            key = log.stem[len("zygote-") :]
            sock = _connect(self._address(key))
            if sock is None:
                log.unlink(missing_ok=True)
            else:
                self._zygotes[key] = Zygote(key, sock, self)
        found: list[Message] = []
        for zygote in list(self._zygotes.values()):
            try:
                async with asyncio.timeout(_HELLO_WITHIN_S):
                    await zygote.greeted.wait()
            except TimeoutError:
                zygote.close()  # one that does not answer is as good as gone; its attempts are watched by pid
                del self._zygotes[zygote.key]
            found.extend(zygote.found)
        return found

    def warm(self, home: Home) -> None:
        """Starts the zygote of an environment ahead of its first task."""
        self._of(home)

    def start(self, home: Home, request: Mapping[str, Any]) -> None:
        """Asks for an attempt.  Raises OSError when no zygote can be started."""
        zygote = self._of(home)
        id_ = request["id"]
        zygote.attempts.add(id_)
        zygote.used = True
        self._of_attempt[id_] = zygote
        zygote.send({"op": "start", **request})

    def kill(self, id_: str, grace_s: float) -> bool:
        """SIGTERM now, SIGKILL after the grace period; false when no zygote has the attempt."""
        zygote = self._of_attempt.get(id_)
        if zygote is not None:
            zygote.send({"op": "kill", "id": id_, "grace_s": grace_s})
        return zygote is not None

    def close(self) -> None:
        """Lets go of all; they leave as soon as they have no attempts."""
        if self._looking is not None:
            self._looking.cancel()
        for zygote in list(self._zygotes.values()):
            self._dismiss(zygote)
        self._reap()

    def _dismiss(self, zygote: Zygote) -> None:
        zygote.send({"op": "leave"})
        zygote.close()
        del self._zygotes[zygote.key]

    def _look(self) -> None:
        """Lets go of zygotes that nobody needs any more."""
        for zygote in list(self._zygotes.values()):
            if zygote.pid and not zygote.attempts and not zygote.used:
                self._dismiss(zygote)
            zygote.used = not zygote.pid
        self._reap()
        loop = asyncio.get_running_loop()
        self._looking = loop.call_later(self._unused_s, self._look) if self._zygotes else None

    # --- what zygotes say

    def heard(self, zygote: Zygote, message: Message) -> None:
        """One message from a zygote."""
        if message.op == "hello":
            zygote.pid = message.pid
            zygote.found = list(message.attempts)
            for attempt in message.attempts:
                zygote.attempts.add(attempt.id)
                self._of_attempt[attempt.id] = zygote
            zygote.greeted.set()
            return
        if message.op != "started":
            zygote.attempts.discard(message.id)
            self._of_attempt.pop(message.id, None)
        self._told(message)

    def gone(self, zygote: Zygote) -> None:
        """A zygote's end: it left, it was killed, or it never came up."""
        if self._zygotes.get(zygote.key) is zygote:
            del self._zygotes[zygote.key]
        for id_ in zygote.attempts:
            self._of_attempt.pop(id_, None)
        self._reap()
        if zygote.attempts:
            why = "" if zygote.pid else _tail(self._log(zygote.key)) or "its interpreter did not start"
            self._lost(sorted(zygote.attempts), why)

    # --- starting

    def _of(self, home: Home) -> Zygote:
        zygote = self._zygotes.get(home.key)
        if zygote is None:
            zygote = self._zygotes[home.key] = Zygote(home.key, self._spawn(home), self)
            if self._looking is None:
                self._looking = asyncio.get_running_loop().call_later(self._unused_s, self._look)
        return zygote

    def _spawn(self, home: Home) -> socket.socket:
        """Starts a zygote that inherits a listening socket, and connects to it before it is even up."""
        self._reap()
        self._run.mkdir(parents=True, exist_ok=True)
        path = self._address(home.key)
        Path(path).unlink(missing_ok=True)
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            listener.bind(path)
            os.chmod(path, 0o600)
            listener.listen(_BACKLOG)
            fd = listener.fileno()
            config = {"fd": fd, "path": path, "runtime": self._runtime, "idle_s": self._idle_s, "sites": home.sites}
            argv = [home.python, "-I", "-X", "utf8", SOURCE, _encode(config).decode()]
            log = os.open(self._log(home.key), os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
            os.set_inheritable(fd, True)  # only this one: every descriptor that Python makes is closed by exec
            try:
                files: list[Any] = [
                    (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                    (os.POSIX_SPAWN_DUP2, log, 1),
                    (os.POSIX_SPAWN_DUP2, log, 2),
                ]
                signals = {signal.SIGINT, signal.SIGPIPE, signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD}
                pid = os.posix_spawn(
                    home.python, argv, dict(home.environ), file_actions=files, setsigmask=(), setsigdef=signals
                )
            finally:
                os.set_inheritable(fd, False)
                os.close(log)
            self._spawned.add(pid)
        finally:
            listener.close()
        sock = _connect(path)
        if sock is None:
            raise ConnectionRefusedError(f"the zygote of {home.python} ended at once")
        return sock

    def _reap(self) -> None:
        for pid in list(self._spawned):
            try:
                ended, _ = os.waitpid(pid, os.WNOHANG)
            except ChildProcessError:
                ended = pid
            if ended:
                self._spawned.discard(pid)

    def _log(self, key: str) -> Path:
        return self._run / f"zygote-{key}.log"

    def _address(self, key: str) -> str:
        """The socket's path; in the user's own short folder where the plain one is too long for the kernel."""
        plain = str(self._run / f"zygote-{key}.sock")
        if len(os.fsencode(plain)) <= SOCKET_PATH_LIMIT:
            return plain
        home = hashlib.sha256(os.fsencode(self._run)).hexdigest()[:16]
        return os.path.join(short_folder(), f"{home}-{key}.sock")


def _connect(path: str) -> socket.socket | None:
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        sock.connect(path)
    except OSError:
        sock.close()
        return None
    return sock


def _tail(path: Path) -> str:
    try:
        return path.read_text(errors="replace").strip()[-2000:]
    except OSError:
        return ""
