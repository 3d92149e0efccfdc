"""Sets of fields in the form of FieldsV1, and their algebra.

Called by the other modules of this package.  Source: "Server-Side Apply", managedFields; structured-merge-diff's path
elements (`f:` a field, `k:` an item by its keys, `v:` an item by its value, `i:` one by its index).  A set is what
FieldsV1 is in JSON: element -> node, where `{}` is a member, `{...}` holds members below, and a `.` in it says that the
element itself is one too.  Invariants: no operation changes its arguments; a node without members is never kept.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, cast

FieldSet = dict[str, Any]

SELF = "."
DEEPEST = 100  # as deep as objects may be; what a client says of fields below is none of an object's
_ORDER = {SELF: 0, "f": 1, "k": 2, "v": 3, "i": 4}


class MalformedFields(ValueError):
    """The value is no FieldsV1."""


def node(member: bool, below: FieldSet) -> FieldSet | None:
    """The node of an element: None when neither it nor anything below is in the set."""
    if not below:
        return {} if member else None
    return {SELF: {}, **below} if member else below


def is_member(of: FieldSet) -> bool:
    """Whether the element of this node is itself in the set."""
    return not of or SELF in of


def below(of: FieldSet) -> FieldSet:
    """What the set has below the element of this node."""
    return {key: value for key, value in of.items() if key != SELF} if SELF in of else of


def union(left: FieldSet, right: FieldSet) -> FieldSet:
    """What is in one of the two."""
    if not left or not right:
        return left or right
    found = dict(left)
    for key, value in right.items():
        if key not in found:
            found[key] = value
        elif key != SELF:
            mine = found[key]
            joined = node(is_member(mine) or is_member(value), union(below(mine), below(value)))
            found[key] = {} if joined is None else joined
    return found


def intersection(left: FieldSet, right: FieldSet) -> FieldSet:
    """What is in both."""
    found: FieldSet = {}
    for key, mine in left.items():
        theirs = right.get(key)
        if theirs is not None:
            both = is_member(mine) and is_member(theirs)
            _put(found, key, both, intersection(below(mine), below(theirs)))
    return found


def difference(left: FieldSet, right: FieldSet) -> FieldSet:
    """What is in the left one alone; an element goes without what is below it, and stays without what is above it."""
    if not right:
        return left
    found: FieldSet = {}
    for key, mine in left.items():
        theirs = right.get(key)
        if theirs is None:
            found[key] = mine
        else:
            alone = is_member(mine) and not is_member(theirs)
            _put(found, key, alone, difference(below(mine), below(theirs)))
    return found


def _put(found: FieldSet, key: str, member: bool, under: FieldSet) -> None:
    made = node(member, under)
    if made is not None:
        found[key] = made


def paths(of: FieldSet) -> Iterator[tuple[str, ...]]:
    """The paths of all members, an element before what is below it, in the order in which they are printed."""
    for key in _sorted(of):
        under = of[key]
        if is_member(under):
            yield (key,)
        for path in paths(below(under)):
            yield (key, *path)


def path_text(path: tuple[str, ...]) -> str:
    """How messages name a path: `.spec.containers[name="main"].image`."""
    return "".join(map(_element_text, path))


def _element_text(element: str) -> str:
    kind, _, said = element.partition(":")
    if kind == "f":
        return f".{said}"
    if kind == "k":
        keys = cast("dict[str, Any]", json.loads(said))
        return f"[{','.join(f'{name}={_compact(value)}' for name, value in keys.items())}]"
    return f"[={said}]" if kind == "v" else f"[{said}]"


def key_element(keys: dict[str, Any]) -> str:
    """The element of a list's item that its keys tell from the others."""
    return f"k:{_compact(dict(sorted(keys.items())))}"


def value_element(value: Any) -> str:
    """The element of a set's item."""
    return f"v:{_compact(value)}"


def _compact(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def printed(of: FieldSet) -> FieldSet:
    """The set in the order in which a server prints it."""
    return {key: printed(of[key]) for key in _sorted(of)}


def _sorted(of: FieldSet) -> list[str]:
    return sorted(of, key=lambda key: (_ORDER[key.partition(":")[0]], key))


def parsed(value: Any, depth: int = 0) -> FieldSet:
    """The set that a client says, its elements as we spell them; raises MalformedFields.

    Elements of kinds that we do not know are left out, as a server does.
    """
    if not isinstance(value, dict) or depth > DEEPEST:
        raise MalformedFields("fieldsV1 is an object of objects")
    found: FieldSet = {}
    for key, under in cast("dict[str, Any]", value).items():
        if key == SELF:
            if depth:  # nobody owns an object as a whole
                found[SELF] = {}
            continue
        element = _element(key)
        if element is not None:
            inner = parsed(under, depth + 1)
            found[element] = {} if inner.keys() == {SELF} else inner
    return found


def _element(text: str) -> str | None:
    kind, colon, said = text.partition(":")
    if not colon or not kind:
        raise MalformedFields(f"missing colon: {text}")
    try:
        if kind == "f":
            return text
        if kind == "k":
            keys: Any = json.loads(said)
            if not isinstance(keys, dict):
                raise MalformedFields(f"the keys of an item are an object: {text}")
            return key_element(cast("dict[str, Any]", keys))
        if kind == "v":
            return value_element(json.loads(said))
        return f"i:{int(said)}" if kind == "i" else None
    except (ValueError, RecursionError) as problem:
        raise MalformedFields(f"{text}: {problem}") from problem
