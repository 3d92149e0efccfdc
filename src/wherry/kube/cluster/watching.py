"""One watch over many connections: goes on where the last one ended.

Called by `wherry.kube.cluster.client`.  Source: "Kubernetes API Concepts: Efficient detection of changes".  Invariants:
the version to go on from is that of the last whole event, so that nothing comes twice and nothing is left out; history
that the server no longer has is Gone, never skipped.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import Any

import msgspec

from wherry.kube.cluster.connection import Connection, Request
from wherry.kube.errors import KubeError, error, from_status
from wherry.kube.protocol import WatchEvent

# A server ends a watch after so long; bookmarks each minute keep its place young.  Silence for longer is a dead peer.
WATCH_S = 290
_SILENCE_S = WATCH_S + 30.0
_decode = msgspec.json.Decoder(dict[str, Any]).decode


async def follow(
    connection: Connection, path: str, query: Mapping[str, str | int], version: str
) -> AsyncGenerator[WatchEvent, None]:
    """Every change after `version`; breaks and restarts of the server are not seen.

    Raises Gone when the server no longer knows what came after the last event, Unavailable after an outage that
    outlasts patience, and what the server refuses.
    """
    loop = asyncio.get_running_loop()
    opened_once, failures, since = False, 0, loop.time()
    while True:
        wish = {**query, "watch": "true", "allowWatchBookmarks": "true", "timeoutSeconds": WATCH_S}
        request = Request("GET", path, {**wish, "resourceVersion": version})
        began = loop.time()
        try:
            async with connection.stream(request, silence_s=_SILENCE_S) as chunks, aclosing(_events(chunks)) as events:
                opened_once = True
                async for event in events:
                    failures, since = 0, loop.time()
                    version = event.object["metadata"]["resourceVersion"]
                    yield event
                    since = loop.time()
        except KubeError as problem:
            if not _passing(problem) or not opened_once:
                raise
            if loop.time() - since > max(connection.patience.outage_s, WATCH_S):
                raise
        if loop.time() - began < WATCH_S / 2:  # it was not its time that was over
            failures += 1
            await asyncio.sleep(connection.patience.backoff.delay_s(failures))
        else:
            failures, since = 0, loop.time()


def _passing(problem: KubeError) -> bool:
    return problem.code >= 500 or problem.code == 429


async def _events(chunks: AsyncGenerator[bytes, None]) -> AsyncGenerator[WatchEvent, None]:
    """The events of one connection; half a line at its end is none.  Raises what an ERROR event says."""
    async with aclosing(_lines(chunks)) as lines:
        async for line in lines:
            try:
                told = _decode(line)
                type, obj = str(told["type"]), told["object"]
            except (msgspec.DecodeError, KeyError) as problem:
                raise error("ServiceUnavailable", f"a line of a watch is not an event: {line[:100]!r}") from problem
            if type == "ERROR":
                raise from_status(obj)
            yield WatchEvent(type, obj)


async def _lines(chunks: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
    parts: list[bytes] = []  # of the line that has not ended yet
    async with aclosing(chunks):
        async for chunk in chunks:
            *whole, rest = chunk.split(b"\n")
            for line in whole:
                parts.append(line)
                complete = b"".join(parts)
                parts.clear()
                if complete:
                    yield complete
            if rest:
                parts.append(rest)
