"""The API on sockets: uvicorn inside our own task group, and who is being served.

Loaded by `wherry.server.life` while the parts start.  Invariant: the signals, the lifespan and the log are the server's
own, not uvicorn's.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable, Generator
from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol, cast

import uvicorn

from wherry.seams import Clock
from wherry.server.app import make_app
from wherry.server.parts import Parts
from wherry.server.welcome import welcome

if TYPE_CHECKING:
    import ssl

    from wherry.server.certificates import Certificate

GRACE_S = 2  # for requests that are being answered when the server stops
CONNECTIONS = 1000  # over the network; more are told to come later
Application = Callable[[Any, Any, Any], Any]
WEBSOCKETS = "uvicorn.protocols.websockets.wsproto_impl"  # the lazy entry


def _websocket(**given: Any) -> asyncio.Protocol:
    """uvicorn's protocol, loaded when the first WebSocket is asked for."""
    return import_module(WEBSOCKETS).WSProtocol(**given)


_OPTIONS: dict[str, Any] = {
    "http": "h11",
    "ws": _websocket,
    "ws_ping_interval": None,  # a client that sends more input than is read now answers no ping meanwhile
    "lifespan": "off",
    "interface": "asgi3",
    "log_config": None,
    "access_log": False,
    "proxy_headers": False,
    "server_header": False,
    "date_header": False,
    "timeout_graceful_shutdown": GRACE_S,
    "timeout_keep_alive": 30,
}


class Guarding(Protocol):
    """What of the door to the network is needed here; `wherry.server.door.Door`."""

    certificate: Certificate

    def guarded(self, app: Application) -> Application: ...
    async def renew(self, context: ssl.SSLContext) -> None: ...


class Web:
    """The API over the parts, to be served on listening sockets; `activity` tells who is being served."""

    def __init__(self, parts: Parts, clock: Clock) -> None:
        self.activity = Activity(clock)
        self._app = self.activity.watch(make_app(parts))
        self._servers: list[uvicorn.Server] = []
        self._stopped = False

    async def serve(self, listener: socket.socket) -> None:
        """Answers those who come to the socket, until `stop`."""
        await self._server(uvicorn.Config(self._app, **_OPTIONS)).serve(sockets=[listener])

    async def serve_guarded(self, listener: socket.socket, door: Guarding) -> None:
        """Answers those who come over the network and may, until `stop`."""
        file = door.certificate.server
        app = door.guarded(self._app)
        config = uvicorn.Config(app, **_OPTIONS, ssl_certfile=file, ssl_keyfile=file, limit_concurrency=CONNECTIONS)
        config.load()
        context = config.ssl
        assert context is not None
        server = self._server(config)
        async with asyncio.TaskGroup() as group:
            helpers = (
                group.create_task(door.renew(context)),
                group.create_task(welcome(listener, lambda: _protocol(server), context)),
            )
            try:
                await server.serve(sockets=[])
            finally:
                for helper in helpers:
                    helper.cancel()
                listener.close()

    def stop(self) -> None:
        """Has all of them end, once they have answered what they were asked."""
        self._stopped = True
        for server in self._servers:
            server.should_exit = True

    def _server(self, config: uvicorn.Config) -> uvicorn.Server:
        server = _Quiet(config)
        server.should_exit = self._stopped
        self._servers.append(server)
        return server


def _protocol(server: uvicorn.Server) -> asyncio.Protocol:
    """What speaks HTTP with a client, as uvicorn makes it for those that it has accepted itself."""
    make = cast("Callable[..., asyncio.Protocol]", server.config.http_protocol_class)
    return make(config=server.config, server_state=server.server_state, app_state={})


class Activity:
    """Who is being served, and since when nobody is."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._open = 0
        self._since = clock.monotonic()

    @property
    def idle_s(self) -> float:
        """Seconds since the last request ended; 0 while one is open."""
        return 0.0 if self._open else self._clock.monotonic() - self._since

    def touch(self) -> None:
        """Counts the idle time from now."""
        self._since = self._clock.monotonic()

    def watch(self, app: Application) -> Application:
        """The same app, with its requests counted."""

        async def watched(scope: Any, receive: Any, send: Any) -> None:
            self._open += 1
            try:
                await app(scope, receive, send)
            finally:
                self._open -= 1
                self.touch()

        return watched


class _Quiet(uvicorn.Server):
    """uvicorn inside our task group: the signals are ours."""

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        yield
