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
