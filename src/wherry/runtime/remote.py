"""The object store as a task has it: inputs come before the user's code, outputs go after it.

Installed by `wherry.runtime.main` for tasks that have a grant, and loaded by no other.  Invariants: what user code sees
at an artifact's path is the whole artifact; a URI's local path is KFP's (`/s3/<bucket>/<key>`) where the task is alone
in its container, and lies in the task's own folder where it is a process among others.
"""

from __future__ import annotations

import os
import tempfile

from wherry.runtime import artifact_types, grant, store, transfer
from wherry.runtime.descriptor import GRANT_VARIABLE
from wherry.runtime.s3 import Client
from wherry.runtime.store import StoreError, check_no_escape

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

SCHEME = "s3"
_ATTEMPT_VARIABLE = "WHERRY_ATTEMPT"  # set where tasks are processes side by side, and not alone in a container


class RemoteStore:
    """Objects of one endpoint, and the files that they are inside this task, below `<root>/s3`."""

    def __init__(self, client: Client, root: str) -> None:
        self._client = client
        self._root = root

    def local_path(self, uri: str) -> str:
        bucket, key = _place(uri)
        return f"{self._root}/s3/{bucket}/{key}"

    def read(self, uri: str) -> bytes:
        return self._client.read(*_place(uri))

    def exists(self, uri: str) -> bool:
        return self._client.exists(*_place(uri))

    def create(self, uri: str, data: bytes) -> bool:
        return self._client.create(*_place(uri), data)

    def fetch(self, uris: Iterable[str]) -> list[str]:
        wanted = {_place(uri): uri for uri in uris}
        missing = transfer.download(self._client, ((place, self.local_path(uri)) for place, uri in wanted.items()))
        self._client.close()
        return [wanted[place] for place in missing]

    def keep(self, uri: str) -> None:
        transfer.upload(self._client, _place(uri), self.local_path(uri))
        self._client.close()

    def close(self) -> None:
        """Give up all connections."""
        self._client.close()


def install(environ: Mapping[str, str], scratch: str) -> None:
    """Let the task reach the store that its grant is for; its files go below `scratch` where they cannot have KFP's
    own place.  Raises GrantError."""
    given = grant.parse(environ[GRANT_VARIABLE], environ)
    root = artifact_types.OBJECTS_ROOT = _objects_root(environ, scratch)
    store.register(SCHEME, RemoteStore(Client(given.endpoint, given.region, given.keys), root))


def _objects_root(environ: Mapping[str, str], scratch: str) -> str:
    """What stands before `/s3/...`."""
    if _ATTEMPT_VARIABLE not in environ:
        try:
            os.makedirs("/s3", exist_ok=True)
        except OSError:
            pass  # not the container's root user, or a root that cannot be written
        if os.access("/s3", os.W_OK):
            return ""
    if os.access(scratch, os.W_OK):
        return os.path.join(scratch, ".wherry")
    return tempfile.mkdtemp(prefix="wherry-")


def _place(uri: str) -> tuple[str, str]:
    bucket, _, key = uri[len("s3://") :].rstrip("/").partition("/")
    if not bucket or not key:
        raise StoreError(f"{uri!r} names no object: s3://bucket/key is expected")
    check_no_escape(key)
    return bucket, key
