"""Schemas of objects: OpenAPI nodes whose references are followed.

Called by everything that walks an object beside its schema.  The data is made by `scripts/schemas.py`.  Invariant: a
node that came from here is never changed.
"""

from __future__ import annotations

import gzip
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any, NamedTuple, cast

import msgspec

Node = Mapping[str, Any]
REFERENCE = "#/components/schemas/"


class Data(msgspec.Struct):
    """The file: definitions by their published names; of each protobuf message its fields by their numbers."""

    definitions: dict[str, dict[str, Any]]
    messages: dict[str, dict[str, tuple[str, int, int, str, int]]]


@cache
def data() -> Data:
    """The whole of the data."""
    packed = (files("wherry.kube.schemas") / "builtin.json.gz").read_bytes()
    return msgspec.json.decode(gzip.decompress(packed), type=Data)


class Schema(NamedTuple):
    """One place of an object: its node, and the definitions that its references name."""

    node: Node
    definitions: Mapping[str, Node]
    name: str = ""  # of the definition that the node is, for messages

    def at(self, node: Node) -> Schema:
        """Another node of the same document, its reference followed."""
        name = self.name
        reference = node.get("$ref")
        if not isinstance(reference, str):
            parts: list[Node] = node.get("allOf") or []
            reference = parts[0].get("$ref") if len(parts) == 1 else None
        if isinstance(reference, str):
            name = reference.removeprefix(REFERENCE)
            node = {**self.definitions[name], **{key: value for key, value in node.items() if key != "$ref"}}
            node.pop("allOf", None)
        return Schema(node, self.definitions, name)

    def child(self, key: str) -> Schema | None:
        """A member of an object; None when the schema does not know it."""
        properties: Mapping[str, Node] = self.node.get("properties") or {}
        found = properties.get(key)
        if found is None:
            more: Any = self.node.get("additionalProperties")
            found = cast("Node", more) if isinstance(more, dict) else None
        return None if found is None else self.at(found)

    @property
    def items(self) -> Schema | None:
        """What a list holds."""
        found: Node | None = self.node.get("items")
        return None if found is None else self.at(found)

    @property
    def open(self) -> bool:
        """Whether an object may have members that are not named here."""
        node = self.node
        if node.get("x-kubernetes-preserve-unknown-fields"):
            return True
        return "properties" not in node and not isinstance(node.get("additionalProperties"), dict)

    @property
    def merge_key(self) -> str:
        """By what a strategic merge tells the items of a list apart; empty for lists of plain values."""
        return self.node.get("x-kubernetes-patch-merge-key", "")

    @property
    def strategies(self) -> list[str]:
        """How a strategic merge treats the field: merge, replace, retainKeys."""
        return str(self.node.get("x-kubernetes-patch-strategy", "")).split(",")

    @property
    def list_type(self) -> str:
        """atomic, set or map (server-side apply)."""
        return self.node.get("x-kubernetes-list-type", "atomic")

    @property
    def list_keys(self) -> list[str]:
        """The members by which a list of type map tells its items apart."""
        return self.node.get("x-kubernetes-list-map-keys", [])

    @property
    def atomic(self) -> bool:
        """Whether an object has one owner as a whole (server-side apply)."""
        return self.node.get("x-kubernetes-map-type") == "atomic"


@cache
def builtin(api_version: str, kind: str) -> Schema | None:
    """The schema of one of Kubernetes' own kinds; None for every other."""
    definitions = data().definitions
    name = _kinds().get((api_version, kind))
    return None if name is None else Schema(definitions[name], definitions, name)


def builtin_definitions() -> Mapping[str, Node]:
    """All definitions by their published names."""
    return data().definitions


@cache
def builtin_groups() -> frozenset[str]:
    """The groups of Kubernetes' own kinds."""
    return frozenset(api_version.rpartition("/")[0] for api_version, _ in _kinds())


@cache
def _kinds() -> dict[tuple[str, str], str]:
    found: dict[tuple[str, str], str] = {}
    for name, node in data().definitions.items():
        for known in node.get("x-kubernetes-group-version-kind") or ():
            group, version, kind = known["group"], known["version"], known["kind"]
            found[f"{group}/{version}" if group else version, kind] = name
    return found
