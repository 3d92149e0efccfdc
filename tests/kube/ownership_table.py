"""Sequences of writes by several managers, and what must come of them on every Kubernetes: the object and its owners.

Read by `tests.kube.test_ownership` for the embedded side through its wire face and for a real cluster.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from wherry.kube.resources import CONFIGMAPS, PODS, REPLICASETS, Resource


@dataclass
class Step:
    """One write.  how: apply, merge, create.  conflicts: the fields of others that refuse it, with their owners."""

    how: str
    manager: str
    body: Any
    force: bool = False
    subresource: str = ""
    conflicts: dict[str, str] = field(default_factory=dict)
    refused: str = ""  # the reason of the Status


@dataclass
class Case:
    """What is written; then what the object has at some paths, and who owns what (an empty list: something)."""

    resource: Resource
    steps: list[Step]
    has: dict[str, Any] = field(default_factory=dict)
    owners: dict[str, list[str]] = field(default_factory=dict)
    needs: str = ""  # a capability, without which there is nothing to see


def data(**values: Any) -> dict[str, Any]:
    return {"data": values}


def labels(**values: str) -> dict[str, Any]:
    return {"metadata": {"labels": values}}


def finalizers(*names: str) -> dict[str, Any]:
    return {"metadata": {"finalizers": [f"example.com/{name}" for name in names]}}


def apply(manager: str, body: Any, **more: Any) -> Step:
    return Step("apply", manager, body, **more)


def merge(manager: str, body: Any, **more: Any) -> Step:
    return Step("merge", manager, body, **more)


def replicas(count: int | None = None, containers: list[Any] | None = None, **spec: Any) -> dict[str, Any]:
    """A part of a ReplicaSet that makes no pods."""
    parts: dict[str, Any] = {} if count is None else {"replicas": count}
    if containers is not None or spec:
        parts["template"] = {"spec": {**({} if containers is None else {"containers": containers}), **spec}}
    return {"spec": parts}


WHOLE = {
    "spec": {
        "replicas": 0,
        "selector": {"matchLabels": {"app": "x"}},
        "template": {"metadata": {"labels": {"app": "x"}}, "spec": {"containers": [{"name": "main", "image": "i"}]}},
    }
}
POD = {"spec": {"schedulerName": "nobody", "containers": [{"name": "main", "image": "i"}]}}
CONTAINER = '.spec.template.spec.containers[name="main"]'
WHOLE_FIELDS = [
    ".spec.replicas",
    ".spec.selector",
    ".spec.template.metadata.labels.app",
    CONTAINER,
    f"{CONTAINER}.image",
    f"{CONTAINER}.name",
]


def main(**fields: Any) -> dict[str, Any]:
    return {"name": "main", **fields}


def condition(type: str, status: str = "True") -> dict[str, Any]:
    return {"status": {"conditions": [{"type": f"example.com/{type}", "status": status}]}}


def given(fields: Any, operation: str = "Update", **more: Any) -> dict[str, Any]:
    entry = {"manager": "given", "operation": operation, "apiVersion": "v1", "fieldsType": "FieldsV1", **more}
    return {"metadata": {"managedFields": [{**entry, "fieldsV1": fields}]}}


ANNOTATION = "kubectl.kubernetes.io/last-applied-configuration"
BY_CLIENT = {
    "data": {"x": "1", "y": "2"},
    "metadata": {"annotations": {ANNOTATION: '{"apiVersion":"v1","kind":"ConfigMap","data":{"x":"1","y":"2"}}\n'}},
}

CASES: dict[str, Case] = {
    "an apply makes the object and owns what it says": Case(
        CONFIGMAPS, [apply("a", data(x="1"))], {"data": {"x": "1"}}, {"a Apply": [".data.x"]}
    ),
    "a field that is no longer applied goes": Case(
        CONFIGMAPS,
        [apply("a", data(x="1", y="2")), apply("a", data(y="2"))],
        {"data": {"y": "2"}},
        {"a Apply": [".data.y"]},
    ),
    "all that was applied goes with its map": Case(
        CONFIGMAPS,
        [apply("a", {**data(x="1"), **labels(l="1")}), apply("a", data(x="1"))],
        {"metadata.labels": None},
        {"a Apply": [".data.x"]},
    ),
    "two want the same and one leaves": Case(
        CONFIGMAPS,
        [apply("a", data(x="1", y="2")), apply("b", data(x="1")), apply("a", data(y="2"))],
        {"data": {"x": "1", "y": "2"}},
        {"a Apply": [".data.y"], "b Apply": [".data.x"]},
    ),
    "the last to want it takes it along": Case(
        CONFIGMAPS,
        [apply("a", data(x="1", y="2")), apply("b", data(x="1")), apply("a", data(y="2")), apply("b", {})],
        {"data": {"y": "2"}},
        {"a Apply": [".data.y"]},
    ),
    "another value is a conflict and changes nothing": Case(
        CONFIGMAPS,
        [apply("a", data(x="1")), apply("b", data(x="2", y="2"), conflicts={".data.x": '"a"'})],
        {"data": {"x": "1"}},
        {"a Apply": [".data.x"]},
    ),
    "conflicts with several": Case(
        CONFIGMAPS,
        [
            apply("a", data(x="1")),
            merge("u", data(y="1")),
            apply("b", data(x="2", y="2"), conflicts={".data.x": '"a"', ".data.y": '"u" using v1'}),
        ],
        {"data": {"x": "1", "y": "1"}},
    ),
    "force takes the field from its owner": Case(
        CONFIGMAPS,
        [apply("a", data(x="1", y="1")), apply("b", data(x="2"), force=True)],
        {"data": {"x": "2", "y": "1"}},
        {"a Apply": [".data.y"], "b Apply": [".data.x"]},
    ),
    "an owner without fields is forgotten": Case(
        CONFIGMAPS,
        [apply("a", data(x="1")), apply("b", data(x="2"), force=True)],
        {"data": {"x": "2"}},
        {"b Apply": [".data.x"]},
    ),
    "an update takes what it changes without asking": Case(
        CONFIGMAPS,
        [apply("a", data(x="1", y="1")), merge("u", data(x="2"))],
        {"data": {"x": "2", "y": "1"}},
        {"a Apply": [".data.y"], "u Update": [".data.x"]},
    ),
    "an update of nothing owns nothing": Case(
        CONFIGMAPS, [apply("a", data(x="1")), merge("u", data(x="1"))], {"data": {"x": "1"}}, {"a Apply": [".data.x"]}
    ),
    "who applies after an update is in conflict": Case(
        CONFIGMAPS,
        [
            apply("a", data(x="1")),
            merge("u", data(x="2")),
            apply("a", data(x="1"), conflicts={".data.x": '"u" using v1'}),
            apply("a", data(x="2")),
        ],
        {"data": {"x": "2"}},
        {"a Apply": [".data.x"], "u Update": [".data.x"]},
    ),
    "a field that an updater owns, too, stays when its applier leaves": Case(
        CONFIGMAPS,
        [
            apply("a", data(x="1", y="1")),
            merge("u", data(x="2")),
            apply("a", data(x="2", y="1")),
            apply("a", data(y="1")),
        ],
        {"data": {"x": "2", "y": "1"}},
        {"a Apply": [".data.y"], "u Update": [".data.x"]},
    ),
    "what an update removes is nobody's": Case(
        CONFIGMAPS,
        [apply("a", data(x="1", y="1")), merge("u", data(x=None))],
        {"data": {"y": "1"}},
        {"a Apply": [".data.y"]},
    ),
    "what an update removed is applied again": Case(
        CONFIGMAPS,
        [apply("a", data(x="1", y="1")), merge("u", data(x=None)), apply("a", data(x="1", y="1"))],
        {"data": {"x": "1", "y": "1"}},
        {"a Apply": [".data.x", ".data.y"]},
    ),
    "who creates owns the map as well": Case(
        CONFIGMAPS,
        [Step("create", "", {**data(x="1"), **labels(l="1")})],
        {},
        {"wherry Update": [".data", ".data.x", ".metadata.labels", ".metadata.labels.l"]},
    ),
    "apply after create": Case(
        CONFIGMAPS,
        [
            Step("create", "", data(x="1")),
            apply("a", data(x="2"), conflicts={".data.x": '"wherry" using v1'}),
            apply("a", data(x="2", y="1"), force=True),
        ],
        {"data": {"x": "2", "y": "1"}},
        {"a Apply": [".data.x", ".data.y"], "wherry Update": [".data"]},
    ),
    "labels of two": Case(
        CONFIGMAPS,
        [apply("a", labels(a="1")), apply("b", labels(b="2")), apply("a", {})],
        {"metadata.labels": {"b": "2"}},
        {"b Apply": [".metadata.labels.b"]},
    ),
    "a set is owned by its values": Case(
        CONFIGMAPS,
        [
            apply("a", finalizers("one", "two")),
            apply("b", finalizers("two", "three")),
            apply("a", finalizers("one")),
            apply("a", {}),
        ],
        {"metadata.finalizers": ["example.com/two", "example.com/three"]},
        {
            "b Apply": ['.metadata.finalizers[="example.com/three"]', '.metadata.finalizers[="example.com/two"]'],
        },
    ),
    "items of a list are owned by their keys": Case(
        REPLICASETS,
        [
            apply("a", WHOLE),
            apply("b", replicas(containers=[main(env=[{"name": "B", "value": "2"}])])),
            apply("c", replicas(containers=[main(env=[{"name": "C", "value": "3"}])])),
            apply("b", {}),
        ],
        {"spec.template.spec.containers.0.env": [{"name": "C", "value": "3"}]},
        {
            "a Apply": WHOLE_FIELDS,
            "c Apply": [
                CONTAINER,
                f'{CONTAINER}.env[name="C"]',
                f'{CONTAINER}.env[name="C"].name',
                f'{CONTAINER}.env[name="C"].value',
                f"{CONTAINER}.name",
            ],
        },
    ),
    "an item that two want stays while one does": Case(
        REPLICASETS,
        [
            apply("a", WHOLE),
            apply("b", replicas(containers=[main(), {"name": "more", "image": "j"}])),
            apply("c", replicas(containers=[{"name": "more", "image": "j", "imagePullPolicy": "Never"}])),
            apply("b", {}),
        ],
        {"spec.template.spec.containers.1.name": "more", "spec.template.spec.containers.1.imagePullPolicy": "Never"},
        {},
    ),
    "a key that is left out is its default": Case(
        REPLICASETS,
        [
            apply("a", WHOLE),
            apply("b", replicas(containers=[main(ports=[{"containerPort": 80}])])),
            apply("c", replicas(containers=[main(ports=[{"containerPort": 80, "protocol": "UDP"}])])),
            apply(
                "d",
                replicas(containers=[main(ports=[{"containerPort": 80, "name": "web"}])]),
            ),
        ],
        {},
        {
            "b Apply": [
                CONTAINER,
                f"{CONTAINER}.name",
                f'{CONTAINER}.ports[containerPort=80,protocol="TCP"]',
                f'{CONTAINER}.ports[containerPort=80,protocol="TCP"].containerPort',
            ],
            "c Apply": [
                CONTAINER,
                f"{CONTAINER}.name",
                f'{CONTAINER}.ports[containerPort=80,protocol="UDP"]',
                f'{CONTAINER}.ports[containerPort=80,protocol="UDP"].containerPort',
                f'{CONTAINER}.ports[containerPort=80,protocol="UDP"].protocol',
            ],
            "d Apply": [
                CONTAINER,
                f"{CONTAINER}.name",
                f'{CONTAINER}.ports[containerPort=80,protocol="TCP"]',
                f'{CONTAINER}.ports[containerPort=80,protocol="TCP"].containerPort',
                f'{CONTAINER}.ports[containerPort=80,protocol="TCP"].name',
            ],
        },
    ),
    "a list without keys has one owner": Case(
        REPLICASETS,
        [
            apply("a", WHOLE),
            apply("b", replicas(containers=[main(command=["b"])])),
            apply(
                "c",
                replicas(containers=[main(command=["b", "c"])]),
                conflicts={f"{CONTAINER}.command": '"b"'},
            ),
            apply("c", replicas(containers=[main(command=["c"])]), force=True),
        ],
        {"spec.template.spec.containers.0.command": ["c"]},
        {
            "b Apply": [CONTAINER, f"{CONTAINER}.name"],
            "c Apply": [CONTAINER, f"{CONTAINER}.command", f"{CONTAINER}.name"],
        },
    ),
    "a map that is atomic has one owner": Case(
        REPLICASETS,
        [
            apply("a", WHOLE),
            apply("b", replicas(nodeSelector={"b": "1"})),
            apply(
                "c",
                replicas(nodeSelector={"c": "1"}),
                conflicts={".spec.template.spec.nodeSelector": '"b"'},
            ),
        ],
        {"spec.template.spec.nodeSelector": {"b": "1"}},
        {"b Apply": [".spec.template.spec.nodeSelector"]},
        needs="atomic_maps",
    ),
    "defaults are nobody's, until somebody sets them": Case(
        REPLICASETS,
        [apply("a", WHOLE), apply("b", replicas(restartPolicy="Always"))],
        {"spec.template.spec.restartPolicy": "Always"},
        {"a Apply": WHOLE_FIELDS, "b Apply": [".spec.template.spec.restartPolicy"]},
    ),
    "a default comes back when its field goes": Case(
        REPLICASETS,
        [
            apply("a", WHOLE),
            apply("b", replicas(terminationGracePeriodSeconds=5)),
            apply("b", replicas(dnsPolicy="Default")),
        ],
        {"spec.template.spec.terminationGracePeriodSeconds": 30},
        {"b Apply": [".spec.template.spec.dnsPolicy"]},
    ),
    "a scaler and an applier": Case(
        REPLICASETS,
        [
            apply("a", WHOLE),
            merge("scaler", {"metadata": {"annotations": {"n": "1"}}, "spec": {"minReadySeconds": 3}}),
            apply(
                "a",
                {"spec": {**WHOLE["spec"], "minReadySeconds": 4}},
                conflicts={".spec.minReadySeconds": '"scaler" using apps/v1'},
            ),
        ],
        {"spec.minReadySeconds": 3},
        {
            "a Apply": WHOLE_FIELDS,
            "scaler Update": [".metadata.annotations", ".metadata.annotations.n", ".spec.minReadySeconds"],
        },
    ),
    "the status has owners of its own": Case(
        PODS,
        [
            apply("a", POD),
            apply("a", condition("A"), subresource="status"),
            apply("b", condition("B"), subresource="status"),
            apply("a", condition("A", "False"), subresource="status"),
        ],
        {},
        {
            "a Apply": [
                '.spec.containers[name="main"]',
                '.spec.containers[name="main"].image',
                '.spec.containers[name="main"].name',
                ".spec.schedulerName",
            ],
            "a Apply status": [
                '.status.conditions[type="example.com/A"]',
                '.status.conditions[type="example.com/A"].status',
                '.status.conditions[type="example.com/A"].type',
            ],
            "b Apply status": [
                '.status.conditions[type="example.com/B"]',
                '.status.conditions[type="example.com/B"].status',
                '.status.conditions[type="example.com/B"].type',
            ],
        },
    ),
    "clients may say who owns what": Case(
        CONFIGMAPS,
        [apply("a", data(x="1", y="1")), merge("u", given({"f:data": {"f:x": {}}}))],
        {"data": {"x": "1", "y": "1"}},
        {"given Update": [".data.x"]},
    ),
    "what clients say is taken in every spelling": Case(
        CONFIGMAPS,
        [
            apply("a", data(x="1")),
            merge("u", given({"f:data": {".": {}, "f:x": {}}, "f:metadata": {"f:finalizers": {'v: "x"': {}}}})),
        ],
        {},
        {"given Update": [".data", ".data.x", '.metadata.finalizers[="x"]']},
    ),
    "one empty entry forgets all owners": Case(
        CONFIGMAPS,
        [apply("a", data(x="1")), merge("u", {"metadata": {"managedFields": [{}]}}), merge("u", data(x="2"))],
        {"data": {"x": "2"}, "metadata.managedFields": None},
        {},
    ),
    "an empty list forgets them, too": Case(
        CONFIGMAPS,
        [apply("a", data(x="1")), merge("u", {"metadata": {"managedFields": []}})],
        {"metadata.managedFields": None},
    ),
    "entries of unknown elements and versions are dropped": Case(
        CONFIGMAPS,
        [
            apply("a", data(x="1")),
            merge("u", given({"q:x": {}, "f:data": {"f:x": {}}})),
            merge("u", given({"f:data": {}}, apiVersion="v7")),
        ],
        {"metadata.managedFields": None},
    ),
    "entries that make no sense change nothing": Case(
        CONFIGMAPS,
        [
            apply("a", data(x="1")),
            merge("u", given({"f:data": {"f:x": {}}}, operation="Steal"), refused="Invalid"),
            merge("u", given({"data": {}})),
            merge("u", given({"f:data": {"f:x": {}}}, fieldsType="FieldsV2")),
            merge("u", given({"i:x": {}})),
            merge("u", given({"f:data": 5})),
        ],
        {"data": {"x": "1"}},
        {"a Apply": [".data.x"]},
    ),
    "of an object without owners the first apply makes one": Case(
        CONFIGMAPS,
        [
            apply("x", data(x="1", y="1")),
            merge("u", {"metadata": {"managedFields": [{}]}}),
            apply("a", data(x="2"), conflicts={".data.x": '"before-first-apply" using v1'}),
            apply("a", data(x="1")),
        ],
        {"data": {"x": "1", "y": "1"}},
        {"a Apply": [".data.x"], "before-first-apply Update": [".data", ".data.x", ".data.y"]},
    ),
    "kubectl takes over what it applied on the client's side": Case(
        CONFIGMAPS,
        [
            Step("create", "", BY_CLIENT),
            apply("kubectl", data(x="3", y="2")),
        ],
        {"data": {"x": "3", "y": "2"}},
        {"kubectl Apply": [".data.x", ".data.y"], "wherry Update": []},
    ),
    "but not what others have changed since": Case(
        CONFIGMAPS,
        [
            Step("create", "", BY_CLIENT),
            merge("u", data(x="5")),
            apply("kubectl", data(x="3", y="3"), conflicts={".data.x": '"u" using v1'}),
        ],
        {"data": {"x": "5", "y": "2"}},
        {},
    ),
    "and nobody but kubectl does": Case(
        CONFIGMAPS,
        [Step("create", "", BY_CLIENT), apply("a", data(x="3"), conflicts={".data.x": '"wherry" using v1'})],
        {"data": {"x": "1", "y": "2"}},
        {},
    ),
    "of many updaters the oldest are put together": Case(
        CONFIGMAPS,
        [Step("create", "", data(x="1")), *(merge(f"u{n:02}", data(**{f"k{n:02}": "1"})) for n in range(12))],
        {},
        {"ancient-changes Update": [], "u11 Update": [".data.k11"]},
    ),
    "null is a value that is applied": Case(
        CONFIGMAPS, [apply("a", data(x=None))], {"data": {"x": ""}}, {"a Apply": [".data.x"]}
    ),
    "what does not fit": Case(
        CONFIGMAPS,
        [
            apply("a", data(x="1")),
            apply("a", {"metadata": {"managedFields": [{}]}}, refused="BadRequest"),
            apply("a", {"apiVersion": "v2"}, refused="BadRequest"),
            apply("a", {"metadata": {"name": "another"}}, refused="BadRequest"),
            apply("a", {"metadata": {"resourceVersion": "1"}}, refused="Conflict"),
            apply("", data(x="2"), refused="Invalid"),
            apply("m" * 129, data(x="2"), refused="Invalid"),
            merge("a", data(x="2"), force=True, refused="Invalid"),
        ],
        {"data": {"x": "1"}},
        {"a Apply": [".data.x"]},
    ),
}
