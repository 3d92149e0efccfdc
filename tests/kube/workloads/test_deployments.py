"""Deployments: steps of an update, proportional scaling, revisions, conditions; updates in a small cluster."""

from __future__ import annotations

import copy
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.kube.workloads.simulated import NS, on_cluster, template, workload

from wherry.kube.embedded.controllers.deployments import plan
from wherry.kube.embedded.controllers.revisions import DESIRED, HASH, HISTORY, MOST, REVISION, template_hash
from wherry.kube.embedded.registry import REGISTRY
from wherry.kube.errors import Invalid
from wherry.kube.resources import DEPLOYMENTS, REPLICASETS
from wherry.testing import until

NOW = datetime(2026, 1, 1, tzinfo=UTC)
UID = "deployment"


def deployment(replicas, *, generation=1, annotations=None, status=None, **spec):
    obj = workload("Deployment", replicas=replicas, **spec)
    REGISTRY.of_resource(DEPLOYMENTS).default(obj)
    obj["metadata"] |= {"uid": UID, "generation": generation, "annotations": annotations or {}}
    return {**obj, "status": status or {}}


def rolling(surge, unavailable):
    return {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": surge, "maxUnavailable": unavailable}}


def replica_set(name, wanted, available=None, *, of=None, revision=1, desired=None, most=None, at=0, **status):
    """A replica set of the Deployment: of its present template with `of`, else of one of its own."""
    made = copy.deepcopy(of["spec"]["template"]) if of else template(terminationGracePeriodSeconds=at + 1)
    made["metadata"]["labels"][HASH] = name
    annotations = {REVISION: str(revision)}
    annotations |= {DESIRED: str(desired)} if desired is not None else {}
    annotations |= {MOST: str(most)} if most is not None else {}
    available = wanted if available is None else available
    return {
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "metadata": {
            "name": name,
            "uid": name,
            "generation": 1,
            "labels": {"app": "web", HASH: name},
            "annotations": annotations,
            "creationTimestamp": f"2025-12-31T00:00:{at:02}Z",
            "ownerReferences": [{"uid": UID, "controller": True}],
        },
        "spec": {"replicas": wanted, "template": made},
        "status": {"observedGeneration": 1, "replicas": wanted, "availableReplicas": available, **status},
    }


def sizes(planned):
    return {
        change.object["metadata"]["name"]: change.patch["spec"]["replicas"]
        for change in planned.change
        if "replicas" in change.patch.get("spec", {})
    }


def progressing(planned):
    return next(item for item in planned.status["conditions"] if item["type"] == "Progressing")


# (wanted, maxSurge, maxUnavailable, new (wanted, available), old (wanted, available)) -> (new, old)
STEPS = [
    (10, 2, 3, (0, 0), (10, 10), {"new": 2}),
    (10, 0, 3, (0, 0), (10, 10), {"old": 7}),
    (10, 0, 3, (0, 0), (7, 7), {"new": 3}),
    (10, 0, 3, (3, 0), (7, 7), {}),
    (10, 0, 3, (3, 2), (7, 7), {"old": 5}),
    (10, 2, 3, (2, 0), (10, 10), {"old": 7}),
    (10, 2, 3, (5, 0), (7, 7), {}),
    (10, 2, 3, (5, 5), (7, 7), {"old": 2}),
    (10, 2, 3, (10, 10), (2, 2), {"old": 0}),
    (10, "25%", "25%", (0, 0), (10, 10), {"new": 3}),
    (10, "25%", "25%", (3, 0), (10, 10), {"old": 8}),
    (4, 1, 0, (0, 0), (4, 4), {"new": 1}),
    (4, 1, 0, (1, 0), (4, 4), {}),
    (4, 1, 0, (1, 1), (4, 4), {"old": 3}),
    # Old pods that serve nobody go first, however few new ones there are.
    (10, 0, 2, (0, 0), (10, 8), {"old": 8}),
    (10, 2, 0, (2, 0), (10, 8), {}),
    # Both rounded to nothing: one may be missing.
    (1, "0%", "1%", (0, 0), (1, 1), {"old": 0}),
    (3, 1, 1, (5, 5), (0, 0), {"new": 3}),
    (0, 1, 1, (0, 0), (2, 2), {"old": 0}),
]


@pytest.mark.parametrize(("wanted", "surge", "unavailable", "new", "old", "expected"), STEPS)
def test_one_step_of_a_rolling_update(wanted, surge, unavailable, new, old, expected):
    obj = deployment(wanted, strategy=rolling(surge, unavailable))
    sets = [replica_set("old", *old), replica_set("new", *new, of=obj, revision=2, at=1)]
    assert sizes(plan(obj, sets, NOW)) == expected


@given(
    st.integers(0, 8), st.integers(0, 3), st.integers(0, 3), st.lists(st.tuples(st.integers(0, 8), st.integers(0, 8)))
)
@settings(max_examples=60, deadline=None)
def test_an_update_ends_and_keeps_its_limits(wanted, surge, unavailable, olds):
    """Whatever is there, steps lead to the new template alone; none gives up an available pod that is needed."""
    if not surge and not unavailable:
        unavailable = 1
    obj = deployment(wanted, strategy=rolling(surge, unavailable))
    sets = [replica_set(f"old{i}", has, min(ok, has), at=i) for i, (has, ok) in enumerate(olds)]
    sets.append(replica_set("new", 0, of=obj, revision=9, at=50))
    for _ in range(200):
        planned = sizes(plan(obj, sets, NOW))
        if not planned:
            ready = [item for item in sets if item["status"]["availableReplicas"] < item["spec"]["replicas"]]
            if not ready:
                break
            ready[0]["status"]["availableReplicas"] = ready[0]["spec"]["replicas"]
            continue
        before = sum(item["spec"]["replicas"] for item in sets)
        available = sum(item["status"]["availableReplicas"] for item in sets)
        for item in sets:
            name = item["metadata"]["name"]
            item["spec"]["replicas"] = planned.get(name, item["spec"]["replicas"])
            item["status"]["replicas"] = item["spec"]["replicas"]
            item["status"]["availableReplicas"] = min(item["status"]["availableReplicas"], item["spec"]["replicas"])
        after = sum(item["spec"]["replicas"] for item in sets)
        assert after <= max(before, wanted + surge)
        left = sum(item["status"]["availableReplicas"] for item in sets)
        assert left >= min(available, wanted - min(unavailable, wanted))
    assert [item["spec"]["replicas"] for item in sets] == [0] * len(olds) + [wanted]


# (before, after, sizes (new, old)) -> sizes; maxSurge 3
SHARES = [
    (10, 15, (5, 8), {"new": 7, "old": 11}),
    (10, 5, (5, 8), {"new": 3, "old": 5}),
    (10, 0, (5, 8), {"new": 0, "old": 0}),
    (10, 12, (0, 10), {"old": 12}),
    (10, 12, (10, 0), {"new": 12}),
]


@pytest.mark.parametrize(("before", "after", "has", "expected"), SHARES)
def test_a_change_of_size_in_an_update_is_shared(before, after, has, expected):
    obj = deployment(after, strategy=rolling(3, 0))
    told = {"desired": before, "most": before + 3}
    new = replica_set("new", has[0], max(0, has[0] - 1), of=obj, revision=2, at=1, **told)
    planned = plan(obj, [replica_set("old", has[1], **told), new], NOW)
    assert sizes(planned) == expected
    for change in planned.change:
        if change.object is not obj and change.patch.get("spec", {}).get("replicas"):
            assert change.patch["metadata"]["annotations"][DESIRED] == str(after)


def test_a_new_template_makes_a_new_set_with_the_next_revision():
    obj = deployment(3, annotations={"kubernetes.io/change-cause": "why", DESIRED: "no"}, minReadySeconds=4)
    planned = plan(obj, [replica_set("old", 3, revision=7)], NOW)
    (made,) = planned.create
    digest = template_hash(obj["spec"]["template"], 0)
    assert made["metadata"]["name"] == f"web-{digest}"
    assert made["metadata"]["annotations"] == {
        "kubernetes.io/change-cause": "why",
        REVISION: "8",
        DESIRED: "3",
        MOST: "4",
    }
    labels = {"app": "web", HASH: digest}
    assert made["metadata"]["labels"] == made["spec"]["template"]["metadata"]["labels"] == labels
    assert made["spec"]["selector"] == {"matchLabels": labels}
    assert (made["spec"]["replicas"], made["spec"]["minReadySeconds"]) == (1, 4)
    assert [note.message for note in planned.events] == [f"Scaled up replica set web-{digest} from 0 to 1"]
    assert planned.status["conditions"][1]["reason"] == "NewReplicaSetCreated"
    assert digest != template_hash(obj["spec"]["template"], 1)


def test_going_back_makes_an_old_set_the_newest_revision():
    obj = deployment(1, annotations={REVISION: "3"})
    back = replica_set("back", 0, of=obj, revision=1, desired=1, most=2)
    planned = plan(obj, [back, replica_set("b", 0, revision=2, at=1), replica_set("c", 1, revision=3, at=2)], NOW)
    patches = {change.object["metadata"]["name"]: change.patch for change in planned.change}
    assert patches["back"] == {
        "metadata": {"annotations": {REVISION: "4", HISTORY: "1"}},
        "spec": {"replicas": 1},
    }
    assert patches["web"] == {"metadata": {"annotations": {REVISION: "4"}}}


@pytest.mark.parametrize(
    ("old", "created", "expected"),
    [
        (replica_set("old", 2), 0, {"old": 0}),
        (replica_set("old", 0, replicas=1), 0, {}),
        (replica_set("old", 0, terminatingReplicas=1), 0, {}),
        (replica_set("old", 0, observedGeneration=0), 0, {}),
        (replica_set("old", 0), 1, {}),
    ],
)
def test_recreate_waits_for_the_last_old_pod(old, created, expected):
    planned = plan(deployment(2, strategy={"type": "Recreate"}), [old], NOW)
    assert (len(planned.create), sizes(planned)) == (created, expected)


def test_history_is_kept_as_long_as_wanted():
    obj = deployment(1, revisionHistoryLimit=2)
    olds = [replica_set(f"old{index}", 0, revision=index, at=index) for index in range(4)]
    new = replica_set("new", 1, of=obj, revision=9, at=9)
    assert [item["metadata"]["name"] for item in plan(obj, [*olds, new], NOW).delete] == ["old0", "old1"]
    new["status"]["availableReplicas"] = 0
    assert plan(obj, [*olds, new], NOW).delete == []


def test_what_is_paused_scales_and_nothing_else():
    obj = deployment(5, paused=True)
    planned = plan(obj, [replica_set("old", 3)], NOW)
    assert (planned.create, sizes(planned), progressing(planned)["reason"]) == ((), {"old": 5}, "DeploymentPaused")


def test_progress_is_told_and_times_out_and_ends():
    obj = deployment(2, progressDeadlineSeconds=60)
    new = replica_set("new", 2, 0, of=obj, desired=2, most=3)
    first = plan(obj, [new], NOW)
    assert (progressing(first)["reason"], first.requeue) == ("ReplicaSetUpdated", timedelta(seconds=61))
    waiting = {**obj, "status": first.status}
    later = plan(waiting, [new], NOW + timedelta(seconds=50))
    assert (later.status, later.requeue) == (first.status, timedelta(seconds=11))
    late = plan(waiting, [new], NOW + timedelta(seconds=61))
    assert (progressing(late)["status"], progressing(late)["reason"]) == ("False", "ProgressDeadlineExceeded")
    new["status"]["availableReplicas"] = 2
    done = plan({**obj, "status": late.status}, [new], NOW + timedelta(seconds=70))
    assert (progressing(done)["status"], progressing(done)["reason"]) == ("True", "NewReplicaSetAvailable")
    new["status"]["availableReplicas"] = 1
    lost = plan({**obj, "status": done.status}, [new], NOW + timedelta(seconds=80))
    assert progressing(lost)["reason"] == "NewReplicaSetAvailable"
    assert [item["status"] for item in lost.status["conditions"] if item["type"] == "Available"] == ["False"]


def test_an_update_runs_through_and_back(world):
    async def body(found):
        kube = found.kube
        await kube.create(workload("Deployment", replicas=3))
        await found.eventually(DEPLOYMENTS, replicas=3, updatedReplicas=3, availableReplicas=3)
        image = [{"op": "replace", "path": "/spec/template/spec/containers/0/image", "value": "busybox:2"}]
        await kube.patch(DEPLOYMENTS, "web", NS, image, type="json")

        async def updated():
            await found.run_all()
            images = {pod["spec"]["containers"][0]["image"] for pod in (await found.pods()).values()}
            return images == {"busybox:2"} and len(await found.pods()) == 3

        await until(updated)
        await found.eventually(
            DEPLOYMENTS, observedGeneration=2, replicas=3, availableReplicas=3, unavailableReplicas=0
        )
        assert (await kube.get(DEPLOYMENTS, "web", NS))["metadata"]["annotations"][REVISION] == "2"
        assert len((await kube.list(REPLICASETS, NS)).items) == 2
        await kube.patch(DEPLOYMENTS, "web", NS, {"spec": {"replicas": 0}}, subresource="scale")
        await found.eventually(DEPLOYMENTS, observedGeneration=3, replicas=0)
        await kube.delete(DEPLOYMENTS, "web", NS)
        assert not (await kube.list(REPLICASETS, NS)).items

    on_cluster(world, body)


def test_a_taken_name_leads_to_another(world):
    async def body(found):
        obj = workload("Deployment", replicas=1)
        stored = await found.kube.create(workload("Deployment", "twin", replicas=0))
        taken = workload("ReplicaSet", f"web-{template_hash(stored['spec']['template'], 0)}", replicas=0)
        taken["spec"]["selector"] = {"matchLabels": {"app": "other"}}
        taken["spec"]["template"] = template(labels={"app": "other"})
        await found.kube.create(taken)
        await found.kube.create(obj)
        await found.eventually(DEPLOYMENTS, collisionCount=1, availableReplicas=1)

    on_cluster(world, body)


WRONG = [
    ({"strategy": {"type": "Blue"}}, 'spec.strategy.type: Unsupported value: "Blue": supported values: "Recreate",'),
    (
        {"strategy": {"type": "Recreate", "rollingUpdate": {}}},
        "spec.strategy.rollingUpdate: Forbidden: may not be specified when strategy `type` is 'Recreate'",
    ),
    (
        {"strategy": rolling(0, 0)},
        "spec.strategy.rollingUpdate.maxUnavailable: Invalid value: 0: may not be 0 when `maxSurge` is 0",
    ),
    (
        {"strategy": rolling("x", "120%")},
        'spec.strategy.rollingUpdate.maxSurge: Invalid value: "x": a valid percent string must be a numeric string',
    ),
    (
        {"progressDeadlineSeconds": 5, "minReadySeconds": 5},
        "spec.progressDeadlineSeconds: Invalid value: 5: must be greater than minReadySeconds",
    ),
    ({"revisionHistoryLimit": -1}, "spec.revisionHistoryLimit: Invalid value: -1: must be greater than or equal to 0"),
]


@pytest.mark.parametrize(("spec", "message"), WRONG)
def test_what_is_wrong_is_refused_with_its_field(world, spec, message):
    async def body(kube):
        with pytest.raises(Invalid) as raised:
            await kube.create(workload("Deployment", **spec))
        assert message in str(raised.value)

    world.run(body)
