"""The run table: one row a run, its document kept by content (`documents`).

Called by the service (views, submission) and the driver (state).  Invariant: a run's state changes only along
the pairs that the caller's table allows, and only from the state it is in.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from wherry.storage import documents
from wherry.storage.database import Tx, allowed_sql

UNFINISHED = ("PENDING", "RUNNING", "CANCELING")


class RunRow(NamedTuple):
    """A run as it is stored; `arguments`, `options`, `outputs`, `error` are JSON text, times are epoch seconds."""

    number: int
    id: str
    name: str
    resource_name: str
    pipeline: str
    namespace: str
    state: str
    generation: int
    document: str
    arguments: str
    options: str
    root: str
    outputs: str | None
    error: str | None
    created_at: float
    started_at: float | None
    finished_at: float | None


_COLUMNS = ", ".join(RunRow._fields)


def contents(tx: Tx) -> list[tuple[str, str, str]]:
    """(id, document's SHA-256, options) of every run."""
    return tx.execute("SELECT id, document, options FROM run").fetchall()


def insert(tx: Tx, row: RunRow) -> int:
    """Add a run (its `number` is ignored) and return its number."""
    marks = ", ".join("?" * (len(RunRow._fields) - 1))
    columns = ", ".join(RunRow._fields[1:])
    found = tx.execute(f"INSERT INTO run ({columns}) VALUES ({marks}) RETURNING number", row[1:]).fetchone()
    return found[0]


def get(tx: Tx, run_id: str) -> RunRow | None:
    """The run with this id."""
    found = tx.execute(f"SELECT {_COLUMNS} FROM run WHERE id = ?", (run_id,)).fetchone()
    return RunRow(*found) if found else None


def with_prefix(tx: Tx, prefix: str, limit: int = 5) -> list[RunRow]:
    """Runs whose id or resource name begins with `prefix`, newest first."""
    escaped = prefix.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_") + "%"
    found = tx.execute(
        f"SELECT {_COLUMNS} FROM run WHERE id LIKE ? ESCAPE '\\' OR resource_name LIKE ? ESCAPE '\\'"
        " ORDER BY number DESC LIMIT ?",
        (escaped, escaped, limit),
    )
    return [RunRow(*row) for row in found.fetchall()]


def newest(tx: Tx, *, limit: int, before: int | None = None, pipeline: str | None = None) -> list[RunRow]:
    """Runs by descending number, those below `before` only."""
    found = tx.execute(
        f"SELECT {_COLUMNS} FROM run WHERE (? IS NULL OR number < ?) AND (? IS NULL OR pipeline = ?)"
        " ORDER BY number DESC LIMIT ?",
        (before, before, pipeline, pipeline, limit),
    )
    return [RunRow(*row) for row in found.fetchall()]


def unfinished(tx: Tx) -> list[RunRow]:
    """Runs that somebody has to drive, oldest first."""
    found = tx.execute(f"SELECT {_COLUMNS} FROM run WHERE state IN (?, ?, ?) ORDER BY number", UNFINISHED)
    return [RunRow(*row) for row in found.fetchall()]


def finished(tx: Tx, *, before: float, keep: int) -> list[RunRow]:
    """Runs that ended at `before` (epoch seconds) or earlier, less the `keep` newest finished ones; newest first."""
    found = tx.execute(
        f"SELECT {_COLUMNS} FROM (SELECT * FROM run WHERE finished_at IS NOT NULL ORDER BY number DESC"
        " LIMIT -1 OFFSET ?) AS r WHERE finished_at <= ?",
        (keep, before),
    )
    return [RunRow(*row) for row in found.fetchall()]


def set_state_sql(allowed: Iterable[tuple[str, str]]) -> str:
    """The guarded statement behind `set_state`, for the transitions that `allowed` lists."""
    return (
        "UPDATE run SET state = :state, generation = :generation, outputs = :outputs, error = :error,"
        " started_at = coalesce(started_at, :started_at), finished_at = :finished_at"
        f" WHERE number = :number AND ({allowed_sql('state', ':state', allowed)})"
    )


class StateChange(NamedTuple):
    """What a run becomes; `finished_at` exactly when the state is final."""

    number: int
    state: str
    generation: int
    outputs: str | None
    error: str | None
    started_at: float
    finished_at: float | None


def set_state(tx: Tx, sql: str, change: StateChange) -> bool:
    """Apply the change with the statement of `set_state_sql`; False when the run is not where it could come from."""
    return tx.execute(sql, change._asdict()).rowcount == 1


def delete(tx: Tx, number: int) -> bool:
    """Delete a finished run with all its rows, and its document when no other run has it; False if it is not there
    or not finished."""
    row = tx.execute(
        "DELETE FROM run WHERE number = ? AND finished_at IS NOT NULL RETURNING document", (number,)
    ).fetchone()
    if row is None:
        return False
    documents.drop(tx, row[0])
    return True
