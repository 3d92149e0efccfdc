"""What Kubernetes objects cost: four writes and reads against raw SQLite, a GET against an echo, watches, long lists.

Called by `python -m benchmarks objects`; `python -m benchmarks.objects SOCKET echo|wire` is the server of the GETs.
"""

from __future__ import annotations

import asyncio
import json
import resource
import socket
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import uvicorn

from benchmarks.measure import Figure
from wherry.kube.embedded import EmbeddedKube
from wherry.kube.resources import CONFIGMAPS
from wherry.kube.wire import make_app
from wherry.seams import SystemClock, SystemIds
from wherry.storage.database import Database

ROUNDS, OBJECTS, GETS = 5, 300, 1500
READERS, CHANGES = 50, 200
LISTED, PAGE = 20_000, 500
CONFIG: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "ConfigMap",
    "metadata": {"name": "a", "namespace": "default", "labels": {"app": "bench"}},
    "data": {"a": "1", "text": "x" * 200},
}
PATH = "/api/v1/namespaces/default/configmaps"


def figures() -> list[Figure]:
    """All of them."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        return [asyncio.run(_statements(folder)), _gets(folder), *asyncio.run(_readers(folder))]


def _config(name: str) -> dict[str, Any]:
    return {**CONFIG, "metadata": {**CONFIG["metadata"], "name": name}}


def _kube(folder: Path, name: str) -> tuple[Database, EmbeddedKube]:
    db = Database.open(folder / name, clock=SystemClock())
    return db, EmbeddedKube(db, clock=SystemClock(), ids=SystemIds())


async def _statements(folder: Path) -> Figure:
    """Create, get, patch and delete, one object at a time, against the same four statements."""
    db, kube = _kube(folder, "kube.db")
    ours: list[float] = []
    bare: list[float] = []
    with closing(db), closing(_bare(folder)) as raw:
        await kube.get(CONFIGMAPS, (await kube.create(_config("first")))["metadata"]["name"], "default")
        for _ in range(ROUNDS):
            begun = time.perf_counter()
            for number in range(OBJECTS):
                _four(raw, f"a{number}")
            bare.append(time.perf_counter() - begun)
            begun = time.perf_counter()
            for number in range(OBJECTS):
                name = f"a{number}"
                await kube.create(_config(name))
                await kube.get(CONFIGMAPS, name, "default")
                await kube.patch(CONFIGMAPS, name, "default", {"data": {"a": "2"}})
                await kube.delete(CONFIGMAPS, name, "default")
            ours.append(time.perf_counter() - begun)
    value = statistics.median(mine / theirs for mine, theirs in zip(ours, bare, strict=True))
    raw_figures = {"wherry_s": ours, "sqlite_s": bare, "objects": OBJECTS}
    return Figure("create, get, patch, delete against SQLite", value, at_most=4.0, unit="times", raw=raw_figures)


def _bare(folder: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(folder / "bare.db", isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute(
        "CREATE TABLE object (resource TEXT, namespace TEXT, name TEXT, body BLOB,"
        " PRIMARY KEY (resource, namespace, name)) WITHOUT ROWID"
    )
    return connection


def _four(connection: sqlite3.Connection, name: str) -> None:
    body, key = json.dumps(_config(name)).encode(), ("configmaps", "default", name)
    connection.execute("BEGIN IMMEDIATE")
    connection.execute("INSERT INTO object VALUES (?, ?, ?, ?)", (*key, body))
    connection.execute("COMMIT")
    where = "WHERE resource = ? AND namespace = ? AND name = ?"
    connection.execute(f"SELECT body FROM object {where}", key).fetchone()
    connection.execute("BEGIN IMMEDIATE")
    connection.execute(f"UPDATE object SET body = ? {where}", (body, *key))
    connection.execute("COMMIT")
    connection.execute("BEGIN IMMEDIATE")
    connection.execute(f"DELETE FROM object {where}", key)
    connection.execute("COMMIT")


def _gets(folder: Path) -> Figure:
    """A GET of an object over HTTP, against an app that answers with the same bytes on the same server."""
    with _Served(folder, "echo") as echo, _Served(folder, "wire") as wire:
        pairs = [(echo.seconds(GETS), wire.seconds(GETS)) for _ in range(ROUNDS)]
    value = statistics.median(mine / theirs for theirs, mine in pairs)
    raw = {"wherry_s": [mine for _, mine in pairs], "echo_s": [theirs for theirs, _ in pairs], "requests": GETS}
    return Figure("GET through the wire against an echo", value, at_most=2.0, unit="times", raw=raw)


class _Served:
    """A server in a process of its own, and a client that keeps its connection."""

    def __init__(self, folder: Path, app: str) -> None:
        self._path = folder / f"{app}.sock"
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.objects", str(self._path), app], stdout=subprocess.PIPE
        )

    def __enter__(self) -> _Served:
        assert self._process.stdout is not None
        self._process.stdout.readline()  # it listens
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.connect(str(self._path))
        self.seconds(100)
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()
        self._process.terminate()
        self._process.communicate()

    def seconds(self, count: int) -> float:
        """How long so many requests take, one after the other."""
        request = f"GET {PATH}/a HTTP/1.1\r\nhost: localhost\r\naccept: application/json\r\n\r\n".encode()
        begun = time.perf_counter()
        for _ in range(count):
            self._socket.sendall(request)
            answer = b""
            while b"\r\n\r\n" not in answer or len(answer.partition(b"\r\n\r\n")[2]) < _length(answer):
                answer += self._socket.recv(65536)
        return time.perf_counter() - begun


def _length(answer: bytes) -> int:
    head = answer.partition(b"\r\n\r\n")[0].lower()
    return int(head.partition(b"content-length: ")[2].partition(b"\r\n")[0])


async def _serve(path: str, which: str) -> None:
    with tempfile.TemporaryDirectory() as name:
        db, kube = _kube(Path(name), "kube.db")
        with closing(db):
            body = json.dumps(await kube.create(_config("a"))).encode()
            app: Any = make_app(kube, clock=SystemClock(), stopping=asyncio.Event())
            if which == "echo":
                app = _echo(body)
            listener = socket.socket(socket.AF_UNIX)
            listener.bind(path)
            listener.listen()
            config = uvicorn.Config(app, http="h11", lifespan="off", log_config=None, access_log=False)
            print("listening", flush=True)
            await uvicorn.Server(config).serve(sockets=[listener])


def _echo(body: bytes) -> Callable[[Any, Any, Any], Awaitable[None]]:
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body, "more_body": False})

    return app


async def _readers(folder: Path) -> list[Figure]:
    """Changes told to many watches at once, and a long list in pages."""
    db, kube = _kube(folder, "readers.db")
    with closing(db):
        await kube.create(_config("a"))
        app = make_app(kube, clock=SystemClock(), stopping=asyncio.Event())
        alone = await _changed(kube)
        watches = [_Watch(app, kube.version) for _ in range(READERS)]
        begun = time.perf_counter()
        await _changed(kube)
        await asyncio.gather(*(watch.seen(CHANGES) for watch in watches))
        told = time.perf_counter() - begun
        for watch in watches:
            await watch.leave()
        delivery = Figure(
            f"one change told to {READERS} readers against none",
            told / alone,
            unit="times",
            raw={"deliveries_a_second": READERS * CHANGES / told, "alone_s": alone, "told_s": told},
        )
        return [delivery, await _pages(kube, app)]


async def _changed(kube: EmbeddedKube) -> float:
    begun = time.perf_counter()
    for number in range(CHANGES):
        await kube.patch(CONFIGMAPS, "a", "default", {"data": {"a": str(number), "at": str(begun)}})
    return time.perf_counter() - begun


class _Watch:
    """A client of the app that counts its events."""

    def __init__(self, app: Any, version: str) -> None:
        self._count = 0
        self._left = asyncio.Event()
        self._more = asyncio.Event()
        query = f"watch=1&resourceVersion={version}".encode()
        scope = {"type": "http", "method": "GET", "path": PATH, "query_string": query, "headers": []}
        self._task = asyncio.ensure_future(app(scope, self._receive, self._send))

    async def _receive(self) -> dict[str, Any]:
        await self._left.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: dict[str, Any]) -> None:
        if message.get("body"):
            self._count += 1
            self._more.set()

    async def seen(self, count: int) -> None:
        """Returns when so many events have come."""
        while self._count < count:
            self._more.clear()
            await self._more.wait()

    async def leave(self) -> None:
        """Closes the connection."""
        self._left.set()
        await self._task


async def _pages(kube: EmbeddedKube, app: Any) -> Figure:
    for first in range(0, LISTED, 1000):
        await asyncio.gather(*(kube.create(_config(f"n{number}")) for number in range(first, first + 1000)))
    await _page(app, "")  # what the first one loads is no growth
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    begun, found, token = time.perf_counter(), 0, ""
    while True:
        page = await _page(app, token)
        found += len(page["items"])
        token = page["metadata"].get("continue", "")
        if not token:
            break
    seconds = time.perf_counter() - begun
    if found != LISTED + 1:
        raise RuntimeError(f"{found} objects were listed, not {LISTED + 1}")
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    raw = {"seconds": seconds, "objects_a_second": found / seconds, "page": PAGE}
    return Figure(f"memory for a list of {LISTED} objects in pages", grown, at_most=16.0, unit="MiB", raw=raw)


async def _page(app: Any, token: str) -> dict[str, Any]:
    parts: list[bytes] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        parts.append(message.get("body", b""))

    query = f"limit={PAGE}&continue={token}".encode()
    await app({"type": "http", "method": "GET", "path": PATH, "query_string": query, "headers": []}, receive, send)
    return json.loads(b"".join(parts))


if __name__ == "__main__":
    asyncio.run(_serve(*sys.argv[1:3]))
