"""Makes a live run from its rows: after a restart, for a retry, and for views of what is over.

Called by the driver and the service.  Invariant: what is made equals what the driver would hold had it never stopped,
but for the state of pods, which the driver asks for itself.
"""

from __future__ import annotations

from typing import Any, NamedTuple, cast

import msgspec

from wherry import ir
from wherry.pipelines.engine import RunOptions, restore
from wherry.pipelines.engine.model import LEAF_KINDS, Kind, Phase, Row, RunInfo, RunState, Start
from wherry.pipelines.flights import LiveRun, SubmitOptions
from wherry.seams import iso
from wherry.storage import documents, runs, tasks
from wherry.storage.database import Database, Tx


class Leaf(NamedTuple):
    """A leaf attempt that is not over: how it is to start, which incarnation it is, whether it was seen running."""

    start: Start
    incarnation: int
    was_running: bool


class Recovered(NamedTuple):
    """A run as it was; `started` tells whether its root DAG was opened."""

    document: ir.Document
    live: LiveRun
    leaves: list[Leaf]
    started: bool


def options_of(row: runs.RunRow) -> SubmitOptions:
    """How the run was asked to be run."""
    return msgspec.json.decode(row.options, type=SubmitOptions)


def info_of(row: runs.RunRow, options: SubmitOptions, store_root: str) -> RunInfo:
    """What the engine and placeholders know of a run."""
    created = iso(row.created_at)
    return RunInfo(
        run_id=row.id,
        name=row.name,
        pipeline=row.pipeline,
        namespace=row.namespace,
        pipeline_root=options.pipeline_root or store_root,
        create_time_utc=created,
        schedule_time_utc=iso(options.scheduled_at or row.created_at),
    )


def run_options(options: SubmitOptions, window: int) -> RunOptions:
    """How the engine is to run it: loops open enough iterations to keep the window full while others are decided."""
    return RunOptions(keep_going=options.keep_going, window=max(2 * window, 32))


async def recover(
    db: Database, root: str, row: runs.RunRow, *, window: int, now: float, for_views: bool = False
) -> Recovered:
    """The run of `row` from its document and task rows; `for_views` makes the inputs of finished tasks resolvable.

    `root` is where runs of its target keep their artifacts unless they say otherwise.  Raises StorageError, IRError.
    """

    def load(tx: Tx) -> tuple[bytes, list[tasks.TaskRow]]:
        return documents.get(tx, row.document), tasks.of_run(tx, row.number)

    body, rows = await db.read(load)
    document = ir.from_builtins(msgspec.json.decode(body))
    options = options_of(row)
    info = info_of(row, options, root)
    engine = restore(
        document,
        info,
        msgspec.json.decode(row.arguments),
        run_options(options, window),
        row.generation,
        [_row(task) for task in rows],
        state=RunState(row.state),
        for_views=for_views,
    )
    live = LiveRun(row.number, info, options, engine, row.root)
    limit_s = deadline_of(document)
    if limit_s is not None:
        live.deadline_s = (row.started_at or now) + limit_s - now
    latest = {task.path: task for task in rows}
    leaves = [
        Leaf(
            Start(task.path, task.attempt, max((task.due_at or now) - now, 0.0), _kind(task)),
            task.incarnation,
            task.phase == Phase.RUNNING,
        )
        for task in latest.values()
        if task.kind in LEAF_KINDS and task.phase in (Phase.PENDING, Phase.RUNNING)
    ]
    return Recovered(document, live, leaves, bool(rows))


def deadline_of(document: ir.Document) -> float | None:
    """For how many seconds the run may go on (pipelineConfig.activeDeadlineSeconds)."""
    platform = document.platform.platforms.kubernetes if document.platform is not None else None
    return float(platform.pipeline_config.active_deadline_seconds) or None if platform is not None else None


def _row(task: tasks.TaskRow) -> Row:
    return Row(
        task.path,
        task.attempt,
        _kind(task),
        Phase(task.phase),
        task.reason,
        _decoded(task.outputs),
        _decoded(task.error),
        task.tries,
        task.generation,
    )


def _kind(task: tasks.TaskRow) -> Kind:
    return cast("Kind", task.kind)  # the schema's CHECK holds it to these


def _decoded(text: str | None) -> dict[str, Any] | None:
    return msgspec.json.decode(text) if text is not None else None
