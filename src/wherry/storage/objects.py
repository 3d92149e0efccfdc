"""Artifacts in an object store: S3, and what speaks its protocol.

Made by `wherry.storage.stores.open_store`, for targets whose artifacts lie there.  Invariants as in `ArtifactStore`; a
folder is the objects below its key, an empty one is the object `<key>/`.  An object cannot be told that it was used, so
a content-addressed file has an object beside it, `<name>.used`, that is written anew with each use.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Generator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

import obstore
from obstore import exceptions
from obstore.store import S3Store

from wherry.runtime.digests import of_entries
from wherry.runtime.sigv4 import Keys
from wherry.storage.artifacts import PIECE_BYTES, StoredObject, TailSearch, child
from wherry.storage.aws import Account, account
from wherry.storage.errors import AccessRefused, ArtifactExists, ArtifactMissing, StorageError, UriRefused
from wherry.storage.stores import ObjectSettings

if TYPE_CHECKING:
    from obstore import ObjectMeta
    from obstore.store import S3Credential

_SCHEME = "s3://"
_LINK = "wherry-link"  # metadata of an object that is a symbolic link; see `wherry.runtime.s3`
_USED, _DISCARDED = ".used", ".discarded"
_AT_ONCE = 16  # requests side by side, where a folder is read
_PART_BYTES = 8 << 20
_PAGE = 1000
_TIMEOUT_S = 300  # of one request; a part or an answer as large as a code archive must fit


class _Place(NamedTuple):
    store: S3Store
    key: str


def open_objects(url: str, environ: Mapping[str, str], settings: ObjectSettings) -> ObjectStore:
    """The store at `url`.  Raises UsageError, UriRefused."""
    return ObjectStore(url, account(environ, settings.endpoint))


class ObjectStore:
    """Objects below `root`, `s3://bucket/prefix`, and further roots that runs name (`allow`), of one account."""

    def __init__(self, root: str, account: Account) -> None:
        self._account = account
        self._buckets: dict[str, S3Store] = {}
        self._root = root.rstrip("/")
        self._roots: set[str] = set()
        self.allow(self._root)

    @property
    def root(self) -> str:
        return self._root

    def allow(self, root: str) -> None:
        if not _is_uri(root.rstrip("/")):
            raise UriRefused(
                f"{root} cannot be a pipeline root",
                hint=f"This target keeps artifacts in an object store: give {_SCHEME}bucket/prefix.",
            )
        self._roots.add(root.rstrip("/"))

    async def put(self, uri: str, data: bytes) -> None:
        place = self._inside(uri)
        with _told("written", uri):
            await obstore.put_async(place.store, place.key, data, mode="create", use_multipart=False)

    async def ensure(self, uri: str, data: bytes) -> None:
        if not await self.touch(uri):
            try:
                await self.put(uri, data)
            except ArtifactExists:
                return

    async def touch(self, uri: str) -> bool:
        place = self._inside(uri)
        with _told("used", uri):
            if await _head(place.store, place.key) is None:
                return False
            await obstore.put_async(place.store, place.key + _USED, b"", use_multipart=False)
            # Whoever deletes looks for that mark after it has deleted, and we look for the object after the mark.
            return await _head(place.store, place.key) is not None

    async def objects(self, uri: str) -> list[StoredObject]:
        place = self._inside(uri)
        found: dict[str, ObjectMeta] = {}
        with _told("read", uri):
            async for each in _listed(place.store, place.key):
                name = each["path"][len(place.key) + 1 :]
                if name and "/" not in name:
                    found[name] = each
        return [
            StoredObject(child(uri, name), facts["size"], _used_at(facts, found.get(name + _USED)))
            for name, facts in found.items()
            if not name.endswith((_USED, _DISCARDED))
        ]

    async def discard(self, uri: str, *, unused_since: float) -> bool:
        place = self._inside(uri)
        store, key = place
        with _told("deleted", uri):
            facts, mark = await _head(store, key), await _head(store, key + _USED)
            if facts is None or _used_at(facts, mark) > unused_since:
                return False
            await obstore.copy_async(store, key, key + _DISCARDED)
            await obstore.delete_async(store, key)
            now = await _head(store, key + _USED)
            used = now is not None and (mark is None or now["last_modified"] != mark["last_modified"])
            if used:  # somebody has found it there meanwhile
                await obstore.copy_async(store, key + _DISCARDED, key)
            await obstore.delete_async(store, [key + _DISCARDED] if used else [key + _DISCARDED, key + _USED])
        return not used

    async def read(self, uri: str, *, limit: int = 64 << 20) -> bytes:
        place = self._inside(uri)
        with _told("read", uri):
            found = await obstore.get_async(place.store, place.key)
            if found.meta["size"] > limit:
                raise StorageError(f"{uri} is larger than {limit} bytes")
            return bytes(await found.bytes_async())

    async def exists(self, uri: str) -> bool:
        if not _is_uri(uri.rstrip("/")):
            return False
        place = self._place(uri.rstrip("/"))
        with _told("read", uri):
            if await _head(place.store, place.key) is not None:
                return True
            async for _ in _listed(place.store, place.key, chunk=1):
                return True
        return False

    async def digest(self, uri: str) -> str | None:
        return await self._content(uri, lambda store, facts: _hashed(store, facts["path"]), lambda hexes: hexes[1])

    async def version(self, uri: str) -> str | None:
        """Made of the store's entity tags, which it has without reading anything."""

        async def tagged(_store: S3Store, facts: ObjectMeta) -> tuple[str, str]:
            return "f", hashlib.sha256(f"{facts['e_tag']} {facts['size']}".encode()).hexdigest()

        found = await self._content(uri, tagged, lambda hexes: hexes[1])
        return None if found is None else f"etag-{found}"

    async def _content(
        self,
        uri: str,
        look: Callable[[S3Store, ObjectMeta], Awaitable[tuple[str, str]]],
        of_file: Callable[[tuple[str, str]], str],
    ) -> str | None:
        """The digest that `look` gives for each object, put together as for a folder if it is one."""
        if not _is_uri(uri.rstrip("/")):
            return None
        store, key = self._place(uri.rstrip("/"))
        with _told("read", uri):
            facts = await _head(store, key)
            if facts is not None:
                return f"sha256:{of_file(await look(store, facts))}"
            entries: list[tuple[str, str, str]] = []
            batch: list[ObjectMeta] = []
            seen = False

            async def take() -> None:
                for each, (kind, hexdigest) in zip(
                    batch, await asyncio.gather(*(look(store, each) for each in batch)), strict=True
                ):
                    entries.append((each["path"][len(key) + 1 :], kind, hexdigest))
                batch.clear()

            async for each in _listed(store, key):
                seen = True
                if len(each["path"]) > len(key):  # not the mark of an empty folder
                    batch.append(each)
                if len(batch) >= _AT_ONCE:
                    await take()
            await take()
        return of_entries(entries) if seen else None

    async def stream(self, uri: str, *, tail: int | None = None) -> AsyncGenerator[bytes, None]:
        store, key = self._inside(uri)
        with _told("read", uri):
            begin = 0 if tail is None else await _tail_begin(store, key, tail)
            if begin is None:
                return
            options: Any = {"range": {"offset": begin}} if begin else {}
            found = await obstore.get_async(store, key, options=options)
            if found.meta["size"] == 0:
                return
            async for piece in found.stream(min_chunk_size=PIECE_BYTES):
                yield bytes(piece)

    async def archive(self, uri: str, chunks: AsyncGenerator[bytes, None]) -> bool:
        place = self._inside(uri)
        source = _Source(chunks)
        first = await source.first(_PART_BYTES)
        if not first:
            return False
        with _told("written", uri), source.own_errors():
            if source.ended:
                await obstore.put_async(place.store, place.key, first, use_multipart=False)
            else:
                await obstore.put_async(place.store, place.key, source.all(first), chunk_size=_PART_BYTES)
        return True

    async def delete_tree(self, uri: str) -> None:
        store, key = self._inside(uri)
        if uri.rstrip("/") in self._roots:
            raise UriRefused(f"{uri} is a whole artifact store")
        with _told("deleted", uri):
            await obstore.delete_async(store, key)
            batch: list[str] = []
            async for each in _listed(store, key):
                batch.append(each["path"])
                if len(batch) == _PAGE:
                    await obstore.delete_async(store, batch)
                    batch = []
            if batch:
                await obstore.delete_async(store, batch)

    def _inside(self, uri: str) -> _Place:
        if not _is_uri(uri) or not any(uri == root or uri.startswith(f"{root}/") for root in self._roots):
            raise UriRefused(f"{uri} lies outside the artifact store", hint=f"The store is {self._root}.")
        return self._place(uri)

    def _place(self, uri: str) -> _Place:
        bucket, _, key = uri[len(_SCHEME) :].partition("/")
        store = self._buckets.get(bucket)
        if store is None:
            store = self._buckets[bucket] = _bucket(bucket, self._account)
        return _Place(store, key)


