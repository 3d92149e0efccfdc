"""One WebSocket of a client: refused with a Status before it is open, then messages of bytes both ways.

Called by `wherry.kube.wire.app` and `streaming`.  Invariant: a client that is refused reads the same Status as over
HTTP; after it has gone, nothing raises but `ClientGone`.
"""

from __future__ import annotations

from urllib.parse import parse_qsl

import msgspec

from wherry.kube.errors import KubeError, bad_request
from wherry.kube.wire.exchange import JSON, ClientGone, Receive, Scope, Send

NORMAL, GOING_AWAY = 1000, 1001


class Socket:
    """A WebSocket that a client asks for."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.path: str = scope["path"]
        self.headers: list[tuple[bytes, bytes]] = list(scope["headers"])
        self.pairs = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        self.query = dict(self.pairs)
        self.offered: list[str] = list(scope.get("subprotocols") or ())
        self.opened = False
        self._receive, self._send = receive, send

    def values(self, name: str) -> list[str]:
        """All values of a parameter that may stand several times in the query."""
        return [value for key, value in self.pairs if key == name]

    def choose(self, served: tuple[str, ...], *, default: str | None = None) -> str | None:
        """The first subprotocol of the client that is served; `default` for one that offers none.

        Raises BadRequest when there is none.
        """
        offered = [each for each in self.offered if not each.startswith("base64url.bearer.authorization.k8s.io.")]
        for each in offered:
            if each in served:
                return each
        if not offered and default is not None:
            return None
        raise bad_request(
            f"unable to upgrade: of the subprotocols {offered} none is served here, which has {', '.join(served)}"
        )

    async def accept(self, subprotocol: str | None) -> None:
        """Opens it."""
        await self._receive()  # "websocket.connect"
        self.opened = True
        await self._sent({"type": "websocket.accept", "subprotocol": subprotocol})

    async def refuse(self, problem: KubeError) -> None:
        """Answers with the Status instead of opening it."""
        await self._receive()
        body = msgspec.json.encode(problem.status)
        headers = [(b"content-type", JSON.encode()), (b"content-length", str(len(body)).encode())]
        await self._sent({"type": "websocket.http.response.start", "status": problem.code, "headers": headers})
        await self._sent({"type": "websocket.http.response.body", "body": body})

    async def receive(self) -> bytes:
        """The next message, text as UTF-8.  Raises ClientGone."""
        message = await self._receive()
        if message["type"] != "websocket.receive":
            raise ClientGone
        data: bytes | None = message.get("bytes")
        return data if data is not None else message["text"].encode()

    async def send(self, data: bytes) -> None:
        """One binary message.  Raises ClientGone."""
        await self._sent({"type": "websocket.send", "bytes": data})

    async def close(self, code: int = NORMAL) -> None:
        """Nothing more is sent."""
        await self._sent({"type": "websocket.close", "code": code})

    async def _sent(self, message: dict[str, object]) -> None:
        try:
            await self._send(message)
        except OSError as problem:  # how ASGI servers say that the client has disconnected
            raise ClientGone from problem
