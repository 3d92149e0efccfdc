"""The life of the home's server: bind the socket, serve, leave when idle or told to, leave the tasks running.

Called by `wherry.server.__main__` once the home is locked, and by `wherry.testing` in a thread.  Invariants: the
socket is bound only when the parts are up, and is gone before they go down; whoever connected in time gets an answer;
the end of the server ends no task, which its successor adopts.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import sys
from collections.abc import Callable, Generator
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol

import uvicorn

from wherry.errors import WherryError
from wherry.seams import Clock, Ids, SystemClock, SystemIds
from wherry.server.app import Parts, make_app
from wherry.server.home import write_record
from wherry.settings import Home, ServerSettings

GRACE_S = 2  # for requests that are being answered when the server stops
Application = Callable[[Any, Any, Any], Any]


class Compose(Protocol):
    """Makes the parts of a server and runs them while its context is open; `wherry.server.compose.parts`."""

    def __call__(
        self, home: Home, settings: ServerSettings, stopping: asyncio.Event, *, clock: Clock, ids: Ids
    ) -> AbstractAsyncContextManager[Parts]: ...


def live(home: Home, settings: ServerSettings, compose: Compose, ready: Callable[[], None]) -> int:
    """Serves `home` until it is told to stop or idle; `ready` is called when requests are answered.

    Returns the process's exit code.  Raises `WherryError` when the parts cannot start.
    """
    asyncio.run(_live(home, settings, compose, ready))
    return 0


async def _live(home: Home, settings: ServerSettings, compose: Compose, ready: Callable[[], None]) -> None:
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    await serve(home, settings, compose, ready, stopping)


async def serve(
    home: Home,
    settings: ServerSettings,
    compose: Compose,
    ready: Callable[[], None],
    stopping: asyncio.Event,
    *,
    clock: Clock | None = None,
    ids: Ids | None = None,
) -> None:
    """Serves `home` in the running loop until `stopping` is set or the server has been idle for `settings.idle_s`."""
    clock = clock or SystemClock()
    async with compose(home, settings, stopping, clock=clock, ids=ids or SystemIds()) as parts:
        activity = Activity(clock)
        listener = bind(home)
        server = _Quiet(_config(activity.watch(make_app(parts))))
        try:
            write_record(home, [f"unix:{home.socket}"])
            async with asyncio.TaskGroup() as group:
                serving = group.create_task(server.serve(sockets=[listener]))
                idle = group.create_task(_stop_when_idle(settings.idle_s, activity, lambda: parts.runs.busy, stopping))
                ready()
                _announce(home)
                await stopping.wait()
                idle.cancel()
                unlink(home.socket)
                server.should_exit = True
                await serving
        finally:
            unlink(home.socket)
            listener.close()


def bind(home: Home) -> socket.socket:
    """The home's socket, listening, for this user only.  Raises `WherryError`.  The caller holds the home's lock."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(0o177)  # the socket is made 0600, with no moment in which it is not
    try:
        unlink(home.socket)  # of a server that was killed: the lock is ours, so nobody listens there
        listener.bind(home.socket)
        listener.listen(512)
    except OSError as error:
        listener.close()
        raise WherryError(f"the socket {home.socket} cannot be made: {error.strerror or error}") from None
    finally:
        os.umask(before)
    return listener


def unlink(path: str) -> None:
    """Removes the file if it is there."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)


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


async def _stop_when_idle(
    limit_s: float, activity: Activity, busy: Callable[[], bool], stopping: asyncio.Event
) -> None:
    while not stopping.is_set():
        await asyncio.sleep(max(0.05, limit_s - activity.idle_s))
        if activity.idle_s >= limit_s:
            if busy():
                activity.touch()
            else:
                stopping.set()


class _Quiet(uvicorn.Server):
    """uvicorn inside our task group: the signals are ours."""

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        yield


def _config(app: Application) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        http="h11",
        ws="none",
        lifespan="off",
        interface="asgi3",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        date_header=False,
        timeout_graceful_shutdown=GRACE_S,
        timeout_keep_alive=30,
    )


def _announce(home: Home) -> None:
    sys.stderr.write(f"wherry server {os.getpid()} serves {home.path}\n")
    sys.stderr.flush()
