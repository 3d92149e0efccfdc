"""Creating and changing objects: the order in which rules are applied to a request.

Called by `EmbeddedKube` inside a transaction, with objects that are its own.  Invariant: what is stored has passed
its kind's rules; `status` changes only through its subresource, and a change of nothing is no write.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any, cast

from wherry.kube.embedded import metadata as rules
from wherry.kube.embedded import scales
from wherry.kube.embedded.causes import objects
from wherry.kube.embedded.codec import own
from wherry.kube.embedded.deletion import DEFINITIONS, Collector
from wherry.kube.embedded.kinds import Kind
from wherry.kube.embedded.namespaces import ACCOUNT, DEFAULT_ACCOUNT, NAMESPACE, default_account
from wherry.kube.embedded.transaction import Stored, Transaction, guards
from wherry.kube.errors import (
    Cause,
    already_exists,
    bad_request,
    conflict,
    error,
    forbidden,
    not_found,
)
from wherry.kube.names import SUFFIX_LENGTH, generated_name
from wherry.kube.patches import MalformedPatch, PatchFailed, apply, merge, same
from wherry.kube.protocol import Object, PatchType
from wherry.kube.times import timestamp
from wherry.seams import Ids

# What is recorded of a write: from the object before (None: a new one), the one to be stored, the managedFields that
# the request gives, and the time, to those that are stored.
Ownership = Callable[[Kind, Object | None, Object, Any, str], Sequence[Object]]
OWNERS = "wherry.kube.embedded.owners"  # lazy: most servers never record anything
IN_PROCESS = "wherry"  # the field manager of what this process writes to objects that have managers

_NAME_TRIES = 8  # as the API server does for generateName


def create(transaction: Transaction, kind: Kind, obj: Object, ids: Ids, ownership: Ownership | None = None) -> Object:
    """Stores a new object and returns it; see `Kube.create`."""
    metadata = rules.metadata_of(obj)
    _generate_name(transaction, kind, metadata, ids)
    if kind.has_status:
        obj.pop("status", None)
    said = metadata.get("managedFields")
    causes = rules.begin(kind, obj, ids, transaction.now)
    if kind.resource.namespaced:
        _check_namespace(transaction, kind, metadata)
    if kind.custom is not None:
        _check_definition(transaction, kind)
    kind.default(obj)
    if said is not None:
        ownership = ownership or _own(transaction, "")
    if ownership is not None:  # what the server says of the object from here on is nobody's
        _record(obj, ownership(kind, None, obj, said, timestamp(transaction.now)))
    guarded = metadata.get("namespace") in transaction.shared.guarded
    if guarded:
        guards().prepare(transaction, kind, obj)
    causes += kind.validate(obj)
    rules.refuse(kind, str(metadata.get("name", "")), causes or kind.allocate(transaction, obj, None))
    if guarded:
        guards().admit(transaction, kind, obj)
    kind.begin(obj)
    stored = transaction.add(kind, obj)
    if metadata.get("ownerReferences"):
        Collector(transaction).adopted(stored)
    if kind is NAMESPACE:
        create(transaction, ACCOUNT, default_account(stored.name), ids)
    return obj


def renew_account(transaction: Transaction, namespace: str, name: str, ids: Ids) -> None:
    """An account that every namespace has was deleted: it is made again, unless the namespace is ending."""
    if name == DEFAULT_ACCOUNT and namespace not in transaction.shared.ending:
        create(transaction, ACCOUNT, default_account(namespace), ids)


def _generate_name(transaction: Transaction, kind: Kind, metadata: dict[str, Any], ids: Ids) -> None:
    prefix = metadata.get("generateName")
    if metadata.get("name") or not isinstance(prefix, str) or not prefix:
        return
    namespace = str(metadata.get("namespace") or "")
    for _ in range(_NAME_TRIES):
        name = generated_name(prefix, ids.suffix(SUFFIX_LENGTH))
        if not transaction.exists(kind, namespace, name):
            metadata["name"] = name
            return
    raise already_exists(kind.resource, prefix)


def _check_namespace(transaction: Transaction, kind: Kind, metadata: dict[str, Any]) -> None:
    name = str(metadata["namespace"])
    if name in transaction.shared.open:
        return
    namespace = transaction.load(NAMESPACE, "", name)
    if namespace is None:
        raise not_found(NAMESPACE.resource, name)
    if "deletionTimestamp" in namespace.metadata:
        cause = Cause("metadata.namespace", f"namespace {name} is being terminated", "NamespaceTerminating")
        why = f"unable to create new content in namespace {name} because it is being terminated"
        raise forbidden(kind.resource, str(metadata.get("name", "")), why, [cause])


def _check_definition(transaction: Transaction, kind: Kind) -> None:
    """A custom object needs a definition that stays: it may have gone since the kind was looked up."""
    definitions = transaction.registry.of_table(DEFINITIONS)
    if kind.table in transaction.shared.closing:
        definition = transaction.load(definitions, "", kind.table)
        if definition is not None and "deletionTimestamp" in definition.metadata:
            raise error("MethodNotAllowed", "create not allowed while custom resource definition is terminating")
    if not transaction.exists(definitions, "", kind.table):
        raise error("NotFound", "the server could not find the requested resource", resource=kind.resource)


def replace(
    transaction: Transaction, kind: Kind, obj: Object, subresource: str, ownership: Ownership | None = None
) -> Object:
    """Puts an object in the place of its name's holder and returns it; see `Kube.replace`."""
    metadata = rules.metadata_of(obj)
    name, namespace = str(metadata.get("name") or ""), str(metadata.get("namespace") or "")
    if not name:
        raise bad_request("name must be provided")
    stored = find(transaction, kind, namespace, name)
    rules.check_uid(kind, name, stored.metadata, metadata.get("uid"))
    return _update(transaction, stored, obj, subresource, ownership)


