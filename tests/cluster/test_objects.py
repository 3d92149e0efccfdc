"""Pipelines on the real cluster whose artifacts lie in an object store, with a session for each attempt."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator

import pytest
from tests.cli.homes import RealHome, until
from tests.cluster.conftest import Cluster
from tests.objectflow import configure, digests, finished, outputs
from tests.objectstore import BUCKET, ROLE, S3Server

from wherry.kube.resources import NODES, PODS, SECRETS
from wherry.storage.stores import open_store

pytestmark = pytest.mark.cluster


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
    more = ('context = "test"', f'namespace = "{cluster.namespace}"')
    configure(found, cluster.namespace, endpoint, *more)
    yield found
    found.end()


def test_a_pipeline_runs_in_an_object_store_as_it_does_in_a_folder(
    place: RealHome, cluster: Cluster, s3: S3Server, endpoint: str
) -> None:
    store = open_store(f"s3://{BUCKET}/imports", {**s3.environ(), "AWS_ENDPOINT_URL": endpoint})
    asyncio.run(store.put(f"s3://{BUCKET}/imports/given", b"imported"))
    pad = "x" * 100_000  # more than a pod can carry
    far = finished(place, "--on", "test", "-p", f"pad={pad}", "-p", f"uri=s3://{BUCKET}/imports/given")
    assert far["outputs"] == {"Output": "HELLO 780 imported 100000"}
    (place.work / "given").write_text("imported")
    near = finished(place, "-p", f"pad={pad}", "-p", f"uri={place.work / 'given'}")
    assert near["outputs"] == {"Output": "HELLO 780 imported 100000"}
    assert digests(place, far["run"]) == digests(place, near["run"])
    assert len(digests(place, far["run"])) == 4
    assert outputs(place, far["run"])["make"]["parameters"]["Output"].startswith("mine:")
    assert "AWS_" not in outputs(place, far["run"])["make"]["parameters"]["Output"]
    assert "WHERRY_GRANT" not in outputs(place, far["run"])["make"]["parameters"]["Output"]
    assert cluster.list(PODS) == []
    assert place.run("logs", far["run"], "make").code == 0
    again = finished(place, "--on", "test", "-p", f"pad={pad}", "-p", f"uri=s3://{BUCKET}/imports/given")
    assert again["outputs"] == far["outputs"]
    assert place.run("rm", again["run"], far["run"]).code == 0
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
    assert place.run("cancel", "--kill", run).code == 0
    until(lambda: not cluster.list(PODS, f"wherry.dev/run={run}"), "the end of the pod")
    until(lambda: not cluster.list(SECRETS, f"wherry.dev/run={run}"), "the end of its grant")


def test_the_doctor_asks_for_a_grant(place: RealHome) -> None:
    good = (place.work / "wherry.toml").read_text()
    wrong = "[targets.wrong]" + good.partition("[targets.test]")[2].replace(ROLE, f"{ROLE}-not")
    place.write("wherry.toml", good + wrong)
    found = {
        on: {line["what"]: line for line in map(json.loads, place.run("doctor", "--json", "--on", on).out.splitlines())}
        for on in ("test", "wrong")
    }
    good_grant = found["test"]["grant"]
    assert (good_grant["level"], good_grant["text"]) == ("ok", "tasks get in with a session of 1 h")
    assert found["wrong"]["grant"]["level"] == "lack"
    assert "grant_role" in found["wrong"]["grant"]["text"]
