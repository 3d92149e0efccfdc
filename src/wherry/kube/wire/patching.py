"""PATCH: merge patches, JSON patches, strategic merge patches, and server-side apply.

Called by `wherry.kube.wire.app`.  Source: "Kubernetes API Concepts", Patches; "Server-Side Apply".  Invariant: what a
patch leaves is checked as an object that is sent whole.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from wherry.kube import patches, strategic
from wherry.kube.embedded.codec import own
from wherry.kube.embedded.owners import check_manager
from wherry.kube.embedded.scales import SCALE
from wherry.kube.errors import bad_request, error
from wherry.kube.protocol import Object
from wherry.kube.schemas import builtin
from wherry.kube.wire.fields import Fields
from wherry.kube.wire.verbs import Request, is_dry_run

_STRATEGIC = "application/strategic-merge-patch+json"
_APPLY = "application/apply-patch+yaml"
_PATCHES: dict[str, Callable[[Any, Any], Any]] = {
    "application/json-patch+json": patches.apply,
    "application/merge-patch+json": patches.merge,
}


async def patch(request: Request) -> None:
    """PATCH of an object, of its status or of its scale."""
    exchange, target = request.exchange, request.target
    force = exchange.flag("force") if "force" in exchange.query else None
    applies = exchange.content_type == _APPLY
    check_manager(exchange.query.get("fieldManager", ""), "Patch", applies=applies, force=force)
    if applies:
        await _apply(request, force=bool(force))
        return
    fields = Fields(exchange, request.body)
    work = _patcher(request)
    change = await exchange.content(fields.read)
    if work is not patches.apply and not isinstance(change, dict):
        raise bad_request("the patch is not an object")

    def changed(old: Object | None) -> Any:
        new = own(work(old, change))
        return fields.check(cast("Object", new), patched=change) if isinstance(new, dict) else new

    obj, _ = await request.server.kube.alter(
        request.kind.resource,
        target.name,
        target.namespace,
        changed,
        subresource=target.subresource,
        dry_run=is_dry_run(exchange.query),
        ownership=request.recording("Patch"),
    )
    await exchange.answer(request.view.object(obj))


def _patcher(request: Request) -> Callable[[Any, Any], Any]:
    """What applies a patch of the request's media type to an object; raises UnsupportedMediaType."""
    media, kind = request.exchange.content_type, request.body
    schema = builtin(kind.resource.api_version, kind.resource.kind)
    if media == _STRATEGIC and schema is not None:
        return lambda old, change: strategic.merge(old, change, schema)
    if media not in _PATCHES:
        known = ", ".join([*_PATCHES, *([_STRATEGIC] if schema is not None else []), _APPLY])
        why = f"the body of the request was in an unknown format - accepted media types include: {known}"
        raise error("UnsupportedMediaType", why)
    return _PATCHES[media]


async def _apply(request: Request, *, force: bool) -> None:
    """Server-side apply: 201 with a new object, 200 with the one that was there, 409 with the owners of its fields."""
    exchange, target = request.exchange, request.target
    if request.body is SCALE:
        raise bad_request("a scale is not applied: send it whole, or as a merge patch")
    fields = Fields(exchange, request.kind)
    config = await exchange.content(fields.read)
    obj, made = await request.server.kube.apply(
        request.kind.resource,
        target.name,
        target.namespace,
        config,
        manager=exchange.query.get("fieldManager", ""),
        subresource=target.subresource,
        force=force,
        dry_run=is_dry_run(exchange.query),
        check=lambda obj: fields.check(own(obj), patched=config),
    )
    await exchange.answer(request.view.object(obj), 201 if made else 200)
