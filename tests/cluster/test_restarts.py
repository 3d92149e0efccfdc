"""Parts of the cluster that stop and start again under a run: the API server, the node agent.  Nothing is lost."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from pathlib import Path
from typing import Any

import psutil
import pytest
from tests.cli.homes import RealHome, until
from tests.cluster.conftest import Cluster

from wherry.client import views
from wherry.client.api import Client
from wherry.kube.errors import KubeError
from wherry.kube.resources import NODES, PODS

pytestmark = [pytest.mark.cluster, pytest.mark.alone]
STATE = Path(os.environ.get("TEST_CLUSTER_STATE", "/var/lib/test-cluster"))

FLOW = """
from wherry import dsl


@dsl.component
def waits(mark: str, go: str, number: int) -> int:
    import os, time

    with open(mark, "a") as file:
        file.write("x")
    while not os.path.exists(go):
        time.sleep(0.1)
    return number + 1


@dsl.pipeline
def patient(mark: str, go: str) -> int:
    first = waits(mark=mark, go=go, number=1)
    return waits(mark=mark, go=go, number=first.output).output
"""


class Part:
    """A process of the test cluster, as `cluster.py` keeps it."""

    def __init__(self, name: str) -> None:
        pids = STATE / "pids.json"
        if not pids.is_file():
            pytest.skip(f"no {pids}: this cluster's parts are not ours to stop")
        self.name, self.pid = name, json.loads(pids.read_text())[name]
        self.command = Path(f"/proc/{self.pid}/cmdline").read_bytes().split(b"\0")[:-1]

    def stop(self) -> None:
        os.kill(self.pid, signal.SIGKILL)
        until(lambda: not _runs(self.pid), f"the end of {self.name}")

    def start(self) -> None:
        """Starts it, and again if it leaves at once: a cluster without it would fail every test that follows."""
        for _ in range(5):
            with open(STATE / "logs" / f"{self.name}.log", "ab") as log:
                child = subprocess.Popen(
                    self.command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, cwd=STATE
                )
            until(lambda child=child: child.poll() is not None or _listens(child.pid), f"{self.name}", limit_s=120)
            if child.poll() is None:
                break
        pids = json.loads((STATE / "pids.json").read_text())
        (STATE / "pids.json").write_text(json.dumps({**pids, self.name: child.pid}))
        _started.append(child)  # the cluster outlives the tests: nobody waits for it


_started: list[subprocess.Popen[bytes]] = []


def _runs(pid: int) -> bool:
    """Whether any thread of the process is left: until then it holds its port."""
    try:
        ended = b"\nState:\tZ" in Path(f"/proc/{pid}/status").read_bytes()
        return not ended or len(os.listdir(f"/proc/{pid}/task")) > 1
    except FileNotFoundError:
        return False


def _listens(pid: int) -> bool:
    """Whether the process has opened a port of its own: it will not find one taken any more."""
    try:
        return any(each.status == psutil.CONN_LISTEN for each in psutil.Process(pid).net_connections("tcp"))
    except psutil.Error:
        return False


def is_ready(cluster: Cluster) -> bool:
    async def looked(kube: Any) -> bool:
        (node,) = (await kube.list(NODES)).items
        return any(each["type"] == "Ready" and each["status"] == "True" for each in node["status"]["conditions"])

    try:
        return cluster.ask(looked)
    except KubeError:
        return False


@pytest.mark.parametrize("name", ["apiserver", "kubelet"])
def test_a_run_goes_on_over_the_restart_of(name: str, place: RealHome, cluster: Cluster) -> None:
    part = Part(name)
    store = place.home.parent / "store"
    mark, go = store / f"mark-{name}", store / f"go-{name}"
    place.write("flow.py", FLOW)
    done = place.run("run", "flow.py", "--on", "test", "--detach", "--no-cache", "-p", f"mark={mark}", "-p", f"go={go}")
    assert done.code == 0, done.err
    run = done.out.strip()
    until(mark.exists, "the first task", limit_s=120)
    part.stop()
    go.touch()  # the task ends while the part is away
    part.start()
    client = Client(str(place.home))
    until(lambda: client.get(run)["state"] not in ("PENDING", "RUNNING"), f"the end of {run}", limit_s=180)
    view = client.get(run, tasks=True)
    client.close()
    assert (view["state"], views.flat(view["outputs"])) == ("SUCCEEDED", {"Output": 3}), view["error"]
    assert mark.read_text() == "xx", "no task has run twice"
    assert [task["attempt"] for task in view["tasks"] if task["kind"] == "task"] == [1, 1]
    until(lambda: is_ready(cluster), "the node", limit_s=120)
    until(lambda: not cluster.list(PODS, labels=f"wherry.dev/run={run}"), "the end of the run's pods", limit_s=120)