def patch(
    transaction: Transaction,
    stored: Stored,
    change: Any,
    type: PatchType,
    subresource: str,
    ownership: Ownership | None = None,
) -> Object:
    """Applies a patch to an object and returns the result; see `Kube.patch`."""
    if type == "merge" and not isinstance(change, dict):
        raise bad_request("the patch does not leave an object")
    work = merge if type == "merge" else apply
    return alter(transaction, stored, lambda old: work(old, change), subresource, ownership)


def alter(
    transaction: Transaction,
    stored: Stored,
    change: Callable[[Object], Any],
    subresource: str,
    ownership: Ownership | None = None,
) -> Object:
    """Puts what `change` makes of an object in its place and returns the result; see `EmbeddedKube.alter`."""
    if subresource == "scale":
        return _rescale(transaction, stored, change, ownership)
    old = stored.object
    obj = _made_by(change, stored, old)
    metadata = rules.metadata_of(obj)
    if metadata.get("name", stored.name) != stored.name:
        raise bad_request("the name of the object does not match the name of the request")
    if metadata.get("namespace", stored.namespace) != stored.namespace:
        raise bad_request("the namespace of the object does not match the namespace of the request")
    return _update(transaction, stored, obj, subresource, ownership)


def _rescale(
    transaction: Transaction, stored: Stored, change: Callable[[Object], Any], ownership: Ownership | None
) -> Object:
    """The Scale of an object after a change of its Scale."""
    scale = _made_by(change, stored, scales.scale_of(stored.kind, stored.object))
    obj = scales.scaled(stored.kind, stored.object, scale)
    return scales.scale_of(stored.kind, _update(transaction, stored, obj, "", ownership))


def _made_by(change: Callable[[Object], Any], stored: Stored, old: Object) -> Object:
    """What `change` makes of `old`; raises what `alter` raises."""
    try:
        new: Any = change(old)
    except MalformedPatch as problem:
        raise bad_request(f"error decoding patch: {problem}") from problem
    except PatchFailed as problem:
        why = f"the server rejected our request due to an error in our request: {problem}"
        raise error("Invalid", why) from problem
    if not isinstance(new, dict):
        raise bad_request("the patch does not leave an object")
    obj = cast("Object", new)
    if obj.get("apiVersion") != old["apiVersion"] or obj.get("kind") != old["kind"]:
        raise bad_request("a patch cannot change apiVersion or kind")
    return obj


def find(transaction: Transaction, kind: Kind, namespace: str, name: str) -> Stored:
    """The object of that name; raises NotFound, or BadRequest without the namespace that it needs."""
    require_namespace(kind, namespace)
    stored = transaction.load(kind, namespace, name)
    if stored is None:
        raise not_found(kind.resource, name)
    return stored


def require_namespace(kind: Kind, namespace: str) -> None:
    """Raises BadRequest unless a namespace is given exactly where the resource has one."""
    if kind.resource.namespaced and not namespace:
        raise bad_request("an empty namespace may not be set when a resource name is provided")
    if namespace and not kind.resource.namespaced:
        raise bad_request(f"{kind.resource.qualified} are not namespaced")


