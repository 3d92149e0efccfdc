"""Content digests of artifacts: what caching compares.

Called by `wherry.runtime.outputs` in a task.  Invariant: the digest depends on content and relative names only, so
that a folder in an object store (no modes, no times, no empty folders) has the digest it had on a disk.

A file is `sha256:<hex>`.  A folder is `tree:<hex>`, the sha256 over its entries sorted by name, each
`<kind> <hex>\0<name>\n` with kind `f` (file), `d` (folder, its own tree hex) or `l` (link, sha256 of its target text).
Links to files inside the artifact count as the file.
"""

from __future__ import annotations

import hashlib
import os
import stat

from wherry.runtime.failures import TaskError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any, Dict, Tuple, Union

    _Tree = Dict[bytes, Union[Tuple[str, str], "_Tree"]]

_BUFFER_BYTES = 1 << 20


def digest(path: str) -> str:
    """The digest of a file or folder.  Raises FileNotFoundError, and TaskError for what is neither."""
    mode = os.stat(path).st_mode
    if stat.S_ISDIR(mode):
        return f"tree:{_tree(path, os.path.realpath(path))}"
    if stat.S_ISREG(mode):
        return f"sha256:{file_sha256(path)}"
    raise TaskError(f"{path} is neither a file nor a folder", kind="OutputError")


def file_sha256(path: str) -> str:
    """The sha256 (hex) of a file's content, read in pieces."""
    sha = hashlib.sha256()
    buffer = bytearray(min(_BUFFER_BYTES, max(os.path.getsize(path), 1)))
    view = memoryview(buffer)
    with open(path, "rb", buffering=0) as file:
        while True:
            count = file.readinto(buffer)
            if not count:
                return sha.hexdigest()
            sha.update(view[:count])


def _tree(folder: str, root: str) -> str:
    sha = hashlib.sha256()
    with os.scandir(folder) as entries:
        ordered = sorted(entries, key=lambda entry: os.fsencode(entry.name))
    for entry in ordered:
        kind, hexdigest = _entry(entry, root)
        if kind:
            sha.update(_line(kind, hexdigest, os.fsencode(entry.name)))
    return sha.hexdigest()


def _line(kind: str, hexdigest: str, name: bytes) -> bytes:
    return f"{kind} {hexdigest}\0".encode() + name + b"\n"


def of_entries(entries: Iterable[tuple[str, str, str]]) -> str:
    """The digest of a folder that is known by its files and links alone: relative path, kind and hex of each."""
    tree: _Tree = {}
    for path, kind, hexdigest in entries:
        *folders, name = os.fsencode(path).split(b"/")
        place: Any = tree
        for folder in folders:
            place = place.setdefault(folder, {})
        place[name] = (kind, hexdigest)
    return f"tree:{_of_tree(tree)}"


def _of_tree(tree: _Tree) -> str:
    sha = hashlib.sha256()
    for name in sorted(tree):
        entry = tree[name]
        kind, hexdigest = entry if isinstance(entry, tuple) else ("d", _of_tree(entry))
        sha.update(_line(kind, hexdigest, name))
    return sha.hexdigest()


_EMPTY_TREE = hashlib.sha256().hexdigest()


def is_inner_file(link: str, root: str) -> bool:
    """Whether a link counts as the file that it leads to: a file inside the artifact, whose real path is `root`."""
    target = os.path.realpath(link)
    return target.startswith(root + os.sep) and os.path.isfile(target)


def _entry(entry: os.DirEntry[str], root: str) -> tuple[str, str]:
    if entry.is_symlink():
        if is_inner_file(entry.path, root):
            return "f", file_sha256(entry.path)
        return "l", hashlib.sha256(os.fsencode(os.readlink(entry.path))).hexdigest()
    if entry.is_dir():
        hexdigest = _tree(entry.path, root)
        return ("", "") if hexdigest == _EMPTY_TREE else ("d", hexdigest)
    if entry.is_file():
        return "f", file_sha256(entry.path)
    raise TaskError(f"{entry.path} is neither a file nor a folder", kind="OutputError")
