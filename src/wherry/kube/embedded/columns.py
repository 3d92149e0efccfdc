"""What users see of objects in a table: columns, and the words in them that kubectl's users know.

Rows of the registry name their kind's columns (`Kind.columns`); rendered by `wherry.kube.wire.tables`.  Invariant: a
cell is computed from the object and the time alone, and never fails, whatever the object holds.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, cast

from wherry.kube.protocol import Object
from wherry.kube.times import seconds_of

Cell = Callable[[Object, float], Any]


class Column(NamedTuple):
    """One column: `priority` 0 is always shown, above only with `-o wide`; `cell` takes the object and the time."""

    name: str
    cell: Cell
    type: str = "string"
    format: str = ""
    priority: int = 0


def text(*path: str, default: str = "") -> Cell:
    """The text at a path of the object; `default` when there is none."""

    def cell(obj: Object, now: float) -> str:
        value = at(obj, *path)
        return default if value in (None, "") else str(value)

    return cell


def at(obj: Any, *path: str) -> Any:
    """What lies at a path of mappings, None when nothing does."""
    for key in path:
        if not isinstance(obj, dict):
            return None
        obj = cast("dict[str, Any]", obj).get(key)
    return obj


def labels_cell(*path: str) -> Cell:
    """The map of texts at a path as a selector is written: a=b,c=d."""

    def cell(obj: Object, now: float) -> str:
        found = at(obj, *path)
        pairs = cast("dict[str, Any]", found).items() if isinstance(found, dict) else ()
        return ",".join(f"{key}={value}" for key, value in sorted(pairs)) or "<none>"

    return cell


def count(*keys: str) -> Cell:
    """How many entries some top-level fields have together."""

    def cell(obj: Object, now: float) -> int:
        values = [obj.get(key) for key in keys]
        return sum(len(cast("dict[str, Any]", value)) for value in values if isinstance(value, dict))

    return cell


def list_length(*path: str) -> Cell:
    """How many items the list at a path has."""

    def cell(obj: Object, now: float) -> int:
        found = at(obj, *path)
        return len(cast("list[Any]", found)) if isinstance(found, list) else 0

    return cell


def age(obj: Object, now: float) -> str:
    """How long ago the object was made."""
    return since(at(obj, "metadata", "creationTimestamp"), now)


def since(moment: Any, now: float) -> str:
    """The time since a timestamp, in the words of `duration`."""
    if not isinstance(moment, str):
        return "<unknown>"
    try:
        return duration(max(0.0, now - seconds_of(moment)))
    except ValueError:
        return "<unknown>"


def duration(seconds: float) -> str:
    """A time in at most two units and three digits, as kubectl shows ages: 119s, 9m59s, 179m, 7h59m, 47h, 7d23h."""
    left = int(seconds)
    minutes, hours, days, years = left // 60, left // 3600, left // 86400, left // (86400 * 365)
    if left < 120:
        return f"{left}s"
    if minutes < 10:
        return _two(minutes, "m", left % 60, "s")
    if minutes < 180:
        return f"{minutes}m"
    if hours < 8:
        return _two(hours, "h", minutes % 60, "m")
    if hours < 48:
        return f"{hours}h"
    if days < 8:
        return _two(days, "d", hours % 24, "h")
    if years < 2:
        return f"{days}d"
    return _two(years, "y", days % 365, "d") if years < 8 else f"{years}y"


def _two(big: int, big_unit: str, small: int, small_unit: str) -> str:
    return f"{big}{big_unit}{small}{small_unit}" if small else f"{big}{big_unit}"


NAME = Column("Name", text("metadata", "name"), format="name")
AGE = Column("Age", age)
DEFAULT = (NAME, AGE)
