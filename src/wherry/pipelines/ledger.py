"""Turns what the engine decided into one transaction: task rows, history, artifacts, cache entries and the run's state.

Called by the driver once a cycle.  Invariant: every transition that is written is one that the engine's table
allows, leaves the phase that the database holds, and has its history row in the same commit.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from wherry.pipelines.engine.model import ALLOWED, FINAL, RUN_NEXT, Change, Delta, Outputs, Phase, RunState
from wherry.storage import artifact_records, cache, history, runs, tasks
from wherry.storage.artifact_records import ArtifactRow
from wherry.storage.database import Tx

TRANSITION = tasks.transition_sql([(old.value, new.value) for old, new in ALLOWED])
SET_STATE = runs.set_state_sql([(old.value, new.value) for old, row in RUN_NEXT.items() for new in row])
RUN_FINAL = frozenset({RunState.SUCCEEDED, RunState.FAILED, RunState.CANCELED})

_encoder = msgspec.json.Encoder()


def to_json(value: Any) -> str:
    """Compact JSON text, as all documents are stored."""
    return _encoder.encode(value).decode()


class Facts(msgspec.Struct, frozen=True):
    """What the driver knows of a leaf attempt beyond the engine: when its process ran, and its key in the cache."""

    started_at: float | None = None
    finished_at: float | None = None
    cache_key: str | None = None
    due_at: float | None = None


NO_FACTS = Facts()


class _Layer(msgspec.Struct):
    """Rows that may be written kind by kind: changes of old rows, then new rows, then changes of those."""

    old: list[tasks.Transition] = msgspec.field(default_factory=list[tasks.Transition])
    made: list[tasks.Attempt] = msgspec.field(default_factory=list[tasks.Attempt])
    fresh: list[tasks.Transition] = msgspec.field(default_factory=list[tasks.Transition])
    paths: set[tuple[int, str]] = msgspec.field(default_factory=set[tuple[int, str]])


class Batch(msgspec.Struct):
    """All that one cycle of the driver writes; `now` is the time of the cycle."""

    now: float
    _layers: list[_Layer] = msgspec.field(default_factory=lambda: [_Layer()])
    _history: list[history.Entry] = msgspec.field(default_factory=list[history.Entry])
    _artifacts: list[ArtifactRow] = msgspec.field(default_factory=list[ArtifactRow])
    _cache: list[cache.Entry] = msgspec.field(default_factory=list[cache.Entry])
    _incarnations: list[tuple[int, str, int, int]] = msgspec.field(default_factory=list[tuple[int, str, int, int]])
    _states: list[runs.StateChange] = msgspec.field(default_factory=list[runs.StateChange])

    def __bool__(self) -> bool:
        return bool(self._history or self._incarnations)

    def delta(
        self,
        number: int,
        namespace: str,
        generation: int,
        delta: Delta,
        facts: Callable[[Change], Facts],
    ) -> None:
        """Add everything that `delta` says about the run with this number."""
        ends = delta.run_state in RUN_FINAL
        if delta.run_state is not None and not ends:
            self._state(number, generation, delta)
        for change in delta.changes:
            self._change(number, namespace, change, facts(change))
        if ends:
            self._state(number, generation, delta)

    def notice(self, number: int, message: str, *, path: str = "", attempt: int = 0, reason: str = "") -> None:
        """Add a sentence for the user to the run's history."""
        detail = to_json({"message": message})
        self._history.append(history.Entry(number, self.now, "notice", path, attempt, None, None, reason, detail))

    def incarnation(self, number: int, path: str, attempt: int, incarnation: int) -> None:
        """Add the next pod of an attempt whose last one was lost."""
        self._incarnations.append((number, path, attempt, incarnation))

    def write(self, tx: Tx) -> None:
        """The work for `Database.write`.  Raises `Outpaced` when the database is not where the engine thinks."""
        for layer in self._layers:
            tasks.transition(tx, TRANSITION, layer.old)
            tasks.insert(tx, layer.made)
            tasks.transition(tx, TRANSITION, layer.fresh)
        for incarnation in self._incarnations:
            tasks.set_incarnation(tx, *incarnation)
        for state in self._states:
            if not runs.set_state(tx, SET_STATE, state):
                raise tasks.Outpaced(f"the run was not in a state that may become {state.state}")
        artifact_records.append(tx, self._artifacts)
        cache.append(tx, self._cache)
        history.append(tx, self._history)

    def _change(self, number: int, namespace: str, change: Change, facts: Facts) -> None:
        final = change.phase_to in FINAL
        finished_at = (facts.finished_at or self.now) if final else None
        error = to_json(change.error) if change.error is not None else None
        layer = self._layers[-1]
        if change.phase_from is None:
            if (number, change.path) in layer.paths:
                layer = _Layer()
                self._layers.append(layer)
            layer.paths.add((number, change.path))
            layer.made.append(self._attempt(number, change, facts, error, finished_at))
        else:
            started_at = facts.started_at
            if started_at is None and change.phase_to is Phase.RUNNING:
                started_at = self.now
            row = tasks.Transition(
                number,
                change.path,
                change.attempt,
                change.phase_from.value,
                change.phase_to.value,
                change.reason,
                to_json(change.outputs) if change.outputs is not None else None,
                error,
                change.cached_from,
                started_at,
                finished_at,
            )
            (layer.fresh if (number, change.path) in layer.paths else layer.old).append(row)
        self._tell(number, change, error)
        if change.outputs is not None and change.phase_to in (Phase.SUCCEEDED, Phase.CACHED):
            self._results(number, namespace, change, change.outputs, facts)

    def _attempt(
        self, number: int, change: Change, facts: Facts, error: str | None, finished_at: float | None
    ) -> tasks.Attempt:
        return tasks.Attempt(
            number,
            change.path,
            change.attempt,
            change.kind,
            change.tries,
            change.generation,
            change.phase_to.value,
            change.reason,
            error,
            facts.due_at,
            self.now if change.phase_to is Phase.RUNNING else None,
            finished_at,
        )

    def _tell(self, number: int, change: Change, error: str | None) -> None:
        detail: str | None = None
        if error is not None:
            detail = f'{{"error":{error}}}'
        elif change.cached_from is not None:
            detail = to_json({"cached_from": change.cached_from})
        before = change.phase_from.value if change.phase_from is not None else None
        self._history.append(
            history.Entry(
                number,
                self.now,
                "task",
                change.path,
                change.attempt,
                before,
                change.phase_to.value,
                change.reason,
                detail,
            )
        )

    def _results(self, number: int, namespace: str, change: Change, outputs: Outputs, facts: Facts) -> None:
        if outputs.get("artifacts"):
            self._artifacts.extend(artifact_rows(number, change.path, change.attempt, outputs["artifacts"]))
        if facts.cache_key is not None and change.phase_to is Phase.SUCCEEDED:
            self._cache.append(cache.Entry(namespace, facts.cache_key, number, change.path, change.attempt, self.now))

    def _state(self, number: int, generation: int, delta: Delta) -> None:
        state = delta.run_state
        assert state is not None
        final = state in RUN_FINAL
        error = to_json(delta.run_error) if delta.run_error is not None else None
        outputs = to_json(delta.run_outputs) if delta.run_outputs is not None else None
        finished_at = self.now if final else None
        self._states.append(runs.StateChange(number, state.value, generation, outputs, error, self.now, finished_at))
        detail = f'{{"error":{error}}}' if error is not None else None
        self._history.append(history.Entry(number, self.now, "run", "", generation, None, state.value, "", detail))


def artifact_rows(
    number: int, path: str, attempt: int, artifacts: dict[str, Sequence[dict[str, Any]]]
) -> list[ArtifactRow]:
    """The rows of a task's output artifacts."""
    return [
        ArtifactRow(
            number,
            path,
            attempt,
            output,
            str(artifact.get("name") or output),
            schema_title(artifact),
            str(artifact.get("uri") or ""),
            artifact.get("digest"),
            to_json(artifact.get("metadata") or {}),
        )
        for output, found in artifacts.items()
        for artifact in found
    ]


def schema_title(artifact: dict[str, Any]) -> str:
    """The artifact's type, as `system.Model`."""
    kind: dict[str, Any] = artifact.get("type") or {}
    return str(kind.get("schemaTitle") or "system.Artifact")
