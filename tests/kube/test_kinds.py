"""The rules of kinds: no input makes them raise anything but a KubeError, and what they accept they accept again."""

from __future__ import annotations

import contextlib
import copy
import sqlite3

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wherry.kube.embedded.pods import POD
from wherry.kube.embedded.registry import REGISTRY
from wherry.kube.embedded.transaction import Shared, Transaction
from wherry.kube.embedded.writes import create, patch
from wherry.kube.errors import Cause, Invalid, KubeError, NotFound, Unavailable, from_status, invalid
from wherry.kube.quantities import parse
from wherry.kube.resources import PODS
from wherry.storage.database import migrate
from wherry.testing import ManualClock, SequentialIds

SCALARS = st.one_of(st.none(), st.booleans(), st.integers(-2, 2**40), st.floats(allow_nan=False), st.text(max_size=4))
JSON = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=5,
)


GOOD = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "a", "namespace": "default"},
    "spec": {"containers": [{"name": "main", "image": "x"}]},
}


FULL_POD = {
    **GOOD,
    "metadata": {
        **GOOD["metadata"],
        "generateName": "a-",
        "labels": {"a": "b"},
        "annotations": {"a": "b"},
        "finalizers": ["example.com/held"],
        "ownerReferences": [{"apiVersion": "v1", "kind": "Namespace", "name": "default", "uid": "1"}],
    },
    "spec": {
        "restartPolicy": "Never",
        "activeDeadlineSeconds": 5,
        "terminationGracePeriodSeconds": 5,
        "nodeSelector": {"a": "b"},
        "tolerations": [{"key": "a"}],
        "initContainers": [{"name": "first", "image": "x", "restartPolicy": "Always"}],
        "containers": [
            {
                "name": "main",
                "image": "python:3.11",
                "command": ["a"],
                "args": ["b"],
                "workingDir": "/",
                "imagePullPolicy": "Never",
                "terminationMessagePath": "/t",
                "terminationMessagePolicy": "File",
                "env": [
                    {"name": "A", "value": "1"},
                    {"name": "B", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
                    {"name": "C", "valueFrom": {"configMapKeyRef": {"name": "c", "key": "k"}}},
                ],
                "envFrom": [{"secretRef": {"name": "s"}}],
                "volumeMounts": [{"name": "v", "mountPath": "/v", "subPath": "a"}],
                "ports": [{"containerPort": 80, "protocol": "TCP"}],
                "resources": {"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "500m"}},
                "livenessProbe": {"exec": {"command": ["a"]}},
            }
        ],
        "volumes": [
            {"name": "v", "configMap": {"name": "c", "items": [{"key": "k", "path": "p"}]}},
            {"name": "w", "hostPath": {"path": "/x"}},
            {"name": "x", "secret": {"secretName": "s"}},
        ],
    },
    "status": {"phase": "Running"},
}
SMALL = {"apiVersion": "v1", "metadata": {"name": "a", "namespace": "default"}}
SECRET = {
    **SMALL,
    "kind": "Secret",
    "type": "Opaque",
    "data": {"k": "dg=="},
    "stringData": {"k": "v"},
    "immutable": True,
}
CONFIGMAP = {**SMALL, "kind": "ConfigMap", "data": {"k": "v"}, "binaryData": {"b": "dg=="}, "immutable": False}
EVENT = {**SMALL, "kind": "Event", "type": "Normal", "reason": "R", "involvedObject": {"namespace": "default"}}
NAMESPACE = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "a", "labels": {"a": "b"}}, "spec": {}}


def places(value, path=()):
    """The paths of everything inside `value`."""
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, child in children:
        yield (*path, key)
        yield from places(child, (*path, key))


@st.composite
def spoiled(draw, *templates):
    """A good object of which one or two places hold something else, or nothing."""
    obj = copy.deepcopy(draw(st.sampled_from(templates)))
    for _ in range(draw(st.integers(1, 2))):
        *way, last = draw(st.sampled_from(list(places(obj))))
        holder = obj
        for key in way:
            holder = holder[key]
        holder[last] = draw(JSON)
    return obj


@contextlib.contextmanager
def store():
    """A transaction on an empty store in memory, with the namespace `default`."""
    connection = sqlite3.connect(":memory:", isolation_level=None)
    try:
        migrate(connection, ManualClock())
        transaction = Transaction(connection, REGISTRY, Shared(), 0.0)
        namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "default"}}
        create(transaction, REGISTRY.of_object(namespace), namespace, SequentialIds())
        yield transaction
    finally:
        connection.close()


@settings(max_examples=250, deadline=None)
@given(spoiled(FULL_POD, FULL_POD, SECRET, CONFIGMAP, EVENT, NAMESPACE))
def test_any_object_is_stored_or_refused_with_a_status(obj):
    with store() as transaction, contextlib.suppress(KubeError):
        create(transaction, REGISTRY.of_object(obj), obj, SequentialIds())


@settings(max_examples=100, deadline=None)
@given(st.one_of(spoiled(FULL_POD, GOOD), JSON))
def test_any_patch_is_applied_or_refused_with_a_status(change):
    with store() as transaction:
        create(transaction, POD, copy.deepcopy(GOOD), SequentialIds())
        stored = transaction.load(POD, "default", "a")
        with contextlib.suppress(KubeError):
            patch(transaction, stored, change, "merge", "")


