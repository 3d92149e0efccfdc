"""Controllers start with the first object of their kind, and cost nothing before."""

from __future__ import annotations

import subprocess
import sys

from tests.kube.workloads.simulated import NS, cluster, on_cluster, workload

from wherry.kube.embedded.registry import LATER
from wherry.kube.resources import PODS, REPLICASETS
from wherry.server.controllers import CONTROLLERS
from wherry.testing import until

PROBE = """
import asyncio, sys
from wherry.kube.embedded import EmbeddedKube
from wherry.kube.embedded.starting import Controllers
from wherry.kube.resources import CONFIGMAPS
from wherry.server.controllers import CONTROLLERS
from wherry.storage.database import Database
from wherry.testing import ManualClock, SequentialIds

async def main():
    clock = ManualClock()
    db = Database.open(sys.argv[1], clock=clock)
    kube = EmbeddedKube(db, clock=clock, ids=SequentialIds())
    async with Controllers(kube, CONTROLLERS, clock=clock) as controllers:
        await kube.create({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "namespace": "default"}})
        await kube.list(CONFIGMAPS)
        assert controllers.started == [] and not controllers.busy
    db.close()

asyncio.run(main())
print("\\n".join(sorted(sys.modules)))
"""


def test_a_server_without_such_objects_loads_none_of_it(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", PROBE, str(tmp_path / "db")], capture_output=True, text=True, check=True, timeout=60
    )
    loaded = set(done.stdout.split())
    lazy = {*LATER, *(entry.module for entry in CONTROLLERS), "wherry.kube.embedded.workload_rules"}
    assert not loaded & lazy


def test_a_controller_starts_with_the_first_object(world):
    async def body(found):
        assert found.controllers.started == []
        await found.kube.create(workload("ReplicaSet", replicas=2))
        await found.eventually(REPLICASETS, replicas=2)
        assert found.controllers.started == ["wherry.kube.embedded.controllers.replicasets"]

        async def rests():
            return not found.controllers.busy

        await until(rests)

    on_cluster(world, body)


def test_a_controller_starts_for_objects_that_are_there(world):
    async def body(kube):
        await kube.create(workload("ReplicaSet", replicas=2))
        async with cluster(kube, world.clock) as found:
            await found.eventually(REPLICASETS, readyReplicas=2)
        await kube.delete(PODS, next(iter(await found.pods())), NS)
        async with cluster(kube, world.clock) as found:
            await found.eventually(REPLICASETS, readyReplicas=2)

    world.run(body)
