"""port-forward as kubectl does it: SPDY streams in a WebSocket, two for each connection.

Called by `wherry.kube.wire.streaming`.  Source: KEP-4006, port-forward in a tunnel; `portforward.k8s.io`.  Invariants:
each connection has a stream of data and one of errors, matched by their request; what goes wrong with one connection
is told in its error stream and touches no other.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import NamedTuple

from wherry.kube.embedded import EmbeddedKube
from wherry.kube.embedded.stream_source import HalfOpen
from wherry.kube.errors import KubeError
from wherry.kube.spdy import Away, Connection, Data, Event, Opened, Ping, Reset, SpdyError
from wherry.kube.wire.exchange import ClientGone
from wherry.kube.wire.paths import Target
from wherry.kube.wire.sockets import Socket

PROTOCOL = "SPDY/3.1+portforward.k8s.io"
_CONNECTIONS = 500  # at once, in one tunnel
_PROTOCOL_ERROR = 1002


class _Half(NamedTuple):
    """A stream whose partner has not come."""

    stream: int
    port: int
    data: bool


class Tunnel:
    """All connections of one WebSocket."""

    def __init__(self, socket: Socket, kube: EmbeddedKube, target: Target) -> None:
        self._socket, self._kube, self._target = socket, kube, target
        self._spdy = Connection()
        self._halves: dict[str, _Half] = {}
        self._incoming: dict[int, asyncio.Queue[bytes]] = {}  # by stream of data; no bytes: its end
        self._works: dict[int, asyncio.Task[None]] = {}

    async def serve(self) -> None:
        """Until the client goes."""
        async with asyncio.TaskGroup() as group:
            try:
                while True:
                    for event in self._spdy.receive(await self._socket.receive()):
                        await self._act(event, group)
            except SpdyError:
                await self._socket.close(_PROTOCOL_ERROR)
            except ClientGone:
                pass
            finally:
                for work in self._works.values():
                    work.cancel()

    async def _act(self, event: Event, group: asyncio.TaskGroup) -> None:
        match event:
            case Opened():
                await self._opened(event, group)
            case Data(stream, data, fin):
                incoming = self._incoming.get(stream)
                if incoming is not None:
                    for piece in (data, b"") if fin and data else (data,):
                        if piece or fin:
                            await incoming.put(piece)
            case Reset(stream):
                work = self._works.get(stream)
                if work is not None:
                    work.cancel()
            case Ping():
                await self._socket.send(self._spdy.pong(event))
            case Away():
                pass

    async def _opened(self, event: Opened, group: asyncio.TaskGroup) -> None:
        request, port = event.headers.get("requestid", ""), event.headers.get("port", "")
        kind = event.headers.get("streamtype", "")
        valid = port.isascii() and port.isdigit() and 0 < int(port[:6]) < 65536 and kind in ("data", "error")
        if not valid or len(self._works) + len(self._halves) >= _CONNECTIONS:
            await self._socket.send(self._spdy.reset(event.stream))
            return
        await self._socket.send(self._spdy.reply(event.stream))
        half = _Half(event.stream, int(port), kind == "data")
        other = self._halves.pop(request, None)
        if other is None or other.data == half.data:
            self._halves[request] = half
            return
        data, problem = (half, other) if half.data else (other, half)
        self._incoming[data.stream] = asyncio.Queue(4)
        work = group.create_task(self._forward(data.stream, problem.stream, data.port))
        self._works[data.stream] = work
        work.add_done_callback(lambda _: self._forget(data.stream))

    def _forget(self, stream: int) -> None:
        self._works.pop(stream, None)
        incoming = self._incoming.pop(stream, None)
        while incoming is not None and not incoming.empty():
            incoming.get_nowait()  # whoever waits to put one in goes on

    async def _forward(self, stream: int, problem_stream: int, port: int) -> None:
        """One connection, from its beginning to its end."""
        told = b""
        try:
            async with self._kube.port_forward(self._target.name, self._target.namespace, port) as tunnel:
                upwards = asyncio.ensure_future(_upwards(self._incoming[stream], tunnel))
                try:
                    while data := await tunnel.receive():
                        await self._socket.send(self._spdy.data(stream, data))
                finally:
                    upwards.cancel()
                    await asyncio.gather(upwards, return_exceptions=True)
        except KubeError as problem:
            told = problem.message.encode()
        except ClientGone:
            return
        with suppress(ClientGone):
            last = self._spdy.data(problem_stream, told, fin=True) + self._spdy.data(stream, b"", fin=True)
            await self._socket.send(last)


async def _upwards(incoming: asyncio.Queue[bytes], tunnel: HalfOpen) -> None:
    while data := await incoming.get():
        await tunnel.send(data)
    await tunnel.end_input()
