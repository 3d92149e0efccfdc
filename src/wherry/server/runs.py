"""The parts that a run needs before its first task: the run service, and where its code lies.

Loaded by `wherry.server.compose` once the node's first zygote is on its way.
"""

from __future__ import annotations

from wherry.pipelines.service import Pipelines
from wherry.pipelines.targets import Site
from wherry.pipelines.templates import code_ref
from wherry.storage.artifacts import ArtifactStore

__all__ = ["Pipelines", "Site", "StoredCode"]


class StoredCode:
    """Code archives in the artifact store, by digest."""

    def __init__(self, store: ArtifactStore) -> None:
        self._store = store

    async def has(self, digest: str) -> bool:
        """Whether the archive is there; if so, it stays for the run that is about to be made."""
        return await self._store.touch(code_ref(self._store.root, digest).uri)

    async def put(self, digest: str, data: bytes) -> None:
        """Keeps the archive; its digest has been checked."""
        await self._store.ensure(code_ref(self._store.root, digest).uri, data)
