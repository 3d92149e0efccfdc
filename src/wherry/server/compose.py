"""The one place that makes the `Kube`, and puts a server together from its parts.

Called by `wherry.server.life`.  Invariant: this is the only module that knows which side of the waist it runs on; parts
are entered in the order in which they need each other, and left in the opposite one.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wherry.home import Home
from wherry.kube.embedded import EmbeddedKube
from wherry.kube.embedded.environments import RUNNING, Environments
from wherry.kube.embedded.node import NodeAgent, machine
from wherry.kube.embedded.node.lacking import lacking
from wherry.kube.embedded.pruning import Unused, prune
from wherry.kube.embedded.starting import Controllers
from wherry.runtime import zipapp
from wherry.seams import Clock, Ids
from wherry.server.controllers import CONTROLLERS
from wherry.server.parts import Parts
from wherry.settings import ServerSettings
from wherry.storage import schedules
from wherry.storage.artifacts import ArtifactStore, LocalStore
from wherry.storage.database import Database

if TYPE_CHECKING:
    from wherry.pipelines.scheduler import Spawn
    from wherry.pipelines.targets import Site, Target, Targets
    from wherry.server.kfp import Kfp

RUNS = "wherry.server.runs"  # the lazy entry: loaded while the first zygote starts, on a core of its own
KFP = "wherry.server.kfp"  # lazy: only what KFP's clients and recurring runs need
WIRE = "wherry.kube.wire"  # lazy, too: most servers are never asked for it
PRIVATE = "wherry.server.private"  # lazy: only who listens on the network, or is asked about a token
CLUSTERS = "wherry.server.clusters"  # lazy: only for runs that name a cluster
STORES = "wherry.storage.stores"  # lazy: only for runs whose artifacts lie in an object store
PODS_PER_CORE = 8  # pods that exist at once: enough that the node never waits for the driver
LEAST_PODS = 32
LEAST_FREE_BYTES = 128 << 10  # the database and the records of ended tasks need some to go on


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
        capacity = machine(os.environ)
        async with NodeAgent(
            kube,
            Path(home.path),
            clock=clock,
            environments=environments,
            runtime=runtime(home),
            capacity=capacity,
            environ=os.environ,
        ) as node:
            node.warm(await environments.ensure(f"python:{RUNNING}", ""))
            begun = clock.monotonic()
            service = import_module(RUNS)

            def facts() -> dict[str, Any]:
                return {"home": home.path, "up_s": clock.monotonic() - begun}

            def advise(image: str, request: Mapping[str, Any] | None) -> str | None:
                return substitution(image) if environments.is_unmapped(image, request) else None

            def trouble() -> str | None:
                free = os.statvfs(home.path)
                full = free.f_bavail * free.f_frsize < LEAST_FREE_BYTES
                return f"no space is left on the disk of {home.path}" if full else None

            async def prune_environments(unused_s: float, dry_run: bool) -> list[Unused]:
                return await prune(environments, now=clock.time(), unused_s=unused_s, dry_run=dry_run)

            def authentic(token: str) -> bool:
                known: bool = import_module(PRIVATE).is_token(home, token)
                return known

            site: Site = service.Site(
                kube,
                store,
                environments.identity,
                max(LEAST_PODS, int(PODS_PER_CORE * capacity.cpu)),
                advise=advise,
                lacking=lacking,
                makes_namespaces=True,  # nobody else makes those of a laptop
            )
            async with (
                Controllers(kube, CONTROLLERS, clock=clock) as controllers,
                service.Pipelines(
                    db=db,
                    site=site,
                    clock=clock,
                    ids=ids,
                    targets=_Targets(environments, site),
                ) as runs,
                _owner() as spawn,
            ):

                @cache
                def kfp() -> Kfp:
                    made: Kfp = import_module(KFP).Kfp(db, runs, store, clock=clock, ids=ids, spawn=spawn)
                    return made

                if await db.read(schedules.any_enabled):
                    kfp().scheduler.poke()
                yield Parts(
                    runs=runs,
                    code=service.StoredCode(store),
                    stopping=stopping,
                    facts=facts,
                    trouble=trouble,
                    prune_environments=prune_environments,
                    busy=lambda: (
                        node.busy or controllers.busy or (kfp.cache_info().currsize > 0 and kfp().scheduler.armed)
                    ),
                    kfp=lambda: kfp().app(),
                    kubernetes=lambda: import_module(WIRE).make_app(
                        kube, clock=clock, stopping=stopping, authentic=authentic
                    ),
                )
    finally:
        db.close()


@asynccontextmanager
async def _owner() -> AsyncGenerator[Spawn]:
    """Owns the tasks that its `spawn` starts: they end with the context."""
    tasks: list[asyncio.Task[None]] = []
    async with asyncio.TaskGroup() as group:
        try:
            yield lambda work: tasks.append(group.create_task(work))
        finally:
            for task in tasks:
                task.cancel()


class _Targets:
    """The ways to clusters, loaded when the first run names one, and to the home's node with artifacts elsewhere."""

    def __init__(self, environments: Environments, home: Site) -> None:
        self._environments = environments
        self._home = home
        self._made: Targets | None = None

    @property
    def _clusters(self) -> Targets:
        if self._made is None:
            environments = self._environments

            def known(image: str, request: Mapping[str, Any] | None) -> bool:
                return not environments.is_unmapped(image, request)

            made: Targets = import_module(CLUSTERS).Clusters(environments.identity, known, os.environ)
            self._made = made
        return self._made

    def settled(self, target: Target) -> Target:
        return target if target.home else self._clusters.settled(target)

    def open(self, target: Target) -> AbstractAsyncContextManager[Site]:
        return self._at_home(target) if target.home else self._clusters.open(target)

    @asynccontextmanager
    async def _at_home(self, target: Target) -> AsyncGenerator[Site]:
        stores = import_module(STORES)
        settings = target.object_settings
        store: ArtifactStore = stores.open_store(target.artifacts, os.environ, settings)
        await stores.check_writable(store)
        yield self._home._replace(
            store=store,
            granter=stores.open_granter(target.artifacts, os.environ, settings),
        )


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
    return zipapp.build(folder, compiled=True)
