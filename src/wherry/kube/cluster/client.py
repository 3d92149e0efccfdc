"""`ClusterKube`: the waist on a real API server.

Opened by the parts that have a target, and by tests.  Invariants: objects and errors are the server's own, unchanged
but for apiVersion and kind, which servers leave out of the items of lists; kinds that are not wherry's own are learnt
from the server's discovery.
"""

from __future__ import annotations

import math
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing, asynccontextmanager
from importlib import import_module
from types import TracebackType
from typing import Any
from urllib.parse import quote

import httpx2

from wherry.kube.cluster.capabilities import Version, parse_version
from wherry.kube.cluster.config import Access
from wherry.kube.cluster.connection import Connection, Patience, Request
from wherry.kube.cluster.kinds import Kinds
from wherry.kube.cluster.watching import follow
from wherry.kube.errors import bad_request
from wherry.kube.protocol import Object, ObjectList, PatchType, Propagation, WatchEvent
from wherry.kube.resources import PODS, Resource
from wherry.kube.streams import Session, Tunnel

SESSIONS = "wherry.kube.cluster.sessions"  # the lazy entry: WebSockets are rare

_PATCH_TYPES: dict[PatchType, str] = {
    "merge": "application/merge-patch+json",
    "json": "application/json-patch+json",
    "apply": "application/apply-patch+yaml",  # of which JSON is a part
}


class ClusterKube:
    """A `Kube` on the API server of `access`; `async with` closes its connections."""

    def __init__(
        self,
        access: Access,
        *,
        scope: str = "",
        transport: httpx2.AsyncBaseTransport | None = None,
        patience: Patience | None = None,
    ) -> None:
        """`scope` is the one namespace that `list` and `watch` see, for accounts that may see no other; `transport`
        carries the requests instead of the network.  Raises UsageError for unusable credentials."""
        self.access = access
        self._scope = scope
        self._connection = Connection(access, transport=transport, patience=patience)
        self._kinds = Kinds(self._connection)

    async def __aenter__(self) -> ClusterKube:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._connection.aclose()

    async def version(self) -> Version:
        """The server's version.  Raises WherryError for one that is too old for wherry."""
        return parse_version(await self._connection.ask(Request("GET", "/version", {})))

    async def get(self, resource: Resource, name: str, namespace: str = "") -> Object:
        """See `Kube.get`."""
        return await self._connection.ask(Request("GET", _object_path(resource, name, namespace), {}))

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
        query = _query(labelSelector=labels, fieldSelector=fields, limit=limit)
        query |= {"continue": continue_} if continue_ else {}
        path = _collection_path(resource, namespace or self._scope)
        page = await self._connection.ask(Request("GET", path, query))
        metadata = page["metadata"]
        types = {"apiVersion": resource.api_version, "kind": resource.kind}
        items: list[Object] = [{**types, **item} for item in page.get("items") or ()]
        return ObjectList(items, metadata["resourceVersion"], metadata.get("continue", ""))

    async def create(self, obj: Object) -> Object:
        """See `Kube.create`."""
        resource = await self._kinds.of_object(obj)
        namespace = _metadata(obj).get("namespace", "") if resource.namespaced else ""
        _require_namespace(resource, namespace)
        return await self._connection.ask(Request("POST", _collection_path(resource, namespace), {}, obj))

    async def replace(self, obj: Object, *, subresource: str = "") -> Object:
        """See `Kube.replace`."""
        resource = await self._kinds.of_object(obj)
        metadata = _metadata(obj)
        path = _object_path(resource, metadata.get("name", ""), metadata.get("namespace", ""), subresource)
        return await self._connection.ask(Request("PUT", path, {}, obj))

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
    ) -> Object:
        """See `Kube.patch`."""
        if type not in _PATCH_TYPES:
            raise bad_request(f"a patch is of type merge, json or apply, not {type!r}")
        path = _object_path(resource, name, namespace, subresource)
        query = _query(fieldManager=field_manager, force="true" if force else "")
        return await self._connection.ask(Request("PATCH", path, query, patch, _PATCH_TYPES[type]))

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
    ) -> Object | None:
        """See `Kube.delete`."""
        options: dict[str, Any] = {"kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": propagation}
        if grace_period_s is not None:
            options["gracePeriodSeconds"] = grace_period_s
        expected = _query(uid=uid, resourceVersion=resource_version)
        if expected:
            options["preconditions"] = expected
        path = _object_path(resource, name, namespace)
        left = await self._connection.ask(Request("DELETE", path, {}, options))
        return left if left.get("kind") == resource.kind and _stays(left) else None

    async def watch(
        self,
        resource: Resource,
        namespace: str = "",
        *,
        resource_version: str = "",
        labels: str = "",
        fields: str = "",
    ) -> AsyncGenerator[WatchEvent, None]:
        """See `Kube.watch`.  Bookmarks come as the server sends them."""
        if resource_version in ("", "0"):
            page = await self.list(resource, namespace, labels=labels, fields=fields)
            resource_version = page.resource_version
            for item in page.items:
                yield WatchEvent("ADDED", item)
        query = _query(labelSelector=labels, fieldSelector=fields)
        path = _collection_path(resource, namespace or self._scope)
        events = follow(self._connection, path, query, resource_version)
        async with aclosing(events):
            async for event in events:
                yield event

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
        """See `Kube.logs`.  A server counts `since_s` in whole seconds, one at least.

        Raises also Unavailable when the connection breaks off.
        """
        query = _query(container=container)
        query |= {"tailLines": tail} if tail is not None else {}
        query |= {"sinceSeconds": max(1, math.ceil(since_s))} if since_s is not None else {}
        for flag, wanted in (("follow", follow), ("timestamps", timestamps), ("previous", previous)):
            query |= {flag: "true"} if wanted else {}
        request = Request("GET", _object_path(PODS, name, namespace, "log"), query)
        async with self._connection.stream(request, silence_s=None if follow else 60.0) as chunks, aclosing(chunks):
            async for chunk in chunks:
                yield chunk

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
        query = _streams(container, stdin, tty) | {"command": list(command)}
        request = Request("GET", _object_path(PODS, name, namespace, "exec"), query)
        async with import_module(SESSIONS).session(self._connection, request) as session:
            yield session

    @asynccontextmanager
    async def attach(
        self, name: str, namespace: str, *, container: str = "", stdin: bool = False, tty: bool = False
    ) -> AsyncGenerator[Session]:
        """See `Kube.attach`."""
        query = _streams(container, stdin, tty)
        request = Request("GET", _object_path(PODS, name, namespace, "attach"), query)
        async with import_module(SESSIONS).session(self._connection, request) as session:
            yield session

    @asynccontextmanager
    async def port_forward(self, name: str, namespace: str, port: int) -> AsyncGenerator[Tunnel]:
        """See `Kube.port_forward`."""
        request = Request("GET", _object_path(PODS, name, namespace, "portforward"), {"ports": port})
        async with import_module(SESSIONS).tunnel(self._connection, request) as tunnel:
            yield tunnel


