"""EmbeddedKube with its node keeps the contract of streams, and so does ClusterKube through its wire face."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager

import pytest
from tests.kube.node.machine import machine

from wherry.kube.cluster.client import ClusterKube
from wherry.kube.cluster.config import of_server
from wherry.kube.wire import make_app
from wherry.seams import SystemClock
from wherry.testing.inprocess import InProcess
from wherry.testing.kube_contract import StreamsContract


class TestEmbeddedStreams(StreamsContract):
    @pytest.fixture
    def open_node(self, tmp_path):
        @asynccontextmanager
        async def opened():
            async with machine(tmp_path / "home") as node:
                yield node.kube

        return opened


class TestWireStreams(StreamsContract):
    @pytest.fixture
    def open_node(self, tmp_path):
        @asynccontextmanager
        async def opened():
            async with machine(tmp_path / "home") as node:
                app = make_app(node.kube, clock=SystemClock(), stopping=asyncio.Event())
                async with ClusterKube(of_server("http://embedded"), transport=InProcess(app)) as client:
                    yield client

        return opened
