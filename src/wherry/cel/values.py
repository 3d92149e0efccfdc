"""CEL's values as Python's: which class stands for which type, what is equal, what comes before what.

Called by everything that evaluates.  bool, int, float (double), str, bytes, list, dict and None stand for
themselves; the rest is here.  Invariant: values never change once they are made; numbers of different types are equal
when they are the same number, and nothing else of different types is.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple, cast

from wherry.cel.errors import NoValue


class UInt(int):
    """An unsigned integer of 64 bits."""


class Timestamp(NamedTuple):
    """A moment: nanoseconds since 1970 in UTC."""

    ns: int


class Duration(NamedTuple):
    """A span of time in nanoseconds."""

    ns: int


class Optional(NamedTuple):
    """`optional.of(value)`, or `optional.none()` when it has none."""

    has: bool
    value: Any = None


class TypeName(NamedTuple):
    """A type as a value: what `type(x)` gives."""

    name: str


class Special(list[Any]):
    """A list with its own equality and sum: what Kubernetes' lists of type set and map are."""

    def same(self, other: list[Any]) -> bool:
        """Whether both hold the same."""
        raise NotImplementedError

    def plus(self, other: list[Any]) -> list[Any]:
        """What `+` makes of both."""
        raise NotImplementedError


NONE = Optional(False)
SPOKEN = {"timestamp": "google.protobuf.Timestamp", "duration": "google.protobuf.Duration", "null": "null_type",
          "optional": "optional_type"}  # fmt: skip
"""The types whose name in expressions is not ours."""

_NAMES: dict[type, str] = {
    bool: "bool", int: "int", UInt: "uint", float: "double", str: "string", bytes: "bytes", list: "list", dict: "map",
    type(None): "null", Timestamp: "timestamp", Duration: "duration", Optional: "optional", TypeName: "type",
}  # fmt: skip


def register(kind: type, name: str) -> None:
    """Says which type the instances of a library's class have."""
    _NAMES[kind] = name


def class_name(kind: type) -> str:
    """The type that a Python class stands for; empty when it stands for none."""
    return _NAMES.get(kind) or ("list" if issubclass(kind, Special) else "")


def type_of(value: Any) -> str:
    """CEL's name for the type of a value."""
    return class_name(value.__class__) or "a value that CEL does not know"


def is_number(value: Any) -> bool:
    """Whether it is an int, uint or double."""
    kind = value.__class__
    return kind is int or kind is float or kind is UInt


def equal(left: Any, right: Any) -> bool:
    """CEL's `==`."""
    a, b = left.__class__, right.__class__
    if a is str or b is str or a is bool or b is bool:
        return a is b and left == right
    if isinstance(left, list):
        return isinstance(right, list) and _equal_lists(cast("list[Any]", left), cast("list[Any]", right))
    if a is dict:
        return b is dict and _equal_maps(left, right)
    if is_number(left):
        return is_number(right) and left == right
    if a is Optional:
        return b is Optional and left.has == right.has and (not left.has or equal(left.value, right.value))
    return a is b and left == right


def _equal_lists(left: list[Any], right: list[Any]) -> bool:
    if isinstance(left, Special):
        return left.same(right)
    return len(left) == len(right) and all(map(equal, left, right))


def _equal_maps(left: dict[Any, Any], right: dict[Any, Any]) -> bool:
    if len(left) != len(right):
        return False
    for key, value in left.items():
        found = right.get(key, _MISSING)
        if found is _MISSING or not equal(value, found):
            return False
    return True


_MISSING = object()


def lookup(container: dict[Any, Any], key: Any) -> Any:
    """The value at a key, `MISSING` without one; numbers of different types are the same key."""
    kind = key.__class__
    if kind is str:
        return container.get(key, _MISSING)
    if kind is bool:  # Python takes True for 1
        return next((value for each, value in container.items() if each is key), _MISSING)
    if not is_number(key):
        return _MISSING
    if key in (0, 1):
        return next((v for k, v in container.items() if k.__class__ is not bool and k == key), _MISSING)
    return container.get(key, _MISSING)


MISSING: Any = _MISSING


def contains(item: Any, container: Any) -> bool:
    """CEL's `in`."""
    if container.__class__ is dict:
        return lookup(container, item) is not _MISSING
    return any(equal(item, each) for each in container)


def index(container: Any, key: Any) -> Any:
    """`container[key]`; raises NoValue where there is nothing."""
    if container.__class__ is dict:
        found = lookup(container, key)
        if found is _MISSING:
            raise NoValue(f"no such key: {shown(key)}")
        return found
    if isinstance(container, list):
        items = cast("list[Any]", container)
        if key.__class__ is float and key.is_integer():
            key = int(key)
        if key.__class__ not in (int, UInt):
            raise NoValue(f"no such overload: a list has no item {shown(key)}")
        if not 0 <= key < len(items):
            raise NoValue(f"index out of bounds: {key}")
        return items[key]
    raise NoValue(f"no such overload: {type_of(container)} has no items")


def truth(value: Any) -> bool:
    """The value, which must be a bool."""
    if value.__class__ is not bool:
        raise NoValue(f"no such overload: a bool is needed, not {type_of(value)}")
    return value


def in_range(value: int) -> int:
    """An int, which must have 64 bits."""
    if not -(2**63) <= value < 2**63:
        raise NoValue("integer overflow")
    return value


def unsigned(value: int) -> UInt:
    """A uint, which must have 64 bits."""
    if not 0 <= value < 2**64:
        raise NoValue("unsigned integer overflow")
    return UInt(value)


def weight(values: Iterable[Any], limit: int) -> int:
    """How many characters and items there are in values, at any depth; stops counting beyond the limit."""
    total, level = 0, list(values)
    while level and total <= limit:
        value = level.pop()
        if value.__class__ is str or value.__class__ is bytes:
            total += len(value)
        elif isinstance(value, list):
            total += len(cast("list[Any]", value))
            level.extend(cast("list[Any]", value))
        elif value.__class__ is dict:
            total += len(value)
            level.extend(value.values())
    return total


def shown(value: Any) -> str:
    """A value in a message: short."""
    text = value if isinstance(value, str) else repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def double_text(value: float) -> str:
    """A double in its shortest form, as Go prints it ('g', exponents from 21 on)."""
    if value != value:
        return "NaN"
    if value in (float("inf"), float("-inf")):
        return "+Inf" if value > 0 else "-Inf"
    magnitude = abs(value)
    if magnitude and not 1e-4 <= magnitude < 1e21:
        mantissa, _, exponent = repr(value).partition("e")
        if not exponent:
            mantissa, _, exponent = f"{value:.17e}".partition("e")
            mantissa = mantissa.rstrip("0").rstrip(".")
        sign = "-" if exponent.startswith("-") else "+"
        return f"{mantissa.removesuffix('.0')}e{sign}{exponent.lstrip('+-').zfill(2)}"
    mantissa, _, exponent = repr(value).partition("e+")  # the digits are those of the shortest form
    if exponent:
        whole, _, part = mantissa.partition(".")
        return f"{whole}{part.ljust(int(exponent), '0')}"
    return mantissa.removesuffix(".0")
