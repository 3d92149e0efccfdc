"""kubectl on workloads: the same scenes against `wherry up` and a real Kubernetes, where their versions agree."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest
from tests import oracles
from tests.kube.wire.clients import Cluster, needs_kubectl, serving
from tests.kube.wire.test_kubectl import Kubectl
from tests.kube.wire.test_public_clients import PACKAGES, SCRIPTS

from wherry.seams import SystemIds

pytestmark = [pytest.mark.oracle, needs_kubectl]
POD = {
    "terminationGracePeriodSeconds": 0,
    "containers": [
        {
            "name": "main",
            "image": "python:3.11",
            "imagePullPolicy": "IfNotPresent",
            "command": ["sh", "-c", "trap 'exit 0' TERM; while :; do sleep 0.1; done"],
        }
    ],
}
TEMPLATE = {"metadata": {"labels": {"app": "web"}}, "spec": POD}
SELECTOR = {"matchLabels": {"app": "web"}}


class Scene(Kubectl):
    """kubectl in a namespace of its own."""

    def apply(self, kind: str, name: str, spec: Any, version: str = "apps/v1") -> None:
        self(
            "apply -f -",
            stdin=json.dumps({"apiVersion": version, "kind": kind, "metadata": {"name": name}, "spec": spec}),
        )

    def get(self, line: str) -> Any:
        return json.loads(self(f"get {line} -o json"))

    def status(self, line: str, *keys: str) -> list[Any]:
        status = self.get(line)["status"]
        return [status.get(key, 0) for key in keys]

    def rolled_out(self, what: str) -> None:
        self(f"rollout status {what} --timeout=50s")


@pytest.fixture(scope="module", params=["laptop", pytest.param("cluster", marks=pytest.mark.cluster)])
def scene(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    folder = tmp_path_factory.mktemp("workloads")
    if request.param == "laptop":
        with serving(folder) as cluster:
            yield Scene(cluster)
        return
    config: Path = request.getfixturevalue("kubeconfig")
    found, namespace = Scene(Cluster(folder, config.read_text())), f"wherry-workloads-{SystemIds().suffix(8)}"
    found(f"create namespace {namespace}")
    try:
        found(f"config set-context --current --namespace={namespace}")
        yield found
    finally:
        found(f"delete namespace {namespace} --wait=false")


COUNTS = ("replicas", "updatedReplicas", "readyReplicas", "availableReplicas")


def test_a_deployment_comes_up_scales_updates_and_goes_back(scene: Scene) -> None:
    scene.apply("Deployment", "web", {"replicas": 2, "selector": SELECTOR, "template": TEMPLATE})
    scene.rolled_out("deployment/web")
    assert scene.status("deployment web", *COUNTS) == [2, 2, 2, 2]
    held = {
        item["type"]: (item["status"], item["reason"]) for item in scene.get("deployment web")["status"]["conditions"]
    }
    assert held == {
        "Available": ("True", "MinimumReplicasAvailable"),
        "Progressing": ("True", "NewReplicaSetAvailable"),
    }
    (first,) = scene.get("rs -l app=web")["items"]
    digest = first["metadata"]["labels"]["pod-template-hash"]
    assert first["metadata"]["name"] == f"web-{digest}"
    assert first["spec"]["selector"]["matchLabels"] == {"app": "web", "pod-template-hash": digest}
    assert scene("scale deployment web --replicas=3") == "deployment.apps/web scaled\n"
    scene.rolled_out("deployment/web")
    assert scene.status("deployment web", *COUNTS) == [3, 3, 3, 3]
    scene("set env deployment/web A=b")
    scene("annotate deployment web kubernetes.io/change-cause=env")
    scene.rolled_out("deployment/web")
    sizes = {item["metadata"]["name"]: item["spec"]["replicas"] for item in scene.get("rs -l app=web")["items"]}
    assert sorted(sizes.values()) == [0, 3]
    assert sizes[first["metadata"]["name"]] == 0
    rows = [line.split() for line in scene("rollout history deployment web").splitlines()[2:]]
    assert [row for row in rows if row] == [["1", "<none>"], ["2", "env"]]
    assert "A:\tb" in scene("rollout history deployment web --revision=2")
    assert scene("rollout undo deployment web") == "deployment.apps/web rolled back\n"
    scene.rolled_out("deployment/web")
    assert scene.get(f"rs {first['metadata']['name']}")["spec"]["replicas"] == 3
    rows = [line.split() for line in scene("rollout history deployment web").splitlines()[2:]]
    assert [row[0] for row in rows if row] == ["2", "3"]


def test_what_is_paused_waits_until_it_is_resumed_or_restarted(scene: Scene) -> None:
    before = {item["metadata"]["name"] for item in scene.get("rs -l app=web")["items"]}
    scene("rollout pause deployment web")
    scene("set env deployment/web A=c")
    scene("wait deployment/web --for=jsonpath={.status.conditions[?(@.type=='Progressing')].reason}=DeploymentPaused")
    assert {item["metadata"]["name"] for item in scene.get("rs -l app=web")["items"]} == before
    scene("rollout resume deployment web")
    scene.rolled_out("deployment/web")
    after = {item["metadata"]["name"] for item in scene.get("rs -l app=web")["items"]}
    assert len(after - before) == 1
    scene("rollout restart deployment web")
    scene.rolled_out("deployment/web")
    assert len(scene.get("rs -l app=web")["items"]) == len(after) + 1
    wrong = scene.refused("patch deployment web --type=merge -p", '{"spec":{"selector":{"matchLabels":{"app":"x"}}}}')
    assert "selector" in wrong


def test_pods_of_a_deleted_deployment_go_or_stay_as_is_asked(scene: Scene) -> None:
    scene("delete deployment web --cascade=orphan")
    sets = scene.get("rs -l app=web")["items"]
    assert sets
    assert not [item for item in sets if item["metadata"].get("ownerReferences")]
    scene.apply("Deployment", "web", {"replicas": 1, "selector": SELECTOR, "template": TEMPLATE})
    scene.rolled_out("deployment/web")  # it takes its old sets in again
    owners = [item["metadata"]["ownerReferences"][0]["name"] for item in scene.get("rs -l app=web")["items"]]
    assert set(owners) == {"web"}
    scene("delete deployment web --cascade=foreground --timeout=50s")
    assert scene.get("rs,pods -l app=web")["items"] == []


def job(command: str, **spec: Any) -> dict[str, Any]:
    container = {**POD["containers"][0], "command": ["sh", "-c", command]}
    return {"template": {"spec": {"restartPolicy": "Never", "containers": [container]}}, **spec}


def test_jobs_complete_and_fail(scene: Scene) -> None:
    scene.apply("Job", "good", job("echo done", completions=3, parallelism=2), "batch/v1")
    scene("wait job/good --for=condition=complete --timeout=50s")
    assert scene.status("job good", "succeeded", "failed", "active") == [3, 0, 0]
    pods = scene.get("pods -l job-name=good")["items"]
    assert [pod["status"]["phase"] for pod in pods] == ["Succeeded"] * 3
    assert scene("logs -l job-name=good") == "done\n" * 3
    scene.apply("Job", "bad", job("exit 3", backoffLimit=0), "batch/v1")
    scene("wait job/bad --for=condition=failed --timeout=50s")
    held = {item["type"]: item["reason"] for item in scene.get("job bad")["status"]["conditions"]}
    assert held["Failed"] == "BackoffLimitExceeded"
    scene.apply("Job", "slow", job("sleep 1000", activeDeadlineSeconds=1), "batch/v1")
    scene("wait job/slow --for=condition=failed --timeout=50s")
    held = {item["type"]: item["reason"] for item in scene.get("job slow")["status"]["conditions"]}
    assert held["Failed"] == "DeadlineExceeded"
    wrong = scene.refused("patch job good --type=merge -p", '{"spec":{"completions":7}}')
    assert "spec.completions: Invalid value: 7: field is immutable" in wrong
    scene("delete job good bad slow --timeout=50s")
    scene("wait pods -l job-name=good --for=delete --timeout=50s")


def test_a_job_gives_up_only_after_its_limit_with_containers_started_again(scene: Scene) -> None:
    spec = job("exit 3", backoffLimit=1)
    spec["template"]["spec"]["restartPolicy"] = "OnFailure"
    scene.apply("Job", "again", spec, "batch/v1")
    scene("wait job/again --for=condition=failed --timeout=50s")
    held = {item["type"]: item["reason"] for item in scene.get("job again")["status"]["conditions"]}
    assert held["Failed"] == "BackoffLimitExceeded"
    scene("delete job again --timeout=50s")


def test_a_stateful_set_keeps_names_and_order(scene: Scene) -> None:
    template = {"metadata": {"labels": {"app": "db"}}, "spec": POD}
    spec = {"replicas": 2, "serviceName": "db", "selector": {"matchLabels": {"app": "db"}}, "template": template}
    scene.apply("StatefulSet", "db", spec)
    scene.rolled_out("statefulset/db")
    pods = {pod["metadata"]["name"]: pod for pod in scene.get("pods -l app=db")["items"]}
    assert sorted(pods) == ["db-0", "db-1"]
    assert pods["db-1"]["spec"]["hostname"] == pods["db-1"]["metadata"]["labels"]["statefulset.kubernetes.io/pod-name"]
    scene("patch statefulset db --type=merge -p", '{"spec":{"updateStrategy":{"rollingUpdate":{"partition":1}}}}')
    scene("set env statefulset/db A=b")
    scene("wait statefulset/db --for=jsonpath={.status.updatedReplicas}=1 --timeout=50s")
    scene.rolled_out("statefulset/db")
    after = {pod["metadata"]["name"]: pod["metadata"]["uid"] for pod in scene.get("pods -l app=db")["items"]}
    assert after["db-0"] == pods["db-0"]["metadata"]["uid"]
    assert after["db-1"] != pods["db-1"]["metadata"]["uid"]
    scene("patch statefulset db --type=merge -p", '{"spec":{"updateStrategy":{"rollingUpdate":{"partition":0}}}}')
    scene("wait statefulset/db --for=jsonpath={.status.updatedReplicas}=2 --timeout=50s")
    scene.rolled_out("statefulset/db")
    status = scene.get("statefulset db")["status"]
    assert status["currentRevision"] == status["updateRevision"]
    assert len([line for line in scene("rollout history statefulset db").splitlines()[2:] if line]) == 2
    wrong = scene.refused("patch statefulset db --type=merge -p", '{"spec":{"serviceName":"other"}}')
    assert "updates to statefulset spec for fields other than" in wrong
    scene("delete statefulset db")
    scene("wait pods -l app=db --for=delete --timeout=50s")


# --- what the older server lacks


# Kubernetes 1.20 has no Indexed Jobs, no suspended ones, and CronJobs only as beta.
on_laptop = pytest.mark.parametrize("scene", ["laptop"], indirect=True)


@on_laptop
def test_a_stateful_set_goes_back_and_scales_to_nothing(scene: Scene) -> None:
    template = {"metadata": {"labels": {"app": "db"}}, "spec": POD}
    spec = {"replicas": 2, "serviceName": "db", "selector": {"matchLabels": {"app": "db"}}, "template": template}
    scene.apply("StatefulSet", "db", spec)
    scene.rolled_out("statefulset/db")
    scene("set env statefulset/db A=b")
    scene("wait statefulset/db --for=jsonpath={.status.updatedReplicas}=2 --timeout=50s")
    scene("rollout undo statefulset db")
    scene("wait statefulset/db --for=jsonpath={.status.updatedReplicas}=2 --timeout=50s")
    scene("scale statefulset db --replicas=0")
    scene("wait pods -l app=db --for=delete --timeout=50s")
    scene("delete statefulset db")


@on_laptop
def test_indexed_jobs_know_their_index(scene: Scene) -> None:
    spec = job("echo $JOB_COMPLETION_INDEX $HOSTNAME", completions=3, parallelism=3, completionMode="Indexed")
    scene.apply("Job", "each", spec, "batch/v1")
    scene("wait job/each --for=condition=complete --timeout=50s")
    assert scene.get("job each")["status"]["completedIndexes"] == "0-2"
    told = scene("logs -l batch.kubernetes.io/job-name=each").splitlines()
    assert sorted(told) == ["0 each-0", "1 each-1", "2 each-2"]
    header, row = (line.split() for line in scene("get job each").splitlines())
    assert (header, row[:3]) == (["NAME", "STATUS", "COMPLETIONS", "DURATION", "AGE"], ["each", "Complete", "3/3"])


@on_laptop
def test_a_job_is_made_of_a_cronjob(scene: Scene) -> None:
    scene("create cronjob nightly --image=python:3.11", "--schedule=0 0 1 1 *", "--", "sh", "-c", "echo tick")
    assert scene("create job now --from=cronjob/nightly") == "job.batch/now created\n"
    scene("wait job/now --for=condition=complete --timeout=50s")
    assert scene("logs job/now") == "tick\n"
    header, row = (line.split() for line in scene("get cronjob nightly").splitlines())
    assert header == ["NAME", "SCHEDULE", "TIMEZONE", "SUSPEND", "ACTIVE", "LAST", "SCHEDULE", "AGE"]
    assert row[:8] == ["nightly", "0", "0", "1", "1", "*", "<none>", "False"]
    scene("delete cronjob nightly")
    scene("wait job/now --for=delete --timeout=50s")


@on_laptop
def test_a_suspended_job_begins_when_it_may(scene: Scene) -> None:
    scene.apply("Job", "later", job("echo now", suspend=True), "batch/v1")
    scene("wait job/later --for=condition=Suspended --timeout=50s")
    assert scene.get("pods -l job-name=later")["items"] == []
    scene("patch job later --type=merge -p", '{"spec":{"suspend":false}}')
    scene("wait job/later --for=condition=complete --timeout=50s")
    assert scene("get job later -o jsonpath={.status.succeeded}") == "1"


@on_laptop
def test_a_server_of_a_deployment_really_serves(scene: Scene) -> None:
    folder = scene.cluster.folder
    (folder / "page").write_text("hello from a pod")
    program = "import http.server as h; s = h.HTTPServer(('127.0.0.1', 0), h.SimpleHTTPRequestHandler);"
    program += f"open({str(folder / 'port')!r}, 'w').write(str(s.server_port)); s.serve_forever()"
    container = {
        "name": "main",
        "image": "python:3.11",
        "command": ["python3", "-c", program],
        "workingDir": str(folder),
    }
    template = {"metadata": {"labels": {"app": "page"}}, "spec": {"containers": [container]}}
    container["readinessProbe"] = {"exec": {"command": ["test", "-s", str(folder / "port")]}, "periodSeconds": 1}
    scene.apply("Deployment", "page", {"selector": {"matchLabels": {"app": "page"}}, "template": template})
    scene.rolled_out("deployment/page")
    with urlopen(f"http://127.0.0.1:{(folder / 'port').read_text()}/page", timeout=30) as answer:
        assert answer.read() == b"hello from a pod"
    scene("delete deployment page")


@on_laptop
@pytest.mark.parametrize("name", ["kubernetes", "kr8s"])
def test_public_clients_run_jobs_and_scale_deployments(scene: Scene, name: str) -> None:
    done = scene.cluster.run(oracles.python(name, PACKAGES[name]), SCRIPTS / f"workloads_{name}.py")
    assert (done.code, done.out) == (0, "done\n"), done.err
