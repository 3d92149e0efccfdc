"""Opens targets that are clusters: the API server, the store, and what pods need there before the first one is made.

Loaded by `wherry.server.compose` when a run names a target.  Invariants: no credential leaves this process but to the
API server; what is made in the namespace carries wherry's labels.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec

from wherry.errors import WherryError
from wherry.kube.cluster.client import ClusterKube
from wherry.kube.cluster.config import Access, find
from wherry.pipelines.runtime_map import carrier, ensure_runtime, runtime_equipment
from wherry.pipelines.targets import Equipment, Identify, Site, Target
from wherry.pipelines.templates import EnvRequest
from wherry.storage.artifacts import ArtifactStore
from wherry.storage.shared_folder import SharedFolder
from wherry.storage.stores import check_writable, is_object_store, open_granter, open_store

WINDOW = 200  # pods that exist at once; a run's own parallelism caps its share
_ARTIFACTS = "wherry-artifacts"
_WHEELS = "wherry-wheels"
WHEELS_PATH = "/wherry-wheels"
"""Where pods find the volume on which pip keeps what it has fetched."""


class Clusters:
    """Targets of a home; `identify` names the environments of images that are `known` by content, `environ` is the
    server's."""

    def __init__(
        self,
        identify: Identify,
        known: Callable[[str, EnvRequest | None], bool],
        environ: Mapping[str, str],
    ) -> None:
        self._identify_known = identify
        self._known = known
        self._environ = environ

    def settled(self, target: Target) -> Target:
        """See `Targets.settled`."""
        return settled(target, self._environ)

    @asynccontextmanager
    async def open(self, target: Target) -> AsyncGenerator[Site]:
        """See `Targets.open`."""
        store = store_of(target, self._environ)
        async with ClusterKube(access_of(target, self._environ), scope=target.namespace) as kube:
            await kube.version()
            await check_writable(store)
            runtime = await ensure_runtime(kube, target.namespace)

            async def mend(message: str) -> None:
                if runtime in message:
                    await ensure_runtime(kube, target.namespace)

            yield Site(
                kube,
                store,
                self._identify,
                WINDOW,
                equipment=equipment(target, runtime),
                pending_limit_s=target.pending_limit_s,
                granter=open_granter(target.artifacts, self._environ, target.object_settings),
                mend=mend,
            )

    async def _identify(self, image: str, request: EnvRequest | None) -> str:
        """What the image is for cache keys: an image of Python, or one that the image map describes, is what it is on
        a laptop; any other is what its reference says."""
        if self._known(image, request):
            try:
                return await self._identify_known(image, request)
            except WherryError:
                pass  # no index can be asked from here
        asked = msgspec.json.encode(request).decode() if request else ""
        return f"image {image} {asked}".strip()


def equipment(target: Target, runtime: str) -> Equipment:
    """What every pod of the target gets; `runtime` is the name of the ConfigMap that holds the runtime."""
    found = runtime_equipment(runtime)
    volumes, mounts, env = list(found.volumes), list(found.mounts), list(found.env)
    for name, volume, path in ((_ARTIFACTS, target.volume, target.artifacts), (_WHEELS, target.wheels, WHEELS_PATH)):
        if volume is not None:
            volumes.append({"name": name, **volume.source()})
            sub_path = {"subPath": volume.sub_path} if volume.sub_path else {}
            mounts.append({"name": name, "mountPath": path, **sub_path})
    if target.wheels is not None:
        env.append({"name": "WHERRY_WHEELS", "value": WHEELS_PATH})
    spec: dict[str, Any] = {"automountServiceAccountToken": False}
    if target.service_account:
        spec = {"serviceAccountName": target.service_account}
    if target.pull_secrets:
        spec["imagePullSecrets"] = [{"name": name} for name in target.pull_secrets]
    return Equipment(tuple(volumes), tuple(mounts), tuple(env), spec, carrier(target.python_image))


def settled(target: Target, environ: Mapping[str, str]) -> Target:
    """The target with the context and the namespace that its kubeconfig says.  Raises UsageError."""
    access = access_of(target, environ)
    context = target.context or access.config.context_name or ""
    return msgspec.structs.replace(target, context=context, namespace=access.namespace)


def store_of(target: Target, environ: Mapping[str, str]) -> ArtifactStore:
    """Where the target keeps artifacts.  Raises UsageError."""
    if is_object_store(target.artifacts):
        return open_store(target.artifacts, environ, target.object_settings)
    return SharedFolder(Path(target.artifacts))


def access_of(target: Target, environ: Mapping[str, str]) -> Access:
    """The way to the target's API server, for whoever opens a client of it.  Raises UsageError."""
    return find(target.context, namespace=target.namespace, kubeconfig=target.kubeconfig, environ=environ)
