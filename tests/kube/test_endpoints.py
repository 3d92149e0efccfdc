"""The plan of Endpoints and EndpointSlices: from a service and its pods to where they are."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from wherry.kube.controller import Plan
from wherry.kube.embedded.controllers.endpoints import IN_SLICE, plan, selects
from wherry.kube.patches import merge

NOW = datetime(2026, 1, 1, tzinfo=UTC)
NOTHING = Plan(create=[], change=[], delete=[])


def service(**spec: Any) -> dict[str, Any]:
    port = {"name": "http", "port": 80, "targetPort": 8080, "protocol": "TCP"}
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "web", "namespace": "n", "uid": "s"},
        "spec": {"type": "ClusterIP", "clusterIP": "127.192.0.1", "selector": {"app": "web"}, "ports": [port], **spec},
    }


def pod(name: str, *, ready: bool = True, phase: str = "Running", ip: str = "", ports: Any = (), **spec: Any) -> Any:
    condition = {"type": "Ready", "status": "True" if ready else "False"}
    return {
        "kind": "Pod",
        "metadata": {"name": name, "namespace": "n", "uid": name, "labels": {"app": "web"}},
        "spec": {"containers": [{"name": "c", "ports": list(ports)}], "nodeName": "local", **spec},
        "status": {"phase": phase, "podIP": ip or f"127.16.0.{name}", "conditions": [condition]},
    }


def made(found: Plan, kind: str) -> list[Any]:
    return [each for each in found.create if each["kind"] == kind]


def subsets(*pods: Any, **spec: Any) -> Any:
    (endpoints,) = made(plan(service(**spec), pods, NOW), "Endpoints")
    return [
        (
            [each["ip"] for each in subset.get("addresses", ())],
            [each["ip"] for each in subset.get("notReadyAddresses", ())],
            [each["port"] for each in subset.get("ports", ())],
        )
        for subset in endpoints.get("subsets", ())
    ]


DELETED = pod("3")
DELETED["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
NAMED = [{"name": "http", "targetPort": "web", "port": 80, "protocol": "TCP"}]


@pytest.mark.parametrize(
    ("pods", "spec", "wanted"),
    [
        ([], {}, []),
        ([pod("1"), pod("2")], {}, [(["127.16.0.1", "127.16.0.2"], [], [8080])]),
        ([pod("1"), pod("2", ready=False)], {}, [(["127.16.0.1"], ["127.16.0.2"], [8080])]),
        ([pod("2", ready=False)], {"publishNotReadyAddresses": True}, [(["127.16.0.2"], [], [8080])]),
        ([pod("1", phase="Succeeded"), pod("2", phase="Failed")], {}, []),
        ([DELETED], {}, []),
        (
            [
                pod("1", ports=[{"name": "web", "containerPort": 1}]),
                pod("2", ports=[{"name": "web", "containerPort": 2}]),
            ],
            {"ports": NAMED},
            [(["127.16.0.1"], [], [1]), (["127.16.0.2"], [], [2])],
        ),
        ([pod("1")], {"ports": NAMED}, [(["127.16.0.1"], [], [])]),  # no container has a port of that name
        ([pod("1")], {"clusterIP": "None", "ports": []}, [(["127.16.0.1"], [], [])]),
    ],
)
def test_addresses_by_readiness_and_port(pods: Any, spec: Any, wanted: Any) -> None:
    assert subsets(*pods, **spec) == wanted


def test_a_slice_says_what_each_pod_is() -> None:
    named = pod("1", hostname="web-0", subdomain="web")
    (slice,) = made(plan(service(clusterIP="None"), [named, DELETED], NOW), "EndpointSlice")
    first, ending = slice["endpoints"]
    assert first["hostname"] == "web-0"
    assert first["targetRef"] == {"kind": "Pod", "namespace": "n", "name": "1", "uid": "1"}
    assert ending["conditions"] == {"ready": False, "serving": True, "terminating": True}
    assert slice["metadata"]["labels"]["kubernetes.io/service-name"] == "web"
    assert slice["metadata"]["labels"]["service.kubernetes.io/headless"] == ""
    assert slice["ports"] == [{"name": "http", "port": 8080, "protocol": "TCP"}]


def carried_out(found: Plan, there: list[Any]) -> list[Any]:
    """The children after the plan."""
    left = [each for each in there if each not in found.delete]
    left = [next((merge(each, c.patch) for c in found.change if c.object is each), each) for each in left]
    owner = [{"uid": "s", "controller": True}]
    count = len(there)
    for index, new in enumerate(found.create):
        metadata = {"name": f"x{count + index}", "ownerReferences": owner, "namespace": "n", **new["metadata"]}
        left.append({**new, "metadata": metadata})
    return left


def test_many_pods_have_several_slices_which_stay_as_they_are() -> None:
    pods = [pod(str(n), ip=f"127.16.{n // 250}.{n % 250 + 1}") for n in range(2 * IN_SLICE + 30)]
    children = carried_out(plan(service(), pods, NOW), [])
    slices = [each for each in children if each["kind"] == "EndpointSlice"]
    assert sorted(len(each["endpoints"]) for each in slices) == [30, IN_SLICE, IN_SLICE]
    again = plan(service(), [*pods, *children], NOW)
    assert (list(again.create), list(again.change), list(again.delete)) == ([], [], [])
    fewer = plan(service(), [*pods[1:], *children], NOW)
    assert len(fewer.change) == 2, "the Endpoints and one slice"
    gone = carried_out(plan(service(), children, NOW), children)
    left = [each for each in gone if each["kind"] == "EndpointSlice"]
    assert [each["endpoints"] for each in left] == [[]]
    refilled = carried_out(plan(service(), [*pods[:5], *gone], NOW), gone)
    assert [len(e["endpoints"]) for e in refilled if e["kind"] == "EndpointSlice"] == [5]


def test_who_selects_nothing_is_left_alone() -> None:
    by_hand = {"kind": "Endpoints", "metadata": {"name": "web", "namespace": "n"}, "subsets": []}
    for each in (service(selector=None), service(type="ExternalName", externalName="x")):
        assert plan(each, [pod("1"), by_hand], NOW) == NOTHING
        assert not selects(each, pod("1"))
    assert selects(service(), pod("1"))
    assert not selects(service(selector={"app": "web", "tier": "x"}), pod("1"))


def by_hand(*addresses: str, labels: Any = None, port: int = 9000) -> dict[str, Any]:
    metadata = {"name": "web", "namespace": "n", "uid": "e", "labels": labels or {}}
    listed = [{"ip": each} for each in addresses]
    subset = {"addresses": listed[:-1], "notReadyAddresses": listed[-1:], "ports": [{"port": port, "protocol": "TCP"}]}
    return {"kind": "Endpoints", "apiVersion": "v1", "metadata": metadata, "subsets": [subset]}


def test_endpoints_by_hand_are_mirrored() -> None:
    endpoints = by_hand("10.0.0.1", "fd00::1", "10.0.0.2", labels={"a": "b"})
    found = plan(service(selector=None), [endpoints], NOW)
    assert (found.change, found.delete) == ([], [])
    four, six = found.create
    assert [(each["addresses"], each["conditions"]["ready"]) for each in four["endpoints"]] == [
        (["10.0.0.1"], True),
        (["10.0.0.2"], False),
    ]
    assert (four["addressType"], six["addressType"]) == ("IPv4", "IPv6")
    assert four["ports"] == [{"name": "", "port": 9000, "protocol": "TCP"}]
    assert four["metadata"]["labels"] == {
        "a": "b",
        "kubernetes.io/service-name": "web",
        "endpointslice.kubernetes.io/managed-by": "endpointslicemirroring-controller.k8s.io",
    }
    assert plan(service(selector=None), [endpoints, *kept(four, six)], NOW) == NOTHING


def kept(*slices: Any) -> list[Any]:
    """Slices as the runner makes them."""
    owner = [{"uid": "s", "controller": True}]
    return [
        {**each, "metadata": {**each["metadata"], "name": str(number), "uid": str(number), "ownerReferences": owner}}
        for number, each in enumerate(slices)
    ]


def test_mirrors_follow_and_go_with_the_endpoints() -> None:
    alone = service(selector=None)
    there = kept(*plan(alone, [by_hand("10.0.0.1", "10.0.0.2")], NOW).create)
    (changed,) = plan(alone, [by_hand("10.0.0.3", "10.0.0.4"), *there], NOW).change
    assert merge(changed.object, changed.patch)["endpoints"][0]["addresses"] == ["10.0.0.3"]
    moved = plan(alone, [by_hand("10.0.0.1", "10.0.0.2", port=1), *there], NOW)
    assert (len(moved.create), moved.delete) == (1, there)
    assert plan(alone, there, NOW).delete == there
    skipped = by_hand("10.0.0.1", "10.0.0.2", labels={"endpointslice.kubernetes.io/skip-mirror": "true"})
    assert plan(alone, [skipped], NOW) == NOTHING
