"""kubectl, as it is released, against `wherry up`."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
import yaml
from tests.kube.wire.clients import Kubectl, needs_kubectl, serving

pytestmark = [pytest.mark.oracle, needs_kubectl]
CONFIG = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: %s, labels: {app: demo}}\ndata: {%s}\n"
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
POD = """
apiVersion: v1
kind: Pod
metadata: {name: talks}
spec:
  restartPolicy: Never
  containers:
  - name: main
    image: busybox
    workingDir: %s
    command: [sh, -c, 'echo one; until [ -e go ]; do sleep 0.02; done; echo two']
"""


@pytest.fixture(scope="module")
def kubectl(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kubectl]:
    with serving(tmp_path_factory.mktemp("kubectl")) as cluster:
        yield Kubectl(cluster)


def test_the_server_presents_itself(kubectl: Kubectl) -> None:
    assert "Server Version: v1.34.0+wherry" in kubectl("version")
    rows = [line.split() for line in kubectl("api-resources").splitlines()]
    assert ["configmaps", "cm", "v1", "true", "ConfigMap"] in rows
    assert "v1" in kubectl("api-versions").splitlines()
    assert kubectl("get --raw /readyz") == "ok"
    assert kubectl("explain pod.spec.restartPolicy").startswith("KIND:       Pod\nVERSION:    v1\n")


def test_every_form_of_output(kubectl: Kubectl) -> None:
    assert kubectl("apply -f -", stdin=CONFIG % ("forms", "a: '1'")) == "configmap/forms created\n"
    assert kubectl("get cm forms").splitlines()[0].split() == ["NAME", "DATA", "AGE"]
    assert kubectl("get cm -l app=demo -o name") == "configmap/forms\n"
    assert json.loads(kubectl("get cm forms -o json"))["data"] == {"a": "1"}
    assert yaml.safe_load(kubectl("get cm forms -o yaml"))["data"] == {"a": "1"}
    assert kubectl("get cm forms -o jsonpath={.data.a}") == "1"
    assert kubectl("get cm forms -o go-template={{.data.a}}") == "1"
    wanted = ["NAME    APP", "forms   demo"]
    assert kubectl("get cm forms -o custom-columns=NAME:.metadata.name,APP:.metadata.labels.app").splitlines() == wanted
    assert kubectl("get cm -A --show-labels -o wide --sort-by=.metadata.name").splitlines()[0].split()[:2] == [
        "NAMESPACE",
        "NAME",
    ]
    assert "app=demo" in kubectl("describe cm forms")


def test_objects_are_made_changed_and_deleted(kubectl: Kubectl) -> None:
    assert kubectl("create configmap c --from-literal=x=1") == "configmap/c created\n"
    patched = "configmap/c patched\n"
    assert kubectl("label cm c k=v") == "configmap/c labeled\n"
    assert kubectl("annotate cm c note=n") == "configmap/c annotated\n"
    assert kubectl("patch cm c -p", '{"data":{"y":"2"}}') == patched
    assert kubectl("patch cm c --type=merge -p", '{"data":{"y":null}}') == patched
    assert kubectl("patch cm c --type=json -p", '[{"op":"add","path":"/data/z","value":"3"}]') == patched
    assert kubectl("edit cm c", EDITOR="sed -i s/z:/edited:/") == "configmap/c edited\n"
    assert kubectl("get cm c -o jsonpath={.data}") == '{"edited":"3","x":"1"}'
    assert kubectl("replace -f -", stdin=CONFIG % ("c", "q: '1'")) == "configmap/c replaced\n"
    assert "AlreadyExists" in kubectl.refused("create -f -", stdin=CONFIG % ("c", ""))
    assert kubectl("delete cm c") == 'configmap "c" deleted from default namespace\n'
    assert 'configmaps "c" not found' in kubectl.refused("get cm c")


def test_applying_again_changes_what_was_applied_and_nothing_else(kubectl: Kubectl) -> None:
    def apply(data: str) -> str:
        return kubectl("apply -f -", stdin=CONFIG % ("again", data)).split()[1]

    assert [apply("a: '1', b: '2'"), apply("a: '1', b: '2'")] == ["created", "unchanged"]
    kubectl("patch cm again -p", '{"data":{"theirs":"t"}}')
    assert apply("a: '3'") == "configured"
    assert json.loads(kubectl("get cm again -o jsonpath={.data}")) == {"a": "3", "theirs": "t"}
    wrong = 'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: wrong}\ndatum: {a: "1"}\n'
    assert 'unknown field "datum"' in kubectl.refused("apply -f -", stdin=wrong)
    assert kubectl("apply --dry-run=server -f -", stdin=CONFIG % ("dry", "")).endswith("(server dry run)\n")
    assert "NotFound" in kubectl.refused("get cm dry")


def test_apply_on_the_server(kubectl: Kubectl) -> None:
    served = "apply --server-side -f -"
    assert kubectl(served, stdin=CONFIG % ("served", "a: '1', b: '1'")) == "configmap/served serverside-applied\n"
    assert kubectl("diff --server-side -f -", stdin=CONFIG % ("served", "a: '1', b: '1'")) == ""
    differs = kubectl.run("diff --server-side -f -", stdin=CONFIG % ("served", "a: '2', b: '1'"))
    assert (differs.code, '+  a: "2"' in differs.out) == (1, True)
    refused = kubectl.refused(f"{served} --field-manager=other", stdin=CONFIG % ("served", "a: '2'"))
    assert 'conflict with "kubectl": .data.a' in refused
    kubectl(f"{served} --field-manager=other --force-conflicts", stdin=CONFIG % ("served", "a: '2'"))
    kubectl(served, stdin=CONFIG % ("served", "b: '2'"))
    assert json.loads(kubectl("get cm served -o jsonpath={.data}")) == {"a": "2", "b": "2"}
    assert "managedFields" not in kubectl("get cm served -o yaml")
    shown = json.loads(kubectl("get cm served -o json --show-managed-fields"))["metadata"]["managedFields"]
    assert {(entry["manager"], entry["operation"]) for entry in shown} == {("kubectl", "Apply"), ("other", "Apply")}


def test_from_apply_on_the_client_to_apply_on_the_server(kubectl: Kubectl) -> None:
    kubectl("apply -f -", stdin=CONFIG % ("moved", "a: '1', b: '1'"))
    kubectl("apply --server-side -f -", stdin=CONFIG % ("moved", "a: '2'"))
    moved = json.loads(kubectl("get cm moved -o json --show-managed-fields"))
    assert moved["data"] == {"a": "2"}  # what was applied on the client's side and no longer is, is gone
    entries = moved["metadata"]["managedFields"]
    assert {(entry["manager"], entry["operation"]) for entry in entries} == {
        ("kubectl", "Apply"),
        ("kubectl-last-applied", "Apply"),
    }
    assert json.loads(moved["metadata"]["annotations"][LAST_APPLIED])["data"] == {"a": "2"}
    assert kubectl("apply -f -", stdin=CONFIG % ("moved", "a: '3'")).split()[1] == "configured"


def test_a_pod_runs_is_waited_for_and_read(kubectl: Kubectl) -> None:
    folder = kubectl.cluster.folder
    kubectl("apply -f -", stdin=POD % folder)
    kubectl("wait pod/talks --for=condition=Ready --timeout=30s")
    following = kubectl.cluster.start(kubectl.program, "logs", "-f", "talks")
    assert following.stdout.readline() == "one\n"
    (folder / "go").touch()
    assert following.communicate(timeout=30)[0] == "two\n"
    kubectl("wait pod/talks --for=jsonpath={.status.phase}=Succeeded --timeout=30s")
    assert kubectl("logs talks --tail=1") == "two\n"
    assert kubectl("get pod talks").splitlines()[1].split()[:4] == ["talks", "0/1", "Completed", "0"]
    assert "Exit Code:    0" in kubectl("describe pod talks")
    assert kubectl("delete pod talks") == 'pod "talks" deleted from default namespace\n'
    kubectl("run once --image=busybox --restart=Never --command -- sh -c", "exit 4")
    kubectl("wait pod/once --for=jsonpath={.status.containerStatuses[0].state.terminated.exitCode}=4 --timeout=30s")
    kubectl("delete pod once --now")


def test_namespaces_come_and_go(kubectl: Kubectl) -> None:
    kubectl("create namespace team")
    kubectl("-n team create secret generic s --from-literal=password=hush")
    assert kubectl("-n team get secrets").splitlines()[1].split()[:3] == ["s", "Opaque", "1"]
    assert kubectl("delete namespace team") == 'namespace "team" deleted\n'
    assert "NotFound" in kubectl.refused("get ns team")


def test_who_asks_may_do_everything(kubectl: Kubectl) -> None:
    assert kubectl("auth can-i create pods") == "yes\n"
    assert kubectl("auth can-i get /healthz") == "yes\n"
    assert "wherry" in kubectl("auth whoami")
    assert "*.*" in kubectl("auth can-i --list")
    asked = '{"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview", "spec": {}}'
    assert kubectl("create -f - -o jsonpath={.status.allowed}", stdin=asked) == "true"
    assert "selfsubjectaccessreviews" in kubectl("api-resources --verbs=create")


def test_nobody_else_is_impersonated(kubectl: Kubectl) -> None:
    told = 'User "wherry" cannot impersonate (impersonate-user: jane)'
    assert told in kubectl.refused("get pods --as jane")
    assert told in kubectl.refused("exec any --as jane -- true")


def test_tokens_are_reviewed(kubectl: Kubectl) -> None:
    token = kubectl("config view --raw -o jsonpath={.users[0].user.token}")
    for text, known in ((token, "true wherry"), (token[:-1], "false")):
        review = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": {"token": text}}
        wanted = "create --raw /apis/authentication.k8s.io/v1/tokenreviews -f -"
        status = json.loads(kubectl(wanted, stdin=json.dumps(review)))["status"]
        assert f"{str(status['authenticated']).lower()} {status.get('user', {}).get('username', '')}".strip() == known


def test_a_wrong_token_is_no_entry(kubectl: Kubectl) -> None:
    assert "must be logged in" in kubectl.refused("get pods --token=wrong")


def test_differences_are_shown_before_they_are_made(kubectl: Kubectl) -> None:
    assert kubectl.run("diff -f -", stdin=CONFIG % ("differs", "a: '1'")).code == 1
    kubectl("apply -f -", stdin=CONFIG % ("differs", "a: '1'"))
    assert kubectl("diff -f -", stdin=CONFIG % ("differs", "a: '1'")) == ""
    changed = kubectl.run("diff -f -", stdin=CONFIG % ("differs", "a: '2'"))
    assert changed.code == 1
    assert '+  a: "2"' in changed.out
    assert not [line for line in changed.out.splitlines() if line[:1] in "+-" and "resourceVersion" in line]
    assert kubectl("get cm differs -o jsonpath={.data.a}") == "1"
    kubectl("delete cm differs")


def test_changes_are_watched(kubectl: Kubectl) -> None:
    watching = kubectl.cluster.start(kubectl.program, "get", "cm", "-l", "watched=yes", "-w", "-o", "name")
    kubectl("create cm first --from-literal=a=b")
    kubectl("label cm first watched=yes")
    assert watching.stdout.readline() == "configmap/first\n"
    kubectl("patch cm first -p", '{"data":{"a":"c"}}')
    assert watching.stdout.readline() == "configmap/first\n"
    watching.terminate()
    watching.communicate(timeout=30)
    kubectl("delete cm first")


def test_every_form_of_deletion(kubectl: Kubectl) -> None:
    for name in ("one", "two", "three", "four"):
        kubectl(f"create cm {name} --from-literal=a={name}")
        kubectl(f"label cm {name} doomed=yes")
    assert kubectl("delete cm one --dry-run=server").endswith("(server dry run)\n")
    assert kubectl("delete cm/one cm/two --wait=false").count("deleted") == 2
    kubectl("delete cm three --cascade=orphan --now")
    kubectl("delete -f -", stdin=CONFIG % ("four", ""))
    assert kubectl("delete cm four --ignore-not-found") == ""
    kubectl("create cm five")
    kubectl("label cm five doomed=yes")
    kubectl("delete cm -l doomed=yes --cascade=foreground")
    kubectl("create cm six")
    kubectl("delete cm --field-selector metadata.name=six")
    assert kubectl("get cm -l doomed=yes -o name") == ""
    kubectl("run stays --image=busybox --command -- sleep 1000")
    assert "force deleted" in kubectl("delete pod stays --force --grace-period=0")


CREATED = (
    ("namespace made", "namespace/made"),
    ("configmap made --from-literal=a=b", "configmap/made"),
    ("secret generic made --from-literal=a=b", "secret/made"),
    ("secret docker-registry made --docker-server=s --docker-username=u --docker-password=p", "secret/made"),
    ("serviceaccount made", "serviceaccount/made"),
    ("service clusterip made --tcp=80:8080", "service/made"),
    ("service nodeport made --tcp=80:8080", "service/made"),
    ("service externalname made --external-name=example.org", "service/made"),
    ("deployment made --image=busybox --replicas=0", "deployment.apps/made"),
    ("job made --image=busybox -- true", "job.batch/made"),
    ("cronjob made --image=busybox --schedule=@yearly -- true", "cronjob.batch/made"),
    ("role made --verb=get --resource=pods", "role.rbac.authorization.k8s.io/made"),
    ("clusterrole made --verb=get --resource=pods", "clusterrole.rbac.authorization.k8s.io/made"),
    ("rolebinding made --role=made --user=me", "rolebinding.rbac.authorization.k8s.io/made"),
    ("clusterrolebinding made --clusterrole=made --user=me", "clusterrolebinding.rbac.authorization.k8s.io/made"),
    ("priorityclass made --value=7", "priorityclass.scheduling.k8s.io/made"),
    ("poddisruptionbudget made --selector=a=b --min-available=1", "poddisruptionbudget.policy/made"),
)


@pytest.mark.parametrize(("words", "made"), CREATED, ids=[words.split("=")[0] for words, _ in CREATED])
def test_each_kind_is_created_shown_described_and_deleted(kubectl: Kubectl, words: str, made: str) -> None:
    assert kubectl(f"create {words}") == f"{made} created\n"
    assert kubectl(f"get {made}").splitlines()[1].split()[0] == "made"
    assert kubectl(f"get {made} -o yaml").startswith("apiVersion:")
    assert kubectl(f"describe {made}").split()[:2] == ["Name:", "made"]
    assert "DESCRIPTION:" in kubectl(f"explain {made.split('/')[0].split('.')[0]}")
    kubectl(f"delete {made} --now")


def test_what_else_is_asked(kubectl: Kubectl) -> None:
    assert "Kubernetes control plane" in kubectl("cluster-info")
    assert kubectl("config current-context") == "wherry\n"
    assert kubectl("get --raw /api/v1/namespaces/default").startswith('{"')
    assert {"v1", "apps/v1", "batch/v1"} <= set(kubectl("api-versions").splitlines())
    kubectl("run sayer --image=busybox --restart=Never --command -- true")
    kubectl("wait pod/sayer --for=jsonpath={.status.phase}=Succeeded --timeout=30s")
    about = json.dumps({"apiVersion": "v1", "kind": "Pod", "name": "sayer", "namespace": "default"})
    told = "reason: Told, type: Normal, message: something"
    event = f"{{apiVersion: v1, kind: Event, metadata: {{name: told}}, involvedObject: {about}, {told}}}"
    kubectl("create -f -", stdin=event)
    assert "Told" in kubectl("events --for pod/sayer")
    assert "something" in kubectl("get events.events.k8s.io told")
    assert json.loads(kubectl("get events.v1.events.k8s.io told -o json"))["note"] == "something"
    assert "restartPolicy" in kubectl("explain pods.spec --recursive")
    assert "   restartPolicy\t<string>" in kubectl("explain pods.spec --output=plaintext-openapiv2")
    kubectl("delete pod sayer")


def test_a_kind_that_is_not_there_is_named(kubectl: Kubectl) -> None:
    unknown = '{"apiVersion": "example.com/v1", "kind": "Gadget", "metadata": {"name": "made"}}'
    for line in ("apply -f -", "create -f -", "apply --server-side -f -"):
        assert 'no matches for kind "Gadget" in version "example.com/v1"' in kubectl.refused(line, stdin=unknown)
    assert 'the server doesn\'t have a resource type "gadgets"' in kubectl.refused("get gadgets")
