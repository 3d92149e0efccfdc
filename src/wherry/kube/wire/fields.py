"""What clients send, beside the schema of its kind: which fields are refused, dropped or warned about.

Called by `wherry.kube.wire.verbs`.  Source: "Kubernetes API Concepts", Field validation.  Invariant: an object that
passed has only fields that its kind has; a field that was dropped was named to the client unless it asked not to be.
"""

from __future__ import annotations

import json
from typing import Any, cast

from wherry.kube.embedded.kinds import Kind
from wherry.kube.embedded.object_schemas import schema_of
from wherry.kube.errors import bad_request, error
from wherry.kube.protocol import Object
from wherry.kube.schemas import FieldTypeError, Schema, prune, structural
from wherry.kube.wire.exchange import Exchange

_MODES = ("Ignore", "Strict", "Warn")


class Fields:
    """How one request treats the fields that it sends."""

    def __init__(self, exchange: Exchange, kind: Kind) -> None:
        mode = exchange.query.get("fieldValidation") or "Warn"
        if mode not in _MODES:
            known = ", ".join(f'"{word}"' for word in _MODES)
            raise error("Invalid", f'fieldValidation: Unsupported value: "{mode}": supported values: {known}')
        self._mode = mode
        self._exchange = exchange
        self._kind = kind
        self._problems: list[str] = []

    def read(self, data: bytes) -> None:
        """Looks for fields that stand twice in a JSON text."""
        if self._mode != "Ignore":
            self._problems += [f'duplicate field "{path}"' for path in _duplicates(data)]

    def check(self, obj: Object, *, patched: Any = None) -> Object:
        """The object with the fields of its kind alone, changed in place; `patched` is the patch that led to it.

        Raises BadRequest, or Invalid for a patch.
        """
        schema, resource = schema_of(self._kind), self._kind.resource
        what = f'{resource.kind} in version "{resource.version}" cannot be handled as a {resource.kind}'
        if schema is not None:
            try:
                unknown = _prune(self._kind, schema, obj)
            except FieldTypeError as problem:
                raise bad_request(f"{what}: {problem}") from problem
            except RecursionError as problem:
                raise bad_request("the object is nested too deeply") from problem
            if self._mode != "Ignore":
                self._problems += [f'unknown field "{path}"' for path in unknown]
        problems, self._problems = self._problems, []
        if self._mode == "Warn":
            self._exchange.warnings += problems
        elif problems:
            text = f"strict decoding error: {', '.join(problems)}"
            if patched is None:
                raise bad_request(f"{what}: {text}")
            raise error("Invalid", f' "" is invalid: patch: Invalid value: {json.dumps(json.dumps(patched))}: {text}')
        return obj


def _prune(kind: Kind, schema: Schema, obj: Object) -> list[str]:
    """Removes the fields that the kind does not know; of a custom one, types are a matter of validation."""
    if kind.custom is None:
        return prune(schema, obj)
    metadata = schema.child("metadata")
    unknown: list[str] = []
    if metadata is not None and isinstance(obj.get("metadata"), dict):
        unknown = [f"metadata.{path}" for path in prune(metadata, obj["metadata"])]
    return unknown + structural.prune(kind.custom.schema, obj)


class _Doubled(dict[str, Any]):
    """An object in whose text some names stand twice."""

    names: tuple[str, ...] = ()


def _duplicates(data: bytes) -> list[str]:
    """The paths of names that stand twice in an object."""
    found: list[_Doubled] = []

    def pairs(items: list[tuple[str, Any]]) -> dict[str, Any]:
        obj = dict(items)
        if len(obj) == len(items):
            return obj
        seen: set[str] = set()
        doubled = _Doubled(obj)
        doubled.names = tuple(dict.fromkeys(name for name, _ in items if name in seen or seen.add(name)))
        found.append(doubled)
        return doubled

    try:
        value = json.loads(data, object_pairs_hook=pairs)
    except (ValueError, RecursionError):
        return []  # the reader of the body says what is wrong
    return list(_paths(value, "")) if found else []


def _paths(value: Any, path: str) -> list[str]:
    paths: list[str] = []
    if isinstance(value, dict):
        names = value.names if isinstance(value, _Doubled) else ()
        for name, item in cast("dict[str, Any]", value).items():
            inner = f"{path}.{name}" if path else name
            paths += [inner] if name in names else []
            paths += _paths(item, inner)
    elif isinstance(value, list):
        for index, item in enumerate(cast("list[Any]", value)):
            paths += _paths(item, f"{path}[{index}]")
    return paths
