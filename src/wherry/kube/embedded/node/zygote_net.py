"""The zygote's answers to its pods' processes: where they listen, and where what they dial is.

Made by `zygote_loop`; the questions come from the filter of `confine`.  Standard library only, Python 3.9 and later.
Invariants: a process that listens on every address, or on the loopback one, listens on the address of its pod; one that
dials the loopback address reaches its own pod where that listens on the port, and this machine otherwise; the address
of a service becomes that of one of its pods; everything else happens as it was asked for.  No question waits.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import select
import socket
import struct
from collections.abc import Callable
from functools import partial
from typing import Any

_RECEIVE, _ANSWER, _VALID = 0xC0502100, 0xC0182101, 0x40082102  # ioctls of a seccomp listener
_QUESTION = struct.Struct("<QIIiIQ6Q")  # id, pid, flags; number, architecture, instruction pointer, arguments
_REPLY = struct.Struct("<QqiI")  # id, value, error, flags
_GO_ON = 1  # the call happens, with what is in memory now
_SIZE_LIMIT = 28
_ANY4, _LOOP4 = bytes(4), bytes((127, 0, 0, 1))
_MAPPED = bytes(10) + b"\xff\xff"
_ANY6, _LOOP6 = bytes(16), bytes(15) + b"\x01"
_BIND, _CONNECT, _OPTION = "bind", "connect", "setsockopt"
_CALLS = {
    0xC000003E: {49: _BIND, 42: _CONNECT, 54: _OPTION},
    0xC00000B7: {200: _BIND, 203: _CONNECT, 208: _OPTION},
}


class Pod:
    """What one attempt's processes are answered by."""

    def __init__(self, net: dict[str, Any]) -> None:
        self.address = socket.inet_aton(net["ip"])
        self.ports: str = net["ports"]  # a folder: a file a port that the pod listens on, for all its containers
        self.table: str = net["table"]
        self.open: frozenset[int] = frozenset(net.get("open") or ())  # ports of the node itself (hostPort)
        self.only6: set[tuple[int, int]] = set()  # (process, descriptor) of sockets that shall be IPv6 alone

    def listens(self, port: int) -> bool:
        return os.path.exists(f"{self.ports}/{port}")

    def note(self, port: int) -> None:
        path = f"{self.ports}/{port}"
        if not os.path.exists(path):
            os.makedirs(self.ports, exist_ok=True)
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))


