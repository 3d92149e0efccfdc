"""HTTP without a socket: a transport whose server is an ASGI app of this process, with answers as they come.

Used by tests of clients against `wherry.kube.wire`.  Invariant: a response that is closed early is a client that has
gone, and its request has ended when `aclose` returns.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, MutableMapping
from typing import Any

import httpx2
from wsproto import ConnectionType, WSConnection
from wsproto.events import AcceptConnection, BytesMessage, CloseConnection

from wherry.kube.wire.app import Application

Message = MutableMapping[str, Any]


class InProcess(httpx2.AsyncBaseTransport):
    """Carries requests to `app`; what it answers waits in memory until it is read."""

    def __init__(self, app: Application) -> None:
        self._app = app

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """The app's answer, from its first message on.  Raises RemoteProtocolError when it ends without one."""
        if request.headers.get("upgrade") == "websocket":
            return await _upgraded(self._app, request)
        served = _Served(await request.aread())
        scope = {"type": "http", "method": request.method, **_facts(request)}
        served.run(self._app(scope, served.receive, served.send))
        try:
            start = await served.next()
        except BaseException:
            await served.aclose()
            raise
        return httpx2.Response(start["status"], headers=start["headers"], stream=served)


def _facts(request: httpx2.Request) -> Message:
    return {
        "path": request.url.path,
        "raw_path": request.url.raw_path.split(b"?")[0],
        "query_string": request.url.query,
        "headers": [(name.lower(), value) for name, value in request.headers.raw],
    }


async def _upgraded(app: Application, request: httpx2.Request) -> httpx2.Response:
    """A WebSocket's connection to the app, or its refusal."""
    head = [f"GET {request.url.raw_path.decode()} HTTP/1.1"]
    head += [f"{name}: {value}" for name, value in request.headers.items()]
    served = _WebSocket(request, "\r\n".join([*head, "", ""]).encode())
    served.run(app)
    try:
        start = await served.next()
    except BaseException:
        await served.aclose()
        raise
    if start["type"] == "websocket.accept":
        served.accept(start.get("subprotocol"))
        return httpx2.Response(101, headers=served.answer, stream=served, extensions={"network_stream": served})
    return httpx2.Response(start["status"], headers=start["headers"], stream=served)


class _WebSocket(httpx2.AsyncByteStream):
    """The client's end of a WebSocket, as bytes, of an app that speaks in messages."""

    def __init__(self, request: httpx2.Request, head: bytes) -> None:
        offered = request.headers.get("sec-websocket-protocol", "")
        subprotocols = [each.strip() for each in offered.split(",") if each.strip()]
        self._scope: Message = {"type": "websocket", "subprotocols": subprotocols, **_facts(request)}
        self._server = WSConnection(ConnectionType.SERVER)
        self._server.receive_data(head)
        list(self._server.events())
        self._incoming: asyncio.Queue[Message] = asyncio.Queue()
        self._incoming.put_nowait({"type": "websocket.connect"})
        self._messages: asyncio.Queue[Message | None] = asyncio.Queue()
        self._task: asyncio.Future[None] | None = None
        self.answer: list[tuple[str, str]] = []

    def run(self, app: Application) -> None:
        self._task = asyncio.ensure_future(app(self._scope, self._incoming.get, self._messages.put))
        self._task.add_done_callback(lambda _: self._messages.put_nowait(None))

    async def next(self) -> Message:
        message = await self._messages.get()
        if message is None:
            raise httpx2.RemoteProtocolError("the app ended in the middle of its answer")
        return message

    def accept(self, subprotocol: str | None) -> None:
        data = self._server.send(AcceptConnection(subprotocol=subprotocol))
        lines = data.decode("latin-1").split("\r\n")[1:]
        self.answer = [
            (name.strip(), value.strip()) for name, _, value in (line.partition(":") for line in lines if line)
        ]

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        message = await self._messages.get()
        if message is None:
            return b""
        if message["type"] == "websocket.send":
            return self._server.send(BytesMessage(message["bytes"]))
        return self._server.send(CloseConnection(message.get("code", 1000)))

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._server.receive_data(buffer)
        for event in self._server.events():
            if isinstance(event, BytesMessage):
                self._incoming.put_nowait({"type": "websocket.receive", "bytes": bytes(event.data)})
            elif isinstance(event, CloseConnection):
                self._incoming.put_nowait({"type": "websocket.disconnect", "code": event.code})

    async def __aiter__(self) -> AsyncGenerator[bytes, None]:
        message: Message = {"more_body": True}
        while message.get("more_body"):
            message = await self.next()
            yield message.get("body", b"")

    async def aclose(self) -> None:
        self._incoming.put_nowait({"type": "websocket.disconnect", "code": 1005})
        if self._task is not None:
            await asyncio.wait((self._task,))


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
