"""The scenario of `tests/kube/node/test_network` where names are the cluster's own: the same objects and answers."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import Any

import pytest
from tests.cluster.conftest import Cluster
from tests.kube.node.test_network import peer, service

from wherry.kube.errors import KubeError
from wherry.kube.protocol import Kube
from wherry.kube.resources import SERVICEACCOUNTS

pytestmark = pytest.mark.cluster
LIMIT_S = 120


def pod(cluster: Cluster, name: str, peers: list[str], **more: Any) -> dict[str, Any]:
    """The pod of the scenario, in an image of the cluster's."""
    parts = peer(name, peers)
    container = {"name": "main", "image": "python:3.11", "imagePullPolicy": "IfNotPresent", **parts}
    spec = {"containers": [container], "restartPolicy": "Never", "terminationGracePeriodSeconds": 1, **more}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": {"job": "pair"}}, "spec": spec}


async def begun(kube: Kube, namespace: str) -> None:
    """Waits for what a new namespace needs before it takes pods."""
    async with asyncio.timeout(LIMIT_S), aclosing(kube.watch(SERVICEACCOUNTS, namespace)) as events:
        async for event in events:
            if event.object["metadata"]["name"] == "default":
                return


async def said(kube: Kube, namespace: str, name: str, count: int) -> list[str]:
    """The first lines of a pod's log, once they are there."""
    async with asyncio.timeout(LIMIT_S):
        while True:
            lines: list[str] = []
            try:
                lines = b"".join([part async for part in kube.logs(name, namespace)]).decode().splitlines()
            except KubeError:
                pass  # it does not run yet
            if len(lines) >= count:
                return lines
            await asyncio.sleep(0.5)


def test_two_pods_on_one_port_dial_each_other_by_name(cluster: Cluster) -> None:
    namespace = cluster.namespace
    made = service("pair", clusterIP="None", ports=[{"port": 23456}], selector={"job": "pair"})
    del made["metadata"]["namespace"]
    forms = [f"pair-0.pair.{namespace}.svc.cluster.local:23456", "pair-1.pair:23456", "localhost:23456"]
    pods = [pod(cluster, f"pair-{index}", forms, hostname=f"pair-{index}", subdomain="pair") for index in range(2)]
    cluster.ask(lambda kube: begun(kube, namespace))
    cluster.make(made, *pods)

    async def asked(kube: Kube) -> list[list[str]]:
        return [await said(kube, namespace, f"pair-{index}", 3) for index in range(2)]

    assert cluster.ask(asked) == [["pair-0", "pair-1", f"pair-{index}"] for index in range(2)]
