"""A small cluster in this process: the controllers as a server starts them, and a node that does what a test says."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager

from wherry.kube.embedded.starting import Controllers
from wherry.kube.errors import NotFound
from wherry.kube.resources import EVENTS, PODS
from wherry.kube.times import timestamp
from wherry.server.controllers import CONTROLLERS
from wherry.testing import until

NS = "default"


def template(*, labels=None, **spec):
    """A pod template."""
    pod = {"containers": [{"name": "main", "image": "busybox", "command": ["true"]}], **spec}
    return {"metadata": {"labels": labels or {"app": "web"}}, "spec": pod}


def workload(kind, name="web", *, api="apps/v1", **spec):
    """A workload of the group apps."""
    spec = {"selector": {"matchLabels": {"app": "web"}}, "template": template(), **spec}
    return {"apiVersion": api, "kind": kind, "metadata": {"name": name, "namespace": NS}, "spec": spec}


class Cluster:
    """Objects, and the node's part in the life of pods."""

    def __init__(self, kube, clock, controllers):
        self.kube, self.clock, self.controllers = kube, clock, controllers

    async def pods(self, *, gone=False):
        """Pods by name, without those that are being deleted."""
        items = (await self.kube.list(PODS, NS)).items
        return {item["metadata"]["name"]: item for item in items if gone or "deletionTimestamp" not in item["metadata"]}

    async def set(self, name, phase, **status):
        """What the node says of a pod."""
        now = timestamp(self.clock.time())
        ready = {"type": "Ready", "status": str(phase == "Running"), "lastTransitionTime": now}
        patch = {"status": {"phase": phase, "conditions": [ready], **status}}
        try:
            await self.kube.patch(PODS, name, NS, patch, subresource="status")
        except NotFound:
            return

    async def run_all(self):
        """All waiting pods are running and ready."""
        for name, pod in (await self.pods()).items():
            if pod["status"]["phase"] == "Pending":
                await self.set(name, "Running")

    async def status(self, resource, name="web"):
        return (await self.kube.get(resource, name, NS))["status"]

    async def eventually(self, resource, name="web", *, run=True, **wanted):
        """Waits until the status has these values; the node runs what is there meanwhile."""

        async def there():
            if run:
                await self.run_all()
            found = await self.status(resource, name)
            return all(found.get(key, 0) == value for key, value in wanted.items())

        await until(there)

    async def told(self, reason):
        """The messages of the events with that reason."""
        items = (await self.kube.list(EVENTS, NS, fields=f"reason={reason}")).items
        return sorted(item["message"] for item in items)


@asynccontextmanager
async def cluster(kube, clock):
    async with Controllers(kube, CONTROLLERS, clock=clock) as controllers:
        yield Cluster(kube, clock, controllers)


def on_cluster(world, body):
    """Runs `await body(cluster)`."""

    async def main(kube):
        async with cluster(kube, world.clock) as found:
            async with asyncio.timeout(30):
                await body(found)

    world.run(main)
