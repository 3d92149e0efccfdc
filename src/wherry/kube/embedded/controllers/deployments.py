"""Deployments: replica sets that follow each other, so that pods of one template replace those of another.

Loaded by `starting` with the first Deployment.  Source: the documentation of Deployments (strategy, proportional
scaling, clean up policy).  Invariant: during a rolling update no more than replicas + maxSurge pods are wanted, and a
pod is only given up when at least replicas - maxUnavailable others are available.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from wherry.kube.controller import Change, Controller, Note, Plan, controller_of
from wherry.kube.embedded.columns import at
from wherry.kube.embedded.controllers import rollouts
from wherry.kube.embedded.controllers.pods import chosen_by, created, deleting, related, without_owner
from wherry.kube.embedded.controllers.revisions import (
    DESIRED,
    MOST,
    REVISION,
    Sets,
    has_available,
    new_set,
    replicas,
    revision_annotations,
    sets_of,
    size_annotations,
    surge,
    unavailable,
)
from wherry.kube.errors import AlreadyExists, KubeError
from wherry.kube.protocol import Object
from wherry.kube.resources import DEPLOYMENTS, REPLICASETS


class _Sizes(NamedTuple):
    """What the replica sets are to become: sizes by name, and the size of one that is still to be made."""

    of: dict[str, int]
    made: int | None = None


def plan(obj: Object, children: Sequence[Object], now: datetime) -> Plan:
    """Takes replica sets in, brings their sizes one step further, removes old ones, says how far it is."""
    uid, chosen = obj["metadata"]["uid"], chosen_by(obj)
    adopt = [child for child in children if not controller_of(child)]
    mine = [child for child in children if controller_of(child) == uid]
    strangers = [child for child in mine if not chosen(child) and not deleting(child)]
    kept = [child for child in (*mine, *adopt) if chosen(child) and not deleting(child)]
    sets = sets_of(obj, kept)
    sizes = _sizes(obj, sets)
    change = [Change(child, {"metadata": {"ownerReferences": without_owner(child, obj)}}) for child in strangers]
    change += [found for child in sets.all if (found := _resized(obj, sets, child, sizes))]
    change += _revised(obj, sets)
    status, requeue = rollouts.status(obj, sets, now, makes=sizes.made is not None)
    return Plan(
        adopt=adopt,
        change=() if adopt else change,  # what was taken in has another version now: change it the next time
        create=[new_set(obj, sets, sizes.made)] if sizes.made is not None else (),
        delete=_too_old(obj, sets, status),
        events=_told(obj, sets, sizes),
        status=status,
        requeue=requeue,
    )


def _sizes(obj: Object, sets: Sets) -> _Sizes:
    """One step: of a change of size alone, of a paused Deployment, or of an update."""
    paused = obj["spec"].get("paused") is True
    if paused or _is_resize(obj, sets):
        return _Sizes(_scaled(obj, sets))
    if obj["spec"]["strategy"]["type"] == "Recreate":
        return _recreated(obj, sets)
    return _rolled(obj, sets)


def _is_resize(obj: Object, sets: Sets) -> bool:
    """Whether the wanted size has changed since the replica sets were last told."""
    wanted = str(obj["spec"]["replicas"])
    told = [at(child, "metadata", "annotations", DESIRED) for child in sets.all if replicas(child)]
    return any(each is not None and each != wanted for each in told)


def _scaled(obj: Object, sets: Sets) -> dict[str, int]:
    """Sizes after a change of the wanted size: in the middle of an update, each replica set by its share."""
    wanted: int = obj["spec"]["replicas"]
    living = [child for child in sets.all if replicas(child)]
    if len(living) <= 1:
        one = living[0] if living else sets.new or (sets.old[-1] if sets.old else None)
        return {_name(one): wanted} if one else {}
    if sets.new and replicas(sets.new) == has_available(sets.new) == wanted:
        return {_name(child): 0 for child in sets.old}
    if obj["spec"]["strategy"]["type"] != "RollingUpdate":
        return {}
    more = (wanted + surge(obj) if wanted else 0) - sum(map(replicas, living))
    # The biggest first; of the same size the newest when pods are added, the oldest when they are taken away.
    living.sort(key=lambda child: (-replicas(child), -created(child) if more > 0 else created(child)))
    found: dict[str, int] = {}
    added = 0
    for child in living:
        part = _share_of(obj, child, more, added)
        found[_name(child)] = replicas(child) + part
        added += part
    if more:
        first = _name(living[0])
        found[first] = max(0, found[first] + more - added)
    return found


def _share_of(obj: Object, child: Object, more: int, added: int) -> int:
    """How many of `more` pods (fewer, when negative) fall to a replica set."""
    wanted, has = obj["spec"]["replicas"], replicas(child)
    if more in (0, added):
        return 0
    if not wanted:
        return -has
    most = int(at(child, "metadata", "annotations", MOST) or at(obj, "status", "replicas") or has)
    part = int(has * (wanted + surge(obj)) / most + 0.5) - has if most else 0
    return min(part, more - added) if more > 0 else max(part, more - added)


def _recreated(obj: Object, sets: Sets) -> _Sizes:
    """All old pods end before the first new one begins."""
    if any(replicas(child) for child in sets.old):
        return _Sizes({_name(child): 0 for child in sets.old})
    if any(not _is_empty(child) for child in sets.old):
        return _Sizes({})
    wanted: int = obj["spec"]["replicas"]
    return _Sizes({_name(sets.new): wanted}) if sets.new else _Sizes({}, wanted)


def _is_empty(child: Object) -> bool:
    """Whether its controller says that the last of its pods is gone."""
    status: Object = child.get("status") or {}
    return _observed(child) and not status.get("replicas") and not status.get("terminatingReplicas")


def _observed(child: Object) -> bool:
    return (at(child, "status", "observedGeneration") or 0) >= child["metadata"]["generation"]


def _rolled(obj: Object, sets: Sets) -> _Sizes:
    """The new one grows as far as the surge allows; then the old ones shrink as far as the available pods allow."""
    wanted, total = obj["spec"]["replicas"], sum(map(replicas, sets.all))
    has = replicas(sets.new) if sets.new else 0
    grown = min(wanted, max(has, min(wanted, has + wanted + surge(obj) - total)))
    if sets.new is None:
        return _Sizes({}, grown)
    if grown != has:
        return _Sizes({_name(sets.new): grown})
    least = wanted - unavailable(obj)
    spare = total - least - (has - has_available(sets.new))
    if spare <= 0:
        return _Sizes({})
    sizes = {_name(child): replicas(child) for child in sets.old}
    for child in sets.old:  # first those that serve nobody
        unhealthy = min(spare, replicas(child) - has_available(child))
        sizes[_name(child)] -= unhealthy
        spare -= unhealthy
    left = min(spare, sum(map(has_available, sets.all)) - least)
    for child in sets.old:
        part = max(0, min(left, sizes[_name(child)]))
        sizes[_name(child)] -= part
        left -= part
    return _Sizes(sizes)


def _resized(obj: Object, sets: Sets, child: Object, sizes: _Sizes) -> Change | None:
    """The change of one replica set: size, annotations, the time until a pod counts as available."""
    patch: Object = {}
    size = sizes.of.get(_name(child), replicas(child))
    if size != replicas(child):
        patch["spec"] = {"replicas": size}
    annotations = size_annotations(obj) if size or child is sets.new else {}
    if child is sets.new:
        annotations |= revision_annotations(obj, sets)
        least = obj["spec"].get("minReadySeconds") or 0
        if least != (child["spec"].get("minReadySeconds") or 0):
            patch["spec"] = {**patch.get("spec", {}), "minReadySeconds": least}
    known: dict[str, str] = child["metadata"].get("annotations") or {}
    changed = {key: value for key, value in annotations.items() if known.get(key) != value}
    if changed:
        patch["metadata"] = {"annotations": changed}
    return Change(child, patch) if patch else None


def _revised(obj: Object, sets: Sets) -> list[Change]:
    """The Deployment says the revision that it has."""
    if sets.new is None:
        return []
    known = at(sets.new, "metadata", "annotations", REVISION)
    revision = revision_annotations(obj, sets).get(REVISION, known)
    if revision is None or revision == at(obj, "metadata", "annotations", REVISION):
        return []
    return [Change(obj, {"metadata": {"annotations": {REVISION: revision}}})]


def _told(obj: Object, sets: Sets, sizes: _Sizes) -> list[Note]:
    found: list[Note] = []
    if sizes.made:
        name = new_set(obj, sets, sizes.made)["metadata"]["name"]
        found.append(_scaling(name, 0, sizes.made))
    for child in sets.all:
        size = sizes.of.get(_name(child), replicas(child))
        if size != replicas(child):
            found.append(_scaling(_name(child), replicas(child), size))
    return found


def _scaling(name: str, before: int, after: int) -> Note:
    way = "up" if after > before else "down"
    return Note("Normal", "ScalingReplicaSet", f"Scaled {way} replica set {name} from {before} to {after}")


def _too_old(obj: Object, sets: Sets, status: Object) -> list[Object]:
    """Old replica sets beyond the history that is kept, once the update is complete."""
    if not (obj["spec"].get("paused") or rollouts.complete(obj, status)):
        return []
    idle = [child for child in sets.old if not replicas(child) and _is_empty(child)]
    return idle[: max(0, len(idle) - obj["spec"]["revisionHistoryLimit"])]


def _name(child: Object) -> str:
    return child["metadata"]["name"]


def _failed(status: Object, error: KubeError, now: datetime) -> Object:
    """A taken name leads to another one; what else keeps a replica set from being made is told."""
    if isinstance(error, AlreadyExists):
        return {**status, "collisionCount": status.get("collisionCount", 0) + 1}
    return rollouts.not_made(status, error.message, now)


CONTROLLERS = (Controller("deployment-controller", DEPLOYMENTS, (REPLICASETS,), plan, related=related, failed=_failed),)
