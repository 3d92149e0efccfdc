"""Services, endpoints, accounts, nodes, classes: defaults, what is refused in which words, what tables show."""

from __future__ import annotations

import contextlib
import copy
from typing import Any

import pytest
from hypothesis import given, settings
from tests.kube.test_kinds import spoiled, store

from wherry.kube.embedded.registry import REGISTRY
from wherry.kube.embedded.writes import create, find, patch
from wherry.kube.errors import Invalid, KubeError
from wherry.kube.resources import ENDPOINTS, ENDPOINTSLICES, NODES, PERSISTENTVOLUMES, ROLEBINDINGS, SERVICES
from wherry.testing import SequentialIds

IDS = SequentialIds()


def obj(kind: str, api_version: str = "v1", name: str = "a", **rest: Any) -> dict[str, Any]:
    found = {"apiVersion": api_version, "kind": kind, "metadata": {"name": name, "namespace": "default"}, **rest}
    if not REGISTRY.of_object(found).resource.namespaced:
        del found["metadata"]["namespace"]
    return found


def service(**spec: Any) -> dict[str, Any]:
    return obj("Service", spec={"ports": [{"port": 80}], **spec})


RBAC = "rbac.authorization.k8s.io/v1"
ROLE_REF = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "r"}
GOOD = [
    service(),
    service(clusterIP="None", ports=[]),
    service(type="ExternalName", externalName="db.example.com.", ports=[]),
    service(type="NodePort"),
    service(type="LoadBalancer"),
    service(ports=[{"name": "a", "port": 1}, {"name": "b", "port": 1, "protocol": "UDP", "targetPort": "named"}]),
    obj("Endpoints", subsets=[{"addresses": [{"ip": "10.0.0.1"}], "ports": [{"port": 80}]}]),
    obj("EndpointSlice", "discovery.k8s.io/v1", addressType="IPv4", endpoints=[{"addresses": ["10.0.0.1"]}]),
    obj("ServiceAccount"),
    obj("Node"),
    obj("Lease", "coordination.k8s.io/v1", spec={"holderIdentity": "x", "leaseDurationSeconds": 15}),
    obj("Role", RBAC, rules=[{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}]),
    obj("ClusterRole", RBAC, name="system:x", rules=[{"nonResourceURLs": ["/healthz"], "verbs": ["get"]}]),
    obj("RoleBinding", RBAC, roleRef=ROLE_REF, subjects=[{"kind": "User", "name": "u"}]),
    obj("ClusterRoleBinding", RBAC, roleRef={**ROLE_REF, "kind": "ClusterRole"}),
    obj("PriorityClass", "scheduling.k8s.io/v1", value=10),
    obj("StorageClass", "storage.k8s.io/v1", provisioner="x"),
    obj("PersistentVolume", spec={"capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"]}),
    obj("PodDisruptionBudget", "policy/v1", spec={"minAvailable": "50%", "selector": {"matchLabels": {"a": "b"}}}),
]


@pytest.mark.parametrize("good", GOOD, ids=lambda each: f"{each['kind']}-{each.get('spec', {}).get('type', '')}")
def test_what_is_good_is_stored_and_shown_and_defaults_are_stable(good: dict[str, Any]) -> None:
    with store() as transaction:
        kind = REGISTRY.of_object(good)
        stored = create(transaction, kind, copy.deepcopy(good), IDS)
        assert all(column.cell(stored, 0.0) is not None for column in kind.columns)
        again = copy.deepcopy(stored)
        kind.default(again)
        assert again == stored


@settings(max_examples=100, deadline=None)
@given(spoiled(*GOOD))
def test_anything_is_stored_or_refused_with_a_status(wild: dict[str, Any]) -> None:
    with store() as transaction, contextlib.suppress(KubeError):
        kind = REGISTRY.of_object(wild)
        stored = create(transaction, kind, wild, SequentialIds())
        assert [column.cell(stored, 0.0) for column in kind.columns]
        patch(transaction, find(transaction, kind, "default", "a"), {"spec": None}, "merge", "")