def _bucket(name: str, account: Account) -> S3Store:
    def credential() -> S3Credential:
        keys: Keys = account.keys()
        ends = None if keys.ends_at is None else datetime.fromtimestamp(keys.ends_at, UTC)
        return {
            "access_key_id": keys.access_key,
            "secret_access_key": keys.secret_key,
            "token": keys.token or None,
            "expires_at": ends,
        }

    return S3Store(
        name,
        config={"endpoint": account.endpoint, "region": account.region, "virtual_hosted_style_request": False},
        client_options={"allow_http": account.endpoint.startswith("http://"), "timeout": f"{_TIMEOUT_S}s"},
        retry_config={"max_retries": 5},
        credential_provider=credential,
    )


def _is_uri(uri: str) -> bool:
    """Whether it is `s3://bucket/key` with a key that a path can be."""
    if not uri.startswith(_SCHEME):
        return False
    bucket, _, key = uri[len(_SCHEME) :].partition("/")
    return bool(bucket) and not any(name in ("", ".", "..") for name in (key.split("/") if key else ()))


async def _head(store: S3Store, key: str) -> ObjectMeta | None:
    if not key:
        return None
    try:
        return await obstore.head_async(store, key)
    except FileNotFoundError:
        return None


async def _listed(store: S3Store, key: str, *, chunk: int = _PAGE) -> AsyncIterator[ObjectMeta]:
    pages = obstore.list(store, key, chunk_size=chunk)  # pyright: ignore[reportUnknownMemberType] - of pyarrow's types
    async for page in pages:
        for each in page:
            yield each


