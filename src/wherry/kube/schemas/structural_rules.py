"""What a schema must be to be a custom kind's: structural, and of the keywords that the API server takes.

Called by `wherry.kube.embedded.definition_rules`.  Source: "Extend the Kubernetes API with CustomResourceDefinitions",
Specifying a structural schema.  Invariant: a schema without causes can be pruned, defaulted, validated and described by
the other modules of this package without an exception.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, cast

from wherry.cel.errors import NoValue
from wherry.cel.regexes import compiled
from wherry.kube.errors import Cause
from wherry.kube.schemas.golang import bad, quoted
from wherry.kube.schemas.nodes import Node
from wherry.kube.schemas.structural import EMBEDDED, INT_OR_STRING, PRESERVE, TYPE_FIELDS, unknown_in
from wherry.kube.schemas.structural import properties as properties_of
from wherry.kube.schemas.validation import validate

_LIST_TYPE, _MAP_TYPE, _KEYS = "x-kubernetes-list-type", "x-kubernetes-map-type", "x-kubernetes-list-map-keys"
_TYPES = ("array", "boolean", "integer", "number", "object", "string")
_ROOT, _ITEM, _FIELD = (
    "must not be empty at the root",
    "must not be empty for specified array items",
    "must not be empty for specified object fields",
)
_INT_OR_STRING: list[Node] = [{"type": "integer"}, {"type": "string"}]
_UNSUPPORTED = ("id", "additionalItems", "patternProperties", "definitions", "dependencies", "$ref")
# What a nested schema, which only adds conditions, must leave to the structure around it.
_NESTED: dict[str, str] = {
    "type": "must be empty to be structural",
    "additionalProperties": "must be undefined to be structural",
    "default": "must be undefined to be structural",
    "title": "must be empty to be structural",
    "description": "must be empty to be structural",
    "nullable": "must be false to be structural",
    "externalDocs": "must be undefined to be structural",
    PRESERVE: "must be false to be structural",
    EMBEDDED: "must be false to be structural",
    INT_OR_STRING: "must be false to be structural",
    _KEYS: "must be empty to be structural",
    _LIST_TYPE: "must be undefined to be structural",
    _MAP_TYPE: "must be undefined to be structural",
}


def causes(schema: Node, path: str) -> list[Cause]:
    """What is wrong with the schema of a version, which lies at `path`."""
    wrong = sorted(_structure(schema, path, _ROOT), key=lambda cause: (cause.field, cause.message))
    wrong += sorted(_completeness(schema, path), key=lambda cause: (cause.field, cause.message))
    if not wrong:
        wrong += _defaults(schema, path)
    wrong += _keywords(schema, path)
    if schema.get("nullable"):
        wrong.append(_forbidden(f"{path}.nullable", "nullable cannot be true at the root"))
    return list(dict.fromkeys(wrong))


def _forbidden(path: str, why: str) -> Cause:
    return Cause(path, f"Forbidden: {why}", "FieldValueForbidden")


def _required(path: str, why: str) -> Cause:
    return Cause(path, f"Required value: {why}", "FieldValueRequired")


def _invalid(path: str, value: Any, why: str) -> Cause:
    return Cause(path, f"Invalid value: {bad(value)}: {why}")


def _structure(node: Node, path: str, level: str) -> Iterator[Cause]:
    """Every place has a type, and only the structure says what nested conditions may not."""
    type: str = node.get("type") or ""
    if type == "array" and node.get("items") is None:
        yield _required(f"{path}.items", "must be specified")
    if (items := node.get("items")) is not None:
        yield from _structure(items, f"{path}.items", _ITEM)
    for key, child in properties_of(node).items():
        yield from _structure(child, f"{path}.properties[{key}]", _FIELD)
    more: Any = node.get("additionalProperties")
    if more is not None and level == _ROOT:
        yield _forbidden(f"{path}.additionalProperties", "must not be used at the root")
    if isinstance(more, dict):
        yield from _structure(cast("Node", more), f"{path}.additionalProperties", _FIELD)
    if node.get(INT_OR_STRING):
        for key in (PRESERVE, EMBEDDED):
            if node.get(key):
                yield _invalid(f"{path}.{key}", True, "must be false if x-kubernetes-int-or-string is true")
    yield from _conditions(node, path, _is_int_or_string(node.get("anyOf")), _begins_with_int_or_string(node))
    if not type and not node.get(EMBEDDED) and not node.get(INT_OR_STRING) and not node.get(PRESERVE):
        yield _required(f"{path}.type", level)
    if level == _ROOT and type and type != "object":
        yield _invalid(f"{path}.type", type, "must be object at the root")
    if node.get(EMBEDDED):
        yield from _embedded(node, path)
    if level == _ROOT or node.get(EMBEDDED):
        yield from _type_fields(node, path, level)


def _is_int_or_string(branches: Any) -> bool:
    return branches == _INT_OR_STRING


def _begins_with_int_or_string(node: Node) -> bool:
    parts: list[Node] = node.get("allOf") or []
    return bool(parts) and _is_int_or_string(parts[0].get("anyOf"))


def _embedded(node: Node, path: str) -> Iterator[Cause]:
    type: str = node.get("type") or ""
    why = "must be object if x-kubernetes-embedded-resource is true"
    if not type:
        yield _required(f"{path}.type", why)
    elif type != "object":
        yield _invalid(f"{path}.type", type, why)
    if node.get("additionalProperties") is not None:
        yield _forbidden(f"{path}.additionalProperties", "must not be used if x-kubernetes-embedded-resource is set")
    if not node.get(PRESERVE) and not properties_of(node):
        yield _required(
            f"{path}.properties",
            "must not be empty if x-kubernetes-embedded-resource is true without x-kubernetes-preserve-unknown-fields",
        )


def _type_fields(node: Node, path: str, level: str) -> Iterator[Cause]:
    """apiVersion, kind and metadata are given: a schema can hardly say anything of them."""
    named = properties_of(node)
    for key in ("kind", "apiVersion"):
        if key in named and named[key].get("type") != "string":
            yield _invalid(f"{path}.properties[{key}].type", named[key].get("type") or "", "must be string")
    metadata = named.get("metadata")
    if metadata is None:
        return
    inner = f"{path}.properties[metadata]"
    if metadata.get("type") != "object":
        yield _invalid(f"{inner}.type", metadata.get("type") or "", "must be object")
    if level == _ROOT and (
        not set(properties_of(metadata)) <= {"name", "generateName"}
        or {*metadata} - {"type", "properties", "description", "title", "default"}
        & {*_NESTED, "required", *_PARTS} - {"type", "description", "title", "default"}
    ):
        yield _forbidden(
            inner, "must not specify anything other than name and generateName, but metadata is implicitly specified"
        )


_PARTS = ("anyOf", "oneOf", "allOf", "not", "items", "enum", "minProperties", "maxProperties")


def _conditions(node: Node, path: str, skip_any: bool, skip_first: bool) -> Iterator[Cause]:
    """The nested schemas of a place, and its pattern."""
    for key in ("anyOf", "allOf", "oneOf"):
        if key == "anyOf" and skip_any:
            continue
        parts: list[Node] = node.get(key) or []
        for index, part in enumerate(parts):
            skips = key == "allOf" and skip_first and index == 0
            yield from _nested(part, f"{path}.{key}[{index}]", skips)
    if node.get("not") is not None:
        yield from _nested(node["not"], f"{path}.not", False)
    pattern: str = node.get("pattern") or ""
    if pattern:
        try:
            compiled(pattern)
        except NoValue as problem:
            why = f"must be a valid regular expression, but isn't: {problem}"
            yield _invalid(f"{path}.pattern", pattern, why)


def _nested(node: Node, path: str, skip_any: bool) -> Iterator[Cause]:
    yield from _conditions(node, path, skip_any, False)
    if (items := node.get("items")) is not None:
        yield from _nested(items, f"{path}.items", False)
    for key, child in properties_of(node).items():
        yield from _nested(child, f"{path}.properties[{key}]", False)
    for key, why in _NESTED.items():
        if node.get(key):
            yield _forbidden(f"{path}.{key}", why)
    if node.get("x-kubernetes-validations"):
        yield _forbidden(f"{path}.x-kubernetes-validations", "must be empty to be structural")
    if "metadata" in properties_of(node):
        yield _forbidden(f"{path}.properties[metadata]", "must not be specified in a nested context")


def _completeness(node: Node, path: str) -> Iterator[Cause]:
    """Whatever a nested schema of the root names, the structure names, too: the API server looks no deeper."""
    for key in ("anyOf", "allOf", "oneOf"):
        parts: list[Node] = node.get(key) or []
        for index, part in enumerate(parts):
            yield from _complete(part, node, f"{path}.{key}[{index}]", path)
    if node.get("not") is not None:
        yield from _complete(node["not"], node, f"{path}.not", path)


def _complete(nested: Node, node: Node | None, path: str, place: str) -> Iterator[Cause]:
    if node is None:
        yield _required(place, f"because it is defined in {path}")
        return
    for key in ("anyOf", "allOf", "oneOf"):
        parts: list[Node] = nested.get(key) or []
        for index, part in enumerate(parts):
            yield from _complete(part, node, f"{path}.{key}[{index}]", place)
    if nested.get("not") is not None:
        yield from _complete(nested["not"], node, f"{path}.not", place)
    if nested.get("items") is not None:
        yield from _complete(nested["items"], node.get("items"), f"{path}.items", f"{place}.items")
    for key, child in properties_of(nested).items():
        found = properties_of(node).get(key)
        yield from _complete(child, found, f"{path}.properties[{key}]", f"{place}.properties[{key}]")


def _defaults(node: Node, path: str) -> Iterator[Cause]:
    """Defaults are values that their own place takes whole."""
    value = node.get("default")
    if value is not None:
        if unknown_in(node, value):
            yield _invalid(f"{path}.default", value, "must not have unknown fields")
        else:
            yield from validate(node, value, f"{path}.default")
    for key, child in properties_of(node).items():
        yield from _defaults(child, f"{path}.properties[{key}]")
    if (items := node.get("items")) is not None:
        yield from _defaults(items, f"{path}.items")
    more: Any = node.get("additionalProperties")
    if isinstance(more, dict):
        yield from _defaults(cast("Node", more), f"{path}.additionalProperties")


def _keywords(node: Node, path: str, *, in_type_fields: bool = False, is_root: bool = True) -> Iterator[Cause]:
    """Keywords that the API server does not take, or not together."""
    type = node.get("type")
    if type == "null":
        yield _forbidden(f"{path}.type", "type cannot be set to null, use nullable as an alternative")
    elif type and type not in _TYPES:
        listed = ", ".join(map(quoted, _TYPES))
        why = f"Unsupported value: {bad(type)}: supported values: {listed}"
        yield Cause(f"{path}.type", why, "FieldValueNotSupported")
    for key in _UNSUPPORTED:
        if node.get(key):
            yield _forbidden(f"{path}.{key}", f"{key} is not supported")
    if node.get("default") is not None and in_type_fields:
        yield _forbidden(f"{path}.default", f"must not be set in top-level {path.rpartition('[')[2].rstrip(']')}")
    if isinstance(node.get("items"), list):
        yield _forbidden(f"{path}.items", "items must be a schema object and not an array")
        return
    if node.get("uniqueItems"):
        why = "uniqueItems cannot be set to true since the runtime complexity becomes quadratic"
        yield _forbidden(f"{path}.uniqueItems", why)
    if node.get("properties") and node.get("additionalProperties") not in (None, True):
        yield _forbidden(f"{path}.additionalProperties", "additionalProperties and properties are mutual exclusive")
    if node.get(PRESERVE) is False:
        yield _invalid(f"{path}.{PRESERVE}", False, "must be true or undefined")
    yield from _merging(node, path)
    for inner, child, key in _children(node, path):
        meta = is_root and key in TYPE_FIELDS
        yield from _keywords(child, inner, in_type_fields=meta, is_root=False)


def _children(node: Node, path: str) -> Iterator[tuple[str, Node, str]]:
    """All nodes directly below a node: path, node, and the property's name for those."""
    for key, child in properties_of(node).items():
        yield f"{path}.properties[{key}]", child, key
    for key in ("allOf", "oneOf", "anyOf"):
        parts: list[Node] = node.get(key) or []
        for index, part in enumerate(parts):
            yield f"{path}.{key}[{index}]", part, ""
    for key in ("not", "items", "additionalProperties"):
        child: Any = node.get(key)
        if isinstance(child, dict):
            yield f"{path}.{key}", cast("Node", child), ""


