"""Who may ask over the network: the Host and Origin headers, the token, and what a wrong token costs.

Wraps the app of `wherry.server.door`; the unix socket needs none of this, for its file is private.  Invariants: nothing
of a refused request's body is read, and no refusal says anything of the token; the right token is always let in, so
nobody can lock its owner out by trying wrong ones; what is remembered of who failed is bounded.
"""

from __future__ import annotations

import asyncio
import base64
import hmac
import ipaddress
import sys
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Collection, MutableMapping
from typing import Any

import msgspec

from wherry.seams import Clock

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Application = Callable[[Any, Any, Any], Awaitable[None]]
BEARER_SUBPROTOCOL = b"base64url.bearer.authorization.k8s.io."
HEALTH = ("/healthz", "/readyz", "/livez")  # what a supervisor asks, without a token
FORGET_S = 60.0  # after which failures of an address are forgotten
ADDRESSES = 1024  # that are remembered
WAITING = 64  # failed logins that wait at once; more are refused without waiting
FIRST_WAIT_S, LONGEST_WAIT_S = 0.1, 2.0
_REASONS = {400: "BadRequest", 401: "Unauthorized", 403: "Forbidden", 429: "TooManyRequests"}


class Guard:
    """The app, for those who may ask it.

    `names` are the host names by which the server may be called; addresses always may, for no foreign name leads a
    browser to ask by address.  Without a `token` nobody needs one.
    """

    def __init__(
        self,
        app: Application,
        *,
        token: str | None,
        names: Collection[str],
        clock: Clock,
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._app, self._names = app, frozenset(name.lower() for name in names)
        self._token = None if token is None else token.encode()
        self._failures = Failures(clock)
        self._pause, self._waiting = pause, 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The request, or its refusal."""
        headers: dict[bytes, bytes] = dict(scope["headers"])
        refusal = self._misdirected(headers, secure=scope.get("scheme") in ("https", "wss"))
        if refusal is None and self._token is not None and scope["path"] not in HEALTH:
            said = headers.get(b"authorization") or _in_subprotocols(headers.get(b"sec-websocket-protocol", b""))
            refusal = await self._stranger(said, _address(scope))
        if refusal is None:
            await self._app(scope, receive, send)
        else:
            await _refuse(scope, send, *refusal)

    def _misdirected(self, headers: dict[bytes, bytes], *, secure: bool) -> tuple[int, str] | None:
        host = headers.get(b"host", b"").decode("latin-1").lower()
        name = host_name(host)
        if not name:
            return 400, "the request needs a Host header"
        if name not in self._names and not is_address(name):
            return 403, f"this server is not called {name!r}; it takes more names when it is started with --name"
        origin = headers.get(b"origin")
        if origin is not None and origin.decode("latin-1").lower() != f"{'https' if secure else 'http'}://{host}":
            return 403, "requests of pages from elsewhere are refused"
        return None

    async def _stranger(self, said: bytes | None, address: str) -> tuple[int, str] | None:
        assert self._token is not None
        if said is None:
            return (
                401,
                "a token is needed (Authorization: Bearer TOKEN); it is in the file token of the server's home",
            )
        scheme, _, token = said.partition(b" ")
        if scheme.lower() == b"bearer" and hmac.compare_digest(token.strip(), self._token):
            return None
        if self._waiting >= WAITING:
            return 429, "too many failed logins"
        wait_s = self._failures.failed(address)
        self._waiting += 1
        try:
            await self._pause(wait_s)
        finally:
            self._waiting -= 1
        return 401, "the token is not the one of this server"


class Failures:
    """Failed logins by address: each has the next one wait longer, and the first one is told in the log."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._known: OrderedDict[str, tuple[int, float]] = OrderedDict()

    def failed(self, address: str) -> float:
        """Counts one more; returns how long its answer waits, in seconds."""
        now = self._clock.monotonic()
        count, last = self._known.pop(address, (0, now))
        count = 1 if now - last > FORGET_S else count + 1
        self._known[address] = (count, now)
        if len(self._known) > ADDRESSES:
            self._known.popitem(last=False)
        if count == 1:
            sys.stderr.write(f"wherry server: a login from {address} failed\n")
        return min(LONGEST_WAIT_S, FIRST_WAIT_S * 2 ** min(count - 1, 16))

    def __len__(self) -> int:
        return len(self._known)


def host_name(host: str) -> str:
    """The name or address in a Host header, without the port, brackets and the root's dot."""
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0].removesuffix(".")


def is_address(name: str) -> bool:
    """Whether the name is an IP address."""
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _in_subprotocols(offered: bytes) -> bytes | None:
    """The token of clients that can send no header with a WebSocket, as Kubernetes takes it: a subprotocol."""
    for each in offered.split(b","):
        name = each.strip()
        if name.startswith(BEARER_SUBPROTOCOL):
            text = name[len(BEARER_SUBPROTOCOL) :]
            try:
                return b"Bearer " + base64.b64decode(text + b"=" * (-len(text) % 4), altchars=b"-_", validate=True)
            except ValueError:
                return b"Bearer"
    return None


def _address(scope: Scope) -> str:
    client = scope.get("client")
    return str(client[0]) if client else ""


async def _refuse(scope: Scope, send: Send, code: int, message: str) -> None:
    """The refusal in a form that both clients of the Kubernetes API and our own read."""
    status: dict[str, Any] = {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": message,
    }
    error = {"type": _REASONS[code], "message": message, "hint": None}
    body = msgspec.json.encode({**status, "reason": _REASONS[code], "code": code, "error": error})
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    if code == 401:
        headers.append((b"www-authenticate", b"Bearer"))
    answer = "websocket.http.response" if scope["type"] == "websocket" else "http.response"
    await send({"type": f"{answer}.start", "status": code, "headers": [*headers, (b"connection", b"close")]})
    await send({"type": f"{answer}.body", "body": body})
