"""SPDY/3.1 as the server speaks it."""

from __future__ import annotations

import struct
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wherry.kube import spdy


class Peer:
    """The client's side."""

    def __init__(self) -> None:
        self.pack = zlib.compressobj(zdict=spdy.DICTIONARY)
        self.unpack = zlib.decompressobj(zdict=spdy.DICTIONARY)

    def block(self, headers: dict[str, str]) -> bytes:
        words = [word.encode("latin-1") for pair in headers.items() for word in pair]
        text = struct.pack(">I", len(headers)) + b"".join(struct.pack(">I", len(word)) + word for word in words)
        return self.pack.compress(text) + self.pack.flush(zlib.Z_SYNC_FLUSH)

    def open(self, stream: int, headers: dict[str, str], *, fin: bool = False) -> bytes:
        return control(spdy.SYN_STREAM, struct.pack(">IIH", stream, 0, 0) + self.block(headers), int(fin))


def control(kind: int, body: bytes, flags: int = 0) -> bytes:
    return struct.pack(">HHI", 0x8003, kind, flags << 24 | len(body)) + body


def data(stream: int, text: bytes, flags: int = 0) -> bytes:
    return struct.pack(">II", stream, flags << 24 | len(text)) + text


def test_the_dictionary_is_the_one_of_the_protocol():
    assert (len(spdy.DICTIONARY), zlib.adler32(spdy.DICTIONARY)) == (1423, 0xE3C6A7C2)


texts = st.text(st.characters(codec="latin-1"), max_size=30)


@given(
    st.lists(st.dictionaries(texts.map(str.lower).filter(lambda t: t.isascii()), texts, max_size=5), max_size=5),
    st.integers(1, 50),
)
def test_streams_are_opened_with_their_headers_in_whatever_pieces_they_come(blocks, size):
    peer, connection = Peer(), spdy.Connection()
    sent = b"".join(peer.open(2 * index + 1, headers, fin=True) for index, headers in enumerate(blocks))
    got = [each for at in range(0, len(sent), size) for each in connection.receive(sent[at : at + size])]
    assert got == [spdy.Opened(2 * index + 1, headers, True) for index, headers in enumerate(blocks)]


def test_every_kind_of_frame():
    peer, connection = Peer(), spdy.Connection()
    sent = (
        control(spdy.SETTINGS, struct.pack(">I", 0))
        + control(spdy.SYN_REPLY, struct.pack(">I", 2) + peer.block({"a": "b"}))
        + data(1, b"xy")
        + data(1, b"", spdy.FIN)
        + control(spdy.PING, struct.pack(">I", 7))
        + control(spdy.WINDOW_UPDATE, struct.pack(">II", 1, 100))
        + control(spdy.RST_STREAM, struct.pack(">II", 3, 5))
        + control(spdy.GOAWAY, struct.pack(">II", 3, 0))
        + peer.open(5, {"Port": "80"})
    )
    assert connection.receive(sent) == [
        spdy.Data(1, b"xy", False),
        spdy.Data(1, b"", True),
        spdy.Ping(7),
        spdy.Reset(3),
        spdy.Away(),
        spdy.Opened(5, {"port": "80"}, False),
    ]


def test_answers():
    peer, connection = Peer(), spdy.Connection()
    for stream in (1, 3):
        reply = connection.reply(stream)
        assert reply[:4] == struct.pack(">HH", 0x8003, spdy.SYN_REPLY)
        assert struct.unpack(">II", reply[4:12]) == (len(reply) - 8, stream)
        assert peer.unpack.decompress(reply[12:]) == struct.pack(">I", 0)
    assert connection.data(1, b"abc") == data(1, b"abc")
    assert connection.data(1, b"", fin=True) == data(1, b"", spdy.FIN)
    assert connection.pong(spdy.Ping(9)) == control(spdy.PING, struct.pack(">I", 9))
    assert connection.reset(1) == control(spdy.RST_STREAM, struct.pack(">II", 1, 3))
    big = bytes(range(256)) * 10_000
    back = spdy.Connection().receive(connection.data(1, big, fin=True))
    assert b"".join(each.data for each in back) == big
    assert [each.fin for each in back] == [False, False, True]


@pytest.mark.parametrize(
    "sent",
    [
        struct.pack(">HHI", 0x8002, spdy.PING, 4) + bytes(4),
        control(spdy.PING, b"\0"),
        control(spdy.RST_STREAM, b""),
        control(spdy.SYN_STREAM, bytes(10) + b"not compressed"),
        control(spdy.SYN_STREAM, b""),
        struct.pack(">HHI", 0x8003, spdy.SYN_STREAM, 0xFFFFFF),
        Peer().open(1, {"bomb": "x" * (1 << 20)}),
        control(spdy.SYN_STREAM, bytes(10) + zlib.compressobj(zdict=spdy.DICTIONARY).compress(b"\0\0") + b"\0"),
    ],
)
def test_what_is_not_spdy_is_an_error(sent):
    with pytest.raises(spdy.SpdyError):
        spdy.Connection().receive(sent)
