"""The history table: everything that happened to runs, in order, for ever.

Written by the driver in the transaction of the change it tells of; read by followers of events.  Invariant: ids ascend
in the order of commits, so a follower that has seen id n misses nothing by asking for what is beyond n.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from wherry.storage.database import Tx


class Entry(NamedTuple):
    """One thing that happened: `event` is run, task or notice; `detail` is JSON text."""

    run: int
    at: float
    event: str
    path: str = ""
    attempt: int = 0
    before: str | None = None
    after: str | None = None
    reason: str = ""
    detail: str | None = None


class HistoryRow(NamedTuple):
    """An entry with its id."""

    id: int
    at: float
    event: str
    path: str
    attempt: int
    before: str | None
    after: str | None
    reason: str
    detail: str | None


_INSERT = (
    "INSERT INTO history (run, at, event, path, attempt, before, after, reason, detail)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
_COLUMNS = ", ".join(HistoryRow._fields)


def append(tx: Tx, entries: Sequence[Entry]) -> None:
    """Add entries in their order."""
    if entries:
        tx.executemany(_INSERT, entries)


def beyond(tx: Tx, run: int, after: int, *, limit: int) -> list[HistoryRow]:
    """What happened to a run after the entry with id `after`, oldest first."""
    found = tx.execute(
        f"SELECT {_COLUMNS} FROM history WHERE run = ? AND id > ? ORDER BY id LIMIT ?", (run, after, limit)
    )
    return [HistoryRow(*row) for row in found.fetchall()]
