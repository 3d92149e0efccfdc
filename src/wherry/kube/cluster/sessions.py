"""Streams of containers over WebSockets, the client's side: exec, attach, port-forward.

Loaded by `wherry.kube.cluster.client` when first used.  Source: KEP-4006.  Invariants: the newest protocol that the
server takes is spoken; a connection that breaks off before the end is Unavailable, never an end.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from typing import Any

import msgspec
from wsproto.connection import Connection as Frames
from wsproto.connection import ConnectionType
from wsproto.events import BytesMessage, CloseConnection, Ping, TextMessage
from wsproto.utilities import ProtocolError

from wherry.kube.cluster.connection import Connection, Request, Upgraded
from wherry.kube.errors import KubeError, error
from wherry.kube.streams import CLOSE, ERROR, RESIZE, STDERR, STDIN, STDOUT, V4, V5, Output

_PIECE_BYTES = 32 * 1024  # of input in one message


class _Socket:
    """Messages over an upgraded connection."""

    def __init__(self, upgraded: Upgraded) -> None:
        self.protocol = upgraded.protocol
        self._upgraded = upgraded
        self._frames = Frames(ConnectionType.CLIENT)
        self._parts: list[bytes] = []
        self._whole: list[bytes] = []
        self._closed = False
        self._writing = asyncio.Lock()  # the connection takes one writer at a time

    async def send(self, data: bytes) -> None:
        """One message.  Raises Unavailable."""
        await self._write(BytesMessage(data))

    async def _write(self, event: Any) -> None:
        async with self._writing:
            try:
                data = self._frames.send(event)
            except ProtocolError as problem:  # the server has closed it
                raise error("ServiceUnavailable", f"the connection is closed: {problem}") from None
            await self._upgraded.write(data)

    async def receive(self) -> bytes | None:
        """The next message, None when the server has closed the connection properly.  Raises Unavailable."""
        while not self._whole:
            if self._closed:
                return None
            data = await self._upgraded.read()
            try:
                self._frames.receive_data(data or None)
                for event in self._frames.events():
                    await self._take(event)
            except ProtocolError as problem:
                raise error("ServiceUnavailable", f"what came is not a WebSocket's: {problem}") from None
        return self._whole.pop(0)

    async def _take(self, event: Any) -> None:
        if isinstance(event, (BytesMessage, TextMessage)):
            data = event.data
            self._parts.append(data.encode() if isinstance(data, str) else bytes(data))
            if event.message_finished:
                self._whole.append(b"".join(self._parts))
                self._parts.clear()
        elif isinstance(event, Ping):
            await self._write(event.response())
        elif isinstance(event, CloseConnection):
            self._closed = True
            if event.code not in (1000, 1001, 1005):
                why = event.reason or f"code {int(event.code)}"
                raise error("ServiceUnavailable", f"the server has broken the connection off: {why}")

    async def close(self) -> None:
        """Says that nothing more is wanted."""
        with suppress(KubeError):
            await self._write(CloseConnection(1000))


@asynccontextmanager
async def _opened(connection: Connection, request: Request, protocols: tuple[str, ...]) -> AsyncGenerator[_Socket]:
    async with connection.upgrade(request, protocols) as upgraded:
        socket = _Socket(upgraded)
        try:
            yield socket
        finally:
            await socket.close()


class _Channels:
    """See `wherry.kube.streams.Session`."""

    def __init__(self, socket: _Socket) -> None:
        self._socket = socket
        self._status: dict[str, Any] | None = None

    async def send(self, data: bytes) -> None:
        for place in range(0, len(data), _PIECE_BYTES):
            try:
                await self._socket.send(bytes([STDIN]) + data[place : place + _PIECE_BYTES])
            except KubeError:
                return  # the command is over, or `receive` says what is wrong

    async def end_input(self) -> None:
        if self._socket.protocol != V5:
            raise error("MethodNotAllowed", "this server cannot be told the end of the input; Kubernetes 1.30 can")
        with suppress(KubeError):
            await self._socket.send(bytes([CLOSE, STDIN]))

    async def resize(self, columns: int, rows: int) -> None:
        with suppress(KubeError):
            await self._socket.send(bytes([RESIZE]) + msgspec.json.encode({"Width": columns, "Height": rows}))

    async def receive(self) -> Output | None:
        while self._status is None:
            message = await self._socket.receive()
            if message is None:
                raise error("ServiceUnavailable", "the connection was closed before the command ended")
            channel, data = message[0] if message else -1, message[1:]
            if channel == ERROR and data:
                self._status = msgspec.json.decode(data, type=dict[str, Any])
            elif channel in (STDOUT, STDERR) and data:
                return Output("stdout" if channel == STDOUT else "stderr", data)
        return None

    @property
    def status(self) -> dict[str, Any]:
        assert self._status is not None, "the session is not over"
        return self._status


@asynccontextmanager
async def session(connection: Connection, request: Request) -> AsyncGenerator[_Channels]:
    """A command or a container's own streams, at the path of the request."""
    async with _opened(connection, request, (V5, V4)) as socket:
        yield _Channels(socket)


class _Tunnel:
    """See `wherry.kube.streams.Tunnel`: channel 0 is data, channel 1 what is wrong; each begins with the port."""

    def __init__(self, socket: _Socket) -> None:
        self._socket = socket
        self._begun: set[int] = set()

    async def send(self, data: bytes) -> None:
        for place in range(0, len(data), _PIECE_BYTES):
            await self._socket.send(b"\0" + data[place : place + _PIECE_BYTES])

    async def receive(self) -> bytes:
        while (message := await self._socket.receive()) is not None:
            channel, data = message[0] if message else -1, message[1:]
            if channel not in self._begun:
                self._begun.add(channel)
            elif channel == 0 and data:
                return data
            elif channel == 1 and data:
                raise error("ServiceUnavailable", data.decode("utf-8", "replace"))
        return b""


@asynccontextmanager
async def tunnel(connection: Connection, request: Request) -> AsyncGenerator[_Tunnel]:
    """A connection to the one port that the request names."""
    async with _opened(connection, request, (V4,)) as socket:
        yield _Tunnel(socket)
