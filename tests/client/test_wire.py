"""The client's HTTP: any way in which bytes may arrive gives the same answer, and a broken one is said to be broken."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wherry.client.wire import Channel, Disconnected, NotThere, Parser, lines, unix


def chunked(parts: list[bytes]) -> bytes:
    body = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts if part)
    return b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n" + body + b"0\r\n\r\n"


def sized(body: bytes) -> bytes:
    return b"HTTP/1.1 201 Created\r\nContent-Length: %d\r\nX-Two: a: b\r\n\r\n%s" % (len(body), body)


def pieces(data: bytes, cuts: list[int]) -> Iterator[bytes]:
    places = sorted({cut % (len(data) + 1) for cut in cuts} | {0, len(data)})
    return (data[a:b] for a, b in pairwise(places) if a < b)


def fed(data: bytes, cuts: list[int], *, bodiless: bool = False) -> tuple[Parser, bytes]:
    parser, body = Parser(bodiless=bodiless), b""
    for piece in pieces(data, cuts):
        parser.feed(piece)
        body += parser.take()
    return parser, body


@given(st.lists(st.binary(max_size=40), max_size=8), st.lists(st.integers(0, 2000), max_size=12))
def test_chunks_arrive_whole_however_they_are_cut(parts: list[bytes], cuts: list[int]) -> None:
    parser, body = fed(chunked(parts), cuts)
    assert (parser.done, parser.status, body) == (True, 200, b"".join(parts))


@given(st.binary(max_size=200), st.lists(st.integers(0, 2000), max_size=12))
def test_a_sized_body_arrives_whole_however_it_is_cut(content: bytes, cuts: list[int]) -> None:
    parser, body = fed(sized(content), cuts)
    assert (parser.done, parser.status, body, parser.headers["x-two"]) == (True, 201, content, "a: b")


@given(st.binary(max_size=60), st.integers(0, 400))
def test_an_answer_that_is_cut_off_is_never_taken_for_whole(content: bytes, at: int) -> None:
    for whole in (sized(content), chunked([content])):
        parser = Parser()
        parser.feed(whole[: min(at, len(whole) - 1)] or b"H")
        if not parser.done:
            with pytest.raises(Disconnected):
                parser.feed(b"")


def test_a_body_without_length_ends_with_the_connection() -> None:
    parser, body = fed(b"HTTP/1.1 200 OK\r\n\r\nabc", [])
    assert (parser.done, body) == (False, b"abc")
    parser.feed(b"")
    assert parser.done


def test_a_head_has_no_body() -> None:
    parser, _ = fed(b"HTTP/1.1 404 Not Found\r\ncontent-length: 10\r\n\r\n", [], bodiless=True)
    assert (parser.done, parser.status) == (True, 404)


@pytest.mark.parametrize("data", [b"SSH-2.0-x\r\n\r\n", b"x" * 70_000, chunked([b"a"]).replace(b"1\r\n", b"zz\r\n")])
def test_what_is_no_answer_is_refused(data: bytes) -> None:
    with pytest.raises(Disconnected):
        fed(data, [])


@contextmanager
def server(folder: Path, answer: Callable[[socket.socket, int], None]) -> Iterator[str]:
    """Listens on a socket; `answer` gets each connection with its number, and it is closed after."""
    path = str(folder / "s")
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen()

    def accept() -> None:
        number = 0
        while True:
            try:
                connection = listener.accept()[0]
            except OSError:
                return
            with connection:
                answer(connection, number)
            number += 1

    thread = threading.Thread(target=accept)
    thread.start()
    try:
        yield path
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()


def head(connection: socket.socket) -> bytes:
    data = b""
    while b"\r\n\r\n" not in data:
        more = connection.recv(4096)
        if not more:
            return b""
        data += more
    return data


def test_one_connection_carries_requests_one_after_the_other(tmp_path: Path) -> None:
    seen: list[tuple[int, bytes]] = []

    def answer(connection: socket.socket, number: int) -> None:
        while request := head(connection):
            seen.append((number, request.split(b"\r\n")[0]))
            connection.sendall(sized(b"ok"))

    with server(tmp_path, answer) as path:
        channel = Channel(unix(path))
        assert [channel.request("GET", f"/{n}").read() for n in range(3)] == [b"ok"] * 3
        channel.close()
    assert seen == [(0, b"GET /0 HTTP/1.1"), (0, b"GET /1 HTTP/1.1"), (0, b"GET /2 HTTP/1.1")]


def test_a_connection_that_the_server_has_closed_is_opened_again(tmp_path: Path) -> None:
    def answer(connection: socket.socket, number: int) -> None:
        head(connection)
        connection.sendall(sized(b"%d" % number))

    with server(tmp_path, answer) as path:
        channel = Channel(unix(path))
        assert [channel.request("GET", "/").read() for _ in range(3)] == [b"0", b"1", b"2"]
        channel.close()


def test_a_stream_gives_lines_as_they_come_and_wakes_for_a_descriptor(tmp_path: Path) -> None:
    go_on = threading.Event()

    def answer(connection: socket.socket, number: int) -> None:
        head(connection)
        connection.sendall(chunked([b"one\ntw"])[:-5])
        go_on.wait(10)
        connection.sendall(b"4\r\no\nth\r\n5\r\nree\nx\r\n0\r\n\r\n")

    reader, writer = os.pipe()
    with server(tmp_path, answer) as path:
        found = lines(Channel(unix(path)).request("GET", "/", fresh=True), None, reader)
        assert next(found) == b"one"
        os.write(writer, b"!")
        assert next(found) is None
        os.read(reader, 1)
        go_on.set()
        assert list(found) == [b"two", b"three", b"x"]
    os.close(reader)
    os.close(writer)


def test_a_stream_that_breaks_off_is_a_disconnection(tmp_path: Path) -> None:
    def answer(connection: socket.socket, number: int) -> None:
        head(connection)
        connection.sendall(chunked([b"one\n"])[:-5])

    with server(tmp_path, answer) as path:
        found = lines(Channel(unix(path)).request("GET", "/", fresh=True))
        assert next(found) == b"one"
        with pytest.raises(Disconnected, match="middle of an answer"):
            next(found)


def test_a_server_that_refuses_a_body_early_is_heard(tmp_path: Path) -> None:
    def answer(connection: socket.socket, number: int) -> None:
        head(connection)
        connection.sendall(b"HTTP/1.1 413 Too Large\r\ncontent-length: 0\r\n\r\n")
        connection.shutdown(socket.SHUT_RDWR)

    with server(tmp_path, answer) as path:
        channel = Channel(unix(path))
        assert channel.request("PUT", "/", b"x" * (8 << 20)).status == 413
        channel.close()


def test_a_silent_server_is_given_up(tmp_path: Path) -> None:
    done = threading.Event()
    with server(tmp_path, lambda connection, number: bool(done.wait(10)) and None) as path:
        with pytest.raises(Disconnected, match=r"has not answered for 0\.05 seconds"):
            Channel(unix(path)).request("GET", "/", timeout_s=0.05)
        done.set()


def test_nobody_there(tmp_path: Path) -> None:
    with pytest.raises(NotThere):
        unix(str(tmp_path / "none"))()
