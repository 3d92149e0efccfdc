"""The artifact table: what tasks have produced, for listing; the truth of a task's outputs is its own row.

Called by the driver with each commit and by the service.  Invariant: a row is written in the transaction in
which its task commits, never before.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from wherry.storage.database import Tx
from wherry.storage.listing import Source


class ArtifactRow(NamedTuple):
    """One artifact of one output; `metadata` is JSON text."""

    run: int
    path: str
    attempt: int
    output: str
    name: str
    type: str
    uri: str
    digest: str | None
    metadata: str


_COLUMNS = ", ".join(ArtifactRow._fields)


def append(tx: Tx, rows: Sequence[ArtifactRow]) -> None:
    """Record artifacts of tasks that commit."""
    if rows:
        tx.executemany(f"INSERT INTO artifact ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", rows)


class Shown(NamedTuple):
    """An artifact with its id, and of which run it is."""

    id: int
    artifact: ArtifactRow
    run_id: str
    namespace: str
    created_at: float


_ARTIFACT = ", ".join(f"artifact.{name}" for name in ArtifactRow._fields)
_SHOWN = f"artifact.id, {_ARTIFACT}, run.id, run.namespace, run.created_at"
SOURCE = Source(_SHOWN, "artifact JOIN run ON run.number = artifact.run", "artifact.id")


def shown(row: tuple[Any, ...]) -> Shown:
    """A row of `SOURCE` as what it is."""
    return Shown(row[0], ArtifactRow(*row[1:-3]), *row[-3:])


def get(tx: Tx, id: int) -> Shown | None:
    """The artifact with this id."""
    found = tx.execute(f"SELECT {_SHOWN} FROM {SOURCE.table} WHERE artifact.id = ?", (id,)).fetchone()
    return shown(found) if found else None


def of_run(tx: Tx, run: int) -> list[tuple[int, str, int, str, str]]:
    """(id, path, attempt, output, uri) of all artifacts of a run."""
    sql = "SELECT id, path, attempt, output, uri FROM artifact WHERE run = ? ORDER BY id"
    return tx.execute(sql, (run,)).fetchall()


def shown_elsewhere(tx: Tx, run: int, root: str) -> list[str]:
    """Uris under the run's folder `root` that other runs show as theirs (they were taken from the cache)."""
    found = tx.execute(
        "SELECT DISTINCT uri FROM artifact WHERE run <> ? AND uri >= ? AND uri < ?", (run, f"{root}/", f"{root}0")
    )
    return [uri for (uri,) in found.fetchall()]


def orphans_of(tx: Tx, run: int, root: str) -> list[str]:
    """Uris that the run took from runs which are gone by now, and that no other run shows."""
    found = tx.execute(
        "SELECT DISTINCT uri FROM artifact AS a JOIN task AS t ON t.run = a.run AND t.path = a.path"
        " AND t.attempt = a.attempt WHERE a.run = ? AND t.cached_from IS NOT NULL"
        " AND NOT EXISTS (SELECT 1 FROM run WHERE id = t.cached_from)"
        " AND NOT EXISTS (SELECT 1 FROM artifact WHERE uri = a.uri AND run <> a.run)"
        " AND NOT (uri >= ? AND uri < ?)",
        (run, f"{root}/", f"{root}0"),
    )
    return [uri for (uri,) in found.fetchall()]
