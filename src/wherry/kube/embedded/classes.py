"""Classes of pods and of storage, volumes and budgets: what a cluster's users look at beside their own objects.

Rows of the registry.  Kept and shown; there is one kind of storage here (folders of this machine, made with their
claims) and pods are admitted in the order in which they come.  Invariant: what makes a class what it is never changes.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

from wherry.kube.embedded.causes import (
    choice,
    forbidden_field,
    immutable,
    invalid_value,
    mapping_at,
    required,
    whole,
)
from wherry.kube.embedded.claims import ACCESS_MODES, modes_cell
from wherry.kube.embedded.columns import AGE, NAME, Cell, Column, at, text
from wherry.kube.embedded.kinds import Kind
from wherry.kube.errors import Cause
from wherry.kube.patches import same
from wherry.kube.protocol import Object
from wherry.kube.quantities import parse
from wherry.kube.resources import PERSISTENTVOLUMES, PODDISRUPTIONBUDGETS, PRIORITYCLASSES, STORAGECLASSES

_HIGHEST = 1_000_000_000  # of a user's own; what is above is the system's
_SYSTEM = {"system-cluster-critical": 2_000_000_000, "system-node-critical": 2_000_001_000}
_POLICIES = ("PreemptLowerPriority", "Never")
_RECLAIM = ("Delete", "Retain", "Recycle")
_BINDING = ("Immediate", "WaitForFirstConsumer")
_DEFAULT_CLASS = "storageclass.kubernetes.io/is-default-class"


def _default_priority(obj: Object) -> None:
    if obj.get("preemptionPolicy") is None:
        obj["preemptionPolicy"] = _POLICIES[0]
    obj.setdefault("value", 0)


def _validate_priority(obj: Object) -> list[Cause]:
    causes: list[Cause] = list(choice("preemptionPolicy", obj.get("preemptionPolicy"), _POLICIES))
    value: Any = obj.get("value")
    name = str(obj["metadata"].get("name"))
    if not whole(value):
        causes.append(invalid_value("value", value, "must be an integer"))
    elif name.startswith("system-"):
        if _SYSTEM.get(name) != value:
            why = (
                "priority class names with 'system-' prefix are reserved for system use only. error: "
                f"{name} is not a known system priority class"
            )
            causes.append(forbidden_field("metadata.name", why))
    elif value > _HIGHEST:
        why = f"maximum allowed value of a user defined priority is {_HIGHEST}"
        causes.append(forbidden_field("value", why))
    return causes


def _update_priority(old: Object, new: Object) -> list[Cause]:
    causes = (
        [] if old.get("value") == new.get("value") else [forbidden_field("value", "may not be changed in an update.")]
    )
    if old.get("preemptionPolicy") != new.get("preemptionPolicy"):
        causes.append(immutable("preemptionPolicy", new.get("preemptionPolicy")))
    return causes


def _default_storage_class(obj: Object) -> None:
    for key, value in (("reclaimPolicy", "Delete"), ("volumeBindingMode", "Immediate")):
        if not obj.get(key):
            obj[key] = value


def _validate_storage_class(obj: Object) -> list[Cause]:
    causes = [] if obj.get("provisioner") else [required("provisioner")]
    causes += choice("reclaimPolicy", obj.get("reclaimPolicy"), _RECLAIM[:2])
    causes += choice("volumeBindingMode", obj.get("volumeBindingMode"), _BINDING)
    return causes


def _update_storage_class(old: Object, new: Object) -> list[Cause]:
    causes: list[Cause] = []
    for field in ("parameters", "provisioner"):
        if not same(old.get(field), new.get(field)):
            causes.append(forbidden_field(field, f"updates to {field} are forbidden."))
    for field in ("reclaimPolicy", "volumeBindingMode"):
        if old.get(field) != new.get(field):
            causes.append(immutable(field, new.get(field)))
    return causes


def _default_volume(obj: Object) -> None:
    spec: Any = obj.get("spec")
    if isinstance(spec, dict):
        fields = cast("dict[str, Any]", spec)
        fields.setdefault("persistentVolumeReclaimPolicy", "Retain")
        fields.setdefault("volumeMode", "Filesystem")


def _begin_volume(obj: Object) -> None:
    bound = at(obj, "spec", "claimRef") is not None
    obj["status"] = {"phase": "Bound" if bound else "Available"}


def _validate_volume(obj: Object) -> list[Cause]:
    spec: Any = obj.get("spec")
    if not isinstance(spec, dict):
        return [required("spec")]
    return list(_volume(cast("dict[str, Any]", spec)))


def _volume(spec: dict[str, Any]) -> Iterator[Cause]:
    modes: Any = spec.get("accessModes")
    if not isinstance(modes, list) or not modes:
        yield required("spec.accessModes")
    else:
        for mode in cast("list[Any]", modes):
            yield from choice("spec.accessModes", mode, ACCESS_MODES)
    storage: Any = at(spec, "capacity", "storage")
    if storage is None:
        yield required("spec.capacity")
    else:
        try:
            parse(storage)
        except (TypeError, ValueError) as problem:
            yield invalid_value("spec.capacity[storage]", storage, str(problem))
    yield from choice("spec.persistentVolumeReclaimPolicy", spec.get("persistentVolumeReclaimPolicy"), _RECLAIM)
    if spec.get("volumeMode") != "Filesystem":
        yield invalid_value("spec.volumeMode", spec.get("volumeMode"), "volumes are folders of this machine")


def _validate_budget(obj: Object) -> list[Cause]:
    causes: list[Cause] = []
    spec = mapping_at(obj, "spec", "spec", causes)
    if spec is None:
        return causes
    least, most = spec.get("minAvailable"), spec.get("maxUnavailable")
    if least is not None and most is not None:
        causes.append(invalid_value("spec", spec, "minAvailable and maxUnavailable cannot be both set"))
    for field, value in (("minAvailable", least), ("maxUnavailable", most)):
        if value is not None and not _share(value):
            why = "must be an integer, or a percentage from 0% to 100%"
            causes.append(invalid_value(f"spec.{field}", value, why))
    return causes


def _share(value: Any) -> bool:
    if isinstance(value, str):
        return value.endswith("%") and value[:-1].isascii() and value[:-1].isdecimal() and int(value[:-1]) <= 100
    return whole(value) and value >= 0


def _begin_budget(obj: Object) -> None:
    obj["status"] = {"currentHealthy": 0, "desiredHealthy": 0, "disruptionsAllowed": 0, "expectedPods": 0}


def _is_default(obj: Object, now: float) -> bool:
    return obj.get("globalDefault") is True


def _number(*path: str) -> Cell:
    def cell(obj: Object, now: float) -> int:
        value = at(obj, *path)
        return value if whole(value) else 0

    return cell


def _expands(obj: Object, now: float) -> str:
    return "true" if obj.get("allowVolumeExpansion") is True else "false"


def _class_name(obj: Object, now: float) -> str:
    name = str(at(obj, "metadata", "name") or "")
    return f"{name} (default)" if at(obj, "metadata", "annotations", _DEFAULT_CLASS) == "true" else name


def _claim(obj: Object, now: float) -> str:
    namespace, name = (at(obj, "spec", "claimRef", key) for key in ("namespace", "name"))
    return f"{namespace}/{name}" if name else ""


def _share_cell(key: str) -> Column:
    name = "Min Available" if key == "minAvailable" else "Max Unavailable"
    return Column(name, text("spec", key, default="N/A"))


PRIORITY_CLASS = Kind(
    PRIORITYCLASSES,
    short_names=("pc",),
    columns=(
        NAME,
        Column("Value", _number("value"), type="integer"),
        Column("Global-Default", _is_default, type="boolean"),
        AGE,
        Column("PreemptionPolicy", text("preemptionPolicy")),
    ),
    has_generation=True,
    default=_default_priority,
    validate=_validate_priority,
    validate_update=_update_priority,
)
STORAGE_CLASS = Kind(
    STORAGECLASSES,
    short_names=("sc",),
    columns=(
        NAME._replace(cell=_class_name),
        Column("Provisioner", text("provisioner")),
        Column("ReclaimPolicy", text("reclaimPolicy")),
        Column("VolumeBindingMode", text("volumeBindingMode")),
        Column("AllowVolumeExpansion", _expands),
        AGE,
    ),
    default=_default_storage_class,
    validate=_validate_storage_class,
    validate_update=_update_storage_class,
)
VOLUME = Kind(
    PERSISTENTVOLUMES,
    short_names=("pv",),
    columns=(
        NAME,
        Column("Capacity", text("spec", "capacity", "storage")),
        Column("Access Modes", modes_cell),
        Column("Reclaim Policy", text("spec", "persistentVolumeReclaimPolicy")),
        Column("Status", text("status", "phase")),
        Column("Claim", _claim),
        Column("StorageClass", text("spec", "storageClassName")),
        Column("VolumeAttributesClass", text("spec", "volumeAttributesClassName", default="<unset>")),
        Column("Reason", text("status", "reason")),
        AGE,
        Column("VolumeMode", text("spec", "volumeMode"), priority=1),
    ),
    has_status=True,
    default=_default_volume,
    begin=_begin_volume,
    validate=_validate_volume,
)
BUDGET = Kind(
    PODDISRUPTIONBUDGETS,
    short_names=("pdb",),
    columns=(
        NAME,
        _share_cell("minAvailable"),
        _share_cell("maxUnavailable"),
        Column("Allowed Disruptions", _number("status", "disruptionsAllowed"), type="integer"),
        AGE,
    ),
    has_status=True,
    has_generation=True,
    begin=_begin_budget,
    validate=_validate_budget,
)
KINDS = (PRIORITY_CLASS, STORAGE_CLASS, VOLUME, BUDGET)
