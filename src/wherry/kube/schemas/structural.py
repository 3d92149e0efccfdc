"""Structural schemas: the fields of custom objects are pruned and completed by them.

Called by `wherry.kube.embedded.custom` and `wherry.kube.wire.fields`.  Source: "Extend the Kubernetes API with
CustomResourceDefinitions", Field pruning, Defaulting.  Invariants: apiVersion, kind and metadata of an object (or of an
embedded one) are left alone; doing either twice is doing it once; a schema is never changed, nor shared with an object.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import msgspec

from wherry.kube.schemas.nodes import Node

PRESERVE = "x-kubernetes-preserve-unknown-fields"
EMBEDDED = "x-kubernetes-embedded-resource"
INT_OR_STRING = "x-kubernetes-int-or-string"
_RULES = b'"x-kubernetes-validations"'
TYPE_FIELDS = ("apiVersion", "kind", "metadata")
_NOTHING: Node = {}


def properties(node: Node) -> Mapping[str, Node]:
    """The named members of an object's node."""
    return node.get("properties") or _NOTHING


def member(node: Node, key: str) -> Node | None:
    """The node of a member of an object, None when the schema says nothing of it."""
    found = properties(node).get(key)
    if found is None:
        more: Any = node.get("additionalProperties")
        return cast("Node", more) if isinstance(more, dict) else None
    return found


def prune(node: Node, obj: dict[str, Any]) -> list[str]:
    """Removes, in place, the fields of an object that its schema does not know; returns where they were, in order."""
    unknown: list[str] = []
    _prune_object(node, obj, "", True, unknown)
    return sorted(unknown)


def unknown_in(node: Node, value: Any) -> list[str]:
    """Where a value of a node has fields that the node does not know."""
    unknown: list[str] = []
    _prune(node, copied(value), "", unknown)
    return unknown


def _prune(node: Node, value: Any, path: str, unknown: list[str]) -> None:
    if isinstance(value, dict):
        _prune_object(node, cast("dict[str, Any]", value), path, bool(node.get(EMBEDDED)), unknown)
    elif isinstance(value, list):
        items: Node = node.get("items") or ({PRESERVE: True} if node.get(PRESERVE) else _NOTHING)
        for index, item in enumerate(cast("list[Any]", value)):
            _prune(items, item, f"{path}[{index}]", unknown)


def _prune_object(node: Node, value: dict[str, Any], path: str, is_resource: bool, unknown: list[str]) -> None:
    named, keep = properties(node), node.get(PRESERVE)
    more: Any = node.get("additionalProperties")
    for key in list(value):
        if is_resource and key in TYPE_FIELDS:
            continue
        inner = f"{path}.{key}" if path else key
        if key in named:
            _prune(named[key], value[key], inner, unknown)
        elif more is not None:
            _prune(cast("Node", more) if isinstance(more, dict) else _NOTHING, value[key], inner, unknown)
        elif not keep:
            unknown.append(inner)
            del value[key]


def default(node: Node, obj: dict[str, Any]) -> None:
    """Completes an object in place; a null where none may be gives way to the default, or goes."""
    for key, child in properties(node).items():
        if key not in TYPE_FIELDS:
            _default_member(child, obj, key)
    _default_others(node, obj)


def _default(node: Node, value: Any) -> None:
    if isinstance(value, dict):
        obj = cast("dict[str, Any]", value)
        for key, child in properties(node).items():
            _default_member(child, obj, key)
        _default_others(node, obj)
    elif isinstance(value, list):
        items: Node | None = node.get("items")
        if items is None:
            return
        listed = cast("list[Any]", value)
        for index, item in enumerate(listed):
            if item is None and not items.get("nullable"):
                listed[index] = copied(items.get("default"))
            _default(items, listed[index])


def _default_member(node: Node, obj: dict[str, Any], key: str) -> None:
    if key in obj and (obj[key] is not None or node.get("nullable")):
        _default(node, obj[key])
        return
    if node.get("default") is not None:
        obj[key] = copied(node["default"])
        _default(node, obj[key])
    else:
        obj.pop(key, None)


def _default_others(node: Node, obj: dict[str, Any]) -> None:
    """Members that only additionalProperties describes."""
    more: Any = node.get("additionalProperties")
    if isinstance(more, dict):
        named = properties(node)
        for key in [key for key in obj if key not in named]:
            _default_member(cast("Node", more), obj, key)


def may_have_rules(node: Node) -> bool:
    """Whether the word of validation rules is anywhere in a schema: a quick look, before a slow one."""
    return _RULES in msgspec.json.encode(node)


def copied(value: Any) -> Any:
    """A copy of a JSON value that shares nothing with it."""
    if isinstance(value, dict):
        return {key: copied(item) for key, item in cast("dict[str, Any]", value).items()}
    if isinstance(value, list):
        return [copied(item) for item in cast("list[Any]", value)]
    return value
