"""Objects beside their shape: the set of their fields, what differs between two, two merged, and fields taken out.

Called by `wherry.kube.managedfields.tracking`.  Source: structured-merge-diff, package typed.  Invariant: no argument
is changed; results share what they did not change with the arguments.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, NamedTuple, cast

from wherry.kube.managedfields.sets import FieldSet, below, is_member, key_element, node, path_text, value_element
from wherry.kube.managedfields.shapes import ANY, Shape
from wherry.kube.patches import same

_LEAF: FieldSet = {}
_ABSENT: Any = object()
Path = tuple[str, ...]


class FieldErrors(ValueError):
    """An object does not fit its schema; the text names the fields."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__(problems[0] if len(problems) == 1 else "\n".join(["errors:", *(f"  {p}" for p in problems)]))


class Changes(NamedTuple):
    """What differs between two objects: what is new or another, and what is gone."""

    changed: FieldSet
    removed: FieldSet


def fields_of(shape: Shape, obj: dict[str, Any], *, lenient: bool = False) -> FieldSet:
    """The fields of an object, those that hold nothing but others left out.

    Raises FieldErrors for what does not fit the shape, unless `lenient`.
    """
    problems: list[str] = []
    found = _fields(shape, obj, (), problems)
    if problems and not lenient:
        raise FieldErrors(problems)
    return found or {}


def _fields(shape: Shape, value: Any, path: Path, problems: list[str]) -> FieldSet | None:
    """The node of a value: None for one that is no member and has none below."""
    if isinstance(value, dict) and shape.form in ("map", "any"):
        return _fields_of_map(shape, cast("dict[str, Any]", value), path, problems)
    if isinstance(value, list) and shape.form in ("list", "any"):
        return _fields_of_list(shape, cast("list[Any]", value), path, problems)
    if value is not None and not _fits(shape, value):
        problems.append(f"{path_text(path)}: expected {_wanted(shape)}, got {_shown(value)}")
    if value is None and shape.form in ("map", "list") and not shape.atomic:
        return None
    return _LEAF


def _fields_of_map(shape: Shape, value: dict[str, Any], path: Path, problems: list[str]) -> FieldSet | None:
    found: FieldSet = {}
    for key, item in value.items():
        child, element = shape.child(key), f"f:{key}"
        if child is None:
            problems.append(f"{path_text((*path, element))}: field not declared in schema")
            continue
        under = _fields(child, item, (*path, element), problems)
        member = item is None or item == {} or not shape.declared(key)
        made = _LEAF if under is _LEAF else node(member, {} if under is None else under)
        if made is not None:
            found[element] = made
    return _LEAF if shape.atomic else found or None


def _fields_of_list(shape: Shape, value: list[Any], path: Path, problems: list[str]) -> FieldSet | None:
    if shape.atomic or shape.form == "any":
        inner = shape.item
        for index, item in enumerate(value) if inner is not ANY else ():
            _fields(inner, item, (*path, f"i:{index}"), problems)
        return _LEAF
    found: FieldSet = {}
    for index, item in enumerate(value):
        try:
            element = element_of(shape, item)
        except ValueError as problem:
            problems.append(f"{path_text(path)}: element {index}: {problem}")
            continue
        if element in found:
            problems.append(f"{path_text(path)}: duplicate entries for key {path_text((element,))}")
            found[element] = _LEAF
            continue
        under = _fields(shape.item, item, (*path, element), problems)
        made = node(True, {} if under is None or under is _LEAF else under)
        found[element] = _LEAF if made is None else made
    return found or None


def element_of(shape: Shape, item: Any) -> str:
    """The path element of an item of a list; raises ValueError for one that cannot be told from the others."""
    if not shape.keys:
        if item is None or isinstance(item, dict | list):
            word = "an explicit null" if item is None else "a map type" if isinstance(item, dict) else "a list"
            raise ValueError(f"associative list without keys has an element that's {word}")
        return value_element(item)
    if not isinstance(item, dict):
        word = "a null element" if item is None else "non-map elements"
        raise ValueError(f"associative list with keys may not have {word}")
    values = cast("dict[str, Any]", item)
    keys = {key: values.get(key, shape.defaults.get(key)) for key in shape.keys}
    missing = [key for key, value in keys.items() if value is None]
    if len(missing) == len(keys):
        why = f'omits key field "{missing[0]}" (and doesn\'t have default value)'
        raise ValueError(f"associative list with keys has an element that {why}")
    return key_element({key: value for key, value in keys.items() if value is not None})


