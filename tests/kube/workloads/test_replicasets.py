"""ReplicaSets: how many pods, whose pods, which go first; and the scale subresource."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import pytest
from tests.kube.workloads.simulated import NS, on_cluster, template, workload

from wherry.kube.controller import Runner, controller_of
from wherry.kube.embedded.controllers.pods import COST, first_to_go
from wherry.kube.embedded.controllers.replicasets import CONTROLLERS, plan
from wherry.kube.errors import Conflict, Invalid, NotFound, forbidden
from wherry.kube.resources import CONFIGMAPS, EVENTS, PODS, REPLICASETS
from wherry.kube.times import timestamp
from wherry.testing import until

NOW = datetime(2026, 1, 1, tzinfo=UTC)
UID = "set"


def replica_set(replicas, **spec):
    obj = workload("ReplicaSet", replicas=replicas, **spec)
    obj["metadata"] |= {"uid": UID, "generation": 1}
    return obj


def pod(name, phase="Running", *, owner=UID, labels=None, ready_s=60, node="local", deleting=False, **metadata):
    owners = {"ownerReferences": [{"uid": owner, "controller": True}]} if owner else {}
    since = timestamp(NOW.timestamp() - ready_s)
    conditions = [{"type": "Ready", "status": "True", "lastTransitionTime": since}] if phase == "Running" else []
    ending = {"deletionTimestamp": timestamp(NOW.timestamp())} if deleting else {}
    metadata = {"creationTimestamp": since, **metadata}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "uid": name, "labels": labels or {"app": "web"}, **owners, **ending, **metadata},
        "spec": {"nodeName": node},
        "status": {"phase": phase, "conditions": conditions},
    }


def names(objects):
    return [obj["metadata"]["name"] for obj in objects]


@pytest.mark.parametrize(
    ("replicas", "pods", "created", "deleted"),
    [
        (3, [], 3, []),
        (2, [pod("a"), pod("b")], 0, []),
        (2, [pod("a"), pod("b", "Failed")], 1, []),
        (2, [pod("a"), pod("b", "Succeeded")], 1, []),
        (2, [pod("a"), pod("b", deleting=True)], 1, []),
        (1, [pod("a"), pod("b", "Pending")], 0, ["b"]),
        (0, [pod("a"), pod("b", "Failed")], 0, ["a"]),
        (1, [pod("a", owner="")], 0, []),
        (1, [pod("a", owner="", phase="Failed")], 1, []),
        (1, [pod("a", labels={"app": "other"})], 1, []),
    ],
)
def test_what_is_missing_is_made_and_what_is_too_much_goes(replicas, pods, created, deleted):
    planned = plan(replica_set(replicas), pods, NOW)
    assert (len(planned.create), names(planned.delete)) == (created, deleted)


def test_pods_are_taken_in_and_let_go_by_the_selector():
    stray, stranger = pod("stray", owner=""), pod("stranger", labels={"app": "other"})
    planned = plan(replica_set(1), [stray, stranger], NOW)
    assert names(planned.adopt) == ["stray"]
    assert [(change.object["metadata"]["name"], change.patch) for change in planned.change] == [
        ("stranger", {"metadata": {"ownerReferences": []}})
    ]
    assert planned.status["replicas"] == 1


def test_pods_that_are_missed_least_go_first():
    order = [
        pod("unassigned", "Pending", node=""),
        pod("pending", "Pending"),
        pod("unready", "Running") | {"status": {"phase": "Running"}},
        pod("cheap", annotations={COST: "-5"}),
        pod("fresh", ready_s=5),
        pod("restarted", ready_s=50)
        | {"status": {**pod("x", ready_s=50)["status"], "containerStatuses": [{"restartCount": 3}]}},
        pod("younger", ready_s=50, creationTimestamp="2025-12-31T23:59:30Z"),
        pod("old", ready_s=50, creationTimestamp="2025-12-31T23:59:00Z"),
        pod("dear", annotations={COST: "5"}, ready_s=1),
    ]
    assert names(sorted([*order[4:], *order[:4]], key=first_to_go)) == names(order)


def test_a_pod_is_available_after_its_time():
    pods = [pod("a", ready_s=100), pod("b", ready_s=4), pod("c", "Pending")]
    planned = plan(replica_set(3, minReadySeconds=10), pods, NOW)
    status = {"replicas": 3, "fullyLabeledReplicas": 3, "readyReplicas": 2, "availableReplicas": 1}
    assert planned.status == {**status, "observedGeneration": 1}
    assert planned.requeue.total_seconds() == 6


def test_many_pods_come_in_bursts():
    assert len(plan(replica_set(2000), [], NOW).create) == 500


def test_orphans_of_a_deleted_set_are_left_alone_and_taken_in_by_the_next(world):
    async def body(found):
        await found.kube.create(workload("ReplicaSet", replicas=2))
        await found.eventually(REPLICASETS, readyReplicas=2)
        before = sorted(await found.pods())
        await found.kube.delete(REPLICASETS, "web", NS, propagation="Orphan")
        assert [controller_of(pod) for pod in (await found.pods()).values()] == ["", ""]
        await found.kube.create(workload("ReplicaSet", replicas=2))
        await found.eventually(REPLICASETS, readyReplicas=2)
        owner = (await found.kube.get(REPLICASETS, "web", NS))["metadata"]["uid"]
        assert sorted(await found.pods()) == before
        assert {controller_of(pod) for pod in (await found.pods()).values()} == {owner}

    on_cluster(world, body)


def test_a_pod_that_changes_its_labels_is_let_go_and_replaced(world):
    async def body(found):
        await found.kube.create(workload("ReplicaSet", replicas=1))
        await found.eventually(REPLICASETS, readyReplicas=1)
        (name,) = await found.pods()
        await found.kube.patch(PODS, name, NS, {"metadata": {"labels": {"app": "debugged"}}})

        async def replaced():
            return len(await found.told("SuccessfulCreate")) == 2

        await until(replaced)
        assert len(await found.pods()) == 2
        assert controller_of((await found.pods())[name]) == ""

    on_cluster(world, body)


class Refusing:
    """A Kube that takes no pods while it refuses."""

    def __init__(self, kube):
        self.kube, self.refuses = kube, True

    def __getattr__(self, name):
        return getattr(self.kube, name)

    async def create(self, obj):
        if obj["kind"] == "Pod" and self.refuses:
            raise forbidden(PODS, "", "exceeded quota")
        return await self.kube.create(obj)


def test_a_failure_to_make_pods_is_told_and_ends(world):
    async def body(kube):
        await kube.create(workload("ReplicaSet", replicas=1))
        refusing = Refusing(kube)
        runner = Runner(refusing, CONTROLLERS[0], clock=world.clock)
        task = asyncio.create_task(runner.run())

        def is_told(*wanted):
            async def told():
                status = (await kube.get(REPLICASETS, "web", NS))["status"]
                return tuple((item["type"], item["reason"]) for item in status.get("conditions", [])) == wanted

            return until(told)

        await is_told(("ReplicaFailure", "FailedCreate"))
        (event,) = (await kube.list(EVENTS, NS, fields="reason=FailedCreate")).items
        assert event["message"] == 'Error creating: pods "" is forbidden: exceeded quota'
        refusing.refuses = False
        await is_told()
        task.cancel()

    world.run(body)


def test_the_scale_is_read_and_set(world):
    async def body(kube):
        await kube.create(workload("ReplicaSet", replicas=2))
        scale = await kube.patch(REPLICASETS, "web", NS, {"spec": {"replicas": 5}}, subresource="scale")
        assert (scale["kind"], scale["spec"], scale["status"]) == (
            "Scale",
            {"replicas": 5},
            {"replicas": 0, "selector": "app=web"},
        )
        obj = await kube.get(REPLICASETS, "web", NS)
        assert (obj["spec"]["replicas"], obj["metadata"]["generation"]) == (5, 2)
        assert scale["metadata"]["resourceVersion"] == obj["metadata"]["resourceVersion"]
        with pytest.raises(Invalid, match=r"spec\.replicas: Invalid value: -1"):
            await kube.patch(REPLICASETS, "web", NS, {"spec": {"replicas": -1}}, subresource="scale")
        stale = {"metadata": {"resourceVersion": "1"}, "spec": {"replicas": 3}}
        with pytest.raises(Conflict):
            await kube.patch(REPLICASETS, "web", NS, stale, subresource="scale")
        await kube.create({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c", "namespace": NS}})
        with pytest.raises(NotFound):
            await kube.patch(CONFIGMAPS, "c", NS, {"spec": {"replicas": 1}}, subresource="scale")

    world.run(body)


WRONG = [
    ({"replicas": -1}, "spec.replicas: Invalid value: -1: must be greater than or equal to 0"),
    ({"selector": None}, "spec.selector: Required value"),
    ({"selector": {}}, "spec.selector: Invalid value: {}: empty selector is invalid for deployment"),
    (
        {"selector": {"matchLabels": {"app": "x"}}},
        'spec.template.metadata.labels: Invalid value: {"app":"web"}: `selector` does not match template `labels`',
    ),
    (
        {"selector": {"matchExpressions": [{"key": "app", "operator": "In"}]}},
        "spec.selector.matchExpressions[0].values: Required value: must be specified when `operator` is 'In' or"
        " 'NotIn'",
    ),
    (
        {"template": template(restartPolicy="Never")},
        'spec.template.spec.restartPolicy: Unsupported value: "Never": supported values: "Always"',
    ),
    ({"template": template(containers=[])}, "spec.template.spec.containers: Required value"),
    ({"minReadySeconds": -1}, "spec.minReadySeconds: Invalid value: -1: must be greater than or equal to 0"),
]


@pytest.mark.parametrize(("spec", "message"), WRONG)
def test_what_is_wrong_is_refused_with_its_field(world, spec, message):
    async def body(kube):
        with pytest.raises(Invalid) as raised:
            await kube.create(workload("ReplicaSet", **spec))
        assert message in str(raised.value)

    world.run(body)


def test_the_selector_never_changes(world):
    async def body(kube):
        await kube.create(workload("ReplicaSet"))
        other = {"matchLabels": None, "matchExpressions": [{"key": "app", "operator": "Exists"}]}
        with pytest.raises(Invalid, match=r"spec\.selector: .*field is immutable"):
            await kube.patch(REPLICASETS, "web", NS, {"spec": {"selector": other}})

    world.run(body)
