"""Runs, tasks and events as plain JSON values: what the API, the CLI and scripts see.

Called by `wherry.pipelines.service`.  Pure.  Invariant: keys are snake_case and stable; times are seconds since the
epoch; a key is there even where its value is null.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec

from wherry.pipelines.ledger import schema_title
from wherry.pipelines.pods import Identity, pod_name
from wherry.storage.history import HistoryRow
from wherry.storage.runs import RunRow
from wherry.storage.tasks import TaskRow

FINAL_RUN = frozenset({"SUCCEEDED", "FAILED", "CANCELED"})
FINAL_TASK = frozenset({"SUCCEEDED", "CACHED", "FAILED", "SKIPPED", "CANCELED"})


class Shown(NamedTuple):
    """What only the engine knows of a task: its display name, and what flowed into it."""

    display_name: str
    inputs: dict[str, Any] | None


def run_view(row: RunRow, counts: dict[str, int]) -> dict[str, Any]:
    """A run; `counts` says how many leaf tasks are in each phase."""
    return {
        "id": row.id,
        "name": row.name,
        "resource_name": row.resource_name,
        "pipeline": row.pipeline,
        "namespace": row.namespace,
        "state": row.state,
        "generation": row.generation,
        "created_at": row.created_at,
        "started_at": row.started_at,
        "finished_at": row.finished_at,
        "arguments": msgspec.json.decode(row.arguments),
        "outputs": _decoded(row.outputs),
        "error": _decoded(row.error),
        "counts": counts,
        "root": row.root,
    }


def task_view(row: TaskRow, run_id: str, home: str, shown: Shown) -> dict[str, Any]:
    """One attempt of one node."""
    is_leaf = row.kind == "task"
    return {
        "path": row.path,
        "name": row.path.rsplit("/", 1)[-1],
        "display_name": shown.display_name,
        "kind": row.kind,
        "phase": row.phase,
        "reason": row.reason,
        "attempt": row.attempt,
        "started_at": row.started_at,
        "finished_at": row.finished_at,
        "inputs": shown.inputs,
        "outputs": _decoded(row.outputs),
        "error": _decoded(row.error),
        "cached_from": row.cached_from,
        "pod": pod_name(home, Identity(run_id, row.path, row.attempt, row.incarnation)) if is_leaf else None,
    }


def event_view(entry: HistoryRow, run: RunRow) -> dict[str, Any]:
    """One thing that happened to `run`, whose row is read after the entry's.

    The last entry of a finished run is its `run-finished`; ends of earlier generations are plain `run` events.
    """
    event: dict[str, Any] = {"id": entry.id, "event": entry.event, "at": entry.at}
    if entry.event == "notice":
        event["message"] = ""
        if entry.path:
            event |= {"path": entry.path, "attempt": entry.attempt}
        event["reason"] = entry.reason
    elif entry.event == "task":
        event |= {
            "path": entry.path,
            "kind": entry.kind,
            "phase": entry.after,
            "attempt": entry.attempt,
            "reason": entry.reason,
        }
        if entry.after in FINAL_TASK:
            event |= {"started_at": entry.started_at, "finished_at": entry.finished_at}
    elif entry.after == "RUNNING":
        event |= {"event": "run-started", "run": run.id, "pipeline": run.pipeline, "name": run.name}
    elif entry.after in FINAL_RUN and entry.attempt == run.generation:
        event |= {
            "event": "run-finished",
            "run": run.id,
            "pipeline": run.pipeline,
            "state": run.state,
            "outputs": flat(_decoded(run.outputs)),
            "error": _decoded(run.error),
            "seconds": round((run.finished_at or entry.at) - (run.started_at or run.created_at), 6),
        }
    else:
        event |= {"run": run.id, "state": entry.after}
    if entry.detail is not None:
        event |= msgspec.json.decode(entry.detail)
    return event


def flat(outputs: dict[str, Any] | None) -> dict[str, Any]:
    """Outputs by name: parameters as values, artifacts as name, type, uri, metadata (several artifacts as a list)."""
    if not outputs:
        return {}
    found: dict[str, Any] = dict(outputs.get("parameters") or {})
    artifacts: dict[str, list[dict[str, Any]]] = outputs.get("artifacts") or {}
    for name, group in artifacts.items():
        plain: list[dict[str, Any]] = [
            {
                "name": str(artifact.get("name") or name),
                "type": schema_title(artifact),
                "uri": str(artifact.get("uri") or ""),
                "metadata": artifact.get("metadata"),
            }
            for artifact in group
        ]
        found[name] = plain[0] if len(plain) == 1 else plain
    return found


def _decoded(text: str | None) -> dict[str, Any] | None:
    return msgspec.json.decode(text) if text is not None else None
