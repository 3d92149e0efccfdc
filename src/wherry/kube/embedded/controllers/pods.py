"""What the controllers ask of pods: active, ready, available; which of them go first; and conditions.

Pure.  Source: the controllers' documentation (ReplicaSet, "When a ReplicaSet is scaled down"; pod conditions).
Invariant: a pod that ends, has ended or is about to is not active.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any, cast

from wherry.kube.embedded.causes import objects
from wherry.kube.embedded.columns import at
from wherry.kube.protocol import Object
from wherry.kube.selectors import selector_of
from wherry.kube.times import seconds_of, timestamp

COST = "controller.kubernetes.io/pod-deletion-cost"
TEMPLATE_FIELDS = ("labels", "annotations", "finalizers")


def phase(pod: Object) -> str:
    """The pod's phase."""
    return str(at(pod, "status", "phase") or "Pending")


def deleting(obj: Object) -> bool:
    """Whether its end has been asked for."""
    return "deletionTimestamp" in obj["metadata"]


def finished(pod: Object) -> bool:
    """Whether it has ended for ever."""
    return phase(pod) in ("Succeeded", "Failed")


def active(pod: Object) -> bool:
    """Whether it counts as one of its workload's pods."""
    return not finished(pod) and not deleting(pod)


def conditions(obj: Object) -> list[Object]:
    """The conditions in an object's status."""
    return objects(at(obj, "status") or {}, "conditions")


def condition(obj: Object, type: str) -> Object | None:
    """The condition of that type in an object's status."""
    return next((item for item in conditions(obj) if item.get("type") == type), None)


def ready_since(pod: Object) -> int | None:
    """Since when the pod is ready (seconds since the epoch), None when it is not."""
    found = condition(pod, "Ready")
    if found is None or found.get("status") != "True":
        return None
    try:
        return seconds_of(str(found.get("lastTransitionTime")))
    except ValueError:
        return 0


def ready(pod: Object) -> bool:
    """Whether the pod serves."""
    return ready_since(pod) is not None


def available_in(pod: Object, least_s: int, now: datetime) -> float | None:
    """In how many seconds the pod will have been ready for `least_s`: 0 when it has, None while it is not ready."""
    since = ready_since(pod)
    if since is None:
        return None
    return max(0.0, since + least_s - now.timestamp()) if least_s else 0.0


def available(pod: Object, least_s: int, now: datetime) -> bool:
    """Whether the pod has been ready for so long."""
    return available_in(pod, least_s, now) == 0.0


def soonest(waits: Iterable[float | None]) -> timedelta | None:
    """The shortest of the waits that are one."""
    left = [wait for wait in waits if wait]
    return timedelta(seconds=min(left)) if left else None


def created(obj: Object) -> int:
    """When it was made."""
    try:
        return seconds_of(str(obj["metadata"].get("creationTimestamp")))
    except ValueError:
        return 0


_PHASES = {"Pending": 0, "Unknown": 1, "Running": 2}


def first_to_go(pod: Object) -> tuple[Any, ...]:
    """Sorts pods so that those which are missed least come first."""
    since = ready_since(pod)
    restarts = sum(int(item.get("restartCount") or 0) for item in objects(at(pod, "status") or {}, "containerStatuses"))
    return (
        bool(pod["spec"].get("nodeName")),
        _PHASES.get(phase(pod), 2),
        since is not None,
        _cost(pod),
        -(since or 0),
        -restarts,
        -created(pod),
        pod["metadata"]["uid"],
    )


def _cost(pod: Object) -> int:
    text = str(at(pod, "metadata", "annotations", COST) or "0")
    digits = text.removeprefix("-")
    return int(text) if digits.isascii() and digits.isdigit() and len(digits) <= 10 else 0


def chosen_by(obj: Object) -> Callable[[Object], bool]:
    """Whether the selector of a workload chooses something, by its labels."""
    selector = selector_of(at(obj, "spec", "selector"))
    return lambda child: selector.matches(child["metadata"].get("labels") or {})


def related(obj: Object, child: Object) -> bool:
    """Whether something that nobody controls would be taken in by a workload: what its selector chooses."""
    return not deleting(child) and chosen_by(obj)(child)


def from_template(template: Object, labels: dict[str, str] | None = None) -> Object:
    """The pod that a template means, without a name."""
    said: dict[str, Any] = template.get("metadata") or {}
    metadata = {key: said[key] for key in TEMPLATE_FIELDS if said.get(key)}
    if labels:
        metadata["labels"] = {**(metadata.get("labels") or {}), **labels}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template["spec"]}


def without_owner(obj: Object, owner: Object) -> list[Any]:
    """The owner references of an object that is set free by `owner`."""
    references = cast("list[dict[str, Any]]", obj["metadata"].get("ownerReferences") or [])
    return [reference for reference in references if reference["uid"] != owner["metadata"]["uid"]]


def conditions_with(
    before: Sequence[Object], type: str, status: str, reason: str, message: str, now: datetime, **more: Any
) -> list[Object]:
    """Conditions with one of them set; the time of its transition stays while its status does."""
    old = next((item for item in before if item.get("type") == type), None)
    moment = timestamp(now.timestamp())
    if old is not None and old.get("status") == status:
        moment = old.get("lastTransitionTime", moment)
    made = {"type": type, "status": status, "reason": reason, "message": message, "lastTransitionTime": moment, **more}
    made = {key: value for key, value in made.items() if value != ""}
    if old is None:
        return [*before, made]
    return [made if item is old else item for item in before]
