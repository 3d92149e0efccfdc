"""CronJobs: makes the Job that is due, and removes old ones.

Loaded by `starting` with the first CronJob.  Source: the documentation of CronJobs.  Invariant: a time makes at most
one Job, for the Job is named by it; of times that were missed only the last one is made up for.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, tzinfo
from typing import NamedTuple

from wherry.kube.controller import Controller, Note, Plan, Words, controller_of
from wherry.kube.embedded.columns import at
from wherry.kube.embedded.controllers.job_status import stands
from wherry.kube.embedded.controllers.pods import TEMPLATE_FIELDS
from wherry.kube.embedded.cron import Malformed, Schedule, parse, zone
from wherry.kube.protocol import Object
from wherry.kube.resources import CRONJOBS, JOBS
from wherry.kube.times import seconds_of, timestamp

SCHEDULED = "batch.kubernetes.io/cronjob-scheduled-timestamp"
MANUAL = "cronjob.kubernetes.io/instantiate"
_MOST_MISSED = 100  # beyond this it is told: a clock, or a long stop
_EARLY = timedelta(milliseconds=100)  # look a little late rather than a little early


class _Start(NamedTuple):
    """What a due time leads to: a Job, Jobs to remove for it, the time to remember, what is told."""

    create: Sequence[Object] = ()
    delete: Sequence[Object] = ()
    last: datetime | None = None
    events: Sequence[Note] = ()


def plan(obj: Object, children: Sequence[Object], now: datetime) -> Plan:
    """Says what runs and what has run, removes what is too old, makes what is due, and looks again at the next time."""
    jobs = [job for job in children if controller_of(job) == obj["metadata"]["uid"]]
    running = [job for job in jobs if not _ended(job)]
    status, told = _status(obj, jobs, running)
    old = _too_old(obj, jobs)
    spec = obj["spec"]
    if spec.get("suspend"):
        return Plan(delete=old, events=told, status=status)
    try:
        schedule, place = parse(spec["schedule"]), zone(spec["timeZone"]) if spec.get("timeZone") else UTC
    except Malformed as problem:  # a zone that this machine no longer has
        return Plan(delete=old, events=[*told, Note("Warning", "UnknownTimeZone", str(problem))], status=status)
    here, since = now.astimezone(place), _since(obj, now, place)
    start = _start(obj, jobs, schedule, here, since)
    if start.last is not None:
        status["lastScheduleTime"] = timestamp(start.last.timestamp())
    following = schedule.after(here, start.last or since)
    return Plan(
        create=start.create,
        delete=[*old, *start.delete],
        events=[*told, *start.events],
        status=status,
        requeue=max(following - now, timedelta(0)) + _EARLY if following else None,
    )


def _ended(job: Object) -> bool:
    return stands(job, "Complete") or stands(job, "Failed")


def _status(obj: Object, jobs: list[Object], running: list[Object]) -> tuple[Object, list[Note]]:
    """The status with the Jobs that run, and what is told of those that have ended since."""
    before: Object = {**(obj.get("status") or {})}
    listed: list[Object] = before.pop("active", None) or []
    active = [_reference(job) for job in running if at(job, "metadata", "annotations", MANUAL) != "manual"]
    found = {job["metadata"]["uid"]: job for job in jobs}
    told: list[Note] = []
    for reference in listed:
        job, name = found.get(reference["uid"]), reference["name"]
        if job is None:
            told.append(Note("Normal", "MissingJob", f"Active job went missing: {name}"))
        elif _ended(job):
            word = "Complete" if stands(job, "Complete") else "Failed"
            told.append(Note("Normal", "SawCompletedJob", f"Saw completed job: {name}, condition: {word}"))
    ends = [at(job, "status", "completionTime") for job in jobs if stands(job, "Complete")]
    latest = max([end for end in (*ends, before.get("lastSuccessfulTime")) if end], key=seconds_of, default=None)
    if latest:
        before["lastSuccessfulTime"] = latest
    return {**before, "active": active} if active else before, told


def _reference(job: Object) -> Object:
    metadata = job["metadata"]
    return {
        "apiVersion": job["apiVersion"],
        "kind": job["kind"],
        "name": metadata["name"],
        "namespace": metadata["namespace"],
        "uid": metadata["uid"],
    }


def _since(obj: Object, now: datetime, place: tzinfo) -> datetime:
    """After which time something may be due: that of the last Job, or the beginning; not before the deadline."""
    last = at(obj, "status", "lastScheduleTime") or obj["metadata"]["creationTimestamp"]
    found = datetime.fromtimestamp(seconds_of(last), place)
    deadline_s = obj["spec"].get("startingDeadlineSeconds")
    if deadline_s is None:
        return found
    return max(found, now.astimezone(place) - timedelta(seconds=deadline_s))


def _start(obj: Object, jobs: list[Object], schedule: Schedule, now: datetime, since: datetime) -> _Start:
    due = schedule.last(now, since)
    if due is None:
        return _Start()
    events: list[Note] = []
    if schedule.passed(since, now, _MOST_MISSED + 1) > _MOST_MISSED:
        message = (
            "too many missed start times. Set or decrease .spec.startingDeadlineSeconds or check clock skew. Only the"
            " last of them is made up for"
        )
        events.append(Note("Warning", "TooManyMissedTimes", message))
    made = _job(obj, due)
    if any(job["metadata"]["name"] == made["metadata"]["name"] for job in jobs):
        return _Start(last=due)
    policy = obj["spec"].get("concurrencyPolicy")
    running = [job for job in jobs if not _ended(job) and at(job, "metadata", "annotations", MANUAL) != "manual"]
    if running and policy == "Forbid":
        message = "Not starting job because prior execution is running and concurrency policy is Forbid"
        return _Start(events=[*events, Note("Normal", "JobAlreadyActive", message)])
    return _Start([made], running if policy == "Replace" else (), due, events)


def _job(obj: Object, due: datetime) -> Object:
    """The Job of a time, named by its minute."""
    template: Object = obj["spec"]["jobTemplate"]
    said: Object = template.get("metadata") or {}
    metadata = {key: said[key] for key in TEMPLATE_FIELDS if said.get(key)}
    stamp = due.isoformat().replace("+00:00", "Z")
    metadata["annotations"] = {**(metadata.get("annotations") or {}), SCHEDULED: stamp}
    metadata["name"] = f"{obj['metadata']['name']}-{int(due.timestamp()) // 60}"
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": template["spec"]}


def _too_old(obj: Object, jobs: list[Object]) -> list[Object]:
    """Ended Jobs beyond those that are kept to be looked at."""
    found: list[Object] = []
    for word, key in (("Complete", "successfulJobsHistoryLimit"), ("Failed", "failedJobsHistoryLimit")):
        limit = obj["spec"].get(key)
        ended = sorted((job for job in jobs if stands(job, word)), key=_begun)
        found += ended[: len(ended) - limit] if limit is not None and len(ended) > limit else []
    return found


def _begun(job: Object) -> tuple[int, str]:
    text = at(job, "status", "startTime") or job["metadata"]["creationTimestamp"]
    return seconds_of(text), job["metadata"]["name"]


CONTROLLERS = (
    Controller(
        "cronjob-controller",
        CRONJOBS,
        (JOBS,),
        plan,
        words=Words("Created job {child}", "Deleted job {child}"),
    ),
)
