"""A container whose `stdin` or `tty` is true: the attempt's main process stands between it and whoever attaches.

Run by path in the zygote's child (`runpy`); standard library only, Python 3.9 and later.  It outlives the server, so
that nobody's terminal ends with that.  Invariants: what comes through the control pipe is whole frames (a letter, two
bytes of length, the payload), each written at once; output goes into the log; the exit code is the container's.
"""

from __future__ import annotations

import fcntl
import os
import select
import signal
import struct
import termios
from collections.abc import Callable
from typing import Any

DATA, SIZE, CLOSE = b"d", b"s", b"c"
FRAME_BYTES = 4000  # of payload: what a pipe takes at once or not at all, less the head (PIPE_BUF is 4096)
_END_OF_INPUT = b"\x04"  # as it is typed


def frame(kind: bytes, payload: bytes = b"") -> bytes:
    """One frame."""
    return kind + struct.pack(">H", len(payload)) + payload


def run(console: dict[str, Any], become: Callable[[], object]) -> int:
    """Forks the container, which calls `become`, and serves it until its end; its exit code.

    `control` is the path of the pipe that is made for whoever attaches, `tty` whether there is a terminal.
    """
    os.mkfifo(console["control"], 0o600)
    control = os.open(console["control"], os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    ours, theirs = os.openpty() if console["tty"] else reversed(os.pipe())
    pid = os.fork()
    if pid == 0:
        os.close(ours)
        os.close(control)
        if console["tty"]:
            os.setsid()
            fcntl.ioctl(theirs, termios.TIOCSCTTY, 0)
        for number in (0, 1, 2) if console["tty"] else (0,):
            os.dup2(theirs, number)
        if theirs > 2:
            os.close(theirs)
        become()
    os.close(theirs)
    return _Console(pid, control, ours, bool(console["tty"])).serve()


class _Console:
    def __init__(self, pid: int, control: int, ours: int, tty: bool) -> None:
        self.pid, self.control, self.ours, self.tty = pid, control, ours, tty
        self.unread = b""
        self.pending = b""
        self.closing = False
        os.set_blocking(ours, False)
        self.wake, wake = os.pipe()
        for fd in (self.wake, wake):
            os.set_blocking(fd, False)
        signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, _ignored)
        # Without a terminal the container is of our own group, and hears for itself what that is told.
        signal.signal(signal.SIGTERM, self._pass_on if tty else signal.SIG_IGN)
        for number in (signal.SIGINT, signal.SIGHUP, signal.SIGPIPE):
            signal.signal(number, signal.SIG_IGN)

    def _pass_on(self, number: int, _: Any) -> None:
        os.killpg(self.pid, number)

    def serve(self) -> int:
        while True:
            reads = [self.wake] + ([] if self.pending else [self.control])
            reads += [self.ours] if self.tty and self.ours >= 0 else []
            writes = [self.ours] if self.pending and self.ours >= 0 else []
            readable, writable, _ = select.select(reads, writes, [])
            if self.ours in readable:
                self._output()
            if self.control in readable:
                self._take(os.read(self.control, 65536))
            if writable:
                self._input()
            if self.wake in readable:
                os.read(self.wake, 4096)
                ended, status = os.waitpid(self.pid, os.WNOHANG)
                if ended:
                    self._output()
                    return 128 + os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)

    def _output(self) -> None:
        """What the terminal shows, into the log."""
        while self.tty and self.ours >= 0:
            try:
                data = os.read(self.ours, 65536)
            except BlockingIOError:
                return
            except OSError:  # nobody has it open any more
                data = b""
            if not data:
                os.close(self.ours)
                self.ours = -1
                return
            os.write(1, data)

    def _take(self, data: bytes) -> None:
        self.unread += data
        while len(self.unread) >= 3:
            (size,) = struct.unpack(">H", self.unread[1:3])
            if len(self.unread) < 3 + size:
                return
            kind, payload = self.unread[:1], self.unread[3 : 3 + size]
            self.unread = self.unread[3 + size :]
            if kind == DATA:
                self.pending += payload
            elif kind == SIZE and self.tty and self.ours >= 0:
                columns, rows = struct.unpack(">HH", payload)
                fcntl.ioctl(self.ours, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
            elif kind == CLOSE:
                self.closing = True
                self.pending += _END_OF_INPUT if self.tty else b""
        if self.pending or self.closing:
            self._input()

    def _input(self) -> None:
        """What waits, to the container as far as it takes it."""
        try:
            while self.pending and self.ours >= 0:
                self.pending = self.pending[os.write(self.ours, self.pending) :]
        except BlockingIOError:
            return
        except OSError:  # it reads no more
            self.pending = b""
        if self.closing and not self.tty and self.ours >= 0:
            os.close(self.ours)
            self.ours = -1


def _ignored(number: int, frame: Any) -> None:
    """A signal that only has to wake the loop."""
