"""The contract of artifact stores, on both sides of the pod: `ArtifactStore` as the server has it, and the runtime's
store as a task has it.  One suite that every kind of place passes unchanged.

A test module derives from `ArtifactContract` and gives a fixture `places`.  Invariant: the suite never asks which kind
it talks to; what one side writes, the other one reads, with equal digests.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeVar

import pytest

from wherry.runtime import digests
from wherry.storage.artifacts import ArtifactStore, child
from wherry.storage.errors import ArtifactExists, ArtifactMissing, StorageError, UriRefused

if TYPE_CHECKING:
    from wherry.runtime.store import Store

T = TypeVar("T")

NAMES = ("plain", "a b", "ünï-ヴェ", "a+b", "100%", "a%20b", "#?&=;", "~(x)'!*", "file.tar.gz", ".hidden", "x" * 200)


class Places(NamedTuple):
    """What a kind of store is opened with.

    open_store: a store on the suite's root, anew with each call, as two servers have it.
    open_task: the runtime's store of a task of its own.
    outside: a uri of the same kind that lies outside the root.
    """

    open_store: Callable[[], ArtifactStore]
    open_task: Callable[[], Store]
    outside: str


def perform(body: Callable[[], Awaitable[T]]) -> T:
    """Run one test's body."""

    async def main() -> T:
        return await body()

    return asyncio.run(main())


async def chunks(*parts: bytes) -> AsyncGenerator[bytes, None]:
    """A stream."""
    for part in parts:
        yield part


async def streamed(store: ArtifactStore, uri: str, tail: int | None = None) -> bytes:
    """All that a stream gives."""
    return b"".join([piece async for piece in store.stream(uri, tail=tail)])


def written(task: Store, uri: str, files: dict[str, bytes | str]) -> str:
    """Write an output of a task: a folder of `files` (a text is a link's target), or one file, whose name is "".

    Returns where it lies.
    """
    path = task.local_path(uri)
    for name, content in files.items():
        place = os.path.join(path, name) if name else path
        os.makedirs(os.path.dirname(place), exist_ok=True)
        if isinstance(content, str):
            os.symlink(content, place)
        else:
            Path(place).write_bytes(content)
    return path


