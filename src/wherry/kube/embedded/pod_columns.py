"""The columns of pods: how many containers are ready, the one word for their state, restarts.

Named by the pod row of the registry.  Source: the rules by which the API server prints pods.  Invariant: see `columns`.
"""

from __future__ import annotations

from typing import Any

from wherry.kube.embedded.causes import objects
from wherry.kube.embedded.columns import AGE, NAME, Column, at, since, text
from wherry.kube.protocol import Object


def _statuses(pod: Object, key: str) -> list[Object]:
    return objects(at(pod, "status") or {}, key)


def _ready(pod: Object, now: float) -> str:
    ready = sum(1 for item in _statuses(pod, "containerStatuses") if item.get("ready"))
    sidecars = {item.get("name") for item in objects(at(pod, "spec") or {}, "initContainers") if _restarts(item)}
    ready += sum(
        1 for item in _statuses(pod, "initContainerStatuses") if item.get("name") in sidecars and item.get("ready")
    )
    return f"{ready}/{len(objects(at(pod, 'spec') or {}, 'containers')) + len(sidecars)}"


def _restarts(container: Object) -> bool:
    return container.get("restartPolicy") == "Always"


def _status(pod: Object, now: float) -> str:
    """The one word for a pod's state: of its deletion, its init containers, its containers, or its phase."""
    found = at(pod, "status", "reason") or at(pod, "status", "phase") or "Unknown"
    initializing = _init_word(pod)
    if initializing:
        found = initializing
    else:
        running = False
        for status in reversed(_statuses(pod, "containerStatuses")):
            found = _container_word(status) or found
            running = running or bool(status.get("ready") and at(status, "state", "running") is not None)
        if found == "Completed" and running:
            found = "Running" if _is_ready(pod) else "NotReady"
    if at(pod, "metadata", "deletionTimestamp") and at(pod, "status", "phase") not in ("Succeeded", "Failed"):
        return "Unknown" if at(pod, "status", "reason") == "NodeLost" else "Terminating"
    return str(found)


def _init_word(pod: Object) -> str:
    containers = objects(at(pod, "spec") or {}, "initContainers")
    sidecars = {item.get("name") for item in containers if _restarts(item)}
    for index, status in enumerate(_statuses(pod, "initContainerStatuses")):
        if at(status, "state", "terminated", "exitCode") == 0:
            continue
        if status.get("name") in sidecars and status.get("started"):
            continue
        if at(status, "state", "terminated") is not None:
            return f"Init:{_terminated_word(status)}"
        reason = at(status, "state", "waiting", "reason")
        return f"Init:{reason}" if reason and reason != "PodInitializing" else f"Init:{index}/{len(containers)}"
    return ""


def _container_word(status: Object) -> str:
    if reason := at(status, "state", "waiting", "reason"):
        return str(reason)
    return _terminated_word(status) if at(status, "state", "terminated") is not None else ""


def _terminated_word(status: Object) -> str:
    ended: Object = at(status, "state", "terminated") or {}
    if ended.get("reason"):
        return str(ended["reason"])
    return f"Signal:{ended['signal']}" if ended.get("signal") else f"ExitCode:{ended.get('exitCode')}"


def _is_ready(pod: Object) -> bool:
    return any(item.get("type") == "Ready" and item.get("status") == "True" for item in _statuses(pod, "conditions"))


def _restart_count(pod: Object, now: float) -> str:
    statuses = _statuses(pod, "containerStatuses")
    total = sum(int(item.get("restartCount") or 0) for item in statuses)
    ends: list[Any] = [at(item, "lastState", "terminated", "finishedAt") for item in statuses]
    last = max((end for end in ends if isinstance(end, str)), default=None)
    return f"{total} ({since(last, now)} ago)" if total and last else str(total)


def _no_gates(pod: Object, now: float) -> str:
    return "<none>"


POD_COLUMNS = (
    NAME,
    Column("Ready", _ready),
    Column("Status", _status),
    Column("Restarts", _restart_count),
    AGE,
    Column("IP", text("status", "podIP", default="<none>"), priority=1),
    Column("Node", text("spec", "nodeName", default="<none>"), priority=1),
    Column("Nominated Node", text("status", "nominatedNodeName", default="<none>"), priority=1),
    Column("Readiness Gates", _no_gates, priority=1),
)
