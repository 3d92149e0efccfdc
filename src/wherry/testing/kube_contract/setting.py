"""What the tests of the contract stand on: capabilities, a namespace of their own, small objects.

Called by the suites of this package.  Invariant: a test touches nothing outside its own namespace, so that the suite
is safe on a cluster that others use; its pods name a scheduler or a node that does not exist, so that none of them
ever runs.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

from wherry.kube.cluster.capabilities import Capabilities
from wherry.kube.errors import KubeError, NotFound
from wherry.kube.protocol import Kube, Object, WatchEvent
from wherry.kube.resources import NAMESPACES, Resource
from wherry.seams import SystemIds
from wherry.testing.clock import until

__all__ = [
    "WITHIN_S",
    "Body",
    "Capabilities",
    "OpenKube",
    "Place",
    "failure",
    "owned_by",
    "perform",
    "take",
    "told",
]

OpenKube = Callable[[], AbstractAsyncContextManager[Kube]]
"""Opens the implementation under test, inside the running loop."""

WITHIN_S = 60.0


class Place:
    """A test's own namespace on the server under test."""

    def __init__(self, kube: Kube, namespace: str) -> None:
        self.kube = kube
        self.namespace = namespace

    def configmap(self, name: str, data: dict[str, str] | None = None, **metadata: Any) -> Object:
        """A ConfigMap of this namespace."""
        obj: Object = {"apiVersion": "v1", "kind": "ConfigMap"}
        obj["metadata"] = {"name": name, "namespace": self.namespace, **metadata}
        return obj if data is None else {**obj, "data": data}

    def secret(self, name: str, **fields: Any) -> Object:
        """A Secret of this namespace."""
        return {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": name, "namespace": self.namespace},
            **fields,
        }

    def pod(self, name: str, *, node: str = "", **metadata: Any) -> Object:
        """A pod that never runs: no such scheduler, or no such node."""
        spec: Object = {"containers": [{"name": "main", "image": "example.invalid/none:1"}]}
        spec |= {"nodeName": node} if node else {"schedulerName": "wherry-contract-none"}
        metadata = {"name": name, "namespace": self.namespace, **metadata}
        return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}

    async def create(self, *objects: Object) -> list[Object]:
        """Creates objects; waits while a young namespace has no service account for pods yet."""
        return [await self._create(obj) for obj in objects]

    async def _create(self, obj: Object) -> Object:
        created: list[Object] = []

        async def attempt() -> bool:
            try:
                created.append(await self.kube.create(obj))
            except KubeError as error:
                # Forbidden, or (before 1.24) a server timeout while the account has no token yet.
                if "serviceaccount" not in error.message.lower().replace(" ", ""):
                    raise
                return False
            return True

        await until(attempt, within_s=WITHIN_S)
        return created[0]

    async def gone(self, resource: Resource, name: str, namespace: str = "") -> None:
        """Waits until there is no such object."""
        place = (namespace or self.namespace) if resource.namespaced else ""

        async def missing() -> bool:
            try:
                await self.kube.get(resource, name, place)
            except NotFound:
                return True
            return False

        await until(missing, within_s=WITHIN_S)


Body = Callable[[Place], Awaitable[None]]


def owned_by(owner: Object, **more: Any) -> list[dict[str, Any]]:
    """ownerReferences that name `owner`."""
    metadata = owner["metadata"]
    reference = {"apiVersion": owner["apiVersion"], "kind": owner["kind"], "name": metadata["name"]}
    return [{**reference, "uid": metadata["uid"], **more}]


def perform(open_kube: OpenKube, body: Body) -> None:
    """Runs a test's body in a namespace of its own, which is deleted afterwards."""
    asyncio.run(_perform(open_kube, body))


async def _perform(open_kube: OpenKube, body: Body) -> None:
    namespace = f"wherry-contract-{SystemIds().suffix(10)}"
    async with open_kube() as kube:
        await kube.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})
        try:
            await body(Place(kube, namespace))
        finally:
            try:
                await kube.delete(NAMESPACES, namespace)
            except NotFound:
                pass


async def failure(awaitable: Awaitable[Any]) -> KubeError | None:
    """The KubeError that it ends with, None when it succeeds."""
    try:
        await awaitable
    except KubeError as error:
        return error
    return None


async def take(events: AsyncGenerator[WatchEvent, None], count: int) -> list[WatchEvent]:
    """The next `count` events of a watch, without bookmarks; raises TimeoutError."""
    taken: list[WatchEvent] = []
    async with asyncio.timeout(WITHIN_S):
        while len(taken) < count:
            event = await anext(events)
            if event.type != "BOOKMARK":
                taken.append(event)
    return taken


def told(events: list[WatchEvent]) -> list[tuple[str, str]]:
    """Type and object name of each event."""
    return [(event.type, event.object["metadata"]["name"]) for event in events]
