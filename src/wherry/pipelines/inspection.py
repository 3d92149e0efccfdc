"""Looks into runs for the views that only the engine can fill: display names, and what flowed into each task.

Called by `wherry.pipelines.service`.  Invariant: nothing is kept; a run that is over is made again from its rows.
"""

from __future__ import annotations

import math
from typing import Any

import msgspec

from wherry import ir
from wherry.pipelines.engine import Run, Unresolvable, resolve
from wherry.pipelines.engine.plan import Plan, TaskPlan
from wherry.pipelines.engine.state import last_name
from wherry.pipelines.flights import LiveRun
from wherry.pipelines.recovery import options_of, recover
from wherry.pipelines.views import Shown, task_view
from wherry.seams import Clock
from wherry.storage import documents, tasks
from wherry.storage.database import Database
from wherry.storage.runs import RunRow

INPUTS_LIMIT = 1000
"""Runs with more attempts than this are shown without the inputs of their tasks."""


class Inspector:
    """Answers from a live run, or from one restored for the question.  `root` is where the home's own artifacts lie."""

    def __init__(self, db: Database, root: str, clock: Clock) -> None:
        self._db = db
        self._root = root
        self._clock = clock

    async def tasks(self, row: RunRow, live: LiveRun | None, home: str) -> list[dict[str, Any]]:
        """Views of all attempts, in the order in which their tasks began."""
        found = await self._db.read(lambda tx: tasks.of_run(tx, row.number))
        engine: Run | None = None
        if len(found) > INPUTS_LIMIT:
            plan = await self._plan(row, live)
        else:
            engine = live.engine if live is not None else await self._restored(row)
            plan = engine.plan
        found.sort(key=_began)
        return [task_view(task, row.id, home, _shown(plan, engine, task)) for task in found]

    async def has_task(self, row: RunRow, live: LiveRun | None, path: str) -> bool:
        """Whether the run's document has a task at this path."""
        return task_at(await self._plan(row, live), path) is not None

    async def _plan(self, row: RunRow, live: LiveRun | None) -> Plan:
        if live is not None:
            return live.engine.plan
        body = await self._db.read(lambda tx: documents.get(tx, row.document))
        return Plan(ir.from_builtins(msgspec.json.decode(body)))

    async def _restored(self, row: RunRow) -> Run:
        target = options_of(row).target
        root = self._root if target is None else target.artifacts
        found = await recover(self._db, root, row, window=1, now=self._clock.time(), for_views=True)
        return found.live.engine


def task_at(plan: Plan, path: str) -> TaskPlan | None:
    """The task of the document at a path, whatever the iterations; None when there is none."""
    component, task = plan.root, None
    for segment in path.split("/"):
        task = component.by_name.get(segment.partition("[")[0])
        if task is None:
            return None
        component = task.component
    return task


def _began(task: tasks.TaskRow) -> tuple[float, int, str]:
    began = task.started_at or task.finished_at or math.inf
    return began, len(task.path), task.path


def _shown(plan: Plan, engine: Run | None, task: tasks.TaskRow) -> Shown:
    found = task_at(plan, task.path) if task.kind != "iteration" else None
    name = found.spec.task_info.name if found is not None else ""
    inputs: dict[str, Any] | None = None
    if engine is not None and task.kind == "task" and task.phase != "SKIPPED":
        try:
            resolved = resolve(engine, task.path)
        except Unresolvable:
            pass  # the attempt failed because of it, and says so
        else:
            inputs = {"parameters": resolved.parameters, "artifacts": resolved.artifacts}
    return Shown(name or last_name(task.path), inputs)
