"""Artifact stores: where outputs, commit records, sources and logs of finished tasks lie as plain files.

Called by the driver and the server; tasks write through the runtime's own seam.  Invariant: nothing outside a store's
roots is written, deleted or handed out, whatever a name or uri says; what was created is never overwritten.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import re
import shutil
import tempfile
from collections.abc import AsyncGenerator, Callable, Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, NamedTuple, Protocol, TypeVar

from wherry.runtime.digests import digest as content_digest
from wherry.runtime.failures import TaskError
from wherry.storage.errors import ArtifactExists, ArtifactMissing, StorageError, UriRefused

T = TypeVar("T")

PIECE_BYTES = 1 << 18
SAFE_SEGMENT = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]{0,62}")
ITERATION = re.compile(r"(.+)\[(\d+)\]")


class StoredObject(NamedTuple):
    """A content-addressed file: `used_at` is when it was made or last used, in seconds since the epoch."""

    uri: str
    size_bytes: int
    used_at: float


class ArtifactStore(Protocol):
    """Files by uri under one root; a uri is `<root>/<segments>`, a local uri is an absolute path, and one of an object
    store has a scheme.

    `put` and `ensure` are atomic: a reader sees all or nothing.  `put`, `ensure`, `read` and `delete_tree` raise
    `UriRefused` for a uri outside the roots; `exists` and `digest` answer for whatever uri the store can look at (an
    imported file may lie anywhere).  Every method raises `StorageError` when the medium fails.
    """

    @property
    def root(self) -> str:
        """Where runs without a root of their own keep their artifacts."""
        ...

    def allow(self, root: str) -> None:
        """Take `root` as one more root; raises `UriRefused` for one that this kind of store cannot have."""
        ...

    async def put(self, uri: str, data: bytes) -> None:
        """Create the file; raises `ArtifactExists` when something lies there."""
        ...

    async def ensure(self, uri: str, data: bytes) -> None:
        """Create the content-addressed file unless it is there already; it counts as used now."""
        ...

    async def touch(self, uri: str) -> bool:
        """Whether the content-addressed file is there; if it is, it counts as used now."""
        ...

    async def objects(self, uri: str) -> list[StoredObject]:
        """The content-addressed files right in the folder `uri`; none when it is not there."""
        ...

    async def discard(self, uri: str, *, unused_since: float) -> bool:
        """Delete a content-addressed file that was not used after `unused_since` (epoch seconds); False if it was, or
        is gone.  No `ensure` and no `touch` comes between looking and deleting."""
        ...

    async def read(self, uri: str, *, limit: int = 64 << 20) -> bytes:
        """The file's bytes; raises `ArtifactMissing`, and `StorageError` beyond `limit` bytes."""
        ...

    async def exists(self, uri: str) -> bool:
        """Whether a file or folder lies there; False for a uri that this store cannot look at."""
        ...

    async def digest(self, uri: str) -> str | None:
        """The content digest of a file or folder, as the runtime makes it; None when nothing is seen there."""
        ...

    async def version(self, uri: str) -> str | None:
        """What changes when the content does, for less than its digest where the medium knows; None as `digest`."""
        ...

    def stream(self, uri: str, *, tail: int | None = None) -> AsyncGenerator[bytes, None]:
        """The file in pieces, its last `tail` lines only; raises `ArtifactMissing`."""
        ...

    async def archive(self, uri: str, chunks: AsyncGenerator[bytes, None]) -> bool:
        """Write the file from a stream, over an earlier one, but make none of an empty stream; whether it was made."""
        ...

    async def delete_tree(self, uri: str) -> None:
        """Delete a file or folder with all it holds; nothing there is no error.  A root itself is refused."""
        ...


def child(uri: str, *names: str) -> str:
    """The uri of a thing inside `uri`; raises `UriRefused` for a name that would not stay inside."""
    for name in names:
        if not name or name in (".", "..") or "/" in name or "\\" in name or "\0" in name:
            raise UriRefused(f"{name!r} cannot be the name of a file in {uri}")
        uri = f"{uri.rstrip('/')}/{name}"
    return uri


