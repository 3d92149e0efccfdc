"""What a Job has come to: how many pods ended how, and whether it has succeeded or failed by that.

Called by `jobs`; pure.  Source: the documentation of Jobs (terminal conditions, backoff limits, success policy).
Invariant: the decision that a Job ends is a condition (FailureTarget, SuccessCriteriaMet) that is never taken back; it
becomes Failed or Complete when the last of its pods has ended and is counted.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from wherry.kube.controller import Note
from wherry.kube.embedded.causes import objects
from wherry.kube.embedded.columns import at
from wherry.kube.embedded.controllers.job_pods import (
    Spec,
    ending,
    failed,
    failures_with,
    index_of,
    indexes,
    judge,
    restarts,
    tracked,
)
from wherry.kube.embedded.controllers.pods import active, condition, conditions_with, finished, phase
from wherry.kube.embedded.job_policies import indexes_text, read_indexes
from wherry.kube.embedded.workload_rules import mapping
from wherry.kube.protocol import Object
from wherry.kube.times import seconds_of, timestamp

FAILING, SUCCEEDING = "FailureTarget", "SuccessCriteriaMet"


def stands(job: Object, type: str) -> bool:
    """Whether the condition is true."""
    return (condition(job, type) or {}).get("status") == "True"


class Tally(NamedTuple):
    """The ends of pods: `succeeded` and `failed` with those that are noted and not yet counted."""

    noted: dict[str, list[str]]  # uncountedTerminatedPods, by succeeded and failed
    counted: dict[str, int]
    completed_indexes: set[int]
    failed_indexes: set[int]
    free: list[Object]  # their ends are in the stored status, or of no account: their finalizers go
    fails: str  # why the failure policy fails the whole Job

    @property
    def succeeded(self) -> int:
        """How many pods, or indexes, have succeeded."""
        return self.counted["succeeded"] + len(self.noted["succeeded"])

    @property
    def failed(self) -> int:
        """How many pods have failed."""
        return self.counted["failed"] + len(self.noted["failed"])


def tally(job: Object, pods: Sequence[Object], spec: Spec) -> Tally:
    """Counts whose finalizers are gone, and notes what has ended since."""
    stored = mapping(at(job, "status", "uncountedTerminatedPods"))
    held = {pod["metadata"]["uid"]: pod for pod in pods if tracked(pod)}
    found = Tally(
        {key: [uid for uid in stored.get(key) or () if uid in held] for key in ("succeeded", "failed")},
        {
            key: (at(job, "status", key) or 0) + sum(uid not in held for uid in stored.get(key) or ())
            for key in ("succeeded", "failed")
        },
        indexes(job, "completedIndexes", spec),
        indexes(job, "failedIndexes", spec),
        [],
        "",
    )
    kept = _remembered(job, pods, spec, found)
    noted = [held[uid] for key in ("succeeded", "failed") for uid in found.noted[key]]
    found.free.extend(pod for pod in noted if pod["metadata"]["name"] not in kept)
    known = {uid for uids in stored.values() for uid in uids}
    before = frozenset(found.completed_indexes)
    for uid, pod in held.items():
        if uid in known:
            continue
        if phase(pod) == "Succeeded":
            _succeeded(pod, spec, found, before)
        elif failed(pod, spec):
            verdict = judge(pod, spec)
            if verdict.action == "FailJob" and not found.fails:
                found = found._replace(fails=verdict.message)
            _failed(pod, spec, found, verdict.action)
    if spec.indexed:
        found.counted["succeeded"] = len(found.completed_indexes)
    return found


def _remembered(job: Object, pods: Sequence[Object], spec: Spec, found: Tally) -> set[str]:
    """Failed pods that are kept until their index has a successor: they alone know how often it has failed."""
    if spec.per_index is None or stands(job, FAILING) or stands(job, SUCCEEDING):
        return set()
    last: dict[int, Object] = {}
    for pod in pods:
        index = index_of(pod)
        if index not in last or failures_with(last[index], spec) < failures_with(pod, spec):
            last[index] = pod
    over = found.completed_indexes | found.failed_indexes
    return {pod["metadata"]["name"] for index, pod in last.items() if index not in over and failed(pod, spec)}


def _succeeded(pod: Object, spec: Spec, found: Tally, before: frozenset[int]) -> None:
    if not spec.indexed:
        found.noted["succeeded"].append(pod["metadata"]["uid"])
        return
    index = index_of(pod)
    if index in before or not 0 <= index < (spec.completions or 0):
        found.free.append(pod)
    elif index not in found.failed_indexes:
        found.completed_indexes.add(index)


def _failed(pod: Object, spec: Spec, found: Tally, action: str) -> None:
    if action == "Ignore":
        found.free.append(pod)
        return
    found.noted["failed"].append(pod["metadata"]["uid"])
    index = index_of(pod)
    if spec.per_index is None or index in found.completed_indexes or index < 0:
        return
    if action == "FailIndex" or failures_with(pod, spec) > spec.per_index:
        found.failed_indexes.add(index)


class Decision(NamedTuple):
    """The status with its decisions (but for the counts of pods), whether the Job ends, and when to look again."""

    status: Object
    ends: bool
    events: Sequence[Note] = ()
    requeue: timedelta | None = None


def decide(job: Object, pods: Sequence[Object], spec: Spec, counted: Tally, now: datetime) -> Decision:
    """Whether the Job ends, by what it has come to; and whether that has ended."""
    status = _noted(job, spec, counted)
    listed: list[Object] = status.get("conditions") or []
    verdict = _verdict(job, pods, spec, counted, now)
    if verdict is None:
        return Decision(status, False, requeue=_deadline_in(job, now))
    type, reason, message = verdict
    listed = conditions_with(listed, type, "True", reason, message, now)
    over = not any(active(pod) or ending(pod) for pod in pods) and not any(counted.noted.values())
    if not over:
        return Decision({**status, "conditions": listed}, True)
    if type == FAILING:
        listed = conditions_with(listed, "Failed", "True", reason, message, now)
        return Decision({**status, "conditions": listed}, True, [Note("Warning", reason, message)])
    listed = conditions_with(listed, "Complete", "True", reason, message, now)
    status |= {"conditions": listed, "completionTime": timestamp(now.timestamp())}
    return Decision(status, True, [Note("Normal", "Completed", "Job completed")])


def _noted(job: Object, spec: Spec, counted: Tally) -> Object:
    status: Object = {**(job.get("status") or {})}
    status["uncountedTerminatedPods"] = {key: uids for key, uids in counted.noted.items() if uids}
    if spec.indexed:
        status.pop("completedIndexes", None)
        if counted.completed_indexes:
            status["completedIndexes"] = indexes_text(counted.completed_indexes)
    if spec.per_index is not None:
        status["failedIndexes"] = indexes_text(counted.failed_indexes)
    return status


def _verdict(
    job: Object, pods: Sequence[Object], spec: Spec, counted: Tally, now: datetime
) -> tuple[str, str, str] | None:
    """The condition by which the Job ends: the one that it has, or the first that is due."""
    for type in (FAILING, SUCCEEDING):
        if stands(job, type):
            held = condition(job, type) or {}
            return type, held.get("reason", ""), held.get("message", "")
    if counted.fails:
        return FAILING, "PodFailurePolicy", counted.fails
    if counted.failed > spec.backoff_limit or _restarted_too_often(pods, spec):
        return FAILING, "BackoffLimitExceeded", "Job has reached the specified backoff limit"
    left = _deadline_in(job, now)
    if left is not None and left <= timedelta(0):
        return FAILING, "DeadlineExceeded", "Job was active longer than specified deadline"
    return _by_index(spec, counted) or _success(pods, spec, counted)


def _restarted_too_often(pods: Sequence[Object], spec: Spec) -> bool:
    """Containers that are started again in their pods count against the same limit."""
    policy = spec.obj["spec"]["template"]["spec"].get("restartPolicy")
    if policy != "OnFailure":
        return False
    count = restarts(pods)
    return count > 0 if spec.backoff_limit == 0 else count >= spec.backoff_limit


def _deadline_in(job: Object, now: datetime) -> timedelta | None:
    deadline_s, start = job["spec"].get("activeDeadlineSeconds"), at(job, "status", "startTime")
    if deadline_s is None or job["spec"].get("suspend") or stands(job, "Suspended"):
        return None  # a Job that goes on again begins anew
    waited_s = now.timestamp() - seconds_of(start) if start else 0.0
    return timedelta(seconds=max(0.0, deadline_s - waited_s))


def _by_index(spec: Spec, counted: Tally) -> tuple[str, str, str] | None:
    if spec.per_index is None or not counted.failed_indexes:
        return None
    most = spec.obj["spec"].get("maxFailedIndexes")
    if most is not None and len(counted.failed_indexes) > most:
        message = "Job has exceeded the specified maximal number of failed indexes"
        return FAILING, "MaxFailedIndexesExceeded", message
    if len(counted.failed_indexes) + len(counted.completed_indexes) >= (spec.completions or 0):
        return FAILING, "FailedIndexes", "Job has failed indexes"
    return None


def _success(pods: Sequence[Object], spec: Spec, counted: Tally) -> tuple[str, str, str] | None:
    rules = objects(mapping(spec.obj["spec"].get("successPolicy")), "rules")
    for number, rule in enumerate(rules):
        named = rule.get("succeededIndexes")
        wanted = read_indexes(named, spec.completions or 0) if named is not None else None
        done = counted.completed_indexes & wanted if wanted is not None else counted.completed_indexes
        least = rule.get("succeededCount")
        if len(done) >= (least if least is not None else len(wanted or ())):
            return SUCCEEDING, "SuccessPolicy", f"Matched rules at index {number}"
    reached = SUCCEEDING, "CompletionsReached", "Reached expected number of succeeded pods"
    if spec.completions is not None:
        return reached if counted.succeeded >= spec.completions else None
    return reached if counted.succeeded and all(finished(pod) for pod in pods) else None
