"""The volumes of claims: folders of the home that live as long as their PersistentVolumeClaims.

Owned by the agent.  Invariants: a claim goes only when no pod that is not over names it; the folder that was made for
a claim goes with it, and a folder that was there before (`spec.volumeName`) is never removed.
"""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Callable
from contextlib import aclosing

from wherry.kube.embedded.claims import PROTECTION, own_volume
from wherry.kube.errors import Conflict, Gone, NotFound
from wherry.kube.protocol import Kube, Object
from wherry.kube.resources import PERSISTENTVOLUMECLAIMS
from wherry.storage.errors import StorageError


class Claims:
    """`in_use(namespace, name)` says whether a pod that is not over names the claim."""

    def __init__(self, kube: Kube, folder: str, in_use: Callable[[str, str], bool]) -> None:
        self._kube = kube
        self._folder = folder
        self._in_use = in_use
        self._ending: dict[tuple[str, str], Object] = {}

    async def run(self) -> None:
        """Follows all claims, for ever."""
        while True:
            listed = await self._kube.list(PERSISTENTVOLUMECLAIMS)
            await asyncio.to_thread(self._remove_others, {own_volume(each["metadata"]["uid"]) for each in listed.items})
            self._ending.clear()
            for claim in listed.items:
                await self._saw(claim)
            version = listed.resource_version
            try:
                stream = self._kube.watch(PERSISTENTVOLUMECLAIMS, resource_version=version)
                async with aclosing(stream) as events:
                    async for event in events:
                        if event.type == "DELETED":
                            await self._gone(event.object)
                        else:
                            await self._saw(event.object)
            except Gone:
                continue

    async def pod_over(self) -> None:
        """A pod with volumes is over: claims that waited for it may go."""
        for claim in list(self._ending.values()):
            await self._saw(claim)

    async def _saw(self, claim: Object) -> None:
        metadata = claim["metadata"]
        if "deletionTimestamp" not in metadata or PROTECTION not in (metadata.get("finalizers") or ()):
            return
        namespace, name = metadata["namespace"], metadata["name"]
        self._ending[namespace, name] = claim
        if self._in_use(namespace, name):
            return
        left = [finalizer for finalizer in metadata["finalizers"] if finalizer != PROTECTION]
        change = {"metadata": {"uid": metadata["uid"], "finalizers": left}}
        try:
            await self._kube.patch(PERSISTENTVOLUMECLAIMS, name, namespace, change)
        except (NotFound, Conflict):
            pass  # another claim has the name by now
        except StorageError:
            return  # a full disk: it is tried again when the next pod is over
        self._ending.pop((namespace, name), None)

    async def _gone(self, claim: Object) -> None:
        self._ending.pop((claim["metadata"]["namespace"], claim["metadata"]["name"]), None)
        name = claim["spec"]["volumeName"]
        if name == own_volume(claim["metadata"]["uid"]):
            await asyncio.to_thread(shutil.rmtree, f"{self._folder}/{name}", ignore_errors=True)

    def _remove_others(self, known: set[str]) -> None:
        """Folders whose claims went while nobody looked."""
        if os.path.isdir(self._folder):
            for name in set(os.listdir(self._folder)) - known:
                if name.startswith(own_volume("")):
                    shutil.rmtree(f"{self._folder}/{name}", ignore_errors=True)
