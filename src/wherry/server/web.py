"""The API on a socket: uvicorn inside our own task group, and who is being served.

Loaded by `wherry.server.life` while the parts start.  Invariant: the signals, the lifespan and the log are the server's
own, not uvicorn's.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Generator
from typing import Any

import uvicorn

from wherry.seams import Clock
from wherry.server.app import make_app
from wherry.server.parts import Parts

GRACE_S = 2  # for requests that are being answered when the server stops
Application = Callable[[Any, Any, Any], Any]


def prepare(parts: Parts, clock: Clock) -> tuple[Activity, uvicorn.Server]:
    """The server over these parts, to be given a listening socket, and what it tells of its activity."""
    activity = Activity(clock)
    return activity, _Quiet(_config(activity.watch(make_app(parts))))


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
