"""Makes the pod of a task, and the Secret with its grant where its artifacts lie in an object store.

Called by the launcher for each incarnation, and by the driver for pods that it finds at its start.  Invariant: a pod
that waits for its Secret gets one, whenever the server dies: the pod is made first, so that it can own it.
"""

from __future__ import annotations

from wherry.kube.errors import AlreadyExists
from wherry.kube.protocol import Kube, Object
from wherry.kube.resources import PODS
from wherry.pipelines.granting import Access, access, input_reference, secret_of, waits_for_grant, with_grant
from wherry.storage.artifacts import ArtifactStore
from wherry.storage.stores import Grant, Granter


class Delivery:
    """Pods and their grants; without a `granter` pods alone."""

    def __init__(self, kube: Kube, store: ArtifactStore, granter: Granter | None = None) -> None:
        self._kube = kube
        self._store = store
        self._granter = granter

    async def create(self, pod: Object) -> None:
        """Make the pod and its Secret.  Raises KubeError, StorageError, GrantRefused; AlreadyExists for the pod."""
        wanted = await self._access(pod) if self._granter is not None else None
        if self._granter is None or wanted is None:
            await self._kube.create(pod)
            return
        grant = await self._granter.grant(wanted.root, wanted.reads)
        try:
            made = await self._kube.create(with_grant(pod, grant))
        except AlreadyExists:
            await self.complete(await self._kube.get(PODS, pod["metadata"]["name"], pod["metadata"]["namespace"]))
            raise
        await self._deliver(made, grant)

    async def complete(self, pod: Object) -> None:
        """Give a pod that waits for its Secret one, unless it has one.  Raises as `create`."""
        if self._granter is not None and waits_for_grant(pod):
            wanted = await self._access(pod)
            if wanted is not None:
                await self._deliver(pod, await self._granter.grant(wanted.root, wanted.reads))

    async def _deliver(self, pod: Object, grant: Grant) -> None:
        if grant.secret:
            try:
                await self._kube.create(secret_of(pod, grant))
            except AlreadyExists:
                return

    async def _access(self, pod: Object) -> Access | None:
        reference = input_reference(pod)
        given = None if reference is None else await self._store.read(reference)
        return access(pod, given)
