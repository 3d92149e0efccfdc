"""The entries of metadata.managedFields: who wrote what, and how, read and written.

Called by `wherry.kube.managedfields.tracking`.  Source: meta/v1 ManagedFieldsEntry.  Invariant: one writer has one
entry; entries that do not parse are never taken for others.
"""

from __future__ import annotations

import json
from typing import Any, NamedTuple, cast

from wherry.kube.managedfields.sets import FieldSet, parsed, printed, union
from wherry.kube.times import seconds_of

APPLY, UPDATE = "Apply", "Update"
_FIELDS_V1 = "FieldsV1"
_MOST_UPDATERS = 10  # of more, the oldest become one
_ANCIENT = "ancient-changes"


class MalformedEntries(ValueError):
    """A client's managedFields do not make sense."""


class UnknownOperation(MalformedEntries):
    """A client's entries can be read, but one is of an operation that there is not; the text is that."""


class Writer(NamedTuple):
    """Who writes: entries of the same writer are one.  Of appliers the version is not asked for."""

    manager: str
    operation: str
    api_version: str
    subresource: str

    def __str__(self) -> str:
        """How a conflict names the writer."""
        text = json.dumps(self.manager, ensure_ascii=False)
        if self.subresource:
            text = f'{text} with subresource "{self.subresource}"'
        return f"{text} using {self.api_version}" if self.operation == UPDATE else text


class Entry(NamedTuple):
    """What a writer owns."""

    api_version: str
    fields: FieldSet
    time: str  # of the last change; may be empty


Managed = dict[Writer, Entry]


def applier(manager: str, subresource: str) -> Writer:
    """Who applies."""
    return Writer(manager, APPLY, "", subresource)


def updater(manager: str, api_version: str, subresource: str) -> Writer:
    """Who creates, replaces or patches."""
    return Writer(manager or "unknown", UPDATE, api_version, subresource)


def decoded(entries: Any) -> Managed:
    """The entries by their writers; raises MalformedEntries."""
    if entries is None:
        return {}
    if not isinstance(entries, list):
        raise MalformedEntries("managedFields is a list")
    found: Managed = {}
    for index, entry in enumerate(cast("list[Any]", entries)):
        if not isinstance(entry, dict):
            raise MalformedEntries(f"entry {index} is not an object")
        writer, owned = _decoded(cast("dict[str, Any]", entry), index)
        found[writer] = owned
    return found


def _decoded(entry: dict[str, Any], index: int) -> tuple[Writer, Entry]:
    said = {key: entry.get(key) or "" for key in ("manager", "operation", "apiVersion", "subresource", "time")}
    if any(not isinstance(value, str) for value in said.values()):
        raise MalformedEntries(f"a field of entry {index} is no text")
    if not said["apiVersion"]:
        raise MalformedEntries("apiVersion must not be empty")
    if entry.get("fieldsType") != _FIELDS_V1:
        raise MalformedEntries(f"invalid fieldsType {entry.get('fieldsType')!r} in managed fields entry {index}")
    try:
        fields = parsed(entry.get("fieldsV1") or {})
    except ValueError as problem:
        raise MalformedEntries(str(problem)) from problem
    if said["operation"] not in (APPLY, UPDATE):
        raise UnknownOperation(said["operation"])
    version = "" if said["operation"] == APPLY else said["apiVersion"]
    writer = Writer(said["manager"], said["operation"], version, said["subresource"])
    return writer, Entry(said["apiVersion"], fields, said["time"])


def is_reset(entries: Any) -> bool:
    """Whether a client asks to forget all owners: an empty list, or one of an empty entry."""
    return entries in ([], [{}])


def encoded(managed: Managed) -> list[dict[str, Any]]:
    """The entries as they are stored: appliers first, then by time."""
    return [_encoded(writer, managed[writer]) for writer in sorted(managed, key=lambda each: _rank(each, managed))]


def _rank(writer: Writer, managed: Managed) -> tuple[Any, ...]:
    return (writer.operation, _seconds(managed[writer]), writer.manager, writer.api_version, writer.subresource)


def _seconds(entry: Entry) -> float:
    try:
        return seconds_of(entry.time) if entry.time else 0.0
    except ValueError:
        return 0.0


def _encoded(writer: Writer, entry: Entry) -> dict[str, Any]:
    made: dict[str, Any] = {
        "manager": writer.manager,
        "operation": writer.operation,
        "apiVersion": entry.api_version,
        "time": entry.time,
        "fieldsType": _FIELDS_V1,
        "fieldsV1": printed(entry.fields),
        "subresource": writer.subresource,
    }
    return {key: value for key, value in made.items() if value != "" or key == "manager"}


def capped(managed: Managed) -> Managed:
    """The entries with the oldest of too many updaters put together, by version."""
    updaters = [writer for writer in managed if writer.operation == UPDATE]
    surplus = len(updaters) - _MOST_UPDATERS
    if surplus <= 0:
        return managed
    found = dict(managed)
    first: dict[str, Writer] = {}
    for writer in sorted(updaters, key=lambda each: (_seconds(managed[each]), each)):
        bucket = Writer(_ANCIENT, UPDATE, writer.api_version, "")
        if first.setdefault(writer.api_version, writer) == writer or writer == bucket:
            continue
        if bucket not in found:
            found[bucket] = found.pop(first[writer.api_version])
        mine, old = found.pop(writer), found[bucket]
        found[bucket] = Entry(old.api_version, union(old.fields, mine.fields), mine.time)
        surplus -= 1
        if not surplus:
            break
    return found