def segment(name: str) -> str:
    """A name as one readable path segment; different names give different segments (`loop[3]` gives `loop.3`)."""
    if SAFE_SEGMENT.fullmatch(name):
        return name
    iteration = ITERATION.fullmatch(name)
    if iteration and SAFE_SEGMENT.fullmatch(iteration[1]):
        return f"{iteration[1]}.{iteration[2]}"
    readable = re.sub(r"[^A-Za-z0-9_-]+", "-", name)[:40].strip("-") or "x"
    return f"{readable}.x{hashlib.sha256(name.encode()).hexdigest()[:10]}"


def run_root(pipeline_root: str, pipeline: str, run_id: str) -> str:
    """The folder of a run: `<pipeline root>/<pipeline>/<run id>`."""
    return child(pipeline_root, segment(pipeline), segment(run_id))


def attempt_root(root: str, path: str, attempt: int, incarnation: int) -> str:
    """The folder of one incarnation of one attempt of the task at `path` in the run whose folder is `root`."""
    return child(root, *[segment(part) for part in path.split("/")], f"{attempt}-{incarnation}")


class LocalStore:
    """A folder, and the further folders that runs name as their pipeline root (`allow`)."""

    def __init__(self, root: Path, *, allowed: Sequence[str] = ()) -> None:
        self._root = str(root.absolute())
        self._roots = {os.path.normpath(self._root), *(os.path.normpath(path) for path in allowed)}

    @property
    def root(self) -> str:
        return self._root

    def allow(self, root: str) -> None:
        if not root.startswith("/") or os.path.normpath(root) == "/":
            raise UriRefused(
                f"{root} cannot be a pipeline root",
                hint="This server keeps artifacts in local folders: give an absolute path.",
            )
        self._roots.add(os.path.normpath(root))

    async def put(self, uri: str, data: bytes) -> None:
        path = self._path(uri)
        try:
            with _new_file(path) as file:
                file.write(data)
        except FileExistsError:
            raise ArtifactExists(f"{uri} exists already") from None
        except OSError as error:
            raise _failed("written", uri, error) from error

    async def ensure(self, uri: str, data: bytes) -> None:
        if not await self.touch(uri):
            try:
                await self.put(uri, data)
            except ArtifactExists:
                return

    async def touch(self, uri: str) -> bool:
        try:
            os.utime(self._lexical(uri))  # not `_path`: this is asked once a pod
        except (FileNotFoundError, NotADirectoryError):
            return False
        except OSError as error:
            raise _failed("used", uri, error) from error
        return True

    async def objects(self, uri: str) -> list[StoredObject]:
        try:
            with os.scandir(self._path(uri)) as found:
                files = [(entry.name, entry.stat()) for entry in found if entry.is_file(follow_symlinks=False)]
        except (FileNotFoundError, NotADirectoryError):
            return []
        except OSError as error:
            raise _failed("read", uri, error) from error
        return [StoredObject(child(uri, name), facts.st_size, facts.st_mtime) for name, facts in files]

    async def discard(self, uri: str, *, unused_since: float) -> bool:
        path = self._path(uri)
        try:
            if path.stat().st_mtime > unused_since:
                return False
            path.unlink()
        except FileNotFoundError:
            return False
        except OSError as error:
            raise _failed("deleted", uri, error) from error
        return True

    async def read(self, uri: str, *, limit: int = 64 << 20) -> bytes:
        try:
            with self._path(uri).open("rb") as file:
                data = file.read(limit + 1)
        except (FileNotFoundError, NotADirectoryError):
            raise ArtifactMissing(f"nothing lies at {uri}") from None
        except OSError as error:
            raise _failed("read", uri, error) from error
        if len(data) > limit:
            raise StorageError(f"{uri} is larger than {limit} bytes")
        return data

    async def exists(self, uri: str) -> bool:
        return _is_there(uri)

    async def digest(self, uri: str) -> str | None:
        path = Path(uri)
        if not _is_there(uri):
            return None
        return await self._threaded("read", uri, lambda: content_digest(str(path)))

    async def version(self, uri: str) -> str | None:
        return await self.digest(uri)

    async def stream(self, uri: str, *, tail: int | None = None) -> AsyncGenerator[bytes, None]:
        try:
            with self._path(uri).open("rb") as file:
                if tail is not None:
                    seek_tail(file, tail)
                while data := file.read(PIECE_BYTES):
                    yield data
        except (FileNotFoundError, NotADirectoryError):
            raise ArtifactMissing(f"nothing lies at {uri}") from None
        except OSError as error:
            raise _failed("read", uri, error) from error

    async def archive(self, uri: str, chunks: AsyncGenerator[bytes, None]) -> bool:
        path = self._lexical(uri)
        first = b""
        try:
            async for first in chunks:
                if first:
                    break
            if not first:
                return False
            with _truncated(path) as file:
                file.write(first)
                async for chunk in chunks:
                    file.write(chunk)
        except OSError as error:
            raise _failed("written", uri, error) from error
        return True

    async def delete_tree(self, uri: str) -> None:
        path = self._path(uri)
        if self._is_root(uri, path):
            raise UriRefused(f"{uri} is a whole artifact store")
        if path.is_dir() and not path.is_symlink():
            await self._threaded("deleted", uri, lambda: shutil.rmtree(path, ignore_errors=False))
        else:
            await self._threaded("deleted", uri, lambda: path.unlink(missing_ok=True))

    async def _threaded(self, verb: str, uri: str, work: Callable[[], T]) -> T:
        try:
            return await asyncio.to_thread(work)
        except TaskError as error:
            raise StorageError(str(error)) from error
        except OSError as error:
            raise _failed(verb, uri, error) from error

    def _is_root(self, uri: str, path: Path) -> bool:
        return self._lexical(uri) in self._roots or str(path) in {os.path.realpath(root) for root in self._roots}

    def _path(self, uri: str) -> Path:
        """The path of a uri, with the folders above it resolved, so that no link leads out of the roots."""
        lexical = self._lexical(uri)
        parent, name = os.path.split(lexical)
        real = os.path.realpath(parent)
        if lexical not in self._roots and all(
            not f"{real}/".startswith(os.path.realpath(root) + "/") for root in self._roots
        ):
            raise _outside(uri, self._root)
        return Path(real, name)

    def _lexical(self, uri: str) -> str:
        """The path that a uri says, if that lies in a root; what links on the way do is not looked at."""
        lexical = os.path.normpath(uri)
        for root in self._roots:
            if (lexical == root or lexical.startswith(root + "/")) and "\0" not in uri:
                return lexical
        raise _outside(uri, self._root)


