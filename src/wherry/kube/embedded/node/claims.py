"""The volumes of claims: folders of the home that live as long as their PersistentVolumeClaims.

Owned by the agent.  Invariants: a claim goes only when no pod that is not over names it; the folder that was made for
a claim goes with it, and a folder that was there before (`spec.volumeName`) is never removed.  Each claim has a
PersistentVolume to look at, which says where the folder lies.
"""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Callable
from contextlib import aclosing, suppress

from wherry.kube.embedded.claims import PROTECTION, own_volume
from wherry.kube.embedded.node.containers import mapping
from wherry.kube.errors import AlreadyExists, Conflict, Gone, NotFound
from wherry.kube.protocol import Kube, Object
from wherry.kube.resources import PERSISTENTVOLUMECLAIMS, PERSISTENTVOLUMES
from wherry.storage.errors import StorageError

PROVISIONER = "wherry.dev/folder"
_PROVISIONED_BY = "pv.kubernetes.io/provisioned-by"


def volume_of(claim: Object, folder: str) -> Object:
    """The volume of a bound claim; `folder` is where those of the home lie."""
    metadata, spec = claim["metadata"], claim["spec"]
    name: str = spec["volumeName"]
    bound = {key: metadata[key] for key in ("name", "namespace", "uid")}
    own = name == own_volume(metadata["uid"])
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": name, "annotations": {_PROVISIONED_BY: PROVISIONER}},
        "spec": {
            "capacity": {"storage": spec["resources"]["requests"]["storage"]},
            "accessModes": spec["accessModes"],
            "claimRef": {"apiVersion": "v1", "kind": "PersistentVolumeClaim", **bound},
            "persistentVolumeReclaimPolicy": "Delete" if own else "Retain",
            "storageClassName": spec.get("storageClassName") or "",
            "hostPath": {"path": f"{folder}/{name}"},
        },
    }


class Claims:
    """`in_use(namespace, name)` says whether a pod that is not over names the claim."""

    def __init__(self, kube: Kube, folder: str, in_use: Callable[[str, str], bool]) -> None:
        self._kube = kube
        self._folder = folder
        self._in_use = in_use
        self._ending: dict[tuple[str, str], Object] = {}
        self._shown: dict[str, str] = {}  # uid of a claim -> the volume that shows where it lies

    async def run(self) -> None:
        """Follows all claims, for ever."""
        while True:
            listed = await self._kube.list(PERSISTENTVOLUMECLAIMS)
            self._shown = await self._volumes() if listed.items or self._has_folders() else {}
            await asyncio.to_thread(self._remove_others, {own_volume(each["metadata"]["uid"]) for each in listed.items})
            self._ending.clear()
            for uid in self._shown.keys() - {each["metadata"]["uid"] for each in listed.items}:
                await self._hide(uid)
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
        if metadata["uid"] not in self._shown:
            await self._show(claim)
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
        await self._hide(claim["metadata"]["uid"])
        name = claim["spec"]["volumeName"]
        if name == own_volume(claim["metadata"]["uid"]):
            await asyncio.to_thread(shutil.rmtree, f"{self._folder}/{name}", ignore_errors=True)

    async def _volumes(self) -> dict[str, str]:
        """The uids of claims, and the volumes that were made to show theirs."""
        listed = await self._kube.list(PERSISTENTVOLUMES)
        return {
            volume["spec"]["claimRef"]["uid"]: volume["metadata"]["name"]
            for volume in listed.items
            if mapping(volume["metadata"].get("annotations")).get(_PROVISIONED_BY) == PROVISIONER
        }

    async def _show(self, claim: Object) -> None:
        with suppress(AlreadyExists, StorageError):  # one that a user has made; a full disk
            made = await self._kube.create(volume_of(claim, self._folder))
            self._shown[claim["metadata"]["uid"]] = made["metadata"]["name"]

    async def _hide(self, uid: str) -> None:
        if name := self._shown.pop(uid, ""):
            with suppress(NotFound, StorageError):
                await self._kube.delete(PERSISTENTVOLUMES, name)

    def _has_folders(self) -> bool:
        return os.path.isdir(self._folder)

    def _remove_others(self, known: set[str]) -> None:
        """Folders whose claims went while nobody looked."""
        if self._has_folders():
            for name in set(os.listdir(self._folder)) - known:
                if name.startswith(own_volume("")):
                    shutil.rmtree(f"{self._folder}/{name}", ignore_errors=True)
