"""Folders of pods that are gone: removed many at once, so that no status waits for it.

Owned by the agent.  Invariant: what was thrown away is removed once, and what cannot be removed stops nobody.
"""

from __future__ import annotations

import asyncio

from wherry.kube.embedded.node.records import Folder

CLEAR_AFTER_S = 0.1


class Trash:
    """Of the folder `pods`."""

    def __init__(self, pods: str) -> None:
        self._pods = pods
        self._uids: list[str] = []
        self._some = asyncio.Event()

    def throw(self, uid: str) -> None:
        """The pod's folder is to go."""
        self._uids.append(uid)
        self._some.set()

    async def run(self) -> None:
        """Removes what is thrown away, for ever."""
        while True:
            await self._some.wait()
            await asyncio.sleep(CLEAR_AFTER_S)
            self._some.clear()
            uids, self._uids = self._uids, []
            await asyncio.to_thread(self._remove, uids)

    def _remove(self, uids: list[str]) -> None:
        for uid in uids:
            Folder(self._pods, uid).remove()
