"""The schema of every kind that is served, Kubernetes' own and custom ones in one form.

Called by whoever walks an object beside its schema: checks of fields, OpenAPI documents, server-side apply.  Invariant:
the schema of a custom kind has what each object has (apiVersion, kind, metadata) and else what its definition says.
"""

from __future__ import annotations

from typing import Any

from wherry.kube.embedded.kinds import Kind
from wherry.kube.schemas import Schema, builtin, builtin_definitions
from wherry.kube.schemas.nodes import REFERENCE, Node

META = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"
_TEXT: Node = {"type": "string"}


def schema_of(kind: Kind) -> Schema | None:
    """The schema of a kind, None when there is none."""
    resource = kind.resource
    if kind.custom is None:
        return builtin(resource.api_version, resource.kind)
    node: dict[str, Any] = dict(kind.custom.schema)
    given = {"apiVersion": _TEXT, "kind": _TEXT, "metadata": {"$ref": f"{REFERENCE}{META}"}}
    node["properties"] = {**(node.get("properties") or {}), **given}
    name = ".".join([*reversed(resource.group.split(".")), resource.version, resource.kind])
    return Schema(node, builtin_definitions(), name)
