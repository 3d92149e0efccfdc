"""Rules for metadata that all kinds share: what the server sets, what a client may say, what may change.

Called by `writes`.  Invariant: after these functions the metadata of an object is complete and valid, or a KubeError
names the fields ("API conventions", metadata; "ValidateObjectMeta").
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from wherry.kube.embedded.kinds import Kind
from wherry.kube.errors import Cause, bad_request, conflict, invalid
from wherry.kube.names import label_value_error, qualified_name_error
from wherry.kube.protocol import Object
from wherry.kube.resources import CUSTOMRESOURCEDEFINITIONS
from wherry.kube.times import seconds_of, timestamp
from wherry.seams import Ids

ANNOTATIONS_LIMIT_BYTES = 256 * 1024

# What only the server says; a client's word on a new object is dropped.
_SERVER_SET = (
    "uid",
    "creationTimestamp",
    "generation",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "selfLink",
    "managedFields",
)
# What never changes once it is set; leaving it out means "as it was".
_IMMUTABLE = ("name", "namespace", "uid", "deletionTimestamp", "deletionGracePeriodSeconds")
_CHECKED = ("labels", "annotations", "finalizers", "ownerReferences", "name", "namespace")  # what `check` looks at
_LEGACY_FINALIZERS = frozenset(["orphan", "foregroundDeletion", "kubernetes"])


def metadata_of(obj: Object) -> dict[str, Any]:
    """The object's metadata; raises BadRequest when it has none that is a mapping."""
    metadata = obj.get("metadata")
    if not isinstance(metadata, dict):
        raise bad_request("the object needs metadata")
    return cast("dict[str, Any]", metadata)


def begin(kind: Kind, obj: Object, ids: Ids, now: float) -> list[Cause]:
    """Completes the metadata of a new object in place; returns what is wrong with it.

    The name must be there already.  Raises BadRequest for a resourceVersion or a namespace that cannot be.
    """
    metadata = metadata_of(obj)
    if metadata.get("resourceVersion"):
        raise bad_request("resourceVersion should not be set on objects to be created")
    for key in _SERVER_SET:
        metadata.pop(key, None)
    namespace = metadata.get("namespace")
    if kind.resource.namespaced and (not namespace or not isinstance(namespace, str)):
        raise bad_request("an empty namespace may not be set during creation")
    metadata["uid"] = ids.uuid()
    metadata["creationTimestamp"] = timestamp(now)
    if kind.has_generation:
        metadata["generation"] = 1
    return check(kind, metadata)


def check(kind: Kind, metadata: Mapping[str, Any]) -> list[Cause]:
    """What is wrong with names, labels, annotations, finalizers and owner references."""
    causes: list[Cause] = []
    name: Any = metadata.get("name")
    if not name:
        causes.append(Cause("metadata.name", "Required value: name or generateName is required", "FieldValueRequired"))
    elif not isinstance(name, str) or (problem := kind.name_error(name)):
        problem = kind.name_error(str(name)) or "must be a string"
        causes.append(Cause("metadata.name", f'Invalid value: "{name}": {problem}'))
    if metadata.get("namespace") and not kind.resource.namespaced:
        causes.append(Cause("metadata.namespace", "Forbidden: not allowed on this type", "FieldValueForbidden"))
    if (labels := metadata.get("labels")) is not None:
        causes += label_causes("metadata.labels", labels)
    if (annotations := metadata.get("annotations")) is not None:
        causes += annotation_causes("metadata.annotations", annotations)
    if (finalizers := metadata.get("finalizers")) is not None:
        causes += _finalizer_causes(finalizers, own=kind.custom is None and kind.resource != CUSTOMRESOURCEDEFINITIONS)
    if (owners := metadata.get("ownerReferences")) is not None:
        causes += _owner_causes(owners)
    return causes


def label_causes(field: str, labels: Any) -> list[Cause]:
    """What is wrong with a map of labels."""
    if not isinstance(labels, dict):
        return [Cause(field, "Invalid value: must be a map of strings")]
    causes: list[Cause] = []
    for key, value in cast("dict[str, Any]", labels).items():
        if problem := qualified_name_error(key):
            causes.append(Cause(field, f'Invalid value: "{key}": {problem}'))
        if not isinstance(value, str):
            causes.append(Cause(f"{field}.{key}", f"Invalid value: {value!r}: must be a string"))
        elif problem := label_value_error(value):
            causes.append(Cause(field, f'Invalid value: "{value}": {problem}'))
    return causes


def annotation_causes(field: str, annotations: Any) -> list[Cause]:
    """What is wrong with a map of annotations."""
    if not isinstance(annotations, dict):
        return [Cause(field, "Invalid value: must be a map of strings")]
    causes: list[Cause] = []
    size = 0
    for key, value in cast("dict[str, Any]", annotations).items():
        if problem := qualified_name_error(key.lower()):
            causes.append(Cause(field, f'Invalid value: "{key}": {problem}'))
        if not isinstance(value, str):
            causes.append(Cause(f"{field}.{key}", f"Invalid value: {value!r}: must be a string"))
        else:
            size += len(key) + (len(value) if value.isascii() else len(value.encode()))
    if size > ANNOTATIONS_LIMIT_BYTES:
        causes.append(
            Cause(field, f"Too long: may not be more than {ANNOTATIONS_LIMIT_BYTES} bytes", "FieldValueTooLong")
        )
    return causes