def _outside(uri: str, root: str) -> UriRefused:
    return UriRefused(f"{uri} lies outside the artifact store", hint=f"The store is {root}.")


def _truncated(path: str) -> BinaryIO:
    """The file at `path`, emptied, for writing; its folder is made if it is not there."""
    try:
        return open(path, "wb")
    except FileNotFoundError:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        return open(path, "wb")


class TailSearch:
    """Where the last lines of a file begin, found from pieces of it that are given from its end to its start."""

    def __init__(self, end: int, lines: int) -> None:
        self.begin = end if lines <= 0 else 0
        self._end = end
        self._wanted = lines

    def look(self, piece: bytes, start: int) -> bool:
        """Look at the piece that begins at `start`; whether that was enough."""
        at_end = start + len(piece) == self._end
        at = len(piece) - 1 if at_end else len(piece)  # a final newline ends the last line, it begins none
        while self._wanted > 0 and (at := piece.rfind(b"\n", 0, max(at, 0))) >= 0:
            self._wanted -= 1
            if self._wanted == 0:
                self.begin = start + at + 1
        return self._wanted <= 0


def seek_tail(file: BinaryIO, lines: int, *, piece_bytes: int = PIECE_BYTES) -> None:
    """Move to where the last `lines` lines begin."""
    position = file.seek(0, os.SEEK_END)
    search = TailSearch(position, lines)
    while position > 0:
        start = max(position - piece_bytes, 0)
        file.seek(start)
        if search.look(file.read(position - start), start):
            break
        position = start
    file.seek(search.begin)


def _is_there(uri: str) -> bool:
    return uri.startswith("/") and "\0" not in uri and os.path.exists(uri)


@contextmanager
def _new_file(path: Path) -> Generator[BinaryIO]:
    """A file that appears at `path`, whole, when the block ends well; raises FileExistsError if one is there then."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, scratch = tempfile.mkstemp(prefix=f".{path.name[:40]}.", suffix=".part", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
        os.chmod(scratch, 0o644)
        os.link(scratch, path)
    finally:
        os.unlink(scratch)


def _failed(verb: str, uri: str, error: OSError) -> StorageError:
    return StorageError(f"{uri} cannot be {verb}: {error.strerror or error}")
