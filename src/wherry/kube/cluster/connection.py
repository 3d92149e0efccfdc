"""HTTP with an API server: connections that are kept, credentials, waiting when told to, errors as `KubeError`s.

Called by `wherry.kube.cluster.client` and `watching`.  Invariants: a request that may have been carried out is never
sent twice, unless it only reads; waiting for a busy or absent server is bounded; nothing of the HTTP library leaves
this module but a response that is read.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import os
import socket
import ssl
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, NamedTuple, cast

import httpcore2
import httpx2
import msgspec
from lightkube.config.client_adapter import user_auth, verify_cluster
from lightkube.core.exceptions import ConfigError

from wherry import __version__
from wherry.errors import UsageError
from wherry.kube.cluster.config import Access
from wherry.kube.errors import KubeError, error, from_status
from wherry.kube.queue import Backoff

JSON = "application/json"
_encode = msgspec.json.Encoder().encode
_REASONS = {
    400: "BadRequest",
    401: "Unauthorized",
    403: "Forbidden",
    404: "NotFound",
    405: "MethodNotAllowed",
    410: "Expired",
    413: "RequestEntityTooLarge",
    415: "UnsupportedMediaType",
    429: "TooManyRequests",
    500: "InternalError",
    502: "ServiceUnavailable",
    503: "ServiceUnavailable",
    504: "Timeout",
}
_KEEPALIVE = [
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),
    # A peer that is gone without a word ends a watch after about a minute.
    *((socket.IPPROTO_TCP, getattr(socket, name), value) for name, value in
      (("TCP_KEEPIDLE", 30), ("TCP_KEEPINTVL", 10), ("TCP_KEEPCNT", 3)) if hasattr(socket, name)),
]  # fmt: skip


class Patience(msgspec.Struct, frozen=True):
    """How long a server that is busy or away is waited for."""

    request_s: float = 20.0  # in all, for one request; an API server restarts in less
    outage_s: float = 300.0  # for a watch that was open: a control plane that is upgraded comes back within minutes
    backoff: Backoff = Backoff(base_s=0.1, cap_s=5.0)


class Request(NamedTuple):
    """What is asked; `path` begins with `/`, `body` is sent as JSON unless it is None."""

    method: str
    path: str
    query: Mapping[str, str | int | Sequence[str]]
    body: Any = None
    content_type: str = JSON
    headers: Mapping[str, str] = {}
    once: bool = False
    """What follows from it may not happen twice, although it is a GET."""


class Upgraded:
    """A connection that speaks something else than HTTP from now on."""

    def __init__(self, stream: Any, protocol: str, broken: Callable[[Exception], KubeError]) -> None:
        self.protocol = protocol
        self._stream, self._broken = stream, broken

    async def read(self) -> bytes:
        """The next bytes, none at the end.  Raises Unavailable."""
        try:
            return await self._stream.read(1 << 16)
        except httpcore2.NetworkError as problem:
            raise self._broken(problem) from problem

    async def write(self, data: bytes) -> None:
        """Sends bytes.  Raises Unavailable."""
        try:
            await self._stream.write(data)
        except httpcore2.NetworkError as problem:
            raise self._broken(problem) from problem


class Connection:
    """Connections to one API server, of one event loop; close with `aclose`."""

    def __init__(
        self, access: Access, *, transport: httpx2.AsyncBaseTransport | None = None, patience: Patience | None = None
    ) -> None:
        """`transport` carries the requests instead of the network.  Raises UsageError for unusable credentials."""
        self.patience = patience or Patience()
        self._access = access
        user = access.config.user
        assert user is not None
        try:
            trust = verify_cluster(access.config.cluster, user, access.config.abs_file)
            auth = user_auth(user)
        except (ConfigError, OSError, ValueError) as problem:  # ssl's errors are OSErrors
            raise UsageError(f"{self._who}: the credentials cannot be used: {problem}") from problem
        try:
            self._client = httpx2.AsyncClient(
                base_url=access.server,
                auth=auth,
                transport=transport or _transport(access, trust),
                timeout=httpx2.Timeout(60.0, connect=10.0, pool=None),
                headers={"user-agent": f"wherry/{__version__}", "accept": JSON},
                trust_env=False,
            )
        except (httpx2.InvalidURL, ValueError) as problem:
            raise UsageError(f"{self._who}: the server {access.server!r} is not a URL: {problem}") from problem

    @property
    def _who(self) -> str:
        name = self._access.config.context_name
        return f"context {name!r}" if name else self._access.server

    async def aclose(self) -> None:
        """Closes all connections; requests that are under way end."""
        await self._client.aclose()

    async def ask(self, request: Request) -> Any:
        """The answer's JSON.  Raises KubeError with the server's Status."""
        response = await self._send(request, stream=False)
        try:
            return msgspec.json.decode(response.content)
        except msgspec.DecodeError as problem:
            message = f"{request.method} {request.path} was answered by something that is not JSON: {problem}"
            raise error("InternalError", message) from problem

    @asynccontextmanager
    async def stream(self, request: Request, *, silence_s: float | None) -> AsyncGenerator[AsyncGenerator[bytes, None]]:
        """The answer's bytes as they come.  Raises KubeError, also in between: Unavailable when the connection breaks
        or is silent for so long."""
        response = await self._send(request, stream=True, read_s=silence_s)
        try:
            yield self._chunks(request, response)
        finally:
            await response.aclose()

    @asynccontextmanager
    async def upgrade(self, request: Request, protocols: Sequence[str]) -> AsyncGenerator[Upgraded]:
        """A WebSocket's connection, with the first of `protocols` that the server takes.

        Raises KubeError with the server's Status.
        """
        key = base64.b64encode(os.urandom(16)).decode()
        asked = {
            "accept": "*/*",  # kubelets have nothing to say in JSON
            "connection": "Upgrade",
            "upgrade": "websocket",
            "sec-websocket-version": "13",
            "sec-websocket-key": key,
            "sec-websocket-protocol": ", ".join(protocols),
        }
        response = await self._send(request._replace(headers=asked, once=True), stream=True)
        try:
            told = response.headers
            stream = response.extensions.get("network_stream")
            if response.status_code != 101 or stream is None or told.get("sec-websocket-accept") != _accepted(key):
                raise error("InternalError", f"{self._access.server} does not open a WebSocket at {request.path}")
            try:
                broken = partial(self._unreachable, request)
                yield Upgraded(stream, told.get("sec-websocket-protocol", ""), broken)
            finally:
                await stream.aclose()
        finally:
            await response.aclose()

    async def _chunks(self, request: Request, response: httpx2.Response) -> AsyncGenerator[bytes, None]:
        try:
            async for chunk in response.aiter_bytes():
                yield chunk
        except (httpx2.TransportError, httpx2.DecodingError) as problem:
            raise self._unreachable(request, problem) from problem

    async def _send(self, request: Request, *, stream: bool, read_s: float | None = 60.0) -> httpx2.Response:
        """A good answer, after as many tries as patience allows."""
        loop = asyncio.get_running_loop()
        until, tries = loop.time() + self.patience.request_s, 0
        while True:
            tries += 1
            try:
                response = await self._try(request, stream, read_s)
            except httpx2.TransportError as problem:
                failure: KubeError = self._unreachable(request, problem)
                failure.__cause__ = problem
                wait_s = self.patience.backoff.delay_s(tries) if _unharmed(request, problem) else None
            else:
                if response.status_code < 300:
                    return response
                failure = _refusal(request, response)
                wait_s = _wait_s(request, response, self.patience.backoff.delay_s(tries))
            if wait_s is None or loop.time() + wait_s > until:
                raise failure
            await asyncio.sleep(wait_s)

    async def _try(self, request: Request, stream: bool, read_s: float | None) -> httpx2.Response:
        about = {} if request.body is None else {"content-type": request.content_type}
        prepared = self._client.build_request(
            request.method,
            request.path,
            params=dict(request.query),
            content=None if request.body is None else _encode(request.body),
            headers={**about, **request.headers},
            timeout=httpx2.Timeout(60.0, connect=10.0, pool=None, read=read_s),
            extensions={"sni_hostname": self._access.server_name} if self._access.server_name else None,
        )
        try:
            response = await self._client.send(prepared, stream=stream)
        except (ConfigError, LookupError, OSError, ValueError) as problem:  # what an exec command or a token file does
            raise UsageError(f"{self._who}: the credentials cannot be had: {problem}") from problem
        if stream and response.status_code >= 300:
            with contextlib.suppress(httpx2.TransportError):  # the status says enough
                await response.aread()
            await response.aclose()
        return response

    def _unreachable(self, request: Request, problem: Exception) -> KubeError:
        why = str(problem) or type(problem).__name__
        return error("ServiceUnavailable", f"{self._access.server} does not answer {request.method}: {why}")


def _accepted(key: str) -> str:
    """What a server answers to a WebSocket's key (RFC 6455, 4.2.2)."""
    digest = hashlib.sha1(key.encode() + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11", usedforsecurity=False).digest()
    return base64.b64encode(digest).decode()


def _transport(access: Access, trust: ssl.SSLContext) -> httpx2.AsyncHTTPTransport:
    return httpx2.AsyncHTTPTransport(
        verify=trust,
        uds=access.socket or None,
        trust_env=False,
        proxy=access.proxy or None,
        # Each watch and each followed log holds a connection for as long as it lasts.
        limits=httpx2.Limits(max_connections=None, max_keepalive_connections=20, keepalive_expiry=60.0),
        socket_options=None if access.socket else _KEEPALIVE,
    )


def _unharmed(request: Request, problem: httpx2.TransportError) -> bool:
    """Whether the request may be sent again: it only reads, or it cannot have arrived."""
    if "CERTIFICATE_VERIFY_FAILED" in str(problem) or isinstance(problem, httpx2.UnsupportedProtocol):
        return False
    return (request.method == "GET" and not request.once) or isinstance(
        problem, (httpx2.ConnectError, httpx2.ConnectTimeout)
    )


def _wait_s(request: Request, response: httpx2.Response, backoff_s: float) -> float | None:
    """How long to wait before the next try, None when there is none: a server that asks for patience has done
    nothing yet."""
    asked = response.headers.get("retry-after", "")
    if asked and (response.status_code == 429 or response.status_code >= 500):
        return float(asked) if asked.isascii() and asked.isdigit() else backoff_s
    if response.status_code == 429:
        return backoff_s
    return backoff_s if request.method == "GET" and response.status_code in (502, 503) else None


def _refusal(request: Request, response: httpx2.Response) -> KubeError:
    """The error for an answer: the server's own Status, or one made from what a proxy said."""
    try:
        status: Any = msgspec.json.decode(response.content)
    except (msgspec.DecodeError, httpx2.ResponseNotRead):
        status = None
    if isinstance(status, dict) and cast("dict[str, Any]", status).get("kind") == "Status":
        known = cast("dict[str, Any]", status)
        return from_status({**known, "code": known.get("code") or response.status_code})
    text = "" if status is not None else response.text[:200].strip()
    message = f"{request.method} {request.path}: HTTP {response.status_code} {response.reason_phrase}"
    reason = _REASONS.get(response.status_code, "InternalError")
    return error(reason, f"{message}: {text}" if text else message)
