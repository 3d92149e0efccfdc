"""Strategic merge patches: merge patches that know which lists are merged, and by what.

Called by the embedded API server for its own kinds.  Source: "Strategic Merge Patch" (Kubernetes, API machinery).
Invariant: neither argument is changed; no directive is left in the result.
"""

from __future__ import annotations

from typing import Any, cast

from wherry.kube.patches import MalformedPatch, same
from wherry.kube.schemas import Schema

_DIRECTIVE = "$patch"
_RETAIN = "$retainKeys"
_ORDER = "$setElementOrder/"
_DELETE = "$deleteFromPrimitiveList/"


def merge(target: dict[str, Any], patch: dict[str, Any], schema: Schema | None) -> dict[str, Any]:
    """`target` with the patch applied; without a schema, lists are replaced.  Raises MalformedPatch."""
    directive = patch.get(_DIRECTIVE)
    if directive == "replace":
        return {key: value for key, value in patch.items() if key != _DIRECTIVE}
    if directive == "delete":
        return {}
    if directive not in (None, "merge"):
        raise MalformedPatch(f"the directive $patch is replace, merge or delete, not {directive!r}")
    result = _retained(target, patch)
    orders = {key.removeprefix(_ORDER): value for key, value in patch.items() if key.startswith(_ORDER)}
    for key, value in patch.items():
        if key.startswith(_DELETE):
            name = key.removeprefix(_DELETE)
            result[name] = _without(result.get(name), _list(key, value))
    for key, value in patch.items():
        if key in (_DIRECTIVE, _RETAIN) or key.startswith((_ORDER, _DELETE)):
            continue
        if value is None:
            result.pop(key, None)
            continue
        child = None if schema is None else schema.child(key)
        result[key] = _field(result.get(key), value, child, orders.pop(key, None))
    for key, order in orders.items():  # what is only put in order
        child = None if schema is None else schema.child(key)
        if child is not None and isinstance(result.get(key), list):
            result[key] = _ordered(result[key], result[key], _list(key, order), child.merge_key)
    return result


def _retained(target: dict[str, Any], patch: dict[str, Any]) -> dict[str, Any]:
    if _RETAIN not in patch:
        return dict(target)
    kept = set(_list(_RETAIN, patch[_RETAIN]))
    missing = [key for key, value in patch.items() if not key.startswith("$") and value is not None and key not in kept]
    if missing:
        raise MalformedPatch(f"$retainKeys does not name {missing[0]}, which the patch sets")
    return {key: value for key, value in target.items() if key in kept}


def _list(key: str, value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise MalformedPatch(f"{key} is a list")
    return cast("list[Any]", value)


def _without(values: Any, removed: list[Any]) -> list[Any]:
    kept = cast("list[Any]", values if isinstance(values, list) else [])
    return [value for value in kept if not any(same(value, other) for other in removed)]


def _field(target: Any, value: Any, schema: Schema | None, order: Any) -> Any:
    strategies = schema.strategies if schema is not None else []
    if isinstance(value, dict):
        known = cast("dict[str, Any]", target) if isinstance(target, dict) and "replace" not in strategies else {}
        return merge(known, cast("dict[str, Any]", value), schema)
    if isinstance(value, list) and schema is not None and "merge" in strategies:
        before = cast("list[Any]", target) if isinstance(target, list) else []
        wanted = None if order is None else _list(_ORDER, order)
        return _merge_lists(before, cast("list[Any]", value), schema, wanted)
    return cast("Any", value)


def _merge_lists(before: list[Any], patch: list[Any], schema: Schema, order: list[Any] | None) -> list[Any]:
    key = schema.merge_key
    if not key:
        result = [*before, *(value for value in patch if not any(same(value, other) for other in before))]
        return result if order is None else _ordered(result, before, order, "")
    items = [_item(value, key) for value in patch]
    if any(item.get(_DIRECTIVE) == "replace" for item in items):
        return [item for item in items if item.get(_DIRECTIVE) != "replace"]
    result = [_item(value, key) for value in before]
    for item in items:
        if _DIRECTIVE in item and item[_DIRECTIVE] not in ("delete", "merge"):
            raise MalformedPatch(f"the directive $patch is replace, merge or delete, not {item[_DIRECTIVE]!r}")
        if key not in item:
            raise MalformedPatch(f"map: {item} does not contain declared merge key: {key}")
        found = next((at for at, other in enumerate(result) if same(other.get(key), item[key])), None)
        if item.get(_DIRECTIVE) == "delete":
            result = [other for other in result if not same(other.get(key), item[key])]
        elif found is None:
            result.append(merge({}, item, schema.items))
        else:
            result[found] = merge(result[found], item, schema.items)
    return result if order is None else _ordered(result, before, order, key)


def _item(value: Any, key: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise MalformedPatch(f"an item of a list that is merged by {key} is an object")
    return cast("dict[str, Any]", value)


def _ordered(values: list[Any], before: list[Any], order: list[Any], key: str) -> list[Any]:
    """The values that `order` names in its order; the others stay where they were among those of `before`."""
    wanted = [_identity(value, key) for value in order]
    live = [_identity(value, key) for value in before]

    def place(among: list[Any], value: Any) -> int:
        identity = _identity(value, key)
        return next((at for at, other in enumerate(among) if same(other, identity)), -1)

    named = sorted((value for value in values if place(wanted, value) >= 0), key=lambda value: place(wanted, value))
    others = [value for value in values if place(wanted, value) < 0]
    result: list[Any] = []
    while named and others:
        left, right = place(live, named[0]), place(live, others[0])
        result.append(named.pop(0) if left < 0 or (right >= 0 and left < right) else others.pop(0))
    return [*result, *named, *others]


def _identity(value: Any, key: str) -> Any:
    return cast("dict[str, Any]", value).get(key) if key and isinstance(value, dict) else value
