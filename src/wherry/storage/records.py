"""What the KFP API knows of runs beyond the driver: their experiment, what made them, whether they are put away.

Called by the KFP API and the scheduler.  Invariant: nothing here decides how a run goes on; a run that nothing was said
of belongs to the Default experiment.
"""

from __future__ import annotations

from typing import NamedTuple

from wherry.storage import experiments
from wherry.storage.database import Tx
from wherry.storage.listing import Source
from wherry.storage.runs import RunRow


class Origin(NamedTuple):
    """What a run was made for and from; `scheduled_at` is in epoch seconds."""

    experiment: str = experiments.DEFAULT_ID
    description: str = ""
    pipeline_id: str | None = None
    version_id: str | None = None
    recurring_run: str | None = None
    service_account: str = ""
    scheduled_at: float | None = None


class Record(NamedTuple):
    """A run with all of it."""

    run: RunRow
    origin: Origin
    archived: int


_RUN = ", ".join(f"run.{name}" for name in RunRow._fields)
_ORIGIN = ", ".join(f"run.{name}" for name in Origin._fields)
_COLUMNS = f"{_RUN}, {_ORIGIN}, run.archived"
SOURCE = Source(_COLUMNS, "run", "number")


def describe(tx: Tx, number: int, origin: Origin, now: float) -> None:
    """Record the origin of a run that was just made."""
    marks = ", ".join(f"{name} = ?" for name in Origin._fields)
    tx.execute(f"UPDATE run SET {marks} WHERE number = ?", (*origin, number))
    experiments.note_run(tx, origin.experiment, now)


def get(tx: Tx, run_id: str) -> Record | None:
    """The run with this id."""
    found = tx.execute(f"SELECT {_COLUMNS} FROM run WHERE id = ?", (run_id,)).fetchone()
    return record(found) if found else None


def record(row: tuple[object, ...]) -> Record:
    """A row of `SOURCE` as what it is."""
    split = len(RunRow._fields)
    run, rest = RunRow(*row[:split]), row[split:]  # pyright: ignore[reportArgumentType] - as the columns say
    return Record(run, Origin(*rest[:-1]), int(str(rest[-1])))  # pyright: ignore[reportArgumentType]


def archive(tx: Tx, run_id: str, archived: bool) -> bool:
    """Put a run away or take it back; False when it is not there."""
    return tx.execute("UPDATE run SET archived = ? WHERE id = ?", (int(archived), run_id)).rowcount == 1


def going(tx: Tx, recurring_run: str) -> int:
    """How many runs of a recurring run are not over."""
    sql = "SELECT count(*) FROM run WHERE recurring_run = ? AND finished_at IS NULL"
    return tx.execute(sql, (recurring_run,)).fetchone()[0]
