"""Opens the artifact store of a place, and says how the pods of its tasks get in.

Called by the server where it makes its parts.  Invariant: object stores, and the library that speaks to them, are
loaded only when a place names one; a folder costs nothing and needs no grant.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Literal, NamedTuple, Protocol

from wherry.errors import UsageError
from wherry.storage.artifacts import ArtifactStore, LocalStore
from wherry.storage.errors import AccessRefused

OBJECTS = "wherry.storage.objects"  # the lazy entries: only for targets whose artifacts lie in an object store
GRANTS = "wherry.storage.grants"
OBJECT_SCHEMES = ("s3",)


class Grant(NamedTuple):
    """What a pod is given: the value of `WHERRY_GRANT`, whether that is a secret, and when it ends (epoch seconds)."""

    text: str
    secret: bool
    ends_at: float | None = None


class ObjectSettings(NamedTuple):
    """How a target reaches its object store: its keys `endpoint`, `grant`, `grant_role` and `grant_hours`."""

    endpoint: str | None = None
    grant: Literal["sts", "pod"] = "sts"
    grant_role: str | None = None
    grant_hours: float = 12.0


DEFAULTS = ObjectSettings()


class Granter(Protocol):
    """Makes grants for one store."""

    async def grant(self, root: str, reads: Sequence[str]) -> Grant:
        """For an attempt whose folder is `root`, where it writes, and which reads the files and folders `reads`.

        Raises `GrantRefused` when the store's provider will not, StorageError when it cannot be asked.
        """
        ...


def is_object_store(url: str) -> bool:
    """Whether a place for artifacts is an object store, not a folder."""
    return url.partition("://")[0] in OBJECT_SCHEMES


def open_store(url: str, environ: Mapping[str, str], settings: ObjectSettings = DEFAULTS) -> ArtifactStore:
    """The store whose root is `url`: an absolute path, `file:///path` or `s3://bucket/prefix`.

    Raises `UsageError` for another place, and for credentials or an endpoint that are not there or wrong.
    """
    if is_object_store(url):
        return import_module(OBJECTS).open_objects(url, environ, settings)
    path = url.removeprefix("file://")
    if "://" in path or not os.path.isabs(path):
        known = ", ".join(f"{scheme}://" for scheme in OBJECT_SCHEMES)
        raise UsageError(f"artifacts cannot be kept in {url!r}", hint=f"Name an absolute path, or one of {known}.")
    return LocalStore(Path(path))


def open_granter(url: str, environ: Mapping[str, str], settings: ObjectSettings = DEFAULTS) -> Granter | None:
    """Who makes the grants for the store at `url`; None for a folder, which pods mount.  Raises as `open_store`."""
    return import_module(GRANTS).make(url, environ, settings) if is_object_store(url) else None


async def check_writable(store: ArtifactStore) -> None:
    """Has a small file below the store's root for a moment.  Raises StorageError that says why it cannot be written."""
    uri = f"{store.root.rstrip('/')}/.wherry-{os.urandom(8).hex()}"
    await store.put(uri, b"wherry")
    with suppress(AccessRefused):  # who may write and not delete can run pipelines
        await store.delete_tree(uri)
