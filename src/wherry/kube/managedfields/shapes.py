"""What server-side apply sees in a schema: which values have one owner, and by what items of lists are told apart.

Called by the walks of this package.  Source: kube-openapi's conversion of OpenAPI to the schemas of
structured-merge-diff.  Invariant: a shape is never changed but for the children that it has already made.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from wherry.kube.schemas import Schema, builtin
from wherry.kube.schemas.nodes import Node, data

Form = Literal["string", "numeric", "boolean", "untyped", "map", "list", "any"]

_OBJECT_META = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"
_SCALARS: dict[str, Form] = {"string": "string", "integer": "numeric", "number": "numeric", "boolean": "boolean"}


class Shape:
    """One place of an object.

    form: `any` is what no schema describes: its maps are merged, its lists are not.  atomic: it has one owner as a
    whole.  keys: how items of a list are told apart; an empty tuple in a list that is not atomic: by their values.
    held: members that objects of this kind always have, as Go's structs do: empty ones, and lists that may be null.
    """

    __slots__ = ("_children", "_schema", "atomic", "defaults", "form", "held", "keys")

    def __init__(self, schema: Schema | None) -> None:
        self._schema = schema
        self._children: dict[str, Shape | None] = {}
        self.form: Form = "any" if schema is None else _form(schema)
        self.atomic = False
        self.keys: tuple[str, ...] = ()
        self.defaults: dict[str, Any] = {}
        self.held: Mapping[str, Any] = {}
        if schema is None:
            return
        if self.form == "map":
            self.atomic = schema.atomic
            self.held = _held(schema)
        elif self.form == "list":
            self.atomic, self.keys = _list_kind(schema)
            self.defaults = {key: default for key in self.keys if (default := _default(schema, key)) is not None}

    def declared(self, key: str) -> bool:
        """Whether the schema names the member itself."""
        if self._schema is None:
            return False
        return key in (self._schema.node.get("properties") or {}) or key in _envelope(self._schema)

    def child(self, key: str) -> Shape | None:
        """The shape of a map's member, None when the schema has none of that name."""
        if self.form == "any":
            return ANY
        if key not in self._children:
            self._children[key] = self._child(key)
        return self._children[key]

    def _child(self, key: str) -> Shape | None:
        schema = self._schema
        if schema is None:
            return ANY
        found = schema.child(key)
        if found is not None:
            return _shape(found)
        if key in _envelope(schema):
            return _object_meta() if key == "metadata" else _STRING
        return ANY if schema.open or schema.node.get("additionalProperties") is True else None

    @property
    def nullable(self) -> bool:
        """Whether null is a value of its own here."""
        return self._schema is not None and bool(self._schema.node.get("nullable"))

    @property
    def item(self) -> Shape:
        """The shape of a list's items."""
        if self._schema is None or (items := self._schema.items) is None:
            return ANY
        if "[]" not in self._children:
            self._children["[]"] = _shape(items)
        return self._children["[]"] or ANY


def _envelope(schema: Schema) -> tuple[str, ...]:
    """What an object inside an object has beside what its schema says."""
    return ("apiVersion", "kind", "metadata") if schema.node.get("x-kubernetes-embedded-resource") else ()


def _form(schema: Schema) -> Form:
    node = schema.node
    if node.get("x-kubernetes-int-or-string") or ("oneOf" in node and "type" not in node and "properties" not in node):
        return "untyped"
    kind = node.get("type", "")
    if kind in _SCALARS:
        return _SCALARS[kind]
    if kind == "array":
        return "list"
    if kind == "object" or "properties" in node or "additionalProperties" in node:
        return "map"
    return "any"


def _list_kind(schema: Schema) -> tuple[bool, tuple[str, ...]]:
    node = schema.node
    kind = node.get("x-kubernetes-list-type")
    if kind == "map":
        return False, tuple(schema.list_keys)
    if kind == "set":
        return False, ()
    if kind is None and "merge" in schema.strategies:
        return False, (schema.merge_key,) if schema.merge_key else ()
    return True, ()


def _default(schema: Schema, key: str) -> Any:
    member = schema.items.child(key) if schema.items is not None else None
    return None if member is None else member.node.get("default")


def _held(schema: Schema) -> Mapping[str, Any]:
    """Members that are structs and no pointers are there even if nobody has set them; required lists may be null."""
    message = data().messages.get(schema.name.replace("io.k8s.", "k8s.io.", 1))
    if message is None or not _is_definition(schema):
        return {}
    held: dict[str, Any] = {}
    for name, _, repeated, target, pointer in message.values():
        inner = data().definitions.get(target.replace("k8s.io.", "io.k8s.", 1)) if target else None
        if name and inner is not None and "properties" in inner and not repeated and not pointer:
            held[name] = {}
    properties: Mapping[str, Any] = schema.node.get("properties") or {}
    for name in schema.node.get("required") or ():
        member: Node = properties.get(name) or {}
        if name not in held and (member.get("type") in ("array", "object") or "$ref" in member or "allOf" in member):
            held[name] = None
    return held


ANY = Shape(None)
_STRING = Shape(Schema({"type": "string"}, {}))
_named: dict[str, Shape] = {}


def _is_definition(schema: Schema) -> bool:
    """Whether the node is one of Kubernetes' own named types, and not a place inside of it."""
    if not schema.name or schema.definitions is not data().definitions:
        return False
    properties = data().definitions[schema.name].get("properties")
    return properties is not None and properties is schema.node.get("properties")


def _shape(schema: Schema) -> Shape:
    """The shape of a schema; of Kubernetes' own types one for all places that have them."""
    if not _is_definition(schema):
        return Shape(schema)
    if schema.name not in _named:
        _named[schema.name] = Shape(schema)
    return _named[schema.name]


def _object_meta() -> Shape:
    definitions = data().definitions
    return _shape(Schema(definitions[_OBJECT_META], definitions, _OBJECT_META))


class _Custom(Shape):
    """The whole of a custom object: its envelope is Kubernetes' own, whatever its schema says of it."""

    __slots__ = ()

    def declared(self, key: str) -> bool:
        return key in ("apiVersion", "kind", "metadata") or super().declared(key)

    def child(self, key: str) -> Shape | None:
        if key == "metadata":
            return _object_meta()
        return _STRING if key in ("apiVersion", "kind") else super().child(key)


def builtin_shape(api_version: str, kind: str) -> Shape | None:
    """The shape of one of Kubernetes' own kinds, None for every other."""
    schema = builtin(api_version, kind)
    return None if schema is None else _shape(schema)


def custom_shape(node: Mapping[str, Any] | None) -> Shape:
    """The shape of a custom kind by its OpenAPI v3 schema; without one, of anything."""
    return _Custom(None if node is None else Schema(node, {}))
