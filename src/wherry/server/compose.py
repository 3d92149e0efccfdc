"""The one place that makes the `Kube`, and puts a server together from its parts.

Called by `wherry.server.life`.  Invariant: this is the only module that knows which side of the waist it runs on; parts
are entered in the order in which they need each other, and left in the opposite one.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from wherry.kube.embedded import EmbeddedKube
from wherry.kube.embedded.environments import RUNNING, Environments
from wherry.kube.embedded.node import NodeAgent, machine
from wherry.pipelines.service import Pipelines
from wherry.pipelines.templates import code_ref
from wherry.runtime import zipapp
from wherry.seams import Clock, Ids
from wherry.server.app import Parts
from wherry.settings import Home, ServerSettings
from wherry.storage.artifacts import ArtifactStore, LocalStore
from wherry.storage.database import Database

PODS_PER_CORE = 8  # pods that exist at once: enough that the node never waits for the driver
LEAST_PODS = 32


@asynccontextmanager
async def parts(
    home: Home, settings: ServerSettings, stopping: asyncio.Event, *, clock: Clock, ids: Ids
) -> AsyncGenerator[Parts]:
    """The home's own parts: database, objects, node and runs, all running while the context is open."""
    db = Database.open(home.database, clock=clock, durability=settings.durability)
    try:
        store = LocalStore(Path(home.artifacts))
        kube = EmbeddedKube(db, clock=clock, ids=ids)
        environments = Environments(Path(home.path), environ=os.environ)
        async with (
            NodeAgent(
                kube,
                Path(home.path),
                clock=clock,
                environments=environments,
                runtime=runtime(home),
                capacity=machine(os.environ),
                environ=os.environ,
            ) as node,
            Pipelines(
                db=db,
                kube=kube,
                store=store,
                clock=clock,
                ids=ids,
                identify=environments.identity,
                advise=lambda image, request: substitution(image) if environments.is_unmapped(image, request) else None,
                window=max(LEAST_PODS, PODS_PER_CORE * (os.cpu_count() or 1)),
            ) as runs,
        ):
            node.warm(await environments.ensure(f"python:{RUNNING}", ""))  # while the first run is on its way
            begun = clock.monotonic()

            def facts() -> dict[str, Any]:
                return {"addresses": [f"unix:{home.socket}"], "home": home.path, "up_s": clock.monotonic() - begun}

            yield Parts(runs=runs, code=StoredCode(store), stopping=stopping, facts=facts)
    finally:
        db.close()


def substitution(image: str) -> str:
    """What a run says of an image that nothing stands for here."""
    return (
        f"The image {image} runs in the environment that wherry is installed in;"
        f" map it under [images] in wherry.toml to say what it stands for."
    )


def runtime(home: Home) -> Path:
    """The in-task runtime as one file in the home; raises OSError."""
    folder = Path(home.path, "run")
    folder.mkdir(exist_ok=True)
    return zipapp.build(folder)


class StoredCode:
    """Code archives in the artifact store, by digest."""

    def __init__(self, store: ArtifactStore) -> None:
        self._store = store

    async def has(self, digest: str) -> bool:
        """Whether the archive is there."""
        return await self._store.exists(code_ref(self._store.root, digest).uri)

    async def put(self, digest: str, data: bytes) -> None:
        """Keeps the archive; its digest has been checked."""
        await self._store.ensure(code_ref(self._store.root, digest).uri, data)
