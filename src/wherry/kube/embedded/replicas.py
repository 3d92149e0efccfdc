"""ReplicaSets, Deployments and the revisions of stateful sets: pods that run for ever, and their history.

Rows of the registry; the controllers are in `controllers`.  Invariant: the selector never changes, and every pod that
is made from the template is chosen by it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from wherry.kube.embedded.columns import AGE, NAME, Column, at
from wherry.kube.embedded.kinds import METADATA_FIELDS, Kind
from wherry.kube.embedded.scales import REPLICAS
from wherry.kube.embedded.workload_rules import (
    SELECTOR,
    bad,
    counts,
    default_pods,
    default_spec,
    forbidden,
    mapping,
    number,
    own_selector,
    ready_of_wanted,
    required,
    share,
    share_problem,
    template_causes,
    typed,
    unchanged,
    unsupported,
    whole,
    wide_columns,
)
from wherry.kube.errors import Cause
from wherry.kube.patches import same
from wherry.kube.protocol import Object
from wherry.kube.resources import CONTROLLERREVISIONS, DEPLOYMENTS, REPLICASETS

_STRATEGIES = ("Recreate", "RollingUpdate")
_EMPTY = "empty selector is invalid for deployment"
_QUARTER = "25%"


def _default_set(obj: Object) -> None:
    default_pods(default_spec(obj, {"replicas": 1}))


def _validate_set(obj: Object) -> list[Cause]:
    spec: dict[str, Any] = obj["spec"]
    return [
        *counts(spec, "replicas", "minReadySeconds"),
        *own_selector(spec, empty=_EMPTY),
        *template_causes(spec, kind="ReplicaSet"),
    ]


def _begin_set(obj: Object) -> None:
    obj["status"] = {"replicas": 0}


def _update_selector(old: Object, new: Object) -> list[Cause]:
    return unchanged(old, new, "selector")


def _default_deployment(obj: Object) -> None:
    spec = default_spec(obj, {"replicas": 1, "revisionHistoryLimit": 10, "progressDeadlineSeconds": 600})
    default_pods(spec)
    if not spec or not isinstance(spec.setdefault("strategy", {}), dict):
        return
    strategy: dict[str, Any] = spec["strategy"]
    strategy["type"] = strategy.get("type") or "RollingUpdate"
    rolling = strategy.setdefault("rollingUpdate", {}) if strategy["type"] == "RollingUpdate" else None
    if isinstance(rolling, dict):
        rolling.setdefault("maxUnavailable", _QUARTER)  # pyright: ignore[reportUnknownMemberType]
        rolling.setdefault("maxSurge", _QUARTER)  # pyright: ignore[reportUnknownMemberType]


def _validate_deployment(obj: Object) -> list[Cause]:
    spec: dict[str, Any] = obj["spec"]
    causes = [
        *counts(spec, "replicas", "minReadySeconds", "revisionHistoryLimit", "progressDeadlineSeconds"),
        *own_selector(spec, empty=_EMPTY),
        *_strategy(spec.get("strategy")),
        *template_causes(spec, kind="ReplicaSet"),
    ]
    deadline: Any = spec.get("progressDeadlineSeconds")
    least: Any = spec.get("minReadySeconds") or 0
    if whole(deadline) and whole(least) and deadline <= least:
        causes.append(bad("spec.progressDeadlineSeconds", deadline, "must be greater than minReadySeconds"))
    if not isinstance(spec.get("paused", False), bool):
        causes.append(bad("spec.paused", spec["paused"], "must be a boolean"))
    return causes


def _strategy(strategy: Any) -> Iterator[Cause]:
    field = "spec.strategy"
    if not isinstance(strategy, dict):
        yield bad(field, strategy, "must be an object")
        return
    said = mapping(strategy)
    rolling: Any = said.get("rollingUpdate")
    if said.get("type") not in _STRATEGIES:
        yield unsupported(f"{field}.type", said.get("type"), _STRATEGIES)
    elif said["type"] == "Recreate" and rolling is not None:
        yield forbidden(f"{field}.rollingUpdate", "may not be specified when strategy `type` is 'Recreate'")
    elif said["type"] == "RollingUpdate":
        yield from _rolling(f"{field}.rollingUpdate", mapping(rolling))


def _rolling(field: str, rolling: dict[str, Any]) -> Iterator[Cause]:
    shares = {key: rolling.get(key) for key in ("maxUnavailable", "maxSurge")}
    problems = {key: problem for key, value in shares.items() if (problem := share_problem(value))}
    for key, problem in problems.items():
        yield bad(f"{field}.{key}", shares[key], problem)
    if problems:
        return
    if share(shares["maxUnavailable"], 100, up=False) == share(shares["maxSurge"], 100, up=False) == 0:
        yield bad(f"{field}.maxUnavailable", shares["maxUnavailable"], "may not be 0 when `maxSurge` is 0")
    if isinstance(shares["maxUnavailable"], str) and int(shares["maxUnavailable"][:-1]) > 100:
        yield bad(f"{field}.maxUnavailable", shares["maxUnavailable"], "must not be greater than 100%")


def _begin_deployment(obj: Object) -> None:
    obj["status"] = {}


def _validate_revision(obj: Object) -> list[Cause]:
    causes = [] if isinstance(obj.get("data"), dict) else [required("data", "data is mandatory")]
    revision: Any = obj.get("revision")
    if not whole(revision):
        return [*causes, bad("revision", revision, "must be an integer")]
    return causes if revision >= 0 else [*causes, bad("revision", revision, "must be greater than or equal to 0")]


def _update_revision(old: Object, new: Object) -> list[Cause]:
    return [] if same(old.get("data"), new.get("data")) else [bad("data", new.get("data"), "field is immutable")]


def _controller(obj: Object, now: float) -> str:
    owners: list[Any] = at(obj, "metadata", "ownerReferences") or []
    found = next((owner for owner in owners if owner.get("controller")), None)
    if found is None:
        return "<none>"
    group = str(found["apiVersion"]).rpartition("/")[0]
    return f"{str(found['kind']).lower()}{'.' + group if group else ''}/{found['name']}"


_TEMPLATE = ("spec", "template", "spec")
_STATUS_FIELDS = {**METADATA_FIELDS, "status.replicas": ("status", "replicas")}

REPLICASET = Kind(
    REPLICASETS,
    short_names=("rs",),
    categories=("all",),
    columns=(
        NAME,
        Column("Desired", number("spec", "replicas"), type="integer"),
        Column("Current", number("status", "replicas"), type="integer"),
        Column("Ready", number("status", "readyReplicas"), type="integer"),
        AGE,
        *wide_columns(*_TEMPLATE),
        SELECTOR,
    ),
    fields=_STATUS_FIELDS,
    has_status=True,
    has_generation=True,
    scale=REPLICAS,
    default=_default_set,
    begin=_begin_set,
    validate=typed(_validate_set),
    validate_update=_update_selector,
)
DEPLOYMENT = Kind(
    DEPLOYMENTS,
    short_names=("deploy",),
    categories=("all",),
    columns=(
        NAME,
        Column("Ready", ready_of_wanted),
        Column("Up-to-date", number("status", "updatedReplicas"), type="integer"),
        Column("Available", number("status", "availableReplicas"), type="integer"),
        AGE,
        *wide_columns(*_TEMPLATE),
        SELECTOR,
    ),
    has_status=True,
    has_generation=True,
    scale=REPLICAS,
    default=_default_deployment,
    begin=_begin_deployment,
    validate=typed(_validate_deployment),
    validate_update=_update_selector,
)
CONTROLLERREVISION = Kind(
    CONTROLLERREVISIONS,
    columns=(
        NAME,
        Column("Controller", _controller),
        Column("Revision", number("revision"), type="integer"),
        AGE,
    ),
    validate=_validate_revision,
    validate_update=_update_revision,
)
KINDS = (REPLICASET, DEPLOYMENT, CONTROLLERREVISION)
