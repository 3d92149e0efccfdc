"""kubectl on the kinds that a cluster has beside its workloads: services, nodes, accounts, roles, classes."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.kube.wire.clients import needs_kubectl, serving
from tests.kube.wire.test_kubectl import Kubectl

pytestmark = [pytest.mark.oracle, needs_kubectl]


@pytest.fixture(scope="module")
def kubectl(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kubectl]:
    with serving(tmp_path_factory.mktemp("kubectl")) as cluster:
        yield Kubectl(cluster)


def rows(text: str) -> list[list[str]]:
    return [line.split() for line in text.splitlines()]


def test_the_machine_is_the_node(kubectl: Kubectl) -> None:
    header, row = rows(kubectl("get nodes"))
    assert header == ["NAME", "STATUS", "ROLES", "AGE", "VERSION"]
    assert (row[0], row[1], row[2], row[4]) == ("local", "Ready", "<none>", "v1.34.0+wherry")
    assert "INTERNAL-IP" in kubectl("get nodes -o wide")
    described = kubectl("describe node local")
    for word in ("MemoryPressure", "Ready", "Capacity:", "Allocatable:", "Kubelet Version:", "HolderIdentity:  local"):
        assert word in described
    assert kubectl("cordon local") == "node/local cordoned\n"
    assert rows(kubectl("get no local"))[1][1] == "Ready,SchedulingDisabled"
    assert kubectl("uncordon local") == "node/local uncordoned\n"


def test_services(kubectl: Kubectl) -> None:
    assert kubectl("create service clusterip web --tcp=80:8080") == "service/web created\n"
    assert kubectl("create service externalname db --external-name db.example.com") == "service/db created\n"
    header, db, web = rows(kubectl("get svc"))
    assert header == ["NAME", "TYPE", "CLUSTER-IP", "EXTERNAL-IP", "PORT(S)", "AGE"]
    assert db[:5] == ["db", "ExternalName", "<none>", "db.example.com", "<none>"]
    assert (web[0], web[1], web[3], web[4]) == ("web", "ClusterIP", "<none>", "80/TCP")
    described = kubectl("describe svc web")
    assert "TargetPort:               8080/TCP" in described
    assert "may not change once set" in kubectl.refused("patch svc web", "-p", '{"spec": {"clusterIP": "127.192.9.9"}}')
    assert kubectl("patch svc web", "-p", '{"spec": {"type": "NodePort"}}') == "service/web patched\n"
    assert rows(kubectl("get svc web"))[1][4] == "80:30000/TCP"


def test_accounts_and_roles(kubectl: Kubectl) -> None:
    assert rows(kubectl("get sa")) == [["NAME", "SECRETS", "AGE"], ["default", "0", rows(kubectl("get sa"))[1][2]]]
    assert kubectl("create ns fresh") == "namespace/fresh created\n"
    assert rows(kubectl("get sa -n fresh"))[1][0] == "default"
    assert "issues no tokens" in kubectl.refused("create token default")
    assert kubectl("create sa robot") == "serviceaccount/robot created\n"
    kubectl("create role reader --verb=get,list --resource=pods")
    kubectl("create rolebinding reads --role=reader --serviceaccount=default:robot")
    kubectl("create clusterrole all-reader --verb=get --resource=pods")
    kubectl("create clusterrolebinding reads-all --clusterrole=all-reader --user=ann")
    wide = rows(kubectl("get rolebinding -o wide"))
    assert (wide[0][1], wide[1][1], wide[1][3]) == ("ROLE", "Role/reader", "default/robot")
    assert "pods" in kubectl("describe role reader")
    assert "reader" in kubectl("describe rolebinding reads")
    assert kubectl("auth can-i delete nodes") == "yes\n"


def test_classes_budgets_and_leases(kubectl: Kubectl) -> None:
    kubectl("create priorityclass high --value=100")
    assert rows(kubectl("get pc"))[1][:3] == ["high", "100", "false"]
    kubectl("create pdb safe --selector=app=x --min-available=1")
    assert rows(kubectl("get pdb"))[1][:4] == ["safe", "1", "N/A", "0"]
    assert rows(kubectl("get leases -n kube-node-lease"))[1][:2] == ["local", "local"]
    described = kubectl("describe pdb safe")
    assert "Min available:  1" in described


WEB = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: site}
spec:
  replicas: 2
  selector: {matchLabels: {app: site}}
  template:
    metadata: {labels: {app: site}}
    spec:
      terminationGracePeriodSeconds: 1
      containers:
      - name: web
        image: python:3.11
        command: [python3, -m, http.server, "8000"]
        ports: [{name: http, containerPort: 8000}]
        readinessProbe: {httpGet: {path: /, port: http}, periodSeconds: 1}
"""
CLIENT = """
apiVersion: v1
kind: Pod
metadata: {name: client}
spec:
  restartPolicy: Never
  containers:
  - name: client
    image: python:3.11
    env: [{name: SITE, value: "http://site.default.svc:8080/"}]
    command: [python3, -c]
    args:
    - |
      import os, urllib.request
      linked = "http://%s:%s/" % (os.environ["SITE_SERVICE_HOST"], os.environ["SITE_SERVICE_PORT"])
      for url in (os.environ["SITE"], "http://site:8080", linked):
          print(urllib.request.urlopen(url, timeout=10).status)
"""


def test_a_deployment_behind_a_service_is_reached_by_its_name(kubectl: Kubectl) -> None:
    """Two servers of one port; a pod that knows the service's name; the endpoints that kubectl shows."""
    kubectl("apply -f -", stdin=WEB)
    assert kubectl("expose deployment site --port=8080 --target-port=http") == "service/site exposed\n"
    kubectl("rollout status deployment site --timeout=30s")
    listed = kubectl("get pods -l app=site -o jsonpath={.items[*].status.podIP}").split()
    assert len(set(listed)) == 2
    kubectl(
        "wait --for=jsonpath={.endpoints[1].conditions.ready}=true endpointslice -l kubernetes.io/service-name=site"
    )
    shown = rows(kubectl("get endpoints site"))[1][1]
    assert sorted(shown.split(",")) == sorted(f"{address}:8000" for address in listed)
    assert "8000" in kubectl("describe svc site")
    kubectl("apply -f -", stdin=CLIENT)
    kubectl("wait --for=jsonpath={.status.phase}=Succeeded pod/client --timeout=30s")
    assert kubectl("logs client").split() == ["200", "200", "200"]
    kubectl("delete service site")
    assert kubectl.refused("get endpoints site").endswith('endpoints "site" not found\n')
    kubectl("delete deployment site --cascade=foreground")
