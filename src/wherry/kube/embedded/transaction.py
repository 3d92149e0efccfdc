"""One transaction over stored objects: rows in and out, versions, and the list of changes that watchers will be told.

Called by `writes` and `deletion`, inside `Database.write`.  Invariant: every row that is written or removed here has
exactly one `Change` with a version of its own; nothing outside the transaction is touched but the version counter,
whose gaps are harmless.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from typing import Any, NamedTuple

import msgspec

from wherry.kube.embedded.codec import decode, encode
from wherry.kube.embedded.history import Change
from wherry.kube.embedded.kinds import Kind, Registry
from wherry.kube.errors import already_exists, error
from wherry.kube.protocol import Object
from wherry.storage.database import Tx

# Versions are reserved by the thousand: one row less to write in nearly every transaction.
_RESERVE = 1000
GUARDS = "wherry.kube.embedded.guards"  # loaded with the first quota or limit range
BODY_LIMIT_BYTES = 3 * 1024 * 1024  # as the API server's limit for a request


class Stored(NamedTuple):
    """An object as it lies in the database; `object` is this holder's own, but must not be changed while it is
    compared."""

    kind: Kind
    namespace: str
    name: str
    body: bytes
    object: Object

    @property
    def metadata(self) -> dict[str, Any]:
        """Its metadata."""
        return self.object["metadata"]

    @property
    def uid(self) -> str:
        """Its uid."""
        return self.object["metadata"]["uid"]


class Shared(msgspec.Struct):
    """What all transactions share: the counter behind every resourceVersion, one for all kinds, as in etcd; and what is
    known of namespaces.

    None of it is harmed by a transaction that is rolled back: a gap in the versions, one more look at a namespace.
    """

    version: int = 0
    reserved: int = 0  # versions up to here are recorded as given, so that no later process gives them again
    open: set[str] = msgspec.field(default_factory=set[str])  # committed and not ending; only ever too few
    closing: set[str] = msgspec.field(default_factory=set[str])  # definitions that are terminating; only ever too many
    guarded: set[str] = msgspec.field(default_factory=set[str])  # with a quota or limit range; only ever too many
    ending: set[str] = msgspec.field(default_factory=set[str])  # terminating; only ever too many


def read_version(tx: Tx) -> int:
    """A version that is not before any that was given."""
    return tx.execute("SELECT reserved FROM kube_version").fetchone()[0]


def read_body(tx: Tx, table: str, namespace: str, name: str) -> bytes | None:
    """The JSON of one object, None when there is none."""
    row = tx.execute(
        "SELECT body FROM kube_object WHERE resource = ? AND namespace = ? AND name = ?", (table, namespace, name)
    ).fetchone()
    return row[0] if row else None


def has_any(tx: Tx, table: str) -> bool:
    """Whether there is any object of a resource."""
    return tx.execute("SELECT 1 FROM kube_object WHERE resource = ? LIMIT 1", (table,)).fetchone() is not None


def read_after(
    tx: Tx, table: str, namespace: str, start: tuple[str, str], *, batch: int = 1000
) -> Iterator[tuple[tuple[str, str], bytes]]:
    """Keys and bodies of a resource after `start` in order of namespace and name; empty `namespace` means all."""
    while True:
        if namespace:
            rows = tx.execute(
                "SELECT namespace, name, body FROM kube_object WHERE resource = ? AND namespace = ? AND name > ? "
                "ORDER BY name LIMIT ?",
                (table, namespace, start[1] if start[0] == namespace else "", batch),
            ).fetchall()
        else:
            rows = tx.execute(
                "SELECT namespace, name, body FROM kube_object WHERE resource = ? AND (namespace, name) > (?, ?) "
                "ORDER BY namespace, name LIMIT ?",
                (table, *start, batch),
            ).fetchall()
        for row_namespace, row_name, body in rows:
            yield (row_namespace, row_name), body
        if len(rows) < batch:
            return
        start = (rows[-1][0], rows[-1][1])


def guards() -> Any:
    """The module that holds objects to the quotas and limit ranges of their namespaces (`Shared.guarded`)."""
    return import_module(GUARDS)


def guarded_namespaces(tx: Tx) -> set[str]:
    """The namespaces that have a quota or a limit range."""
    rows = tx.execute(
        "SELECT DISTINCT namespace FROM kube_object WHERE resource IN ('limitranges', 'resourcequotas')"
    ).fetchall()
    return {row[0] for row in rows}


def _encoded(kind: Kind, obj: Object) -> bytes:
    """The object's body; raises TooLarge beyond what the API server takes."""
    body = encode(kind.stored(obj))
    if len(body) > BODY_LIMIT_BYTES:
        name: str = obj["metadata"]["name"]
        why = f"Request entity too large: limit is {BODY_LIMIT_BYTES}"
        raise error("RequestEntityTooLarge", why, resource=kind.resource, name=name)
    return body


