"""Lists whose items a schema declares to be different: sets, and maps by the keys of their items.

Called by `wherry.kube.embedded.custom`.  Source: "Extend the Kubernetes API with CustomResourceDefinitions", Merge
strategies.  Invariant: linear time; each item that repeats another is told once.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

import msgspec

from wherry.kube.errors import Cause
from wherry.kube.schemas.golang import bad, syntax
from wherry.kube.schemas.nodes import Node
from wherry.kube.schemas.structural import member

_encode = msgspec.json.Encoder(order="deterministic").encode


def duplicates(node: Node, value: Any, path: str = "") -> Iterator[Cause]:
    """The items of sets and maps within a value that are there already."""
    if isinstance(value, dict):
        for key, item in cast("dict[str, Any]", value).items():
            child = member(node, key)
            if child is not None:
                named = key in (node.get("properties") or ())
                yield from duplicates(
                    child, item, f"{path}.{key}" if path and named else key if named else f"{path}[{key}]"
                )
    elif isinstance(value, list):
        items = cast("list[Any]", value)
        yield from _repeated(node, items, path)
        if (child := node.get("items")) is not None:
            for index, item in enumerate(items):
                yield from duplicates(child, item, f"{path}[{index}]")


def _repeated(node: Node, items: list[Any], path: str) -> Iterator[Cause]:
    kind = node.get("x-kubernetes-list-type")
    if kind == "set":
        keys: list[Any] = items
    elif kind == "map":
        for index, item in enumerate(items):
            if item is not None and not isinstance(item, dict):
                why = "must be an object for an array of list-type map"
                yield Cause(f"{path}[{index}]", f"Invalid value: {bad(item)}: {why}")
                return
        names: list[str] = node.get("x-kubernetes-list-map-keys") or []
        keys = [{name: item[name] for name in names if name in item} if item else {} for item in items]
    else:
        return
    seen: dict[bytes, int] = {}
    for index, key in enumerate(keys):
        text = _encode(key)
        seen[text] = seen.get(text, 0) + 1
        if seen[text] == 2:
            told = syntax(key) if isinstance(key, dict) else bad(key)
            yield Cause(f"{path}[{index}]", f"Duplicate value: {told}", "FieldValueDuplicate")
