"""The kinds that are served as OpenAPI documents: what clients explain and check objects by.

Called by `wherry.kube.wire.app`.  Source: "The Kubernetes API", OpenAPI interface definition.  Invariant: made of the
registry, so that what is described is what is served; a document holds every definition that it refers to.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any, cast

import msgspec

from wherry.kube.embedded.kinds import Kind, Registry
from wherry.kube.embedded.object_schemas import META, schema_of
from wherry.kube.schemas import builtin_definitions
from wherry.kube.schemas.nodes import REFERENCE, Node

_V2_REFERENCE = "#/definitions/"
_GVK = "x-kubernetes-group-version-kind"
_PATCH_BODIES = ("application/json-patch+json", "application/merge-patch+json", "application/apply-patch+yaml")
_WRITE_PARAMETERS = ("dryRun", "fieldManager", "fieldValidation")
_encode = msgspec.json.Encoder(order="deterministic").encode


def index(registry: Registry) -> dict[str, Any]:
    """`GET /openapi/v3`: where the document of each group and version is; the hash changes with what it says."""
    paths: dict[str, Any] = {}
    for path in sorted({_root(kind) for kind in registry.kinds}):
        digest = hashlib.sha256(_identity(registry, path)).hexdigest().upper()
        paths[path] = {"serverRelativeURL": f"/openapi/v3/{path}?hash={digest}"}
    return {"paths": paths}


def _identity(registry: Registry, root: str) -> bytes:
    """What changes with a document: of custom kinds their definitions, so that their schemas need not be read."""
    custom = [kind.custom.identity for kind in registry.kinds if kind.custom is not None and _root(kind) == root]
    return _encode(custom or document(registry, root))


def document(registry: Registry, root: str) -> dict[str, Any] | None:
    """`GET /openapi/v3/ROOT`, where the root is `api/v1` or `apis/GROUP/VERSION`; None when there is none."""
    kinds = [kind for kind in registry.kinds if _root(kind) == root]
    if not kinds:
        return None
    definitions = _definitions(kinds)
    paths = dict(item for kind in kinds for item in _paths(kind))
    return {
        "openapi": "3.0.0",
        "info": {"title": "Kubernetes", "version": "unversioned"},
        "paths": paths,
        "components": {"schemas": definitions},
    }


def swagger(registry: Registry) -> dict[str, Any]:
    """`GET /openapi/v2`: everything in one document of the older form."""
    definitions = {name: _as_v2(node) for name, node in _definitions(registry.kinds).items()}
    return {
        "swagger": "2.0",
        "info": {"title": "Kubernetes", "version": "unversioned"},
        "paths": dict(item for kind in registry.kinds for item in _paths(kind, v2=True)),
        "definitions": definitions,
    }


def _root(kind: Kind) -> str:
    resource = kind.resource
    return f"apis/{resource.api_version}" if resource.group else f"api/{resource.version}"


def _definitions(kinds: list[Kind] | tuple[Kind, ...]) -> dict[str, Node]:
    """The definitions of the kinds and all that they refer to."""
    known, found = builtin_definitions(), dict[str, Node]()
    wanted: list[str] = []
    for kind in kinds:
        schema = schema_of(kind)
        if schema is None:
            continue
        if kind.custom is None:
            wanted.append(schema.name)
        else:
            found[schema.name] = {"type": "object", **schema.node, _GVK: [_gvk(kind)]}
            wanted.append(META)
    while wanted:
        name = wanted.pop()
        if name not in found:
            found[name] = known[name]
            wanted += _references(known[name])
    return found


def _references(node: Any) -> Iterator[str]:
    if isinstance(node, list):
        for item in cast("list[Any]", node):
            yield from _references(item)
    elif isinstance(node, dict):
        for key, value in cast("dict[str, Any]", node).items():
            if key == "$ref" and isinstance(value, str):
                yield value.removeprefix(REFERENCE)
            else:
                yield from _references(value)


def _name(kind: Kind) -> str:
    """The name of a kind's definition: its group from the end, its version, itself."""
    schema, resource = schema_of(kind), kind.resource
    return f"{resource.group}.{resource.version}.{resource.kind}" if schema is None else schema.name


