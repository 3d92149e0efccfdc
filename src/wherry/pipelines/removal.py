"""Deletes what a finished run has left, and nothing that another run still shows.

Called by `wherry.pipelines.service` for `delete` and `prune`.  Invariant: artifacts that another run took over from
the cache stay, until the last run that shows them is deleted.
"""

from __future__ import annotations

from wherry.storage import artifact_records, runs, tasks
from wherry.storage.artifacts import ArtifactStore, attempt_root
from wherry.storage.database import Database, Tx
from wherry.storage.runs import RunRow


async def remove(db: Database, store: ArtifactStore, row: RunRow) -> None:
    """Delete the run's artifacts, then its rows; doing it again after a crash finishes it."""

    def read(tx: Tx) -> tuple[list[str], list[str], list[tasks.TaskRow]]:
        kept = artifact_records.shown_elsewhere(tx, row.number, row.root)
        return kept, artifact_records.orphans_of(tx, row.number, row.root), tasks.of_run(tx, row.number)

    kept, orphans, attempts = await db.read(read)
    if not kept:
        await store.delete_tree(row.root)
    else:
        for task in attempts:
            for incarnation in range(task.incarnation + 1):
                folder = attempt_root(row.root, task.path, task.attempt, incarnation)
                if task.kind == "task" and not any(uri.startswith(f"{folder}/") for uri in kept):
                    await store.delete_tree(folder)
    for uri in orphans:
        await store.delete_tree(uri)
    await db.write(lambda tx: runs.delete(tx, row.number))
