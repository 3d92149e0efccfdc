"""Pipelines on the real cluster whose artifacts lie in an object store, with a session for each attempt."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator

import pytest
from tests.cli.homes import RealHome, until
from tests.cluster.conftest import Cluster
from tests.objectstore import BUCKET, ROLE, S3Server

from wherry.kube.resources import NODES, PODS, SECRETS
from wherry.storage.stores import open_store

pytestmark = pytest.mark.cluster

FLOW = """
from typing import List

from wherry import dsl


@dsl.component
def make(words: dsl.Output[dsl.Dataset], model: dsl.Output[dsl.Model], nothing: dsl.Output[dsl.Artifact]) -> str:
    import os

    import mine

    with open(words.path, "w") as file:
        file.write("hello")
    os.makedirs(model.path + "/deep")
    for number in range(40):
        with open(f"{model.path}/deep/part {number}+%", "w") as file:
            file.write(str(number))
    open(nothing.path, "w").close()
    model.metadata["parts"] = 40
    return mine.NAME + " ".join(sorted(name for name in os.environ if name.startswith(("AWS_", "WHERRY_"))))


@dsl.component
def use(words: dsl.Input[dsl.Dataset], model: dsl.Input[dsl.Model], given: dsl.Input[dsl.Artifact], pad: str) -> str:
    import os

    parts = sum(int(open(f"{model.path}/deep/{name}").read()) for name in os.listdir(model.path + "/deep"))
    return f"{open(words.path).read()} {parts} {open(given.path).read()} {len(pad)} {given.path.partition('given')[0]}"


@dsl.container_component
def shout(words: dsl.Input[dsl.Dataset], loud: dsl.Output[dsl.Dataset]):
    return dsl.ContainerSpec(
        image="python:3.11", command=["sh", "-c", 'tr a-z A-Z < "$0" > "$1"'], args=[words.path, loud.path]
    )


@dsl.pipeline(name="objects")
def flow(pad: str, uri: str) -> str:
    made = make()
    given = dsl.importer(artifact_uri=uri, artifact_class=dsl.Artifact)
    shouted = shout(words=made.outputs["words"])
    return use(words=shouted.outputs["loud"], model=made.outputs["model"], given=given.output, pad=pad).output
