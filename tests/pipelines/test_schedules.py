"""Schedules: six-field cron with seconds first, intervals, time zones, what is due, what is refused."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wherry.errors import UsageError
from wherry.pipelines.schedules import Schedule, check, due, following

START = datetime(2026, 1, 1, tzinfo=UTC).timestamp()
HOUR, DAY = 3600.0, 86_400.0


def at(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("schedule", "after", "expected"),
    [
        (Schedule(cron="0 0 * * * *"), "2026-01-01T00:00:00", "2026-01-01T01:00:00"),
        (Schedule(cron="30 0 * * * *"), "2026-01-01T00:00:00", "2026-01-01T00:00:30"),
        (Schedule(cron="0 30 9 ? * MON-FRI"), "2026-01-02T10:00:00", "2026-01-05T09:30:00"),
        (Schedule(cron="@daily"), "2026-01-01T00:00:00", "2026-01-02T00:00:00"),
        (Schedule(cron="@every 1h30m"), "2026-01-01T00:00:00", "2026-01-01T01:30:00"),
        (Schedule(cron="0 0 0 29 2 *"), "2026-01-01T00:00:00", "2028-02-29T00:00:00"),
        (Schedule(cron="CRON_TZ=Europe/Berlin 0 0 12 * * *"), "2026-01-01T00:00:00", "2026-01-01T11:00:00"),
        (Schedule(cron="TZ=Europe/Berlin 0 0 12 * * *"), "2026-07-01T00:00:00", "2026-07-01T10:00:00"),
        (Schedule(interval_s=90), "2026-01-01T00:00:00", "2026-01-01T00:01:30"),
        (Schedule(interval_s=90, start=at("2026-02-01T00:00:00")), "2026-01-01T00:00:00", "2026-02-01T00:01:30"),
    ],
)
def test_the_next_time(schedule: Schedule, after: str, expected: str) -> None:
    check(schedule)
    assert following(schedule, at(after)) == at(expected)


def test_a_clock_that_is_set_forward_in_spring_passes_the_hour_that_is_not_there() -> None:
    schedule = Schedule(cron="CRON_TZ=Europe/Berlin 0 30 2 * * *")
    assert following(schedule, at("2026-03-28T12:00:00")) == at("2026-03-30T00:30:00")  # the 29th has no 02:30


def test_nothing_comes_after_the_end() -> None:
    schedule = Schedule(interval_s=60, end=START + 100)
    assert following(schedule, START) == START + 60
    assert following(schedule, START + 60) is None
    assert due(schedule, START, START + 1000, catch_up=True, room=10) == ((START + 60,), START + 60)
    assert due(schedule, START, START + 1000, catch_up=False, room=10) == ((START + 60,), START + 60)


def test_what_was_missed_is_caught_up_with_as_far_as_there_is_room() -> None:
    schedule = Schedule(cron="0 0 * * * *")
    now = START + 5.5 * HOUR
    assert due(schedule, START, now, catch_up=True, room=2) == ((START + HOUR, START + 2 * HOUR), START + 2 * HOUR)
    assert len(due(schedule, START, now, catch_up=True, room=10).times) == 5
    assert due(schedule, START, now, catch_up=False, room=2) == ((START + 5 * HOUR,), START + 5 * HOUR)
    assert due(schedule, START, now, catch_up=False, room=0) == ((), START)


def test_a_clock_that_goes_back_fires_nothing_again() -> None:
    schedule = Schedule(interval_s=60)
    assert due(schedule, START + 600, START + 60, catch_up=True, room=9) == ((), START + 600)
    assert due(schedule, START + 600, START + 60, catch_up=False, room=9) == ((), START + 600)


@settings(max_examples=60, deadline=None)
@given(
    schedule=st.sampled_from(
        [
            Schedule(cron="0 */20 * * * *"),
            Schedule(cron="CRON_TZ=America/New_York 0 0 1-3 * * *"),
            Schedule(interval_s=1234),
            Schedule(cron="@every 47m", end=START + 2 * DAY),
        ]
    ),
    looks=st.lists(st.floats(0, 3 * DAY), min_size=1, max_size=30),
)
def test_whenever_somebody_looks_each_time_is_due_once(schedule: Schedule, looks: list[float]) -> None:
    seen: list[float] = []
    until = START
    for moment in sorted(looks):
        while (found := due(schedule, until, START + moment, catch_up=True, room=3)).times:
            seen += found.times
            until = found.until
    wanted: list[float] = []
    time = following(schedule, START)
    while time is not None and time <= START + max(looks):
        wanted.append(time)
        time = following(schedule, time)
    assert seen == wanted


@pytest.mark.parametrize(
    ("schedule", "message"),
    [
        (Schedule(), "either a cron_schedule"),
        (Schedule(cron="0 0 * * * *", interval_s=1), "either a cron_schedule"),
        (Schedule(interval_s=-1), "at least 1"),
        (Schedule(interval_s=1, start=2.0, end=1.0), "before its start_time"),
        (Schedule(cron="0 9 * * 1"), r"six are needed: seconds come first\n  write '0 0 9 \* \* 1'"),
        (Schedule(cron="* * * *"), "six fields are needed"),
        (Schedule(cron="0 61 * * * *"), "bad minute"),
        (Schedule(cron="0 0 0 31 2 *"), "bad day-of-month"),
        (Schedule(cron="@sometimes"), "known names are"),
        (Schedule(cron="@every soon"), "90s or 1h30m"),
        (Schedule(cron="@every 0s"), "90s or 1h30m"),
        (Schedule(cron="CRON_TZ=Moon/Base 0 0 0 * * *"), "no time zone"),
        (Schedule(cron="CRON_TZ=../../etc/passwd 0 0 0 * * *"), "no time zone"),
    ],
)
def test_what_is_no_schedule_is_refused_with_the_fix(schedule: Schedule, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        check(schedule)
