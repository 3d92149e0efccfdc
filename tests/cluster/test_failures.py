"""What goes wrong on a cluster: each case on the real one.  All runs are started first, for most of them only wait."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.cli.homes import RealHome, until
from tests.cluster.conftest import Cluster, target
from tests.oracles import kubectl

from wherry.client import views
from wherry.client.api import Client
from wherry.kube.resources import PODS

pytestmark = pytest.mark.cluster

FLOWS = '''
from wherry import dsl


@dsl.component(base_image="registry.invalid/nowhere:1")
def from_nowhere() -> str:
    return "never"


@dsl.component
def twice(mark: str) -> str:
    """Waits to be taken away the first time, and ends the second time."""
    import os, time
    if os.path.exists(mark):
        return "the second"
    open(mark, "w").close()
    time.sleep(300)


@dsl.component
def hungry() -> int:
    data = bytes(range(256)) * (1 << 20)
    return len(data)


@dsl.container_component
def hungry_command():
    return dsl.ContainerSpec(image="python:3.11", command=["python3", "-c", "x = bytes(range(256)) * (1 << 20)"])


@dsl.container_component
def without_python():
    return dsl.ContainerSpec(image="registry.k8s.io/pause:3.6", command=["/pause"])


@dsl.pipeline
def nowhere():
    from_nowhere()


@dsl.pipeline
def too_big():
    twice(mark="/nowhere").set_cpu_request("1000")


@dsl.pipeline
def lost(mark: str) -> str:
    return twice(mark=mark).output


@dsl.pipeline
def no_memory():
    hungry().set_memory_limit("64Mi")


@dsl.pipeline
def no_memory_command():
    hungry_command().set_memory_limit("64Mi")


@dsl.pipeline
def bare():
    without_python()
'''


class Runs:
    """The runs of this module, by a name."""

    def __init__(self, place: RealHome, cluster: Cluster, folder: Path) -> None:
        self.place, self.cluster, self.folder = place, cluster, folder
        self.ids: dict[str, str] = {}
        self.client = Client(str(place.home))

    def start(self, name: str, pipeline: str, *words: str, on: str = "test") -> None:
        done = self.place.run("run", f"flows.py:{pipeline}", "--on", on, "--detach", *words)
        assert done.code == 0, done.err
        self.ids[name] = done.out.strip()

    def start_marked(self, name: str, pipeline: str) -> None:
        self.start(name, pipeline, "-p", f"mark={self.mark(name)}")

    def mark(self, name: str) -> Path:
        return self.folder / "store" / f"mark-{name}"

    def view(self, name: str) -> dict[str, Any]:
        return self.client.get(self.ids[name], tasks=True)

    def end(self, name: str) -> dict[str, Any]:
        """The run once it is over."""
        return until(
            lambda: (view := self.view(name))["state"] in ("SUCCEEDED", "FAILED", "CANCELED") and view,
            f"the end of {name}",
            limit_s=120,  # a kubelet of 1.20 on a busy machine takes its time
        )

    def pod(self, name: str) -> dict[str, Any] | None:
        """The one pod of a run."""
        pods = self.cluster.list(PODS, f"wherry.dev/run={self.ids[name]}")
        return pods[0] if pods else None


@pytest.fixture(scope="module")
def runs(place: RealHome, cluster: Cluster) -> Iterator[Runs]:
    folder = place.home.parent
    short = target("short", cluster, folder / "store", 'pending_limit = "10s"')
    place.write("wherry.toml", target("test", cluster, folder / "store") + short)
    place.write("flows.py", FLOWS)
    found = Runs(place, cluster, folder)
    found.start_marked("evicted", "lost")
    found.start_marked("deleted", "lost")
    found.start_marked("drained", "lost")
    found.start("nowhere", "nowhere", on="short")
    found.start("too big", "too_big", on="short")
    found.start("no memory", "no_memory")
    found.start("no memory, a command", "no_memory_command")
    found.start("no python", "bare")
    yield found
    for name in ("deleted", "drained", "evicted"):
        found.client.cancel(found.ids[name], kill=True)
    found.client.close()


def failure(view: dict[str, Any]) -> tuple[str, str]:
    assert view["state"] == "FAILED", view
    return view["error"]["type"], view["error"]["message"]


def test_a_pod_that_is_deleted_by_hand_starts_again(runs: Runs) -> None:
    until(runs.mark("deleted").exists, "the first pod")
    pod = runs.pod("deleted")
    assert pod is not None
    runs.cluster.ask(lambda kube: kube.delete(PODS, pod["metadata"]["name"], runs.cluster.namespace))
    end = runs.end("deleted")
    assert (end["state"], views.flat(end["outputs"])) == ("SUCCEEDED", {"Output": "the second"}), end
    (task,) = [task for task in end["tasks"] if task["kind"] == "task"]
    assert (task["attempt"], task["pod"][-4:]) == (1, "-1-1"), task


def test_a_pod_that_is_drained_starts_again(runs: Runs) -> None:
    until(runs.mark("drained").exists, "the first pod")
    pod = runs.pod("drained")
    assert pod is not None
    name, namespace = pod["metadata"]["name"], runs.cluster.namespace
    eviction = {
        "apiVersion": "policy/v1beta1",
        "kind": "Eviction",
        "metadata": {"name": name, "namespace": namespace},
    }
    subprocess.run(
        [kubectl(), "create", "--raw", f"/api/v1/namespaces/{namespace}/pods/{name}/eviction", "-f", "-"],
        input=json.dumps(eviction),
        text=True,
        check=True,
        capture_output=True,
        env={**os.environ, "KUBECONFIG": str(runs.cluster.kubeconfig)},
    )
    assert views.flat(runs.end("drained")["outputs"]) == {"Output": "the second"}


def test_an_image_that_does_not_come_fails_after_the_limit(runs: Runs) -> None:
    kind, message = failure(runs.end("nowhere"))
    assert kind in ("ErrImagePull", "ImagePullBackOff")
    assert "did not start within 10 seconds" in message
    assert "registry.invalid/nowhere:1" in message


def test_a_pod_without_a_node_fails_after_the_limit(runs: Runs) -> None:
    kind, message = failure(runs.end("too big"))
    assert (kind, "Insufficient cpu" in message) == ("Unschedulable", True), message


@pytest.mark.parametrize("name", ["no memory", "no memory, a command"])
def test_a_task_that_is_killed_for_memory_says_so(runs: Runs, name: str) -> None:
    kind, message = failure(runs.end(name))
    assert (kind, message) == ("OOMKilled", "The task used more memory than its limit, and was killed.")


def test_an_image_without_python_says_so(runs: Runs) -> None:
    kind, message = failure(runs.end("no python"))
    assert kind == "ImageWithoutPython", message
    assert "registry.k8s.io/pause:3.6" in message


def test_a_pod_that_its_node_evicts_starts_again(runs: Runs) -> None:
    until(runs.mark("evicted").exists, "the first pod")
    pod = runs.pod("evicted")
    assert pod is not None
    status = {"status": {"phase": "Failed", "reason": "Evicted", "message": "The node was low on resource: memory."}}
    name, namespace = pod["metadata"]["name"], runs.cluster.namespace
    runs.cluster.ask(lambda kube: kube.patch(PODS, name, namespace, status, subresource="status"))
    assert views.flat(runs.end("evicted")["outputs"]) == {"Output": "the second"}


def test_a_run_that_is_canceled_leaves_no_pod(runs: Runs) -> None:
    runs.start_marked("canceled", "lost")
    until(runs.mark("canceled").exists, "the pod")
    assert runs.place.run("cancel", runs.ids["canceled"]).code == 0
    assert runs.end("canceled")["state"] == "CANCELED"
    until(lambda: runs.pod("canceled") is None, "the end of its pod")


def test_a_server_that_is_killed_takes_the_run_up_again(runs: Runs) -> None:
    runs.start_marked("outlived", "lost")
    until(runs.mark("outlived").exists, "the pod")
    os.kill(runs.place.server(), signal.SIGKILL)
    pod = runs.pod("outlived")
    assert pod is not None
    runs.cluster.ask(lambda kube: kube.delete(PODS, pod["metadata"]["name"], runs.cluster.namespace, grace_period_s=0))
    end = runs.end("outlived")
    assert (end["state"], views.flat(end["outputs"])) == ("SUCCEEDED", {"Output": "the second"})
