"""When a recurring run fires: schedules by cron and by interval, and what is due of one at a moment.

Called by the scheduler and by the KFP API, which refuses what is not a schedule.  Pure.  Source: KFP's Trigger message,
whose cron has six fields, seconds first (robfig/cron v1).  Invariant: the times of a schedule do not depend on when
anybody looks.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import UTC, datetime, tzinfo
from functools import lru_cache
from typing import NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec
from cronsim import CronSim, CronSimError

from wherry.errors import UsageError

_DESCRIPTORS = {
    "@yearly": "0 0 0 1 1 *",
    "@annually": "0 0 0 1 1 *",
    "@monthly": "0 0 0 1 * *",
    "@weekly": "0 0 0 * * 0",
    "@daily": "0 0 0 * * *",
    "@midnight": "0 0 0 * * *",
    "@hourly": "0 0 * * * *",
}
_UNITS_S = {"h": 3600.0, "m": 60.0, "s": 1.0}
_ZONES = ("CRON_TZ=", "TZ=")
_FAR = datetime(9000, 1, 1, tzinfo=UTC).timestamp()


class Schedule(msgspec.Struct, frozen=True, omit_defaults=True):
    """Either `cron` or `interval_s`; `start` and `end` bound the times (epoch seconds)."""

    cron: str = ""
    interval_s: int = 0
    start: float | None = None
    end: float | None = None


class Due(NamedTuple):
    """Times that are to have a run now, and up to which time the schedule is dealt with then."""

    times: tuple[float, ...]
    until: float


def check(schedule: Schedule) -> None:
    """Raises UsageError for what is not a schedule."""
    if bool(schedule.cron) == bool(schedule.interval_s):
        raise UsageError(
            "a trigger is either a cron_schedule with a cron or a periodic_schedule with an interval_second"
        )
    if schedule.interval_s < 0:
        raise UsageError(f"interval_second is {schedule.interval_s}, but must be at least 1")
    if schedule.start is not None and schedule.end is not None and schedule.end < schedule.start:
        raise UsageError("the trigger's end_time lies before its start_time")
    if schedule.cron:
        _cron(schedule.cron)


def first_base(schedule: Schedule, created_at: float) -> float:
    """From when on a new schedule has times: its start, else its creation."""
    return schedule.start if schedule.start is not None else created_at


def following(schedule: Schedule, after: float) -> float | None:
    """The first time of the schedule later than `after`; None when there is no more."""
    if schedule.start is not None:
        after = max(after, schedule.start)
    interval_s = _interval_s(schedule)
    found = after + interval_s if interval_s else _cron(schedule.cron).step(after)
    return None if found is None or (schedule.end is not None and found > schedule.end) else found


def due(schedule: Schedule, fired_until: float, now: float, *, catch_up: bool, room: int) -> Due:
    """What is to be done of a schedule of which all up to `fired_until` is dealt with.

    With `catch_up` every time that has come has its run, the oldest first, as many as there is `room` for; without it
    only the latest has, and those before it are passed over.
    """
    if room <= 0:
        return Due((), fired_until)
    if not catch_up:
        latest = _latest(schedule, fired_until, now)
        return Due((), fired_until) if latest is None else Due((latest,), latest)
    times: list[float] = []
    for time in _times(schedule, fired_until, now):
        times.append(time)
        if len(times) == room:
            break
    return Due(tuple(times), times[-1] if times else fired_until)


def _times(schedule: Schedule, after: float, now: float) -> Iterator[float]:
    time = following(schedule, after)
    while time is not None and time <= now:
        yield time
        time = following(schedule, time)


def _interval_s(schedule: Schedule) -> float:
    """The time between two fires, where it is always the same."""
    return float(schedule.interval_s) or _cron(schedule.cron).every_s


def _latest(schedule: Schedule, after: float, now: float) -> float | None:
    """The last time that has come, if it is later than `after`."""
    horizon = now if schedule.end is None else min(now, schedule.end)
    base = after if schedule.start is None else max(after, schedule.start)
    interval_s = _interval_s(schedule)
    if interval_s:
        count = math.floor((horizon - base) / interval_s)
        return base + count * interval_s if count >= 1 else None
    found = _cron(schedule.cron).step(math.floor(horizon) + 1, reverse=True)
    return found if found is not None and found > base else None


@lru_cache(maxsize=256)
def _cron(text: str) -> _Cron:
    return _Cron.read(text)


class _Cron(NamedTuple):
    """A cron expression in its time zone, or a constant delay (`@every 1h30m`)."""

    fields: str
    zone: tzinfo
    every_s: float = 0.0

    @classmethod
    def read(cls, text: str) -> _Cron:
        """Raises UsageError that says what to write."""
        zone: tzinfo = UTC
        words = text.split()
        for prefix in _ZONES:
            if words and words[0].startswith(prefix):
                zone, words = _zone(words[0].removeprefix(prefix)), words[1:]
        if words and words[0] == "@every":
            return cls("", zone, _duration_s(text, words[1:]))
        if words and words[0].startswith("@"):
            fields = _DESCRIPTORS.get(words[0]) if len(words) == 1 else None
            if fields is None:
                raise UsageError(f"cron {text!r}: known names are {', '.join([*_DESCRIPTORS, '@every 1h'])}")
            return cls(fields, zone)
        if len(words) == 5:
            raise UsageError(
                f"cron {text!r} has five fields, but six are needed: seconds come first",
                hint=f"write {' '.join(['0', *words])!r} for second 0 of each of these minutes",
            )
        if len(words) != 6:
            raise UsageError(f"cron {text!r}: six fields are needed: second minute hour day-of-month month day-of-week")
        fields = " ".join(words).replace("?", "*")
        try:
            CronSim(fields, datetime(2024, 1, 1, tzinfo=zone))
        except CronSimError as error:
            raise UsageError(f"cron {text!r}: {str(error)[:1].lower()}{str(error)[1:]}") from None
        return cls(fields, zone)

    def step(self, moment: float, *, reverse: bool = False) -> float | None:
        """The first time later than the moment, or the last one before it; None when none comes for decades."""
        if not 0 <= moment < _FAR:
            return None
        try:
            return next(CronSim(self.fields, datetime.fromtimestamp(moment, self.zone), reverse=reverse)).timestamp()
        except StopIteration:
            return None


def _zone(name: str) -> tzinfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise UsageError(
            f"{name!r} is no time zone of this machine", hint="for example CRON_TZ=Europe/Berlin"
        ) from None


def _duration_s(text: str, words: list[str]) -> float:
    total, number = 0.0, ""
    for letter in "".join(words):
        if letter in _UNITS_S and number:
            total += float(number) * _UNITS_S[letter]
            number = ""
        elif letter.isascii() and letter.isdigit():
            number += letter
        else:
            number = "x"
            break
    if number or total < 1 or len(words) != 1:
        raise UsageError(f"cron {text!r}: after @every comes a time such as 90s or 1h30m")
    return total
