"""Jobs: which pods are made, how ends are counted, when it is over; by tables, and in a small cluster."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from tests.kube.workloads.simulated import NS, on_cluster, template

from wherry.kube.embedded.controllers.job_pods import INDEX, INDEX_FAILURES
from wherry.kube.embedded.controllers.jobs import plan
from wherry.kube.embedded.job_policies import indexes_text, read_indexes
from wherry.kube.embedded.jobs import CONTROLLER_UID, JOB_NAME, TRACKING
from wherry.kube.embedded.registry import REGISTRY
from wherry.kube.errors import Invalid
from wherry.kube.resources import JOBS, PODS
from wherry.kube.times import timestamp
from wherry.testing import until

NOW = datetime(2026, 1, 1, tzinfo=UTC)
UID = "job"


def manifest(name="pi", *, pod=None, metadata=None, **spec):
    made = template(labels={"of": "job"}, **{"restartPolicy": "Never", **(pod or {})})
    obj = {"apiVersion": "batch/v1", "kind": "Job", "spec": {"template": made, **spec}}
    return {**obj, "metadata": {"name": name, "namespace": NS, **(metadata or {})}}


def job(status=None, **spec):
    obj = manifest(**spec)
    obj["metadata"] |= {"uid": UID, "generation": 1}
    REGISTRY.of_resource(JOBS).default(obj)
    started = {} if obj["spec"]["suspend"] else {"startTime": timestamp(NOW.timestamp() - 100)}
    return {**obj, "status": {**started, **(status or {})}}


def pod(name, phase="Running", *, index=None, counted=False, deleting=False, code=None, ended_s=1000, failures=None):
    marks = {} if index is None else {INDEX: str(index)}
    marks |= {} if failures is None else {INDEX_FAILURES: str(failures)}
    end = timestamp(NOW.timestamp() - ended_s)
    state = {"terminated": {"exitCode": code or 0, "finishedAt": end}} if phase in ("Succeeded", "Failed") else {}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name,
            "namespace": NS,
            "uid": name,
            "labels": {CONTROLLER_UID: UID},
            "annotations": marks,
            "finalizers": [] if counted else [TRACKING],
            "ownerReferences": [{"uid": UID, "controller": True}],
            "creationTimestamp": timestamp(NOW.timestamp() - 2000),
            **({"deletionTimestamp": timestamp(NOW.timestamp())} if deleting else {}),
        },
        "spec": {"nodeName": "local"},
        "status": {"phase": phase, "containerStatuses": [{"name": "main", "restartCount": 0, "state": state}]},
    }


def names(objects):
    return sorted(item["metadata"]["name"] for item in objects)


def conditions(planned):
    return [(item["type"], item["status"], item["reason"]) for item in planned.status.get("conditions", [])]


def freed(planned):
    return names(change.object for change in planned.change)


# (spec, pods) -> how many are made, which are removed
NUMBERS = [
    ({}, [], 1, []),
    ({}, [pod("a")], 0, []),
    ({"completions": 5, "parallelism": 2}, [], 2, []),
    ({"completions": 5, "parallelism": 2}, [pod("a", "Succeeded")], 2, []),
    ({"completions": 2, "parallelism": 2}, [pod("a", "Succeeded"), pod("b")], 0, []),
    ({"completions": 2, "parallelism": 5}, [], 2, []),
    ({"completions": 3, "parallelism": 1}, [pod("a"), pod("b", "Pending")], 0, ["b"]),
    ({"parallelism": 0, "completions": 3}, [pod("a")], 0, ["a"]),
    ({"parallelism": 3}, [], 3, []),
    ({"parallelism": 3}, [pod("a", "Succeeded"), pod("b")], 0, []),
    ({"suspend": True}, [], 0, []),
    ({"suspend": True}, [pod("a")], 0, ["a"]),
    # A pod that ends is replaced at once, unless it has to have failed.
    ({}, [pod("a", deleting=True)], 1, []),
    ({"podReplacementPolicy": "Failed"}, [pod("a", deleting=True)], 0, []),
    ({"completions": 1000, "parallelism": 1000}, [], 500, []),
]


@pytest.mark.parametrize(("spec", "pods", "made", "removed"), NUMBERS)
def test_how_many_pods_there_are(spec, pods, made, removed):
    planned = plan(job(backoffLimit=100, **spec), [*pods], NOW + timedelta(hours=1))
    assert (len(planned.create), names(planned.delete)) == (made, removed)
    assert set(removed) <= set(freed(planned))  # what is removed on purpose is not counted


def test_an_end_is_counted_in_three_steps():
    before = job(completions=2, parallelism=1)
    ended = pod("a", "Succeeded")
    noted = plan(before, [ended], NOW)
    assert noted.status["uncountedTerminatedPods"] == {"succeeded": ["a"]}
    assert ("succeeded" not in noted.status, list(noted.change)) == (True, [])
    stored = {**before, "status": noted.status}
    freeing = plan(stored, [ended], NOW)
    assert (freed(freeing), freeing.status["uncountedTerminatedPods"]) == (["a"], {"succeeded": ["a"]})
    for left in ([pod("a", "Succeeded", counted=True)], []):
        counted = plan(stored, left, NOW)
        assert (counted.status["succeeded"], counted.status["uncountedTerminatedPods"]) == (1, {})
        again = plan({**stored, "status": counted.status}, left, NOW)
        assert again.status["succeeded"] == 1


def test_the_last_end_completes_the_job():
    status = {"uncountedTerminatedPods": {"succeeded": ["a"]}, "succeeded": 1}
    planned = plan(job(status, completions=2), [pod("a", "Succeeded", counted=True)], NOW)
    reached = [(name, "True", "CompletionsReached") for name in ("SuccessCriteriaMet", "Complete")]
    assert (conditions(planned), planned.status["succeeded"]) == (reached, 2)
    assert planned.status["completionTime"] == timestamp(NOW.timestamp())
    assert [note.reason for note in planned.events] == ["Completed"]


def failing(reason):
    return [("FailureTarget", "True", reason)]


FAILURES = [
    ({"backoffLimit": 0}, [pod("a", "Failed")], "BackoffLimitExceeded"),
    ({"backoffLimit": 1}, [pod("a", "Failed")], None),
    ({"backoffLimit": 1}, [pod("a", "Failed"), pod("b", "Failed")], "BackoffLimitExceeded"),
    ({"activeDeadlineSeconds": 100}, [pod("a")], "DeadlineExceeded"),
    ({"activeDeadlineSeconds": 101}, [pod("a")], None),
    ({"activeDeadlineSeconds": 1, "suspend": True}, [], None),
]


@pytest.mark.parametrize(("spec", "pods", "reason"), FAILURES)
def test_when_a_job_fails(spec, pods, reason):
    planned = plan(job(**spec), pods, NOW)
    told = [item for item in conditions(planned) if item[0] != "Suspended"]
    assert told == (failing(reason) if reason else [])
    if spec.get("activeDeadlineSeconds") == 101:
        assert planned.requeue == timedelta(seconds=1)


def test_a_job_that_fails_ends_when_its_last_pod_has():
    spec = {"activeDeadlineSeconds": 1}
    first = plan(job(**spec), [pod("a")], NOW)
    assert (names(first.delete), list(first.create)) == (["a"], [])
    stored = job(first.status, **spec)
    ending = plan(stored, [pod("a", deleting=True)], NOW)
    assert conditions(ending) == failing("DeadlineExceeded")
    assert (ending.status["terminating"], ending.status["uncountedTerminatedPods"]) == (1, {"failed": ["a"]})
    gone = plan(job(ending.status, **spec), [], NOW)
    assert conditions(gone) == [*failing("DeadlineExceeded"), ("Failed", "True", "DeadlineExceeded")]
    assert (gone.status["failed"], [note.type for note in gone.events]) == (1, ["Warning"])
    after = plan(job(gone.status, **spec), [pod("late", "Succeeded")], NOW)
    assert (after.status, freed(after), list(after.create)) == (None, ["late"], [])


def test_containers_that_restart_count_against_the_limit():
    running = pod("a")
    running["status"]["containerStatuses"][0]["restartCount"] = 3
    obj = job(backoffLimit=3, pod={"restartPolicy": "OnFailure"})
    assert conditions(plan(obj, [running], NOW)) == failing("BackoffLimitExceeded")
    obj["spec"]["backoffLimit"] = 4
    assert conditions(plan(obj, [running], NOW)) == []


@pytest.mark.parametrize(
    ("ends", "wait_s"),
    [
        ([("Failed", 3)], 7),
        ([("Failed", 3), ("Failed", 30)], 17),
        ([("Failed", 3), ("Failed", 30), ("Failed", 90)], 37),
        ([("Failed", 3), ("Succeeded", 10), ("Failed", 90)], 7),
        ([("Succeeded", 3), ("Failed", 10)], None),
        ([("Failed", 12)], None),
        ([("Failed", 3)] * 40, 597),
    ],
)
def test_failures_in_a_row_are_waited_for(ends, wait_s):
    pods = [pod(f"p{number}", phase, ended_s=ago) for number, (phase, ago) in enumerate(ends)]
    planned = plan(job(completions=90, parallelism=1, backoffLimit=100), pods, NOW)
    assert (len(planned.create), planned.requeue and planned.requeue.total_seconds()) == (wait_s is None, wait_s)


def test_each_index_has_a_pod_of_its_own():
    spec = {"completionMode": "Indexed", "completions": 6, "parallelism": 4}
    pods = [pod("a", index=1), pod("b", "Succeeded", index=0), pod("c", "Failed", index=2)]
    planned = plan(job({"completedIndexes": "3"}, **spec), pods, NOW)
    assert planned.status["completedIndexes"] == "0,3"
    assert [item["metadata"]["annotations"][INDEX] for item in planned.create] == ["2", "4", "5"]
    made = planned.create[0]
    assert made["metadata"]["generateName"] == "pi-2-"
    assert made["metadata"]["labels"][INDEX] == "2"
    assert (made["spec"]["hostname"], made["metadata"]["finalizers"]) == ("pi-2", [TRACKING])
    source = {"fieldRef": {"apiVersion": "v1", "fieldPath": f"metadata.labels['{INDEX}']"}}
    assert made["spec"]["containers"][0]["env"] == [{"name": "JOB_COMPLETION_INDEX", "valueFrom": source}]
    # An index that is completed stays so, however many pods say it again; its pods go without a count.
    again = plan(job({"completedIndexes": "0,3", "succeeded": 2}, **spec), [pods[1]], NOW)
    assert (again.status["succeeded"], freed(again)) == (2, ["b"])


def test_an_index_with_two_pods_loses_one_and_one_that_is_not_wanted_goes():
    spec = {"completionMode": "Indexed", "completions": 2, "parallelism": 2}
    pods = [pod("a", index=0), pod("b", index=0), pod("c", index=7), pod("d", index=1)]
    planned = plan(job(**spec), pods, NOW)
    assert (names(planned.delete), list(planned.create)) == (["b", "c"], [])


def test_indexes_fail_each_for_itself():
    spec = {"completionMode": "Indexed", "completions": 3, "parallelism": 3, "backoffLimitPerIndex": 1}
    pods = [
        pod("a", "Failed", index=0, failures=0),
        pod("b", "Failed", index=1, failures=1),
        pod("c", index=2, failures=0),
    ]
    planned = plan(job(**spec), pods, NOW)
    assert planned.status["failedIndexes"] == "1"
    (made,) = planned.create
    assert [made["metadata"]["annotations"][key] for key in (INDEX, INDEX_FAILURES)] == ["0", "1"]
    done = {"completedIndexes": "0,2", "failedIndexes": "1", "failed": 2}
    assert conditions(plan(job(done, **spec), [], NOW))[0] == failing("FailedIndexes")[0]
    more = plan(job({"failedIndexes": "0-1"}, maxFailedIndexes=1, **spec), [], NOW)
    assert conditions(more)[0] == failing("MaxFailedIndexesExceeded")[0]


def test_a_failed_pod_is_kept_until_its_index_has_a_successor():
    """It alone knows how often its index has failed, and somebody may delete it."""
    spec = {"completionMode": "Indexed", "completions": 1, "parallelism": 1, "backoffLimitPerIndex": 2}
    noted = job({"uncountedTerminatedPods": {"failed": ["a"]}}, **spec)
    ended = pod("a", "Failed", index=0, failures=0, ended_s=1)
    assert freed(plan(noted, [ended], NOW)) == []
    assert freed(plan(noted, [ended, pod("b", index=0, failures=1)], NOW)) == ["a"]
    failing = {**noted["status"], "conditions": [{"type": "FailureTarget", "status": "True"}]}
    assert freed(plan(job(failing, **spec), [ended], NOW)) == ["a"]


def policy(*rules):
    return {"podFailurePolicy": {"rules": list(rules)}}


def codes(action, *values, operator="In", **more):
    return {"action": action, "onExitCodes": {"operator": operator, "values": list(values), **more}}


DISRUPTED = {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget"}]}
JUDGED = [
    (policy(codes("FailJob", 42)), 42, "PodFailurePolicy", {"failed": ["a"]}),
    (policy(codes("FailJob", 42)), 1, None, {"failed": ["a"]}),
    (policy(codes("FailJob", 42, operator="NotIn")), 1, "PodFailurePolicy", {"failed": ["a"]}),
    (policy(codes("FailJob", 42, containerName="other")), 42, None, {"failed": ["a"]}),
    (policy(codes("Ignore", 3), codes("FailJob", 3)), 3, None, {}),
    (policy(codes("Count", 3), codes("FailJob", 3)), 3, None, {"failed": ["a"]}),
    (policy(DISRUPTED), 3, None, {}),
]


@pytest.mark.parametrize(("spec", "code", "reason", "noted"), JUDGED)
def test_the_policy_judges_failures(spec, code, reason, noted):
    ended = pod("a", "Failed", code=code)
    if spec == policy(DISRUPTED):
        ended["status"]["conditions"] = [{"type": "DisruptionTarget", "status": "True"}]
    planned = plan(job(**spec), [ended], NOW)
    assert planned.status["uncountedTerminatedPods"] == noted
    assert conditions(planned) == (failing(reason) if reason else [])
    if reason:
        text = "Container main for pod default/a failed with exit code"
        assert planned.status["conditions"][0]["message"].startswith(text)
    assert freed(planned) == ([] if noted else ["a"])


def test_an_index_may_be_failed_by_the_policy():
    spec = {"completionMode": "Indexed", "completions": 2, "parallelism": 2, "backoffLimitPerIndex": 9}
    planned = plan(job(**spec, **policy(codes("FailIndex", 7))), [pod("a", "Failed", index=1, code=7)], NOW)
    assert planned.status["failedIndexes"] == "1"


@pytest.mark.parametrize(
    ("rule", "met"),
    [
        ({"succeededIndexes": "0,2"}, True),
        ({"succeededIndexes": "0-1"}, False),
        ({"succeededCount": 2}, True),
        ({"succeededCount": 3}, False),
        ({"succeededIndexes": "0-2", "succeededCount": 2}, True),
    ],
)
def test_success_may_be_less_than_all(rule, met):
    spec = {"completionMode": "Indexed", "completions": 9, "parallelism": 9, "successPolicy": {"rules": [rule]}}
    planned = plan(job({"completedIndexes": "0,2"}, **spec), [pod("a", index=5)], NOW)
    assert conditions(planned) == ([("SuccessCriteriaMet", "True", "SuccessPolicy")] if met else [])
    assert names(planned.delete) == (["a"] if met else [])


def test_a_suspended_job_goes_on_with_a_new_beginning():
    waiting = plan(job(suspend=True), [], NOW)
    assert (conditions(waiting), "startTime" in waiting.status) == ([("Suspended", "True", "JobSuspended")], False)
    later = NOW + timedelta(hours=1)
    status = {**waiting.status, "startTime": timestamp(NOW.timestamp())}
    resumed = plan(job(status, activeDeadlineSeconds=5), [], later)
    assert conditions(resumed) == [("Suspended", "False", "JobResumed")]
    assert resumed.status["startTime"] == timestamp(later.timestamp())


def test_a_finished_job_goes_after_its_time():
    done = {"conditions": [{"type": "Complete", "status": "True", "lastTransitionTime": timestamp(NOW.timestamp())}]}
    obj = job(done, ttlSecondsAfterFinished=10)
    assert plan(obj, [], NOW + timedelta(seconds=4)).requeue == timedelta(seconds=6)
    assert plan(obj, [], NOW + timedelta(seconds=10)).delete == [obj]
    assert plan(job(done), [], NOW + timedelta(days=9)).delete == ()


def test_a_job_of_another_controller_is_left_alone():
    assert plan(job(managedBy="kueue.x-k8s.io/x"), [], NOW).create == ()


@pytest.mark.parametrize(
    ("text", "indexes"),
    [("", set()), ("0", {0}), ("0,2", {0, 2}), ("1,2", {1, 2}), ("1-3,5,7-9", {1, 2, 3, 5, 7, 8, 9})],
)
def test_indexes_are_written_as_the_api_server_does(text, indexes):
    assert (indexes_text(indexes), read_indexes(text, 10)) == (text, indexes)


@pytest.mark.parametrize("text", ["a", "1-", "3-1", "2,1", "10", "0-99999999999", "-1", "1,,2"])
def test_what_is_no_list_of_indexes(text):
    assert read_indexes(text, 10) is None


# --- in a small cluster


def test_a_job_runs_to_its_end(world):
    async def body(found):
        await found.kube.create(manifest(completions=3, parallelism=2))

        async def done():
            for name, obj in (await found.pods()).items():
                if obj["status"]["phase"] == "Pending":
                    await found.set(name, "Succeeded")
            return bool((await found.status(JOBS, "pi")).get("completionTime"))

        await until(done)
        status = await found.status(JOBS, "pi")
        assert (status["succeeded"], status.get("active"), status["uncountedTerminatedPods"]) == (3, None, {})
        pods = await found.pods()
        assert len(pods) == 3
        uid = (await found.kube.get(JOBS, "pi", NS))["metadata"]["uid"]
        for obj in pods.values():
            assert "finalizers" not in obj["metadata"]
            assert obj["metadata"]["labels"] == {
                "of": "job",
                CONTROLLER_UID: uid,
                "controller-uid": uid,
                JOB_NAME: "pi",
                "job-name": "pi",
            }

        async def told():
            return await found.told("Completed") == ["Job completed"]

        await until(told)

    on_cluster(world, body)


@pytest.mark.parametrize("propagation", ["Background", "Foreground", "Orphan"])
def test_pods_do_not_outlive_the_controller_of_a_deleted_job(world, propagation):
    """The finalizer goes with the Job, in the same transaction: nobody waits for a controller."""

    async def body(found):
        await found.kube.create(manifest(parallelism=2, completions=2))

        async def made():
            return len(await found.pods()) == 2

        await until(made)
        await found.kube.delete(JOBS, "pi", NS, propagation=propagation)
        left = (await found.kube.list(PODS, NS)).items
        assert len(left) == (2 if propagation == "Orphan" else 0)
        assert all("finalizers" not in item["metadata"] for item in left)
        assert (await found.kube.list(JOBS, NS)).items == []

    on_cluster(world, body)


def test_a_pod_deleted_by_hand_counts_as_failed_and_is_replaced(world):
    async def body(found):
        await found.kube.create(manifest())

        async def running():
            await found.run_all()
            return (await found.status(JOBS, "pi")).get("ready") == 1

        await until(running)
        (name,) = await found.pods()
        await found.kube.delete(PODS, name, NS, grace_period_s=0)

        async def counted():
            status = await found.status(JOBS, "pi")
            return status.get("failed") == 1 and name not in await found.pods(gone=True)

        await until(counted)

    on_cluster(world, body)


WRONG = [
    (manifest(completions=-1), "spec.completions: Invalid value: -1: must be greater than or equal to 0"),
    (manifest(completionMode="Indexed", parallelism=1), "spec.completions: Required value: when completion mode is"),
    (manifest(completionMode="Odd"), 'spec.completionMode: Unsupported value: "Odd": supported values: "Indexed", "N'),
    (
        manifest(pod={"restartPolicy": None}),
        'spec.template.spec.restartPolicy: Required value: valid values: "OnFailure", "Never"',
    ),
    (manifest(selector={"matchLabels": {"a": "b"}}), "`selector` does not match template `labels`"),
    (manifest(manualSelector=True), "spec.selector: Required value"),
    (manifest(backoffLimitPerIndex=1), "spec.backoffLimitPerIndex: Invalid value: 1: requires indexed completion mode"),
    (
        manifest(**policy(codes("FailJob", 1)), pod={"restartPolicy": "OnFailure"}),
        'spec.template.spec.restartPolicy: Invalid value: "OnFailure": only "Never" is supported when podFailurePolicy',
    ),
    (manifest(**policy(codes("FailJob", 3, 1))), "onExitCodes.values: Invalid value: [3,1]: must be ordered"),
    (manifest(**policy(codes("FailJob", 0))), "onExitCodes.values[0]: Invalid value: 0: must not be 0 for the In oper"),
    (manifest(**policy(codes("FailJob", 1, containerName="x"))), "must be one of the container or initContainer names"),
    (manifest(**policy({"action": "Count"})), "specifying one of OnExitCodes and OnPodConditions is required"),
    (manifest(**policy(codes("FailIndex", 1))), "requires the backoffLimitPerIndex to be set"),
    (manifest(successPolicy={"rules": [{"succeededCount": 1}]}), "spec.successPolicy: Invalid value"),
    (
        manifest(
            completionMode="Indexed", completions=2, successPolicy={"rules": [{"succeededIndexes": "0-2000000000"}]}
        ),
        "spec.successPolicy.rules[0].succeededIndexes: Invalid value",
    ),
    (manifest(podReplacementPolicy="Odd"), 'spec.podReplacementPolicy: Unsupported value: "Odd": supported values:'),
]


@pytest.mark.parametrize(("obj", "message"), WRONG)
def test_what_is_wrong_is_refused_with_its_field(world, obj, message):
    async def body(kube):
        with pytest.raises(Invalid) as raised:
            await kube.create(obj)
        assert message in str(raised.value)

    world.run(body)


CHANGES = [
    ({"parallelism": 5}, ""),
    ({"suspend": True}, ""),
    ({"backoffLimit": 2}, ""),
    ({"ttlSecondsAfterFinished": 2}, ""),
    ({"completions": 5}, "spec.completions: Invalid value: 5: field is immutable"),
    ({"completionMode": "Indexed"}, 'spec.completionMode: Invalid value: "Indexed": field is immutable'),
    ({"selector": {"matchLabels": {"of": "job"}}}, "field is immutable"),
    ({"template": {"spec": {"nodeSelector": {"a": "b"}}}}, "spec.template: Invalid value"),
]


@pytest.mark.parametrize(("change", "message"), CHANGES)
def test_what_may_change(world, change, message):
    async def body(kube):
        await kube.create(manifest(completions=3))
        if not message:
            await kube.patch(JOBS, "pi", NS, {"spec": change})
            return
        with pytest.raises(Invalid) as raised:
            await kube.patch(JOBS, "pi", NS, {"spec": change})
        assert message in str(raised.value)

    world.run(body)


def test_where_a_suspended_job_runs_may_change_and_an_indexed_one_may_grow(world):
    async def body(kube):
        await kube.create(manifest("waits", suspend=True))
        await kube.patch(JOBS, "waits", NS, {"spec": {"template": {"spec": {"nodeSelector": {"a": "b"}}}}})
        await kube.create(manifest("grows", completionMode="Indexed", completions=2, parallelism=2))
        await kube.patch(JOBS, "grows", NS, {"spec": {"completions": 4, "parallelism": 4}})

    world.run(body)
