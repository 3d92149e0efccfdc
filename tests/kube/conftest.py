"""What the tests of the waist share: an EmbeddedKube under a test's own clock and ids."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest

from wherry.kube.embedded import EmbeddedKube
from wherry.storage.database import Database
from wherry.testing import ManualClock, SequentialIds


@dataclass
class World:
    """One store in a folder; `open` may be called again, as after a restart."""

    path: str
    clock: ManualClock
    ids: SequentialIds

    @asynccontextmanager
    async def open(self, **options):
        db = Database.open(self.path, clock=self.clock)
        try:
            yield EmbeddedKube(db, clock=self.clock, ids=self.ids, **options)
        finally:
            db.close()

    def run(self, body, **options):
        """Runs `await body(kube)` in a loop of its own."""

        async def main():
            async with self.open(**options) as kube:
                return await body(kube)

        return asyncio.run(main())


@pytest.fixture
def world(tmp_path):
    return World(str(tmp_path / "wherry.db"), ManualClock(), SequentialIds())