def _fits(shape: Shape, value: Any) -> bool:
    match shape.form:
        case "any":
            return True
        case "string":
            return isinstance(value, str)
        case "boolean":
            return isinstance(value, bool)
        case "numeric":
            return isinstance(value, int | float) and not isinstance(value, bool)
        case "untyped":
            return not isinstance(value, dict | list)
        case _:
            return False


def _wanted(shape: Shape) -> str:
    return {"numeric": "numeric (int or float)", "untyped": "a scalar"}.get(shape.form, shape.form)


def _shown(value: Any) -> str:
    return f"&value.valueUnstructured{{Value:{json.dumps(value)[:200]}}}"


def compare(shape: Shape, old: dict[str, Any], new: dict[str, Any]) -> Changes:
    """What differs between two objects of a kind."""
    changed, removed = _compare(shape, old, new)
    return Changes(changed or {}, removed or {})


_Nodes = tuple[FieldSet | None, FieldSet | None]


def _compare(shape: Shape, old: Any, new: Any) -> _Nodes:
    if old is new:
        return None, None
    if old is _ABSENT:
        return _whole(shape, new), None
    if new is _ABSENT:
        return None, _whole(shape, old)
    if not shape.atomic:
        if shape.form in ("map", "any") and _maps(old, new):
            return _compare_maps(shape, old or {}, new or {})
        if shape.form == "list" and _lists(old, new):
            return _compare_lists(shape, old or [], new or [])
    if old == new and same(old, new):
        return None, None
    return _LEAF, None


def _maps(old: Any, new: Any) -> bool:
    """Whether both are maps; nothing at all is one without members."""
    return (old is None or isinstance(old, dict)) and (new is None or isinstance(new, dict))


def _lists(old: Any, new: Any) -> bool:
    return (old is None or isinstance(old, list)) and (new is None or isinstance(new, list))


def _compare_maps(shape: Shape, old: dict[str, Any], new: dict[str, Any]) -> _Nodes:
    changed: FieldSet = {}
    removed: FieldSet = {}
    for key in {**old, **new, **shape.held}:
        before, after = (side.get(key, shape.held.get(key, _ABSENT)) for side in (old, new))
        if before is after:
            continue
        more, less = _compare(shape.child(key) or ANY, before, after)
        if more is not None:
            changed[f"f:{key}"] = more
        if less is not None:
            removed[f"f:{key}"] = less
    return changed or None, removed or None


def _compare_lists(shape: Shape, old: list[Any], new: list[Any]) -> _Nodes:
    changed: FieldSet = {}
    removed: FieldSet = {}
    before, after = _items(shape, old), _items(shape, new)
    for element in {**before, **after}:
        mine, theirs = before.get(element, []), after.get(element, [])
        if len(mine) > 1 or len(theirs) > 1:  # items that stand twice are owned together
            more = _LEAF if not same(mine, theirs) and theirs else None
            less = _LEAF if not theirs else None
        else:
            more, less = _compare(shape.item, mine[0] if mine else _ABSENT, theirs[0] if theirs else _ABSENT)
        if more is not None:
            changed[element] = more
        if less is not None:
            removed[element] = less
    return changed or None, removed or None


def _items(shape: Shape, items: list[Any]) -> dict[str, list[Any]]:
    """The items by their elements; those that have none stand under one of their own."""
    found: dict[str, list[Any]] = {}
    for element, item in _elements(shape, items):
        found.setdefault(element, []).append(item)
    return found


def _elements(shape: Shape, items: list[Any]) -> Iterator[tuple[str, Any]]:
    for index, item in enumerate(items):
        try:
            yield element_of(shape, item), item
        except ValueError:
            yield f"i:{index}", item


