"""EmbeddedKube keeps the contract of the waist."""

from contextlib import asynccontextmanager

import pytest

from wherry.kube.embedded import EmbeddedKube
from wherry.seams import SystemClock, SystemIds
from wherry.storage.database import Database
from wherry.testing.kube_contract import KubeContract


class TestEmbeddedKube(KubeContract):
    @pytest.fixture
    def open_kube(self, tmp_path):
        @asynccontextmanager
        async def opened():
            db = Database.open(tmp_path / "wherry.db", clock=SystemClock())
            try:
                yield EmbeddedKube(db, clock=SystemClock(), ids=SystemIds())
            finally:
                db.close()

        return opened
