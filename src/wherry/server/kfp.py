"""KFP's REST API and its recurring runs, as one part of the server.

Loaded by `wherry.server.compose` when the API is first asked for, or when a recurring run is enabled at the start.
"""

from __future__ import annotations

from starlette.types import ASGIApp

from wherry.components.download import text
from wherry.pipelines.rest import make_app
from wherry.pipelines.rest.context import Context
from wherry.pipelines.rest.firing import launch
from wherry.pipelines.scheduler import Fire, Scheduler, Spawn
from wherry.pipelines.service import Pipelines
from wherry.seams import Clock, Ids
from wherry.storage.artifacts import ArtifactStore
from wherry.storage.database import Database


class Kfp:
    """The API's app, and the scheduler behind it."""

    def __init__(
        self, db: Database, runs: Pipelines, store: ArtifactStore, *, clock: Clock, ids: Ids, spawn: Spawn
    ) -> None:
        async def fire(wanted: Fire) -> str:
            return await launch(self._context, wanted)

        self.scheduler = Scheduler(db, clock, fire, spawn)
        self._context = Context(db, runs, store, clock, ids, self.scheduler, text)

    def app(self) -> ASGIApp:
        """The ASGI app."""
        return make_app(self._context)