def _streams(container: str, stdin: bool, tty: bool) -> dict[str, Any]:
    wanted = {"stdin": stdin, "stdout": True, "stderr": not tty, "tty": tty}
    return _query(container=container) | {name: "true" for name, said in wanted.items() if said}


def _query(**values: str | int) -> dict[str, str | int]:
    """The values that are said."""
    return {name: value for name, value in values.items() if value}


def _metadata(obj: Object) -> dict[str, Any]:
    metadata: Any = obj.get("metadata")
    if not isinstance(metadata, dict):
        raise bad_request("the object has no metadata")
    return metadata  # pyright: ignore[reportUnknownVariableType]


def _require_namespace(resource: Resource, namespace: str) -> None:
    if resource.namespaced and not namespace:
        raise bad_request(f"{resource.qualified} are in namespaces: name one")


def _collection_path(resource: Resource, namespace: str) -> str:
    root = f"/apis/{resource.group}" if resource.group else "/api"
    place = f"/namespaces/{quote(namespace, safe='')}" if namespace and resource.namespaced else ""
    return f"{root}/{resource.version}{place}/{resource.plural}"


def _object_path(resource: Resource, name: str, namespace: str, subresource: str = "") -> str:
    _require_namespace(resource, namespace)
    if not name:
        raise bad_request("the object has no name")
    path = f"{_collection_path(resource, namespace)}/{quote(name, safe='')}"
    return f"{path}/{subresource}" if subresource else path


def _stays(obj: Object) -> bool:
    """Whether a deleted object is still there: servers answer with pods also when they are gone."""
    metadata = obj["metadata"]
    if "deletionTimestamp" not in metadata:
        return False
    spec: Object = obj.get("spec") or {}
    held = metadata.get("finalizers") or spec.get("finalizers")  # the latter are namespaces' own
    return bool(held) or bool(metadata.get("deletionGracePeriodSeconds"))
