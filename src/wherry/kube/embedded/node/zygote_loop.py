"""The zygote's loop: requests of the server in, forks, exits of children out.

Made and run by the zygote's program (`zygote.py`); standard library only, Python 3.9 and later.  Invariants: exactly
one thread when it forks; one start per container attempt (its folder is made exclusively); no exit is reported before
everything that the attempt left behind is dead; every exit leaves a record, written whole by rename; a child runs at
most one attempt.
"""

from __future__ import annotations

import heapq
import importlib
import json
import os
import select
import signal
import socket
import sys
import time
from collections.abc import Callable
from typing import Any

_TOLD_AFTER_S = 0.05  # a start is told on its own only when the attempt outlives this: short tasks cost one message
_CLEAN_WITHIN_S = 10.0  # left-behind processes that survive SIGKILL so long are stuck in the kernel: report anyway
_SPARE_UNTIL_LIVE = (
    1  # with more attempts than this alive at once the processors are busy: nothing to gain by forking early
)
_PIPE_BYTES = 65536  # what a pipe takes without waiting for its reader
_LINUX = sys.platform.startswith("linux")


class Attempt:
    """One start of one container: a main process and what descends from it."""

    __slots__ = ("begin", "cgroup", "code", "id", "kill_at", "pid", "record", "signal", "start", "tag", "told", "usage")

    def __init__(self, request: dict[str, Any], pid: int) -> None:
        self.id: str = request["id"]
        self.tag: str = request["tag"]
        self.record: str = request["dir"] + "/" + request["name"] + ".exit"
        self.cgroup: list[str] | None = request.get("cgroups")
        self.pid = pid
        self.start = ""  # asked of the kernel only when somebody wants to know: short attempts come and go without
        self.begin = time.time()
        self.told = False
        self.kill_at = 0.0
        self.code = 0
        self.signal = 0
        self.usage: Any = None

    def facts(self) -> dict[str, Any]:
        """What names the attempt's process for ever."""
        self.start = self.start or start_time(self.pid)
        return {"id": self.id, "pid": self.pid, "start": self.start, "begin": self.begin}

    def end(self, now: float) -> str:
        """The exit as JSON, without the opening brace; by hand, because every page touched between two forks costs."""
        return (
            f'"id": "{self.id}", "pid": {self.pid}, "start": "{self.start}", "begin": {self.begin!r}, "end": {now!r},'
            f' "code": {self.code}, "signal": {self.signal}, "usage": {{"user_s": {self.usage.ru_utime!r},'
            f' "system_s": {self.usage.ru_stime!r}, "max_rss_kb": {self.usage.ru_maxrss}}}}}'
        )


def start_time(pid: int) -> str:
    """Clock ticks since boot at which `pid` started, as text; with the pid it names a process for ever.  Empty when
    there is no such process or no /proc."""
    try:
        fd = os.open(f"/proc/{pid}/stat", os.O_RDONLY)
    except OSError:
        return ""
    try:
        return os.read(fd, 1024).rpartition(b")")[2].split()[19].decode()
    except (OSError, IndexError):
        return ""
    finally:
        os.close(fd)


