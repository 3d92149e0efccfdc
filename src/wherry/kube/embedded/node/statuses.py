"""Statuses: what the node tells its API server about pods, as few times as it can.

Called by the agent, which marks a pod whenever something has happened to it.  Invariants: a pod is bound and given its
first status in one write; what happens to it before a write is in that write; writes of one turn go out together.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Protocol

from wherry.kube.embedded.log_source import LogSource
from wherry.kube.embedded.node import lifecycle
from wherry.kube.embedded.node.lifecycle import NODE
from wherry.kube.embedded.node.pods import Pod
from wherry.kube.embedded.stream_source import StreamSource
from wherry.kube.errors import Conflict, KubeError, NotFound
from wherry.kube.protocol import Kube, Object
from wherry.kube.resources import PODS, Resource
from wherry.storage.errors import StorageError

_RETRY_S = 1.0


class NodeKube(Kube, Protocol):
    """What the agent needs of its API server beyond `Kube`."""

    log_source: LogSource | None
    stream_source: StreamSource | None
    settle: Callable[[str, str], Awaitable[None]] | None

    async def when_there(self, told: Mapping[Resource, Callable[[], None]]) -> None:
        """Has a function called when there is an object of a resource; see `EmbeddedKube.when_there`."""
        ...

    async def bind(
        self, name: str, namespace: str, node: str, *, uid: str = "", status: Object | None = None
    ) -> Object:
        """Gives a pod to a node; see `EmbeddedKube.bind`."""
        ...


class Statuses:
    """`final` is called with a pod whose last status has been written."""

    def __init__(self, kube: NodeKube, final: Callable[[Pod], None]) -> None:
        self._kube = kube
        self._final = final
        self._dirty: dict[str, Pod] = {}
        self._unbound: dict[tuple[str, str], Pod] = {}  # begun, and the API server has not heard of it
        self._work = asyncio.Event()

    def mark(self, pod: Pod) -> None:
        """The pod's status is to be written; what happens until then is in the same write."""
        if not pod.gone:
            self._dirty[pod.uid] = pod
            self._work.set()

    def began(self, pod: Pod) -> None:
        """The pod is ours from now on, and the API server does not know it."""
        self._unbound[_key(pod)] = pod

    def forget(self, pod: Pod) -> None:
        """Nothing more is to be written about the pod."""
        self._dirty.pop(pod.uid, None)
        if self._unbound.get(_key(pod)) is pod:
            del self._unbound[_key(pod)]

    async def settle(self, name: str, namespace: str) -> None:
        """Tells the API server of a pod that has begun and that it is about to delete, if it does not know yet."""
        pod = self._unbound.get((namespace, name))
        if pod is not None:
            await self._write(pod)

    async def run(self) -> None:
        """Writes what is marked, for ever."""
        while True:
            await self._work.wait()
            self._work.clear()
            batch, self._dirty = self._dirty, {}
            if len(batch) == 1:
                await self._write(*batch.values())
            elif batch:
                await asyncio.gather(*(self._write(pod) for pod in batch.values()))

    async def _write(self, pod: Pod) -> None:
        run = pod.run
        final, deleted = run.final, run.stop is not None and run.stop.deleted
        try:
            await self._tell(pod, lifecycle.status(run))
            if final and deleted:
                namespace, name = _key(pod)
                await self._kube.delete(PODS, name, namespace, grace_period_s=0, uid=pod.uid)
        except StorageError:  # a full disk, a locked file: it may pass, and nobody else will tell
            asyncio.get_running_loop().call_later(_RETRY_S, self.mark, pod)
            return
        except KubeError as failed:
            if not isinstance(failed, (NotFound, Conflict)):
                raise
            # gone, or another pod has its name now: the watch tells
        if final and not pod.gone:
            self._final(pod)

    async def _tell(self, pod: Pod, status: Object) -> None:
        namespace, name = _key(pod)
        if not pod.bound and pod.run.begin:
            pod.bound = True
            self._unbound.pop((namespace, name), None)
            try:
                await self._kube.bind(name, namespace, NODE, uid=pod.uid, status=status)
                return
            except Conflict:
                pass  # bound before, or being deleted: it has a status all the same
            except StorageError:
                pod.bound = False
                self.began(pod)
                raise
        patch = {"metadata": {"uid": pod.uid}, "status": status}
        await self._kube.patch(PODS, name, namespace, patch, subresource="status")


def _key(pod: Pod) -> tuple[str, str]:
    metadata = pod.run.pod["metadata"]
    return metadata["namespace"], metadata["name"]