def _whole(shape: Shape, value: Any) -> FieldSet:
    """The node of a value all of whose fields are meant, the ones that hold others too."""
    found: FieldSet = {}
    if not shape.atomic:
        if isinstance(value, dict) and shape.form in ("map", "any"):
            for key, item in {**shape.held, **cast("dict[str, Any]", value)}.items():
                if item is not None or key not in shape.held:
                    found[f"f:{key}"] = _whole(shape.child(key) or ANY, item)
        elif isinstance(value, list) and shape.form == "list":
            for element, items in _items(shape, cast("list[Any]", value)).items():
                found[element] = _whole(shape.item, items[0]) if len(items) == 1 else _LEAF
    return node(True, found) or _LEAF


def merge(shape: Shape, live: Any, config: Any) -> Any:
    """`live` with what `config` says in its place."""
    if not shape.atomic and live is not None and config is not None:
        if shape.form in ("map", "any") and isinstance(live, dict) and isinstance(config, dict):
            mine, said = cast("dict[str, Any]", live), cast("dict[str, Any]", config)
            changed = {k: merge(shape.child(k) or ANY, mine[k], v) if k in mine else v for k, v in said.items()}
            return {**mine, **changed}
        if shape.form == "list" and isinstance(live, list) and isinstance(config, list):
            return _merge_lists(shape, cast("list[Any]", live), cast("list[Any]", config))
    return config


def _merge_lists(shape: Shape, live: list[Any], config: list[Any]) -> list[Any]:
    """The items of both: those of `config` in its order, the others as near as they were to those that both have.

    An item that stands twice in `live` becomes one when `config` names it.
    """
    mine, said = list(_elements(shape, live)), list(_elements(shape, config))
    first = dict(reversed(mine))
    named = {element for element, _ in said}
    shared = [element for element, _ in said if element in first]
    merged: list[Any] = []
    at = met = 0
    for element, item in said:
        coming = shared[met] if met < len(shared) else None
        while at < len(mine) and mine[at][0] != coming:
            if mine[at][0] not in named:
                merged.append(mine[at][1])
            at += 1
        if element == coming:
            item = merge(shape.item, first[element], item)
            at, met = at + 1, met + 1
        merged.append(item)
    return [*merged, *(item for element, item in mine[at:] if element not in named)]


def settled(shape: Shape, value: Any) -> Any:
    """The value as a server keeps it: members that are null are not there, texts that are null are empty."""
    if shape.atomic:
        return value
    if isinstance(value, dict) and shape.form == "map":
        kept: dict[str, Any] = {}
        for key, item in cast("dict[str, Any]", value).items():
            child = shape.child(key) or ANY
            if item is not None or child.nullable or child.form == "any":
                kept[key] = settled(child, item)
            elif child.form == "string" and not shape.declared(key):
                kept[key] = ""
        return kept
    if isinstance(value, list) and shape.form == "list":
        return [settled(shape.item, item) for item in cast("list[Any]", value)]
    return cast("Any", value)


def without(shape: Shape, value: Any, fields: FieldSet) -> Any:
    """The value without the fields of a set; None where nothing is left of a map or list that lost some."""
    if shape.atomic:
        return None
    if isinstance(value, dict) and shape.form in ("map", "any"):
        kept: dict[str, Any] = {}
        for key, item in cast("dict[str, Any]", value).items():
            under = fields.get(f"f:{key}")
            if under is None:
                kept[key] = item
            elif not is_member(under):
                kept[key] = without(shape.child(key) or ANY, item, under)
        return kept or None
    if isinstance(value, list) and shape.form == "list":
        left: list[Any] = []
        for element, item in _elements(shape, cast("list[Any]", value)):
            under = fields.get(element)
            if under is None:
                left.append(item)
            elif not is_member(under):
                left.append(without(shape.item, item, under))
        return left or None
    return cast("Any", value)


def with_parents(shape: Shape, fields: FieldSet) -> FieldSet:
    """The set with every declared field that holds members of it."""
    found: FieldSet = {}
    for element, under in fields.items():
        inner = below(under)
        kind, _, name = element.partition(":")
        if kind == "f":
            child, member = shape.child(name) or ANY, is_member(under) or (bool(inner) and shape.declared(name))
        else:
            child, member = shape.item, is_member(under)
        found[element] = node(member, with_parents(child, inner)) or _LEAF
    return found
