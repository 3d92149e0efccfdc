"""A folder that pods mount at the same path: what lies elsewhere on this machine, they do not see.

Opened by the server for targets whose artifacts lie on a volume.  Invariant: nothing outside the folder is there, so
that neither an importer nor a cached result leads a pod to a path that it does not have.
"""

from __future__ import annotations

import os

from wherry.storage.artifacts import LocalStore
from wherry.storage.errors import UriRefused


class SharedFolder(LocalStore):
    """The `LocalStore` of one folder, confined to it."""

    def allow(self, root: str) -> None:
        """Take `root`, which must lie inside the folder; raises UriRefused."""
        if not self._holds(root):
            raise UriRefused(
                f"{root} cannot be a pipeline root: pods mount {self.root} and nothing else",
                hint=f"Name a folder in {self.root}.",
            )
        super().allow(root)

    async def exists(self, uri: str) -> bool:
        """Whether a file or folder lies there, inside the folder."""
        return self._holds(uri) and await super().exists(uri)

    async def digest(self, uri: str) -> str | None:
        """The content digest of what lies there, inside the folder."""
        return await super().digest(uri) if self._holds(uri) else None

    def _holds(self, uri: str) -> bool:
        return "\0" not in uri and f"{os.path.normpath(uri)}/".startswith(f"{os.path.normpath(self.root)}/")
