"""The task table: one row an attempt of a node, changed only by guarded transitions.

Called by the driver (writes), by recovery and the service (reads).  Invariant: of all attempts of a node at most one
is live, at most one commits, and none is made after one has committed, but in the next generation of the run; whoever
asks for more gets `Outpaced`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from wherry.storage.database import Tx, allowed_sql
from wherry.storage.errors import StorageError


class Outpaced(StorageError):
    """A row was not in the state that the write leaves: somebody else was first, or our picture is old."""


class Attempt(NamedTuple):
    """The row of a new attempt; `finished_at` exactly when it is born in a final phase."""

    run: int
    path: str
    attempt: int
    kind: str
    tries: int
    generation: int
    phase: str
    reason: str
    error: str | None
    due_at: float | None
    started_at: float | None
    finished_at: float | None


class Transition(NamedTuple):
    """A change of a live attempt from phase `before` to `phase`."""

    run: int
    path: str
    attempt: int
    before: str
    phase: str
    reason: str
    outputs: str | None
    error: str | None
    cached_from: str | None
    started_at: float | None
    finished_at: float | None


class TaskRow(NamedTuple):
    """An attempt as it is stored; `outputs` and `error` are JSON text, times are epoch seconds."""

    path: str
    attempt: int
    incarnation: int
    kind: str
    tries: int
    generation: int
    phase: str
    reason: str
    outputs: str | None
    error: str | None
    cached_from: str | None
    due_at: float | None
    started_at: float | None
    finished_at: float | None


_COLUMNS = ", ".join(TaskRow._fields)
_INSERT = (
    "INSERT INTO task (run, path, attempt, kind, tries, generation, phase, reason, error, due_at, started_at,"
    " finished_at) SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12 WHERE ?3 = 1 OR NOT EXISTS"
    " (SELECT 1 FROM task WHERE run = ?1 AND path = ?2 AND generation = ?6 AND phase IN ('SUCCEEDED', 'CACHED'))"
)


def transition_sql(allowed: Iterable[tuple[str, str]]) -> str:
    """The guarded statement behind `transition`, for the transitions that `allowed` lists."""
    return (
        "UPDATE task SET phase = ?5, reason = ?6, outputs = ?7, error = ?8, cached_from = ?9,"
        " started_at = coalesce(started_at, ?10), finished_at = ?11"
        f" WHERE run = ?1 AND path = ?2 AND attempt = ?3 AND phase = ?4 AND ({allowed_sql('?4', '?5', allowed)})"
    )


def insert(tx: Tx, rows: Sequence[Attempt]) -> None:
    """Add attempts; raises `Outpaced` if one of them comes after a commit of its task."""
    if rows and tx.executemany(_INSERT, rows).rowcount != len(rows):
        raise Outpaced("an attempt was to start after another one had committed")


def transition(tx: Tx, sql: str, rows: Sequence[Transition]) -> None:
    """Change attempts with the statement of `transition_sql`; raises `Outpaced` if one is not where it should be."""
    if rows and tx.executemany(sql, rows).rowcount != len(rows):
        raise Outpaced("a task was not in the phase that the change leaves")


def set_incarnation(tx: Tx, run: int, path: str, attempt: int, incarnation: int) -> None:
    """Record, before it is made, the next pod of a live attempt whose last one was lost; raises `Outpaced`."""
    done = tx.execute(
        "UPDATE task SET incarnation = ? WHERE run = ? AND path = ? AND attempt = ? AND incarnation = ? - 1"
        " AND phase IN ('PENDING', 'RUNNING')",
        (incarnation, run, path, attempt, incarnation),
    )
    if done.rowcount != 1:
        raise Outpaced(f"{path} is not waiting for incarnation {incarnation}")


def of_run(tx: Tx, run: int) -> list[TaskRow]:
    """The attempts of a run, by path and attempt."""
    found = tx.execute(f"SELECT {_COLUMNS} FROM task WHERE run = ? ORDER BY path, attempt", (run,))
    return [TaskRow(*row) for row in found.fetchall()]


def of_path(tx: Tx, run: int, path: str) -> list[TaskRow]:
    """The attempts of one node, by number."""
    found = tx.execute(f"SELECT {_COLUMNS} FROM task WHERE run = ? AND path = ? ORDER BY attempt", (run, path))
    return [TaskRow(*row) for row in found.fetchall()]


def counts(tx: Tx, run: int) -> dict[str, int]:
    """How many leaf tasks are in each phase, counting the last attempt of each."""
    found = tx.execute(
        "SELECT phase, count(*) FROM task AS t WHERE run = ? AND kind IN ('task', 'importer') AND NOT EXISTS"
        " (SELECT 1 FROM task WHERE run = t.run AND path = t.path AND attempt > t.attempt) GROUP BY phase",
        (run,),
    )
    return dict(found.fetchall())
