"""HTTP/1.1 as the home's server speaks it, over a stream socket: one connection, requests one after another.

Called by `wherry.client.api`.  It exists because `http.client` with what it imports (email, ssl) takes a quarter of the
time that a whole `wherry run` may take.  Invariants: bytes are parsed by `Parser`, which never touches a socket; every
failure of the connection is a `Disconnected`, and nothing here starts or knows a server.
"""

from __future__ import annotations

import os
import select
import socket
from collections.abc import Callable, Iterator, Mapping

from wherry.errors import WherryError

Connect = Callable[[], socket.socket]
NO_HEADERS: Mapping[str, str] = {}
HEAD_LIMIT = 64 * 1024  # bytes; nothing our servers send comes near


class Disconnected(WherryError):
    """The connection ended before the answer did."""


class NotThere(WherryError):
    """Nobody listens at the address."""


def unix(path: str) -> Connect:
    """Connects to the unix socket at `path`; raises `NotThere` when nobody listens."""

    def connect() -> socket.socket:
        channel = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            channel.connect(path)
        except (FileNotFoundError, ConnectionRefusedError, NotADirectoryError):
            channel.close()
            raise NotThere(f"no server listens at {path}") from None
        except OSError as error:
            channel.close()
            raise WherryError(f"the server's socket {path} cannot be used: {error.strerror or error}") from None
        return channel

    return connect


class Parser:
    """One response: `feed` bytes, read `status`, `headers` and `take` the body as it comes; `done` at its end."""

    def __init__(self, *, bodiless: bool = False) -> None:
        self.status = 0
        self.headers: dict[str, str] = {}
        self.done = False
        self._bodiless = bodiless
        self._raw = bytearray()
        self._body = bytearray()
        self._left = -1  # bytes of the body (or of the chunk) still to come; -1: until a chunk's head or the close
        self._chunked = False

    def feed(self, data: bytes) -> None:
        """Takes what the socket gave; b"" is the end of the connection.  Raises `Disconnected` when it is too early."""
        if not data:
            if not self.status or self._chunked or self._left > 0:
                raise Disconnected("the server closed the connection in the middle of an answer")
            self.done = True
        self._raw += data
        if not self.status and not self._head():
            return
        while not self.done and self._step():
            pass

    def take(self) -> bytes:
        """The body that has come since the last `take`."""
        data = bytes(self._body)
        self._body.clear()
        return data

    def _head(self) -> bool:
        end = self._raw.find(b"\r\n\r\n")
        if end < 0:
            if len(self._raw) > HEAD_LIMIT:
                raise Disconnected("what answers is not a wherry server (no end of the headers)")
            return False
        lines = self._raw[:end].decode("latin-1").split("\r\n")
        del self._raw[: end + 4]
        words = lines[0].split(" ", 2)
        if not words[0].startswith("HTTP/1.") or len(words) < 2 or not words[1].isdigit():
            raise Disconnected("what answers is not a wherry server (no HTTP)")
        for line in lines[1:]:
            name, _, value = line.partition(":")
            self.headers[name.strip().lower()] = value.strip()
        self.status = int(words[1])
        self._chunked = self.headers.get("transfer-encoding", "").lower() == "chunked"
        length = self.headers.get("content-length", "")
        if self._bodiless or self.status in (204, 304):
            self.done = True
        elif not self._chunked and length.isdigit():
            self._left = int(length)
            self.done = self._left == 0
        return True

    def _step(self) -> bool:
        """Moves one piece of the body; False when more bytes are needed."""
        if self._chunked and self._left < 0:
            return self._chunk_head()
        piece = self._raw if self._left < 0 else self._raw[: self._left]
        if not piece:
            return False
        size = len(piece)
        self._body += piece
        del self._raw[:size]
        if self._left >= 0:
            self._left -= size
            if self._left == 0:
                self._left = -1
                self.done = not self._chunked
        return True

    def _chunk_head(self) -> bool:
        start = 2 if self._raw.startswith(b"\r\n") else 0  # the end of the chunk before
        end = self._raw.find(b"\r\n", start)
        if end < 0:
            return False
        try:
            self._left = int(bytes(self._raw[start:end]).split(b";")[0], 16)
        except ValueError:
            raise Disconnected("the server's answer is garbled") from None
        if self._left == 0:
            self.done, self._chunked, self._left = True, False, -1
            return False
        del self._raw[: end + 2]
        return True


