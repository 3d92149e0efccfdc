"""Artifacts that an importer puts into the run's workspace: copied there by the first task that reads one.

Called when a task's inputs are completed.  Invariant: who finds the copy finds the whole of it; it is made once.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Mapping
from typing import Any

from wherry.runtime import store
from wherry.runtime.artifact_types import WORKSPACE_MOUNT_PATH
from wherry.runtime.shapes import as_array, as_object

MARK = "_kfp_workspace"
"""The metadata key of artifacts that lie in the workspace."""
_CHUNK_BYTES = 1 << 20


def materialise(artifacts: Mapping[str, Any]) -> None:
    """Has all of the executor input's `artifacts` where the task reads them, before it starts.

    An artifact whose content was recorded must be there.  Raises StoreError, OSError.
    """
    remote = {
        artifact["uri"]: artifact
        for holder in artifacts.values()
        for artifact in as_array(as_object(holder).get("artifacts"))
        if store.is_remote(artifact.get("uri") or "") and not _is_copied(artifact)
    }
    if remote:
        for uri in store.store_for(next(iter(remote))).fetch(remote):
            if remote[uri].get("digest"):
                raise store.StoreError(f"The input artifact at {uri} is gone")
    download(artifacts)


def _is_copied(artifact: Mapping[str, Any]) -> bool:
    """Whether it is one of the workspace, and an earlier task has brought it there."""
    if as_object(artifact.get("metadata")).get(MARK) is not True:
        return False
    uri = artifact["uri"]
    return os.path.lexists(_target(store.store_for(uri).local_path(uri), WORKSPACE_MOUNT_PATH))


def download(artifacts: Mapping[str, Any], root: str = WORKSPACE_MOUNT_PATH) -> None:
    """Copies those of the executor input's `artifacts` that belong into the workspace and are not there.

    Raises StoreError, OSError.
    """
    for holder in artifacts.values():
        for artifact in as_array(as_object(holder).get("artifacts")):
            if as_object(artifact.get("metadata")).get(MARK) is True and store.is_known(artifact.get("uri") or ""):
                _fetch(artifact["uri"], root)


def _fetch(uri: str, root: str) -> None:
    source = store.store_for(uri).local_path(uri)
    target = _target(source, root)
    if os.path.lexists(target):
        return
    store.make_folder(os.path.dirname(target))
    with open(f"{target}.lock", "a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not os.path.lexists(target):
            part = f"{target}.part-{os.urandom(4).hex()}"
            _copy(source, part)
            os.rename(part, target)


def _target(source: str, root: str) -> str:
    return f"{root}/.artifacts/{source.lstrip('/')}"


def _copy(source: str, target: str) -> None:
    if os.path.isdir(source):
        os.mkdir(target)
        for name in os.listdir(source):
            _copy(f"{source}/{name}", f"{target}/{name}")
        return
    with open(source, "rb") as given, open(target, "wb") as made:
        while chunk := given.read(_CHUNK_BYTES):
            made.write(chunk)
