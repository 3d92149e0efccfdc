"""Events as `events.k8s.io/v1` shows them: another form of the core group's events, not a second kind.

A row of the registry over the table of `namespaces.EVENT`.  Source: "Kubernetes API Reference", Event v1
events.k8s.io.  Invariant: an event is stored in the core form, whoever made it, and both groups show all of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from wherry.kube.embedded.causes import invalid_value, named, required
from wherry.kube.embedded.columns import Cell, Column
from wherry.kube.embedded.kinds import Kind
from wherry.kube.embedded.namespaces import EVENT
from wherry.kube.errors import Cause
from wherry.kube.names import qualified_name_error
from wherry.kube.protocol import Object
from wherry.kube.resources import EVENTS, NEW_EVENTS

# What each form calls the same field: the core group's, and the other's.
_NAMES = (
    ("involvedObject", "regarding"),
    ("message", "note"),
    ("reportingComponent", "reportingController"),
    ("source", "deprecatedSource"),
    ("firstTimestamp", "deprecatedFirstTimestamp"),
    ("lastTimestamp", "deprecatedLastTimestamp"),
    ("count", "deprecatedCount"),
)
_TO_NEW = dict(_NAMES)
_TO_CORE = {new: core for core, new in _NAMES}
_DEPRECATED = [new for _, new in _NAMES if new.startswith("deprecated")]
_LONGEST, _LONGEST_NOTE = 128, 1024


def _renamed(event: Object, names: Mapping[str, str], api_version: str) -> Object:
    renamed = {names.get(key, key): value for key, value in event.items()}
    return {**renamed, "apiVersion": api_version} if "apiVersion" in event else renamed


class _Form:
    """Between what is stored and what is shown."""

    def show(self, obj: Object) -> Object:
        """A stored event in the newer form."""
        return _renamed(obj, _TO_NEW, NEW_EVENTS.api_version)

    def stored(self, obj: Object) -> Object:
        """An event of the newer form as it is stored."""
        return _renamed(obj, _TO_CORE, EVENTS.api_version)


_FORM = _Form()


def _validate(event: Object) -> list[Cause]:
    causes = [
        cause._replace(field=_in_new(cause.field))
        for cause in EVENT.validate({"type": "", **_FORM.stored(event)})
        if cause.field != "type"
    ]
    return [*causes, *_own_rules(event)]


def _in_new(field: str) -> str:
    head, dot, rest = field.partition(".")
    return f"{_TO_NEW.get(head, head)}{dot}{rest}"


def _own_rules(event: Object) -> Iterator[Cause]:
    """What the newer form asks for beyond the core one, of an event that was made in it."""
    if any(event.get(field) for field in _DEPRECATED):
        return  # one of the core group that is changed here
    if not event.get("eventTime"):
        yield required("eventTime")
    yield from named("reportingController", event.get("reportingController"), qualified_name_error)
    for field in ("reportingInstance", "action", "reason"):
        yield from named(field, event.get(field), _too_long)
    if len(str(event.get("note") or "")) > _LONGEST_NOTE:
        yield invalid_value("message", "", f"can have at most {_LONGEST_NOTE} characters")
    if event.get("type") not in ("Normal", "Warning"):
        yield invalid_value("type", "", f"has invalid value: {event.get('type') or ''}")


def _too_long(text: str) -> str:
    return f"can have at most {_LONGEST} characters" if len(text) > _LONGEST else ""


def _cell(core: Cell) -> Cell:
    return lambda obj, now: core(_FORM.stored(obj), now)


def _columns() -> tuple[Column, ...]:
    return tuple(column._replace(cell=_cell(column.cell)) for column in EVENT.columns)


def _fields() -> dict[str, tuple[str, ...]]:
    fields: dict[str, tuple[str, ...]] = {}
    for name, (head, *rest) in EVENT.fields.items():
        if head != "source":
            fields[_in_new(name)] = (_TO_NEW.get(head, head), *rest)
    return fields


def _row() -> Kind:
    made: dict[str, Any] = {"short_names": EVENT.short_names, "columns": _columns(), "fields": _fields()}
    return Kind(NEW_EVENTS, **made, validate=_validate, form=_FORM, ttl_s=EVENT.ttl_s, table=EVENT.table)


KINDS = (_row(),)
