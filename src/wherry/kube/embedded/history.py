"""What has changed lately, for watchers: one bounded window of changes a resource, shared by all of its readers.

Called by the embedded API server after each commit (append) and by watches and paged lists (read).  Invariant:
changes lie in version order without gaps after `floor`; a reader keeps only a position, so that nothing is copied for
it and a slow one costs nothing.
"""

from __future__ import annotations

import asyncio
from bisect import bisect_right
from typing import cast

import msgspec

from wherry.kube.embedded.codec import decode
from wherry.kube.errors import gone
from wherry.kube.protocol import Object

# Decoded objects are kept for readers that are at most so many changes behind; later ones decode again.
_KEEP_DECODED = 256


class Window(msgspec.Struct, frozen=True):
    """How much history is kept, per resource: a watcher that falls further behind is told to list again."""

    changes: int = 8192  # four changes a pod: two thousand pods' lives
    size_bytes: int = 32 * 1024 * 1024  # of bodies, so that a few big ConfigMaps do not fill the memory


class Change:
    """One committed change: `body` is None for a deletion, `before` for a creation."""

    __slots__ = ("_object", "_previous", "before", "body", "name", "namespace", "size_bytes", "version")

    def __init__(self, version: int, namespace: str, name: str, before: bytes | None, body: bytes | None) -> None:
        self.version = version
        self.namespace = namespace
        self.name = name
        self.before = before
        self.body = body
        # What keeping it costs: its own body; `before` is the body of an earlier change.
        self.size_bytes = len(body or before or b"")
        self._object: Object | None = None
        self._previous: Object | None = None

    @property
    def object(self) -> Object:
        """The object after the change (before it, with the change's version, for a deletion); shared, only read."""
        found = self._object
        if found is None:
            found = self._object = cast("Object", decode(self.body or self.before or b""))
            if self.body is None:
                found["metadata"]["resourceVersion"] = str(self.version)
        return found

    @property
    def previous(self) -> Object | None:
        """The object before the change; shared, only read."""
        if self._previous is None and self.before is not None:
            self._previous = decode(self.before)
        return self._previous

    def forget_decoded(self) -> None:
        """Drops the decoded forms; they come back when they are asked for."""
        self._object = self._previous = None


class History:
    """The changes of one resource after version `floor`; positions count from the first change ever appended."""

    def __init__(self, floor: int, window: Window) -> None:
        self.floor = floor
        self._window = window
        # Trimmed by a quarter at a time: constant cost a change.
        self._trim_at_changes = window.changes * 5 // 4
        self._trim_at_bytes = window.size_bytes * 5 // 4
        self._changes: list[Change] = []
        self._start = 0
        self._size_bytes = 0
        self._waiters: dict[asyncio.Future[None], None] = {}  # an ordered set
        self._ended = False

    @property
    def end(self) -> int:
        """The position after the last change."""
        return self._start + len(self._changes)

    def append(self, change: Change) -> None:
        """Adds a change and lets waiting readers go on."""
        changes = self._changes
        changes.append(change)
        self._size_bytes += change.size_bytes
        if len(changes) > _KEEP_DECODED:
            changes[-_KEEP_DECODED - 1].forget_decoded()
        if len(changes) > self._trim_at_changes or self._size_bytes > self._trim_at_bytes:
            self._trim()
        self._wake()

    def close(self) -> None:
        """The resource is gone: readers get what was appended, and then the end."""
        self._ended = True
        self._wake()

    def _wake(self) -> None:
        if self._waiters:
            waiters, self._waiters = self._waiters, {}
            for waiter in waiters:
                if not waiter.done():
                    waiter.set_result(None)

    def _trim(self) -> None:
        count = max(len(self._changes) - self._window.changes, 0)
        size = self._size_bytes - sum(change.size_bytes for change in self._changes[:count])
        while size > self._window.size_bytes and count < len(self._changes) - 1:
            size -= self._changes[count].size_bytes
            count += 1
        if count:
            self.floor = self._changes[count - 1].version
            del self._changes[:count]
            self._start += count
            self._size_bytes = size

    def after(self, version: int) -> int:
        """The position of the first change after `version`; raises Gone when that is no longer known."""
        if version < self.floor:
            raise gone(f"too old resource version: {version} ({self.floor})")
        return self._start + bisect_right(self._changes, version, key=lambda change: change.version)

    def at(self, position: int) -> Change:
        """The change at a position before `end`; raises Gone when it has left the window."""
        if position < self._start:
            raise gone("the watch has fallen behind the history that is kept")
        return self._changes[position - self._start]

    def since(self, version: int) -> list[Change]:
        """All changes after `version`, oldest first; raises Gone."""
        return self._changes[self.after(version) - self._start :]

    async def changed(self) -> None:
        """Returns when the next change has been appended; raises Gone when there will be none."""
        if self._ended:
            raise gone("the resource is no longer served")
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiters[waiter] = None
        try:
            await waiter
        finally:
            self._waiters.pop(waiter, None)