class Reply:
    """A response that is being received; with `alone`, its connection ends with it."""

    def __init__(self, channel: socket.socket, parser: Parser, *, alone: bool = False) -> None:
        self._channel, self._parser, self._alone = channel, parser, alone

    @property
    def status(self) -> int:
        """The HTTP status."""
        return self._parser.status

    @property
    def headers(self) -> dict[str, str]:
        """Headers by lower-case name."""
        return self._parser.headers

    @property
    def done(self) -> bool:
        """True when the whole response is here."""
        return self._parser.done

    def read(self, timeout_s: float | None = None) -> bytes:
        """The rest of the body.  Raises `Disconnected`."""
        parts = [self._parser.take()]
        while not self._parser.done:
            self._pull(timeout_s)
            parts.append(self._parser.take())
        return b"".join(parts)

    def poll(self, timeout_s: float | None, wake: int = -1) -> bytes | None:
        """What has come of the body within `timeout_s`: b"" at its end, None when nothing came or `wake` is readable.

        `wake` is a file descriptor of the caller (a signal's pipe); it is not read here.
        """
        while True:
            data = self._parser.take()
            if data or self._parser.done:
                return data
            if self._channel.fileno() not in readable((self._channel.fileno(), wake), timeout_s):
                return None
            self._pull(None)

    def close(self) -> None:
        """The rest of the body is not wanted: ends the connection, unless it goes on with another response."""
        if self._alone or not self._parser.done:
            self._channel.close()

    def _pull(self, timeout_s: float | None) -> None:
        _receive(self._channel, self._parser, timeout_s)
        if self._parser.done:
            self.close()


class Channel:
    """One connection to a server, opened at the first request and again when the server has closed it."""

    def __init__(self, connect: Connect) -> None:
        self._connect = connect
        self._socket: socket.socket | None = None
        self._owner = 0
        self._last: Reply | None = None

    def request(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        *,
        timeout_s: float | None = None,
        fresh: bool = False,
        headers: Mapping[str, str] = NO_HEADERS,
    ) -> Reply:
        """Sends a request and returns when the head of its response is there.

        `fresh` gives the response a connection of its own, for streams.  Raises `NotThere`, `Disconnected`.
        """
        if fresh:
            return self._exchange(self._connect(), method, path, body, timeout_s, headers, alone=True)
        kept = self._kept()
        if kept is not None:
            try:
                self._last = self._exchange(kept, method, path, body, timeout_s, headers)
            except Disconnected:
                self.close()
                if method != "GET" and method != "HEAD":
                    raise
            else:
                return self._last
        self._socket, self._owner = self._connect(), os.getpid()
        self._last = self._exchange(self._socket, method, path, body, timeout_s, headers)
        return self._last

    def close(self) -> None:
        """Closes the connection; the next request opens another."""
        if self._socket is not None:
            self._socket.close()
        self._socket = self._last = None

    def _kept(self) -> socket.socket | None:
        """The open connection, if its last response was read, its server has not closed it and it is this process's."""
        if self._socket is None:
            return None
        idle = self._last is None or self._last.done
        if idle and self._owner == os.getpid() and not readable((self._socket.fileno(),), 0.0):
            return self._socket
        self.close()
        return None

    def _exchange(
        self,
        channel: socket.socket,
        method: str,
        path: str,
        body: bytes | None,
        timeout_s: float | None,
        headers: Mapping[str, str],
        *,
        alone: bool = False,
    ) -> Reply:
        head = f"{method} {path} HTTP/1.1\r\nhost: wherry\r\n"
        head += "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        if body is not None:
            kind = "" if "content-type" in headers else "content-type: application/json\r\n"
            head += f"{kind}content-length: {len(body)}\r\n"
        parser = Parser(bodiless=method == "HEAD")
        try:
            channel.settimeout(timeout_s)
            try:
                channel.sendall(head.encode("latin-1") + b"\r\n" + (body or b""))
            except (BrokenPipeError, ConnectionResetError):
                pass  # a server that refuses a body answers before it has read it all: look for the answer
            while not parser.status:
                _receive(channel, parser, timeout_s)
        except BaseException:
            channel.close()
            raise
        reply = Reply(channel, parser, alone=alone)
        if parser.done:
            reply.close()
        return reply


def readable(descriptors: tuple[int, ...], timeout_s: float | None) -> set[int]:
    """Those of `descriptors` (negative ones are ignored) that can be read within `timeout_s`; None waits for ever."""
    poll = select.poll()
    for descriptor in descriptors:
        if descriptor >= 0:
            poll.register(descriptor, select.POLLIN)
    return {descriptor for descriptor, _ in poll.poll(None if timeout_s is None else timeout_s * 1000)}


def lines(reply: Reply, timeout_s: float | None = None, wake: int = -1) -> Iterator[bytes | None]:
    """The body's lines as they come, without their ends; None each time `timeout_s` passes or `wake` is readable."""
    rest = b""
    try:
        while True:
            data = reply.poll(timeout_s, wake)
            if data is None:
                yield None
                continue
            *whole, rest = (rest + data).split(b"\n")
            yield from whole
            if not data:
                break
        if rest:
            yield rest
    finally:
        reply.close()


def _receive(channel: socket.socket, parser: Parser, timeout_s: float | None) -> None:
    channel.settimeout(timeout_s)
    try:
        data = channel.recv(1 << 18)
    except TimeoutError:
        raise Disconnected(f"the server has not answered for {timeout_s:g} seconds") from None
    except OSError as error:
        raise Disconnected(f"the connection to the server broke: {error.strerror or error}") from None
    parser.feed(data)
