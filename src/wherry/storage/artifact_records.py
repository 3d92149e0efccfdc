"""The artifact table: what tasks have produced, for listing; the truth of a task's outputs is its own row.

Called by the driver with each commit and by the service.  Invariant: a row is written in the transaction in
which its task commits, never before.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from wherry.storage.database import Tx


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