def _update(
    transaction: Transaction, stored: Stored, new: Object, subresource: str, ownership: Ownership | None
) -> Object:
    kind, old = stored.kind, stored.object
    said = rules.metadata_of(new).get("managedFields")
    if subresource == "status" and kind.has_status:
        rules.check_version(kind, stored.name, old["metadata"], rules.metadata_of(new).get("resourceVersion"))
        obj: Object = {**old, "status": new.get("status") or {}}
        if kind.judges_updates:
            obj = own(obj)
            kind.default(obj)
            rules.refuse(kind, stored.name, kind.validate_update(old, obj))
    elif subresource:
        raise error("NotFound", "the server could not find the requested resource", resource=kind.resource)
    else:
        obj = _changed(transaction, stored, own(new))
    ownership = ownership or _inherited(transaction, old, said, subresource)
    if ownership is not None:
        _record(obj, ownership(kind, old, obj, said, timestamp(transaction.now)))
    if obj == old and same(obj, old):
        return old
    collector = Collector(transaction)
    if collector.finish(stored, obj):
        return obj
    written = transaction.put(stored, obj)
    owners = written.metadata.get("ownerReferences")
    if owners and owners != stored.metadata.get("ownerReferences"):
        collector.adopted(written)
    return written.object


def _inherited(transaction: Transaction, old: Object, said: Any, subresource: str) -> Ownership | None:
    """What is recorded of a write of this process: only where somebody's writes have been, or owners are given."""
    return None if said is None and "managedFields" not in old["metadata"] else _own(transaction, subresource)


def _own(transaction: Transaction, subresource: str) -> Ownership:
    return import_module(OWNERS).Recording(transaction.registry, IN_PROCESS, subresource)


def _record(obj: Object, entries: Sequence[Object]) -> None:
    metadata = obj["metadata"] = dict(rules.metadata_of(obj))
    metadata.pop("managedFields", None)
    if entries:
        metadata["managedFields"] = list(entries)


def _changed(transaction: Transaction, stored: Stored, new: Object) -> Object:
    """`new` as it will be stored: completed, checked, with the old status."""
    kind, old = stored.kind, stored.object
    # A new dict for the metadata: the old object is still compared with.
    new["metadata"] = dict(rules.metadata_of(new))
    if kind.has_status:
        new.pop("status", None)
        if "status" in old:
            new["status"] = old["status"]
    causes = rules.carry_over(kind, old, new)
    kind.default(new)
    if not kind.judges_updates:
        causes += kind.validate(new)
    if kind.judges_updates or not causes:
        causes += kind.validate_update(old, new)
    rules.refuse(kind, stored.name, causes or kind.allocate(transaction, new, old))
    if stored.namespace in transaction.shared.guarded:
        guards().admit(transaction, kind, new, old)
    if kind.has_generation and not same(_content(old, kind), _content(new, kind)):
        new["metadata"]["generation"] += 1
    return new


def _content(obj: Object, kind: Kind) -> Object:
    """What `metadata.generation` counts the changes of."""
    hidden = ("metadata", "status") if kind.has_status else ("metadata",)
    return {key: value for key, value in obj.items() if key not in hidden}


def bind(transaction: Transaction, stored: Stored, node: str, status: Object) -> Object:
    """Gives a pod to a node and merges `status` into its status, in one write; see `EmbeddedKube.bind`."""
    old = stored.object
    holder = old["spec"].get("nodeName")
    if holder:
        raise conflict(stored.kind.resource, stored.name, f"pod {stored.name} is already assigned to node {holder!r}")
    if "deletionTimestamp" in old["metadata"]:
        raise conflict(stored.kind.resource, stored.name, f"pod {stored.name} is being deleted")
    before: Object = old.get("status") or {}
    scheduled = {"type": "PodScheduled", "status": "True", "lastTransitionTime": timestamp(transaction.now)}
    conditions = [condition for condition in objects(before, "conditions") if condition.get("type") != "PodScheduled"]
    new_status = merge({**before, "conditions": [*conditions, scheduled]}, status)
    obj: Object = {**old, "spec": {**old["spec"], "nodeName": node}, "status": new_status}
    ownership = _inherited(transaction, old, None, "status")
    if ownership is not None:
        _record(obj, ownership(stored.kind, old, obj, None, timestamp(transaction.now)))
    return transaction.put(stored, obj).object


def refuse_stale(stored: Stored, uid: str, resource_version: str) -> None:
    """Raises Conflict when the preconditions of a deletion do not hold."""
    rules.check_uid(stored.kind, stored.name, stored.metadata, uid)
    if resource_version and resource_version != stored.metadata["resourceVersion"]:
        why = (
            f"Precondition failed: ResourceVersion in precondition: {resource_version}, "
            f"ResourceVersion in object meta: {stored.metadata['resourceVersion']}"
        )
        raise conflict(stored.kind.resource, stored.name, why)
