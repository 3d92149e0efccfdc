"""One HTTP request and its answer: query, headers, body within its limit, and one message out.

Called by every module of `wherry.kube.wire`.  Invariants: a body is never kept beyond the limit; an answer leaves as
one message, compressed only when the client takes that and it is big.
"""

from __future__ import annotations

import asyncio
import contextlib
import gzip
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any, cast
from urllib.parse import parse_qsl

import msgspec

from wherry.ir import yaml
from wherry.kube.errors import KubeError, bad_request, error
from wherry.kube.schemas import MalformedProtobuf, decode

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

BODY_LIMIT_BYTES = 3 * 1024 * 1024  # as an API server's limit for a request
DISCARDED_BYTES = 128 * 1024 * 1024  # of a body that is refused: many clients read no answer before all of it is sent
_DISCARD_WITHIN_S = 5.0
BODY_WITHIN_S = 60.0  # as an API server's time for a request that is not a stream
_GZIP_FROM_BYTES = 128 * 1024  # as an API server: smaller answers are not worth it
JSON = "application/json"
PROTOBUF = "application/vnd.kubernetes.protobuf"
YAML = "application/yaml"
BODIES = (JSON, YAML, PROTOBUF)
_PATCH = ("-patch+json", "-patch+yaml")
_LONGEST_WARNING, _MOST_WARNINGS = 1024, 16  # letters, and texts; clients bound the size of headers
_TRUE = frozenset(["", "1", "t", "T", "TRUE", "true", "True"])
_FALSE = frozenset(["0", "f", "F", "FALSE", "false", "False"])
_encode = msgspec.json.Encoder().encode


def flag(query: Mapping[str, str], name: str) -> bool:
    """A boolean of a query, as Go reads them; false when it is not there.  Raises BadRequest."""
    text = query.get(name)
    if text is None or text in _FALSE:
        return False
    if text in _TRUE:
        return True
    raise bad_request(f"{name}: {text!r} is not a boolean")


def _too_large() -> KubeError:
    return error("RequestEntityTooLarge", f"Request entity too large: limit is {BODY_LIMIT_BYTES}")


def _is_json(data: bytes) -> bool:
    """Whether a text of YAML is one of JSON, too: what programs send, and the quicker to read."""
    if not data.startswith(b"{"):
        return False
    try:
        msgspec.json.decode(data, type=msgspec.Raw)
    except msgspec.DecodeError:
        return False
    return True


class ClientGone(Exception):
    """The client has closed the connection: nobody is left to answer."""


