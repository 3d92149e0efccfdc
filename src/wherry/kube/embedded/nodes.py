"""Nodes and leases: the machine as the cluster's one node, and who holds what.

Rows of the registry; the node agent writes the home's own node (`node.identity`).  Invariant: only what a node says of
itself is in its status; a cordoned node keeps its word, for there is one to schedule on.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

from wherry.kube.embedded.causes import invalid_value, mappings_at, objects, required, whole
from wherry.kube.embedded.columns import AGE, NAME, Column, at, text
from wherry.kube.embedded.kinds import METADATA_FIELDS, Kind
from wherry.kube.errors import Cause
from wherry.kube.names import qualified_name_error
from wherry.kube.protocol import Object
from wherry.kube.resources import LEASES, NODES

_ROLE = "node-role.kubernetes.io/"
_EFFECTS = ("NoSchedule", "PreferNoSchedule", "NoExecute")


def _default_node(obj: Object) -> None:
    if not isinstance(obj.get("spec"), dict):
        obj["spec"] = {}


def _validate_node(obj: Object) -> list[Cause]:
    causes: list[Cause] = []
    for index, taint in enumerate(mappings_at(obj["spec"], "taints", "spec.taints", causes)):
        key, effect = taint.get("key"), taint.get("effect")
        if not isinstance(key, str) or (why := qualified_name_error(key)):
            why = qualified_name_error(str(key or ""))
            causes.append(invalid_value(f"spec.taints[{index}].key", key, why))
        if effect not in _EFFECTS:
            listed = ", ".join(f'"{name}"' for name in sorted(_EFFECTS))
            why = f"Unsupported value: {effect!r}: supported values: {listed}"
            causes.append(Cause(f"spec.taints[{index}].effect", why, "FieldValueNotSupported"))
    return causes


def _ready(node: Object, now: float) -> str:
    found = [each for each in objects(at(node, "status") or {}, "conditions") if each.get("type") == "Ready"]
    words = ["Ready" if each.get("status") == "True" else "NotReady" for each in found] or ["Unknown"]
    if at(node, "spec", "unschedulable") is True:
        words.append("SchedulingDisabled")
    return ",".join(words)


def _roles(node: Object, now: float) -> str:
    labels: Any = at(node, "metadata", "labels")
    names = cast("dict[str, Any]", labels) if isinstance(labels, dict) else {}
    found = sorted(name.removeprefix(_ROLE) for name in names if name.startswith(_ROLE) and name != _ROLE)
    return ",".join(found) or "<none>"


def _address(kind: str) -> Column:
    def cell(node: Object, now: float) -> str:
        found = objects(at(node, "status") or {}, "addresses")
        return next((str(each.get("address")) for each in found if each.get("type") == kind), "<none>")

    return Column("Internal-IP" if kind == "InternalIP" else "External-IP", cell, priority=1)


def _info(name: str, field: str) -> Column:
    return Column(name, text("status", "nodeInfo", field, default="<unknown>"), priority=1)


def _validate_lease(obj: Object) -> list[Cause]:
    spec: Any = obj.get("spec")
    if spec is None:
        return []
    if not isinstance(spec, dict):
        return [required("spec")]
    return list(_lease(cast("dict[str, Any]", spec)))


def _lease(spec: dict[str, Any]) -> Iterator[Cause]:
    duration, transitions = spec.get("leaseDurationSeconds"), spec.get("leaseTransitions")
    if duration is not None and (not whole(duration) or duration <= 0):
        yield invalid_value("spec.leaseDurationSeconds", duration, "must be greater than 0")
    if transitions is not None and (not whole(transitions) or transitions < 0):
        yield invalid_value("spec.leaseTransitions", transitions, "must be greater than or equal to 0")


NODE = Kind(
    NODES,
    short_names=("no",),
    columns=(
        NAME,
        Column("Status", _ready),
        Column("Roles", _roles),
        AGE,
        Column("Version", text("status", "nodeInfo", "kubeletVersion")),
        _address("InternalIP"),
        _address("ExternalIP"),
        _info("OS-Image", "osImage"),
        _info("Kernel-Version", "kernelVersion"),
        _info("Container-Runtime", "containerRuntimeVersion"),
    ),
    fields={"metadata.name": METADATA_FIELDS["metadata.name"], "spec.unschedulable": ("spec", "unschedulable")},
    has_status=True,
    default=_default_node,
    validate=_validate_node,
)
LEASE = Kind(LEASES, columns=(NAME, Column("Holder", text("spec", "holderIdentity")), AGE), validate=_validate_lease)
KINDS = (NODE, LEASE)
