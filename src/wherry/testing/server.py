"""A home's whole server in a thread of this process, for tests and notebooks.

Invariant: it is the same server as the process: same lock, same socket, same parts unless others are given; when the
context ends, it has stopped.
"""

from __future__ import annotations

import asyncio
import os
import threading
from importlib import import_module
from types import TracebackType
from typing import Self

from wherry.client.api import Client
from wherry.home import Home
from wherry.server import home as homes
from wherry.server.door import Door
from wherry.server.life import Compose, serve
from wherry.settings import ServerSettings

COMPOSE = "wherry.server.compose"  # the lazy entry: all parts, where a test does not bring its own


class ServerThread:
    """`with ServerThread(folder) as server: server.client().submit(...)`.

    `compose` replaces the parts; a `door` lets the network in.
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        *,
        compose: Compose | None = None,
        settings: ServerSettings | None = None,
        door: Door | None = None,
    ) -> None:
        self.home = Home(os.path.realpath(folder))
        self._compose: Compose = compose or import_module(COMPOSE).parts
        self._door = door
        self._settings = settings or ServerSettings()
        self._ready = threading.Event()
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="wherry-server")

    def client(self) -> Client:
        """A new client of this server."""
        return Client(self.home.path)

    def wait(self, timeout_s: float = 30.0) -> bool:
        """Waits for the server to end by itself; whether it has."""
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def __enter__(self) -> Self:
        homes.prepare(self.home)
        self._lock = homes.lock(self.home)
        self._thread.start()
        self._ready.wait()
        if self._error is not None:
            self._thread.join()
            raise self._error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join()
        if self._error is not None and error is None:
            raise self._error

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except BaseException as error:  # noqa: BLE001 - the boundary of the thread: raised again in the test's own
            self._error = error
        finally:
            os.close(self._lock)
            self._ready.set()

    async def _serve(self) -> None:
        self._loop, self._stopping = asyncio.get_running_loop(), asyncio.Event()
        await serve(self.home, self._settings, self._compose, self._ready.set, self._stopping, door=self._door)
