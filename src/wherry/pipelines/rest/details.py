"""The tasks of a run as KFP shows them: the document's own tasks with their loops, conditions and inner DAGs.

Called by the handlers of runs.  Pure.  Source: PipelineTaskDetail.  Invariant: a task has one id as long as its run is
there, whatever its attempts; the last attempt is the one that is shown, earlier ones are its failed jobs.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from wherry.pipelines.engine.model import ROOT
from wherry.pipelines.rest.context import compact, decoded, time
from wherry.pipelines.rest.refusal import CANCELLED, UNKNOWN, status
from wherry.storage.history import StateRow

STATES = {"CACHED": "SUCCEEDED"}  # RuntimeState has no other word for it
TaskView = Mapping[str, Any]
"""One attempt, as `Pipelines.get` tells of it."""


class Facts(NamedTuple):
    """What the database knows beside the attempts: artifacts as (id, path, attempt, output, uri), phases."""

    artifacts: Sequence[tuple[int, str, int, str, str]]
    phases: Iterable[StateRow]


def task_id(run_id: str, path: str) -> str:
    """The id of the task at a path of a run: a UUID made of both."""
    raw = bytearray(hashlib.sha256(f"{run_id}/{path}".encode()).digest()[:16])
    raw[6] = raw[6] & 0x0F | 0x80  # version 8: made of what is named
    raw[8] = raw[8] & 0x3F | 0x80
    text = raw.hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def parent_of(path: str) -> str:
    """The path of what a task is in: an iteration is in its loop, the root DAG in nothing ("")."""
    if path.endswith("]"):
        return path.rpartition("[")[0]
    return "" if path == ROOT else path.rpartition("/")[0] or ROOT


def task_details(run_id: str, created_at: float, attempts: Sequence[TaskView], facts: Facts) -> list[dict[str, Any]]:
    """The messages, in the order in which the tasks began."""
    by_path: dict[str, list[TaskView]] = {}
    for attempt in attempts:
        by_path.setdefault(attempt["path"], []).append(attempt)
    children: defaultdict[str, list[str]] = defaultdict(list)
    for path in by_path:
        children[parent_of(path)].append(path)
    histories: defaultdict[str, list[StateRow]] = defaultdict(list)
    for phase in facts.phases:
        histories[phase.path].append(phase)
    outputs: defaultdict[tuple[str, int], dict[str, list[str]]] = defaultdict(dict)
    ids: dict[str, str] = {}
    for id, path, attempt, output, uri in facts.artifacts:
        outputs[path, attempt].setdefault(output, []).append(str(id))
        ids.setdefault(uri, str(id))
    found: list[dict[str, Any]] = []
    for path, tries in by_path.items():
        tries.sort(key=lambda each: each["attempt"])
        last = tries[-1]
        parent = parent_of(path)
        found.append(
            compact(
                {
                    "run_id": run_id,
                    "task_id": task_id(run_id, path),
                    "display_name": _display_name(last),
                    "create_time": time(_created(histories[path], created_at)),
                    "start_time": time(tries[0]["started_at"]),
                    "end_time": time(last["finished_at"]),
                    "executor_detail": _executor(tries),
                    "state": STATES.get(last["phase"], last["phase"]),
                    "error": rpc_error(last["error"], last["phase"]),
                    "inputs": _lists(_input_ids(last, ids)),
                    "outputs": _lists(outputs[path, last["attempt"]]),
                    "parent_task_id": task_id(run_id, parent) if parent else "",
                    "state_history": [state(each) for each in histories[path]],
                    "pod_name": last["pod"],
                    "child_tasks": [
                        *({"task_id": task_id(run_id, child)} for child in children[path]),
                        *({"pod_name": each["pod"]} for each in tries if each["pod"]),
                    ],
                }
            )
        )
    return found


def state(row: StateRow) -> dict[str, Any]:
    """One RuntimeStatus."""
    detail: dict[str, Any] = decoded(row.detail) or {}
    after = STATES.get(row.after, row.after)
    return compact({"update_time": time(row.at), "state": after, "error": rpc_error(detail.get("error"), row.after)})


def rpc_error(error: Mapping[str, Any] | None, state: str) -> dict[str, Any] | None:
    """What went wrong as a google.rpc.Status; None where nothing did."""
    if state == "CANCELED":
        return status(CANCELLED, "It was canceled.")
    return None if error is None else status(UNKNOWN, str(error.get("message") or "It failed."))


def _created(history: Sequence[StateRow], run_created_at: float) -> float:
    return history[0].at if history else run_created_at


def _display_name(view: TaskView) -> str:
    if view["kind"] == "iteration":
        return str(view["path"]).rpartition("/")[2]
    return view["display_name"]


def _executor(tries: Sequence[TaskView]) -> dict[str, Any]:
    failed = [each["pod"] for each in tries[:-1] if each["pod"]]
    return compact({"main_job": tries[-1]["pod"], "failed_main_jobs": failed})


def _input_ids(view: TaskView, ids: Mapping[str, str]) -> dict[str, list[str]]:
    given: dict[str, Any] = view["inputs"] or {}
    inputs: dict[str, list[dict[str, Any]]] = given.get("artifacts") or {}
    found = {name: [ids[each["uri"]] for each in group if each.get("uri", "") in ids] for name, group in inputs.items()}
    return {name: known for name, known in found.items() if known}


def _lists(found: Mapping[str, list[str]]) -> dict[str, Any]:
    return {name: {"artifact_ids": ids} for name, ids in found.items()}
