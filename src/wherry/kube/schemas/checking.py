"""Fields of an object beside its schema: types that do not fit, and names that nobody knows.

Called by `wherry.kube.wire` with what clients send.  Source: "Kubernetes API Concepts", Field validation.  Invariant:
after `prune` the object has only fields that its schema names, each of its type.
"""

from __future__ import annotations

from typing import Any, cast

from wherry.kube.schemas.nodes import REFERENCE, Schema

_WORDS: dict[type[Any], str] = {
    str: "string",
    int: "number",
    float: "number",
    dict: "object",
    list: "array",
    bool: "bool",
}
_TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "object": (dict,),
    "array": (list,),
}
# Published without fields, for they may also be a list or a truth value: as an object they are a schema.
_EXTENSIONS = "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1."
_UNIONS = frozenset(f"{_EXTENSIONS}JSONSchemaPropsOr{word}" for word in ("Array", "Bool", "StringArray"))
_ALWAYS = ("apiVersion", "kind", "metadata")


class FieldTypeError(ValueError):
    """A value is not of its field's type; the text is a decoder's."""


def prune(schema: Schema, obj: dict[str, Any]) -> list[str]:
    """Removes, in place, the fields that the schema does not know, and returns where they were.

    Raises FieldTypeError.
    """
    unknown: list[str] = []
    _object(schema, obj, "", unknown)
    return unknown


def _object(schema: Schema, value: dict[str, Any], path: str, unknown: list[str]) -> None:
    if schema.open:
        return
    for key in list(value):
        child = schema.child(key)
        inner = f"{path}.{key}" if path else key
        if child is not None:
            if value[key] is not None:
                _value(child, value[key], inner, unknown, schema)
        elif path or key not in _ALWAYS:
            unknown.append(inner)
            del value[key]


def _value(schema: Schema, value: Any, path: str, unknown: list[str], owner: Schema) -> None:
    _check_type(schema, value, path, owner)
    if schema.name in _UNIONS and not isinstance(value, (dict, bool) if schema.name.endswith("Bool") else dict):
        raise FieldTypeError(f"json: cannot unmarshal {_WORDS[type(value)]} into {path} of type v1.JSONSchemaProps")
    if isinstance(value, dict):
        if schema.name in _UNIONS:
            schema = schema.at({"$ref": f"{REFERENCE}{_EXTENSIONS}JSONSchemaProps"})
        _object(schema, cast("dict[str, Any]", value), path, unknown)
    elif isinstance(value, list) and (items := schema.items) is not None:
        for index, item in enumerate(cast("list[Any]", value)):
            if item is not None:
                _value(items, item, f"{path}[{index}]", unknown, owner)


def _check_type(schema: Schema, value: Any, path: str, owner: Schema) -> None:
    node = schema.node
    choices: list[str] = [item["type"] for item in node.get("oneOf") or () if "type" in item]
    if node.get("x-kubernetes-int-or-string"):
        choices = ["integer", "string"]
    wanted = choices or ([node["type"]] if "type" in node else [])
    if not wanted or any(_fits(value, name) for name in wanted):
        return
    word = _WORDS.get(cast("type[Any]", type(value)), "value")
    if isinstance(value, float) and "integer" in wanted:
        word = f"number {value}"
    place = ".".join(part.partition("[")[0] for part in path.split("."))
    struct = owner.name.rpartition(".")[2]
    raise FieldTypeError(f"json: cannot unmarshal {word} into Go struct field {struct}.{place} of type {_go(schema)}")


def _fits(value: Any, name: str) -> bool:
    if isinstance(value, bool):
        return name == "boolean"
    return isinstance(value, _TYPES.get(name, (object,)))


def _go(schema: Schema) -> str:
    """The type's name in Go, as a decoder tells it."""
    node = schema.node
    kind = node.get("type", "")
    if kind == "array":
        return f"[]{_go(schema.items)}" if schema.items else "[]"
    if kind == "boolean":
        return "bool"
    if kind in ("integer", "number"):
        return node.get("format", "int64") if kind == "integer" else "float64"
    if kind == "object" and isinstance(node.get("additionalProperties"), dict):
        inner = schema.at(node["additionalProperties"])
        return f"map[string]{_go(inner)}"
    if kind == "string":
        return "string"
    return ".".join(schema.name.rsplit(".", 2)[-2:])