def _finalizer_causes(finalizers: Any, *, own: bool) -> list[Cause]:
    """`own`: of Kubernetes' own kinds, whose finalizers have a path or are known."""
    field = "metadata.finalizers"
    if not isinstance(finalizers, list):
        return [Cause(field, "Invalid value: must be a list of strings")]
    causes: list[Cause] = []
    for index, name in enumerate(cast("list[Any]", finalizers)):
        if not isinstance(name, str) or (problem := qualified_name_error(name)):
            problem = qualified_name_error(str(name)) or "must be a string"
            causes.append(Cause(field, f'Invalid value: "{name}": {problem}'))
        elif own and "/" not in name and name not in _LEGACY_FINALIZERS:
            causes.append(
                Cause(
                    f"{field}[{index}]",
                    f'Invalid value: "{name}": name is neither a standard finalizer name nor is it fully qualified',
                )
            )
    return causes


def _owner_causes(owners: Any) -> list[Cause]:
    field = "metadata.ownerReferences"
    if not isinstance(owners, list):
        return [Cause(field, "Invalid value: must be a list of references")]
    causes: list[Cause] = []
    controllers = 0
    for reference in cast("list[Any]", owners):
        if not isinstance(reference, dict):
            causes.append(Cause(field, "Invalid value: must be a list of references"))
            continue
        values = cast("dict[str, Any]", reference)
        for key in ("apiVersion", "kind", "name", "uid"):
            if not values.get(key) or not isinstance(values[key], str):
                causes.append(Cause(f"{field}.{key}", f'Invalid value: "": {key} must not be empty'))
        controllers += values.get("controller") is True
    if controllers > 1:
        causes.append(Cause(field, "Invalid value: Only one reference can have Controller set to true"))
    return causes


def check_version(kind: Kind, name: str, current: Mapping[str, Any], version: Any) -> None:
    """Raises Conflict when a resourceVersion was said and is not the current one."""
    if version and version != current["resourceVersion"]:
        raise conflict(kind.resource, name)


def check_uid(kind: Kind, name: str, current: Mapping[str, Any], uid: Any) -> None:
    """Raises Conflict when a uid was said and another object has the name now."""
    if uid and uid != current["uid"]:
        why = f"Precondition failed: UID in precondition: {uid}, UID in object meta: {current['uid']}"
        raise conflict(kind.resource, name, why)


def _same_moment(key: str, new: Any, old: Any) -> bool:
    """Whether two texts of a time mean the same one: clients write offsets where we write Z."""
    if not (key.endswith("Timestamp") and isinstance(new, str) and isinstance(old, str)):
        return False
    try:
        return seconds_of(new) == seconds_of(old)
    except ValueError:
        return False


def carry_over(kind: Kind, old: Object, new: Object) -> list[Cause]:
    """Fills in what `new` may leave out of its metadata, in place; returns what it may not change.

    Raises Conflict for a resourceVersion that is not the current one.
    """
    before, metadata = old["metadata"], metadata_of(new)
    name: str = before["name"]
    check_version(kind, name, before, metadata.get("resourceVersion"))
    causes: list[Cause] = []
    for key in _IMMUTABLE:
        if metadata.get(key) in (None, ""):
            metadata.pop(key, None)
            if key in before:
                metadata[key] = before[key]
        elif _same_moment(key, metadata[key], before.get(key)):
            metadata[key] = before[key]
        elif metadata[key] != before.get(key):
            causes.append(Cause(f"metadata.{key}", f"Invalid value: {metadata[key]!r}: field is immutable"))
    metadata["creationTimestamp"] = before["creationTimestamp"]  # a client's word on it is dropped
    metadata["resourceVersion"] = before["resourceVersion"]
    metadata.pop("managedFields", None)
    if "managedFields" in before:
        metadata["managedFields"] = before["managedFields"]
    metadata.pop("selfLink", None)
    metadata.pop("generation", None)
    if "generation" in before:
        metadata["generation"] = before["generation"]
    if any(metadata.get(key) != before.get(key) for key in _CHECKED):
        causes += check(kind, metadata)
    if "deletionTimestamp" in before and not causes:
        added = set(metadata.get("finalizers") or ()) - set(before.get("finalizers") or ())
        if added:
            causes.append(
                Cause(
                    "metadata.finalizers",
                    "Forbidden: no new finalizers can be added if the object is being deleted, "
                    f"found new finalizers {sorted(added)}",
                    "FieldValueForbidden",
                )
            )
    return causes


def refuse(kind: Kind, name: str, causes: list[Cause]) -> None:
    """Raises Invalid when there are causes."""
    if causes:
        raise invalid(kind.resource, name, causes)
