"""Kubernetes' functions of lists, and sets.

Rows of `Overload`.  Source: "Common Expression Language in Kubernetes", list library; cel-go's ext.Sets.  Invariant:
what has no order has no minimum.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from wherry.cel.errors import NoValue
from wherry.cel.functions import Overload, overload
from wherry.cel.times import duration
from wherry.cel.values import Duration, UInt, equal, in_range, is_number, type_of, unsigned, weight

_ORDERED = ("int", "uint", "double", "bool", "string", "bytes", "timestamp", "duration")


def _before(left: Any, right: Any) -> bool:
    """Whether one comes before the other; raises NoValue for what has no order."""
    same = left.__class__ is right.__class__ and type_of(left) in _ORDERED
    if not same and not (is_number(left) and is_number(right)):
        raise NoValue(f"no such overload: {type_of(left)} < {type_of(right)}")
    return left < right


def _is_sorted(items: Sequence[Any]) -> bool:
    return not any(_before(items[position + 1], items[position]) for position in range(len(items) - 1))


def _min(items: Sequence[Any]) -> Any:
    if not items:
        raise NoValue("min called on empty list")
    least = items[0]
    for item in items[1:]:
        least = item if _before(item, least) else least
    return least


def _max(items: Sequence[Any]) -> Any:
    if not items:
        raise NoValue("max called on empty list")
    most = items[0]
    for item in items[1:]:
        most = item if _before(most, item) else most
    return most


def _sum(items: Sequence[Any]) -> Any:
    kinds = {item.__class__ for item in items}
    if kinds == {Duration}:
        return duration(sum(item.ns for item in items))
    if kinds == {UInt}:
        return unsigned(sum(map(int, items)))
    if kinds == {float}:
        return sum(items)
    if kinds <= {int}:
        return in_range(sum(items))
    raise NoValue(f"no such overload: sum(list({', '.join(sorted(map(type_of, items)))[:60]}))")


def _index_of(items: Sequence[Any], wanted: Any) -> int:
    return next((position for position, item in enumerate(items) if equal(item, wanted)), -1)


def _last_index_of(items: Sequence[Any], wanted: Any) -> int:
    return next((position for position in reversed(range(len(items))) if equal(items[position], wanted)), -1)


def _within(item: Any, items: Sequence[Any]) -> bool:
    return any(equal(item, each) for each in items)


def _contains(items: Sequence[Any], part: Sequence[Any]) -> bool:
    return all(_within(item, items) for item in part)


def _equivalent(left: Sequence[Any], right: Sequence[Any]) -> bool:
    return _contains(left, right) and _contains(right, left)


def _intersects(left: Sequence[Any], right: Sequence[Any]) -> bool:
    return any(_within(item, right) for item in left)


def _product(arguments: Sequence[Any], steps: int) -> int:
    """Each item is compared with each."""
    limit = 10 * steps + 20
    return 1 + max(weight(arguments[:1], limit), 1) * max(weight(arguments[1:], limit), 1) // 10


def _each(name: str, result: str, call: Callable[[Any], Any], kinds: Sequence[str]) -> list[Overload]:
    return [overload(f".{name}(list({kind})): {result or kind}", call) for kind in kinds]


LISTS: list[Overload] = [
    *_each("isSorted", "bool", _is_sorted, _ORDERED),
    *_each("min", "", _min, _ORDERED),
    *_each("max", "", _max, _ORDERED),
    *_each("sum", "", _sum, ("int", "uint", "double", "duration")),
    overload(".indexOf(list(A), A): int", _index_of),
    overload(".lastIndexOf(list(A), A): int", _last_index_of),
    overload("sets.contains(list(A), list(A)): bool", _contains, _product),
    overload("sets.equivalent(list(A), list(A)): bool", _equivalent, _product),
    overload("sets.intersects(list(A), list(A)): bool", _intersects, _product),
]