class ServerContract:
    """What the server relies on."""

    def test_put_creates_once_and_whole(self, places: Places) -> None:
        async def body() -> None:
            one, other = places.open_store(), places.open_store()
            uri = child(one.root, "run", "commit.json")
            await one.put(uri, b"first")
            with pytest.raises(ArtifactExists):
                await other.put(uri, b"second")
            await other.ensure(uri, b"third")
            assert await other.read(uri) == b"first"

        perform(body)

    def test_of_many_that_create_one_wins(self, places: Places) -> None:
        async def body() -> None:
            uri = child(places.open_store().root, "race", "commit.json")

            async def create(number: int) -> bool:
                try:
                    await places.open_store().put(uri, b"%d" % number)
                except ArtifactExists:
                    return False
                return True

            won = await asyncio.gather(*(create(number) for number in range(8)))
            assert won.count(True) == 1
            assert await places.open_store().read(uri) == b"%d" % won.index(True)

        perform(body)

    def test_reading_has_a_limit_and_a_name_for_nothing(self, places: Places) -> None:
        async def body() -> None:
            store = places.open_store()
            uri = child(store.root, "limits", "big")
            await store.put(uri, b"x" * 11)
            with pytest.raises(StorageError, match="larger than 10"):
                await store.read(uri, limit=10)
            assert await store.read(uri, limit=11) == b"x" * 11
            with pytest.raises(ArtifactMissing):
                await store.read(uri + "ger")
            with pytest.raises(ArtifactMissing):
                await store.read(uri + "/below-a-file")
            with pytest.raises(ArtifactMissing):
                await streamed(store, uri + "ger")
            with pytest.raises(ArtifactMissing):
                await streamed(store, uri + "ger", tail=3)

        perform(body)

    @pytest.mark.parametrize("name", NAMES)
    def test_names(self, places: Places, name: str) -> None:
        async def body() -> None:
            store = places.open_store()
            uri = child(store.root, "names", name)
            assert not await store.exists(uri)
            await store.put(uri, name.encode())
            assert await store.exists(uri)
            assert await store.read(uri) == name.encode()
            assert await streamed(store, uri) == name.encode()
            assert await store.digest(uri) == f"sha256:{hashlib.sha256(name.encode()).hexdigest()}"
            await store.delete_tree(uri)
            assert not await store.exists(uri)

        perform(body)

    def test_a_folder_is_there_as_long_as_something_lies_in_it(self, places: Places) -> None:
        async def body() -> None:
            store = places.open_store()
            folder = child(store.root, "folders", "one")
            assert not await store.exists(folder)
            assert await store.digest(folder) is None
            await store.put(child(folder, "x"), b"")
            await store.put(child(store.root, "folders", "one-more"), b"")
            assert await store.exists(folder)
            await store.delete_tree(folder)
            assert not await store.exists(folder)
            assert await store.exists(child(store.root, "folders", "one-more"))
            await store.delete_tree(folder)

        perform(body)

    def test_what_lies_outside_is_refused(self, places: Places) -> None:
        async def body() -> None:
            store = places.open_store()
            for uri in (places.outside, f"{store.root}/../escaped", f"{store.root}beside/x", "relative", "ftp://x/y"):
                for attempt in (store.read(uri), store.put(uri, b""), store.delete_tree(uri), store.ensure(uri, b"")):
                    with pytest.raises(UriRefused):
                        await attempt
                with pytest.raises(UriRefused):
                    await store.archive(uri, chunks(b"x"))
            for uri in ("ftp://x/y", "relative"):
                assert not await store.exists(uri)
                assert await store.digest(uri) is None
                assert await store.version(uri) is None
            with pytest.raises(UriRefused):
                await store.delete_tree(store.root)
            for root in ("relative", "ftp://x/y", ""):
                with pytest.raises(UriRefused):
                    store.allow(root)

        perform(body)

    def test_a_further_root_is_inside(self, places: Places) -> None:
        async def body() -> None:
            store = places.open_store()
            store.allow(places.outside)
            uri = child(places.outside, "x")
            await store.put(uri, b"1")
            assert await store.read(uri) == b"1"
            with pytest.raises(UriRefused):
                await store.delete_tree(places.outside)
            with pytest.raises(UriRefused):
                await places.open_store().read(uri)
            await store.delete_tree(uri)

        perform(body)

    def test_what_is_used_is_not_discarded(self, places: Places) -> None:
        async def body() -> None:
            store, other = places.open_store(), places.open_store()
            folder = child(store.root, ".source")
            assert await store.objects(folder) == []
            uri = child(folder, "abc.py")
            assert not await store.touch(uri)
            await store.ensure(uri, b"source")
            (found,) = await other.objects(folder)
            assert (found.uri, found.size_bytes) == (uri, 6)
            before = found.used_at
            while True:  # until the medium's clock has gone on
                assert await other.touch(uri)
                (found,) = await store.objects(folder)
                if found.used_at > before:
                    break
            assert abs(found.used_at - time.time()) < 60
            assert not await store.discard(uri, unused_since=before)
            assert await store.read(uri) == b"source"
            assert await store.discard(uri, unused_since=found.used_at)
            assert not await store.discard(uri, unused_since=found.used_at)
            assert await store.objects(folder) == []
            assert not await other.touch(uri)
            await other.ensure(uri, b"source")
            assert [each.uri for each in await store.objects(folder)] == [uri]

        perform(body)

    def test_archives(self, places: Places) -> None:
        async def body() -> None:
            store = places.open_store()
            uri = child(store.root, "run", "task", "main.log")
            assert not await store.archive(uri, chunks())
            assert not await store.archive(uri, chunks(b"", b""))
            assert not await store.exists(uri)
            assert await store.archive(uri, chunks(b"", b"a\n", b"b\n"))
            assert await store.archive(uri, chunks(b"again"))
            assert await store.read(uri) == b"again"
            line = b"x" * 1023 + b"\n"
            assert await store.archive(uri, chunks(*[line * 1024 for _ in range(20)]))
            assert await store.read(uri) == line * 1024 * 20
            assert await streamed(store, uri, tail=3) == line * 3

        perform(body)

    @pytest.mark.parametrize("before", [0, 1, 20])
    def test_an_archive_whose_source_fails_says_so_in_its_own_words(self, places: Places, before: int) -> None:
        class Broke(Exception):
            pass

        async def failing() -> AsyncGenerator[bytes, None]:
            for _ in range(before):
                yield b"x" * (1 << 20)
            raise Broke

        async def body() -> None:
            store = places.open_store()
            with pytest.raises(Broke):
                await store.archive(child(store.root, "broken", "main.log"), failing())

        perform(body)

    @pytest.mark.parametrize(
        "data", [b"", b"\n", b"a", b"a\n", b"a\nb", b"a\n\nb\n", b"\n\n\n", b"line\n" * 60_000 + b"end"]
    )
    @pytest.mark.parametrize("lines", [0, 1, 2, 3, 1_000_000])
    def test_a_tail_is_the_last_lines(self, places: Places, data: bytes, lines: int) -> None:
        async def body() -> None:
            store = places.open_store()
            uri = child(store.root, "tails", f"{hashlib.sha256(data).hexdigest()}-{lines}")
            await store.put(uri, data)
            expected = data.splitlines(keepends=True)
            assert await streamed(store, uri, tail=lines) == b"".join(expected[max(len(expected) - lines, 0) :])
            assert await streamed(store, uri) == data

        perform(body)

    def test_a_version_changes_with_the_content(self, places: Places) -> None:
        async def body() -> None:
            store = places.open_store()
            folder = child(store.root, "versions")
            assert await store.version(folder) is None
            seen: set[str | None] = set()
            for content in (b"1", b"2", b"22"):
                await store.archive(child(folder, "x"), chunks(content))
                seen |= {await store.version(folder), await store.version(child(folder, "x"))}
            assert len(seen) == 6
            assert None not in seen

        perform(body)