@pytest.mark.parametrize("obj", [FULL_POD, SECRET, CONFIGMAP, EVENT, NAMESPACE], ids=lambda obj: obj["kind"])
def test_the_good_objects_are_stored(obj):
    with store() as transaction:
        stored = create(transaction, REGISTRY.of_object(obj), copy.deepcopy(obj), SequentialIds())
        assert stored["metadata"]["resourceVersion"]


def test_defaults_are_stable():
    pod = {
        **GOOD,
        "spec": {
            "containers": [{"name": "m", "image": "x", "env": [{"name": "A"}], "ports": [{}]}],
            "volumes": [{"name": "v"}],
        },
    }
    POD.default(pod)
    once = repr(pod)
    POD.default(pod)
    assert repr(pod) == once
    assert pod["spec"]["volumes"] == [{"name": "v", "emptyDir": {}}]


@pytest.mark.parametrize(
    ("image", "policy"),
    [
        ("python", "Always"),
        ("python:latest", "Always"),
        ("python:3.11", "IfNotPresent"),
        ("registry:5000/python", "Always"),
        ("registry:5000/python:3.11", "IfNotPresent"),
        ("python@sha256:0123", "IfNotPresent"),
    ],
)
def test_the_pull_policy_follows_the_tag(image, policy):
    pod = {**GOOD, "spec": {"containers": [{"name": "m", "image": image}]}}
    POD.default(pod)
    assert pod["spec"]["containers"][0]["imagePullPolicy"] == policy


@pytest.mark.parametrize(
    ("resources", "expected"),
    [
        ({}, "BestEffort"),
        ({"requests": {"nvidia.com/gpu": "1"}, "limits": {"nvidia.com/gpu": "1"}}, "BestEffort"),
        ({"requests": {"cpu": "1"}}, "Burstable"),
        ({"limits": {"cpu": "1"}}, "Burstable"),
        ({"limits": {"cpu": "1", "memory": "1Gi"}}, "Guaranteed"),
        ({"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "500m"}}, "Burstable"),
    ],
)
def test_quality_of_service(resources, expected):
    pod = {**GOOD, "spec": {"containers": [{"name": "m", "image": "x", "resources": dict(resources)}]}}
    POD.default(pod)
    assert POD.validate(pod) == []
    POD.begin(pod)
    assert pod["status"]["qosClass"] == expected


@pytest.mark.parametrize(
    ("resources", "field"),
    [
        ({"limits": {"cpu": "x"}}, "spec.containers[0].resources.limits[cpu]"),
        ({"limits": {"cpu": True}}, "spec.containers[0].resources.limits[cpu]"),
        ({"limits": {"cpu": "-1"}}, "spec.containers[0].resources.limits[cpu]"),
        ({"limits": {"gpus": "1"}}, "spec.containers[0].resources.limits[gpus]"),
        ({"limits": {"nvidia.com/gpu": "500m"}}, "spec.containers[0].resources.limits[nvidia.com/gpu]"),
        ({"requests": {"nvidia.com/gpu": "1"}}, "spec.containers[0].resources.limits[nvidia.com/gpu]"),
        (
            {"requests": {"nvidia.com/gpu": "1"}, "limits": {"nvidia.com/gpu": "2"}},
            "spec.containers[0].resources.requests[nvidia.com/gpu]",
        ),
        ({"requests": {"memory": "2Gi"}, "limits": {"memory": "2G"}}, "spec.containers[0].resources.requests[memory]"),
    ],
)
def test_bad_resources_are_named(resources, field):
    parse(1)  # True is not 1, also not after 1 has been seen
    pod = {**GOOD, "spec": {"containers": [{"name": "m", "image": "x", "resources": resources}]}}
    POD.default(pod)
    assert field in [cause.field for cause in POD.validate(pod)]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1", 1),
        ("0.5", 0.5),
        ("100m", 0.1),
        ("1k", 1000),
        ("1Ki", 1024),
        ("1.5Gi", 1.5 * 2**30),
        ("2e3", 2000),
        ("1E", 10**18),
        (3, 3),
        ("-1", -1),
    ],
)
def test_quantities(text, value):
    assert float(parse(text)) == value


@pytest.mark.parametrize("text", ["", "x", "1 Gi", "1KI", "Gi", "1e", "0x1", "1e9999", "١", "1\n", True])
def test_what_is_no_quantity(text):
    with pytest.raises(ValueError, match="quantities must"):
        parse(text)


def test_errors_from_statuses():
    error = invalid(PODS, "a", [Cause("spec.x", "Required value", "FieldValueRequired"), Cause("spec.y", "bad")])
    assert error.message == 'Pod "a" is invalid: [spec.x: Required value, spec.y: bad]'
    again = from_status(error.status)
    assert type(again) is Invalid
    assert again.causes == error.causes
    assert type(from_status({"code": 404})) is NotFound
    busy = from_status({"code": 503, "reason": "ServiceUnavailable", "message": "later"})
    assert (type(busy), busy.code, busy.message) == (Unavailable, 503, "later")
    assert type(from_status({"code": 418, "reason": "Teapot"})) is KubeError
    assert from_status({}).code == 500
