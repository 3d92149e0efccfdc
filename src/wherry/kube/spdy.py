"""SPDY/3.1 framing, the server's side: bytes in, events out, and the bytes of what is answered.

Called by `wherry.kube.wire.tunnels`: kubectl sends connections to pods as SPDY streams inside a WebSocket.  Source:
SPDY Protocol, Draft 3.1.  Invariants: no I/O here; what comes in is bounded before it is kept; header blocks of a
connection are compressed in the order in which they are sent, for each depends on those before it.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Mapping
from typing import NamedTuple

SYN_STREAM, SYN_REPLY, RST_STREAM, SETTINGS, PING, GOAWAY, HEADERS, WINDOW_UPDATE = 1, 2, 3, 4, 6, 7, 8, 9
FIN = 1
_VERSION, _CONTROL = 3, 0x8000
_HEADER_LIMIT_BYTES = 64 * 1024  # of a control frame, and of its headers when they are unpacked
_PIECE_BYTES = 1 << 20  # of data that goes out in one frame

# The dictionary of the compression (2.6.10.1): words, each after its length, then texts that stand often in headers.
_WORDS = (
    "options|head|post|put|delete|trace|accept|accept-charset|accept-encoding|accept-language|accept-ranges|age|allow|"
    "authorization|cache-control|connection|content-base|content-encoding|content-language|content-length|"
    "content-location|content-md5|content-range|content-type|date|etag|expect|expires|from|host|if-match|"
    "if-modified-since|if-none-match|if-range|if-unmodified-since|last-modified|location|max-forwards|pragma|"
    "proxy-authenticate|proxy-authorization|range|referer|retry-after|server|te|trailer|transfer-encoding|upgrade|"
    "user-agent|vary|via|warning|www-authenticate|method|get|status|200 OK|version|HTTP/1.1|url|public|set-cookie|"
    "keep-alive|origin"
)
_CODES = (
    "100101201202205206300302303304305306307402405406407408409410411412413414415416417502504505"
    "203 Non-Authoritative Information204 No Content301 Moved Permanently400 Bad Request401 Unauthorized403 Forbidden"
    "404 Not Found500 Internal Server Error501 Not Implemented503 Service Unavailable"
)
_TEXTS = (
    "Jan Feb Mar Apr May Jun Jul Aug Sept Oct Nov Dec 00:00:00 Mon, Tue, Wed, Thu, Fri, Sat, Sun, GMT"
    "chunked,text/html,image/png,image/jpg,image/gif,application/xml,application/xhtml+xml,text/plain,text/javascript,"
    "publicprivatemax-age=gzip,deflate,sdchcharset=utf-8charset=iso-8859-1,utf-,*,enq=0."
)
DICTIONARY = (
    b"".join(struct.pack(">I", len(word)) + word.encode() for word in _WORDS.split("|")) + (_CODES + _TEXTS).encode()
)


class SpdyError(Exception):
    """What came is not SPDY/3.1, or beyond the limits: the connection cannot go on."""


class Opened(NamedTuple):
    """The peer has opened a stream; names of headers are in lower case."""

    stream: int
    headers: Mapping[str, str]
    fin: bool


class Data(NamedTuple):
    """Bytes of a stream; with `fin` its last."""

    stream: int
    data: bytes
    fin: bool


class Reset(NamedTuple):
    """The peer wants nothing more of a stream."""

    stream: int


class Ping(NamedTuple):
    """To be answered with the same number."""

    number: int


class Away(NamedTuple):
    """The peer opens no more streams."""


Event = Opened | Data | Reset | Ping | Away


class Connection:
    """One connection: feed it with `receive`, send what the other methods give."""

    def __init__(self) -> None:
        self._unread = bytearray()
        self._unpack = zlib.decompressobj(zdict=DICTIONARY)
        self._pack = zlib.compressobj(zdict=DICTIONARY)

    def receive(self, data: bytes) -> list[Event]:
        """The events that are complete with these bytes.  Raises SpdyError."""
        self._unread += data
        return list(self._events())

    def _events(self) -> Iterator[Event]:
        while len(self._unread) >= 8:
            head, second = struct.unpack_from(">II", self._unread)
            flags, size = second >> 24, second & 0xFFFFFF
            control = bool(head >> 31)
            if control and size > _HEADER_LIMIT_BYTES:
                raise SpdyError(f"a control frame of {size} bytes")
            if len(self._unread) < 8 + size:
                return
            body = bytes(self._unread[8 : 8 + size])
            del self._unread[: 8 + size]
            if not control:
                yield Data(head, body, bool(flags & FIN))
                continue
            if head >> 16 & 0x7FFF != _VERSION:
                raise SpdyError("a frame of another version than 3")
            event = self._control(head & 0xFFFF, flags, body)
            if event is not None:
                yield event

    def _control(self, kind: int, flags: int, body: bytes) -> Event | None:
        try:
            if kind == SYN_STREAM:
                (stream,) = struct.unpack_from(">I", body)
                return Opened(stream & 0x7FFFFFFF, self._headers(body[10:]), bool(flags & FIN))
            if kind in (SYN_REPLY, HEADERS):
                self._headers(body[4:])  # of no use, but later blocks depend on it
            if kind == RST_STREAM:
                return Reset(struct.unpack_from(">I", body)[0] & 0x7FFFFFFF)
            if kind == PING:
                return Ping(struct.unpack_from(">I", body)[0])
        except struct.error:
            raise SpdyError(f"a frame of type {kind} is too short") from None
        return Away() if kind == GOAWAY else None

    def _headers(self, block: bytes) -> dict[str, str]:
        try:
            data = self._unpack.decompress(block, _HEADER_LIMIT_BYTES)
        except zlib.error as problem:
            raise SpdyError(f"headers that cannot be unpacked: {problem}") from None
        if self._unpack.unconsumed_tail:
            raise SpdyError("headers that are too long")
        texts: list[str] = []
        place = 4
        (count,) = struct.unpack_from(">I", data)
        while len(texts) < 2 * count:
            (size,) = struct.unpack_from(">I", data, place)
            if place + 4 + size > len(data):
                raise SpdyError("a header that is too short")
            texts.append(data[place + 4 : place + 4 + size].decode("latin-1"))
            place += 4 + size
        return {name.lower(): value for name, value in zip(texts[::2], texts[1::2], strict=True)}

    def reply(self, stream: int) -> bytes:
        """Takes a stream that was opened."""
        block = self._pack.compress(struct.pack(">I", 0)) + self._pack.flush(zlib.Z_SYNC_FLUSH)
        return _frame(SYN_REPLY, struct.pack(">I", stream) + block)

    def data(self, stream: int, data: bytes, *, fin: bool = False) -> bytes:
        """Bytes of a stream; `fin` ends our side of it."""
        parts: list[bytes] = []
        for place in range(0, len(data) or 1, _PIECE_BYTES):
            piece = data[place : place + _PIECE_BYTES]
            last = fin and place + _PIECE_BYTES >= len(data)
            parts += (struct.pack(">II", stream, (FIN if last else 0) << 24 | len(piece)), piece)
        return b"".join(parts)

    def reset(self, stream: int, status: int = 3) -> bytes:
        """Refuses a stream (status 3: REFUSED_STREAM)."""
        return _frame(RST_STREAM, struct.pack(">II", stream, status))

    def pong(self, ping: Ping) -> bytes:
        """Answers a ping."""
        return _frame(PING, struct.pack(">I", ping.number))


def _frame(kind: int, body: bytes) -> bytes:
    return struct.pack(">HHI", _CONTROL | _VERSION, kind, len(body)) + body
