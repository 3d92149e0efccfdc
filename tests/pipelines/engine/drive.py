"""A fake executor for engine tests: drives a run to its end with outputs that the test gives.

Every delta is checked as it passes: transitions against the table, starts against what must be over by then, and
`decide` against the promise that it only reads.
"""

from __future__ import annotations

import copy
import random
from collections.abc import Callable
from typing import Any

from wherry import ir
from wherry.pipelines import engine
from wherry.pipelines.engine import Change, Delta, Row, Run, RunInfo, RunOptions, RunState
from wherry.pipelines.engine.model import ALLOWED, BIRTH, FINAL, RUN_NEXT
from wherry.pipelines.engine.resolve import Resolved

INFO = RunInfo(
    run_id="0123abcd-1111-4222-8333-444455556666",
    name="my run",
    pipeline="pipe",
    pipeline_root="/store",
    create_time_utc="2026-01-01T00:00:00Z",
    schedule_time_utc="2026-01-01T00:00:00Z",
)

Work = Callable[[Resolved], Any]
"""What a task does: returns its output parameters (a dict), `engine.Failed`-like by raising Broke."""


class Broke(Exception):
    """The fake task fails."""


class Harness:
    """A run, its rows as the driver would keep them, and the starts that are still to be done."""

    def __init__(
        self,
        document: ir.Document,
        work: Work | dict[str, Any] | None = None,
        *,
        arguments: dict[str, Any] | None = None,
        options: RunOptions | None = None,
        seed: int | None = None,
        info: RunInfo = INFO,
    ) -> None:
        self.document, self.arguments, self.options = document, arguments or {}, options or RunOptions()
        self.info = info
        self.run = Run(document, info=info, arguments=self.arguments, options=self.options)
        self.work = work
        self.random = random.Random(seed) if seed is not None else None
        self.rows: dict[tuple[str, int], Row] = {}
        self.history: list[Change] = []
        self.states = [RunState.PENDING]
        self.generation = 0  # as the run's row has it
        self.starts: list[engine.Start] = []
        self.launched: list[str] = []
        self.resolved: dict[str, Resolved] = {}
        self.most_open = 0

    def tell(self, event: engine.Event) -> Delta:
        """Decides and applies one event, as the driver does."""
        delta = engine.decide(self.run, event)
        for change in delta.changes:
            self._record(change)
        if delta.run_state:
            assert delta.run_state in RUN_NEXT[self.states[-1]], (self.states[-1], delta.run_state)
            self.states.append(delta.run_state)
        engine.apply(self.run, delta)
        if delta.run_state:
            self.generation = self.run.generation
        self.starts.extend(delta.starts)
        return delta

    def _record(self, change: Change) -> None:
        key = (change.path, change.attempt)
        if change.phase_from is None:
            assert change.phase_to in BIRTH.values(), change
            assert key not in self.rows, change
            before = self.rows.get((change.path, change.attempt - 1))
            assert change.attempt == 1 or (before is not None and before.phase in FINAL), change
            self.rows[key] = Row(
                change.path, change.attempt, change.kind, change.phase_to, change.reason, change.outputs, change.error,
                change.tries, change.generation,
            )  # fmt: skip
        else:
            assert (change.phase_from, change.phase_to) in ALLOWED, change
            assert self.rows[key].phase == change.phase_from, change
            self.rows[key] = self.rows[key]._replace(
                phase=change.phase_to, reason=change.reason, outputs=change.outputs, error=change.error
            )
        self.history.append(change)

    def to_end(self, *, steps: int = 200_000) -> Harness:
        """Runs until nothing is left to do."""
        if self.run.state is RunState.PENDING:
            self.tell(engine.Begin())
        while self.starts and steps:
            self.step()
            steps -= 1
        assert steps, "the run does not end"
        assert self.run.state in (RunState.SUCCEEDED, RunState.FAILED, RunState.CANCELED), self.run.state
        assert not engine.open_leaves(self.run)
        assert not [node.path for node in self.run.nodes.values() if not node.final]
        assert all(row.phase in FINAL for row in self.rows.values())
        return self

    def step(self) -> None:
        """One start is done, from launch to its end."""
        self.most_open = max(self.most_open, len(self.starts))
        at = self.random.randrange(len(self.starts)) if self.random else 0
        start = self.starts.pop(at)
        self.launched.append(start.path)
        try:
            resolved = engine.resolve(self.run, start.path)
        except engine.Unresolvable as error:
            self.tell(engine.Failed(start.path, start.attempt, {"message": error.message}, retriable=False))
            return
        self.resolved[start.path] = resolved
        if resolved.kind == "importer":
            self.tell(engine.Succeeded(start.path, start.attempt, engine.imported(resolved)))
            return
        self.tell(engine.Started(start.path, start.attempt))
        try:
            outputs = self.outputs(resolved)
        except Broke as error:
            self.tell(engine.Failed(start.path, start.attempt, {"type": "Broke", "message": str(error)}))
            return
        self.tell(engine.Succeeded(start.path, start.attempt, outputs))

    def outputs(self, resolved: Resolved) -> dict[str, Any]:
        """What the fake task puts out: the test's values, and an artifact for each declared one."""
        work = self.work
        if isinstance(work, dict):
            given = work.get(resolved.path, work.get(resolved.name, {}))
            given = given(resolved) if callable(given) else given
        else:
            given = work(resolved) if work else {}
        if isinstance(given, Exception):
            raise given
        definitions = resolved.component.output_definitions
        parameters = {
            name: copy.deepcopy(_EXAMPLES[definition.parameter_type or "STRING"])
            for name, definition in definitions.parameters.items()
        }
        if given is not None and not isinstance(given, dict):
            given = {"Output": given}
        parameters.update(given or {})
        artifacts = {
            name: [
                {
                    "name": name,
                    "type": {"schemaTitle": definition.artifact_type.schema_title, "schemaVersion": "0.0.1"},
                    "uri": f"/store/{resolved.path}/{resolved.attempt}/{name}",
                    "metadata": {},
                }
            ]
            for name, definition in definitions.artifacts.items()
        }
        return {"parameters": parameters, "artifacts": artifacts}

    def restored(self) -> Run:
        """The run made anew from the rows."""
        return engine.restore(
            self.document, self.info, self.arguments, self.options, self.generation,
            list(self.rows.values()), state=self.run.state,
        )  # fmt: skip

    @property
    def phases(self) -> dict[str, str]:
        """By path, the phase of the last attempt, without the root."""
        return {path: node.phase.value for path, node in self.run.nodes.items() if path != "root"}

    @property
    def state(self) -> str:
        return self.run.state.value


_EXAMPLES: dict[str, Any] = {
    "STRING": "text", "NUMBER_INTEGER": 3, "NUMBER_DOUBLE": 1.5, "BOOLEAN": True, "LIST": ["1", "2"],
    "STRUCT": {"a": 1}, "TASK_FINAL_STATUS": {}, "TASK_CONFIG": {},
}  # fmt: skip


def snapshot(run: Run) -> Any:
    """A run's state as plain values, to compare: groups' inputs only while they are open."""
    nodes = {}
    for path, node in run.nodes.items():
        facts: dict[str, Any] = {}
        for cls in type(node).__mro__:
            for name in getattr(cls, "__slots__", ()):
                value = getattr(node, name)
                if name in ("parameters", "artifacts", "items", "item", "item_name") and node.final:
                    continue
                facts[name] = (
                    value.name if name in ("task", "component") and value is not None else copy.deepcopy(value)
                )
        nodes[path] = facts
    return {
        "nodes": nodes, "waiting": dict(run.waiting), "state": run.state, "generation": run.generation,
        "outputs": run.outputs, "error": run.error,
    }  # fmt: skip
