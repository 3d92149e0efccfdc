"""Files and folders between a task and its object store, many at a time.

Called by `wherry.runtime.remote`.  Invariants: a folder is the objects below its key, an empty one is the object
`<key>/`; a link inside an artifact is the file that it leads to, another one is kept as a link, as digests have it;
nothing is written outside the folder that is asked for.
"""

from __future__ import annotations

import os
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait

from wherry.runtime.digests import is_inner_file
from wherry.runtime.s3 import LINK_HEADER, Client, ObjectError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import Any

    Place = tuple[str, str]
    """Bucket and key of an object or folder."""

WORKERS = 16
_AHEAD = 4 * WORKERS  # what is known to be done next; more would be memory


def each(work: Callable[[Any], None], items: Iterable[Any], workers: int = WORKERS) -> None:
    """Call `work` for every item, on several threads, none of which is left afterwards.  Raises what it raises."""
    pending: set[Future[None]] = set()
    pool = ThreadPoolExecutor(workers)
    try:
        for item in items:
            pending.add(pool.submit(work, item))
            if len(pending) >= _AHEAD:
                done, pending = wait(pending, return_when=FIRST_COMPLETED)
                for one in done:
                    one.result()
        for one in pending:
            one.result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def in_turn(work: Callable[[Any], None], items: Iterable[Any]) -> None:
    """Call `work` for every item, on this thread."""
    for item in items:
        work(item)


# Down.


def download(client: Client, places: Iterable[tuple[Place, str]]) -> list[Place]:
    """Bring each place to its path; those where nothing lies are returned.

    Raises ObjectError, also for keys that no folder can hold, GrantError, OSError.
    """
    missing: list[Place] = []
    links: list[tuple[str, str]] = []
    many: list[tuple[Place, str]] = []

    def fetch(one: tuple[Place, str]) -> None:
        (bucket, key), path = one
        target = client.download(bucket, key, path)
        if target is not None:
            links.append((path, target))

    def look(one: tuple[Place, str]) -> None:
        path = one[1]
        os.makedirs(os.path.dirname(path), exist_ok=True)
        try:
            fetch(one)
        except FileNotFoundError:
            os.unlink(path)
            many.append(one)

    asked = list(places)
    each(look, asked) if len(asked) > 1 else in_turn(look, asked)
    for place, path in many:
        if not _fetch_folder(client, place, path, fetch):
            missing.append(place)
    for path, target in links:  # last, so that nothing is written through one
        os.unlink(path)
        os.symlink(os.fsencode(target), path)
    return missing


def _fetch_folder(client: Client, place: Place, path: str, fetch: Callable[[Any], None]) -> bool:
    """Whether there is one."""
    bucket, key = place
    made: set[str] = set()

    def files() -> Iterator[tuple[Place, str]]:
        for listed in client.listing(bucket, f"{key}/"):
            relative = listed.key[len(key) + 1 :]
            marker = relative.endswith("/") or not relative
            target = _inside(path, relative.rstrip("/"), listed.key)
            folder = target if marker else os.path.dirname(target)
            if folder not in made:
                _make(folder, listed.key)
                made.add(folder)
            if not marker:
                if os.path.isdir(target):
                    raise _both(listed.key)
                yield (bucket, listed.key), target

    each(fetch, files())
    return bool(made)


def _inside(folder: str, relative: str, key: str) -> str:
    names = relative.split("/") if relative else []
    if any(name in ("", ".", "..") or "\0" in name for name in names):
        raise ObjectError(f"The object {key!r} cannot be a file in a folder: its key has a part that no file can have")
    return os.path.join(folder, *names)


def _make(folder: str, key: str) -> None:
    try:
        os.makedirs(folder, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        raise _both(key) from None


def _both(key: str) -> ObjectError:
    return ObjectError(f"The object {key!r} is a file, and there are objects below it: no folder can hold both")


# Up.


def upload(client: Client, place: Place, path: str) -> None:
    """Put the file or folder `path` at the place.

    Raises ObjectError, also for names that no key can be, GrantError, OSError.
    """
    bucket, base = place
    if not os.path.isdir(path):
        client.upload(bucket, base, path, each)
        return
    large: list[tuple[str, str]] = []
    empty = True

    def send(one: tuple[str, str, str]) -> None:
        key, file, link = one
        if link:
            client.put(bucket, key, os.fsencode(link), {LINK_HEADER: "1"})
        else:
            client.upload(bucket, key, file, in_turn)

    def small() -> Iterator[tuple[str, str, str]]:
        nonlocal empty
        for relative, file, link in _entries(path, os.path.realpath(path), ""):
            empty = False
            key = f"{base}/{_checked(relative)}"
            if not link and client.is_large(file):
                large.append((key, file))
            else:
                yield key, file, link

    each(send, small())
    for key, file in large:  # one after the other, each with many parts at a time
        client.upload(bucket, key, file, each)
    if empty:
        client.put(bucket, f"{base}/", b"")


def _entries(folder: str, root: str, prefix: str) -> Iterator[tuple[str, str, str]]:
    """Relative name, path and, for what is kept as a link, its target: of all that the digest of the folder counts."""
    with os.scandir(folder) as entries:
        found = list(entries)
    for entry in found:
        relative = prefix + entry.name
        if entry.is_symlink() and not is_inner_file(entry.path, root):
            yield relative, entry.path, os.readlink(entry.path)
        elif entry.is_dir(follow_symlinks=False):
            yield from _entries(entry.path, root, f"{relative}/")
        else:
            yield relative, entry.path, ""


def _checked(relative: str) -> str:
    try:
        relative.encode()
        good = relative.isprintable() or not any(ord(character) < 32 or ord(character) == 127 for character in relative)
    except UnicodeEncodeError:
        good = False
    if not good:
        raise ObjectError(f"The file name {relative!r} cannot be a key of an object store: it is not printable text")
    return relative
