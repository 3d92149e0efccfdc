"""Which names a CustomResourceDefinition is given: those that no other one of its group has.

Called by `definitions` when one is written and by `deletion` when one ends.  Source: "Kubernetes API Reference",
CustomResourceDefinitionStatus; the reasons and messages of its conditions.  Invariants: a name within a group belongs
to at most one definition; who was refused is given its names by the transaction that sets them free.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

import msgspec

from wherry.kube.embedded.transaction import Transaction
from wherry.kube.errors import Cause
from wherry.kube.protocol import Object
from wherry.kube.resources import CUSTOMRESOURCEDEFINITIONS
from wherry.kube.times import timestamp

CLEANUP = "customresourcecleanup.apiextensions.k8s.io"
"""The finalizer that keeps a definition while there are objects of its kind."""
TABLE = CUSTOMRESOURCEDEFINITIONS.qualified
_REASONS = {"plural": "Plural", "singular": "Singular", "kind": "Kind", "listKind": "ListKind"}


class _Names(msgspec.Struct, rename="camel"):
    plural: str = ""
    singular: str = ""
    kind: str = ""
    list_kind: str = ""
    short_names: list[str] = msgspec.field(default_factory=list[str])


class _Status(msgspec.Struct, rename="camel"):
    accepted_names: _Names = msgspec.field(default_factory=_Names)


class _Neighbour(msgspec.Struct):
    status: _Status = msgspec.field(default_factory=_Status)


_neighbour = msgspec.json.Decoder(_Neighbour)


def accept(transaction: Transaction, obj: Object, old: Object | None) -> list[Cause]:
    """Writes into the status of a definition, in place, which of its names it has, and where its objects may lie."""
    metadata, spec = obj["metadata"], obj["spec"]
    if old is None:
        finalizers: list[str] = metadata.get("finalizers") or []
        metadata["finalizers"] = [*finalizers, *([] if CLEANUP in finalizers else [CLEANUP])]
    status: Object = dict(obj.get("status") or {})
    stored: list[str] = list(status.get("storedVersions") or [])
    storage = next(version["name"] for version in spec["versions"] if version.get("storage"))
    status["storedVersions"] = stored if storage in stored else [*stored, storage]
    obj["status"] = _named(transaction, metadata["name"], spec, status)
    return []


def release(transaction: Transaction, group: str) -> None:
    """Gives names of a group that have become free to those that wait for them."""
    kind = transaction.registry.of_table(TABLE)
    for name, _ in list(_in_group(transaction, group)):
        stored = transaction.load(kind, "", name)
        if stored is None or "deletionTimestamp" in stored.metadata:
            continue
        before: Object = stored.object.get("status") or {}
        if _condition(before, "NamesAccepted").get("status") != "True":
            status = _named(transaction, name, stored.object["spec"], before)
            if status != before:
                transaction.put(stored, {**stored.object, "status": status})


def _in_group(transaction: Transaction, group: str) -> Iterator[tuple[str, bytes]]:
    """Names and bodies of the definitions of a group, by name."""
    yield from transaction.tx.execute(
        "SELECT name, body FROM kube_object WHERE resource = ? AND namespace = '' AND"
        " substr(name, instr(name, '.') + 1) = ? ORDER BY name",
        (TABLE, group),
    ).fetchall()


def _named(transaction: Transaction, name: str, spec: Object, status: Object) -> Object:
    """The status with the names that are free or its own already, and the two conditions that follow."""
    resources, kinds = set[str](), set[str]()
    for other, body in _in_group(transaction, spec["group"]):
        if other != name:
            names = _neighbour.decode(body).status.accepted_names
            resources |= {names.plural, names.singular, *names.short_names}
            kinds |= {names.kind, names.list_kind}
    wanted, accepted = spec["names"], dict(status.get("acceptedNames") or {})
    reason = message = ""
    for key in ("plural", "singular", "shortNames", "kind", "listKind"):
        used = kinds if key in ("kind", "listKind") else resources
        value: Any = wanted.get(key)
        asked, own = _listed(value), _listed(accepted.get(key))
        taken = [each for each in asked if each in used and each not in own]
        if taken:
            reason = f"{_REASONS.get(key, 'ShortNames')}Conflict"
            told = [f'"{each}" is already in use' for each in taken]
            message = told[0] if len(told) == 1 else f"[{', '.join(told)}]"
        elif value:
            accepted[key] = value
        else:
            accepted.pop(key, None)
    accepted.pop("categories", None)
    if wanted.get("categories"):
        accepted["categories"] = wanted["categories"]
    now, new = timestamp(transaction.now), {**status, "acceptedNames": accepted}
    if reason:
        _set(new, now, "NamesAccepted", "False", reason, message)
        if _condition(new, "Established").get("status") != "True":
            _set(new, now, "Established", "False", "NotAccepted", "not all names are accepted")
    else:
        _set(new, now, "NamesAccepted", "True", "NoConflicts", "no conflicts found")
        _set(new, now, "Established", "True", "InitialNamesAccepted", "the initial names have been accepted")
    return new


def _listed(value: Any) -> list[str]:
    return cast("list[str]", value) if isinstance(value, list) else [value] if value else []


def ending(status: Object, now: str) -> Object:
    """The status of a definition whose objects are being deleted."""
    new = dict(status)
    _set(new, now, "Terminating", "True", "InstanceDeletionInProgress", "CustomResource deletion is in progress")
    return new


def _condition(status: Object, type: str) -> Object:
    conditions: list[Object] = status.get("conditions") or []
    nothing: Object = {}
    return next((each for each in conditions if each.get("type") == type), nothing)


def _set(status: Object, now: str, type: str, value: str, reason: str, message: str) -> None:
    """Puts a condition into a status whose list may be shared; its time changes with its value alone."""
    old = _condition(status, type)
    since = old.get("lastTransitionTime", now) if old.get("status") == value else now
    new = {"type": type, "status": value, "lastTransitionTime": since, "reason": reason, "message": message}
    conditions: list[Object] = status.get("conditions") or []
    if old:
        status["conditions"] = [new if each is old else each for each in conditions]
    else:
        status["conditions"] = [*conditions, new]
