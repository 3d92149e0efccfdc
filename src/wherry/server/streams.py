"""The stream of a run's events: JSON lines, sent in batches, ended by whoever goes first.

Made by `wherry.server.app`.  Invariants: events leave in their order; what came while a batch was being sent leaves as
one chunk; a server that stops says so in a last line, so that a client can tell it from one that died.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import Any

import msgspec
from starlette.types import Receive, Scope, Send

from wherry.server.parts import Parts

LAST_LINE = b'{"event":"server-stopping"}\n'
TROUBLE_CHECKS = 3  # what passes by itself within so many is no trouble
WAITING_LIMIT = 4000  # lines that wait for a slow client; then the run's history is read on as it reads


class EventStream:
    """An ASGI response with the events of `source`; it ends with them, its client, the server, or in trouble."""

    def __init__(self, source: AsyncGenerator[dict[str, Any], None], parts: Parts, headers: Mapping[str, str]) -> None:
        self._source, self._stopping, self._trouble = source, parts.stopping, parts.trouble
        self._every_s = parts.trouble_every_s
        self._headers = {"content-type": "application/x-ndjson", **headers}
        self._waiting: list[bytes] = []
        self._news = asyncio.Event()
        self._room = asyncio.Event()
        self._over = self._gone = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Sends the response; a fault of the source ends the connection in the middle, which clients take for it."""
        headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in self._headers.items()]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(self._collect()),
                group.create_task(self._until_gone(receive)),
                group.create_task(self._until_stopping()),
                group.create_task(self._until_trouble()),
            ]
            await self._forward(send)
            for task in tasks:
                task.cancel()

    async def _forward(self, send: Send) -> None:
        while not self._gone:
            await self._news.wait()
            self._news.clear()
            over, lines = self._over, self._waiting
            self._waiting = []
            self._room.set()
            if not over and self._stopping.is_set():
                lines.append(LAST_LINE)
                over = True
            if self._gone:
                return
            await send({"type": "http.response.body", "body": b"".join(lines), "more_body": not over})
            if over:
                return

    async def _collect(self) -> None:
        encode = msgspec.json.encode
        async with aclosing(self._source):
            async for event in self._source:
                self._waiting.append(encode(event) + b"\n")
                self._news.set()
                if len(self._waiting) >= WAITING_LIMIT:
                    self._room.clear()
                    await self._room.wait()
        self._over = True
        self._news.set()

    async def _until_gone(self, receive: Receive) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        self._gone = True
        self._news.set()

    async def _until_trouble(self) -> None:
        """What keeps runs from going on cannot be written into their history: it is told here, and ends the stream."""
        seen = 0
        while seen < TROUBLE_CHECKS:
            await asyncio.sleep(self._every_s)
            trouble = self._trouble()
            seen = seen + 1 if trouble else 0
            if trouble and seen == TROUBLE_CHECKS:
                self._waiting.append(msgspec.json.encode({"event": "trouble", "message": trouble}) + b"\n")
        self._over = True
        self._news.set()

    async def _until_stopping(self) -> None:
        await self._stopping.wait()
        self._news.set()
