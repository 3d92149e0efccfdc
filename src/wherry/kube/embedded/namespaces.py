"""Namespaces, service accounts and events: the small kinds that belong to the API server itself.

Rows of the registry.  Invariant: a namespace carries its own name as a label and the `kubernetes` finalizer until it
is empty, and begins with an account; an event lies in the namespace of what it is about and vanishes after an hour.
"""

from __future__ import annotations

from typing import Any, cast

from wherry.kube.embedded.columns import AGE, NAME, Column, at, list_length, since, text
from wherry.kube.embedded.kinds import METADATA_FIELDS, Kind
from wherry.kube.errors import Cause
from wherry.kube.names import dns_label_error
from wherry.kube.protocol import Object
from wherry.kube.resources import EVENTS, NAMESPACES, SERVICEACCOUNTS

DEFAULT_NAMESPACES = ("default", "kube-system", "kube-public", "kube-node-lease")
NAME_LABEL = "kubernetes.io/metadata.name"
DEFAULT_ACCOUNT = "default"  # the service account that every namespace has
EVENT_TTL_S = 3600.0  # as the API server's --event-ttl


def _default_namespace(obj: Object) -> None:
    metadata: dict[str, Any] = obj["metadata"]
    labels: Any = metadata.get("labels")
    if labels is None or isinstance(labels, dict):
        metadata["labels"] = {**cast("dict[str, str]", labels or {}), NAME_LABEL: metadata.get("name")}
    if not isinstance(obj.get("spec"), dict):
        obj["spec"] = {}


def _begin_namespace(obj: Object) -> None:
    obj["spec"]["finalizers"] = ["kubernetes"]
    obj["status"] = {"phase": "Active"}


def _update_namespace(old: Object, new: Object) -> list[Cause]:
    # The spec's finalizers change through the `finalize` subresource only; the update strategy keeps them.
    new["spec"]["finalizers"] = old["spec"].get("finalizers", [])
    return []


def default_account(namespace: str) -> Object:
    """The account that the server makes in a new namespace."""
    metadata = {"name": DEFAULT_ACCOUNT, "namespace": namespace}
    return {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata}


def _default_event(obj: Object) -> None:
    if not obj.get("type"):
        obj["type"] = "Normal"


def _validate_event(obj: Object) -> list[Cause]:
    about: Any = obj.get("involvedObject")
    if not isinstance(about, dict):
        return [Cause("involvedObject", "Required value", "FieldValueRequired")]
    causes: list[Cause] = []
    namespace: str = obj["metadata"]["namespace"]
    about_namespace: Any = cast("dict[str, Any]", about).get("namespace") or "default"
    if about_namespace != namespace:
        causes.append(
            Cause("involvedObject.namespace", f'Invalid value: "{about_namespace}": does not match event.namespace')
        )
    if obj["type"] not in ("Normal", "Warning"):
        causes.append(Cause("type", f'Invalid value: "{obj["type"]}": must be Normal or Warning'))
    return causes


def _last_seen(event: Object, now: float) -> str:
    moments = (event.get("lastTimestamp"), event.get("eventTime"), at(event, "metadata", "creationTimestamp"))
    return since(next(filter(None, moments), None), now)


def _involved(event: Object, now: float) -> str:
    kind, name = at(event, "involvedObject", "kind"), at(event, "involvedObject", "name")
    return f"{str(kind or '').lower()}/{name or ''}"


_EVENT_COLUMNS = (
    Column("Last Seen", _last_seen),
    Column("Type", text("type")),
    Column("Reason", text("reason")),
    Column("Object", _involved),
    Column("Subobject", text("involvedObject", "fieldPath"), priority=1),
    Column("Source", text("source", "component"), priority=1),
    Column("Message", text("message")),
    Column("Count", text("count", default="1"), priority=1),
    NAME._replace(priority=1),
)

NAMESPACE = Kind(
    NAMESPACES,
    short_names=("ns",),
    columns=(NAME, Column("Status", text("status", "phase")), AGE),
    fields={"metadata.name": ("metadata", "name"), "status.phase": ("status", "phase")},
    has_status=True,
    name_error=dns_label_error,
    default=_default_namespace,
    begin=_begin_namespace,
    validate_update=_update_namespace,
)
ACCOUNT = Kind(
    SERVICEACCOUNTS,
    short_names=("sa",),
    columns=(NAME, Column("Secrets", list_length("secrets"), type="integer"), AGE),
)
EVENT = Kind(
    EVENTS,
    short_names=("ev",),
    columns=_EVENT_COLUMNS,
    fields={
        **METADATA_FIELDS,
        **{
            f"involvedObject.{name}": ("involvedObject", name)
            for name in ("kind", "namespace", "name", "uid", "apiVersion", "resourceVersion", "fieldPath")
        },
        "reason": ("reason",),
        "reportingComponent": ("reportingComponent",),
        "source": ("source", "component"),
        "type": ("type",),
    },
    default=_default_event,
    validate=_validate_event,
    ttl_s=EVENT_TTL_S,
)
