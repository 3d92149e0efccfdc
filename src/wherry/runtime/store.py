"""The artifact store as a task sees it: URIs to local paths, small objects, create-only writes.

Called by every module of the runtime that touches a URI.  Invariant: schemes are looked up in one registry
(`register`), so that object stores are added without changing a caller; a plain absolute path is a URI of the local
store, and so is `file:///path`.  A URI with a `..` component is refused.
"""

from __future__ import annotations

import errno
import os

from wherry.runtime.failures import TaskError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Protocol

    class Store(Protocol):
        """One scheme.  All methods raise `StoreError` for a URI they cannot take and OSError when the store fails."""

        def local_path(self, uri: str) -> str:
            """The path where the object or folder at `uri` is read and written by the task."""
            ...

        def read(self, uri: str) -> bytes:
            """A whole small object.  Raises FileNotFoundError when there is none."""
            ...

        def exists(self, uri: str) -> bool:
            """Whether an object is there."""
            ...

        def create(self, uri: str, data: bytes) -> bool:
            """Make an object, whole or not at all; False, and nothing changed, when there is one already."""
            ...

        def fetch(self, uris: Iterable[str]) -> list[str]:
            """Have the objects and folders at their local paths; returns those that are not there."""
            ...

        def keep(self, uri: str) -> None:
            """Have the store hold what the task has left at the local path."""
            ...


_NO_LINKS = frozenset((errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK))


class StoreError(TaskError):
    """A URI that no store takes, or one that would leave its folder."""

    def __init__(self, message: str) -> None:
        super().__init__(message, kind="StoreError")


class LocalStore:
    """Files of this machine."""

    def local_path(self, uri: str) -> str:
        path = uri[len("file://") :] if uri.startswith("file://") else uri
        if not path.startswith("/"):
            raise StoreError(f"{uri!r} is not an absolute path")
        check_no_escape(path)
        return path

    def read(self, uri: str) -> bytes:
        with open(self.local_path(uri), "rb", buffering=0) as file:
            return file.read()

    def exists(self, uri: str) -> bool:
        return os.access(self.local_path(uri), os.F_OK)

    def fetch(self, uris: Iterable[str]) -> list[str]:
        return [uri for uri in uris if not os.path.exists(self.local_path(uri))]

    def keep(self, uri: str) -> None:
        pass  # it lies where it belongs

    def create(self, uri: str, data: bytes) -> bool:
        path = self.local_path(uri)
        make_folder(os.path.dirname(path))
        temporary = f"{path}.{os.getpid()}.tmp"
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
        try:
            try:
                _write_all(descriptor, data)
            finally:
                os.close(descriptor)
            return _appear(temporary, path, data)
        finally:
            os.unlink(temporary)


_STORES: dict[str, Store] = {"": LocalStore(), "file": LocalStore()}


def register(scheme: str, store: Store) -> None:
    """Let `store` serve URIs that start with `<scheme>://`."""
    _STORES[scheme] = store


def scheme_of(uri: str) -> str:
    """`s3` of `s3://bucket/key`; "" for a plain path."""
    head, separator, _ = uri.partition("://")
    return head if separator and "/" not in head else ""


def is_known(uri: str) -> bool:
    """Whether a store takes this URI."""
    return scheme_of(uri) in _STORES


def is_remote(uri: str) -> bool:
    """Whether a store takes this URI whose objects are not files of this machine."""
    scheme = scheme_of(uri)
    return scheme in _STORES and scheme not in ("", "file")


def store_for(uri: str) -> Store:
    """The store of a URI.  Raises StoreError when its scheme is unknown."""
    scheme = scheme_of(uri)
    store = _STORES.get(scheme)
    if store is None:
        known = ", ".join(f"{name}://" for name in sorted(_STORES) if name)
        raise StoreError(
            f"No store for {uri!r}: the scheme {scheme}:// is not known here (known: plain paths, {known})"
        )
    return store


def check_no_escape(path: str) -> None:
    """Refuse a path with a `..` component or a NUL: it could name something outside its folder."""
    if ".." in path and ".." in path.split("/"):
        raise StoreError(f"{path!r} leaves its folder: '..' is not allowed")
    if "\0" in path:
        raise StoreError(f"{path!r} holds a NUL character")


def make_folder(path: str) -> None:
    """Make a folder, and those above it, unless it is there.  Raises OSError."""
    if path and not os.access(path, os.F_OK):
        os.makedirs(path, exist_ok=True)


def _appear(temporary: str, path: str, data: bytes) -> bool:
    """Give the finished file its name, unless something has it; False then."""
    try:
        os.link(temporary, path)
    except FileExistsError:
        return False
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        return _create_in_place(path, data)
    return True


def _create_in_place(path: str, data: bytes) -> bool:
    """For file systems without hard links: still create-only, though a reader may meet a half-written file."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
    except FileExistsError:
        return False
    try:
        _write_all(descriptor, data)
    finally:
        os.close(descriptor)
    return True


def _write_all(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]
