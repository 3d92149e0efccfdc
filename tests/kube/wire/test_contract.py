"""EmbeddedKube behind its wire face, with ClusterKube as the client, keeps the contract of the waist."""

import asyncio
from contextlib import asynccontextmanager

import pytest

from wherry.kube.cluster.client import ClusterKube
from wherry.kube.cluster.config import of_server
from wherry.kube.embedded import EmbeddedKube
from wherry.kube.wire import make_app
from wherry.seams import SystemClock, SystemIds
from wherry.storage.database import Database
from wherry.testing.inprocess import InProcess
from wherry.testing.kube_contract import KubeContract


class TestWire(KubeContract):
    @pytest.fixture
    def open_kube(self, tmp_path):
        @asynccontextmanager
        async def opened():
            db = Database.open(tmp_path / "wherry.db", clock=SystemClock())
            try:
                kube = EmbeddedKube(db, clock=SystemClock(), ids=SystemIds())
                app = make_app(kube, clock=SystemClock(), stopping=asyncio.Event())
                async with ClusterKube(of_server("http://embedded"), transport=InProcess(app)) as client:
                    yield client
            finally:
                db.close()

        return opened
