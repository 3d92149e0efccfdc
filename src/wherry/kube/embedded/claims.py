"""PersistentVolumeClaims: storage that outlives a pod.

A row of the registry.  Invariant: a claim is bound when it is made, for its volume is a folder of this machine
(`node.claims`): its own, `pvc-<uid>`, or one that is there already, named by `spec.volumeName`.
"""

from __future__ import annotations

from typing import Any, cast

from wherry.kube.embedded.columns import AGE, NAME, Column, at, text
from wherry.kube.embedded.kinds import METADATA_FIELDS, Kind
from wherry.kube.errors import Cause
from wherry.kube.names import dns_subdomain_error
from wherry.kube.patches import same
from wherry.kube.protocol import Object
from wherry.kube.quantities import parse
from wherry.kube.resources import PERSISTENTVOLUMECLAIMS

PROTECTION = "kubernetes.io/pvc-protection"
"""The finalizer that keeps a claim while a pod uses it; the node agent takes it away."""
ACCESS_MODES = ("ReadWriteOnce", "ReadOnlyMany", "ReadWriteMany", "ReadWriteOncePod")


def own_volume(uid: str) -> str:
    """The name of the volume that is made for a claim."""
    return f"pvc-{uid}"


def _default_claim(obj: Object) -> None:
    spec = obj.get("spec")
    if isinstance(spec, dict):
        cast("dict[str, Any]", spec).setdefault("volumeMode", "Filesystem")


def _begin_claim(obj: Object) -> None:
    metadata, spec = obj["metadata"], obj["spec"]
    metadata["finalizers"] = [*(metadata.get("finalizers") or ()), PROTECTION]
    if not spec.get("volumeName"):
        spec["volumeName"] = own_volume(metadata["uid"])
    obj["status"] = {
        "phase": "Bound",
        "accessModes": spec["accessModes"],
        "capacity": {"storage": spec["resources"]["requests"]["storage"]},
    }


def _validate_claim(obj: Object) -> list[Cause]:
    spec: Any = obj.get("spec")
    if not isinstance(spec, dict):
        return [Cause("spec", "Required value", "FieldValueRequired")]
    fields = cast("dict[str, Any]", spec)
    causes = [*_access_modes(fields.get("accessModes")), *_storage(fields)]
    name: Any = fields.get("volumeName") or ""
    if name and (not isinstance(name, str) or dns_subdomain_error(name)):
        why = dns_subdomain_error(str(name)) or "must be a string"
        causes.append(Cause("spec.volumeName", f"Invalid value: {name!r}: {why}"))
    if fields.get("volumeMode") != "Filesystem":
        message = f"Invalid value: {fields.get('volumeMode')!r}: volumes are folders of this machine"
        causes.append(Cause("spec.volumeMode", message))
    causes += [
        Cause(f"spec.{key}", "Forbidden: this machine has no snapshots and makes no clones", "FieldValueForbidden")
        for key in ("dataSource", "dataSourceRef")
        if fields.get(key)
    ]
    return causes


def _access_modes(modes: Any) -> list[Cause]:
    if not isinstance(modes, list) or not modes:
        return [Cause("spec.accessModes", "Required value: at least 1 access mode is required", "FieldValueRequired")]
    listed = ", ".join(f'"{name}"' for name in sorted(ACCESS_MODES))
    return [
        Cause("spec.accessModes", f"Unsupported value: {mode!r}: supported values: {listed}", "FieldValueNotSupported")
        for mode in cast("list[Any]", modes)
        if mode not in ACCESS_MODES
    ]


def _storage(spec: dict[str, Any]) -> list[Cause]:
    field = "spec.resources[storage]"
    value: Any = spec.get("resources")
    for key in ("requests", "storage"):
        value = cast("dict[str, Any]", value).get(key) if isinstance(value, dict) else None
    if value is None:
        return [Cause(field, "Required value", "FieldValueRequired")]
    try:
        amount = parse(value)
    except (TypeError, ValueError) as error:
        return [Cause(field, f"Invalid value: {value!r}: {error}")]
    return [] if amount > 0 else [Cause(field, f"Invalid value: {value!r}: must be greater than zero")]


def _update_claim(old: Object, new: Object) -> list[Cause]:
    """A bound claim may ask for more, and for nothing else."""
    before, after = dict(old["spec"]), dict(new["spec"])
    asked, wanted = (spec.pop("resources")["requests"]["storage"] for spec in (before, after))
    if not same(before, after):
        why = "Forbidden: spec is immutable after creation except resources.requests for bound claims"
        return [Cause("spec", why, "FieldValueForbidden")]
    if parse(wanted) < parse(asked):
        why = "Forbidden: field can not be less than previous value"
        return [Cause("spec.resources.requests.storage", why, "FieldValueForbidden")]
    return []


_MODES = {"ReadWriteOnce": "RWO", "ReadOnlyMany": "ROX", "ReadWriteMany": "RWX", "ReadWriteOncePod": "RWOP"}


def modes_cell(claim: Object, now: float) -> str:
    """The access modes of a claim or a volume, as kubectl shortens them."""
    modes: list[Any] = at(claim, "status", "accessModes") or at(claim, "spec", "accessModes") or []
    return ",".join(_MODES.get(str(mode), str(mode)) for mode in modes)


_COLUMNS = (
    NAME,
    Column("Status", text("status", "phase")),
    Column("Volume", text("spec", "volumeName")),
    Column("Capacity", text("status", "capacity", "storage")),
    Column("Access Modes", modes_cell),
    Column("StorageClass", text("spec", "storageClassName")),
    AGE,
)
CLAIM = Kind(
    PERSISTENTVOLUMECLAIMS,
    short_names=("pvc",),
    columns=_COLUMNS,
    fields={**METADATA_FIELDS, "status.phase": ("status", "phase")},
    has_status=True,
    default=_default_claim,
    begin=_begin_claim,
    validate=_validate_claim,
    validate_update=_update_claim,
)
