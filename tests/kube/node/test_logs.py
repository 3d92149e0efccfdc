from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wherry.kube.embedded.node.logs import LogBook, LogIndex
from wherry.kube.embedded.node.records import Attempt
from wherry.seams import iso
from wherry.testing import ManualClock, until

ATTEMPT = Attempt("uid", "main", 0)


class Log:
    def __init__(self, folder, clock):
        self.clock = clock
        self.book = LogBook(str(folder), clock)
        (folder / "uid" / "main-0").mkdir(parents=True)
        self.path = folder / "uid" / "main-0.log"
        self.path.touch()
        self.book.watch(ATTEMPT)

    def write(self, data, at):
        with self.path.open("ab") as file:
            file.write(data)
        self.clock.advance(at - self.clock.time())
        self.book.tick()

    def read(self, *, follow=False, tail=None, timestamps=False, since_s=None):
        return self.book.read("uid", "main", follow=follow, tail=tail, timestamps=timestamps, since_s=since_s)

    def all(self, **how):
        async def body():
            return b"".join([chunk async for chunk in self.read(**how)])

        return asyncio.run(body())


@pytest.fixture
def log(tmp_path):
    return Log(tmp_path, ManualClock(100.0))


def test_times_are_those_of_the_growth(log):
    log.write(b"one\ntw", 101.0)
    log.write(b"o\nthree", 102.0)
    log.book.unwatch(ATTEMPT)
    expected = f"{iso(101)} one\n{iso(102)} two\n{iso(102)} three"
    assert log.all(timestamps=True).decode() == expected
    assert LogBook(str(log.path.parents[1]), log.clock) is not log.book
    again = Log.__new__(Log)
    again.book = LogBook(str(log.path.parents[1]), log.clock)
    assert again.all(timestamps=True).decode() == expected, "a later server tells the same"


def test_carriage_returns_and_bytes_that_are_no_text(log):
    log.write(b"10%\r20%\r\n\xff\xfe\n", 101.0)
    stamp = iso(101).encode()
    assert log.all(timestamps=True) == stamp + b" 10%\r20%\r\n" + stamp + b" \xff\xfe\n"


def test_since(log):
    log.write(b"old\n", 101.0)
    log.write(b"new\n", 150.0)
    log.clock.advance(10)
    assert log.all(since_s=20) == b"new\n"
    assert log.all(since_s=100) == b"old\nnew\n"


def test_follow_waits_for_the_end(log):
    async def body():
        chunks = []

        async def read():
            async for chunk in log.read(follow=True):
                chunks.append(chunk)

        async with asyncio.TaskGroup() as group:
            reading = group.create_task(read())
            log.write(b"first\nsec", 101.0)
            await until(lambda: b"".join(chunks) == b"first\n")
            log.write(b"ond\nend", 102.0)
            await until(lambda: b"".join(chunks) == b"first\nsecond\n")
            assert not reading.done()
            log.book.unwatch(ATTEMPT)
        return b"".join(chunks)

    assert asyncio.run(body()) == b"first\nsecond\nend"


def test_a_pod_without_a_log_has_none(tmp_path):
    async def body():
        book = LogBook(str(tmp_path), ManualClock())
        read = book.read("nobody", "main", follow=True, tail=None, timestamps=False, since_s=None)
        return [chunk async for chunk in read]

    assert asyncio.run(body()) == []


def test_a_torn_index_is_read_as_far_as_it_goes(tmp_path):
    path = tmp_path / "index"
    path.write_text("10 100.5\n20 10")
    index = LogIndex(str(path))
    assert (index.time_of(9, 0), index.time_of(10, 7.0)) == (100.5, 7.0)


@given(st.lists(st.sampled_from([b"a", b"bb\n", b"\n", b"c\r", b"long " * 40000]), max_size=8), st.integers(0, 6))
def test_tails(tmp_path_factory, parts, lines):
    log = Log(tmp_path_factory.mktemp("log"), ManualClock(100.0))
    data = b"".join(parts)
    log.write(data, 101.0)
    log.book.unwatch(ATTEMPT)
    whole = data.split(b"\n")
    kept = [line + b"\n" for line in whole[:-1]] + ([whole[-1]] if whole[-1] else [])
    assert log.all(tail=lines) == b"".join(kept[-lines:] if lines else [])
