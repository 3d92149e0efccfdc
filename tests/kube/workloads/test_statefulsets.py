"""StatefulSets: one after the other, names and claims that stay, updates from the end; and a small cluster."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from tests.kube.workloads.simulated import NS, on_cluster, template, workload

from wherry.kube.embedded.controllers.ordinals import POD_INDEX, POD_NAME, REVISION_LABEL, history_of
from wherry.kube.embedded.controllers.statefulsets import plan
from wherry.kube.embedded.registry import REGISTRY
from wherry.kube.errors import Invalid
from wherry.kube.resources import CONTROLLERREVISIONS, PERSISTENTVOLUMECLAIMS, PODS, STATEFULSETS
from wherry.kube.times import timestamp
from wherry.testing import until

NOW = datetime(2026, 1, 1, tzinfo=UTC)
UID = "set"
CLAIM = {
    "metadata": {"name": "data"},
    "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
}


def stateful(replicas, *, status=None, **spec):
    obj = workload("StatefulSet", replicas=replicas, serviceName="nearby", **spec)
    REGISTRY.of_resource(STATEFULSETS).default(obj)
    obj["metadata"] |= {"uid": UID, "generation": 1}
    return {**obj, "status": status or {}}


def revision(obj):
    """The revision that the present template is, as stored."""
    (made,) = history_of(obj, []).create
    owner = [{"uid": UID, "controller": True}]
    return {**made, "metadata": {**made["metadata"], "uid": "revision", "ownerReferences": owner}}


def pod(ordinal, state="well", *, of="", deleting=False):
    ready = [{"type": "Ready", "status": "True", "lastTransitionTime": timestamp(NOW.timestamp() - 60)}]
    phase = {"well": "Running", "unready": "Running", "waits": "Pending", "failed": "Failed"}[state]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": f"web-{ordinal}",
            "uid": f"pod-{ordinal}",
            "labels": {"app": "web", REVISION_LABEL: of},
            "ownerReferences": [{"uid": UID, "controller": True}],
            **({"deletionTimestamp": timestamp(NOW.timestamp())} if deleting else {}),
        },
        "spec": {},
        "status": {"phase": phase, "conditions": ready if state == "well" else []},
    }


def names(objects):
    return [item["metadata"]["name"] for item in objects if item["kind"] == "Pod"]


# (policy, replicas, pods) -> made, removed
STEPS = [
    ("OrderedReady", 3, [], ["web-0"], []),
    ("OrderedReady", 3, [pod(0)], ["web-1"], []),
    ("OrderedReady", 3, [pod(0, "unready")], [], []),
    ("OrderedReady", 3, [pod(0, "waits")], [], []),
    ("OrderedReady", 3, [pod(0, "failed")], [], ["web-0"]),
    ("OrderedReady", 3, [pod(0), pod(2)], ["web-1"], []),
    ("OrderedReady", 3, [pod(0, deleting=True), pod(1), pod(2)], [], []),
    ("OrderedReady", 1, [pod(0), pod(1), pod(2)], [], ["web-2"]),
    ("OrderedReady", 1, [pod(0), pod(1), pod(2, deleting=True)], [], []),
    ("OrderedReady", 1, [pod(0, "unready"), pod(1), pod(2)], [], []),
    ("OrderedReady", 0, [pod(0), pod(1, "unready")], [], ["web-1"]),
    ("OrderedReady", 0, [pod(0, "unready"), pod(1)], [], []),
    ("Parallel", 3, [], ["web-0", "web-1", "web-2"], []),
    ("Parallel", 3, [pod(1, "waits")], ["web-0", "web-2"], []),
    ("Parallel", 1, [pod(0), pod(1, "waits"), pod(2)], [], ["web-2", "web-1"]),
    ("Parallel", 2, [pod(0, "failed"), pod(1, deleting=True)], [], ["web-0"]),
]


@pytest.mark.parametrize(("policy", "replicas", "pods", "made", "removed"), STEPS)
def test_one_step(policy, replicas, pods, made, removed):
    obj = stateful(replicas, podManagementPolicy=policy, updateStrategy={"type": "OnDelete"})
    planned = plan(obj, [revision(obj), *pods], NOW)
    assert (names(planned.create), names(planned.delete)) == (made, removed)


def rolling(**more):
    return {"updateStrategy": {"type": "RollingUpdate", "rollingUpdate": more}}


# (spec, pods with their revision) -> removed
UPDATES = [
    (rolling(), [("well", 0), ("well", 0), ("well", 0)], ["web-2"]),
    (rolling(), [("well", 0), ("well", 0), ("well", 1)], ["web-1"]),
    (rolling(), [("well", 0), ("well", 0), ("unready", 1)], []),
    (rolling(partition=2), [("well", 0), ("well", 0), ("well", 1)], []),
    (rolling(partition=1), [("well", 0), ("well", 0), ("well", 1)], ["web-1"]),
    (rolling(maxUnavailable=2), [("well", 0), ("well", 0), ("well", 0)], ["web-2", "web-1"]),
    ({"updateStrategy": {"type": "OnDelete"}}, [("well", 0), ("well", 0), ("well", 0)], []),
]


@pytest.mark.parametrize(("spec", "pods", "removed"), UPDATES)
def test_an_update_goes_from_the_end(spec, pods, removed):
    obj = stateful(3, status={"currentRevision": "old"}, **spec)
    made = revision(obj)
    new = made["metadata"]["name"]
    there = [pod(number, state, of=new if updated else "old") for number, (state, updated) in enumerate(pods)]
    planned = plan(obj, [made, *there], NOW)
    assert (names(planned.delete), names(planned.create)) == (removed, [])
    assert (planned.status["currentRevision"], planned.status["updateRevision"]) == ("old", new)


def test_an_update_is_complete_with_its_last_pod():
    obj = stateful(2, status={"currentRevision": "old"})
    made = revision(obj)
    new = made["metadata"]["name"]
    planned = plan(obj, [made, pod(0, of=new), pod(1, of=new)], NOW)
    assert planned.status == {
        "observedGeneration": 1,
        "replicas": 2,
        "readyReplicas": 2,
        "availableReplicas": 2,
        "currentReplicas": 2,
        "updatedReplicas": 2,
        "currentRevision": new,
        "updateRevision": new,
        "collisionCount": 0,
    }


def test_a_pod_has_its_name_its_claims_and_its_place():
    obj = stateful(1, volumeClaimTemplates=[CLAIM], ordinals={"start": 5})
    planned = plan(obj, [], NOW)
    stored, made = planned.create
    name = stored["metadata"]["name"]
    assert (stored["kind"], stored["revision"]) == ("ControllerRevision", 1)
    assert made["metadata"]["labels"] == {"app": "web", POD_NAME: "web-5", POD_INDEX: "5", REVISION_LABEL: name}
    assert (made["spec"]["hostname"], made["spec"]["subdomain"]) == ("web-5", "nearby")
    assert made["spec"]["volumes"] == [{"name": "data", "persistentVolumeClaim": {"claimName": "data-web-5"}}]
    (claim,) = planned.ensure
    assert (claim["metadata"], claim["spec"]["accessModes"]) == (
        {"name": "data-web-5", "labels": {"app": "web"}},
        ["ReadWriteOnce"],
    )


def test_below_the_partition_pods_are_made_from_the_old_template():
    old = stateful(2, template=template(priorityClassName="old"))
    before = revision(old)
    obj = stateful(2, status={"currentRevision": before["metadata"]["name"]}, **rolling(partition=1))
    made = plan(obj, [before], NOW).create
    assert made[1]["spec"]["priorityClassName"] == "old"
    above = plan(obj, [before, pod(0)], NOW).create
    assert "priorityClassName" not in above[1]["spec"]
    assert above[1]["metadata"]["labels"][REVISION_LABEL] == above[0]["metadata"]["name"]


def test_going_back_renumbers_a_revision_and_old_ones_go():
    obj = stateful(0, revisionHistoryLimit=1)
    present = revision(obj)
    owner = present["metadata"]["ownerReferences"]
    others = [
        {**present, "metadata": {"name": f"r{number}", "uid": f"r{number}", "ownerReferences": owner}}
        | {"revision": number, "data": {"spec": {"template": {"n": number}}}}
        for number in (2, 3, 4)
    ]
    planned = plan(obj, [present, *others], NOW)
    assert [(change.object["metadata"]["name"], change.patch) for change in planned.change] == [
        (present["metadata"]["name"], {"revision": 5})
    ]
    assert [item["metadata"]["name"] for item in planned.delete] == ["r2", "r3"]


def claim(ordinal, owners=()):
    metadata = {"name": f"data-web-{ordinal}", "uid": f"claim-{ordinal}", "labels": {"app": "web"}}
    metadata |= {"ownerReferences": list(owners)} if owners else {}
    return {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": metadata}


def own(kind, name, uid, version="apps/v1"):
    return {"apiVersion": version, "kind": kind, "name": name, "uid": uid}


SET, POD = own("StatefulSet", "web", UID), own("Pod", "web-1", "pod-1", "v1")
RETENTION = [
    ("Retain", "Retain", [claim(0), claim(1)], {}, []),
    ("Delete", "Retain", [claim(0), claim(1)], {"data-web-0": [SET], "data-web-1": [SET]}, []),
    ("Retain", "Delete", [claim(0), claim(1)], {"data-web-1": [POD]}, []),
    ("Delete", "Delete", [claim(0, [SET]), claim(1, [SET])], {"data-web-1": [SET, POD]}, []),
    ("Retain", "Retain", [claim(0, [SET]), claim(1, [SET, POD])], {"data-web-0": None, "data-web-1": None}, []),
    ("Retain", "Delete", [claim(0), claim(7)], {}, ["data-web-7"]),
]


@pytest.mark.parametrize(("deleted", "scaled", "claims", "owners", "gone"), RETENTION)
def test_claims_stay_or_go_with_their_set_or_pod(deleted, scaled, claims, owners, gone):
    retention = {"persistentVolumeClaimRetentionPolicy": {"whenDeleted": deleted, "whenScaled": scaled}}
    obj = stateful(1, volumeClaimTemplates=[CLAIM], **retention)
    planned = plan(obj, [revision(obj), pod(0), pod(1), *claims], NOW)
    changed = {item.object["metadata"]["name"]: item.patch["metadata"]["ownerReferences"] for item in planned.change}
    assert changed == owners
    assert [item["metadata"]["name"] for item in planned.delete if item["kind"] != "Pod"] == gone


def test_a_set_comes_up_updates_scales_and_leaves_its_claims(world):
    async def body(found):
        kube = found.kube
        await kube.create(workload("StatefulSet", replicas=2, serviceName="near", volumeClaimTemplates=[CLAIM]))
        await found.eventually(STATEFULSETS, readyReplicas=2, updatedReplicas=2)
        first = {name: item["metadata"]["uid"] for name, item in (await found.pods()).items()}
        assert sorted(first) == ["web-0", "web-1"]
        image = [{"op": "replace", "path": "/spec/template/spec/containers/0/image", "value": "busybox:2"}]
        await kube.patch(STATEFULSETS, "web", NS, image, type="json")

        async def updated():
            await found.run_all()
            status = await found.status(STATEFULSETS)
            return (
                status["observedGeneration"] == 2
                and status["currentRevision"] == status["updateRevision"]
                and status.get("updatedReplicas") == 2
            )

        await until(updated)
        assert not set(first.values()) & {item["metadata"]["uid"] for item in (await found.pods()).values()}
        assert len((await kube.list(CONTROLLERREVISIONS, NS)).items) == 2
        await kube.patch(STATEFULSETS, "web", NS, {"spec": {"replicas": 1}}, subresource="scale")
        await found.eventually(STATEFULSETS, replicas=1)
        await kube.delete(STATEFULSETS, "web", NS)
        assert (await kube.list(PODS, NS)).items == []
        claims = (await kube.list(PERSISTENTVOLUMECLAIMS, NS)).items
        assert [item["metadata"]["name"] for item in claims] == ["data-web-0", "data-web-1"]

    on_cluster(world, body)


WRONG = [
    ({"podManagementPolicy": "Odd"}, "spec.podManagementPolicy: Invalid value: \"Odd\": must be 'OrderedReady' or"),
    ({"updateStrategy": {"type": "Odd"}}, "must be 'RollingUpdate' or 'OnDelete'"),
    (
        {"updateStrategy": {"type": "OnDelete", "rollingUpdate": {"partition": 1}}},
        "only allowed for updateStrategy 'RollingUpdate'",
    ),
    (rolling(partition=-1), "spec.updateStrategy.rollingUpdate.partition: Invalid value: -1: must be greater than or"),
    (rolling(maxUnavailable=0), "spec.updateStrategy.rollingUpdate.maxUnavailable: Invalid value: 0: cannot be 0"),
    ({"ordinals": {"start": -1}}, "spec.ordinals.start: Invalid value: -1"),
    ({"volumeClaimTemplates": [{**CLAIM, "spec": {}}]}, "spec.volumeClaimTemplates[0].spec.accessModes: Required"),
    ({"volumeClaimTemplates": [CLAIM, CLAIM]}, 'spec.volumeClaimTemplates[1].metadata.name: Duplicate value: "data"'),
    (
        {"persistentVolumeClaimRetentionPolicy": {"whenDeleted": "Odd"}},
        'persistentVolumeClaimRetentionPolicy.whenDeleted: Unsupported value: "Odd"',
    ),
]


@pytest.mark.parametrize(("spec", "message"), WRONG)
def test_what_is_wrong_is_refused_with_its_field(world, spec, message):
    async def body(kube):
        with pytest.raises(Invalid) as raised:
            await kube.create(workload("StatefulSet", **spec))
        assert message in str(raised.value)

    world.run(body)


def test_claims_are_volumes_of_their_pods_and_never_change(world):
    async def body(kube):
        pod = template()
        pod["spec"]["containers"][0]["volumeMounts"] = [{"name": "data", "mountPath": "/data"}]
        await kube.create(workload("StatefulSet", template=pod, volumeClaimTemplates=[CLAIM]))
        await kube.patch(STATEFULSETS, "web", NS, {"spec": {"minReadySeconds": 3}})
        with pytest.raises(Invalid, match="updates to statefulset spec for fields other than 'replicas', 'ordinals',"):
            await kube.patch(STATEFULSETS, "web", NS, {"spec": {"serviceName": "other"}})

    world.run(body)