class TaskContract:
    """What a task relies on, and that both sides mean the same."""

    def test_a_record_is_made_once(self, places: Places) -> None:
        uri = child(places.open_store().root, "attempt", "commit.json")
        one, other = places.open_task(), places.open_task()
        assert not one.exists(uri)
        with pytest.raises(FileNotFoundError):
            one.read(uri)
        assert one.create(uri, b"first")
        assert not other.create(uri, b"second")
        assert not one.create(uri, b"first")
        assert other.exists(uri)
        assert other.read(uri) == b"first"
        assert perform(lambda: places.open_store().read(uri)) == b"first"

    @pytest.mark.parametrize("size", [0, 1, 70_000, (12 << 20) + 7])
    def test_files(self, places: Places, size: int) -> None:
        store, task = places.open_store(), places.open_task()
        uri = child(store.root, "files", str(size))
        data = os.urandom(size)
        path = written(task, uri, {"": data})
        task.keep(uri)
        expected = f"sha256:{hashlib.sha256(data).hexdigest()}"
        assert digests.digest(path) == expected
        assert perform(lambda: store.digest(uri)) == expected
        reader = places.open_task()
        assert reader.fetch([uri]) == []
        assert Path(reader.local_path(uri)).read_bytes() == data

    def test_folders(self, places: Places) -> None:
        store, task = places.open_store(), places.open_task()
        uri = child(store.root, "folders", "model")
        files: dict[str, bytes | str] = {name: name.encode() for name in NAMES}
        files |= {f"deep/er/{name}": name.encode()[:3] for name in NAMES}
        files |= {"a.b": b"1", "a/c": b"2", "a-b": b"3", "empty": b"", "big": os.urandom((11 << 20) + 3)}
        files |= {"to-inner-file": "a/c", "deep/to-inner-file": "../a.b", "to-folder": "deep", "to-outside": "/etc/x"}
        path = written(task, uri, files)
        os.makedirs(os.path.join(path, "no-files", "at-all"))
        expected = digests.digest(path)
        task.keep(uri)
        assert perform(lambda: store.digest(uri)) == expected
        reader = places.open_task()
        assert reader.fetch([uri]) == []
        found = reader.local_path(uri)
        assert digests.digest(found) == expected
        assert Path(found, "deep", "to-inner-file").read_bytes() == b"1"
        assert os.readlink(Path(found, "to-folder")) == "deep"
        assert os.readlink(Path(found, "to-outside")) == "/etc/x"
        assert perform(lambda: store.exists(child(uri, "deep")))
        perform(lambda: store.delete_tree(uri))
        assert not perform(lambda: store.exists(uri))

    def test_an_empty_folder_is_a_folder(self, places: Places) -> None:
        store, task = places.open_store(), places.open_task()
        uri = child(store.root, "empty")
        path = task.local_path(uri)
        os.makedirs(path)
        task.keep(uri)
        assert perform(lambda: store.exists(uri))
        assert perform(lambda: store.digest(uri)) == digests.digest(path)
        reader = places.open_task()
        assert reader.fetch([uri]) == []
        assert os.listdir(reader.local_path(uri)) == []

    def test_what_is_not_there_is_told(self, places: Places) -> None:
        store, task = places.open_store(), places.open_task()
        there, missing = child(store.root, "there"), child(store.root, "missing")
        written(task, there, {"": b"x"})
        task.keep(there)
        assert places.open_task().fetch([there, missing]) == [missing]

    def test_a_name_that_begins_another_is_not_part_of_it(self, places: Places) -> None:
        store, task = places.open_store(), places.open_task()
        one, other = child(store.root, "prefix", "data"), child(store.root, "prefix", "data2")
        for uri, name in ((one, "x"), (other, "y")):
            written(task, uri, {name: b"1"})
            task.keep(uri)
        reader = places.open_task()
        assert reader.fetch([one]) == []
        assert os.listdir(reader.local_path(one)) == ["x"]


class ArtifactContract(ServerContract, TaskContract):
    """Derive, and provide the fixture `places`."""
