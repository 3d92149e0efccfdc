"""HTTP without a socket: a transport whose server is an ASGI app of this process, with answers as they come.

Used by tests of clients against `wherry.kube.wire`.  Invariant: a response that is closed early is a client that has
gone, and its request has ended when `aclose` returns.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, MutableMapping
from typing import Any

import httpx2

from wherry.kube.wire.app import Application

Message = MutableMapping[str, Any]


class InProcess(httpx2.AsyncBaseTransport):
    """Carries requests to `app`; what it answers waits in memory until it is read."""

    def __init__(self, app: Application) -> None:
        self._app = app

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """The app's answer, from its first message on.  Raises RemoteProtocolError when it ends without one."""
        served = _Served(await request.aread())
        scope: Message = {
            "type": "http",
            "method": request.method,
            "path": request.url.path,
            "raw_path": request.url.raw_path.split(b"?")[0],
            "query_string": request.url.query,
            "headers": [(name.lower(), value) for name, value in request.headers.raw],
        }
        served.run(self._app(scope, served.receive, served.send))
        try:
            start = await served.next()
        except BaseException:
            await served.aclose()
            raise
        return httpx2.Response(start["status"], headers=start["headers"], stream=served)


class _Served(httpx2.AsyncByteStream):
    """One request at the app, and its answer's body."""

    def __init__(self, body: bytes) -> None:
        self._requests: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]
        self._messages: asyncio.Queue[Message | None] = asyncio.Queue()
        self._left = asyncio.Event()
        self._task: asyncio.Future[None] | None = None

    def run(self, answer: Awaitable[None]) -> None:
        """Starts the app; `aclose` ends it."""
        self._task = asyncio.ensure_future(answer)
        self._task.add_done_callback(lambda _: self._messages.put_nowait(None))

    async def receive(self) -> Message:
        if self._requests:
            return self._requests.pop()
        await self._left.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        self._messages.put_nowait(message)

    async def next(self) -> Message:
        """The next message; raises RemoteProtocolError when the app has ended."""
        message = await self._messages.get()
        if message is None:
            raise httpx2.RemoteProtocolError("the app ended in the middle of its answer")
        return message

    async def __aiter__(self) -> AsyncGenerator[bytes, None]:
        while True:
            message = await self.next()
            if message.get("body"):
                yield message["body"]
            if not message.get("more_body"):
                return

    async def aclose(self) -> None:
        self._left.set()
        if self._task is not None:
            await asyncio.wait((self._task,))
