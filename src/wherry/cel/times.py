"""Timestamps and durations: text, arithmetic, and their parts in a time zone.

Part of the standard library (cel-spec, "Timestamp and duration").  Invariant: a timestamp lies in the years 1 to
9999, a duration within about 292 years, each exact to the nanosecond.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from importlib import import_module
from typing import Any

from wherry.cel.errors import NoValue
from wherry.cel.functions import Overload, overload
from wherry.cel.values import Duration, Timestamp, in_range, shown

SECOND = 10**9
_ZONES = "zoneinfo"  # loaded when an expression first names a zone
_MOMENT = re.compile(r"(\d{4})-(\d\d)-(\d\d)[Tt](\d\d):(\d\d):(\d\d)(?:\.(\d{1,9})\d*)?([Zz]|[+-]\d\d:\d\d)", re.ASCII)
_PART = re.compile(r"(\d+\.?\d*|\.\d+)(h|ms|m|s|us|µs|μs|ns)", re.ASCII)
_OFFSET = re.compile(r"([+-]?)(\d\d):(\d\d)", re.ASCII)
_UNIT = {"h": 3600 * SECOND, "m": 60 * SECOND, "s": SECOND, "ms": 10**6, "us": 1000, "µs": 1000, "μs": 1000, "ns": 1}
_FIRST, _LAST = -62135596800 * SECOND, 253402300800 * SECOND
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def timestamp(ns: int) -> Timestamp:
    """A moment; raises NoValue outside the years 1 to 9999."""
    if not _FIRST <= ns < _LAST:
        raise NoValue("timestamp overflow")
    return Timestamp(ns)


def duration(ns: int) -> Duration:
    """A span; raises NoValue beyond 64 bits of nanoseconds."""
    if not -(2**63) <= ns < 2**63:
        raise NoValue("duration overflow")
    return Duration(ns)


def read_timestamp(text: str) -> Timestamp:
    """RFC 3339; raises NoValue."""
    found = _MOMENT.fullmatch(text)
    try:
        if found is None:
            raise ValueError
        year, month, day, hour, minute, second = map(int, found.groups()[:6])
        moment = datetime(year, month, day, hour, minute, second, tzinfo=UTC)
        offset = 0 if found[8] in "Zz" else _offset_minutes(found[8])
    except ValueError:
        raise NoValue(f"invalid timestamp: {shown(text)}") from None
    since = moment - _EPOCH
    return timestamp((since.days * 86400 + since.seconds - offset * 60) * SECOND + int((found[7] or "").ljust(9, "0")))


def _offset_minutes(text: str) -> int:
    found = _OFFSET.fullmatch(text)
    if found is None or int(found[3]) > 59 or int(found[2]) > 23:
        raise ValueError
    minutes = int(found[2]) * 60 + int(found[3])
    return -minutes if found[1] == "-" else minutes


def read_duration(text: str) -> Duration:
    """Go's form: 1h30m, 1.5s, -2us; raises NoValue."""
    body = text[1:] if text[:1] in ("+", "-") else text
    total, at = 0, 0
    while at < len(body) and (found := _PART.match(body, at)) is not None and len(found[1]) < 40:
        whole, _, part = found[1].partition(".")
        unit = _UNIT[found[2]]
        total += int(whole or "0") * unit + (int(part) * unit // 10 ** len(part) if part else 0)
        at = found.end()
    if body != "0" and (at < len(body) or not body):
        raise NoValue(f"invalid duration: {shown(text)}")
    return duration(-total if text.startswith("-") else total)


def timestamp_text(value: Timestamp) -> str:
    """RFC 3339 in UTC, with as many digits as are needed."""
    seconds, rest = divmod(value.ns, SECOND)
    moment = _EPOCH + timedelta(seconds=seconds)
    return f"{moment.year:04}-{moment:%m-%dT%H:%M:%S}{_fraction(rest)}Z"


def duration_text(value: Duration) -> str:
    """Seconds: 5400s, 1.5s."""
    seconds, rest = divmod(abs(value.ns), SECOND)
    return f"{'-' if value.ns < 0 else ''}{seconds}{_fraction(rest)}s"


def _fraction(ns: int) -> str:
    return f".{ns:09}".rstrip("0") if ns else ""


def _zone(name: str) -> tzinfo:
    """A zone by its IANA name, or an offset such as -08:00."""
    if name in ("", "UTC"):
        return UTC
    try:
        if _OFFSET.fullmatch(name):
            return timezone(timedelta(minutes=_offset_minutes(name)))
        return import_module(_ZONES).ZoneInfo(name)
    except (ValueError, KeyError, OSError):
        raise NoValue(f"unknown time zone {shown(name)}") from None


def _part(take: Callable[[datetime], int]) -> Callable[..., int]:
    def part(value: Timestamp, zone: str = "") -> int:
        moment = _EPOCH + timedelta(seconds=value.ns // SECOND)
        try:
            return take(moment.astimezone(_zone(zone)))
        except OverflowError:
            raise NoValue("timestamp overflow") from None

    return part


_PARTS: dict[str, Callable[[datetime], int]] = {
    "getFullYear": lambda moment: moment.year,
    "getMonth": lambda moment: moment.month - 1,
    "getDate": lambda moment: moment.day,
    "getDayOfMonth": lambda moment: moment.day - 1,
    "getDayOfWeek": lambda moment: moment.isoweekday() % 7,
    "getDayOfYear": lambda moment: moment.timetuple().tm_yday - 1,
    "getHours": lambda moment: moment.hour,
    "getMinutes": lambda moment: moment.minute,
    "getSeconds": lambda moment: moment.second,
}
_WHOLE = {"getHours": 3600 * SECOND, "getMinutes": 60 * SECOND, "getSeconds": SECOND}


def _towards_zero(ns: int, unit: int) -> int:
    return ns // unit if ns >= 0 else -(-ns // unit)


def _milliseconds(value: Timestamp, zone: str = "") -> int:
    _zone(zone)
    return value.ns % SECOND // 10**6


def _spans(unit: int) -> Callable[[Duration], int]:
    return lambda value: _towards_zero(value.ns, unit)


def _same(value: Any) -> Any:
    return value


TIMES: list[Overload] = [
    overload("timestamp(string): timestamp", read_timestamp),
    overload("timestamp(int): timestamp", lambda seconds: timestamp(seconds * SECOND)),
    overload("timestamp(timestamp): timestamp", _same),
    overload("duration(string): duration", read_duration),
    overload("duration(int): duration", lambda seconds: duration(seconds * SECOND)),
    overload("duration(duration): duration", _same),
    overload("int(timestamp): int", lambda value: value.ns // SECOND),
    overload("int(duration): int", lambda value: _towards_zero(value.ns, SECOND)),
    overload("string(timestamp): string", timestamp_text),
    overload("string(duration): string", duration_text),
    overload("_+_(timestamp, duration): timestamp", lambda a, b: timestamp(a.ns + b.ns)),
    overload("_+_(duration, timestamp): timestamp", lambda a, b: timestamp(a.ns + b.ns)),
    overload("_+_(duration, duration): duration", lambda a, b: duration(a.ns + b.ns)),
    overload("_-_(timestamp, timestamp): duration", lambda a, b: duration(a.ns - b.ns)),
    overload("_-_(timestamp, duration): timestamp", lambda a, b: timestamp(a.ns - b.ns)),
    overload("_-_(duration, duration): duration", lambda a, b: duration(a.ns - b.ns)),
    overload("-_(duration): duration", lambda a: duration(-a.ns)),
    *(overload(f".{name}(timestamp): int", _part(take)) for name, take in _PARTS.items()),
    *(overload(f".{name}(timestamp, string): int", _part(take)) for name, take in _PARTS.items()),
    overload(".getMilliseconds(timestamp): int", _milliseconds),
    overload(".getMilliseconds(timestamp, string): int", _milliseconds),
    *(overload(f".{name}(duration): int", _spans(unit)) for name, unit in _WHOLE.items()),
    overload(".getMilliseconds(duration): int", lambda value: in_range(_towards_zero(value.ns, 10**6))),
]
