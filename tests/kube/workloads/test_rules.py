"""The rules of workloads under any input: refused with a Status, or stored, shown and planned for without a fault."""

from __future__ import annotations

import contextlib
import copy
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from tests.kube.test_kinds import spoiled, store
from tests.kube.workloads.simulated import NS, template, workload
from tests.kube.workloads.test_jobs import codes, manifest, policy
from tests.kube.workloads.test_statefulsets import CLAIM, rolling

from wherry.kube.embedded.controllers import cronjobs, deployments, jobs, replicasets, statefulsets
from wherry.kube.embedded.registry import REGISTRY
from wherry.kube.embedded.writes import create, patch
from wherry.kube.errors import KubeError
from wherry.testing import SequentialIds

NOW = datetime(2026, 1, 1, tzinfo=UTC)
PLANS = {
    "ReplicaSet": replicasets.plan,
    "Deployment": deployments.plan,
    "StatefulSet": statefulsets.plan,
    "Job": jobs.plan,
    "CronJob": cronjobs.plan,
}
EXPRESSION = {"matchLabels": {"app": "web"}, "matchExpressions": [{"key": "app", "operator": "In", "values": ["web"]}]}
JOB = manifest(
    "a",
    completions=2,
    parallelism=2,
    completionMode="Indexed",
    backoffLimitPerIndex=1,
    maxFailedIndexes=1,
    successPolicy={"rules": [{"succeededIndexes": "0-1", "succeededCount": 1}]},
    **policy(codes("FailIndex", 1, 2), {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget"}]}),
)
GOOD = [
    workload("ReplicaSet", replicas=1, minReadySeconds=1, selector=EXPRESSION),
    workload("Deployment", strategy=rolling()["updateStrategy"] | {"rollingUpdate": {"maxSurge": "50%"}}, paused=False),
    workload(
        "StatefulSet",
        volumeClaimTemplates=[CLAIM],
        ordinals={"start": 1},
        persistentVolumeClaimRetentionPolicy={"whenDeleted": "Delete"},
        **rolling(partition=1, maxUnavailable="50%"),
    ),
    JOB,
    manifest("a", ttlSecondsAfterFinished=1, activeDeadlineSeconds=5, suspend=False),
    {
        "apiVersion": "batch/v1",
        "kind": "CronJob",
        "metadata": {"name": "a", "namespace": NS},
        "spec": {
            "schedule": "*/5 * * * mon-fri",
            "timeZone": "Europe/Berlin",
            "startingDeadlineSeconds": 5,
            "jobTemplate": {"metadata": {"labels": {"a": "b"}}, "spec": JOB["spec"]},
        },
    },
    {
        "apiVersion": "apps/v1",
        "kind": "ControllerRevision",
        "metadata": {"name": "a", "namespace": NS},
        "revision": 1,
        "data": {"spec": {"template": template()}},
    },
]


def look(obj):
    """What everybody does with a stored object: tables, plans."""
    kind = REGISTRY.of_object(obj)
    for column in kind.columns:
        column.cell(obj, NOW.timestamp())
    if obj["kind"] in PLANS:
        planned = PLANS[obj["kind"]](obj, [], NOW)
        if planned.status is not None:
            again = {**obj, "status": planned.status}
            PLANS[obj["kind"]](again, [], NOW)
            for column in kind.columns:
                column.cell(again, NOW.timestamp())


@settings(max_examples=120, deadline=None)
@given(spoiled(*GOOD))
def test_any_workload_is_refused_with_a_status_or_works(obj):
    with store() as transaction, contextlib.suppress(KubeError):
        look(create(transaction, REGISTRY.of_object(obj), obj, SequentialIds()))


@settings(max_examples=60, deadline=None)
@given(spoiled(*GOOD))
def test_any_change_is_refused_with_a_status_or_works(change):
    good = next((obj for obj in GOOD if obj["kind"] == change.get("kind")), GOOD[0])
    with store() as transaction:
        obj = create(transaction, REGISTRY.of_object(good), copy.deepcopy(good), SequentialIds())
        stored = transaction.load(REGISTRY.of_object(good), NS, obj["metadata"]["name"])
        with contextlib.suppress(KubeError):
            look(patch(transaction, stored, change, "merge", ""))


@pytest.mark.parametrize("obj", GOOD, ids=lambda obj: obj["kind"])
def test_the_good_ones_are_stored_and_complete(obj):
    """Completed once, an object stays as it is: what is sent back is no change."""
    with store() as transaction:
        made = create(transaction, REGISTRY.of_object(obj), copy.deepcopy(obj), SequentialIds())
        look(made)
        stored = transaction.load(REGISTRY.of_object(obj), NS, made["metadata"]["name"])
        again = patch(transaction, stored, copy.deepcopy(obj), "merge", "")
        assert again["metadata"]["resourceVersion"] == made["metadata"]["resourceVersion"]
