"""A home with a target on the real cluster: a namespace of the test module's own, a folder that pods mount.

Invariant: a module leaves nothing on the cluster and no process behind.
"""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest
from tests.cli.homes import RealHome

from wherry.kube.cluster.client import ClusterKube
from wherry.kube.cluster.config import find
from wherry.kube.errors import NotFound
from wherry.kube.protocol import Kube
from wherry.kube.resources import NAMESPACES

T = TypeVar("T")


class Cluster:
    """The real cluster, for statements of tests; each `ask` has a connection of its own."""

    def __init__(self, kubeconfig: Path, namespace: str) -> None:
        self.kubeconfig = kubeconfig
        self.namespace = namespace

    def ask(self, work: Callable[[Kube], Awaitable[T]]) -> T:
        """What `work` answers on the cluster."""

        async def asked() -> T:
            async with ClusterKube(find(environ={"KUBECONFIG": str(self.kubeconfig)})) as kube:
                return await work(kube)

        return asyncio.run(asked())

    def list(self, resource: Any, labels: str = "") -> list[dict[str, Any]]:
        """The objects of a kind in the namespace."""

        async def listed(kube: Kube) -> list[dict[str, Any]]:
            return (await kube.list(resource, self.namespace, labels=labels)).items

        return self.ask(listed)

    def make(self, *objects: dict[str, Any]) -> None:
        """Makes objects, in the namespace where they name none."""

        async def made(kube: Kube) -> None:
            for obj in objects:
                metadata = {"namespace": self.namespace, **obj["metadata"]}
                await kube.create({**obj, "metadata": metadata})

        self.ask(made)


@pytest.fixture(scope="module")
def cluster(kubeconfig: Path, request: pytest.FixtureRequest) -> Iterator[Cluster]:
    """The cluster, with a namespace for this module."""
    module = re.sub(r"[^a-z0-9]+", "-", request.module.__name__.rpartition(".")[2].removeprefix("test_"))
    found = Cluster(kubeconfig, f"wherry-{module}-{os.getpid()}")
    found.ask(lambda kube: kube.create(_namespace(found.namespace)))
    yield found

    async def removed(kube: Kube) -> None:
        try:
            await kube.delete(NAMESPACES, found.namespace)
        except NotFound:
            return

    found.ask(removed)


@pytest.fixture(scope="module")
def place(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealHome]:
    """A home whose target `test` is the cluster."""
    folder = tmp_path_factory.mktemp("place")
    found = RealHome(folder)
    found.environ["KUBECONFIG"] = str(cluster.kubeconfig)
    (folder / "store").mkdir()
    found.write("wherry.toml", target("test", cluster, folder / "store"))
    yield found
    found.end()


def target(name: str, cluster: Cluster, store: Path, *more: str) -> str:
    """A target in wherry.toml whose pods mount the folder `store`."""
    lines = [
        f"[targets.{name}]",
        'context = "test"',
        f'namespace = "{cluster.namespace}"',
        f'artifacts = "{store}"',
        f'volume = {{ host_path = "{store}" }}',
        *more,
    ]
    return "\n".join(lines) + "\n"


def _namespace(name: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
