"""What pods have beside their objects and streams: eviction, binding, and what is refused with its reason.

Called by `wherry.kube.wire.app`.  Source: "Kubernetes API Reference", Eviction and Binding.
"""

from __future__ import annotations

from typing import Any, cast

from wherry.kube.errors import bad_request, error
from wherry.kube.protocol import Object
from wherry.kube.resources import PODS
from wherry.kube.wire.verbs import Request, delete_options, is_dry_run

_SUCCESS: Object = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201}


async def evict(request: Request) -> None:
    """POST of an Eviction: the pod is deleted; there are no disruption budgets to ask."""
    said = await _said(request, ("policy/v1", "policy/v1beta1"), "Eviction")
    options: Any = said.get("deleteOptions") or {}
    if not isinstance(options, dict):
        raise bad_request("deleteOptions is not an object")
    target = request.target
    wish = delete_options(request, cast("dict[str, Any]", options))
    await request.server.kube.delete(PODS, target.name, target.namespace, **wish._asdict())
    await request.exchange.answer(_SUCCESS, 201)


async def bind(request: Request) -> None:
    """POST of a Binding: the pod is given to a node, as a scheduler does it."""
    said = await _said(request, ("v1",), "Binding")
    node: Any = said.get("target")
    name: Any = cast("Object", node).get("name") if isinstance(node, dict) else None
    if not isinstance(name, str) or not name:
        raise bad_request("a Binding names its node in target.name")
    if cast("Object", node).get("kind", "Node") != "Node":
        raise bad_request(f'target.kind: Unsupported value: "{node["kind"]}": supported values: "Node"')
    metadata: Any = said.get("metadata") or {}
    target, uid = request.target, cast("Object", metadata).get("uid") if isinstance(metadata, dict) else None
    if is_dry_run(request.exchange.query):
        raise bad_request("dryRun of a binding is not served")
    await request.server.kube.bind(target.name, target.namespace, name, uid=str(uid or ""))
    await request.exchange.answer(_SUCCESS, 201)


async def refuse_ephemeral(request: Request) -> None:
    """Ephemeral containers, which `kubectl debug` adds."""
    await request.server.kube.get(PODS, request.target.name, request.target.namespace)
    raise error(
        "MethodNotAllowed",
        "ephemeral containers cannot be added: pods are processes of this machine, whose own programs kubectl exec runs"
        " beside a container",
    )


async def _said(request: Request, versions: tuple[str, ...], kind: str) -> Object:
    said = await request.exchange.mapping()
    if said.get("kind", kind) != kind or said.get("apiVersion", versions[0]) not in versions:
        raise bad_request(
            f"a {kind} of {versions[0]} is expected, not a {said.get('kind')} of {said.get('apiVersion')}"
        )
    metadata: Any = said.get("metadata") or {}
    name = cast("Object", metadata).get("name") if isinstance(metadata, dict) else None
    if name not in (None, "", request.target.name):
        raise bad_request(f"name in URL does not match name in {kind} object: {name}")
    return said
