"""Watches on the wire: one JSON event a line until the client goes, its time is over, or the history is.

Called by `wherry.kube.wire.verbs`.  Invariants: an event leaves whole, in one message; a client that does not read
holds up nobody but itself, for nothing is queued for it; every stream that ends closes its watch.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Any, NamedTuple

import msgspec

from wherry.kube.embedded import EmbeddedKube
from wherry.kube.embedded.kinds import Kind
from wherry.kube.errors import KubeError
from wherry.kube.protocol import Object
from wherry.kube.wire.exchange import JSON, Exchange

BOOKMARK_EVERY_S = 60.0
LONGEST_S = 3600  # a stream ends by itself some day, as an API server's does; clients go on from their last version
_encode = msgspec.json.Encoder().encode


class Wish(NamedTuple):
    """What a client asks to see.

    initial: what exists comes first.  initial_end: a bookmark says where that ends.
    """

    kind: Kind
    namespace: str
    labels: str
    fields: str
    version: str
    initial: bool
    initial_end: bool
    bookmarks: bool
    timeout_s: int


async def stream(exchange: Exchange, kube: EmbeddedKube, wish: Wish, view: Callable[[str, Object], Any]) -> None:
    """Answers with the events; `view(type, object)` is what the client sees of an object.

    A wish that does not parse raises before the answer begins; what goes wrong later is an ERROR event.
    """
    kube.check_selectors(wish.kind.resource, wish.namespace, labels=wish.labels, fields=wish.fields)
    await exchange.stream(JSON, lambda: _send(exchange, kube, wish, view), wish.timeout_s)


async def _send(exchange: Exchange, kube: EmbeddedKube, wish: Wish, view: Callable[[str, Object], Any]) -> None:
    try:
        async with aclosing(_events(kube, wish)) as events:
            pending: asyncio.Future[tuple[str, Object]] | None = None
            try:
                while True:
                    pending = pending or asyncio.ensure_future(anext(events))
                    await asyncio.wait((pending,), timeout=BOOKMARK_EVERY_S if wish.bookmarks else None)
                    if pending.done():
                        type, obj = pending.result()
                        pending = None
                    else:
                        type, obj = "BOOKMARK", _bookmark(wish.kind, kube.version)
                    await exchange.part(_line(type, view(type, obj)))
            finally:
                if pending is not None:
                    pending.cancel()
                    await asyncio.gather(pending, return_exceptions=True)
    except KubeError as problem:
        await exchange.part(_line("ERROR", problem.status))


async def _events(kube: EmbeddedKube, wish: Wish) -> AsyncGenerator[tuple[str, Object], None]:
    resource, version = wish.kind.resource, wish.version
    if wish.initial:
        page = await kube.list(resource, wish.namespace, labels=wish.labels, fields=wish.fields)
        version = page.resource_version
        for obj in page.items:
            yield "ADDED", obj
        if wish.initial_end:
            end = _bookmark(wish.kind, version)
            end["metadata"]["annotations"] = {"k8s.io/initial-events-end": "true"}
            yield "BOOKMARK", end
    events = kube.watch(resource, wish.namespace, resource_version=version, labels=wish.labels, fields=wish.fields)
    async with aclosing(events):
        async for event in events:
            yield event.type, event.object


def _bookmark(kind: Kind, version: str) -> Object:
    resource = kind.resource
    return {"kind": resource.kind, "apiVersion": resource.api_version, "metadata": {"resourceVersion": version}}


def _line(type: str, obj: Any) -> bytes:
    return _encode({"type": type, "object": obj}) + b"\n"
