"""Counts what a client asks of a real API server.

Used by the test of what a task costs, and by `benchmarks.cluster`.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import httpx2
from lightkube.config.client_adapter import verify_cluster

from wherry.kube.cluster.config import Access, find


class Counted(httpx2.AsyncBaseTransport):
    """The network, with a count of what is asked of the API server: by method, watches as WATCH."""

    def __init__(self, inner: httpx2.AsyncBaseTransport) -> None:
        self.inner = inner
        self.calls: Counter[str] = Counter()

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        watch = "watch" in request.url.params
        self.calls["WATCH" if watch else request.method] += 1
        return await self.inner.handle_async_request(request)

    async def aclose(self) -> None:
        await self.inner.aclose()


def counted(kubeconfig: Path) -> tuple[Access, Counted]:
    """The access to a cluster, and a transport for it that counts."""
    access = find(environ={"KUBECONFIG": str(kubeconfig)})
    user = access.config.user
    assert user is not None
    trust = verify_cluster(access.config.cluster, user, access.config.abs_file)
    return access, Counted(httpx2.AsyncHTTPTransport(verify=trust))
