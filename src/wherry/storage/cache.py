"""The cache table: which committed attempt answers which key.

Called by the driver: `append` with each commit, `lookup` before a pod is made.  Invariant: an entry names an attempt
that SUCCEEDED (not one that was itself taken from the cache), in the namespace of its run.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from wherry.storage.database import Tx


class Entry(NamedTuple):
    """A result under a key."""

    namespace: str
    key: str
    run: int
    path: str
    attempt: int
    created_at: float


class Hit(NamedTuple):
    """An earlier result: the id of its run, and its outputs as JSON text."""

    run_id: str
    path: str
    outputs: str


_INSERT = "INSERT INTO cache (namespace, key, run, path, attempt, created_at) VALUES (?, ?, ?, ?, ?, ?)"


def append(tx: Tx, entries: Sequence[Entry]) -> None:
    """Offer results to later tasks with the same key."""
    if entries:
        tx.executemany(_INSERT, entries)


def lookup(tx: Tx, namespace: str, key: str, *, limit: int = 4) -> list[Hit]:
    """The newest results under the key."""
    found = tx.execute(
        "SELECT run.id, task.path, task.outputs FROM cache JOIN run ON run.number = cache.run"
        " JOIN task ON task.run = cache.run AND task.path = cache.path AND task.attempt = cache.attempt"
        " WHERE cache.namespace = ? AND cache.key = ? AND task.phase = 'SUCCEEDED' ORDER BY cache.id DESC LIMIT ?",
        (namespace, key, limit),
    )
    return [Hit(*row) for row in found.fetchall()]