def _used_at(facts: ObjectMeta, mark: ObjectMeta | None) -> float:
    times = [each["last_modified"].timestamp() for each in (facts, mark) if each is not None]
    return max(times)


async def _hashed(store: S3Store, key: str) -> tuple[str, str]:
    """Kind and sha256 of one object's content."""
    found = await obstore.get_async(store, key)
    sha = hashlib.sha256()
    if found.meta["size"]:
        async for piece in found.stream(min_chunk_size=PIECE_BYTES):
            sha.update(piece)
    return "l" if _LINK in found.attributes else "f", sha.hexdigest()


async def _tail_begin(store: S3Store, key: str, lines: int) -> int | None:
    """Where the last `lines` lines begin; None when there is nothing after it."""
    position = (await obstore.head_async(store, key))["size"]
    search = TailSearch(position, lines)
    size = position
    while position > 0:
        start = max(position - PIECE_BYTES, 0)
        piece = await obstore.get_range_async(store, key, start=start, end=position)
        if search.look(bytes(piece), start):
            break
        position = start
    return search.begin if search.begin < size else None


class _Source:
    """A stream of bytes that is on its way through the library, which would hide what it raises."""

    def __init__(self, chunks: AsyncGenerator[bytes, None]) -> None:
        self._chunks = chunks
        self._raised: Exception | None = None
        self.ended = False

    async def first(self, size_bytes: int) -> bytes:
        """About that much of it, or all there is."""
        parts: list[bytes] = []
        got = 0
        async for chunk in self._chunks:
            parts.append(chunk)
            got += len(chunk)
            if got >= size_bytes:
                return b"".join(parts)
        self.ended = True
        return b"".join(parts)

    async def all(self, first: bytes) -> AsyncGenerator[bytes, None]:
        yield first
        try:
            async for chunk in self._chunks:
                yield chunk
        except Exception as error:
            self._raised = error
            raise

    @contextmanager
    def own_errors(self) -> Generator[None]:
        try:
            yield
        except Exception as error:  # noqa: BLE001 - whatever the library makes of what the source has raised
            raise self._raised or error from None


@contextmanager
def _told(verb: str, uri: str) -> Generator[None]:
    """Turn the library's errors into ours."""
    try:
        yield
    except FileNotFoundError:
        raise ArtifactMissing(f"nothing lies at {uri}") from None
    except exceptions.AlreadyExistsError:
        raise ArtifactExists(f"{uri} exists already") from None
    except (exceptions.PermissionDeniedError, exceptions.UnauthenticatedError) as error:
        raise AccessRefused(f"{uri} cannot be {verb}: {_first_line(error)}") from error
    except (exceptions.BaseError, ValueError) as error:
        raise StorageError(f"{uri} cannot be {verb}: {_first_line(error)}") from error


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)
