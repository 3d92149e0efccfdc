"""The work queue of a controller: keys that want attention, now or later.

Called by `wherry.kube.controller`.  Invariant: a key is in nobody's hands or in one worker's; added meanwhile, it
comes again once that worker is done; added a hundred times, it comes once.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Hashable
from typing import Generic, TypeVar

import msgspec

K = TypeVar("K", bound=Hashable)


class Backoff(msgspec.Struct, frozen=True):
    """How long to wait after failures in a row."""

    base_s: float = 0.02  # first wait; doubles up to `cap_s`
    cap_s: float = 60.0  # so that a repaired cluster is noticed within a minute

    def delay_s(self, failures: int) -> float:
        """The wait after so many failures in a row, from 1."""
        return min(self.base_s * 2.0 ** min(failures - 1, 60), self.cap_s)


class WorkQueue(Generic[K]):
    """Keys for workers of one event loop."""

    def __init__(self) -> None:
        self._ready: deque[K] = deque()
        self._dirty: set[K] = set()
        self._active: set[K] = set()
        self._timers: dict[K, asyncio.TimerHandle] = {}
        self._waiters: deque[asyncio.Future[None]] = deque()

    @property
    def busy(self) -> bool:
        """Whether a key waits, for now or for later, or is in a worker's hands."""
        return bool(self._dirty or self._active or self._timers)

    def add(self, key: K, *, after_s: float = 0.0) -> None:
        """Asks for attention to `key`, in `after_s` seconds; of several wishes the earliest counts."""
        if key in self._dirty:
            return
        timer = self._timers.get(key)
        loop = asyncio.get_running_loop()
        if after_s > 0:
            due = loop.time() + after_s
            if timer is not None and timer.when() <= due:
                return
            if timer is not None:
                timer.cancel()
            self._timers[key] = loop.call_at(due, self._due, key)
            return
        if timer is not None:
            timer.cancel()
            del self._timers[key]
        self._dirty.add(key)
        if key not in self._active:
            self._offer(key)

    def forget_later(self, key: K) -> None:
        """Drops the wish for attention at some later time, if there is one."""
        timer = self._timers.pop(key, None)
        if timer is not None:
            timer.cancel()

    async def get(self) -> K:
        """The next key; it is this worker's until `done`."""
        while not self._ready:
            waiter = asyncio.get_running_loop().create_future()
            self._waiters.append(waiter)
            await waiter
        key = self._ready.popleft()
        self._dirty.discard(key)
        self._active.add(key)
        return key

    def done(self, key: K) -> None:
        """Gives a key back."""
        self._active.discard(key)
        if key in self._dirty:
            self._offer(key)

    def close(self) -> None:
        """Forgets all wishes for later."""
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()

    def _due(self, key: K) -> None:
        del self._timers[key]
        self.add(key)

    def _offer(self, key: K) -> None:
        self._ready.append(key)
        while self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.done():
                waiter.set_result(None)
                return