class Network:
    """The descriptors that questions come from, and the table of services, read again when it has changed."""

    def __init__(self, path: str, poll: select.poll) -> None:
        self.path = path + ".net"
        self._poll = poll
        self._post: socket.socket | None = None
        self._pods: dict[int, Pod] = {}
        self._tables: dict[str, tuple[tuple[int, int], dict[str, Any]]] = {}
        self._turn = 0

    def open(self) -> None:
        """Makes the socket by which children hand over their descriptors, with the first that needs it."""
        if self._post is None:
            try:
                os.unlink(self.path)
            except OSError:
                pass
            self._post = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            self._post.bind(self.path)
            os.chmod(self.path, 0o600)
            self._post.setblocking(False)
            self._poll.register(self._post, select.POLLIN)

    def close(self) -> None:
        if self._post is not None:
            os.unlink(self.path)

    def descriptors(self) -> list[int]:
        """Everything that a child has to close."""
        return [*self._pods, *([self._post.fileno()] if self._post is not None else [])]

    def handle(self, fd: int, event: int) -> bool:
        """Whether the event was ours."""
        pod = self._pods.get(fd)
        if pod is not None:
            if event & select.POLLIN:
                self._answer(fd, pod)
            elif event & (select.POLLHUP | select.POLLERR | select.POLLNVAL):  # nobody is left to ask
                self._poll.unregister(fd)
                os.close(fd)
                del self._pods[fd]
            return True
        if self._post is not None and fd == self._post.fileno():
            self._take(self._post)
            return True
        return False

    def _take(self, post: socket.socket) -> None:
        while True:
            try:
                data, fds, _, _ = socket.recv_fds(post, 1 << 16, 1)
            except OSError:
                return
            for fd in fds:
                os.set_inheritable(fd, False)
                self._pods[fd] = Pod(json.loads(data))
                self._poll.register(fd, select.POLLIN)

    def _answer(self, fd: int, pod: Pod) -> None:
        question = bytearray(_QUESTION.size)
        try:
            fcntl.ioctl(fd, _RECEIVE, question)
        except OSError:
            return  # the process was killed while it asked
        id_, pid, _, number, machine, _, *arguments = _QUESTION.unpack(question)
        call = _CALLS.get(machine, {}).get(number, "")
        try:
            alive = partial(fcntl.ioctl, fd, _VALID, id_.to_bytes(8, "little"))
            failure = self._decide(pod, call, pid, arguments, alive)
        except OSError:
            failure = None  # it is gone, or its memory is not ours to see: the call happens as it is
        reply = _REPLY.pack(id_, 0, 0, _GO_ON) if failure is None else _REPLY.pack(id_, 0, -failure, 0)
        while True:
            try:
                fcntl.ioctl(fd, _ANSWER, reply)
            except InterruptedError:
                continue
            except OSError:
                pass  # killed meanwhile
            return

    def _decide(self, pod: Pod, call: str, pid: int, arguments: list[int], alive: Callable[[], Any]) -> int | None:
        """None: the call goes on; 0: it is said to have succeeded; else the error that it gets.

        `alive` raises OSError when the one who asked is gone, and `pid` may be another's by now.
        """
        descriptor = arguments[0]
        memory = os.open(f"/proc/{pid}/mem", os.O_RDWR | os.O_CLOEXEC)
        try:
            alive()
            if call == _OPTION:
                on = any(os.pread(memory, min(arguments[4], 4), arguments[3]))
                (pod.only6.add if on else pod.only6.discard)((pid, descriptor))
                return None
            place = arguments[1]
            asked = os.pread(memory, min(arguments[2], _SIZE_LIMIT), place)
            family, port = struct.unpack("=H", asked[:2])[0], int.from_bytes(asked[2:4], "big")
            if family not in (socket.AF_INET, socket.AF_INET6) or not port:
                return None
            if call == _BIND:
                if family == socket.AF_INET6 and asked[8:24] in (_ANY6, _LOOP6) and (pid, descriptor) in pod.only6:
                    pod.only6.discard((pid, descriptor))
                    return 0  # nobody dials a pod by IPv6: its IPv4 twin is the one that counts
                found = _listening(pod, family, asked, port)
            else:
                found = self._dialled(pod, family, asked, port)
            if isinstance(found, int):
                return found
            if found is not None:
                os.pwrite(memory, found[1].to_bytes(2, "big"), place + 2)
                os.pwrite(memory, _written(family, found[0]), place + (4 if family == socket.AF_INET else 8))
            return None
        finally:
            os.close(memory)

    def _dialled(self, pod: Pod, family: int, asked: bytes, port: int) -> tuple[bytes, int] | int | None:
        address = _here(family, asked)
        if address == _LOOP4:
            return (pod.address, port) if pod.listens(port) else None
        entry = self._table(pod.table).get(socket.inet_ntoa(address)) if address[:1] == b"\x7f" else None
        if entry is None:
            return None
        targets: list[Any] = entry.get(str(port)) or [(each, port) for each in entry.get("*") or ()]
        if not targets:
            return errno.ECONNREFUSED
        self._turn += 1
        turn = sum(pod.address) if entry.get("sticky") else self._turn
        ip, number = targets[turn % len(targets)]
        return socket.inet_aton(ip), number

    def _table(self, path: str) -> dict[str, Any]:
        try:
            status = os.stat(path)
            version = (status.st_mtime_ns, status.st_ino)
            known = self._tables.get(path)
            if known is None or known[0] != version:
                with open(path, "rb") as file:
                    known = self._tables[path] = (version, json.loads(file.read()))
        except (OSError, ValueError):
            return {}
        return known[1]


def _here(family: int, asked: bytes) -> bytes:
    """The IPv4 address that is meant; of all that mean this machine, 127.0.0.1; empty for other IPv6 addresses."""
    if family == socket.AF_INET:
        address = asked[4:8]
    elif asked[8:24] in (_ANY6, _LOOP6):
        return _LOOP4
    else:
        address = asked[20:24] if asked[8:20] == _MAPPED else b""
    return _LOOP4 if address == _ANY4 else address


def _listening(pod: Pod, family: int, asked: bytes, port: int) -> tuple[bytes, int] | None:
    address = _here(family, asked)
    if port in pod.open or address not in (_LOOP4, pod.address):
        return None
    pod.note(port)
    return pod.address, port


def _written(family: int, address: bytes) -> bytes:
    return address if family == socket.AF_INET else _MAPPED + address
