"""Pipelines on the real cluster: the same flow as on the laptop, with --on."""

from __future__ import annotations

import json

import pytest
from tests.cli.homes import RealHome
from tests.cluster.conftest import Cluster, target

from wherry.kube.protocol import Kube
from wherry.kube.resources import CONFIGMAPS, PODS

pytestmark = pytest.mark.cluster

HELLO = """
from wherry import dsl


@dsl.component
def hello(name: str, words: dsl.Output[dsl.Dataset]) -> str:
    print("this is the pod of", name)
    with open(words.path, "w") as file:
        file.write(f"hello {name}")
    words.metadata["language"] = "en"
    return name.upper()


@dsl.component
def count(words: dsl.Input[dsl.Dataset], name: str) -> int:
    with open(words.path) as file:
        return len(file.read()) + len(name)


@dsl.pipeline(name="greeting")
def greet(name: str = "world") -> int:
    greeting = hello(name=name)
    return count(words=greeting.outputs["words"], name=greeting.outputs["Output"]).output
"""


def finished(place: RealHome, *words: str) -> dict:
    """The last event of a run that was followed to its end, with all events under `events`."""
    done = place.run("run", *words, "--on", "test", "--json")
    events = [json.loads(line) for line in done.out.splitlines()]
    assert events, done.err
    assert events[-1]["event"] == "run-finished", (events[-1], done.err)
    return {**events[-1], "events": events}


def test_a_pipeline_runs_on_the_cluster_and_leaves_no_pod(place: RealHome, cluster: Cluster) -> None:
    place.write("hello.py", HELLO)
    end = finished(place, "hello.py")
    assert (end["state"], end["outputs"]) == ("SUCCEEDED", {"Output": 16}), end
    logs = place.run("logs", end["run"], "hello")
    assert "this is the pod of world" in logs.out
    assert cluster.list(PODS) == []
    (runtime,) = cluster.list(CONFIGMAPS, "wherry.dev/runtime")
    assert runtime["immutable"] is True
    assert list(runtime["binaryData"]) == ["runtime.pyz"]


def test_who_drives_the_run_is_said(place: RealHome) -> None:
    place.write("hello.py", HELLO)
    done = place.run("run", "hello.py", "--on", "test", "-p", "name=you")
    assert done.code == 0, done.err
    assert "on test: tasks are pods of the context test; the server of this home drives them" in done.out


def test_a_known_result_is_taken_over_on_the_cluster(place: RealHome) -> None:
    place.write("hello.py", HELLO)
    finished(place, "hello.py", "-p", "name=twice")
    again = finished(place, "hello.py", "-p", "name=twice")
    phases = [event.get("phase") or event.get("after") for event in again["events"] if event["event"] == "task"]
    assert "CACHED" in phases, again["events"]
    assert again["outputs"] == {"Output": 16}


def test_a_runtime_that_somebody_deletes_comes_back(place: RealHome, cluster: Cluster) -> None:
    place.write("hello.py", HELLO)
    finished(place, "hello.py")  # the target is open: nothing is looked for again
    names = [one["metadata"]["name"] for one in cluster.list(CONFIGMAPS, "wherry.dev/runtime")]

    async def deleted(kube: Kube) -> None:
        for name in names:
            await kube.delete(CONFIGMAPS, name, cluster.namespace)

    cluster.ask(deleted)
    end = finished(place, "hello.py", "-p", "name=again")
    assert end["state"] == "SUCCEEDED", end
    assert [one["metadata"]["name"] for one in cluster.list(CONFIGMAPS, "wherry.dev/runtime")] == names


def test_artifacts_that_cannot_be_written_are_told_before_the_run_is_made(place: RealHome, cluster: Cluster) -> None:
    place.write("hello.py", HELLO)
    nowhere = target("nowhere", cluster, place.home.parent / "store").replace(
        "artifacts = ", 'artifacts = "/proc/no" #'
    )
    place.write("wherry.toml", (place.work / "wherry.toml").read_text() + nowhere)
    runs = place.run("ls", "--json").out
    done = place.run("run", "hello.py", "--on", "nowhere")
    assert done.code == 1, done.out
    assert "the target 'nowhere' cannot be used: /proc/no/" in done.err
    assert place.run("ls", "--json").out == runs
