"""A node agent on the real EmbeddedKube in a folder, for tests; run as a program it is a server to be killed.

`python machine.py HOME PODS_JSON` creates the pods, prints `ready`, and runs until it is killed.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from contextlib import aclosing, asynccontextmanager
from pathlib import Path

from wherry.kube.embedded import EmbeddedKube
from wherry.kube.embedded.environments import Environments
from wherry.kube.embedded.node import Capacity, NodeAgent, NodeSettings
from wherry.kube.embedded.node.lifecycle import Backoff
from wherry.kube.resources import PODS
from wherry.runtime import zipapp
from wherry.seams import SystemClock, SystemIds
from wherry.storage.database import Database

QUICK = NodeSettings(
    backoff=Backoff(base_s=0.05, cap_s=0.2), zygote_idle_s=0.3, say_waiting_after_s=0.02, config_retry_s=0.05
)


class Machine:
    """What a test has in its hands: the API server, the agent, and shorthands."""

    def __init__(self, home, kube, agent):
        self.home, self.kube, self.agent = home, kube, agent

    async def create(self, name="pod", *, containers=None, **spec):
        """Makes a pod; further keywords are fields of the spec, or of its only container."""
        pod = pod_of(name, containers=containers, **spec)
        return await self.kube.create(pod)

    async def until(self, name, condition, within_s=15.0):
        """The pod as soon as `condition(status)` holds; None once it is gone (when the condition accepts None)."""
        async with asyncio.timeout(within_s):
            listed = await self.kube.list(PODS, "default", fields=f"metadata.name={name}")
            if not listed.items:
                return None
            if condition(listed.items[0].get("status", {})):
                return listed.items[0]
            version = listed.resource_version
            async with aclosing(self.kube.watch(PODS, "default", resource_version=version)) as events:
                async for event in events:
                    if event.object["metadata"]["name"] == name:
                        if event.type == "DELETED":
                            return None
                        if condition(event.object.get("status", {})):
                            return event.object

    async def ended(self, name="pod"):
        """The pod's final status."""
        pod = await self.until(name, lambda status: status.get("phase") in ("Succeeded", "Failed"))
        return pod["status"]

    async def run(self, name="pod", **more):
        """Makes a pod and waits for its end; its status."""
        await self.create(name, **more)
        return await self.ended(name)

    async def running(self, name="pod"):
        """Waits until the pod runs."""
        return await self.until(name, lambda status: status.get("phase") == "Running")

    async def waiting(self, reason, name="pod"):
        """Waits until the first container waits for `reason`; its message."""

        def told(status):
            return waiting_of(status).get("reason") == reason

        return waiting_of((await self.until(name, told))["status"])["message"]

    async def log(self, name="pod", **more):
        """The log, as text."""
        return b"".join([chunk async for chunk in self.kube.logs(name, "default", **more)]).decode("utf-8", "replace")

    def folder(self, pod):
        """The pod's folder."""
        return self.home / "pods" / pod["metadata"]["uid"]


def waiting_of(status):
    for key in ("initContainerStatuses", "containerStatuses"):
        for each in status.get(key) or ():
            if "waiting" in each["state"]:
                return each["state"]["waiting"]
    return {}


def terminated(status, index=0, key="containerStatuses"):
    return status[key][index]["state"]["terminated"]


_OF_CONTAINER = {"command", "args", "env", "envFrom", "image", "resources", "volumeMounts", "workingDir"}
_OF_CONTAINER |= {"terminationMessagePath", "terminationMessagePolicy"}


def pod_of(name="pod", *, containers=None, annotations=None, **more):
    container = {"name": "main", "image": "busybox", **{k: v for k, v in more.items() if k in _OF_CONTAINER}}
    spec = {k: v for k, v in more.items() if k not in _OF_CONTAINER}
    spec.setdefault("restartPolicy", "Never")
    spec.setdefault("terminationGracePeriodSeconds", 5)
    metadata = {"name": name, "namespace": "default", "labels": {"app": "test"}, "annotations": annotations or {}}
    spec["containers"] = containers or [container]
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


def sh(script):
    return ["sh", "-c", script]


@asynccontextmanager
async def machine(home, *, capacity=None, limits=None, settings=QUICK, environ=None, **more):
    """A server's worth of node: opened again on the same home it takes over what is there."""
    home = Path(home)
    home.mkdir(exist_ok=True)
    db = Database.open(home / "wherry.db", clock=SystemClock())
    try:
        kube = EmbeddedKube(db, clock=SystemClock(), ids=SystemIds())
        environ = dict(os.environ if environ is None else environ)
        agent = NodeAgent(
            kube,
            home,
            clock=SystemClock(),
            environments=Environments(home, environ=environ),
            runtime=zipapp.build(home),
            capacity=capacity or Capacity(cpu=4, memory_bytes=8 << 30),
            environ=environ,
            limits=limits,
            settings=settings,
            **more,
        )
        async with agent:
            yield Machine(home, kube, agent)
    finally:
        db.close()


async def main(home, pods):
    async with machine(home) as node:
        for pod in pods:
            await node.kube.create(pod)
        print("ready", flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), json.loads(sys.argv[2])))
