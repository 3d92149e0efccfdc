"""exec, attach and port-forward over WebSockets, as Kubernetes' API servers serve them.

Called by `wherry.kube.wire.app`.  Source: KEP-4006 (v5.channel.k8s.io, port-forward in a tunnel).  Invariants: what is
wrong with a request is a Status before the socket opens; each message belongs to the channel that its first byte names.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, suppress
from typing import Any, NamedTuple

import msgspec

from wherry.kube.embedded import EmbeddedKube
from wherry.kube.embedded.stream_source import attachable_container, check_scheduled, running_container
from wherry.kube.errors import KubeError, bad_request
from wherry.kube.resources import PODS
from wherry.kube.streams import CLOSE, ERROR, RESIZE, STDERR, STDIN, STDOUT, V4, V5, Session
from wherry.kube.wire.exchange import ClientGone, flag
from wherry.kube.wire.paths import Target
from wherry.kube.wire.sockets import Socket
from wherry.kube.wire.tunnels import PROTOCOL as TUNNEL
from wherry.kube.wire.tunnels import Tunnel

_CHANNELS = {"stdout": STDOUT, "stderr": STDERR}
_PORTS_LIMIT = 100  # two channels each, in one byte


class _Size(msgspec.Struct):
    """What a client says of its terminal."""

    Width: int = 0
    Height: int = 0


_size = msgspec.json.Decoder(_Size).decode


class Options(NamedTuple):
    """What streams are wanted (v1 PodExecOptions, PodAttachOptions)."""

    container: str
    stdin: bool
    stdout: bool
    stderr: bool
    tty: bool


def options(query: dict[str, str]) -> Options:
    """The options in a query.  Raises BadRequest."""
    wish = Options(query.get("container", ""), *(flag(query, name) for name in ("stdin", "stdout", "stderr", "tty")))
    if not (wish.stdin or wish.stdout or wish.stderr):
        raise bad_request("you must specify at least 1 of stdin, stdout, stderr")
    return wish


async def exec_(socket: Socket, kube: EmbeddedKube, target: Target) -> None:
    """A command in a container."""
    wish = options(socket.query)
    protocol = socket.choose((V5, V4))
    command = socket.values("command")
    session = kube.exec(
        target.name, target.namespace, command, container=wish.container, stdin=wish.stdin, tty=wish.tty
    )
    await _session(socket, session, wish, protocol)


async def attach(socket: Socket, kube: EmbeddedKube, target: Target) -> None:
    """The streams of a container."""
    wish = options(socket.query)
    protocol = socket.choose((V5, V4))
    session = kube.attach(target.name, target.namespace, container=wish.container, stdin=wish.stdin, tty=wish.tty)
    await _session(socket, session, wish, protocol)


async def _session(
    socket: Socket, opening: AbstractAsyncContextManager[Session], wish: Options, protocol: str | None
) -> None:
    async with opening as session:
        await socket.accept(protocol)
        # The first message says that it has begun, as API servers do it.
        await socket.send(bytes([STDOUT if wish.stdout else STDERR if wish.stderr else ERROR]))
        await _first(_input(socket, session, wish), _output(socket, session, wish))
    await socket.close()


async def _first(*works: Coroutine[Any, Any, None]) -> None:
    """Runs them until one is done, which ends the others."""
    tasks = [asyncio.ensure_future(work) for work in works]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
    for result in results:
        if isinstance(result, Exception):
            raise result


async def _input(socket: Socket, session: Session, wish: Options) -> None:
    """What the client sends, until it goes."""
    while True:
        message = await socket.receive()
        channel, data = message[0] if message else -1, message[1:]
        if channel == STDIN and wish.stdin:
            await session.send(data)
        elif channel == RESIZE:
            try:
                size = _size(data)
            except msgspec.DecodeError:
                continue
            if 0 < size.Width < 65536 and 0 < size.Height < 65536:
                await session.resize(size.Width, size.Height)
        elif channel == CLOSE and data == bytes([STDIN]):
            await session.end_input()


async def _output(socket: Socket, session: Session, wish: Options) -> None:
    """What the container writes, and how it ended."""
    wanted = {"stdout": wish.stdout, "stderr": wish.stderr}
    while (piece := await session.receive()) is not None:
        if wanted[piece.stream]:
            await socket.send(bytes([_CHANNELS[piece.stream]]) + piece.data)
    await socket.send(bytes([ERROR]) + msgspec.json.encode(session.status))


def ports(texts: list[str]) -> list[int]:
    """The ports of a query, `ports=1&ports=2,3`.  Raises BadRequest."""
    found: list[int] = []
    for text in ",".join(texts).split(","):
        if not (text.isascii() and text.isdigit() and 0 < int(text[:6]) < 65536):
            raise bad_request(f"ports: {text!r} is not a port" if text else "you must specify at least one port")
        found.append(int(text))
    if len(found) > _PORTS_LIMIT:
        raise bad_request(f"ports: at most {_PORTS_LIMIT} at once")
    return found


async def port_forward(socket: Socket, kube: EmbeddedKube, target: Target) -> None:
    """Connections to ports of a pod: in a tunnel as many as the client opens, else one for each port, in channels."""
    protocol = socket.choose((TUNNEL, V4), default=V4)
    check_scheduled(await kube.get(PODS, target.name, target.namespace))
    if protocol == TUNNEL:
        await socket.accept(protocol)
        await Tunnel(socket, kube, target).serve()
    else:
        await _channels(socket, kube, target, protocol)


async def _channels(socket: Socket, kube: EmbeddedKube, target: Target, protocol: str | None) -> None:
    wanted = ports(socket.values("ports"))
    await socket.accept(protocol)
    incoming: list[asyncio.Queue[bytes]] = [asyncio.Queue(1) for _ in wanted]
    for index, port in enumerate(wanted):
        for channel in (2 * index, 2 * index + 1):
            await socket.send(bytes([channel]) + port.to_bytes(2, "little"))
    forwards = [_forward(socket, kube, target, index, port, incoming[index]) for index, port in enumerate(wanted)]
    await _first(_distribute(socket, incoming), _all(forwards))
    await socket.close()


async def _all(works: Sequence[Coroutine[Any, Any, None]]) -> None:
    async with asyncio.TaskGroup() as group:
        for work in works:
            group.create_task(work)


async def _distribute(socket: Socket, incoming: list[asyncio.Queue[bytes]]) -> None:
    while True:
        message = await socket.receive()
        if len(message) > 1 and message[0] % 2 == 0 and message[0] // 2 < len(incoming):
            await incoming[message[0] // 2].put(message[1:])


async def _forward(
    socket: Socket, kube: EmbeddedKube, target: Target, index: int, port: int, incoming: asyncio.Queue[bytes]
) -> None:
    """One port's connection; what goes wrong is told in its error channel."""
    try:
        async with AsyncExitStack() as stack:
            tunnel = await stack.enter_async_context(kube.port_forward(target.name, target.namespace, port))

            async def upwards() -> None:
                while True:
                    await tunnel.send(await incoming.get())

            async def downwards() -> None:
                while data := await tunnel.receive():
                    await socket.send(bytes([2 * index]) + data)

            await _first(upwards(), downwards())
    except KubeError as problem:
        await _quietly(socket.send(bytes([2 * index + 1]) + problem.message.encode()))
    except ClientGone:
        pass  # `_distribute` says so


async def _quietly(sending: Awaitable[None]) -> None:
    with suppress(ClientGone):
        await sending


Stream = Callable[[Socket, EmbeddedKube, Target], Awaitable[None]]
STREAMS: dict[str, Stream] = {"exec": exec_, "attach": attach, "portforward": port_forward}
"""By subresource of pods."""


async def serve(socket: Socket, kube: EmbeddedKube, target: Target) -> None:
    """Serves what the path names until it is over or the client goes.  Raises KubeError before the socket opens."""
    try:
        await STREAMS[target.subresource](socket, kube, target)
    except ClientGone:
        pass


async def check(query: dict[str, str], kube: EmbeddedKube, target: Target) -> None:
    """Raises the KubeError of a request that could not be served over a WebSocket either."""
    pod = await kube.get(PODS, target.name, target.namespace)
    if target.subresource == "portforward":
        check_scheduled(pod)
    elif target.subresource == "attach":
        attachable_container(pod, query.get("container", ""), stdin=flag(query, "stdin"), tty=flag(query, "tty"))
    else:
        running_container(pod, query.get("container", ""))
