"""Cron schedules as Kubernetes reads them: five fields, names, steps, and words such as @hourly.

Called by the rules of CronJobs and by their controller.  Source: the documentation of CronJobs (schedule syntax) and of
the parser behind it.  Invariant: a schedule is refused here or it can be computed; times are whole seconds of its zone,
and one that a change of clocks leaves out does not come.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, tzinfo
from functools import lru_cache
from typing import NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cronsim import CronSim, CronSimError

_MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
_DAYS = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"]
_WORDS = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
_EVERY = "@every "
_DURATION = re.compile(r"(?:[0-9]{1,9}(?:\.[0-9]{1,9})?(?:h|ms|m|s))+", re.ASCII)
_PART = re.compile(r"([0-9.]+)(h|ms|m|s)", re.ASCII)
_SECONDS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
_LONGEST = 1000  # characters of a schedule


class _Field(NamedTuple):
    low: int
    high: int
    names: dict[str, int]


_FIELDS = (
    _Field(0, 59, {}),
    _Field(0, 23, {}),
    _Field(1, 31, {}),
    _Field(1, 12, {name: number for number, name in enumerate(_MONTHS, 1)}),
    _Field(0, 6, {name: number for number, name in enumerate(_DAYS)}),
)


class Malformed(ValueError):
    """It is no schedule; the text says why."""


class Schedule(NamedTuple):
    """When something is due: by a table of times, or every so often."""

    fields: str = ""  # minute, hour, day, month, day of the week: `*` or all values
    every_s: int = 0
    never: bool = False  # a date that there is in no year

    def after(self, now: datetime, since: datetime) -> datetime | None:
        """The first time after `now`, in its zone, of those after `since`; None when there is none for years."""
        if self.every_s:
            count = max(0, int((now - since).total_seconds() // self.every_s)) + 1
            return since.replace(microsecond=0) + timedelta(seconds=count * self.every_s)
        return None if self.never else next(_times(self.fields, now, reverse=False), None)

    def last(self, now: datetime, since: datetime) -> datetime | None:
        """The last time that is not after `now` but after `since`."""
        if self.every_s:
            count = int((now - since).total_seconds() // self.every_s)
            return since.replace(microsecond=0) + timedelta(seconds=count * self.every_s) if count > 0 else None
        if self.never:
            return None
        found = next(_times(self.fields, now.replace(microsecond=0) + timedelta(seconds=1), reverse=True), None)
        return found if found is not None and found > since else None

    def passed(self, since: datetime, now: datetime, most: int) -> int:
        """How many times there are after `since` and not after `now`, counted up to `most`."""
        if self.every_s:
            return min(most, max(0, int((now - since).total_seconds() // self.every_s)))
        found = 0
        for moment in () if self.never else _times(self.fields, since, reverse=False):
            if moment > now or found == most:
                break
            found += 1
        return found


def _times(fields: str, moment: datetime, *, reverse: bool) -> Iterator[datetime]:
    """With a field for seconds, so that times are stepped through as they come, whatever clocks do."""
    return iter(CronSim(f"0 {fields}", moment, reverse=reverse))


@lru_cache(maxsize=256)
def parse(text: str) -> Schedule:
    """The schedule in a text; raises Malformed."""
    if len(text) > _LONGEST:
        raise Malformed(f"a schedule has at most {_LONGEST} characters")
    if text.startswith(_EVERY):
        return Schedule(every_s=_every(text.removeprefix(_EVERY)))
    if text.startswith("@"):
        if text not in _WORDS:
            raise Malformed(f"unrecognized descriptor: {text}")
        text = _WORDS[text]
    parts = text.split()
    if len(parts) != len(_FIELDS):
        raise Malformed(f"expected exactly 5 fields, found {len(parts)}: [{' '.join(parts)}]")
    fields = " ".join(_expanded(part, field) for part, field in zip(parts, _FIELDS, strict=True))
    try:
        CronSim(f"0 {fields}", datetime(2000, 1, 1, tzinfo=UTC))
    except CronSimError:
        return Schedule(fields, never=True)
    return Schedule(fields)


def _expanded(text: str, field: _Field) -> str:
    """The values of one field, or `*`: with that the other field of days decides alone."""
    values: set[int] = set()
    for part in text.split(","):
        found = _range(part, field)
        if found is None:
            return "*"
        values.update(found)
    return ",".join(map(str, sorted(values)))


def _range(text: str, field: _Field) -> range | None:
    """The values of `*`, `a`, `a-b`, each perhaps with `/step`; None for all of them."""
    span, *steps = text.split("/")
    bounds = span.split("-")
    if len(bounds) > 2:
        raise Malformed(f"too many hyphens: {text}")
    if len(steps) > 1:
        raise Malformed(f"too many slashes: {text}")
    step = _integer(steps[0]) if steps else 1
    if step == 0:
        raise Malformed(f"step of range should be a positive number: {text}")
    if bounds[0] in ("*", "?"):
        return range(field.low, field.high + 1, step) if step > 1 else None
    low = _value(bounds[0], field)
    high = _value(bounds[1], field) if len(bounds) > 1 else field.high if steps else low
    if low < field.low:
        raise Malformed(f"beginning of range ({low}) below minimum ({field.low}): {text}")
    if high > field.high:
        raise Malformed(f"end of range ({high}) above maximum ({field.high}): {text}")
    if low > high:
        raise Malformed(f"beginning of range ({low}) beyond end of range ({high}): {text}")
    return range(low, high + 1, step)


def _value(text: str, field: _Field) -> int:
    named = field.names.get(text.lower())
    return _integer(text) if named is None else named


def _integer(text: str) -> int:
    if not (text.isascii() and text.isdigit()) or len(text) > 9:
        raise Malformed(f'failed to parse int from {text}: strconv.Atoi: parsing "{text}": invalid syntax')
    return int(text)


def _every(text: str) -> int:
    if not _DURATION.fullmatch(text):
        raise Malformed(f'failed to parse duration @every {text}: time: invalid duration "{text}"')
    seconds = sum(float(number) * _SECONDS[unit] for number, unit in _PART.findall(text))
    return max(1, int(seconds))


def zone(name: str) -> tzinfo:
    """A time zone by its name of the IANA database; raises Malformed."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise Malformed(f"unknown time zone {name}") from None
