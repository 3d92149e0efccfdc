"""ClusterKube on a real Kubernetes keeps the contract of the waist."""

from contextlib import asynccontextmanager

import pytest

from wherry.kube.cluster.capabilities import Capabilities
from wherry.kube.cluster.client import ClusterKube
from wherry.kube.cluster.config import find
from wherry.testing.kube_contract import KubeContract, StreamsContract


@pytest.mark.cluster
class TestClusterKube(KubeContract):
    @pytest.fixture
    def open_kube(self, kubeconfig):
        @asynccontextmanager
        async def opened():
            async with ClusterKube(find(environ={"KUBECONFIG": str(kubeconfig)})) as kube:
                self.capabilities = Capabilities.of(await kube.version())
                yield kube

        return opened


@pytest.mark.cluster
class TestClusterStreams(StreamsContract):
    @pytest.fixture
    def open_node(self, kubeconfig):
        @asynccontextmanager
        async def opened():
            async with ClusterKube(find(environ={"KUBECONFIG": str(kubeconfig)})) as kube:
                self.capabilities = Capabilities.of(await kube.version())
                yield kube

        return opened
