"""How far a Deployment is: its counts and conditions, which `kubectl rollout status` reads.

Called by `deployments`; pure.  Source: the documentation of Deployments, "Deployment status".  Invariant: Progressing
says NewReplicaSetAvailable exactly when the update is complete, and stays so until the next one.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from wherry.kube.embedded.columns import at
from wherry.kube.embedded.controllers.pods import condition, conditions
from wherry.kube.embedded.controllers.revisions import Sets, replicas, unavailable
from wherry.kube.protocol import Object
from wherry.kube.times import seconds_of, timestamp

COMPLETE, UPDATED, TIMED_OUT = "NewReplicaSetAvailable", "ReplicaSetUpdated", "ProgressDeadlineExceeded"
PAUSED, RESUMED = "DeploymentPaused", "DeploymentResumed"
NO_DEADLINE = 2**31 - 1


def status(obj: Object, sets: Sets, now: datetime, *, makes: bool) -> tuple[Object, timedelta | None]:
    """The status, and when to look again; `makes`: the new replica set is made with this plan."""
    counts = {
        "replicas": _sum(sets, "replicas"),
        "updatedReplicas": (at(sets.new, "status", "replicas") or 0) if sets.new else 0,
        "readyReplicas": _sum(sets, "readyReplicas"),
        "availableReplicas": _sum(sets, "availableReplicas"),
        "unavailableReplicas": max(0, sum(map(replicas, sets.all)) - _sum(sets, "availableReplicas")),
        "terminatingReplicas": _sum(sets, "terminatingReplicas"),
    }
    found: Object = {key: value for key, value in counts.items() if value}
    found["observedGeneration"] = obj["metadata"]["generation"]
    if at(obj, "status", "collisionCount"):
        found["collisionCount"] = obj["status"]["collisionCount"]
    listed = _available(obj, found, now)
    listed, requeue = _progressing(obj, sets, found, listed, now, makes=makes)
    listed = _failures(sets, listed, now)
    return {**found, "conditions": listed} if listed else found, requeue


def complete(obj: Object, status: Object) -> bool:
    """Whether all pods are of the present template, and available."""
    wanted: int = obj["spec"]["replicas"]
    keys = ("updatedReplicas", "replicas", "availableReplicas")
    return all(status.get(key, 0) == wanted for key in keys)


def not_made(status: Object, message: str, now: datetime) -> Object:
    """The status when the new replica set could not be made."""
    listed = _set(status.get("conditions") or [], "Progressing", "False", "ReplicaSetCreateError", message, now)
    return {**status, "conditions": listed}


def _sum(sets: Sets, key: str) -> int:
    return sum(at(child, "status", key) or 0 for child in sets.all)


def _set(
    listed: list[Object], type: str, status: str, reason: str, message: str, now: datetime, *, again: bool = False
) -> list[Object]:
    """Sets a condition; one with the same status and reason stays as it is, unless `again` moves its update time."""
    old = next((item for item in listed if item.get("type") == type), None)
    moment = timestamp(now.timestamp())
    if old is not None and (old.get("status"), old.get("reason")) == (status, reason) and not again:
        return listed
    since = old.get("lastTransitionTime", moment) if old is not None and old.get("status") == status else moment
    made = {"type": type, "status": status, "reason": reason, "message": message}
    made |= {"lastUpdateTime": moment, "lastTransitionTime": since}
    return [*(item for item in listed if item is not old), made]


def _available(obj: Object, found: Object, now: datetime) -> list[Object]:
    listed = conditions(obj)
    if found.get("availableReplicas", 0) >= obj["spec"]["replicas"] - unavailable(obj):
        message = "Deployment has minimum availability."
        return _set(listed, "Available", "True", "MinimumReplicasAvailable", message, now)
    message = "Deployment does not have minimum availability."
    return _set(listed, "Available", "False", "MinimumReplicasUnavailable", message, now)


def _progressing(
    obj: Object, sets: Sets, found: Object, listed: list[Object], now: datetime, *, makes: bool
) -> tuple[list[Object], timedelta | None]:
    """The condition Progressing, and when its deadline passes."""
    deadline_s: int = obj["spec"].get("progressDeadlineSeconds", NO_DEADLINE)
    if deadline_s == NO_DEADLINE:
        return [item for item in listed if item.get("type") != "Progressing"], None
    old = condition(obj, "Progressing")
    reason, paused = (old or {}).get("reason"), obj["spec"].get("paused") is True
    if paused:
        if reason == TIMED_OUT:
            return listed, None
        return _set(listed, "Progressing", "Unknown", PAUSED, "Deployment is paused", now), None
    if reason == PAUSED:
        listed = _set(listed, "Progressing", "Unknown", RESUMED, "Deployment is resumed", now)
        return listed, _left(deadline_s, None)
    settled = sets.new is not None and not makes
    if reason == COMPLETE and settled and found.get("replicas", 0) == found.get("updatedReplicas", 0):
        return listed, None
    name = obj["metadata"]["name"]
    subject = f'ReplicaSet "{sets.new["metadata"]["name"]}"' if sets.new else f'Deployment "{name}"'
    if settled and complete(obj, found):
        message = f"{subject} has successfully progressed."
        return _set(listed, "Progressing", "True", COMPLETE, message, now), None
    if makes:
        message = f'Created new replica set for deployment "{name}"'
        return _set(listed, "Progressing", "True", "NewReplicaSetCreated", message, now), _left(deadline_s, None)
    if old is None or _moved(obj.get("status") or {}, found):
        message = f"{subject} is progressing."
        return _set(listed, "Progressing", "True", UPDATED, message, now, again=True), _left(deadline_s, None)
    waited_s = now.timestamp() - _updated(old)
    if reason == TIMED_OUT or waited_s > deadline_s:
        message = f"{subject} has timed out progressing."
        return _set(listed, "Progressing", "False", TIMED_OUT, message, now), None
    return listed, _left(deadline_s, waited_s)


def _left(deadline_s: int, waited_s: float | None) -> timedelta:
    return timedelta(seconds=deadline_s - (waited_s or 0.0) + 1)


def _updated(found: Object) -> int:
    try:
        return seconds_of(str(found.get("lastUpdateTime")))
    except ValueError:
        return 0


def _moved(before: Object, after: Object) -> bool:
    """Whether the update came nearer to its end."""

    def count(status: Object, key: str) -> int:
        value: Any = status.get(key)
        return value if isinstance(value, int) else 0

    def old(status: Object) -> int:
        return count(status, "replicas") - count(status, "updatedReplicas")

    grown = ("updatedReplicas", "readyReplicas", "availableReplicas")
    return any(count(after, key) > count(before, key) for key in grown) or old(after) < old(before)


def _failures(sets: Sets, listed: list[Object], now: datetime) -> list[Object]:
    """What keeps a replica set from making pods is told of the Deployment, too."""
    owners = [*([sets.new] if sets.new else []), *sets.old]
    failure = next((found for child in owners if (found := condition(child, "ReplicaFailure"))), None)
    if failure is None:
        return [item for item in listed if item.get("type") != "ReplicaFailure"]
    return _set(listed, "ReplicaFailure", failure["status"], failure["reason"], failure["message"], now)