class Transaction:
    """Reads and writes of one request; `changes` is what it did, by table name, in order.

    dry: nothing of it will be kept, so that no object shows a version that it will never have.
    """

    def __init__(self, tx: Tx, registry: Registry, shared: Shared, now: float, *, dry: bool = False) -> None:
        self.tx = tx
        self.registry = registry
        self.shared = shared
        self.now = now
        self.dry = dry
        self.changes: list[tuple[str, Change]] = []
        self.reserved = 0

    def load(self, kind: Kind, namespace: str, name: str) -> Stored | None:
        """The object as it is now in this transaction."""
        body = read_body(self.tx, kind.table, namespace, name)
        return None if body is None else Stored(kind, namespace, name, body, kind.shown(decode(body)))

    def exists(self, kind: Kind, namespace: str, name: str) -> bool:
        """Whether the name is taken."""
        row = self.tx.execute(
            "SELECT 1 FROM kube_object WHERE resource = ? AND namespace = ? AND name = ?", (kind.table, namespace, name)
        ).fetchone()
        return row is not None

    def names(self, namespace: str) -> list[tuple[Kind, str]]:
        """Everything in a namespace, by kind and name, in order."""
        rows = self.tx.execute(
            "SELECT resource, name FROM kube_object WHERE namespace = ? ORDER BY resource, name", (namespace,)
        ).fetchall()
        return [(self.registry.of_table(table), name) for table, name in rows]

    def add(self, kind: Kind, obj: Object) -> Stored:
        """Stores a new, complete object under a version of its own; raises AlreadyExists."""
        metadata = obj["metadata"]
        version = metadata["resourceVersion"] = self._version()
        if self.dry:
            del metadata["resourceVersion"]
        namespace, name = metadata.get("namespace", ""), metadata["name"]
        body = _encoded(kind, obj)
        inserted = self.tx.execute(
            "INSERT INTO kube_object (resource, namespace, name, body) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
            (kind.table, namespace, name, body),
        )
        if not inserted.rowcount:
            raise already_exists(kind.resource, name)
        if metadata.get("ownerReferences"):
            self._link(kind, obj)
        self.changes.append((kind.table, Change(int(version), namespace, name, None, body)))
        if namespace in self.shared.guarded:
            guards().charge(self, kind, namespace, None, obj)
        return Stored(kind, namespace, name, body, obj)

    def put(self, stored: Stored, obj: Object) -> Stored:
        """Stores `obj` in the place of `stored` under a new version."""
        kind, namespace, name = stored.kind, stored.namespace, stored.name
        version = self._version()
        shown: str = stored.metadata.get("resourceVersion", "") if self.dry else version
        obj["metadata"] = metadata = {**obj["metadata"], "resourceVersion": shown}
        body = _encoded(kind, obj)
        self.tx.execute(
            "UPDATE kube_object SET body = ? WHERE resource = ? AND namespace = ? AND name = ?",
            (body, kind.table, namespace, name),
        )
        if metadata.get("ownerReferences") != stored.metadata.get("ownerReferences"):
            self._unlink(stored)
            self._link(kind, obj)
        self.changes.append((kind.table, Change(int(version), namespace, name, stored.body, body)))
        if namespace in self.shared.guarded:
            guards().charge(self, kind, namespace, stored.object, obj)
        return Stored(kind, namespace, name, body, obj)

    def drop(self, stored: Stored) -> None:
        """Removes the row; who depends on it is `deletion`'s business."""
        kind, namespace, name = stored.kind, stored.namespace, stored.name
        self.tx.execute(
            "DELETE FROM kube_object WHERE resource = ? AND namespace = ? AND name = ?", (kind.table, namespace, name)
        )
        if stored.metadata.get("ownerReferences"):
            self._unlink(stored)
        self.changes.append((kind.table, Change(int(self._version()), namespace, name, stored.body, None)))
        if namespace in self.shared.guarded:
            guards().charge(self, kind, namespace, stored.object, None)

    def dependents(self, uid: str) -> list[Stored]:
        """The objects that name `uid` as an owner, in order of resource, namespace and name."""
        rows = self.tx.execute(
            "SELECT resource, namespace, name FROM kube_dependent WHERE owner_uid = ? "
            "ORDER BY resource, namespace, name",
            (uid,),
        ).fetchall()
        found = (self.load(self.registry.of_table(table), namespace, name) for table, namespace, name in rows)
        return [stored for stored in found if stored is not None]

    def seal(self) -> None:
        """Reserves versions ahead when those given now were not; called once, at the end of the work."""
        if self.shared.version > self.shared.reserved:
            self.reserved = self.shared.version + _RESERVE
            self.tx.execute("UPDATE kube_version SET reserved = ?", (self.reserved,))

    def _version(self) -> str:
        self.shared.version += 1
        return str(self.shared.version)

    def _link(self, kind: Kind, obj: Object) -> None:
        metadata = obj["metadata"]
        uids = {reference["uid"] for reference in metadata.get("ownerReferences") or ()}
        self.tx.executemany(
            "INSERT INTO kube_dependent (owner_uid, resource, namespace, name) VALUES (?, ?, ?, ?)",
            [(uid, kind.table, metadata.get("namespace", ""), metadata["name"]) for uid in sorted(uids)],
        )

    def _unlink(self, stored: Stored) -> None:
        self.tx.execute(
            "DELETE FROM kube_dependent WHERE resource = ? AND namespace = ? AND name = ?",
            (stored.kind.table, stored.namespace, stored.name),
        )