class Zygote:
    """The event loop.  `serve` returns None when the zygote should leave, or, in a new child, what it shall become."""

    def __init__(
        self, listener: socket.socket, path: str, idle_s: float, wait: Callable[[int], dict[str, Any]]
    ) -> None:
        self.listener = listener
        self.path = path
        self.idle_s = idle_s
        self.wait = wait  # what a child forked ahead does: reads its request from a descriptor
        self.pid = os.getpid()
        self.server: socket.socket | None = None
        self.unread = b""
        self.unsent = bytearray()
        self.blocked = False  # the server reads slower than we write
        self.live: dict[int, Attempt] = {}  # pid of the main process -> Attempt
        self.by_id: dict[str, Attempt] = {}
        self.ending: dict[int, Attempt] = {}  # main process reaped, what it left behind not
        self.untold: list[Attempt] = []
        self.deadlines: list[tuple[float, str]] = []  # heap of (time, attempt id)
        self.spare = 0  # a child forked ahead, which waits for its attempt at the other end of `spare_fd`
        self.spare_fd = -1
        self.wants_spare = False
        self.idle_since = time.monotonic()
        self.wake_read, self.wake_write = os.pipe()
        for fd in (self.wake_read, self.wake_write):
            os.set_blocking(fd, False)
        signal.set_wakeup_fd(self.wake_write, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, _ignored)
        self.children_fd = _open_children()
        self.poll = select.poll()
        self.poll.register(listener, select.POLLIN)
        self.poll.register(self.wake_read, select.POLLIN)
        self.listener.setblocking(False)
        self.network: Any = None  # made with the first attempt that has an address of its own

    # --- the loop

    def serve(self) -> dict[str, Any] | None:
        while True:
            if self.wants_spare and len(self.live) <= _SPARE_UNTIL_LIVE:
                task = self._fork_spare()
                if task is not None:
                    return task
            woken = bool(self.ending)
            for fd, event in self.poll.poll(self._timeout_ms()):
                if self.network is not None and self.network.handle(fd, event):
                    continue
                if fd == self.wake_read:
                    os.read(fd, 4096)
                    woken = True
                elif self.server is not None and fd == self.server.fileno():
                    task = self._receive()
                    if task is not None:
                        return task
                elif fd == self.listener.fileno():
                    task = self._accept()
                    if task is not None:
                        return task
            if woken:
                self._reap()
            if self.untold or self.deadlines:
                self._expire()
            if self.unsent:
                self._flush()
            if self.server is None and self._may_leave():
                return None
            if self.server is not None:
                self.idle_since = 0.0

    def _timeout_ms(self) -> int | None:
        now = time.time()
        waits: list[float] = []
        if self.untold:
            waits.append(self.untold[0].begin + _TOLD_AFTER_S - now)
        if self.deadlines:
            waits.append(self.deadlines[0][0] - now)
        if self.ending:
            waits.append(0.05)
        if self.server is None and not self.live and not self.ending:
            waits.append(self.idle_s)
        return None if not waits else max(0, int(min(waits) * 1000) + 1)

    def _may_leave(self) -> bool:
        now = time.monotonic()
        if self.live or self.ending or not self.idle_since:
            self.idle_since = now
        if now - self.idle_since < self.idle_s or self.live or self.ending:
            return False
        try:
            os.unlink(self.path)
            if self.network is not None:
                self.network.close()
        except OSError:
            pass
        return True

    # --- the server's side

    def _accept(self) -> dict[str, Any] | None:
        """Takes a new server.  What the last one still sent is read first, so that `hello` tells the whole truth."""
        try:
            connection, _ = self.listener.accept()
        except OSError:
            return None
        task = self._drain()
        if task is not None:
            connection.detach()
            return task
        self.server = connection
        self.server.setblocking(False)
        self.poll.register(self.server, select.POLLIN)
        self.unsent = bytearray()
        self.blocked = False
        for attempt in self.live.values():
            attempt.told = True
        self.untold = []
        self.wants_spare = not self.spare
        children = [attempt.facts() for attempt in self.live.values()]
        children += [attempt.facts() for attempt in self.ending.values()]
        self._tell({"op": "hello", "pid": self.pid, "attempts": children})
        return None

    def _drain(self) -> dict[str, Any] | None:
        """Reads all that the present server has sent, then lets go of it."""
        while self.server is not None:
            task = self._receive()
            if task is not None:
                return task
            if not self._has_more():
                self._drop_server()
        return None

    def _has_more(self) -> bool:
        return self.server is not None and bool(select.select([self.server], [], [], 0)[0])

    def _drop_server(self) -> None:
        if self.server is not None:
            self.poll.unregister(self.server)
            self.server.close()
            self.server = None
            self.unread = b""
            self.unsent = bytearray()

    def _receive(self) -> dict[str, Any] | None:
        """Reads what has come and acts on whole lines; a request for a start returns in the child as its task."""
        assert self.server is not None
        try:
            data = self.server.recv(1 << 20)
        except BlockingIOError:
            return None
        except OSError:
            data = b""
        if not data:
            self._drop_server()
            return None
        lines = (self.unread + data).split(b"\n")
        self.unread = lines.pop()
        for line in lines:
            request = json.loads(line)
            if request["op"] == "start":
                if self._start(request, line):
                    return request
            elif request["op"] == "kill":
                self._kill(request["id"], request["grace_s"])
            else:  # "leave": the server stops for good
                self.idle_s = 0.0
        return None

    def _tell(self, message: dict[str, Any]) -> None:
        if self.server is not None:
            self.unsent += json.dumps(message).encode() + b"\n"

    def _flush(self) -> None:
        if not self.unsent or self.server is None:
            return
        try:
            sent = self.server.send(self.unsent)
        except BlockingIOError:
            sent = 0
        except OSError:
            self._drop_server()
            return
        del self.unsent[:sent]
        if bool(self.unsent) != self.blocked:
            self.blocked = not self.blocked
            self.poll.modify(self.server, select.POLLIN | (select.POLLOUT if self.blocked else 0))

    # --- starting

    def _start(self, request: dict[str, Any], line: bytes) -> bool:
        """Gives the attempt to the spare child, or forks; true in the new child."""
        if request["id"] in self.by_id:
            return False  # asked twice over a server's restart: once is enough
        if "net" in request:
            self._open_network()
        pid = self._give_to_spare(line)
        if not pid:
            if self._threads() != 1:
                message = "the zygote has more than one thread"
                self._tell({"op": "failed", "id": request["id"], "message": message})
                return False
            request["zygote"], request["post"] = self.pid, self.path + ".net"
            try:
                pid = os.fork()
            except OSError as problem:
                self._tell({"op": "failed", "id": request["id"], "message": f"fork: {problem.strerror}"})
                return False
            if pid == 0:
                self._forget()
                return True
        attempt = Attempt(request, pid)
        self.live[pid] = self.by_id[attempt.id] = attempt
        self.untold.append(attempt)
        self.wants_spare = not self.spare
        return False

    def _open_network(self) -> None:
        if self.network is None:
            self.network = importlib.import_module("zygote_net").Network(self.path, self.poll)
            self.network.open()

    def _threads(self) -> int:
        return os.stat("/proc/self/task").st_nlink - 2 if _LINUX else 1

    def _fork_spare(self) -> dict[str, Any] | None:
        """Forks a child ahead of its attempt, while nobody waits for it; in the child: that attempt's request."""
        self.wants_spare = False
        if self._threads() != 1:
            return None  # whoever asks for a start is told
        read, self.spare_fd = os.pipe()
        try:
            self.spare = os.fork()
        except OSError:
            self._drop_spare()  # the next start tries again, and tells
        else:
            if self.spare == 0:
                self._forget(read)
                return dict(self.wait(read), zygote=self.pid, post=self.path + ".net")
        os.close(read)
        return None

    def _give_to_spare(self, line: bytes) -> int:
        """The spare's pid when it took the request; 0 when there is none that could."""
        pid = self.spare
        if not pid or len(line) >= _PIPE_BYTES:
            return 0
        try:
            os.write(self.spare_fd, line + b"\n")
        except OSError:
            pid = 0  # it was killed; the reaper finds it
        self._drop_spare()
        return pid

    def _drop_spare(self) -> None:
        self.spare = 0
        os.close(self.spare_fd)
        self.spare_fd = -1

    def _forget(self, kept: int = 2) -> None:
        """In the child: let go of everything that is the zygote's, but the descriptor `kept`."""
        signal.set_wakeup_fd(-1)
        highest = max(self.wake_write, self.children_fd, self.listener.fileno(), self.spare_fd)
        self.listener.detach()
        if self.server is not None:
            highest = max(highest, self.server.fileno())
            self.server.detach()
        if self.network is not None:
            highest = max(highest, *self.network.descriptors())
        os.closerange(3, kept)
        os.closerange(kept + 1, highest + 1)

    # --- ending

    def _kill(self, id_: str, grace_s: float) -> None:
        """SIGTERM to the main process' group, SIGKILL for everything after the grace period (0: at once)."""
        attempt = self.by_id.get(id_)
        if attempt is None or attempt.pid in self.ending:
            return
        deadline = time.time() + grace_s
        if attempt.kill_at and attempt.kill_at <= deadline:
            return
        first, attempt.kill_at = not attempt.kill_at, deadline
        if grace_s > 0:
            if first:
                _signal_group(attempt.pid, signal.SIGTERM)
            heapq.heappush(self.deadlines, (deadline, id_))
        else:
            self._kill_now(attempt)

    def _kill_now(self, attempt: Attempt) -> None:
        _signal_group(attempt.pid, signal.SIGKILL)
        for pid in _cgroup_members(attempt.cgroup):
            _signal(pid, signal.SIGKILL)

    def _expire(self) -> None:
        now = time.time()
        while self.deadlines and self.deadlines[0][0] <= now:
            attempt = self.by_id.get(heapq.heappop(self.deadlines)[1])
            if attempt is not None and attempt.kill_at <= now:
                self._kill_now(attempt)
        while self.untold and self.untold[0].begin + _TOLD_AFTER_S <= now:
            attempt = self.untold.pop(0)
            if not attempt.told:
                attempt.told = True
                self._tell(dict(attempt.facts(), op="started"))

    def _reap(self) -> None:
        ended: list[Attempt] = []
        while True:
            try:
                pid, status, usage = os.wait4(-1, os.WNOHANG)
            except ChildProcessError:
                break
            if pid == 0:
                break
            attempt = self.live.pop(pid, None)
            if attempt is None:  # something that an attempt left behind
                if pid == self.spare:
                    self._drop_spare()
                continue
            attempt.told = True
            if os.WIFSIGNALED(status):
                attempt.signal = os.WTERMSIG(status)
                attempt.code = 128 + attempt.signal
            else:
                attempt.code = os.WEXITSTATUS(status)
            attempt.usage = usage
            attempt.kill_at = time.time()
            ended.append(attempt)
        if ended or self.ending:
            self._settle(ended)

    def _settle(self, ended: list[Attempt]) -> None:
        """Reports what has ended, once nothing is left of it."""
        now = time.time()
        if not self.ending and not self._has_strays() and not any(attempt.cgroup for attempt in ended):
            for attempt in ended:  # the common case: nothing was left behind
                self._finish(attempt, now)
            return
        for attempt in ended:
            self.ending[attempt.pid] = attempt
        left = self._left_behind()
        for pid, attempt in list(self.ending.items()):
            if attempt.cgroup:
                left.update((member, pid) for member in _cgroup_members(attempt.cgroup))
            if pid in left.values() and now - attempt.kill_at < _CLEAN_WITHIN_S:
                continue
            del self.ending[pid]
            self._finish(attempt, now)
        for pid in left:
            _signal(pid, signal.SIGKILL)

    def _has_strays(self) -> bool:
        """Whether we have more children than main processes: orphans of some attempt."""
        if self.children_fd < 0:
            return False
        listed = os.pread(self.children_fd, 65536, 0)
        return len(listed) > 60000 or listed.count(b" ") > len(self.live) + bool(self.spare)

    def _left_behind(self) -> dict[int, int]:
        """Processes of ended attempts that are our children now: pid -> main pid (0: nobody's that still lives)."""
        children = _children(self.children_fd)
        if len(children) <= len(self.live) + bool(self.spare):
            return {}
        left: dict[int, int] = {}
        owners: dict[int | bytes | str, int] = {}
        for attempt in list(self.live.values()) + list(self.ending.values()):
            owners[attempt.pid] = attempt.pid
            owners[attempt.tag.encode()] = attempt.pid
            owners[attempt.id] = attempt.pid
        for pid in children:
            if pid in self.live or pid == self.spare:
                continue
            owner = _owner(pid, owners)
            if owner in self.ending or (owner == 0 and not self.live):
                left[pid] = owner
        return left

    def _finish(self, attempt: Attempt, now: float) -> None:
        end = attempt.end(now)
        del self.by_id[attempt.id]
        if attempt in self.untold:
            self.untold.remove(attempt)
        if self.server is not None:
            self.unsent += b'{"op": "exited", ' + end.encode() + b"\n"
            self._flush()  # the server goes on while the record is written: it matters only should the server die
        try:
            fd = os.open(attempt.record + "~", os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
            try:
                os.write(fd, b"{" + end.encode())
            finally:
                os.close(fd)
            os.rename(attempt.record + "~", attempt.record)
        except OSError:
            pass  # the pod's folder is gone with the pod, or the disk is full: then the attempt counts as lost


# --- processes


def _ignored(number: int, frame: Any) -> None:
    """A signal that only has to wake the loop."""


def _open_children() -> int:
    try:
        return os.open(f"/proc/self/task/{os.getpid()}/children", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return -1


def _children(fd: int) -> list[int]:
    if fd < 0:
        return []
    parts: list[bytes] = []
    while True:
        part = os.pread(fd, 65536, sum(map(len, parts)))
        if not part:
            return [int(pid) for pid in b"".join(parts).split()]
        parts.append(part)


def _owner(pid: int, owners: dict[int | bytes | str, int]) -> int:
    """The main process that `pid` descends from, told by its session, its name or its environment; 0: cannot tell."""
    try:
        session = os.getsid(pid)
    except OSError:
        session = 0
    if session in owners:
        return owners[session]
    name = _read(f"/proc/{pid}/comm").strip()
    if name in owners:
        return owners[name]
    for entry in _read(f"/proc/{pid}/environ").split(b"\0"):
        if entry.startswith(b"WHERRY_ATTEMPT="):
            return owners.get(entry[15:].decode("utf-8", "replace"), 0)
    return 0


def _read(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError:
        return b""


def _signal(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
    except OSError:
        pass


def _signal_group(pid: int, number: int) -> None:
    try:
        os.killpg(pid, number)
    except OSError:
        _signal(pid, number)  # not yet the leader of its session


def _cgroup_members(cgroups: list[str] | None) -> list[int]:
    return [int(pid) for pid in _read(cgroups[0] + "/cgroup.procs").split()] if cgroups else []
