"""Deletes what a finished run has left, and nothing that another run still shows.

Called by `wherry.pipelines.service` for `delete` and `prune`.  Invariants: artifacts that another run took over from
the cache stay, until the last run that shows them is deleted; a source or code archive stays as long as a run that is
kept may read it, and a while after its last use, so that a run that is being submitted finds what it has uploaded.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from typing import NamedTuple

import msgspec

from wherry import ir
from wherry.ir import IRError
from wherry.pipelines.flights import SubmitOptions
from wherry.pipelines.lightweight import Function, recognise
from wherry.pipelines.templates import code_ref, source_ref
from wherry.storage import artifact_records, documents, runs, tasks
from wherry.storage.artifacts import ArtifactStore, attempt_root
from wherry.storage.database import Database, Tx
from wherry.storage.runs import RunRow

GRACE_S = 3600.0
"""How long a source or code archive stays after its last use: far longer than a submission takes."""


class Freed(NamedTuple):
    """What was deleted, or would be."""

    files: int
    size_bytes: int


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


async def collect(
    db: Database, store: ArtifactStore, *, now: float, without: Collection[str] = (), dry_run: bool = False
) -> Freed:
    """Delete the sources and code archives that no run refers to; runs whose ids are in `without` count as gone.

    A file that a new run begins to use meanwhile counts as used from then on, and stays.
    """
    used = await _in_use(db, store.root, without)
    folders = {ref.uri.rpartition("/")[0] for ref in (code_ref(store.root, ""), source_ref(store.root, "", b""))}
    if used is None:
        return Freed(0, 0)
    found = [
        each
        for folder in sorted(folders)
        for each in await store.objects(folder)
        if each.uri not in used and each.used_at <= now - GRACE_S
    ]
    if not dry_run:
        found = [each for each in found if await store.discard(each.uri, unused_since=now - GRACE_S)]
    return Freed(len(found), sum(each.size_bytes for each in found))


async def _in_use(db: Database, root: str, without: Collection[str]) -> set[str] | None:
    """The uris that runs refer to; None when a run's document cannot be read any more, so that nobody knows."""
    kept = [row for row in await db.read(runs.contents) if row[0] not in without]
    used: set[str] = set()
    for _, _, options in kept:
        code = msgspec.json.decode(options, type=SubmitOptions).code
        if code is not None:
            used.add(code_ref(root, code).uri)
    for sha256 in {document for _, document, _ in kept}:
        body = await db.read(lambda tx, sha256=sha256: documents.get(tx, sha256))
        try:
            used |= await asyncio.to_thread(_sources, body, root)
        except IRError:
            return None
    return used


def _sources(body: bytes, root: str) -> set[str]:
    document = ir.from_builtins(msgspec.json.decode(body))
    containers = (each.container for each in document.pipeline.deployment_spec.executors.values())
    programs = [recognise(each.command, each.args) for each in containers if each is not None]
    return {source_ref(root, each.sha256, b"").uri for each in programs if isinstance(each, Function)}
