"""The Kubernetes API of a target: the home's own small cluster, or the one that a context names.

Loaded by the command line where it reaches into pods or looks elsewhere than at home.  Invariant: home and cluster are
spoken to in the same way; only the address differs.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, Callable, Generator, Mapping
from contextlib import aclosing, contextmanager
from typing import Any, NamedTuple
from urllib.parse import parse_qsl

from wherry import settings
from wherry.client.api import Client, ObjectRefused
from wherry.client.wire import NO_HEADERS
from wherry.errors import UsageError
from wherry.kube.cluster.client import ClusterKube
from wherry.kube.cluster.config import Access, find, of_server
from wherry.kube.cluster.connection import Connection, Request
from wherry.kube.errors import KubeError

_SILENCE_S = 3600.0


class Reach(NamedTuple):
    """How the API of a target is reached, and the namespace that is meant when none is named."""

    access: Access
    namespace: str

    def kube(self) -> ClusterKube:
        """The target's `Kube`, to be entered."""
        return ClusterKube(self.access)


def reach(client: Callable[[], Client], name: str | None, environ: Mapping[str, str] = os.environ) -> Reach:
    """The target of that name in the project's `wherry.toml`; the home itself for None.  Raises UsageError."""
    if name is None:
        return Reach(of_server("http://wherry", socket=client().ready()), "default")
    target = settings.project(os.getcwd()).target(name)
    if target.server is not None:
        raise UsageError(
            f"target {name!r} is a remote server, which this version of wherry cannot use",
            hint="kubectl and the server's kubeconfig can",
        )
    if target.is_local:
        return Reach(of_server("http://wherry", socket=client().ready()), target.namespace or "default")
    access = find(
        target.context or "", namespace=target.namespace or "", kubeconfig=target.kubeconfig or "", environ=environ
    )
    return Reach(access, access.namespace)


class Elsewhere:
    """The requests of `wherry.client.objects` at a target; see `Api` there."""

    def __init__(self, runner: asyncio.Runner, connection: Connection) -> None:
        self._runner, self._connection = runner, connection

    def kubernetes(
        self, method: str, path: str, value: object = None, *, headers: Mapping[str, str] = NO_HEADERS
    ) -> Any:
        """See `Client.kubernetes`."""
        try:
            return self._runner.run(self._connection.ask(_request(method, path, value, headers)))
        except KubeError as problem:
            raise ObjectRefused(problem.message, reason=problem.reason) from None

    def kubernetes_lines(self, path: str, every_s: float) -> Generator[bytes | None]:
        """See `Client.kubernetes_lines`."""
        lines = self._lines(path)
        pending: asyncio.Task[bytes] | None = None

        async def following() -> bytes:
            return await anext(lines, b"")

        async def turn() -> bytes | None:
            nonlocal pending
            pending = pending or asyncio.create_task(following())
            await asyncio.wait((pending,), timeout=every_s)
            if not pending.done():
                return None
            done, pending = pending, None
            return done.result()

        try:
            while (line := self._runner.run(turn())) is None or line:
                yield line
        except KubeError as problem:
            raise ObjectRefused(problem.message, reason=problem.reason) from None
        finally:
            self._runner.run(_ended(pending, lines))

    async def _lines(self, path: str) -> AsyncGenerator[bytes, None]:
        request = _request("GET", path, None, NO_HEADERS)
        rest = b""
        async with self._connection.stream(request, silence_s=_SILENCE_S) as chunks, aclosing(chunks):
            async for chunk in chunks:
                *whole, rest = (rest + chunk).split(b"\n")
                for line in whole:
                    yield line


async def _ended(pending: asyncio.Task[bytes] | None, lines: AsyncGenerator[bytes, None]) -> None:
    if pending is not None:
        pending.cancel()
        await asyncio.gather(pending, return_exceptions=True)
    await lines.aclose()


def _request(method: str, path: str, value: object, headers: Mapping[str, str]) -> Request:
    place, _, query = path.partition("?")
    return Request(method, place, dict(parse_qsl(query)), value, headers=headers)


@contextmanager
def elsewhere(found: Reach) -> Generator[Elsewhere]:
    """The target's requests, blocking, while the context is open."""
    with asyncio.Runner() as runner:
        connection = Connection(found.access)
        try:
            yield Elsewhere(runner, connection)
        finally:
            runner.run(connection.aclose())
