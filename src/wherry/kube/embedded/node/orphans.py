"""Attempts that no zygote watches any more: their zygote was killed, they were not.

Called by the agent.  Invariant: every orphan's end is told exactly once, after everything it left behind is dead; how
it ended nobody can know any more.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable

import msgspec

from wherry.kube.embedded.node import processes

_POLL_S = 0.2


class _Orphan(msgspec.Struct):
    tag: str
    pid: int
    start: str
    pidfd: int = -1
    timers: list[asyncio.TimerHandle] = msgspec.field(default_factory=list[asyncio.TimerHandle])


class Orphans:
    """`ended(id)` is called when the main process of a watched attempt is gone."""

    def __init__(self, ended: Callable[[str], None]) -> None:
        self._ended = ended
        self._watched: dict[str, _Orphan] = {}

    def watch(self, id_: str, tag: str, pid: int, start: str) -> None:
        """Watches a process that lived a moment ago."""
        orphan = self._watched[id_] = _Orphan(tag, pid, start)
        loop = asyncio.get_running_loop()
        if hasattr(os, "pidfd_open"):
            try:
                orphan.pidfd = os.pidfd_open(pid)
            except OSError:
                loop.call_soon(self._check, id_)
                return
            loop.add_reader(orphan.pidfd, self._check, id_)
        loop.call_soon(self._check, id_)

    def _check(self, id_: str) -> None:
        orphan = self._watched.get(id_)
        if orphan is None:
            return
        if processes.alive(orphan.pid, orphan.start):
            if orphan.pidfd < 0:
                orphan.timers[:1] = [asyncio.get_running_loop().call_later(_POLL_S, self._check, id_)]
            return
        self._forget(id_)
        processes.kill_all(id_, orphan.tag, orphan.pid)
        self._ended(id_)

    def kill(self, id_: str, grace_s: float) -> bool:
        """SIGTERM now, SIGKILL to everything after the grace period; false when the attempt is none of ours."""
        orphan = self._watched.get(id_)
        if orphan is None:
            return False
        if grace_s > 0:
            processes.send_group(orphan.pid, signal.SIGTERM)
            orphan.timers.append(asyncio.get_running_loop().call_later(grace_s, self.kill, id_, 0.0))
        else:
            processes.kill_all(id_, orphan.tag, orphan.pid)
        return True

    def close(self) -> None:
        """Stops watching; the processes go on."""
        for id_ in list(self._watched):
            self._forget(id_)

    def _forget(self, id_: str) -> None:
        orphan = self._watched.pop(id_)
        for timer in orphan.timers:
            timer.cancel()
        if orphan.pidfd >= 0:
            asyncio.get_running_loop().remove_reader(orphan.pidfd)
            os.close(orphan.pidfd)
