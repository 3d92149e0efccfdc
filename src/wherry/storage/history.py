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
    """An entry with its id, and for a task what its attempt's row says now."""

    id: int
    at: float
    event: str
    path: str
    attempt: int
    before: str | None
    after: str | None
    reason: str
    detail: str | None
    kind: str | None
    started_at: float | None
    finished_at: float | None


_INSERT = (
    "INSERT INTO history (run, at, event, path, attempt, before, after, reason, detail)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
_SELECT = (
    "SELECT h.id, h.at, h.event, h.path, h.attempt, h.before, h.after, h.reason, h.detail, t.kind, t.started_at,"
    " t.finished_at FROM history AS h LEFT JOIN task AS t"
    " ON h.event = 'task' AND t.run = h.run AND t.path = h.path AND t.attempt = h.attempt"
    " WHERE h.run = ? AND h.id > ? ORDER BY h.id LIMIT ?"
)


def append(tx: Tx, entries: Sequence[Entry]) -> None:
    """Add entries in their order."""
    if entries:
        tx.executemany(_INSERT, entries)


def beyond(tx: Tx, run: int, after: int, *, limit: int) -> list[HistoryRow]:
    """What happened to a run after the entry with id `after`, oldest first."""
    return [HistoryRow(*row) for row in tx.execute(_SELECT, (run, after, limit)).fetchall()]


class StateRow(NamedTuple):
    """A state that a run or a task has entered; `detail` is JSON text."""

    path: str
    attempt: int
    at: float
    after: str
    detail: str | None


_STATES = "SELECT path, attempt, at, after, detail FROM history WHERE run = ? AND event = '{}' ORDER BY id"


def states(tx: Tx, run: int) -> list[StateRow]:
    """The states of a run, oldest first."""
    return [StateRow(*row) for row in tx.execute(_STATES.format("run"), (run,)).fetchall()]


def task_states(tx: Tx, run: int) -> list[StateRow]:
    """The phases of all tasks of a run, oldest first."""
    return [StateRow(*row) for row in tx.execute(_STATES.format("task"), (run,)).fetchall()]