def _gvk(kind: Kind) -> dict[str, str]:
    resource = kind.resource
    return {"group": resource.group, "version": resource.version, "kind": resource.kind}


def _paths(kind: Kind, *, v2: bool = False) -> list[tuple[str, Any]]:
    """The collection and the object, with what may be done to them."""
    resource = kind.resource
    base = f"/{_root(kind)}" + ("/namespaces/{namespace}" if resource.namespaced else "") + f"/{resource.plural}"
    one: dict[str, Any] = {name: _operation(kind, verb, v2=v2) for name, verb in _OBJECT.items()}
    many: dict[str, Any] = {name: _operation(kind, verb, v2=v2) for name, verb in _COLLECTION.items()}
    given = ["namespace"] if resource.namespaced else []
    many["parameters"] = [_parameter(name, "path", v2=v2) for name in given]
    one["parameters"] = [_parameter(name, "path", v2=v2) for name in [*given, "name"]]
    return [(base, many), (f"{base}/{{name}}", one)]


_COLLECTION = {"get": "list", "post": "post", "delete": "deletecollection"}
_OBJECT = {"get": "get", "put": "put", "patch": "patch", "delete": "delete"}


def _operation(kind: Kind, verb: str, *, v2: bool) -> dict[str, Any]:
    names: tuple[str, ...] = ()
    if verb in ("post", "put", "patch"):
        names = (*_WRITE_PARAMETERS, "force") if verb == "patch" else _WRITE_PARAMETERS
    elif verb in ("delete", "deletecollection"):
        names = ("dryRun", "gracePeriodSeconds", "propagationPolicy")
    elif verb == "list":
        names = ("labelSelector", "fieldSelector", "limit", "continue", "resourceVersion", "watch", "timeoutSeconds")
    scope = "Namespaced" if kind.resource.namespaced else ""
    operation: dict[str, Any] = {
        "operationId": f"{verb}_{_name(kind).replace('.', '_')}_{scope}",
        "parameters": [_parameter(name, "query", v2=v2) for name in names],
        "responses": {"200": {"description": "OK"}},
        "x-kubernetes-action": verb,
        _GVK: _gvk(kind),
    }
    if v2 or schema_of(kind) is None:
        return operation
    reference = {"$ref": f"{REFERENCE}{_name(kind)}"}
    if verb in ("post", "put"):
        operation["requestBody"] = {"content": {"*/*": {"schema": reference}}, "required": True}
    elif verb == "patch":
        media = [*_PATCH_BODIES, *(["application/strategic-merge-patch+json"] if kind.custom is None else [])]
        operation["requestBody"] = {"content": {name: {"schema": {"type": "object"}} for name in media}}
    if verb in ("get", "post", "put", "patch"):
        operation["responses"]["200"]["content"] = {"application/json": {"schema": reference}}
    return operation


def _parameter(name: str, place: str, *, v2: bool) -> dict[str, Any]:
    type = {"limit": "integer", "timeoutSeconds": "integer", "gracePeriodSeconds": "integer"}.get(name, "string")
    type = "boolean" if name in ("force", "watch") else type
    described: dict[str, Any] = {"name": name, "in": place}
    if place == "path":
        described["required"] = True
    return {**described, "type": type} if v2 else {**described, "schema": {"type": type}}


_SINCE_V3 = ("anyOf", "oneOf", "not", "nullable")


def _as_v2(node: Any) -> Any:
    """The same in the older form, which has one type for each value."""
    if isinstance(node, list):
        return [_as_v2(item) for item in cast("list[Any]", node)]
    if not isinstance(node, dict):
        return node
    whole = cast("dict[str, Any]", node)
    found: dict[str, Any] = {}
    for key, value in whole.items():
        if key == "$ref" and isinstance(value, str):
            found[key] = value.replace(REFERENCE, _V2_REFERENCE)
        elif key == "properties" and isinstance(value, dict):
            found[key] = {name: _as_v2(item) for name, item in cast("dict[str, Any]", value).items()}
        elif key == "oneOf" and not {"properties", "type"} & whole.keys():
            found["type"] = "string"
        elif key not in _SINCE_V3:
            found[key] = _as_v2(value)
    return found
