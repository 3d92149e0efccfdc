"""A home with a target on the real cluster: a namespace of the test module's own, a folder that pods mount.

Invariant: a module leaves nothing on the cluster and no process behind.
"""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest
from tests.cli.homes import RealHome
from tests.conftest import SHARED

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


TOOL = r"""
#include <stdio.h>
#include <string.h>
int main(int n, char **words) {
    if (n != 5 || strcmp(words[1], "write")) return 7;
    FILE *file = fopen(words[3], "w");
    if (!file || fputs(words[2], file) < 0 || fclose(file)) return 8;
    file = fopen(words[4], "w");
    if (!file || fprintf(file, "%zu", strlen(words[2])) < 0 || fclose(file)) return 9;
    puts("written");
    return 0;
}
"""


@pytest.fixture(scope="session")
def bare_image(tmp_path_factory: pytest.TempPathFactory) -> str:
    """An image that holds one program without libraries, and nothing else: no shell, no C library, no Python."""
    folder = tmp_path_factory.mktemp("bare")
    root = folder / "root"
    (root / "tmp").mkdir(parents=True)
    (folder / "tool.c").write_text(TOOL)
    subprocess.run(["gcc", "-static", "-O1", "-o", root / "tool", folder / "tool.c"], check=True)
    reference = "docker.io/wherry-test/bare:1"
    tool = SHARED / "cluster" / "cluster.py"
    subprocess.run([sys.executable, tool, "image", root, reference], check=True, capture_output=True)
    return reference


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
