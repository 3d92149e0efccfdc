"""Jobs: pods that run to their end, each counted exactly once.

Loaded by `starting` with the first Job.  Source: the documentation of Jobs.  How a pod is counted: its end is noted in
the status (uncountedTerminatedPods, or the list of completed indexes); then its finalizer goes; then, once the pod is
seen without it, it becomes part of the count.  Each step is a write of its own that the next one waits for.

Invariant: whatever dies in between, no pod is counted twice and none is lost; what has ended for ever stays so.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from wherry.kube.controller import Change, Controller, Note, Plan, Words, controller_of
from wherry.kube.embedded.controllers import job_pods
from wherry.kube.embedded.controllers.job_pods import Spec, ending, index_of, mine, spec_of, tracked, untracked
from wherry.kube.embedded.controllers.job_status import Tally, decide, stands, tally
from wherry.kube.embedded.controllers.pods import (
    active,
    chosen_by,
    condition,
    conditions_with,
    finished,
    first_to_go,
    ready,
    related,
    without_owner,
)
from wherry.kube.protocol import Object
from wherry.kube.resources import JOBS, PODS
from wherry.kube.times import seconds_of, timestamp

BURST = 500
OWN = "kubernetes.io/job-controller"


def plan(job: Object, children: Sequence[Object], now: datetime) -> Plan:
    """One step of a Job: counts what has ended, decides whether it is over, makes and removes pods."""
    if job["spec"].get("managedBy", OWN) != OWN:
        return Plan()
    chosen = chosen_by(job)
    adopt = [pod for pod in children if not controller_of(pod) and not finished(pod)]
    if adopt:
        return Plan(adopt=adopt, requeue=timedelta(0))
    pods = [pod for pod in mine(job, children) if chosen(pod)]
    strangers = [pod for pod in mine(job, children) if not chosen(pod)]
    release = [Change(pod, _released(pod, job)) for pod in strangers]
    if stands(job, "Complete") or stands(job, "Failed"):
        return _over(job, pods, release, now)
    spec = spec_of(job)
    counted = tally(job, pods, spec)
    decision = decide(job, pods, spec, counted, now)
    work = _Work() if decision.ends else _work(job, pods, spec, counted, now)
    status = _status(job, pods, counted, decision.status, now)
    delete, events, requeues = list(work.delete), list(decision.events), [decision.requeue, work.requeue]
    if decision.ends:
        delete = [pod for pod in pods if active(pod)]
    status, notes = _suspension(job, status, now)
    free = [Change(pod, untracked(pod)) for pod in (*counted.free, *work.delete)]
    waits = [wait for wait in requeues if wait is not None]
    return Plan(
        change=[*release, *free],
        create=work.create,
        delete=delete,
        events=[*events, *notes],
        status=status,
        requeue=min(waits, default=None),
    )


def _released(pod: Object, job: Object) -> Object:
    patch = untracked(pod)
    return {"metadata": {**patch["metadata"], "ownerReferences": without_owner(pod, job) or None}}


def _over(job: Object, pods: list[Object], release: list[Change], now: datetime) -> Plan:
    """A Job that has ended: it holds no pod any more, and goes when its time has come."""
    free = [Change(pod, untracked(pod)) for pod in pods if tracked(pod)]
    ttl_s = job["spec"].get("ttlSecondsAfterFinished")
    if ttl_s is None:
        return Plan(change=[*release, *free])
    found = condition(job, "Complete") or condition(job, "Failed")
    left_s = seconds_of((found or {})["lastTransitionTime"]) + ttl_s - now.timestamp()
    if left_s > 0:
        return Plan(change=[*release, *free], requeue=timedelta(seconds=left_s))
    return Plan(change=[*release, *free], delete=[job])


class _Work(NamedTuple):
    """Pods to make, pods to remove without counting them, and when to look again."""

    create: Sequence[Object] = ()
    delete: Sequence[Object] = ()
    requeue: timedelta | None = None


def _work(job: Object, pods: list[Object], spec: Spec, counted: Tally, now: datetime) -> _Work:
    """Brings the number of active pods to what is wanted."""
    living = [pod for pod in pods if active(pod)]
    if job["spec"].get("suspend"):
        return _Work(delete=living)
    extra = job_pods.surplus(living, spec) if spec.indexed else []
    living = [pod for pod in living if pod not in extra]
    wanted = _wanted(spec, counted, len(living))
    if len(living) > wanted:
        extra += sorted(living, key=first_to_go)[: len(living) - wanted]
    elif len(living) < wanted:
        stopping = sum(map(ending, pods)) if spec.only_failed else 0
        return _make(job, pods, spec, counted, min(BURST, wanted - len(living) - stopping), now)._replace(delete=extra)
    return _Work(delete=extra)


def _wanted(spec: Spec, counted: Tally, living: int) -> int:
    if spec.completions is None:
        return living if counted.succeeded else spec.parallelism
    return max(0, min(spec.parallelism, spec.completions - counted.succeeded - len(counted.failed_indexes)))


def _make(job: Object, pods: list[Object], spec: Spec, counted: Tally, count: int, now: datetime) -> _Work:
    if count <= 0:
        return _Work()
    if spec.per_index is None:
        left_s = job_pods.backoff_left_s(pods, spec, now.timestamp())
        if left_s > 0:
            return _Work(requeue=timedelta(seconds=left_s))
        if not spec.indexed:
            return _Work([job_pods.new_pod(job)] * count)
        taken = counted.completed_indexes
        return _Work([job_pods.new_pod(job, index) for index in job_pods.first_missing(pods, taken, spec, count)])
    taken = counted.completed_indexes | counted.failed_indexes
    made: list[Object] = []
    waits: list[float] = []
    for index in job_pods.first_missing(pods, taken, spec, count):
        before = [pod for pod in pods if index_of(pod) == index and job_pods.failed(pod, spec)]
        failures = max((job_pods.failures_with(pod, spec) for pod in before), default=0)
        left_s = job_pods.index_backoff_left_s(failures, before, now.timestamp())
        if left_s > 0:
            waits.append(left_s)
        else:
            made.append(job_pods.new_pod(job, index, failures))
    return _Work(made, requeue=timedelta(seconds=min(waits)) if waits else None)


def _status(job: Object, pods: list[Object], counted: Tally, status: Object, now: datetime) -> Object:
    """The counts of the pods there are; the time of the beginning."""
    living = [pod for pod in pods if active(pod)]
    found = {**status, "ready": sum(map(ready, living)), "terminating": sum(map(ending, pods))}
    for key, value in (("active", len(living)), *counted.counted.items()):
        found.pop(key, None)
        if value:
            found[key] = value
    if not found.get("startTime") and not job["spec"].get("suspend"):
        found["startTime"] = timestamp(now.timestamp())
    return found


def _suspension(job: Object, status: Object, now: datetime) -> tuple[Object, list[Note]]:
    """The condition Suspended; a Job that goes on begins its time anew."""
    held: list[Object] = status.get("conditions") or []
    if any(item["type"] in ("FailureTarget", "SuccessCriteriaMet", "Complete", "Failed") for item in held):
        return status, []
    if job["spec"].get("suspend"):
        if stands(job, "Suspended"):
            return status, []
        listed = conditions_with(held, "Suspended", "True", "JobSuspended", "Job suspended", now)
        return {**status, "conditions": listed}, [Note("Normal", "Suspended", "Job suspended")]
    if not stands(job, "Suspended"):
        return status, []
    listed = conditions_with(held, "Suspended", "False", "JobResumed", "Job resumed", now)
    moment = timestamp(now.timestamp())
    return {**status, "conditions": listed, "startTime": moment}, [Note("Normal", "Resumed", "Job resumed")]


CONTROLLERS = (
    Controller(
        "job-controller",
        JOBS,
        (PODS,),
        plan,
        related=related,
        words=Words("Created pod: {child}", "Deleted pod: {child}"),
    ),
)
