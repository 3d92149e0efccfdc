"""The end of objects: grace periods, finalizers, dependents, namespaces.

Called by `EmbeddedKube` (deletes) and `writes` (the last finalizer is gone).  Invariant: the garbage collector works
inside the transaction that causes it and in a fixed order, so that a committed state never holds an object whose
owners are all gone.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from functools import partial
from importlib import import_module
from typing import Any

from wherry.kube.embedded.kinds import Kind
from wherry.kube.embedded.namespaces import DEFAULT_NAMESPACES, NAMESPACE
from wherry.kube.embedded.transaction import Stored, Transaction, has_any, read_after
from wherry.kube.errors import forbidden
from wherry.kube.protocol import Object, Propagation
from wherry.kube.resources import CUSTOMRESOURCEDEFINITIONS
from wherry.kube.times import seconds_of, timestamp

DEFINITIONS = CUSTOMRESOURCEDEFINITIONS.qualified
NAMES = "wherry.kube.embedded.definition_names"  # lazy: of no use before there is a definition
FOREGROUND = "foregroundDeletion"
ORPHAN = "orphan"


class Collector:
    """Ends objects and what depends on them, within one transaction.

    Consequences wait in a queue instead of on the stack: chains of owners may be long.
    """

    def __init__(self, transaction: Transaction) -> None:
        self._transaction = transaction
        self._todo: deque[Callable[[], None]] = deque()
        self._dropped: set[str] = set()

    def delete(self, stored: Stored, propagation: Propagation, grace_period_s: int | None) -> Object | None:
        """Asks for the end of `stored`: None when it is gone, else the object as it waits now; raises Forbidden."""
        if stored.kind is NAMESPACE:
            self._delete_namespace(stored)
        elif stored.kind.table == DEFINITIONS:
            self._delete_definition(stored)
        else:
            self._delete(stored, propagation, grace_period_s)
        self._run()
        if stored.uid in self._dropped:
            return None
        left = self._transaction.load(stored.kind, stored.namespace, stored.name)
        return left.object if left is not None else None

    def adopted(self, stored: Stored) -> None:
        """Collects an object whose owner references have just been written and name nobody who exists."""
        if not self._has_owner(stored):
            self._delete(stored, "Background", None)
            self._run()

    def finish(self, stored: Stored, obj: Object) -> bool:
        """Removes a terminating object that nothing holds any more (`obj` is its new state); whether it did."""
        metadata = obj["metadata"]
        if "deletionTimestamp" not in metadata or metadata.get("finalizers") or metadata["deletionGracePeriodSeconds"]:
            return False
        if stored.kind is NAMESPACE and self._transaction.names(stored.name):
            return False
        if stored.kind.table == DEFINITIONS and has_any(self._transaction.tx, stored.name):
            return False
        self._drop(stored)
        self._run()
        return True

    def _run(self) -> None:
        while self._todo:
            self._todo.popleft()()

    def _delete(self, stored: Stored, propagation: Propagation, grace_period_s: int | None) -> None:
        transaction, metadata = self._transaction, dict(stored.metadata)
        finalizers: list[str] = list(metadata.get("finalizers") or ())
        if propagation == "Orphan" or ORPHAN in finalizers:
            finalizers = [name for name in finalizers if name != ORPHAN]
            for dependent in self._unheld(stored):
                self._release(dependent, {stored.uid})
        elif propagation == "Foreground" and FOREGROUND not in finalizers and transaction.dependents(stored.uid):
            finalizers.append(FOREGROUND)
        grace_s = _mark(stored, metadata, grace_period_s, transaction.now)
        if not finalizers and not grace_s:
            self._drop(stored)
            return
        metadata.pop("finalizers", None)
        if finalizers:
            metadata["finalizers"] = finalizers
        if metadata != stored.metadata:
            stored = transaction.put(stored, {**stored.object, "metadata": metadata})
        if FOREGROUND in finalizers:
            for dependent in self._unheld(stored):
                deeper = any(_blocks(item, dependent.uid) for item in transaction.dependents(dependent.uid))
                self._queue(dependent, "Foreground" if deeper else "Background")
            self._todo.append(partial(self._settle, stored.kind, stored.namespace, stored.name, stored.uid))

    def _queue(self, stored: Stored, propagation: Propagation) -> None:
        self._todo.append(partial(self._delete_if_there, stored.kind, stored.namespace, stored.name, propagation))

    def _delete_if_there(self, kind: Kind, namespace: str, name: str, propagation: Propagation) -> None:
        stored = self._transaction.load(kind, namespace, name)
        if stored is not None:
            self._delete(stored, propagation, None)

    def _drop(self, stored: Stored) -> None:
        self._transaction.drop(stored)
        self._dropped.add(stored.uid)
        self._todo.append(partial(self._ended, stored))

    def _ended(self, stored: Stored) -> None:
        """What follows from the end of `stored`."""
        for dependent in self._unheld(stored):
            if self._has_owner(dependent):
                self._release(dependent, self._absent(dependent))
            else:
                self._delete(dependent, "Background", None)
        for reference in stored.metadata.get("ownerReferences") or ():
            owner = self._transaction.registry.find(reference["apiVersion"], reference["kind"])
            if owner is not None:
                namespace = stored.namespace if owner.resource.namespaced else ""
                self._settle(owner, namespace, reference["name"], reference["uid"])
        if stored.namespace in self._transaction.shared.ending:
            self._settle_namespace(stored.namespace)
        if stored.kind.table in self._transaction.shared.closing:
            self._settle_definition(stored.kind.table)
        if stored.kind.table == DEFINITIONS:
            import_module(NAMES).release(self._transaction, stored.object["spec"]["group"])

    def _settle(self, kind: Kind, namespace: str, name: str, uid: str) -> None:
        """Lets an owner go that waits in the foreground for dependents which are gone now."""
        owner = self._transaction.load(kind, namespace, name)
        if owner is None or owner.uid != uid or "deletionTimestamp" not in owner.metadata:
            return
        finalizers: list[str] = owner.metadata.get("finalizers") or []
        if FOREGROUND not in finalizers or any(_blocks(item, uid) for item in self._transaction.dependents(uid)):
            return
        metadata = {**owner.metadata, "finalizers": [name for name in finalizers if name != FOREGROUND]}
        if not metadata["finalizers"]:
            del metadata["finalizers"]
            if not metadata["deletionGracePeriodSeconds"]:
                self._drop(owner)
                return
        self._transaction.put(owner, {**owner.object, "metadata": metadata})

    def _unheld(self, owner: Stored) -> list[Stored]:
        """The dependents of an ending owner, without the finalizer by which the owner's controller held them.

        Nobody else would take it away: the controller looks at owners that live, and it may not run at all.
        """
        found: list[Stored] = []
        for dependent in self._transaction.dependents(owner.uid):
            metadata, name = dict(dependent.metadata), owner.kind.orphans_finalizer
            held: list[str] = metadata.pop("finalizers", None) or []
            if not name or name not in held:
                found.append(dependent)
                continue
            left = [each for each in held if each != name]
            if left:
                metadata["finalizers"] = left
            elif "deletionTimestamp" in metadata and not metadata["deletionGracePeriodSeconds"]:
                self._drop(dependent)
                continue
            found.append(self._transaction.put(dependent, {**dependent.object, "metadata": metadata}))
        return found

    def _release(self, dependent: Stored, uids: set[str]) -> None:
        """Takes owners out of an object's references."""
        metadata = dict(dependent.metadata)
        left = [reference for reference in metadata["ownerReferences"] if reference["uid"] not in uids]
        metadata.pop("ownerReferences")
        if left:
            metadata["ownerReferences"] = left
        self._transaction.put(dependent, {**dependent.object, "metadata": metadata})

    def _absent(self, stored: Stored) -> set[str]:
        """The uids of owners that do not exist (any more)."""
        references: list[dict[str, Any]] = stored.metadata.get("ownerReferences") or []
        return {reference["uid"] for reference in references if not self._owner_exists(stored, reference)}

    def _has_owner(self, stored: Stored) -> bool:
        references: list[dict[str, Any]] = stored.metadata.get("ownerReferences") or []
        return any(self._owner_exists(stored, reference) for reference in references)

    def _owner_exists(self, stored: Stored, reference: dict[str, Any]) -> bool:
        """Owners lie in the same namespace or in none; of kinds that this server does not know it assumes the best."""
        kind = self._transaction.registry.find(reference["apiVersion"], reference["kind"])
        if kind is None:
            return True
        owner = self._transaction.load(kind, stored.namespace if kind.resource.namespaced else "", reference["name"])
        return owner is not None and owner.uid == reference["uid"]

    def _delete_namespace(self, stored: Stored) -> None:
        transaction = self._transaction
        if stored.name in DEFAULT_NAMESPACES:
            raise forbidden(stored.kind.resource, stored.name, "this namespace may not be deleted")
        transaction.shared.ending.add(stored.name)
        transaction.shared.open.discard(stored.name)
        if "deletionTimestamp" not in stored.metadata:
            metadata = dict(stored.metadata)
            _mark(stored, metadata, None, transaction.now)
            status: Object = {**(stored.object.get("status") or {}), "phase": "Terminating"}
            stored = transaction.put(stored, {**stored.object, "metadata": metadata, "status": status})
        for kind, name in transaction.names(stored.name):
            self._delete_if_there(kind, stored.name, name, "Background")
        self._todo.append(partial(self._settle_namespace, stored.name))

    def _delete_definition(self, stored: Stored) -> None:
        """Ends a definition: first all objects of its kind."""
        transaction = self._transaction
        transaction.shared.closing.add(stored.name)
        if "deletionTimestamp" not in stored.metadata:
            metadata = dict(stored.metadata)
            _mark(stored, metadata, None, transaction.now)
            status = import_module(NAMES).ending(stored.object.get("status") or {}, timestamp(transaction.now))
            transaction.put(stored, {**stored.object, "metadata": metadata, "status": status})
        kind = transaction.registry.of_table(stored.name)
        for (namespace, name), _ in list(read_after(transaction.tx, kind.table, "", ("", ""))):
            self._delete_if_there(kind, namespace, name, "Background")
        self._todo.append(partial(self._settle_definition, stored.name))

    def _settle_definition(self, name: str) -> None:
        """Lets a terminating definition go once there are no objects of its kind."""
        transaction = self._transaction
        stored = transaction.load(transaction.registry.of_table(DEFINITIONS), "", name)
        if stored is None or "deletionTimestamp" not in stored.metadata or has_any(transaction.tx, name):
            return
        finalizers: list[str] = stored.metadata.get("finalizers") or []
        left = [each for each in finalizers if each != import_module(NAMES).CLEANUP]
        if not left:
            self._drop(stored)
        elif left != finalizers:
            transaction.put(stored, {**stored.object, "metadata": {**stored.metadata, "finalizers": left}})

    def _settle_namespace(self, name: str) -> None:
        """Lets a terminating namespace go once it is empty."""
        stored = self._transaction.load(NAMESPACE, "", name)
        if stored is not None and "deletionTimestamp" in stored.metadata:
            empty = not stored.metadata.get("finalizers") and not self._transaction.names(name)
            if empty:
                self._drop(stored)


def _blocks(dependent: Stored, uid: str) -> bool:
    """Whether a dependent must be gone before its owner `uid` may go in the foreground."""
    references: list[dict[str, Any]] = dependent.metadata.get("ownerReferences") or []
    return any(reference["uid"] == uid and reference.get("blockOwnerDeletion") for reference in references)


def _mark(stored: Stored, metadata: dict[str, Any], requested_s: int | None, now: float) -> int:
    """Writes the deletion into `metadata` and returns the grace period; a second request can only shorten it."""
    asked = metadata.get("deletionTimestamp")
    if asked is None:
        grace_s = stored.kind.grace_s(stored.object, requested_s)
        metadata["deletionTimestamp"] = timestamp(now + grace_s)
        metadata["deletionGracePeriodSeconds"] = grace_s
        if "generation" in metadata:
            metadata["generation"] += 1
        return grace_s
    left_s: int = metadata["deletionGracePeriodSeconds"]
    if requested_s is None or requested_s >= left_s:
        return left_s
    grace_s = max(requested_s, 0)
    metadata["deletionTimestamp"] = timestamp(seconds_of(asked) - left_s + grace_s)
    metadata["deletionGracePeriodSeconds"] = grace_s
    return grace_s
