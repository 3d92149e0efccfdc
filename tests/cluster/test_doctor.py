"""`wherry doctor --on` and `wherry prune --on`: what is missing is said with its fix, what is old goes."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from tests.cli.homes import RealHome
from tests.cluster.conftest import Cluster, target
from tests.oracles import kubectl

from wherry.cli.doctor_target import PERMISSIONS
from wherry.ir import yaml
from wherry.kube.resources import CONFIGMAPS, PODS

pytestmark = pytest.mark.cluster
ROOT = Path(__file__).resolve().parents[2]
HELLO = """
from wherry import dsl


@dsl.component
def hello() -> str:
    return "hello"


@dsl.pipeline(name="greeting")
def greet() -> str:
    return hello().output
"""


def findings(place: RealHome, *words: str) -> dict[str, tuple[str, str]]:
    done = place.run("doctor", "--json", *words)
    assert "Traceback" not in done.err, done.err
    lines = [json.loads(line) for line in done.out.splitlines()]
    assert done.code == int(any(line["level"] == "lack" for line in lines))
    return {line["what"]: (line["level"], line["text"]) for line in lines}


def test_a_good_target_lacks_nothing(place: RealHome, cluster: Cluster) -> None:
    found = findings(place, "--on", "test")
    assert {level for level, _ in found.values()} == {"ok"}, found
    assert {"target", "cluster", "namespace", "rights", "artifacts", "pod", "python", "volumes"} == set(found)
    assert cluster.list(PODS) == []


def test_what_is_wrong_with_a_target_is_said_with_its_fix(place: RealHome, cluster: Cluster, bare_image: str) -> None:
    store = place.home.parent / "store"
    good = target("test", cluster, store)
    place.write(
        "wherry.toml",
        good
        + good.replace(".test]", ".nowhere]").replace('context = "test"', 'context = "tset"')
        + good.replace(".test]", ".empty]").replace(cluster.namespace, "wherry-not-there")
        + good.replace(".test]", ".elsewhere]").replace(f'host_path = "{store}"', 'claim = "not-there"')
        + good.replace(".test]", ".away]").replace(f'artifacts = "{store}"', 'artifacts = "/proc/nothing"'),
    )
    level, text = findings(place, "--on", "nowhere")["target"]
    assert (level, "no context 'tset'" in text, "It has test" in text) == ("lack", True, True), text
    assert findings(place, "--on", "empty")["namespace"] == (
        "lack",
        "wherry-not-there is not there: kubectl create namespace wherry-not-there",
    )
    level, text = findings(place, "--on", "elsewhere")["pod"]
    assert (level, 'persistentvolumeclaim "not-there" not found' in text) == ("lack", True), text
    assert findings(place, "--on", "away")["artifacts"][0] == "lack"
    level, text = findings(place, "--on", "test", "--image", bare_image)["pod"]
    assert (level, "python3" in text) == ("lack", True), text
    place.write("wherry.toml", good)


def test_the_role_of_the_guide_is_what_a_run_asks_for() -> None:
    page = (ROOT / "docs" / "guides" / "clusters.md").read_text()
    (role,) = yaml.load_all(page.split("```yaml")[1].split("```")[0].encode())
    allowed = {(resource, verb) for rule in role["rules"] for resource in rule["resources"] for verb in rule["verbs"]}
    assert allowed == set(PERMISSIONS)


def test_an_account_with_the_role_of_the_guide_can_run_pipelines(place: RealHome, cluster: Cluster) -> None:
    page = (ROOT / "docs" / "guides" / "clusters.md").read_text()
    (role,) = yaml.load_all(page.split("```yaml")[1].split("```")[0].encode())
    role["metadata"]["namespace"] = cluster.namespace
    binding = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "RoleBinding",
        "metadata": {"name": "wherry"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "wherry"},
        "subjects": [{"kind": "ServiceAccount", "name": "runner", "namespace": cluster.namespace}],
    }
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "runner"}}
    store = place.home.parent / "store"
    limited = target("limited", cluster, store).replace('context = "test"', 'context = "test"\nkubeconfig = "limited"')
    place.write("wherry.toml", target("test", cluster, store) + limited)
    cluster.make(account)
    place.write("limited", json.dumps(as_account(cluster, "runner")))
    level, text = findings(place, "--on", "limited")["rights"]
    assert (level, "create pods" in text) == ("lack", True), text
    cluster.make(role, binding)
    found = findings(place, "--on", "limited")
    assert {level for level, _ in found.values()} == {"ok", "note"}, found
    place.write("hello.py", HELLO)
    done = place.run("run", "hello.py", "--on", "limited")
    assert done.code == 0, done.out + done.err


def as_account(cluster: Cluster, name: str) -> dict[str, Any]:
    """A kubeconfig with the token of a service account."""
    config = json.loads(cluster.kubeconfig.read_text())

    async def token(kube: Any) -> str:
        from wherry.kube.cluster.connection import Request

        path = f"/api/v1/namespaces/{cluster.namespace}/serviceaccounts/{name}/token"
        body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
        return (await kube._connection.ask(Request("POST", path, {}, body)))["status"]["token"]

    config["users"] = [{"name": config["users"][0]["name"], "user": {"token": cluster.ask(token)}}]
    return config


def test_prune_deletes_runs_and_what_is_left_on_the_cluster(place: RealHome, cluster: Cluster) -> None:
    place.write("hello.py", HELLO)
    ran = place.run("run", "hello.py", "--on", "test", "--json")
    assert ran.code == 0, ran.out + ran.err
    run = json.loads(ran.out.splitlines()[-1])["run"]
    labels = {"app.kubernetes.io/managed-by": "wherry", "wherry.dev/run": "gone"}
    cluster.make(
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": "left", "labels": labels},
            "spec": {
                "restartPolicy": "Never",
                "containers": [{"name": "main", "image": "python:3.11", "command": ["true"]}],
            },
        },
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {
                "name": "wherry-runtime-old",
                "labels": {"app.kubernetes.io/managed-by": "wherry", "wherry.dev/runtime": "old"},
            },
        },
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "another"}},
    )
    command = [kubectl(), "--kubeconfig", cluster.kubeconfig, "-n", cluster.namespace, "wait", "pod/left"]
    jsonpath = "--for=jsonpath={.status.phase}=Succeeded"
    subprocess.run([*command, jsonpath, "--timeout=60s"], check=True, capture_output=True)
    told = place.run("prune", "--older-than", "0s", "--on", "test", "--dry-run")
    assert "would delete pod/left" in told.out, told.out + told.err
    done = place.run("prune", "--older-than", "0s", "--on", "test")
    assert "deleted pod/left" in done.out
    assert "deleted configmap/wherry-runtime-old" in done.out
    assert cluster.list(PODS) == []
    names = {each["metadata"]["name"] for each in cluster.list(CONFIGMAPS)}
    assert "another" in names
    assert len([name for name in names if name.startswith("wherry-runtime-")]) == 1
    assert run not in place.run("ls", "--json").out
