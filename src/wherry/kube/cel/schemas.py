"""Types for the checker from structural schemas, and JSON values as CEL's.

Called by `wherry.kube.cel.rules`.  Source: "Extend the Kubernetes API with CustomResourceDefinitions", Validation
rules: type mapping, escaping of names.  Invariant: a value that fits its schema becomes one of the schema's type; most
become themselves, without being copied.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple, cast

from wherry.cel.errors import NoValue
from wherry.cel.parser import RESERVED
from wherry.cel.times import read_duration, read_timestamp
from wherry.cel.types import (
    BOOL,
    BYTES,
    DOUBLE,
    DURATION,
    DYN,
    INT,
    STRING,
    TIMESTAMP,
    Type,
    list_of,
    map_of,
    object_of,
)
from wherry.cel.values import Special, equal

Schema = Mapping[str, Any]
Convert = Callable[[Any], Any]

_ESCAPABLE = re.compile(r"[A-Za-z_.\-/][A-Za-z0-9_.\-/]*")
_PARTS = re.compile(r"__|[.\-/]")
_ESCAPES = {"__": "__underscores__", ".": "__dot__", "-": "__dash__", "/": "__slash__"}
_TEXT: Schema = {"type": "string"}
_RESOURCE: Mapping[str, Schema] = {
    "apiVersion": _TEXT,
    "kind": _TEXT,
    "metadata": {"type": "object", "properties": {"name": _TEXT, "generateName": _TEXT}},
}


class Declared(NamedTuple):
    """What a schema means to expressions: a type, and how its values become CEL's (None: they are already)."""

    type: Type
    convert: Convert | None = None


def escape(name: str) -> str:
    """A field's name as expressions write it; empty for a name that they cannot."""
    if not _ESCAPABLE.fullmatch(name):
        return ""
    if name in RESERVED:
        return f"__{name}__"
    return _PARTS.sub(lambda found: _ESCAPES[found.group()], name)


def with_metadata(schema: Schema) -> Schema:
    """The schema of a resource: apiVersion, kind and the metadata's names are always there."""
    return {**schema, "properties": {**(schema.get("properties") or {}), **_RESOURCE}}


def declare(schema: Schema, *, resource: bool = False) -> Declared | None:
    """The meaning of a schema, None for what expressions cannot see; `resource`: it is a whole object's."""
    if schema.get("x-kubernetes-int-or-string"):
        return Declared(DYN)
    if resource or schema.get("x-kubernetes-embedded-resource"):
        schema = with_metadata(schema)
    make = _KINDS.get(str(schema.get("type")))
    return make(schema) if make is not None else None


def _text(schema: Schema) -> Declared:
    return _FORMATS.get(str(schema.get("format")), Declared(STRING))


def _array(schema: Schema) -> Declared | None:
    items: Any = schema.get("items")
    inner = declare(cast("Schema", items)) if isinstance(items, dict) else None
    if inner is None:
        return None
    type, kind = list_of(inner.type), schema.get("x-kubernetes-list-type")
    convert = _same if inner.convert is None else inner.convert
    if kind == "set":
        return Declared(type, partial(_set, convert))
    if kind == "map":
        keys = tuple(escape(str(key)) for key in schema.get("x-kubernetes-list-map-keys") or ())
        return Declared(type, partial(_map, convert, keys))
    return Declared(type, partial(_each, convert) if inner.convert is not None else None)


def _same(value: Any) -> Any:
    return value


def _set(convert: Convert, value: Sequence[Any]) -> list[Any]:
    return SetList(_each(convert, value))


def _map(convert: Convert, keys: tuple[str, ...], value: Sequence[Any]) -> list[Any]:
    return MapList(_each(convert, value), keys)


def _each(convert: Convert, value: Sequence[Any]) -> list[Any]:
    return [item if item is None else convert(item) for item in value]


