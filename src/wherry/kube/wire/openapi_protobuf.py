"""The older OpenAPI document in the binary form that kubectl asks for.

Called by `wherry.kube.wire.app`.  Source: gnostic's OpenAPIv2.proto: the numbers of its fields, of which only those
are here that `wherry.kube.wire.openapi.swagger` fills.  Invariant: what is read back is the document.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

CONTENT_TYPE = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"
ASKED_FOR_BY = (CONTENT_TYPE, CONTENT_TYPE.replace("v2.v1", "v2@v1"))  # the older spelling is what clients still send
_VARINT, _DOUBLE, _BYTES = 0, 1, 2  # wire types
_json = msgspec.json.Encoder().encode
Write = Callable[[int, Any], bytes]


def encoded(document: Mapping[str, Any]) -> bytes:
    """A message `openapi.v2.Document`."""
    return _message(document, _DOCUMENT, 16)


def _varint(value: int) -> bytes:
    found = bytearray()
    value &= (1 << 64) - 1  # a negative one has all of its 64 bits
    while value > 0x7F:
        found.append(value & 0x7F | 0x80)
        value >>= 7
    found.append(value)
    return bytes(found)


def _bytes(number: int, value: bytes) -> bytes:
    return _varint(number << 3 | _BYTES) + _varint(len(value)) + value


def _text(number: int, value: str) -> bytes:
    return _bytes(number, value.encode("utf-8", "replace"))


def _integer(number: int, value: int) -> bytes:  # a boolean, too
    return _varint(number << 3 | _VARINT) + _varint(int(value))


def _double(number: int, value: float) -> bytes:
    return _varint(number << 3 | _DOUBLE) + struct.pack("<d", value)


def _any(number: int, value: Any) -> bytes:
    return _bytes(number, _bytes(2, _json(value)))  # Any.yaml, of which JSON is a part


def _each(write: Write) -> Write:
    return lambda number, values: b"".join(write(number, value) for value in values)


def _named(write: Write) -> Write:
    """A mapping as a list of messages with a name (1) and a value (2)."""
    return lambda number, values: b"".join(
        _bytes(number, _text(1, name) + write(2, value)) for name, value in values.items()
    )


def _inside(inner: int, write: Write) -> Write:
    """A message with that one field."""
    return lambda number, value: _bytes(number, write(inner, value))


def _message(value: Mapping[str, Any], fields: Mapping[str, tuple[int, Write]], extensions: int) -> bytes:
    """The fields that there are; `extensions` is the number of vendor_extension."""
    parts: list[bytes] = []
    for key, item in value.items():
        if key.startswith("x-"):
            parts.append(_bytes(extensions, _text(1, key) + _any(2, item)))
        elif key in fields:
            number, write = fields[key]
            parts.append(write(number, item))
    return b"".join(parts)


def _schema(number: int, value: Mapping[str, Any]) -> bytes:
    return _bytes(number, _message(value, _SCHEMA, 31))


def _additional(number: int, value: Any) -> bytes:
    return _bytes(number, _integer(2, value) if isinstance(value, bool) else _schema(1, value))


def _type(number: int, value: Any) -> bytes:
    return _bytes(number, _each(_text)(1, [value] if isinstance(value, str) else value))


def _parameter(number: int, value: Mapping[str, Any]) -> bytes:
    """A ParametersItem with a Parameter with a NonBodyParameter: of the query or of the path."""
    of_query = value["in"] == "query"
    inner = _message(value, _IN_QUERY if of_query else _IN_PATH, 23 if of_query else 22)
    return _inside(1, _inside(2, _bytes))(number, _bytes(3 if of_query else 4, inner))


def _operation(number: int, value: Mapping[str, Any]) -> bytes:
    return _bytes(number, _message(value, _OPERATION, 13))


def _path(number: int, value: Mapping[str, Any]) -> bytes:
    return _bytes(number, _message(value, _PATH, 10))


def _response(number: int, value: Mapping[str, Any]) -> bytes:
    return _inside(1, _bytes)(number, _text(1, value["description"]))


def _info(number: int, value: Mapping[str, Any]) -> bytes:
    return _bytes(number, _message(value, {"title": (1, _text), "version": (2, _text)}, 7))


_SCHEMA: dict[str, tuple[int, Write]] = {
    "$ref": (1, _text),
    "format": (2, _text),
    "title": (3, _text),
    "description": (4, _text),
    "default": (5, _any),
    "multipleOf": (6, _double),
    "maximum": (7, _double),
    "exclusiveMaximum": (8, _integer),
    "minimum": (9, _double),
    "exclusiveMinimum": (10, _integer),
    "maxLength": (11, _integer),
    "minLength": (12, _integer),
    "pattern": (13, _text),
    "maxItems": (14, _integer),
    "minItems": (15, _integer),
    "uniqueItems": (16, _integer),
    "maxProperties": (17, _integer),
    "minProperties": (18, _integer),
    "required": (19, _each(_text)),
    "enum": (20, _each(_any)),
    "additionalProperties": (21, _additional),
    "type": (22, _type),
    "items": (23, _inside(1, _schema)),
    "allOf": (24, _each(_schema)),
    "properties": (25, _inside(1, _named(_schema))),
    "example": (30, _any),
}
_IN_PATH = {"required": (1, _integer), "in": (2, _text), "name": (4, _text), "type": (5, _text)}
_IN_QUERY = {"required": (1, _integer), "in": (2, _text), "name": (4, _text), "type": (6, _text)}
_OPERATION = {
    "operationId": (5, _text),
    "parameters": (8, _each(_parameter)),
    "responses": (9, _inside(1, _named(_response))),
}
_VERBS = (("get", 2), ("put", 3), ("post", 4), ("delete", 5), ("patch", 8))
_PATH = {
    **{verb: (number, _operation) for verb, number in _VERBS},
    "parameters": (9, _each(_parameter)),
}
_DOCUMENT = {
    "swagger": (1, _text),
    "info": (2, _info),
    "paths": (8, _inside(2, _named(_path))),
    "definitions": (9, _inside(1, _named(_schema))),
}