def _merging(node: Node, path: str) -> Iterator[Cause]:
    """The list and map types of server-side apply."""
    for key, wanted, known in (
        (_MAP_TYPE, "object", ("atomic", "granular")),
        (_LIST_TYPE, "array", ("atomic", "set", "map")),
    ):
        value = node.get(key)
        if value is None:
            continue
        if not node.get("type"):
            yield _required(f"{path}.type", f"must be {wanted} if {key} is specified")
        elif node["type"] != wanted:
            yield _invalid(f"{path}.type", node["type"], f"must be {wanted} if {key} is specified")
        if value not in known:
            why = f"Unsupported value: {bad(value)}: supported values: {', '.join(map(quoted, known))}"
            yield Cause(f"{path}.{key}", why, "FieldValueNotSupported")
    list_type, items = node.get(_LIST_TYPE), cast("Node", node.get("items") or {})
    if node.get(_KEYS) and list_type != "map":
        why = "must be map if x-kubernetes-list-map-keys is non-empty"
        place = f"{path}.{_LIST_TYPE}"
        yield _required(place, why) if list_type is None else _invalid(place, list_type, why)
    if list_type in ("set", "map") and items.get("nullable"):
        yield _forbidden(f"{path}.items.nullable", f"cannot be nullable when x-kubernetes-list-type is {list_type}")
    if list_type == "set":
        why = "must be atomic as item of a list with x-kubernetes-list-type=set"
        if items.get("type") == "array" and items.get(_LIST_TYPE) not in (None, "atomic"):
            yield _invalid(f"{path}.items.{_LIST_TYPE}", items.get(_LIST_TYPE), why)
        if items.get("type") == "object" and items.get(_MAP_TYPE) != "atomic":
            yield _invalid(f"{path}.items.{_MAP_TYPE}", items.get(_MAP_TYPE), why)
    if list_type == "map":
        yield from _map_keys(node, items, path)


