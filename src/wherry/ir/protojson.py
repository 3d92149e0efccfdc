"""Protobuf's JSON, as widely as protobuf itself reads it, in the one form that our records read.

Called by `wherry.ir.reader` for a document that is not in that form already, which KFP's compiler always writes.
Protobuf also takes fields under their own names (`pipeline_info`), null for a field that is not set, integers as `1.0`
or as text, enum values as numbers.  Invariant: what is wrong stays as it is, for the strict reading to name it.
"""

from __future__ import annotations

import functools
import math
import re
import types
from collections.abc import Callable
from typing import Annotated, Any, Literal, Union, cast, get_args, get_origin, get_type_hints

import msgspec

Reader = Callable[[Any], Any]
_INTEGER = re.compile(r"-?[0-9]{1,19}")


def canonical(value: Any, kind: Any) -> Any:
    """`value` as the strict reading of the record `kind` takes it; a copy where anything differs."""
    return _reader(kind)(value)


@functools.cache
def _reader(kind: Any) -> Reader:
    origin, inner = get_origin(kind), get_args(kind)
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        return functools.partial(_message, kind)
    if origin in (Union, types.UnionType, Annotated):  # X | None, or X with bounds
        return _reader(inner[0])
    if origin is list:
        return functools.partial(_items, inner[0])
    if origin is dict and inner[1] is not Any:
        return functools.partial(_entries, inner[1])
    if origin is Literal:
        return functools.partial(_enum, inner)
    return _integer if kind is int else _double if kind is float else _same


@functools.cache
def _fields(kind: type[msgspec.Struct]) -> dict[str, tuple[str, Any]]:
    """By each name that a field may have: the one that we read, and the field's type."""
    hints = get_type_hints(kind, include_extras=True)
    found: dict[str, tuple[str, Any]] = {}
    for field in msgspec.structs.fields(kind):
        found[field.name] = found[field.encode_name] = (field.encode_name, hints[field.name])
    return found


def _message(kind: type[msgspec.Struct], value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    known = _fields(kind)
    found: dict[Any, Any] = {}
    for key, inner in cast("dict[Any, Any]", value).items():
        name, hint = known.get(key, (key, Any))
        if name in found:
            name = key  # the same field under both of its names: the second one stays, and is unknown
        if inner is not None or hint is Any:
            found[name] = _reader(hint)(inner)
    return found


def _items(kind: Any, value: Any) -> Any:
    if not isinstance(value, list):
        return value
    read = _reader(kind)
    return [read(each) for each in cast("list[Any]", value)]


def _entries(kind: Any, value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    read = _reader(kind)
    return {key: read(each) for key, each in cast("dict[Any, Any]", value).items()}


def _enum(names: tuple[str, ...], value: Any) -> Any:
    """Our enums list their names by number, from 0."""
    return names[value] if type(value) is int and 0 <= value < len(names) else value


def _integer(value: Any) -> Any:
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return int(value) if isinstance(value, str) and _INTEGER.fullmatch(value) else value


def _double(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        number = float(value)
    except ValueError:
        return value
    return number if math.isfinite(number) else value


def _same(value: Any) -> Any:
    return value
