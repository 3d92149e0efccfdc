"""EmbeddedKube: a Kubernetes API server in this process, its objects in the home's database.

Made by the server (and by tests), handed to everyone as a `Kube`.  Invariant: every write is one transaction of
`Database.write`, and its changes reach the watchers exactly once, in version order, right after the commit.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from importlib import import_module
from typing import Any, TypeVar

from wherry.kube.embedded import writes
from wherry.kube.embedded.causes import objects
from wherry.kube.embedded.codec import decode, own
from wherry.kube.embedded.deletion import DEFINITIONS, Collector
from wherry.kube.embedded.history import Change, History, Window
from wherry.kube.embedded.kinds import Kind, Registry
from wherry.kube.embedded.lists import Selection, list_page, select
from wherry.kube.embedded.log_source import LogSource
from wherry.kube.embedded.namespaces import (
    ACCOUNT,
    DEFAULT_ACCOUNT,
    DEFAULT_NAMESPACES,
    NAMESPACE,
    default_account,
)
from wherry.kube.embedded.pods import POD, scheduled
from wherry.kube.embedded.registry import REGISTRY
from wherry.kube.embedded.stream_source import (
    HalfOpen,
    StreamSource,
    attachable_container,
    check_scheduled,
    chosen_container,
    running_container,
)
from wherry.kube.embedded.transaction import (
    Shared,
    Transaction,
    guarded_namespaces,
    guards,
    has_any,
    read_after,
    read_body,
    read_version,
)
from wherry.kube.errors import bad_request, error, gone, not_found
from wherry.kube.protocol import Object, ObjectList, PatchType, Propagation, WatchEvent
from wherry.kube.resources import PODS, Resource
from wherry.kube.streams import Session
from wherry.kube.times import seconds_of, timestamp
from wherry.seams import Clock, Ids
from wherry.storage.database import Database, Tx

T = TypeVar("T")

CUSTOM = "wherry.kube.embedded.custom"  # lazy: only where there are definitions

_EXPIRY_EVERY_S = 60.0


class EmbeddedKube:
    """A `Kube` over the objects in a `Database`; call it from the thread of the database's event loop.

    `log_source` is set by the node agent; without one, `logs` is refused.  So is `settle`, called with a pod's name and
    namespace before it is deleted: the node says that it has the pod if it does, for only then does its end take time.
    """

    def __init__(
        self,
        db: Database,
        *,
        clock: Clock,
        ids: Ids,
        window: Window | None = None,
        registry: Registry = REGISTRY,
    ) -> None:
        self.log_source: LogSource | None = None
        self.stream_source: StreamSource | None = None
        self.settle: Callable[[str, str], Awaitable[None]] | None = None
        self._db = db
        self._clock = clock
        self._ids = ids
        self._window = window or Window()
        self._registry = registry.fork()
        self._shared = Shared()
        self._histories: dict[str, History] = {}
        self._expired_at = clock.monotonic()
        self._awaited: dict[str, list[Callable[[], None]]] = {}
        self._started = False
        self._starting = asyncio.Lock()

    @property
    def registry(self) -> Registry:
        """The kinds that this server has."""
        return self._registry

    @property
    def version(self) -> str:
        """The resourceVersion of the last change."""
        return str(self._shared.version)

    async def get(self, resource: Resource, name: str, namespace: str = "") -> Object:
        """See `Kube.get`."""
        await self.ready()
        kind = self._registry.of_resource(resource)
        writes.require_namespace(kind, namespace)
        body = await self._db.read(lambda tx: read_body(tx, kind.table, namespace, name))
        if body is None:
            raise not_found(resource, name)
        return kind.shown(decode(body))

    async def list(
        self,
        resource: Resource,
        namespace: str = "",
        *,
        labels: str = "",
        fields: str = "",
        limit: int = 0,
        continue_: str = "",
    ) -> ObjectList:
        """See `Kube.list`."""
        await self.ready()
        kind = self._registry.of_resource(resource)
        selection = select(kind, namespace, labels, fields)
        history, version = self._histories[kind.table], self._shared.version
        return await self._db.read(
            lambda tx: list_page(tx, selection, history, version, limit=limit, continue_=continue_)
        )

    async def create(self, obj: Object, *, dry_run: bool = False, ownership: writes.Ownership | None = None) -> Object:
        """See `Kube.create`.  dry_run: everything is done but keeping the result; ownership: what is recorded of it."""
        mine = _mapping(own(obj))
        await self.ready()
        kind = self._registry.of_object(mine)
        created = await self._write(
            lambda transaction: writes.create(transaction, kind, mine, self._ids, ownership), dry_run
        )
        if kind.ttl_s is not None:
            await self._expire(kind, kind.ttl_s)
        return created

    async def replace(
        self, obj: Object, *, subresource: str = "", dry_run: bool = False, ownership: writes.Ownership | None = None
    ) -> Object:
        """See `Kube.replace`; and `create` for the rest."""
        mine = _mapping(own(obj))
        await self.ready()
        kind = self._registry.of_object(mine)
        return await self._write(
            lambda transaction: writes.replace(transaction, kind, mine, subresource, ownership), dry_run
        )

    async def patch(
        self,
        resource: Resource,
        name: str,
        namespace: str,
        patch: Any,
        *,
        type: PatchType = "merge",
        subresource: str = "",
        field_manager: str = "",
        force: bool = False,
        dry_run: bool = False,
    ) -> Object:
        """See `Kube.patch`.  dry_run: everything is done but keeping the result."""
        await self.ready()
        kind = self._registry.of_resource(resource)
        if type == "apply":
            applied, _ = await self.apply(
                resource,
                name,
                namespace,
                patch,
                manager=field_manager,
                subresource=subresource,
                force=force,
                dry_run=dry_run,
            )
            return applied
        mine = own(patch)
        ownership: writes.Ownership | None = None
        if field_manager or force:
            owners = import_module(writes.OWNERS)
            owners.check_manager(field_manager, "Patch", force=force or None)
            ownership = owners.Recording(self._registry, field_manager, subresource)

        def work(transaction: Transaction) -> Object:
            stored = writes.find(transaction, kind, namespace, name)
            return writes.patch(transaction, stored, mine, type, subresource, ownership)

        return await self._write(work, dry_run)

    async def apply(
        self,
        resource: Resource,
        name: str,
        namespace: str,
        config: Any,
        *,
        manager: str,
        subresource: str = "",
        force: bool = False,
        dry_run: bool = False,
        check: Callable[[Object], Object] | None = None,
    ) -> tuple[Object, bool]:
        """The object as it is applied, and whether it is a new one; see `Kube.patch`.

        `check` is given the object before it is stored, and gives it back or raises.  Not part of `Kube`: for the wire
        face, which checks fields.
        """
        await self.ready()
        owners = import_module(writes.OWNERS)
        owners.check_manager(manager, "Patch", applies=True)
        kind, now = self._registry.of_resource(resource), timestamp(self._clock.time())
        applying = owners.Applying(
            self._registry, kind, config, (name, namespace), manager, subresource, force=force, now=now
        )

        def change(live: Object | None) -> Object:
            obj = applying.change(live)
            return obj if check is None else check(obj)

        return await self.alter(
            resource,
            name,
            namespace,
            change,
            subresource=subresource,
            dry_run=dry_run,
            make=not subresource,
            ownership=applying,
        )

    async def alter(
        self,
        resource: Resource,
        name: str,
        namespace: str,
        change: Callable[[Object | None], Any],
        *,
        subresource: str = "",
        dry_run: bool = False,
        make: bool = False,
        ownership: writes.Ownership | None = None,
    ) -> tuple[Object, bool]:
        """Puts what `change` makes of an object in its place; with `make`, of None when there is none.

        `change` is called once, changes nothing, and may raise a KubeError, MalformedPatch or PatchFailed.  The other
        parameters and errors are those of `patch` and `create`.  Returns the object, and whether it is a new one.  Not
        part of `Kube`: for patches that need more than the object.
        """
        await self.ready()
        kind = self._registry.of_resource(resource)
        writes.require_namespace(kind, namespace)

        def work(transaction: Transaction) -> tuple[Object, bool]:
            if make and not transaction.exists(kind, namespace, name):
                return writes.create(transaction, kind, _mapping(own(change(None))), self._ids, ownership), True
            stored = writes.find(transaction, kind, namespace, name)
            return writes.alter(transaction, stored, change, subresource, ownership), False

        return await self._write(work, dry_run)

    async def delete(
        self,
        resource: Resource,
        name: str,
        namespace: str = "",
        *,
        propagation: Propagation = "Background",
        grace_period_s: int | None = None,
        uid: str = "",
        resource_version: str = "",
        dry_run: bool = False,
    ) -> Object | None:
        """See `Kube.delete`.  dry_run: everything is done but keeping the result."""
        await self.ready()
        kind = self._registry.of_resource(resource)
        if resource == PODS and self.settle is not None and not dry_run:
            await self.settle(name, namespace)
        if propagation not in ("Background", "Foreground", "Orphan"):
            raise bad_request(f"propagationPolicy {propagation!r} is not Background, Foreground or Orphan")

        def work(transaction: Transaction) -> Object | None:
            stored = writes.find(transaction, kind, namespace, name)
            writes.refuse_stale(stored, uid, resource_version)
            left = Collector(transaction).delete(stored, propagation, grace_period_s)
            if kind is ACCOUNT and left is None:
                writes.renew_account(transaction, namespace, name, self._ids)
            return left

        return await self._write(work, dry_run)

    async def bind(
        self, name: str, namespace: str, node: str, *, uid: str = "", status: Object | None = None
    ) -> Object:
        """Gives a pod to a node: what the `binding` subresource is for a scheduler, and the only way to set
        spec.nodeName.

        `status` is merged into the pod's status in the same write.  Raises NotFound, Conflict (already bound, being
        deleted, or another uid).  Not part of `Kube`: the node agent's own entrance.
        """
        await self.ready()
        mine = own(status or {})

        def work(transaction: Transaction) -> Object:
            stored = writes.find(transaction, POD, namespace, name)
            writes.refuse_stale(stored, uid, "")
            return writes.bind(transaction, stored, node, mine)

        return await self._write(work)

    async def watch(
        self,
        resource: Resource,
        namespace: str = "",
        *,
        resource_version: str = "",
        labels: str = "",
        fields: str = "",
    ) -> AsyncGenerator[WatchEvent, None]:
        """See `Kube.watch`."""
        await self.ready()
        kind = self._registry.of_resource(resource)
        selection = select(kind, namespace, labels, fields)
        history = self._histories[kind.table]
        if resource_version in ("", "0"):
            position = history.end
            existing = await self._db.read(
                lambda tx: list_page(tx, selection, history, self._shared.version, limit=0, continue_="")
            )
            for obj in existing.items:
                yield WatchEvent("ADDED", obj)
        else:
            position = history.after(self._watchable(resource_version))
        while True:
            while position < history.end:
                selection = selection._replace(kind=self._registry.current(kind))
                event = _seen(history.at(position), selection)
                position += 1
                if event is not None:
                    yield event
            await history.changed()

    async def logs(
        self,
        name: str,
        namespace: str,
        *,
        container: str = "",
        follow: bool = False,
        tail: int | None = None,
        timestamps: bool = False,
        since_s: float | None = None,
        previous: bool = False,
    ) -> AsyncGenerator[bytes, None]:
        """See `Kube.logs`."""
        pod = await self.get(POD.resource, name, namespace)
        chosen = chosen_container(pod, container)
        if not scheduled(pod):
            return
        restart = _previous(pod, chosen) if previous else None
        if restart is None:
            _refuse_waiting(pod, chosen)
        if self.log_source is None:
            raise error("NotFound", f"no node has the logs of pod {name}")
        chunks = self.log_source.read(
            pod, chosen, follow=follow, tail=tail, timestamps=timestamps, since_s=since_s, restart=restart
        )
        try:
            async for chunk in chunks:
                yield chunk
        finally:
            await chunks.aclose()

    @asynccontextmanager
    async def exec(
        self,
        name: str,
        namespace: str,
        command: Sequence[str],
        *,
        container: str = "",
        stdin: bool = False,
        tty: bool = False,
    ) -> AsyncGenerator[Session]:
        """See `Kube.exec`."""
        if not command:
            raise bad_request("you must specify at least one command for the container")
        pod = await self.get(POD.resource, name, namespace)
        chosen = running_container(pod, container)
        async with self._streams(name).exec(pod, chosen, command, stdin=stdin, tty=tty) as session:
            yield session

    @asynccontextmanager
    async def attach(
        self, name: str, namespace: str, *, container: str = "", stdin: bool = False, tty: bool = False
    ) -> AsyncGenerator[Session]:
        """See `Kube.attach`."""
        pod = await self.get(POD.resource, name, namespace)
        chosen = attachable_container(pod, container, stdin=stdin, tty=tty)
        async with self._streams(name).attach(pod, chosen, stdin=stdin, tty=tty) as session:
            yield session

    @asynccontextmanager
    async def port_forward(self, name: str, namespace: str, port: int) -> AsyncGenerator[HalfOpen]:
        """See `Kube.port_forward`; raises Unavailable at once when nobody listens."""
        pod = await self.get(POD.resource, name, namespace)
        check_scheduled(pod)
        async with self._streams(name).dial(pod, port) as tunnel:
            yield tunnel

    def _streams(self, name: str) -> StreamSource:
        if self.stream_source is None:
            raise error("NotFound", f"no node reaches into pod {name}")
        return self.stream_source

    async def ready(self) -> None:
        """Opens the store before the first request, so that the registry has all kinds; every verb begins with it."""
        if not self._started:
            await self._start()

    async def _start(self) -> None:
        """Before the first request: reads where the versions stand, makes the namespaces that always exist."""

        def open_store(tx: Tx) -> None:
            self._shared.version = self._shared.reserved = read_version(tx)
            for (_, name), body in read_after(tx, NAMESPACE.table, "", ("", "")):
                self._note_namespace(Change(0, "", name, None, body))
            self._shared.guarded = guarded_namespaces(tx)
            self._histories = {table: History(self._shared.version, self._window) for table in self._registry.tables}
            for (_, name), body in read_after(tx, DEFINITIONS, "", ("", ""), batch=8):
                self._define(name, body)

        async with self._starting:
            if not self._started:
                await self._db.read(open_store)
                await self._write(self._default_namespaces)
                self._started = True

    def _default_namespaces(self, transaction: Transaction) -> None:
        if self._shared.guarded:
            guards().recount_all(transaction)
        for name in DEFAULT_NAMESPACES:
            if not transaction.exists(NAMESPACE, "", name):
                obj = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
                writes.create(transaction, NAMESPACE, obj, self._ids)
        for name in self._shared.open:  # of a home that is older than its accounts
            if not transaction.exists(ACCOUNT, name, DEFAULT_ACCOUNT):
                writes.create(transaction, ACCOUNT, default_account(name), self._ids)

    async def when_there(self, told: Mapping[Resource, Callable[[], None]]) -> None:
        """Has each function called once, when there is an object of its resource: at once, or after the commit.

        Not part of `Kube`: by this, who is rarely needed costs nothing until then.
        """
        await self.ready()
        tables = {resource.qualified: call for resource, call in told.items()}
        for table, call in tables.items():  # first, so that nothing arrives between the look and the wait
            self._awaited.setdefault(table, []).append(call)
        present = await self._db.read(lambda tx: [table for table in tables if has_any(tx, table)])
        for table in present:
            self._arrived(table)

    def _arrived(self, table: str) -> None:
        for call in self._awaited.pop(table, ()):
            call()

    def check_selectors(self, resource: Resource, namespace: str, labels: str, fields: str) -> None:
        """Raises BadRequest for what `list` and `watch` would refuse."""
        select(self._registry.of_resource(resource), namespace, labels, fields)

    async def _write(self, work: Callable[[Transaction], T], dry_run: bool = False) -> T:
        def run(tx: Tx) -> tuple[T, Transaction]:
            transaction = Transaction(tx, self._registry, self._shared, self._clock.time(), dry=dry_run)
            try:
                value = work(transaction)
            except RecursionError as problem:
                raise bad_request("the object is nested too deeply") from problem
            if dry_run:
                raise _DryRun(value)  # undoes the rows; what is left are gaps in the versions
            transaction.seal()
            return value, transaction

        try:
            value, _ = await self._db.write(run, committed=self._publish)
        except _DryRun as done:
            return done.value
        return value

    def _publish(self, result: tuple[Any, Transaction]) -> None:
        transaction = result[1]
        self._shared.reserved = max(self._shared.reserved, transaction.reserved)
        for table, change in transaction.changes:
            self._histories[table].append(change)
            if table in self._awaited:
                self._arrived(table)
            if table == NAMESPACE.table:
                self._note_namespace(change)
            elif table == DEFINITIONS:
                self._define(change.name, change.body)

    def _define(self, name: str, body: bytes | None) -> None:
        """Serves what a definition says, from its committed state; `body` is None when it has gone."""
        if body is None:
            self._registry.forget(name)
            self._shared.closing.discard(name)
            history = self._histories.pop(name, None)
            if history is not None:
                history.close()
            return
        read = partial(self._db.look, lambda tx: read_body(tx, DEFINITIONS, "", name))
        definition = import_module(CUSTOM).Definition(body, read)
        if definition.ends:
            self._shared.closing.add(name)
        self._registry.define(name, *definition.kinds())
        if name not in self._histories:
            self._histories[name] = History(self._shared.version, self._window)

    def _note_namespace(self, change: Change) -> None:
        """Remembers whether a namespace takes objects, from its committed state."""
        if change.body is None:
            self._shared.open.discard(change.name)
            self._shared.ending.discard(change.name)
        elif "deletionTimestamp" in change.object["metadata"]:
            self._shared.open.discard(change.name)
            self._shared.ending.add(change.name)
        else:
            self._shared.open.add(change.name)

    def _watchable(self, text: str) -> int:
        if not (text.isascii() and text.isdigit()):
            raise bad_request(f"invalid resource version {text!r}")
        version = int(text)
        if version > self._shared.version:
            raise gone(f"resource version {version} is of another history ({self._shared.version} is the last one)")
        return version

    async def _expire(self, kind: Kind, ttl_s: float) -> None:
        """Removes objects of a kind that lives only for a while; looks at most once a minute."""
        if self._clock.monotonic() - self._expired_at < _EXPIRY_EVERY_S:
            return
        self._expired_at = self._clock.monotonic()

        def work(transaction: Transaction) -> None:
            for (namespace, name), body in read_after(transaction.tx, kind.table, "", ("", "")):
                obj = decode(body)
                seen = obj.get("lastTimestamp") or obj["metadata"]["creationTimestamp"]
                if seconds_of(seen) + ttl_s < transaction.now:
                    Collector(transaction).delete(writes.find(transaction, kind, namespace, name), "Background", 0)

        await self._write(work)


class _DryRun(Exception):
    """The end of a transaction that is not to be kept, with its result."""

    def __init__(self, value: Any) -> None:
        super().__init__()
        self.value = value


def _mapping(obj: Any) -> Object:
    if not isinstance(obj, dict):
        raise bad_request("an object is a mapping")
    return obj  # pyright: ignore[reportUnknownVariableType]


def _seen(change: Change, selection: Selection) -> WatchEvent | None:
    """The change as a watcher with that selection sees it, None when it does not."""
    if selection.namespace and change.namespace != selection.namespace:
        return None
    plain = not selection.labels.requirements and not selection.fields.terms
    shown = selection.kind.shown
    before = change.before is not None and (plain or selection.matches(shown(change.previous or {})))
    after = change.body is not None and (plain or selection.matches(shown(change.object)))
    if after:
        return WatchEvent("MODIFIED" if before else "ADDED", shown(change.object))
    return WatchEvent("DELETED", shown(change.object)) if before else None


def _refuse_waiting(pod: Object, name: str) -> None:
    """Raises BadRequest while the container has never run on its node."""
    status: Object = pod.get("status") or {}
    for key in ("containerStatuses", "initContainerStatuses"):
        for item in objects(status, key):
            if item.get("name") == name and (item.get("restartCount") or "waiting" not in (item.get("state") or {})):
                return
    raise bad_request(f'container "{name}" in pod "{pod["metadata"]["name"]}" is waiting to start: ContainerCreating')


def _previous(pod: Object, name: str) -> int:
    """The number of the attempt that ended last before the present one.  Raises BadRequest when there is none."""
    status: Object = pod.get("status") or {}
    for key in ("containerStatuses", "initContainerStatuses"):
        for item in objects(status, key):
            if item.get("name") == name and item.get("restartCount"):
                return item["restartCount"] - 1
    raise bad_request(f'previous terminated container "{name}" in pod "{pod["metadata"]["name"]}" not found')