BAD = [
    (service(ports=None), "spec.ports: Required value"),
    (service(ports=[{"port": 0}]), "spec.ports[0].port: Invalid value: 0: must be between 1 and 65535, inclusive"),
    (service(ports=[{"port": 80}, {"port": 81}]), "spec.ports[0].name: Required value"),
    (
        service(ports=[{"name": "a", "port": 80}, {"name": "a", "port": 81}]),
        'spec.ports[1].name: Duplicate value: "a"',
    ),
    (
        service(ports=[{"port": 80, "protocol": "X"}]),
        'spec.ports[0].protocol: Unsupported value: "X": supported values: "SCTP", "TCP", "UDP"',
    ),
    (
        service(ports=[{"port": 80, "targetPort": "way-too-long-a-name"}]),
        'spec.ports[0].targetPort: Invalid value: "way-too-long-a-name": must be no more than 15 characters',
    ),
    (
        service(type="X"),
        'spec.type: Unsupported value: "X": supported values: "ClusterIP", "ExternalName", "LoadBalancer", "NodePort"',
    ),
    (
        service(type="NodePort", clusterIP="None"),
        "spec.clusterIPs[0]: Invalid value: \"None\": may not be set to 'None' for NodePort services",
    ),
    (service(type="ExternalName", ports=[]), "spec.externalName: Required value"),
    (service(clusterIP="10.0.0.1"), "The range of valid IPs is 127.192.0.0/10"),
    (service(clusterIP="x"), 'spec.clusterIPs[0]: Invalid value: "x": must be a valid IP address'),
    (service(selector={"a": "b c"}), "spec.selector: Invalid value"),
    (service(sessionAffinity="X"), 'spec.sessionAffinity: Unsupported value: "X"'),
    (
        service(ports=[{"port": 80, "nodePort": 30000}]),
        "spec.ports[0].nodePort: Forbidden: may not be used when `type` is 'ClusterIP'",
    ),
    (
        service(type="NodePort", ports=[{"port": 80, "nodePort": 80}]),
        "provided port is not in the valid range. The range is 30000-32767",
    ),
    (obj("Service", name="1a", spec={"ports": [{"port": 1}]}), "a DNS-1035 label must consist of"),
    (obj("Endpoints", subsets=[{}]), "subsets[0]: Required value: must specify `addresses` or `notReadyAddresses`"),
    (
        obj("Endpoints", subsets=[{"addresses": [{"ip": "x"}]}]),
        'subsets[0].addresses[0].ip: Invalid value: "x": must be a valid IP address',
    ),
    (obj("EndpointSlice", "discovery.k8s.io/v1"), "addressType: Required value"),
    (
        obj("EndpointSlice", "discovery.k8s.io/v1", addressType="IPv4", endpoints=[{"addresses": []}]),
        "endpoints[0].addresses: Required value: must contain at least 1 address",
    ),
    (obj("Role", RBAC, rules=[{"resources": ["pods"]}]), "rules[0].verbs: Required value"),
    (
        obj("RoleBinding", RBAC, roleRef={**ROLE_REF, "kind": "X"}),
        'roleRef.kind: Unsupported value: "X": supported values: "ClusterRole", "Role"',
    ),
    (
        obj("RoleBinding", RBAC, roleRef=ROLE_REF, subjects=[{"kind": "ServiceAccount", "name": "x"}]),
        "subjects[0].namespace: Required value",
    ),
    (
        obj("PriorityClass", "scheduling.k8s.io/v1", value=2**31 - 1),
        "value: Forbidden: maximum allowed value of a user defined priority is 1000000000",
    ),
    (obj("StorageClass", "storage.k8s.io/v1"), "provisioner: Required value"),
    (
        obj("PodDisruptionBudget", "policy/v1", spec={"minAvailable": 1, "maxUnavailable": 1}),
        "minAvailable and maxUnavailable cannot be both set",
    ),
    (obj("Lease", "coordination.k8s.io/v1", spec={"leaseDurationSeconds": 0}), "must be greater than 0"),
]


@pytest.mark.parametrize(("bad", "words"), BAD, ids=[words for _, words in BAD])
def test_what_is_bad_is_refused_in_the_words_of_the_api_server(bad: dict[str, Any], words: str) -> None:
    with store() as transaction, pytest.raises(Invalid) as caught:
        create(transaction, REGISTRY.of_object(bad), copy.deepcopy(bad), IDS)
    assert words in str(caught.value)


