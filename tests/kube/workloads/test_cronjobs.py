"""CronJobs: schedules as Kubernetes reads them, which Job is due, what is kept."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from tests.kube.workloads.simulated import NS, on_cluster
from tests.kube.workloads.test_jobs import manifest

from wherry.kube.embedded.controllers.cronjobs import MANUAL, SCHEDULED, plan
from wherry.kube.embedded.cron import Malformed, parse
from wherry.kube.embedded.registry import REGISTRY
from wherry.kube.errors import Invalid
from wherry.kube.resources import CRONJOBS, JOBS
from wherry.kube.times import timestamp
from wherry.testing import until

NOW = datetime(2026, 1, 1, 12, 0, 30, tzinfo=UTC)
UID = "cron"


def cronjob(schedule="*/5 * * * *", *, last=None, status=None, made="2026-01-01T11:58:00Z", **spec):
    template = {"metadata": {"labels": {"made": "by-cron"}}, "spec": manifest()["spec"]}
    obj = {
        "apiVersion": "batch/v1",
        "kind": "CronJob",
        "metadata": {"name": "tick", "namespace": NS, "uid": UID, "creationTimestamp": made},
        "spec": {"schedule": schedule, "jobTemplate": template, **spec},
    }
    REGISTRY.of_resource(CRONJOBS).default(obj)
    return {**obj, "status": {**({"lastScheduleTime": last} if last else {}), **(status or {})}}


def job(name, ended=None, *, begun="2026-01-01T11:00:00Z", manual=False):
    conditions = [{"type": ended, "status": "True"}] if ended else []
    done = {"completionTime": begun} if ended == "Complete" else {}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": name,
            "namespace": NS,
            "uid": name,
            "creationTimestamp": begun,
            "annotations": {MANUAL: "manual"} if manual else {},
            "ownerReferences": [{"uid": UID, "controller": True}],
        },
        "status": {"conditions": conditions, "startTime": begun, **done},
    }


def names(objects):
    return [item["metadata"]["name"] for item in objects]


def minute(moment):
    return f"tick-{int(moment.timestamp()) // 60}"


NOON = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)

TIMES = [
    ("0 9 * * *", "2026-01-01T12:00", "2026-01-02T09:00"),
    ("*/15 * * * *", "2026-01-01T12:00", "2026-01-01T12:15"),
    ("5/20 * * * *", "2026-01-01T12:10", "2026-01-01T12:25"),
    ("0-10/5,30 * * * ?", "2026-01-01T12:10", "2026-01-01T12:30"),
    ("0 0 1 JAN,jul *", "2026-01-01T12:00", "2026-07-01T00:00"),
    ("0 8 * * mon-FRI", "2026-01-02T09:00", "2026-01-05T08:00"),
    ("@hourly", "2026-01-01T12:00", "2026-01-01T13:00"),
    ("@daily", "2026-01-01T12:00", "2026-01-02T00:00"),
    ("@weekly", "2026-01-01T12:00", "2026-01-04T00:00"),
    ("@yearly", "2026-01-01T12:00", "2027-01-01T00:00"),
    ("@every 1h30m", "2026-01-01T12:00", "2026-01-01T13:30"),
    # Both days named: either will do; a star, also a part of one, leaves it to the other.
    ("0 0 13 * 5", "2026-01-01T12:00", "2026-01-02T00:00"),
    ("0 0 13 * *", "2026-01-01T12:00", "2026-01-13T00:00"),
    ("0 0 */2 * 1", "2026-01-01T12:00", "2026-01-03T00:00"),
    ("0 0 29 2 *", "2026-01-01T12:00", "2028-02-29T00:00"),
]


@pytest.mark.parametrize(("text", "now", "following"), TIMES)
def test_when_a_schedule_is_due(text, now, following):
    moment = datetime.fromisoformat(now).replace(tzinfo=UTC)
    assert parse(text).after(moment, moment) == datetime.fromisoformat(following).replace(tzinfo=UTC)


def test_a_date_that_never_comes():
    schedule = parse("0 0 31 2 *")
    assert schedule.after(NOW, NOW) is schedule.last(NOW, NOW) is None
    assert schedule.passed(NOW - timedelta(days=900), NOW, 5) == 0


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "expected exactly 5 fields, found 0"),
        ("* * * *", "expected exactly 5 fields, found 4: [* * * *]"),
        ("0 0 * * * *", "expected exactly 5 fields, found 6"),
        ("60 * * * *", "end of range (60) above maximum (59): 60"),
        ("* * 0 * *", "beginning of range (0) below minimum (1): 0"),
        ("* * * * 7", "end of range (7) above maximum (6): 7"),
        ("5-3 * * * *", "beginning of range (5) beyond end of range (3): 5-3"),
        ("*/0 * * * *", "step of range should be a positive number: */0"),
        ("1-2-3 * * * *", "too many hyphens: 1-2-3"),
        ("1/2/3 * * * *", "too many slashes: 1/2/3"),
        ("x * * * *", "failed to parse int from x"),
        ("* * L * *", "failed to parse int from L"),
        ("@never", "unrecognized descriptor: @never"),
        ("@every soon", "failed to parse duration @every soon"),
        ("1," * 1000 + "1 * * * *", "a schedule has at most 1000 characters"),
    ],
)
def test_what_is_no_schedule(text, why):
    with pytest.raises(Malformed) as raised:
        parse(text)
    assert why in str(raised.value)


def test_clocks_change():
    """Where clocks go forward a time may not come; where they go back it may come twice."""
    zone = ZoneInfo("Europe/Berlin")
    daily = parse("30 2 * * *")
    before = datetime(2026, 3, 28, 12, 0, tzinfo=zone)
    assert daily.after(before, before) == datetime(2026, 3, 30, 2, 30, tzinfo=zone)
    autumn = datetime(2026, 10, 24, 12, 0, tzinfo=zone)
    first = daily.after(autumn, autumn)
    assert first.astimezone(UTC) == datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
    assert daily.after(first, first).astimezone(UTC) == datetime(2026, 10, 25, 1, 30, tzinfo=UTC)


def test_a_due_time_makes_the_job_that_is_named_by_it():
    planned = plan(cronjob(), [], NOW)
    (made,) = planned.create
    assert made["metadata"] == {
        "name": minute(NOON),
        "labels": {"made": "by-cron"},
        "annotations": {SCHEDULED: "2026-01-01T12:00:00Z"},
    }
    assert planned.status["lastScheduleTime"] == "2026-01-01T12:00:00Z"
    assert planned.requeue == timedelta(seconds=270.1)


NOTHING = [
    (cronjob(made="2026-01-01T12:00:10Z"), []),
    (cronjob(last="2026-01-01T12:00:00Z"), []),
    (cronjob(suspend=True), []),
    (cronjob(startingDeadlineSeconds=20), []),
    (cronjob(), [job(minute(NOON))]),
    (cronjob(concurrencyPolicy="Forbid"), [job("other")]),
]


@pytest.mark.parametrize(("obj", "jobs"), NOTHING)
def test_when_nothing_is_due(obj, jobs):
    assert plan(obj, jobs, NOW).create == ()


def test_what_runs_is_let_run_forbids_or_is_replaced():
    jobs = [job("other"), job("by-hand", manual=True), job("done", "Complete")]
    assert names(plan(cronjob(), jobs, NOW).create) == [minute(NOON)]
    forbidden = plan(cronjob(concurrencyPolicy="Forbid"), jobs, NOW)
    assert ([note.reason for note in forbidden.events], list(forbidden.create)) == (["JobAlreadyActive"], [])
    assert "lastScheduleTime" not in forbidden.status  # it is made up for when the other one has ended
    replaced = plan(cronjob(concurrencyPolicy="Replace"), jobs, NOW)
    assert (names(replaced.delete), names(replaced.create)) == (["other"], [minute(NOON)])


def test_of_missed_times_the_last_is_made_up_for():
    planned = plan(cronjob("* * * * *", made="2025-12-31T00:00:00Z"), [], NOW)
    assert names(planned.create) == [minute(NOON)]
    assert [note.reason for note in planned.events] == ["TooManyMissedTimes"]
    few = plan(cronjob("* * * * *", made="2025-12-31T00:00:00Z", startingDeadlineSeconds=600), [], NOW)
    assert (names(few.create), list(few.events)) == ([minute(NOON)], [])


def test_the_time_zone_counts():
    planned = plan(cronjob("0 13 * * *", timeZone="Europe/Berlin"), [], NOW)
    (made,) = planned.create
    assert made["metadata"]["annotations"][SCHEDULED] == "2026-01-01T13:00:00+01:00"
    assert planned.requeue == timedelta(hours=24, seconds=-30 + 0.1)


def test_every_so_often_counts_from_the_last_time():
    obj = cronjob("@every 90s", last="2026-01-01T11:58:30Z")
    planned = plan(obj, [], NOW)
    assert planned.status["lastScheduleTime"] == "2026-01-01T12:00:00Z"
    assert planned.requeue == timedelta(seconds=60.1)
    assert plan({**obj, "status": planned.status}, [], NOW).create == ()


def test_what_has_ended_is_kept_to_its_limits():
    jobs = [job(f"ok{n}", "Complete", begun=f"2026-01-01T0{n}:00:00Z") for n in range(5)]
    jobs += [job(f"bad{n}", "Failed", begun=f"2026-01-01T0{n}:00:00Z") for n in range(3)]
    obj = cronjob(suspend=True, successfulJobsHistoryLimit=2, failedJobsHistoryLimit=0)
    assert sorted(names(plan(obj, jobs, NOW).delete)) == ["bad0", "bad1", "bad2", "ok0", "ok1", "ok2"]


def test_the_status_names_what_runs_and_tells_what_has_ended():
    listed = [{"uid": name, "name": name} for name in ("a", "b", "c")]
    jobs = [job("a"), job("b", "Complete"), job("by-hand", manual=True)]
    planned = plan(cronjob(suspend=True, status={"active": listed}), jobs, NOW)
    assert [item["name"] for item in planned.status["active"]] == ["a"]
    assert planned.status["lastSuccessfulTime"] == "2026-01-01T11:00:00Z"
    told = [(note.reason, note.message) for note in planned.events]
    assert told == [
        ("SawCompletedJob", "Saw completed job: b, condition: Complete"),
        ("MissingJob", "Active job went missing: c"),
    ]


def test_a_cronjob_runs_its_jobs(world):
    async def body(found):
        obj = cronjob("* * * * *")
        del obj["status"], obj["metadata"]["uid"], obj["metadata"]["creationTimestamp"]
        await found.kube.create(obj)
        for count in (1, 2):
            world.clock.advance(61)
            # A change wakes the controller, whose timers are those of the real clock.
            await found.kube.patch(CRONJOBS, "tick", NS, {"metadata": {"labels": {"round": str(count)}}})

            async def made(count=count):
                return len((await found.kube.list(JOBS, NS)).items) == count

            await until(made)

        async def remembered():
            status = await found.status(CRONJOBS, "tick")
            return status.get("lastScheduleTime") == timestamp(world.clock.time() // 60 * 60)

        await until(remembered)

    on_cluster(world, body)


WRONG = [
    ({"schedule": "often"}, 'spec.schedule: Invalid value: "often": expected exactly 5 fields, found 1: [often]'),
    ({"schedule": ""}, "spec.schedule: Required value"),
    ({"schedule": "TZ=UTC * * * * *"}, "cannot use TZ or CRON_TZ in schedule, use timeZone field instead"),
    ({"timeZone": ""}, 'spec.timeZone: Invalid value: "": timeZone must be nil or non-empty string'),
    ({"timeZone": "Mars/Base"}, 'spec.timeZone: Invalid value: "Mars/Base": unknown time zone Mars/Base'),
    ({"timeZone": "../../etc/passwd"}, "unknown time zone"),
    ({"concurrencyPolicy": "Odd"}, 'Unsupported value: "Odd": supported values: "Allow", "Forbid", "Replace"'),
    ({"startingDeadlineSeconds": -1}, "spec.startingDeadlineSeconds: Invalid value: -1: must be greater than or equal"),
    ({"jobTemplate": {}}, "spec.jobTemplate.spec: Required value"),
    (
        {"jobTemplate": {"spec": {**manifest()["spec"], "completions": -1}}},
        "spec.jobTemplate.spec.completions: Invalid value: -1",
    ),
    (
        {"jobTemplate": {"spec": {**manifest()["spec"], "selector": {"matchLabels": {"a": "b"}}}}},
        "spec.jobTemplate.spec.selector: Invalid value",
    ),
]


@pytest.mark.parametrize(("change", "message"), WRONG)
def test_what_is_wrong_is_refused_with_its_field(world, change, message):
    async def body(kube):
        obj = cronjob()
        obj = {**obj, "metadata": {"name": "tick", "namespace": NS}, "spec": {**obj["spec"], **change}}
        with pytest.raises(Invalid) as raised:
            await kube.create(obj)
        assert message in str(raised.value)

    world.run(body)


def test_a_name_leaves_room_for_the_names_of_jobs(world):
    async def body(kube):
        with pytest.raises(Invalid, match="must be no more than 52 characters"):
            await kube.create({**cronjob(), "metadata": {"name": "x" * 53, "namespace": NS}})

    world.run(body)
