"""StatefulSets: pods with names and storage of their own.

A row of the registry; the controller is `controllers.statefulsets`.  Source: the validation of apps/v1.  Invariant:
what its pods are called by and what they keep never changes.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

from wherry.kube.embedded.causes import objects
from wherry.kube.embedded.claims import CLAIM
from wherry.kube.embedded.columns import AGE, NAME, Column
from wherry.kube.embedded.kinds import Kind
from wherry.kube.embedded.scales import REPLICAS
from wherry.kube.embedded.workload_rules import (
    bad,
    counts,
    default_pods,
    default_spec,
    forbidden,
    mapping,
    own_selector,
    ready_of_wanted,
    share_problem,
    template_causes,
    typed,
    unsupported,
    wide_columns,
)
from wherry.kube.errors import Cause
from wherry.kube.names import dns_label_error
from wherry.kube.patches import same
from wherry.kube.protocol import Object
from wherry.kube.resources import STATEFULSETS

_MANAGEMENT = ("OrderedReady", "Parallel")
_STRATEGIES = ("OnDelete", "RollingUpdate")
_RETENTION = ("Delete", "Retain")
_MAY_CHANGE = (
    "replicas",
    "ordinals",
    "template",
    "updateStrategy",
    "revisionHistoryLimit",
    "persistentVolumeClaimRetentionPolicy",
    "minReadySeconds",
)


def _default_set(obj: Object) -> None:
    spec = default_spec(obj, {"replicas": 1, "podManagementPolicy": "OrderedReady", "revisionHistoryLimit": 10})
    if not spec:
        return
    default_pods(spec)
    strategy: Any = spec.setdefault("updateStrategy", {})
    if isinstance(strategy, dict):
        said = cast("dict[str, Any]", strategy)
        said["type"] = said.get("type") or "RollingUpdate"
        if said["type"] == "RollingUpdate" and isinstance(said.setdefault("rollingUpdate", {}), dict):
            said["rollingUpdate"].setdefault("partition", 0)
    retention: Any = spec.setdefault("persistentVolumeClaimRetentionPolicy", {})
    if isinstance(retention, dict):
        for key in ("whenDeleted", "whenScaled"):
            cast("dict[str, Any]", retention).setdefault(key, "Retain")
    for claim in objects(spec, "volumeClaimTemplates"):
        claim.setdefault("apiVersion", "v1")
        claim.setdefault("kind", "PersistentVolumeClaim")
        CLAIM.default(claim)
        claim.setdefault("status", {"phase": "Pending"})


def _begin_set(obj: Object) -> None:
    obj["status"] = {"replicas": 0, "availableReplicas": 0}


def _validate_set(obj: Object) -> list[Cause]:
    spec: dict[str, Any] = obj["spec"]
    name: Any = spec.get("serviceName")
    causes = list(counts(spec, "replicas", "minReadySeconds", "revisionHistoryLimit"))
    if spec.get("podManagementPolicy") not in _MANAGEMENT:
        why = "must be 'OrderedReady' or 'Parallel'"
        causes.append(bad("spec.podManagementPolicy", spec.get("podManagementPolicy"), why))
    if name is not None and not isinstance(name, str):
        causes.append(bad("spec.serviceName", name, "must be a string"))
    causes += counts(mapping(spec.get("ordinals")), "start", prefix="spec.ordinals")
    causes += _strategy(mapping(spec.get("updateStrategy")))
    causes += own_selector(spec, empty="empty selector is invalid for statefulset")
    retention = mapping(spec.get("persistentVolumeClaimRetentionPolicy"))
    causes += [
        unsupported(f"spec.persistentVolumeClaimRetentionPolicy.{key}", retention.get(key), _RETENTION)
        for key in ("whenDeleted", "whenScaled")
        if retention.get(key) not in _RETENTION
    ]
    return [*causes, *_claims(spec), *template_causes(_with_claims(spec), kind="StatefulSet")]


def _strategy(strategy: dict[str, Any]) -> Iterator[Cause]:
    field, rolling = "spec.updateStrategy", strategy.get("rollingUpdate")
    if strategy.get("type") not in _STRATEGIES:
        yield bad(f"{field}.type", strategy.get("type"), "must be 'RollingUpdate' or 'OnDelete'")
    elif strategy["type"] == "OnDelete" and rolling is not None:
        yield bad(f"{field}.rollingUpdate", rolling, "only allowed for updateStrategy 'RollingUpdate'")
    said = mapping(rolling)
    yield from counts(said, "partition", prefix=f"{field}.rollingUpdate")
    most = said.get("maxUnavailable")
    if most is not None and (problem := share_problem(most)):
        yield bad(f"{field}.rollingUpdate.maxUnavailable", most, problem)
    elif most in (0, "0%"):
        yield bad(f"{field}.rollingUpdate.maxUnavailable", most, "cannot be 0")


def _claims(spec: dict[str, Any]) -> Iterator[Cause]:
    names: set[str] = set()
    for index, claim in enumerate(objects(spec, "volumeClaimTemplates")):
        field = f"spec.volumeClaimTemplates[{index}]"
        name = mapping(claim.get("metadata")).get("name")
        if not isinstance(name, str) or dns_label_error(name):
            yield bad(f"{field}.metadata.name", name, dns_label_error(str(name or "")) or "must be a string")
        elif name in names:
            yield Cause(f"{field}.metadata.name", f'Duplicate value: "{name}"', "FieldValueDuplicate")
        else:
            names.add(name)
        for cause in CLAIM.validate(claim):
            yield cause._replace(field=f"{field}.{cause.field}")


def _with_claims(spec: dict[str, Any]) -> dict[str, Any]:
    """The spec as its pods will be: each claim is a volume by its name."""
    template = mapping(spec.get("template"))
    pod: Any = template.get("spec")
    names = [mapping(claim.get("metadata")).get("name") for claim in objects(spec, "volumeClaimTemplates")]
    if not names or not isinstance(pod, dict):
        return spec
    fields = cast("dict[str, Any]", pod)
    kept = [volume for volume in objects(fields, "volumes") if volume.get("name") not in names]
    claimed = [{"name": name, "persistentVolumeClaim": {"claimName": "claim"}} for name in names if name]
    return {**spec, "template": {**template, "spec": {**fields, "volumes": [*kept, *claimed]}}}


def _update_set(old: Object, new: Object) -> list[Cause]:
    before, after = ({k: v for k, v in obj["spec"].items() if k not in _MAY_CHANGE} for obj in (old, new))
    if same(before, after):
        return []
    *names, last = (f"'{name}'" for name in _MAY_CHANGE)
    why = f"updates to statefulset spec for fields other than {', '.join(names)} and {last} are forbidden"
    return [forbidden("spec", why)]


STATEFULSET = Kind(
    STATEFULSETS,
    short_names=("sts",),
    categories=("all",),
    columns=(NAME, Column("Ready", ready_of_wanted), AGE, *wide_columns("spec", "template", "spec")),
    has_status=True,
    has_generation=True,
    scale=REPLICAS,
    default=_default_set,
    begin=_begin_set,
    validate=typed(_validate_set),
    validate_update=_update_set,
)
KINDS = (STATEFULSET,)
