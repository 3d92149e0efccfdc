"""The experiment table: groups of runs.

Called by the KFP API.  Invariants: a name is used once in a namespace; there is always a Default experiment to which
runs belong that name no other.
"""

from __future__ import annotations

from typing import NamedTuple

from wherry.storage.database import Tx
from wherry.storage.listing import Source

DEFAULT_ID = "00000000-0000-4000-8000-00000000d00d"
"""The Default experiment, as migration 0003 has it: the same in every database, so that old runs belong to it."""
DEFAULT_NAME = "Default"


class ExperimentRow(NamedTuple):
    """An experiment as it is stored; times are epoch seconds."""

    id: str
    name: str
    namespace: str
    description: str
    archived: int
    created_at: float
    last_run_at: float | None


_COLUMNS = ", ".join(ExperimentRow._fields)
SOURCE = Source(_COLUMNS, "experiment", "id")


def insert(tx: Tx, row: ExperimentRow) -> None:
    """Add one; raises ConstraintViolated for a name that is taken."""
    tx.execute(f"INSERT INTO experiment ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?)", row)


def ensure_default(tx: Tx, now: float) -> None:
    """Add the Default experiment unless it is there."""
    row = ExperimentRow(DEFAULT_ID, DEFAULT_NAME, "", "", 0, now, None)
    tx.execute(f"INSERT INTO experiment ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING", row)


def get(tx: Tx, id: str) -> ExperimentRow | None:
    """The experiment with this id."""
    found = tx.execute(f"SELECT {_COLUMNS} FROM experiment WHERE id = ?", (id,)).fetchone()
    return ExperimentRow(*found) if found else None


def archive(tx: Tx, id: str, archived: bool) -> bool:
    """Put it away or take it back; False when it is not there.  Its runs and recurring runs are put away with it."""
    if tx.execute("UPDATE experiment SET archived = ? WHERE id = ?", (int(archived), id)).rowcount != 1:
        return False
    if archived:
        tx.execute("UPDATE run SET archived = 1 WHERE experiment = ?", (id,))
        tx.execute("UPDATE recurring_run SET enabled = 0 WHERE experiment = ?", (id,))
    return True


def note_run(tx: Tx, id: str, at: float) -> None:
    """Record that a run was made in it."""
    tx.execute("UPDATE experiment SET last_run_at = ? WHERE id = ?", (at, id))


def delete(tx: Tx, id: str) -> bool:
    """Delete it; its runs stay."""
    return tx.execute("DELETE FROM experiment WHERE id = ?", (id,)).rowcount == 1
