"""CreatePVC, DeletePVC and the workspace: claims that the driver makes itself, without a pod.

Called by the launcher.  Invariants: a claim's name follows from the run and the task alone, so that making it twice is
making it once; a claim of somebody else's is never taken for one's own.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any, cast

import msgspec

from wherry.errors import WherryError
from wherry.ir.operations import CREATE_PVC
from wherry.ir.spec import Workspace
from wherry.kube.errors import AlreadyExists, BadRequest, Forbidden, Invalid, NotFound, conflict
from wherry.kube.protocol import Kube, Object
from wherry.kube.resources import PERSISTENTVOLUMECLAIMS
from wherry.pipelines import caching, workspace
from wherry.pipelines.engine.model import Event, RunInfo, Succeeded
from wherry.pipelines.engine.placeholders import task_uuid
from wherry.pipelines.engine.resolve import Resolved
from wherry.pipelines.flights import Flight, Notice
from wherry.pipelines.platform_volumes import WORKSPACE_VOLUME
from wherry.pipelines.pods import MANAGED_BY, PATH_ANNOTATION, RUN_LABEL, SELECTOR
from wherry.storage.artifacts import ArtifactStore
from wherry.storage.database import Database

_STORAGE_CLASS = "standard"  # what KFP's driver takes when the document has no word on it


class ClaimRefused(WherryError):
    """The claim cannot be made or deleted."""


class Claims:
    """Makes and deletes claims, and remembers by cache key which ones were made."""

    def __init__(self, db: Database, kube: Kube, store: ArtifactStore) -> None:
        self._db = db
        self._kube = kube
        self._store = store

    async def operate(self, flight: Flight, resolved: Resolved, tell: Callable[[Notice], None]) -> Event:
        """Does what the task asks for; its end.  Raises ClaimRefused, KubeError, StorageError."""
        if resolved.container.image == CREATE_PVC:
            return await self._create(flight, resolved)
        return await self._delete(flight, resolved, tell)

    async def make_workspace(self, info: RunInfo, asked: Workspace) -> None:
        """Makes the run's workspace, if it is not there.  Raises ClaimRefused, KubeError, StorageError."""
        await self._make(workspace.claim(info, asked))

    async def workspaces(self) -> list[tuple[str, str, str]]:
        """Run id, claim and namespace of each workspace that is there.  Raises KubeError, StorageError."""
        listed = await self._kube.list(PERSISTENTVOLUMECLAIMS, labels=SELECTOR)
        found = (claim["metadata"] for claim in listed.items)
        return [
            (each["labels"][RUN_LABEL], each["name"], each["namespace"])
            for each in found
            if each["name"].endswith(f"-{WORKSPACE_VOLUME}")
        ]

    async def discard_workspace(self, name: str, namespace: str) -> None:
        """Deletes a run's workspace, if there is one.  Raises KubeError, StorageError."""
        try:
            await self._kube.delete(PERSISTENTVOLUMECLAIMS, name, namespace)
        except NotFound:
            pass

    async def _create(self, flight: Flight, resolved: Resolved) -> Event:
        live, given = flight.live, resolved.parameters
        name, suffix = given.get("pvc_name") or "", given.get("pvc_name_suffix") or ""
        if name and suffix:
            raise ClaimRefused(f"{resolved.display_name}: give pvc_name or pvc_name_suffix, not both")
        if name and resolved.caching:
            flight.cache_key = _key(resolved)
            hit = await caching.find(self._db, self._store, live.info.namespace, flight.cache_key)
            if hit is not None and live.options.cache and await self._is_there(name, live.info.namespace):
                return Succeeded(flight.path, flight.attempt, hit.outputs, cached_from=hit.run_id)
        name = name or f"{task_uuid(live.info.run_id, flight.path)}{suffix}"
        await self._make(_claim(name, flight, given))
        return Succeeded(flight.path, flight.attempt, {"parameters": {"name": name}, "artifacts": {}})

    async def _delete(self, flight: Flight, resolved: Resolved, tell: Callable[[Notice], None]) -> Event:
        name = resolved.parameters.get("pvc_name")
        if not isinstance(name, str) or not name:
            raise ClaimRefused(f"{resolved.display_name}: pvc_name is {name!r}, not the name of a claim")
        try:
            await self._kube.delete(PERSISTENTVOLUMECLAIMS, name, flight.live.info.namespace)
        except NotFound:
            tell(Notice(f"The claim {name} was gone already.", "ClaimGone", flight.path, flight.attempt))
        return Succeeded(flight.path, flight.attempt, {"parameters": {}, "artifacts": {}})

    async def _there(self, name: str, namespace: str) -> Object | None:
        try:
            return await self._kube.get(PERSISTENTVOLUMECLAIMS, name, namespace)
        except NotFound:
            return None

    async def _is_there(self, name: str, namespace: str) -> bool:
        claim = await self._there(name, namespace)
        return claim is not None and "deletionTimestamp" not in claim["metadata"]

    async def _make(self, claim: Object) -> None:
        name, namespace = claim["metadata"]["name"], claim["metadata"]["namespace"]
        try:
            await self._kube.create(claim)
        except AlreadyExists:
            there = await self._there(name, namespace)
            if there is None or "deletionTimestamp" in there["metadata"]:
                # of the retriable kind: the driver comes again until the old one has gone
                raise conflict(PERSISTENTVOLUMECLAIMS, name, "the claim of this name is being deleted") from None
            if not _same_maker(there, claim):
                raise ClaimRefused(
                    f"there is a claim {name} already, and this task did not make it",
                    hint="Choose another name, or a suffix (pvc_name_suffix), which makes a name for each run.",
                ) from None
        except (BadRequest, Forbidden, Invalid, NotFound) as error:
            raise ClaimRefused(f"the claim {name} was refused: {error}") from error


def _claim(name: str, flight: Flight, given: dict[str, Any]) -> Object:
    info = flight.live.info
    annotations = cast("dict[str, Any]", given.get("annotations") or {})
    metadata = {
        "name": name,
        "namespace": info.namespace,
        "labels": {**MANAGED_BY, RUN_LABEL: info.run_id},
        "annotations": {**{key: str(value) for key, value in annotations.items()}, PATH_ANNOTATION: flight.path},
    }
    spec: dict[str, Any] = {
        "accessModes": given.get("access_modes"),
        "resources": {"requests": {"storage": given.get("size")}},
    }
    storage_class = given.get("storage_class_name", _STORAGE_CLASS)
    for key, value in (
        ("storageClassName", storage_class),
        ("volumeName", given.get("volume_name") or None),
        ("dataSource", given.get("data_source") or None),
    ):
        if value is not None:
            spec[key] = value
    return {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": metadata, "spec": spec}


def _same_maker(there: Object, claim: Object) -> bool:
    """Whether both are of the same task of the same run."""

    def maker(obj: Object) -> tuple[str, str]:
        metadata = obj["metadata"]
        labels: dict[str, str] = metadata.get("labels") or {}
        annotations: dict[str, str] = metadata.get("annotations") or {}
        return labels.get(RUN_LABEL, ""), annotations.get(PATH_ANNOTATION, "")

    return maker(there) == maker(claim)


def _key(resolved: Resolved) -> str:
    """The cache key of a claim with a name of its own."""
    if resolved.cache_key:
        content: Any = [resolved.component_name, resolved.cache_key]
    else:
        content = {"v": 1, "image": CREATE_PVC, "parameters": resolved.parameters}
    return hashlib.sha256(msgspec.json.encode(content, order="sorted")).hexdigest()
