"""StatefulSets: pods in a row, each with its name, its place in the order and its storage.

Loaded by `starting` with the first StatefulSet.  Source: the documentation of StatefulSets (deployment and scaling
guarantees, update strategies, retention of claims).  Invariant: a name has at most one pod; unless they may all go at
once, a pod is made when those before it are ready, and removed when those after it are gone.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from wherry.kube.controller import Change, Controller, Plan, Words, controller_of
from wherry.kube.embedded.columns import at
from wherry.kube.embedded.controllers.ordinals import (
    History,
    Set,
    claims_of,
    history_of,
    keep_claims,
    new_pod,
    ordinal_of,
    related,
    revision_of,
)
from wherry.kube.embedded.controllers.pods import (
    available,
    available_in,
    deleting,
    finished,
    phase,
    ready,
    soonest,
    without_owner,
)
from wherry.kube.embedded.workload_rules import share
from wherry.kube.protocol import Object
from wherry.kube.resources import CONTROLLERREVISIONS, PERSISTENTVOLUMECLAIMS, PODS, STATEFULSETS


class _Step(NamedTuple):
    """Pods to make and to remove now."""

    create: Sequence[Object] = ()
    delete: Sequence[Object] = ()


def plan(obj: Object, children: Sequence[Object], now: datetime) -> Plan:
    """One step: towards the wanted pods in their order, then towards the present template."""
    own = Set(obj)
    kinds = {kind: [child for child in children if child["kind"] == kind] for kind in ("Pod", "ControllerRevision")}
    adopt = [child for found in kinds.values() for child in found if not controller_of(child) and not deleting(child)]
    if adopt:
        return Plan(adopt=[child for child in adopt if not finished(child)] or adopt)
    uid = obj["metadata"]["uid"]
    mine = [pod for pod in kinds["Pod"] if controller_of(pod) == uid]
    pods = {ordinal_of(obj, pod): pod for pod in mine if own.chosen(pod) and ordinal_of(obj, pod) >= 0}
    strangers = [pod for pod in mine if pod not in pods.values() and not deleting(pod)]
    release = [Change(pod, {"metadata": {"ownerReferences": without_owner(pod, obj) or None}}) for pod in strangers]
    history = history_of(obj, kinds["ControllerRevision"])
    current = history.current
    step = _step(own, pods, history, now)
    claims = [child for child in children if child["kind"] == "PersistentVolumeClaim"]
    kept = keep_claims(own, pods, claims)
    wanted = [claim for pod in step.create for claim in claims_of(own, ordinal_of(obj, pod))]
    there = {claim["metadata"]["name"] for claim in claims}
    status = _status(own, pods, history, current, now)
    return Plan(
        change=[*release, *history.change, *kept.change],
        ensure=[claim for claim in wanted if claim["metadata"]["name"] not in there],
        create=[*history.create, *step.create],
        delete=[*step.delete, *kept.delete, *history.outdated(pods.values())],
        status=status,
        requeue=soonest(available_in(pod, own.least_s, now) for pod in pods.values()),
    )


def _step(own: Set, pods: dict[int, Object], history: History, now: datetime) -> _Step:
    """What is done next; nothing when it has to be waited for."""
    create: list[Object] = []
    delete: list[Object] = []
    for ordinal in own.ordinals:
        pod = pods.get(ordinal)
        if pod is None:
            create.append(new_pod(own, ordinal, history))
        elif finished(pod) and not deleting(pod):
            delete.append(pod)
        elif not own.ordered or (not deleting(pod) and available(pod, own.least_s, now)):
            continue
        if own.ordered:  # one after the other: the rest waits for this one
            return _Step(create, delete)
    surplus = [pods[ordinal] for ordinal in sorted(pods, reverse=True) if ordinal not in own.ordinals]
    if surplus and own.ordered:
        return _Step(create, [*delete, *([surplus[0]] if _may_go(surplus, now, own) else [])])
    delete += [pod for pod in surplus if not deleting(pod)]
    if create or delete or any(map(deleting, surplus)):
        return _Step(create, delete)
    return _Step(delete=_outdated(own, pods, history, now))


def _may_go(surplus: list[Object], now: datetime, own: Set) -> bool:
    """Whether the last pod may be removed: those before it are well, or it is the one that is not."""
    if deleting(surplus[0]):
        return False
    unwell = [pod for pod in surplus if deleting(pod) or not available(pod, own.least_s, now)]
    return not unwell or unwell[-1] is surplus[0]


def _outdated(own: Set, pods: dict[int, Object], history: History, now: datetime) -> list[Object]:
    """Pods of another revision than the new one, the last first; as many at a time as may be missing."""
    strategy = own.obj["spec"]["updateStrategy"]
    if strategy["type"] != "RollingUpdate":
        return []
    rolling: Object = strategy.get("rollingUpdate") or {}
    first = own.start + rolling.get("partition", 0)
    most = max(1, share(rolling.get("maxUnavailable", 1), len(own.ordinals), up=True))
    unwell = {ordinal for ordinal in own.ordinals if not _well(pods.get(ordinal), own, now)}
    found: list[Object] = []
    for ordinal in sorted((each for each in pods if each >= first and each in own.ordinals), reverse=True):
        pod = pods[ordinal]
        old = revision_of(pod) != history.update and not deleting(pod)
        if old and (ordinal in unwell or len(unwell) < most):
            found.append(pod)
            unwell.add(ordinal)
        if ordinal in unwell and len(unwell) >= most:
            break
    return found


def _well(pod: Object | None, own: Set, now: datetime) -> bool:
    return pod is not None and not deleting(pod) and available(pod, own.least_s, now)


def _status(own: Set, pods: dict[int, Object], history: History, current: str, now: datetime) -> Object:
    there = list(pods.values())
    living = [pod for pod in there if not deleting(pod)]
    updated = sum(revision_of(pod) == history.update for pod in living)
    well = sum(phase(pod) == "Running" and ready(pod) for pod in there)
    if own.obj["spec"]["updateStrategy"]["type"] == "RollingUpdate" and (
        updated == len(there) == well == len(own.ordinals)
    ):
        current = history.update  # the update is complete
    status: Object = {
        "observedGeneration": own.obj["metadata"]["generation"],
        "replicas": len(there),
        "availableReplicas": sum(ready(pod) and available(pod, own.least_s, now) for pod in there),
        "currentRevision": current,
        "updateRevision": history.update,
        "collisionCount": at(own.obj, "status", "collisionCount") or 0,
    }
    counted = {
        "readyReplicas": well,
        "currentReplicas": sum(revision_of(pod) == current for pod in living),
        "updatedReplicas": updated,
    }
    return {**status, **{key: value for key, value in counted.items() if value}}


CONTROLLERS = (
    Controller(
        "statefulset-controller",
        STATEFULSETS,
        (PODS, PERSISTENTVOLUMECLAIMS, CONTROLLERREVISIONS),
        plan,
        related=related,
        words=Words(
            "create {kind} {child} in {owner} successful",
            "delete {kind} {child} in {owner} successful",
            silent=("ControllerRevision",),
        ),
    ),
)
