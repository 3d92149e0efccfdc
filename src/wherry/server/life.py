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
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol

from wherry.errors import WherryError
from wherry.home import Home
from wherry.seams import Clock, Ids, SystemClock, SystemIds
from wherry.server.home import write_record
from wherry.server.parts import Parts
from wherry.settings import ServerSettings

if TYPE_CHECKING:
    from wherry.server.door import Door

WEB = "wherry.server.web"  # the lazy entry: loaded while the first zygote starts


class Compose(Protocol):
    """Makes the parts of a server and runs them while its context is open; `wherry.server.compose.parts`."""

    def __call__(
        self, home: Home, settings: ServerSettings, stopping: asyncio.Event, *, clock: Clock, ids: Ids
    ) -> AbstractAsyncContextManager[Parts]: ...


def live(
    home: Home, settings: ServerSettings, compose: Compose, ready: Callable[[], None], door: Door | None = None
) -> int:
    """Serves `home` until it is told to stop or idle; `ready` is called when requests are answered.

    Returns the process's exit code.  Raises `WherryError` when the parts cannot start.
    """
    asyncio.run(_live(home, settings, compose, ready, door))
    return 0


async def _live(
    home: Home, settings: ServerSettings, compose: Compose, ready: Callable[[], None], door: Door | None
) -> None:
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    await serve(home, settings, compose, ready, stopping, door=door)


async def serve(
    home: Home,
    settings: ServerSettings,
    compose: Compose,
    ready: Callable[[], None],
    stopping: asyncio.Event,
    *,
    clock: Clock | None = None,
    ids: Ids | None = None,
    door: Door | None = None,
) -> None:
    """Serves `home` in the running loop until `stopping` is set or the server has been idle for `settings.idle_s`.

    Through the `door`, if there is one, those on the network are served, too.
    """
    clock = clock or SystemClock()
    addresses = [f"unix:{home.socket}", *((door.address,) if door else ())]
    if door is not None:
        door.secure()
    known = {"addresses": addresses, **({"auth": door.auth} if door else {})}
    async with compose(home, settings, stopping, clock=clock, ids=ids or SystemIds()) as parts:
        facts = parts.facts
        web: Any = import_module(WEB).Web(parts._replace(facts=lambda: {**facts(), **known}), clock)
        listener = bind(home)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(web.serve(listener))
                if door is not None:
                    group.create_task(web.serve_guarded(door.listener, door))
                idle = group.create_task(_stop_when_idle(settings.idle_s, web.activity, parts.in_use, stopping))
                write_record(home, addresses)
                ready()
                _announce(home, addresses)
                await stopping.wait()
                idle.cancel()
                unlink(home.socket)
                web.stop()
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


class Idle(Protocol):
    """Since when nobody is served; `wherry.server.web.Activity`."""

    @property
    def idle_s(self) -> float: ...
    def touch(self) -> None: ...


async def _stop_when_idle(limit_s: float, activity: Idle, busy: Callable[[], bool], stopping: asyncio.Event) -> None:
    while not stopping.is_set():
        await asyncio.sleep(max(0.05, limit_s - activity.idle_s))
        if activity.idle_s >= limit_s:
            if busy():
                activity.touch()
            else:
                stopping.set()


def _announce(home: Home, addresses: list[str]) -> None:
    sys.stderr.write(f"wherry server {os.getpid()} serves {home.path} at {', '.join(addresses)}\n")
    sys.stderr.flush()