def _object(schema: Schema) -> Declared | None:
    more: Any = schema.get("additionalProperties")
    if isinstance(more, dict):
        inner = declare(cast("Schema", more))
        if inner is None:
            return None
        convert = partial(_values, inner.convert) if inner.convert is not None else None
        return Declared(map_of(STRING, inner.type), convert)
    properties: Mapping[str, Schema] = schema.get("properties") or {}
    fields: dict[str, Type] = {}
    converts: dict[str, tuple[tuple[str, ...], Convert | None]] = {}
    for name, child in properties.items():
        inner, spoken = declare(child), _spoken(name)
        if inner is None or not spoken:
            continue
        fields.update(dict.fromkeys(spoken, inner.type))
        if spoken != (name,) or inner.convert is not None:
            converts[name] = (spoken, inner.convert)
    return Declared(object_of(fields), partial(_fields, converts) if converts else None)


def _values(convert: Convert, value: Mapping[str, Any]) -> dict[str, Any]:
    return {key: item if item is None else convert(item) for key, item in value.items()}


def _fields(converts: Mapping[str, tuple[tuple[str, ...], Convert | None]], value: Mapping[str, Any]) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for key, item in value.items():
        spoken, convert = converts.get(key, ((key,), None))
        made.update(dict.fromkeys(spoken, item if item is None or convert is None else convert(item)))
    return made


def _spoken(name: str) -> tuple[str, ...]:
    """How expressions may write a field: escaped, and as it is where it is a word of other languages only."""
    spoken = escape(name)
    if name in RESERVED - {"true", "false", "null", "in"}:
        return (name, spoken)
    return (spoken,) if spoken else ()


def _reader(read: Convert) -> Convert:
    """What is not of its format stays text, and is no value for what wants the format."""

    def convert(value: Any) -> Any:
        try:
            return read(value)
        except (NoValue, binascii.Error, ValueError):
            return value

    return convert


def _date(text: str) -> Any:
    return read_timestamp(text if len(text) > 10 else f"{text}T00:00:00Z")


_FORMATS = {
    "byte": Declared(BYTES, _reader(lambda text: base64.b64decode(text, validate=True))),
    "duration": Declared(DURATION, _reader(read_duration)),
    "date": Declared(TIMESTAMP, _reader(_date)),
    "date-time": Declared(TIMESTAMP, _reader(_date)),
}
_KINDS: dict[str, Callable[[Schema], Declared | None]] = {
    "array": _array,
    "object": _object,
    "string": _text,
    "boolean": lambda schema: Declared(BOOL),
    "number": lambda schema: Declared(DOUBLE, float),
    "integer": lambda schema: Declared(INT, int),
}


class SetList(Special):
    """A list of type set: equal whatever the order; a sum has each item once."""

    def same(self, other: list[Any]) -> bool:
        """Whether both have the same items."""
        return len(self) == len(other) and all(any(equal(a, b) for b in other) for a in self)

    def plus(self, other: list[Any]) -> list[Any]:
        """Its items, and those of the other that it has not."""
        return SetList([*self, *(item for item in other if not any(equal(item, mine) for mine in self))])


class MapList(Special):
    """A list of type map: items are found by their keys, equal whatever the order; a sum replaces by key."""

    def __init__(self, items: Sequence[Any], keys: tuple[str, ...]) -> None:
        super().__init__(items)
        self._keys = keys

    def same(self, other: list[Any]) -> bool:
        """Whether both have the same items under the same keys."""
        mine, theirs = self._by_key(self), self._by_key(other)
        return mine.keys() == theirs.keys() and all(equal(item, theirs[key]) for key, item in mine.items())

    def plus(self, other: list[Any]) -> list[Any]:
        """Its items, each replaced by the other's of the same key, and the other's further ones."""
        return MapList(list({**self._by_key(self), **self._by_key(other)}.values()), self._keys)

    def _by_key(self, items: list[Any]) -> dict[tuple[Any, ...], Any]:
        return {tuple(_field(item, key) for key in self._keys): item for item in items}


def _field(item: Any, key: str) -> Any:
    return cast("dict[str, Any]", item).get(key) if isinstance(item, dict) else None