"""


@pytest.fixture(scope="module")
def endpoint(cluster: Cluster, s3: S3Server) -> str:
    """The object store at an address that pods and this machine reach."""
    (node,) = cluster.ask(lambda kube: kube.list(NODES)).items
    return s3.endpoint(next(each["address"] for each in node["status"]["addresses"] if each["type"] == "InternalIP"))


@pytest.fixture(scope="module")
def place(
    cluster: Cluster, s3: S3Server, endpoint: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RealHome]:
    """A home whose target `test` is the cluster and the object store."""
    found = RealHome(tmp_path_factory.mktemp("place"))
    found.environ |= {**s3.environ(), "KUBECONFIG": str(cluster.kubeconfig)}
    del found.environ["AWS_ENDPOINT_URL"]
    lines = [
        "[code]",
        'include = ["mine.py"]',
        "[targets.test]",
        'context = "test"',
        f'namespace = "{cluster.namespace}"',
        f'artifacts = "s3://{BUCKET}/{cluster.namespace}"',
        f'endpoint = "{endpoint}"',
        f'grant_role = "{ROLE}"',
        "grant_hours = 1",
    ]
    found.write("wherry.toml", "\n".join(lines) + "\n")
    found.write("mine.py", 'NAME = "mine:"\n')
    yield found
    found.end()


def digests(place: RealHome, run: str) -> dict[str, str]:
    """The digests of what the tasks of a run have made."""
    shown = place.json("show", run, "--json")
    return {
        f"{task['path']}.{name}": artifact["digest"]
        for task in shown["tasks"]
        if task["path"] in ("make", "shout")
        for name, found in task["outputs"]["artifacts"].items()
        for artifact in found
    }


def finished(place: RealHome, *words: str) -> dict:
    done = place.run("run", "flow.py", *words, "--json")
    assert done.out, done.err
    end = json.loads(done.out.splitlines()[-1])
    assert end.get("state") == "SUCCEEDED", (done.out[-3000:], done.err)
    return end


def test_a_pipeline_runs_in_an_object_store_as_it_does_in_a_folder(
    place: RealHome, cluster: Cluster, s3: S3Server, endpoint: str
) -> None:
    place.write("flow.py", FLOW)
    store = open_store(f"s3://{BUCKET}/imports", {**s3.environ(), "AWS_ENDPOINT_URL": endpoint})
    asyncio.run(store.put(f"s3://{BUCKET}/imports/given", b"imported"))
    pad = "x" * 100_000  # more than a pod can carry
    far = finished(place, "--on", "test", "-p", f"pad={pad}", "-p", f"uri=s3://{BUCKET}/imports/given")
    assert far["outputs"] == {"Output": f"HELLO 780 imported 100000 /s3/{BUCKET}/imports/"}
    (place.work / "given").write_text("imported")
    near = finished(place, "-p", f"pad={pad}", "-p", f"uri={place.work / 'given'}")
    assert near["outputs"] == {"Output": f"HELLO 780 imported 100000 {place.work}/"}
    assert digests(place, far["run"]) == digests(place, near["run"])
    assert len(digests(place, far["run"])) == 4
    made = next(each for each in place.json("show", far["run"], "--json")["tasks"] if each["path"] == "make")
    assert made["outputs"]["parameters"]["Output"].startswith("mine:")
    assert "AWS_" not in made["outputs"]["parameters"]["Output"]
    assert "WHERRY_GRANT" not in made["outputs"]["parameters"]["Output"]
    assert cluster.list(PODS) == []
    assert place.run("logs", far["run"], "make").code == 0
    again = finished(place, "--on", "test", "-p", f"pad={pad}", "-p", f"uri=s3://{BUCKET}/imports/given")
    assert again["outputs"] == far["outputs"]
    assert place.run("rm", far["run"], again["run"]).code == 0
    store = open_store(f"s3://{BUCKET}/{cluster.namespace}", {**s3.environ(), "AWS_ENDPOINT_URL": endpoint})
    assert not asyncio.run(store.exists(f"{store.root}/objects/{far['run']}"))


WAITS = """
from wherry import dsl


@dsl.component
def wait(go: str):
    import os
    import time

    print("waiting", flush=True)
    while not os.path.exists(go):
        time.sleep(0.05)


@dsl.pipeline(name="waits")
def flow(go: str = "/tmp/go"):
    wait(go=go)
"""


def test_a_grant_is_a_secret_that_goes_with_its_pod(place: RealHome, cluster: Cluster) -> None:
    place.write("waits.py", WAITS)
    done = place.run("run", "waits.py", "--on", "test", "--detach")
    assert done.code == 0, done.err
    run = json.loads(place.run("ls", "--json").out.splitlines()[0])["id"]
    (pod,) = until(lambda: cluster.list(PODS, f"wherry.dev/run={run}"), "the pod")
    (secret,) = until(lambda: cluster.list(SECRETS, f"wherry.dev/run={run}"), "its grant")
    assert secret["metadata"]["name"] == pod["metadata"]["name"]
    assert [owner["uid"] for owner in secret["metadata"]["ownerReferences"]] == [pod["metadata"]["uid"]]
    env = pod["spec"]["containers"][0]["env"]
    reference = next(each for each in env if each["name"] == "WHERRY_GRANT")
    assert reference["valueFrom"]["secretKeyRef"]["name"] == pod["metadata"]["name"]
    assert place.run("cancel", run).code == 0
    until(lambda: not cluster.list(PODS, f"wherry.dev/run={run}"), "the end of the pod")
    until(lambda: not cluster.list(SECRETS, f"wherry.dev/run={run}"), "the end of its grant")