def _map_keys(node: Node, items: Node, path: str) -> Iterator[Cause]:
    keys: list[str] = node.get(_KEYS) or []
    place, named = f"{path}.{_KEYS}", properties_of(items)
    if not keys:
        yield _required(place, "must not be empty if x-kubernetes-list-type is map")
    if not items:
        yield _required(f"{path}.items", "must have a schema if x-kubernetes-list-type is map")
        return
    if items.get("type") != "object":
        why = "must be object if parent array's x-kubernetes-list-type is map"
        yield _invalid(f"{path}.items.type", items.get("type") or "", why)
        return
    for index, key in enumerate(keys):
        if key in keys[:index]:
            yield _invalid(place, list(keys), "must not contain duplicate entries")
        if key not in named:
            yield _invalid(place, list(keys), "entries must all be names of item properties")
            continue
        yield from _map_key(key, named[key], items, f"{path}.items.properties[{key}]")


def _map_key(key: str, node: Mapping[str, Any], items: Node, path: str) -> Iterator[Cause]:
    told = "this property is in x-kubernetes-list-map-keys, so it"
    if node.get("type") in ("array", "object"):
        why = "must be a scalar type if parent array's x-kubernetes-list-type is map"
        yield _invalid(f"{path}.type", items.get("type"), why)
    if key not in (items.get("required") or ()) and node.get("default") is None:
        yield _required(f"{path}.default", f"{told} must have a default or be a required property")
    if node.get("nullable"):
        yield _forbidden(f"{path}.nullable", f"{told} cannot be nullable")