def test_addresses_and_node_ports_are_of_one_service_each() -> None:
    with store() as transaction:
        kind = REGISTRY.of_resource(SERVICES)
        made = [
            create(
                transaction, kind, obj("Service", name=f"s{n}", spec={"type": "NodePort", "ports": [{"port": 1}]}), IDS
            )
            for n in range(3)
        ]
        assert len({each["spec"]["clusterIP"] for each in made}) == 3
        assert [each["spec"]["ports"][0]["nodePort"] for each in made] == [30000, 30001, 30002]
        taken = made[0]["spec"]["clusterIP"]
        with pytest.raises(Invalid, match="provided IP is already allocated"):
            create(transaction, kind, service(clusterIP=taken), IDS)
        with pytest.raises(Invalid, match="provided port is already allocated"):
            create(transaction, kind, service(type="NodePort", ports=[{"port": 1, "nodePort": 30002}]), IDS)


def changed(change: dict[str, Any], **spec: Any) -> dict[str, Any]:
    with store() as transaction:
        kind = REGISTRY.of_resource(SERVICES)
        create(transaction, kind, service(**spec), IDS)
        return patch(transaction, find(transaction, kind, "default", "a"), {"spec": change}, "merge", "")["spec"]


def test_a_service_keeps_its_address_through_changes() -> None:
    with store() as transaction:
        kind = REGISTRY.of_resource(SERVICES)
        before = create(transaction, kind, service(), IDS)["spec"]["clusterIP"]
        after = patch(transaction, find(transaction, kind, "default", "a"), {"spec": {"clusterIP": None}}, "merge", "")
        assert after["spec"]["clusterIP"] == before
    with pytest.raises(Invalid, match="may not change once set"):
        changed({"clusterIP": "127.192.0.7"})
    with pytest.raises(Invalid, match="may not change once set"):
        changed({"clusterIP": "127.192.0.7"}, clusterIP="None")
    moved = changed({"type": "ExternalName", "externalName": "x.org", "clusterIP": None, "clusterIPs": None})
    assert "clusterIP" not in moved
    assert changed({"type": "ClusterIP"}, type="ExternalName", externalName="x.org")["clusterIP"].startswith("127.")
    assert changed({"type": "NodePort"})["ports"][0]["nodePort"] == 30000


def cells(resource: Any, found: dict[str, Any]) -> dict[str, Any]:
    return {column.name: column.cell(found, 0.0) for column in REGISTRY.of_resource(resource).columns}


def test_tables_show_what_users_know() -> None:
    ports = [{"port": 80, "protocol": "TCP", "nodePort": 30001}, {"port": 53, "protocol": "UDP"}]
    row = cells(
        SERVICES, {"spec": {"type": "LoadBalancer", "clusterIP": "1.2.3.4", "ports": ports, "selector": {"a": "b"}}}
    )
    assert (row["External-IP"], row["Port(s)"], row["Selector"]) == ("<pending>", "80:30001/TCP,53/UDP", "a=b")
    addresses = [{"ip": f"10.0.0.{n}"} for n in range(5)]
    row = cells(ENDPOINTS, {"subsets": [{"addresses": addresses, "ports": [{"port": 1}]}]})
    assert row["Endpoints"] == "10.0.0.0:1,10.0.0.1:1,10.0.0.2:1 + 2 more..."
    assert cells(ENDPOINTS, {})["Endpoints"] == "<none>"
    row = cells(
        ENDPOINTSLICES, {"endpoints": [{"addresses": ["10.0.0.1"]}], "ports": [{"port": 8}], "addressType": "IPv4"}
    )
    assert (row["Ports"], row["Endpoints"]) == ("8", "10.0.0.1")
    conditions = [{"type": "Ready", "status": "True"}]
    row = cells(NODES, {"spec": {"unschedulable": True}, "status": {"conditions": conditions}})
    assert (row["Status"], row["Roles"], row["Internal-IP"]) == ("Ready,SchedulingDisabled", "<none>", "<none>")
    row = cells(
        ROLEBINDINGS, {"roleRef": ROLE_REF, "subjects": [{"kind": "ServiceAccount", "name": "x", "namespace": "n"}]}
    )
    assert (row["Role"], row["ServiceAccounts"], row["Users"]) == ("Role/r", "n/x", "")
    assert cells(PERSISTENTVOLUMES, {"spec": {"claimRef": {"namespace": "n", "name": "c"}}})["Claim"] == "n/c"
