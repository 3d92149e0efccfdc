"""ReplicaSets: as many pods of one template as are wanted.

Loaded by `starting` with the first ReplicaSet.  Source: the documentation of ReplicaSets.  Invariant: pods that the
selector chooses are its own, those that it does not choose are nobody's; a pod that ends is replaced.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from wherry.kube.controller import Change, Controller, Plan, Words, controller_of
from wherry.kube.embedded.columns import at
from wherry.kube.embedded.controllers.pods import (
    active,
    available,
    available_in,
    chosen_by,
    conditions,
    conditions_with,
    deleting,
    finished,
    first_to_go,
    from_template,
    ready,
    related,
    soonest,
    without_owner,
)
from wherry.kube.errors import KubeError
from wherry.kube.protocol import Object
from wherry.kube.resources import PODS, REPLICASETS

BURST = 500  # pods that are made or removed at a time
FAILURE = "ReplicaFailure"


def plan(obj: Object, children: Sequence[Object], now: datetime) -> Plan:
    """Takes pods in and lets them go by the selector, then makes and removes what differs from `replicas`."""
    uid, chosen = obj["metadata"]["uid"], chosen_by(obj)
    adopt = [pod for pod in children if not controller_of(pod) and not finished(pod)]
    mine = [pod for pod in children if controller_of(pod) == uid]
    strangers = [pod for pod in mine if not chosen(pod) and not deleting(pod)]
    release = [Change(pod, {"metadata": {"ownerReferences": without_owner(pod, obj)}}) for pod in strangers]
    kept = [pod for pod in (*mine, *adopt) if chosen(pod)]
    pods = [pod for pod in kept if active(pod)]
    missing: int = obj["spec"]["replicas"] - len(pods)
    create = [_pod(obj)] * max(0, min(missing, BURST))
    delete = sorted(pods, key=first_to_go)[: max(0, min(-missing, BURST))]
    least_s: int = obj["spec"].get("minReadySeconds") or 0
    return Plan(
        adopt=adopt,
        change=release,
        create=create,
        delete=delete,
        status=_status(obj, kept, now),
        requeue=soonest(available_in(pod, least_s, now) for pod in pods),
    )


def _pod(obj: Object) -> Object:
    made = from_template(obj["spec"]["template"])
    return {**made, "metadata": {**made["metadata"], "generateName": f"{obj['metadata']['name']}-"}}


def _status(obj: Object, kept: list[Object], now: datetime) -> Object:
    template: dict[str, str] = at(obj, "spec", "template", "metadata", "labels") or {}
    least_s: int = obj["spec"].get("minReadySeconds") or 0
    pods = [pod for pod in kept if active(pod)]
    counts = {
        "fullyLabeledReplicas": sum(1 for pod in pods if template.items() <= _labels(pod).items()),
        "readyReplicas": sum(map(ready, pods)),
        "availableReplicas": sum(available(pod, least_s, now) for pod in pods),
        "terminatingReplicas": sum(deleting(pod) and not finished(pod) for pod in kept),
    }
    status: Object = {"replicas": len(pods), **{key: value for key, value in counts.items() if value}}
    status["observedGeneration"] = obj["metadata"]["generation"]
    others = [item for item in conditions(obj) if item.get("type") != FAILURE]
    return {**status, "conditions": others} if others else status


def _labels(pod: Object) -> dict[str, Any]:
    return pod["metadata"].get("labels") or {}


def _failed(status: Object, error: KubeError, now: datetime) -> Object:
    told = conditions_with(status.get("conditions") or [], FAILURE, "True", "FailedCreate", error.message, now)
    return {**status, "conditions": told}


CONTROLLERS = (
    Controller(
        "replicaset-controller",
        REPLICASETS,
        (PODS,),
        plan,
        related=related,
        failed=_failed,
        words=Words("Created pod: {child}", "Deleted pod: {child}"),
    ),
)
