"""The local artifact store: create-only, atomic, and no name leads out of it."""

from __future__ import annotations

import asyncio
import io
import os
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wherry.storage.artifacts import LocalStore, attempt_root, child, seek_tail, segment
from wherry.storage.errors import ArtifactExists, ArtifactMissing, StorageError, UriRefused


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    (tmp_path / "store").mkdir()
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "secret").write_text("s")
    return LocalStore(tmp_path / "store")


async def chunks(*parts: bytes) -> AsyncGenerator[bytes, None]:
    for part in parts:
        yield part


def test_put_creates_once(store: LocalStore) -> None:
    async def main() -> None:
        uri = child(store.root, "run", "commit.json")
        await store.put(uri, b"first")
        with pytest.raises(ArtifactExists):
            await store.put(uri, b"second")
        await store.ensure(uri, b"third")
        assert await store.read(uri) == b"first"
        assert os.listdir(Path(uri).parent) == ["commit.json"]

    asyncio.run(main())


def test_reading_has_a_limit_and_a_name_for_nothing(store: LocalStore) -> None:
    async def main() -> None:
        uri = child(store.root, "big")
        await store.put(uri, b"x" * 11)
        with pytest.raises(StorageError, match="larger than 10"):
            await store.read(uri, limit=10)
        with pytest.raises(ArtifactMissing):
            await store.read(uri + "ger")
        with pytest.raises(ArtifactMissing):
            await store.read(uri + "/below-a-file")

    asyncio.run(main())


def test_archive_makes_a_file_only_of_something(store: LocalStore) -> None:
    async def main() -> None:
        uri = child(store.root, "run", "main.log")
        assert not await store.archive(uri, chunks())
        assert not await store.archive(uri, chunks(b"", b""))
        assert not await store.exists(uri)
        assert await store.archive(uri, chunks(b"", b"a\n", b"b\n"))
        assert await store.archive(uri, chunks(b"again"))
        assert await store.read(uri) == b"again"
        with pytest.raises(UriRefused):
            await store.archive(child(store.root, "run") + "/../../x", chunks(b"a"))

    asyncio.run(main())


@pytest.mark.parametrize(
    "uri", ["{0}/../outside/secret", "{0}/link/secret", "/etc/passwd", "relative", "s3://b/k", "{0}x/y"]
)
def test_nothing_outside_is_read_written_or_deleted(store: LocalStore, tmp_path: Path, uri: str) -> None:
    (tmp_path / "store" / "link").symlink_to(tmp_path / "outside")
    uri = uri.format(store.root)

    async def main() -> None:
        with pytest.raises(UriRefused):
            await store.read(uri)
        with pytest.raises(UriRefused):
            await store.put(uri, b"")
        with pytest.raises(UriRefused):
            await store.delete_tree(uri)

    asyncio.run(main())
    assert (tmp_path / "outside" / "secret").read_text() == "s"


def test_deleting_follows_no_links_and_spares_roots(store: LocalStore, tmp_path: Path) -> None:
    run = Path(store.root, "run")
    run.mkdir()
    (run / "link").symlink_to(tmp_path / "outside")

    async def main() -> None:
        await store.delete_tree(str(run))
        await store.delete_tree(str(run))
        with pytest.raises(UriRefused):
            await store.delete_tree(store.root)
        store.allow(str(tmp_path / "outside"))
        with pytest.raises(UriRefused):
            await store.delete_tree(str(tmp_path / "outside") + "/")

    asyncio.run(main())
    assert not run.exists()
    assert (tmp_path / "outside" / "secret").exists()


def test_digest_is_of_content(store: LocalStore, tmp_path: Path) -> None:
    async def main() -> None:
        for folder in ("a", "b"):
            await store.put(child(store.root, folder, "x"), b"same")
        assert await store.digest(child(store.root, "a")) == await store.digest(child(store.root, "b"))
        assert await store.digest(str(tmp_path / "outside" / "secret"))
        assert await store.digest(child(store.root, "absent")) is None
        assert await store.digest("gs://elsewhere/x") is None

    asyncio.run(main())


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "a\\b", "a\0b"])
def test_child_refuses_what_would_not_stay_inside(name: str) -> None:
    with pytest.raises(UriRefused):
        child("/store", name)


@given(st.text(max_size=100), st.text(max_size=100))
def test_segments_are_safe_and_differ_when_names_differ(one: str, other: str) -> None:
    assert child("/store", segment(one)) == f"/store/{segment(one)}"
    assert (segment(one) == segment(other)) == (one == other)


def test_attempt_roots_are_readable() -> None:
    assert attempt_root("/s/pipe/run", "for-loop-1[3]/train", 1, 0) == "/s/pipe/run/for-loop-1.3/train/1-0"


@given(st.binary(max_size=60).map(lambda data: data.replace(b"a", b"\n")), st.integers(0, 8), st.integers(1, 7))
def test_a_tail_is_the_last_lines(data: bytes, lines: int, piece_bytes: int) -> None:
    file = io.BytesIO(data)
    seek_tail(file, lines, piece_bytes=piece_bytes)
    expected = io.BytesIO(data).readlines()
    assert file.read() == b"".join(expected[len(expected) - min(lines, len(expected)) :])


def test_streaming_a_file_and_its_tail(store: LocalStore) -> None:
    async def main() -> None:
        uri = child(store.root, "main.log")
        with pytest.raises(ArtifactMissing):
            await anext(store.stream(uri))
        await store.put(uri, b"one\ntwo\nthree\n")
        assert b"".join([piece async for piece in store.stream(uri)]) == b"one\ntwo\nthree\n"
        assert b"".join([piece async for piece in store.stream(uri, tail=2)]) == b"two\nthree\n"

    asyncio.run(main())


def test_a_content_addressed_file_goes_only_when_it_was_not_used(store: LocalStore) -> None:
    async def main() -> None:
        uri = child(store.root, ".source", "aa.py")
        assert not await store.touch(uri)
        assert await store.objects(child(store.root, ".source")) == []
        await store.ensure(uri, b"pass")
        os.utime(uri, (1000, 1000))
        (found,) = await store.objects(child(store.root, ".source"))
        assert (found.uri, found.size_bytes, found.used_at) == (uri, 4, 1000)
        for use in (store.touch(uri), store.ensure(uri, b"pass")):
            os.utime(uri, (1000, 1000))
            await use
            assert not await store.discard(uri, unused_since=2000)
        os.utime(uri, (1000, 1000))
        assert await store.discard(uri, unused_since=1000)
        assert not await store.discard(uri, unused_since=1000)
        assert not os.path.exists(uri)
        with pytest.raises(UriRefused):
            await store.discard("/etc/passwd", unused_since=0)

    asyncio.run(main())
