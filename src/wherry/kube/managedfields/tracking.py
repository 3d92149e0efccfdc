"""Who owns which field after a write: updates take what they change, applies say what they want and hear of conflicts.

Called by `wherry.kube.embedded.owners`.  Source: "Server-Side Apply"; structured-merge-diff, package merge, and the
API server's field managers.  Invariant: pure; a field is in a writer's set exactly while its last word on it holds.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from wherry.kube.managedfields import lastapplied
from wherry.kube.managedfields.entries import (
    Entry,
    MalformedEntries,
    Managed,
    UnknownOperation,
    Writer,
    applier,
    capped,
    decoded,
    encoded,
    is_reset,
    updater,
)
from wherry.kube.managedfields.sets import FieldSet, difference, intersection, paths, union
from wherry.kube.managedfields.shapes import Shape
from wherry.kube.managedfields.walks import Changes, compare, fields_of, merge, settled, with_parents, without

Object = dict[str, Any]
BEFORE_FIRST_APPLY = "before-first-apply"

# What the server says of an object, and what names it: nobody owns it.
_NOBODYS: FieldSet = {
    "f:apiVersion": {},
    "f:kind": {},
    "f:metadata": {
        ".": {},
        **{
            f"f:{name}": {}
            for name in (
                "name",
                "namespace",
                "creationTimestamp",
                "selfLink",
                "uid",
                "clusterName",
                "generation",
                "managedFields",
                "resourceVersion",
            )
        },
    },
}


class Scene(NamedTuple):
    """What a write is about: the kind's shape and version, and what of an object the request can change.

    serves: whether a version is one of the kind's; entries of others are dropped.
    """

    shape: Shape
    api_version: str
    subresource: str
    has_status: bool
    serves: Callable[[str], bool]

    def reach(self, fields: FieldSet) -> FieldSet:
        """What of a set this request can change: the status only through its subresource, and nothing else there."""
        if not self.has_status or self.subresource not in ("", "status"):
            return difference(fields, _NOBODYS)
        wanted = self.subresource == "status"
        return difference({key: value for key, value in fields.items() if (key == "f:status") is wanted}, _NOBODYS)


class ApplyConflict(NamedTuple):
    """A field that another writer owns with another value."""

    writer: Writer
    path: tuple[str, ...]


class Conflicts(Exception):
    """An apply that was not forced would take fields from others."""

    def __init__(self, found: list[ApplyConflict]) -> None:
        super().__init__(f"{len(found)} conflicts")
        self.found = found


class Applied(NamedTuple):
    """What an apply makes: the object without its managedFields, and these."""

    object: Object
    managed: Managed


def known(entries: Any) -> Managed:
    """The owners that an object as it is stored has; none when they cannot be read."""
    try:
        return decoded(entries)
    except MalformedEntries:
        return {}


def _recorded(obj: Object | None) -> Managed:
    return {} if obj is None else known(obj["metadata"].get("managedFields"))


def updated(scene: Scene, old: Object | None, new: Object, said: Any, manager: str, now: str) -> list[dict[str, Any]]:
    """The managedFields after a create, replace or patch that leads from `old` to `new`.

    said: what the request gave as managedFields; they are taken when they can be read and are not empty.  Raises
    UnknownOperation.
    """
    managed = _recorded(old)
    if not scene.subresource and said is not None:
        managed = {} if is_reset(said) else _given(said) or managed
    if old is not None and not managed:
        return []  # nobody has been recorded: that begins with the first apply
    return encoded(_update(scene, managed, old or {}, new, manager, now))


def _given(said: Any) -> Managed:
    try:
        return decoded(said)
    except UnknownOperation:
        raise
    except MalformedEntries:
        return {}


def _update(scene: Scene, managed: Managed, old: Object, new: Object, manager: str, now: str) -> Managed:
    changes = compare(scene.shape, _bare(old), _bare(new))
    writer = updater(manager, scene.api_version, scene.subresource)
    after = _yielded(scene, managed, changes, None)
    taken = scene.reach(changes.changed)
    former = managed.get(writer)
    fields = union(after[writer].fields if writer in after else {}, taken)
    if fields:
        same = former is not None and former.fields == fields
        after[writer] = Entry(scene.api_version, fields, former.time if same and former is not None else now)
    return capped(after)


def _bare(obj: Object) -> Object:
    """The object without its managedFields."""
    metadata = obj.get("metadata")
    if not isinstance(metadata, dict) or "managedFields" not in metadata:
        return obj
    return {**obj, "metadata": {key: value for key, value in metadata.items() if key != "managedFields"}}  # pyright: ignore[reportUnknownVariableType]


def _yielded(scene: Scene, managed: Managed, changes: Changes, but: Writer | None) -> Managed:
    """What is left to the writers, `but` one, after the changes of another."""
    lost = union(changes.changed, changes.removed)
    after: Managed = {}
    for writer, entry in managed.items():
        if writer != but and not scene.serves(entry.api_version):
            continue
        left = entry if writer == but else entry._replace(fields=difference(entry.fields, lost))
        if left.fields:
            after[writer] = left
    return after


def applied(scene: Scene, live: Object | None, config: Object, manager: str, *, force: bool, now: str) -> Applied:
    """What applying `config` makes of `live`.

    Raises FieldErrors for a config that does not fit the kind, Conflicts for one that needs fields of others.
    """
    fields = fields_of(scene.shape, config)
    managed = _recorded(live)
    before = _bare(live or {})
    if live is not None and not managed:
        managed = _update(scene, {}, {}, before, BEFORE_FIRST_APPLY, now)
    writer = applier(manager, scene.subresource)
    last = managed.get(writer)
    owned = scene.reach(fields)
    claimed = {**managed, writer: Entry(scene.api_version, owned, now)}
    merged = merge(scene.shape, before, config)
    if last is not None and last.fields:
        merged = _pruned(scene, merged, {**claimed, writer: Entry(scene.api_version, fields, now)}, last.fields)
    obj: Object = settled(scene.shape, merged)
    every = compare(scene.shape, before, obj)
    changes = Changes(scene.reach(every.changed), scene.reach(every.removed))
    conflicts = _conflicts(claimed, changes.changed, writer)
    if conflicts and not force:
        conflicts = _unexpected(scene, before, conflicts, manager)
    if conflicts and not force:
        raise Conflicts(conflicts)
    after = _yielded(scene, claimed, changes, writer)
    if last is not None and last.fields == owned and not changes.changed and not changes.removed:
        after[writer] = last  # nothing has happened: it keeps its time
    if manager == lastapplied.MANAGER:
        obj = lastapplied.noted(obj, config)
    return Applied(obj, after)


def _unexpected(scene: Scene, live: Object, found: list[ApplyConflict], manager: str) -> list[ApplyConflict]:
    """The conflicts without those that end the time in which kubectl applied on the client's side."""
    if manager != lastapplied.MANAGER:
        return found
    allowed = lastapplied.allowed(scene.shape, scene.api_version, live)
    return [conflict for conflict in found if conflict.path not in allowed]


def _conflicts(claimed: Managed, changed: FieldSet, writer: Writer) -> list[ApplyConflict]:
    found: list[ApplyConflict] = []
    for other in sorted(claimed):
        if other != writer:
            found += [ApplyConflict(other, path) for path in paths(intersection(claimed[other].fields, changed))]
    return found


def _pruned(scene: Scene, merged: Object, claimed: Managed, last: FieldSet) -> Object:
    """The object without what the writer applied before, does not apply now, and nobody else claims."""
    shape = scene.shape
    every = with_parents(shape, fields_of(shape, merged, lenient=True))
    once = with_parents(shape, last)
    owned: FieldSet = {}
    for entry in claimed.values():
        owned = union(owned, entry.fields)
    pruned: Object = without(shape, merged, once) or {}
    left = with_parents(shape, fields_of(shape, pruned, lenient=True))
    gone = difference(every, union(left, with_parents(shape, owned)))
    pruned = without(shape, merged, gone) or {}
    left = with_parents(shape, fields_of(shape, pruned, lenient=True))
    return without(shape, merged, intersection(difference(every, left), once)) or {}
