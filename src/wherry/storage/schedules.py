"""The recurring_run table: what makes runs by the clock.

Called by the KFP API and the scheduler.  Invariant: `fired_until` only grows, and only from the value that the caller
has seen, in the transaction that makes the run of a fire: no fire happens twice, whoever else is at work.
"""

from __future__ import annotations

from typing import NamedTuple

from wherry.storage import documents
from wherry.storage.database import Tx
from wherry.storage.listing import Source


class RecurringRow(NamedTuple):
    """A recurring run as it is stored; `arguments` and `schedule` are JSON text, times are epoch seconds."""

    id: str
    name: str
    namespace: str
    description: str
    experiment: str
    pipeline: str | None
    version: str | None
    document: str | None
    arguments: str
    pipeline_root: str
    service_account: str
    max_concurrency: int
    catch_up: int
    enabled: int
    schedule: str
    fires: int
    fired_until: float
    error: str | None
    created_at: float
    updated_at: float


_COLUMNS = ", ".join(RecurringRow._fields)
SOURCE = Source(_COLUMNS, "recurring_run", "id")


def insert(tx: Tx, row: RecurringRow) -> None:
    """Add one."""
    marks = ", ".join("?" * len(RecurringRow._fields))
    tx.execute(f"INSERT INTO recurring_run ({_COLUMNS}) VALUES ({marks})", row)


def get(tx: Tx, id: str) -> RecurringRow | None:
    """The recurring run with this id."""
    found = tx.execute(f"SELECT {_COLUMNS} FROM recurring_run WHERE id = ?", (id,)).fetchone()
    return RecurringRow(*found) if found else None


def any_enabled(tx: Tx) -> bool:
    """Whether one may fire."""
    return tx.execute("SELECT 1 FROM recurring_run WHERE enabled = 1 LIMIT 1").fetchone() is not None


def enabled(tx: Tx) -> list[RecurringRow]:
    """All that may fire."""
    found = tx.execute(f"SELECT {_COLUMNS} FROM recurring_run WHERE enabled = 1 ORDER BY id")
    return [RecurringRow(*row) for row in found.fetchall()]


def enable(tx: Tx, id: str, now: float) -> bool:
    """Let it fire again; False when it is not there."""
    sql = "UPDATE recurring_run SET enabled = 1, updated_at = ?, error = NULL WHERE id = ?"
    return tx.execute(sql, (now, id)).rowcount == 1


def disable(tx: Tx, id: str, now: float) -> bool:
    """Let it fire no more; False when it is not there."""
    sql = "UPDATE recurring_run SET enabled = 0, updated_at = ? WHERE id = ?"
    return tx.execute(sql, (now, id)).rowcount == 1


def fire(tx: Tx, id: str, before: float, until: float, *, fires: int) -> bool:
    """Record that all up to `until` is dealt with, by so many runs; False when somebody else was first."""
    sql = (
        "UPDATE recurring_run SET fired_until = ?, fires = fires + ?, error = NULL"
        " WHERE id = ? AND fired_until = ? AND enabled = 1"
    )
    return tx.execute(sql, (until, fires, id, before)).rowcount == 1


def fail(tx: Tx, id: str, error: str) -> None:
    """Record why its last fire made no run."""
    tx.execute("UPDATE recurring_run SET error = ? WHERE id = ?", (error, id))


def delete(tx: Tx, id: str) -> bool:
    """Delete it; its runs stay.  False when it is not there."""
    row = tx.execute("DELETE FROM recurring_run WHERE id = ? RETURNING document", (id,)).fetchone()
    if row is None:
        return False
    if row[0] is not None:
        documents.drop(tx, row[0])
    return True