class Exchange:
    """A request and the way to answer it."""

    def __init__(
        self,
        scope: Scope,
        receive: Receive,
        send: Send,
        stopping: asyncio.Event,
        body_within_s: float = BODY_WITHIN_S,
    ) -> None:
        self.method: str = scope["method"]
        self.path: str = scope["path"]
        self.query = dict(parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True))
        self.headers: dict[bytes, bytes] = dict(scope["headers"])
        self.answered = False
        self.receive = receive
        self.warnings: list[str] = []
        self._send = send
        self._stopping = stopping
        self._body_within_s = body_within_s
        self._unread = self.header("content-length") not in ("", "0") or bool(self.header("transfer-encoding"))

    def header(self, name: str) -> str:
        """A header's value, empty when it is not there; `name` in lower case."""
        return self.headers.get(name.encode(), b"").decode("latin-1")

    def flag(self, name: str) -> bool:
        """A boolean of the query, as Go reads them; raises BadRequest."""
        return flag(self.query, name)

    def number(self, name: str) -> int | None:
        """A number of the query that is not negative, None when it is not there; raises BadRequest."""
        text = self.query.get(name)
        if text is None or text == "":
            return None
        if not (text.isascii() and text.isdigit() and len(text) < 19):
            raise bad_request(f"{name}: {text!r} is not a number that is not negative")
        return int(text)

    async def body(self) -> bytes:
        """The whole body; raises TooLarge, Timeout, BadRequest for a compressed one, ClientGone."""
        encoding = self.header("content-encoding")
        if encoding not in ("", "identity"):
            raise bad_request(f"the body of the request is encoded (Content-Encoding: {encoding}): send it as it is")
        length = self.header("content-length")
        if length.isdigit() and len(length) < 19 and int(length) > BODY_LIMIT_BYTES:
            raise _too_large()  # without a look at it
        try:
            async with asyncio.timeout(self._body_within_s):
                return await self._read()
        except TimeoutError:
            why = f"the body of the request did not arrive within {self._body_within_s:g} seconds"
            raise error("Timeout", why) from None

    async def _read(self) -> bytes:
        parts: list[bytes] = []
        size = 0
        while True:
            message = await self.receive()
            if message["type"] == "http.disconnect":
                raise ClientGone
            part: bytes = message.get("body", b"")
            size += len(part)
            if size > BODY_LIMIT_BYTES:
                raise _too_large()
            parts.append(part)
            if not message.get("more_body"):
                self._unread = False
                return b"".join(parts)

    async def content(self, read: Callable[[bytes], None] | None = None) -> Any:
        """The body as a value: YAML or protobuf where the content type says so, else JSON; None for an empty one.

        `read` is given the bytes of JSON.  Raises BadRequest, TooLarge, UnsupportedMediaType.
        """
        data = await self.body()
        if not data:
            return None
        kind = self.content_type
        if kind not in BODIES and not kind.endswith(_PATCH):
            known = ", ".join(BODIES)
            why = f"the body of the request was in an unknown format - accepted media types include: {known}"
            raise error("UnsupportedMediaType", why)
        try:
            if kind == PROTOBUF:
                return decode(data)
            if "yaml" not in kind or _is_json(data):
                value = msgspec.json.decode(data)
                if read is not None:
                    read(data)
                return value
            documents = yaml.load_all(data)
        except (msgspec.DecodeError, MalformedProtobuf, UnicodeError, RecursionError, yaml.YAMLError) as problem:
            raise bad_request(f"the body of the request cannot be read: {problem}") from problem
        if len(documents) != 1:
            raise bad_request(f"the body of the request holds {len(documents)} documents instead of one")
        return documents[0]

    async def mapping(self, read: Callable[[bytes], None] | None = None) -> dict[str, Any]:
        """The body as an object, see `content`; raises BadRequest."""
        value = await self.content(read)
        if not isinstance(value, dict):
            raise bad_request("the body of the request is not an object")
        return cast("dict[str, Any]", value)

    @property
    def content_type(self) -> str:
        """The body's media type without its parameters."""
        return self.header("content-type").partition(";")[0].strip().lower() or JSON

    def accepts(self) -> list[tuple[str, Mapping[str, str]]]:
        """What the client takes, in its order: media types with their parameters; anything when it does not say."""
        found: list[tuple[str, Mapping[str, str]]] = []
        for item in self.header("accept").split(","):
            kind, *parameters = (word.strip() for word in item.split(";"))
            if kind:
                pairs = (word.partition("=") for word in parameters)
                found.append((kind.lower(), {key.strip(): value.strip() for key, _, value in pairs}))
        return found or [("*/*", {})]

    async def answer(self, value: Any, status: int = 200) -> None:
        """Answers with a value as JSON."""
        await self.send(_encode(value), status)

    async def send(self, body: bytes, status: int = 200, content_type: str = JSON) -> None:
        """Answers with bytes."""
        headers = [(b"content-type", content_type.encode()), (b"cache-control", b"no-cache, private")]
        if len(body) >= _GZIP_FROM_BYTES and "gzip" in self.header("accept-encoding"):
            body = gzip.compress(body, 1)
            headers.append((b"content-encoding", b"gzip"))
        headers.append((b"content-length", str(len(body)).encode()))
        if self._unread:  # whatever more of it comes, nobody looks at it
            headers.append((b"connection", b"close"))
        for text in self.warnings[:_MOST_WARNINGS]:  # RFC 9111: code, agent, quoted text
            shown = "".join(letter if letter.isprintable() else " " for letter in text)[:_LONGEST_WARNING]
            quoted = shown.replace("\\", "\\\\").replace('"', '\\"')
            headers.append((b"warning", f'299 - "{quoted}"'.encode("latin-1", "replace")))
        await self.start(status, headers)
        if self._unread:
            await self.part(body)
            await self._discard()
            body = b""
        await self.part(body, more=False)

    async def _discard(self) -> None:
        """Takes what is still sent of a body, within bounds, before the connection is closed under the client."""
        size = 0
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(min(_DISCARD_WITHIN_S, self._body_within_s)):
                while size < DISCARDED_BYTES:
                    message = await self.receive()
                    size += len(message.get("body", b""))
                    if message["type"] == "http.disconnect" or not message.get("more_body"):
                        return

    async def start(self, status: int, headers: list[tuple[bytes, bytes]]) -> None:
        """Begins an answer whose parts follow."""
        self.answered = True
        await self._send({"type": "http.response.start", "status": status, "headers": headers})

    async def stream(self, content_type: str, work: Callable[[], Awaitable[None]], timeout_s: float | None) -> None:
        """Answers with the parts that `work` sends; ends it when the client goes, the server stops, or time is over."""
        await self.start(200, [(b"content-type", content_type.encode()), (b"cache-control", b"no-cache, private")])
        tasks = [asyncio.ensure_future(each) for each in (work(), self._left(), self._stopping.wait())]
        try:
            await asyncio.wait(tasks, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            results = await asyncio.gather(*tasks, return_exceptions=True)
        for result in results:
            if isinstance(result, Exception):
                raise result
        await self.part(b"", more=False)

    async def _left(self) -> None:
        """Returns when the client has closed the connection."""
        while (await self.receive())["type"] != "http.disconnect":
            pass

    async def part(self, data: bytes, *, more: bool = True) -> None:
        """One part of the answer's body."""
        await self._send({"type": "http.response.body", "body": data, "more_body": more})
