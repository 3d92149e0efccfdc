"""Looks into runs for the views that only the engine can fill: display names, and what flowed into each task.

Called by `wherry.pipelines.service`.  Invariant: nothing is kept; a run that is over is made again from its rows.
"""

from __future__ import annotations

import math
from typing import Any

from wherry.pipelines.engine import Run, Unresolvable, resolve
from wherry.pipelines.engine.state import last_name
from wherry.pipelines.flights import LiveRun
from wherry.pipelines.recovery import recover
from wherry.pipelines.views import Shown, task_view
from wherry.seams import Clock
from wherry.storage import tasks
from wherry.storage.artifacts import ArtifactStore
from wherry.storage.database import Database
from wherry.storage.runs import RunRow

INPUTS_LIMIT = 1000
"""Runs with more tasks than this are shown without the inputs of their tasks."""


class Inspector:
    """Answers from a live run, or from one restored for the question."""

    def __init__(self, db: Database, store: ArtifactStore, clock: Clock) -> None:
        self._db = db
        self._store = store
        self._clock = clock

    async def tasks(self, row: RunRow, live: LiveRun | None, home: str) -> list[dict[str, Any]]:
        """Views of all attempts, in the order in which their tasks began."""
        found = await self._db.read(lambda tx: tasks.of_run(tx, row.number))
        engine = await self._engine(row, live)
        with_inputs = len(found) <= INPUTS_LIMIT
        found.sort(key=_began)
        return [task_view(task, row.id, home, _shown(engine, task, with_inputs)) for task in found]

    async def has_task(self, row: RunRow, live: LiveRun | None, path: str) -> bool:
        """Whether the run's document has a task at this path."""
        component = (await self._engine(row, live)).plan.root
        for segment in path.split("/"):
            task = component.by_name.get(segment.partition("[")[0])
            if task is None:
                return False
            component = task.component
        return True

    async def _engine(self, row: RunRow, live: LiveRun | None) -> Run:
        if live is not None:
            return live.engine
        found = await recover(self._db, self._store, row, window=1, now=self._clock.time(), for_views=True)
        return found.live.engine


def _began(task: tasks.TaskRow) -> tuple[float, int, str]:
    began = task.started_at or task.finished_at or math.inf
    return began, len(task.path), task.path


def _shown(engine: Run, task: tasks.TaskRow, with_inputs: bool) -> Shown:
    node = engine.get(task.path)
    plan = node.task if node is not None else None
    name = plan.spec.task_info.name if plan is not None and task.kind != "iteration" else ""
    inputs: dict[str, Any] | None = None
    if with_inputs and task.kind == "task" and task.phase != "SKIPPED":
        try:
            resolved = resolve(engine, task.path)
        except Unresolvable:
            pass  # the attempt failed because of it, and says so
        else:
            inputs = {"parameters": resolved.parameters, "artifacts": resolved.artifacts}
    return Shown(name or last_name(task.path), inputs)
