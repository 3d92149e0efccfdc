"""Asks the wire face in this process: one request as an ASGI server would pass it on."""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, NamedTuple
from urllib.parse import urlencode

from wherry.kube.embedded import EmbeddedKube
from wherry.kube.embedded.history import Window
from wherry.kube.wire import make_app
from wherry.seams import SystemClock, SystemIds
from wherry.storage.database import Database

CONFIGMAPS = "/api/v1/namespaces/default/configmaps"
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"
MERGE = "application/merge-patch+json"


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def value(self) -> Any:
        body = gzip.decompress(self.body) if self.headers.get("content-encoding") == "gzip" else self.body
        return json.loads(body)


class Face:
    """The app over a store of its own."""

    def __init__(self, kube: EmbeddedKube, **options: Any) -> None:
        self.kube = kube
        self.stopping = asyncio.Event()
        self.app = make_app(kube, clock=SystemClock(), stopping=self.stopping, **options)

    async def send(self, messages, path: str, *, method: str = "POST", **headers: str) -> tuple[Answer, int]:
        """The answer to a request whose messages an iterator gives, and how many of them were read."""
        read = 0
        sent: list[dict[str, Any]] = []

        async def receive():
            nonlocal read
            message = next(messages, None)
            if message is None:
                await asyncio.Event().wait()
            read += 1
            return message

        async def send(message):
            sent.append(message)

        named = {name.replace("_", "-"): value for name, value in headers.items()}
        await self.app(self._scope(method, path, {}, named), receive, send)
        return self._answer(sent), read

    def _answer(self, sent: list[dict[str, Any]]) -> Answer:
        start, *parts = sent
        found = {name.decode(): value.decode("latin-1") for name, value in start["headers"]}
        return Answer(start["status"], found, b"".join(part["body"] for part in parts))

    def _scope(self, method: str, path: str, query: dict[str, Any], headers: dict[str, str]) -> dict[str, Any]:
        return {
            "type": "http",
            "method": method,
            "path": path,
            "query_string": urlencode(query).encode(),
            "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
        }

    async def ask(self, method: str, path: str, body: Any = None, *, query=None, **headers: str) -> Answer:
        data = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        messages = [{"type": "http.request", "body": data, "more_body": False}]
        sent: list[dict[str, Any]] = []

        async def receive():
            if messages:
                return messages.pop()
            await asyncio.Event().wait()

        async def send(message):
            sent.append(message)

        named = {name.replace("_", "-"): value for name, value in headers.items()}
        await self.app(self._scope(method, path, query or {}, named), receive, send)
        return self._answer(sent)

    @asynccontextmanager
    async def many(self, path: str, count: int) -> AsyncGenerator[Any]:
        """That many watches at once; what it yields gives the first event of each."""
        async with AsyncExitStack() as stack:
            streams = [await stack.enter_async_context(self.watching(path)) for _ in range(count)]

            async def told() -> list[dict[str, Any]]:
                return [await anext(events) for events in streams]

            yield told

    @asynccontextmanager
    async def watching(self, path: str, **query: Any) -> AsyncGenerator[AsyncGenerator[dict[str, Any], None]]:
        """The events of a watch; the client leaves with the context."""
        lines: asyncio.Queue[dict[str, Any] | None] = asyncio.Queue()
        left = asyncio.Event()
        accept = query.pop("accept", "application/json")
        first = [{"type": "http.request", "body": b"", "more_body": False}]

        async def receive():
            if first:
                return first.pop()
            await left.wait()
            return {"type": "http.disconnect"}

        async def send(message):
            if message["type"] == "http.response.body":
                await lines.put(json.loads(message["body"]) if message["body"] else None)

        async def events():
            while (event := await asyncio.wait_for(lines.get(), 10)) is not None:
                yield event

        scope = self._scope("GET", path, {"watch": "true", **query}, {"accept": accept})
        serving = asyncio.ensure_future(self.app(scope, receive, send))
        try:
            yield events()
        finally:
            left.set()
            await serving


@asynccontextmanager
async def opened(folder, *, window: Window | None = None, **options: Any) -> AsyncGenerator[Face]:
    db = Database.open(folder / "wherry.db", clock=SystemClock())
    try:
        kube = EmbeddedKube(db, clock=SystemClock(), ids=SystemIds(), window=window)
        yield Face(kube, **options)
    finally:
        db.close()
