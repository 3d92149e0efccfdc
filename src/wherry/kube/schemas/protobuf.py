"""Objects in Kubernetes' protobuf form, decoded by the tables of their messages.

Called by `wherry.kube.wire` for requests of clients that prefer it.  Source: "Kubernetes API Concepts", Kubernetes
Protobuf encoding.  Invariant: the result is what the same object would be as JSON; a field whose zero is written by
every client, as a Go field that is no pointer, is left out at zero.
"""

from __future__ import annotations

import base64
import struct
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from wherry.kube.schemas.nodes import data

MAGIC = b"k8s\0"
_PACKAGES = "k8s.io."
_UNKNOWN = "k8s.io.apimachinery.pkg.runtime.Unknown"
_META = "k8s.io.apimachinery.pkg.apis.meta.v1."
_DEEPEST = 100
_DOUBLE, _FLOAT, _BOOL, _STRING, _MESSAGE, _BYTES = 1, 2, 8, 9, 11, 12  # FieldDescriptorProto.Type
_MAP = 2


class MalformedProtobuf(ValueError):
    """The bytes are no object of a kind that we know."""


def decode(body: bytes) -> Any:
    """The object in an envelope (`k8s\\0` and a runtime.Unknown); raises MalformedProtobuf."""
    if not body.startswith(MAGIC):
        raise MalformedProtobuf("it does not begin with the prefix of Kubernetes' protobuf")
    try:
        envelope = _message(body[len(MAGIC) :], _UNKNOWN, 0)
        kind: dict[str, Any] = envelope.get("typeMeta") or {}
        name = _message_of(str(kind.get("apiVersion", "")), str(kind.get("kind", "")))
        found = _message(base64.b64decode(envelope.get("raw", "")), name, 0)
    except (IndexError, UnicodeDecodeError, struct.error, OverflowError, msgspec.DecodeError) as problem:
        raise MalformedProtobuf(f"it ends too early or is not as its kind: {problem}") from problem
    return {**kind, **found}


def _message_of(api_version: str, kind: str) -> str:
    for name, node in data().definitions.items():
        for known in node.get("x-kubernetes-group-version-kind") or ():
            group = f"{known['group']}/{known['version']}" if known["group"] else known["version"]
            if known["kind"] == kind and (group == api_version or name.startswith("io.k8s.apimachinery")):
                return name.replace("io.k8s.", _PACKAGES, 1)
    raise MalformedProtobuf(f"{kind!r} in version {api_version!r} has no protobuf form here")


def _message(raw: bytes, name: str, depth: int) -> dict[str, Any]:
    if depth > _DEEPEST:
        raise MalformedProtobuf("it is nested too deeply")
    table = data().messages.get(name)
    if table is None:
        raise MalformedProtobuf(f"the message {name} is not known")
    found: dict[str, Any] = {}
    for number, value in _fields(raw):
        field = table.get(str(number))
        if field is None:
            continue  # of a newer version of Kubernetes
        key, type, repeated, target, pointer = field
        if repeated == _MAP:
            _entry(found.setdefault(key, {}), value, type, target, depth)
            continue
        result = _value(value, type, target, depth + 1)
        if repeated:
            found.setdefault(key, []).append(result)
        elif not key:
            found.update(result)
        elif pointer or not _is_zero(result, type):
            found[key] = result
    return found


def _is_zero(result: Any, type: int) -> bool:
    return result is None or (not result if type != _MESSAGE else result == {})


def _entry(found: dict[str, Any], raw: Any, type: int, target: str, depth: int) -> None:
    key, value = "", None
    for number, part in _fields(_bytes(raw)):
        if number == 1:
            key = _bytes(part).decode()
        else:
            value = part
    found[key] = _value(b"" if value is None else value, type, target, depth + 1)


def _value(value: Any, type: int, target: str, depth: int) -> Any:
    if type == _MESSAGE:
        special = _SPECIAL.get(target)
        return special(_bytes(value)) if special else _message(_bytes(value), target, depth)
    if type == _STRING:
        return _bytes(value).decode()
    if type == _BYTES:
        return base64.b64encode(_bytes(value)).decode()
    if isinstance(value, bytes):
        if type not in (_DOUBLE, _FLOAT):
            raise MalformedProtobuf("a number was expected")
        return struct.unpack("<d" if type == _DOUBLE else "<f", value)[0]
    if type == _BOOL:
        return bool(value)
    return value - (1 << 64) if value >> 63 else value


def _bytes(value: Any) -> bytes:
    if not isinstance(value, bytes):
        raise MalformedProtobuf("a text or a message was expected")
    return value


def _fields(raw: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Numbers and values: whole numbers as they are, all else as bytes."""
    at = 0
    while at < len(raw):
        tag, at = _varint(raw, at)
        wire = tag & 7
        value: int | bytes
        if wire == 0:
            value, at = _varint(raw, at)
        else:
            if wire == 2:
                size, at = _varint(raw, at)
            elif wire in (1, 5):
                size = 8 if wire == 1 else 4
            else:
                raise MalformedProtobuf(f"the wire type {wire} is not used by Kubernetes")
            if at + size > len(raw):
                raise MalformedProtobuf("it ends too early")
            value, at = raw[at : at + size], at + size
        yield tag >> 3, value


def _varint(raw: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while shift < 64:
        byte = raw[at]
        at, value, shift = at + 1, value | (byte & 127) << shift, shift + 7
        if byte < 128:
            return value & (1 << 64) - 1, at
    raise MalformedProtobuf("a number is too long")


def _numbers(raw: bytes) -> dict[int, int | bytes]:
    return dict(_fields(raw))


def _moment(raw: bytes, *, micro: bool = False) -> str | None:
    """Nothing stands for a time that is not set."""
    parts = _numbers(raw)
    if not parts:
        return None
    seconds, nanos = (_value(parts.get(number, 0), 3, "", 0) for number in (1, 2))
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
    fraction = f".{nanos // 1000:06d}" if micro else ""
    return f"{moment:%Y-%m-%dT%H:%M:%S}{fraction}Z"


def _micro(raw: bytes) -> str | None:
    return _moment(raw, micro=True)


def _quantity(raw: bytes) -> str:
    return _bytes(_numbers(raw).get(1, b"")).decode()


def _int_or_string(raw: bytes) -> int | str:
    parts = _numbers(raw)
    if parts.get(1):
        return _bytes(parts.get(3, b"")).decode()
    return _value(parts.get(2, 0), 3, "", 0)


def _raw(raw: bytes) -> Any:
    content = _bytes(_numbers(raw).get(1, b""))
    return msgspec.json.decode(content) if content else None


def _list(raw: bytes) -> list[str]:
    return [_bytes(value).decode() for _, value in _fields(raw)]


_SPECIAL = {
    f"{_META}Time": _moment,
    f"{_META}MicroTime": _micro,
    f"{_META}FieldsV1": _raw,
    f"{_META}Verbs": _list,
    "k8s.io.api.authentication.v1.ExtraValue": _list,
    "k8s.io.api.authorization.v1.ExtraValue": _list,
    "k8s.io.apimachinery.pkg.api.resource.Quantity": _quantity,
    "k8s.io.apimachinery.pkg.util.intstr.IntOrString": _int_or_string,
    "k8s.io.apimachinery.pkg.runtime.RawExtension": _raw,
}
