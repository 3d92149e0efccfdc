from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest
from hypothesis import given, strategies

from wherry.runtime.digests import digest
from wherry.runtime.failures import TaskError

NAMES = strategies.text(strategies.characters(categories=["L", "N"]), min_size=1, max_size=4)
TREES = strategies.recursive(
    strategies.binary(max_size=8), lambda inner: strategies.dictionaries(NAMES, inner, max_size=3), max_leaves=8
)


def write(path: Path, tree: object) -> None:
    if isinstance(tree, bytes):
        path.write_bytes(tree)
    elif isinstance(tree, dict):
        path.mkdir()
        for name, inner in tree.items():
            write(path / str(name), inner)


def without_empty_folders(tree: object) -> object:
    if not isinstance(tree, dict):
        return tree
    pruned = {name: without_empty_folders(inner) for name, inner in tree.items()}
    return {name: inner for name, inner in pruned.items() if inner != {}}


@given(TREES, TREES)
def test_equal_digests_mean_equal_content(tmp_path_factory: pytest.TempPathFactory, one: object, two: object) -> None:
    folder = tmp_path_factory.mktemp("trees")
    write(folder / "one", one)
    write(folder / "two", two)
    same = without_empty_folders(one) == without_empty_folders(two)
    assert (digest(str(folder / "one")) == digest(str(folder / "two"))) == same


def test_the_form_of_a_digest(tmp_path: Path) -> None:
    """Fixed for ever: digests lie in caches and are compared across versions."""
    (tmp_path / "f").write_bytes(b"abc")
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "x").write_bytes(b"abc")
    abc = hashlib.sha256(b"abc").hexdigest()
    inner = hashlib.sha256(f"f {abc}\0x\n".encode()).hexdigest()
    whole = hashlib.sha256(f"d {inner}\0d\nf {abc}\0f\n".encode()).hexdigest()
    assert digest(str(tmp_path / "f")) == f"sha256:{abc}"
    assert digest(str(tmp_path)) == f"tree:{whole}"


def test_large_files_are_read_in_pieces(tmp_path: Path) -> None:
    data = os.urandom(1 << 20) * 3 + b"tail"
    (tmp_path / "big").write_bytes(data)
    assert digest(str(tmp_path / "big")) == "sha256:" + hashlib.sha256(data).hexdigest()
    (tmp_path / "empty").touch()
    assert digest(str(tmp_path / "empty")) == "sha256:" + hashlib.sha256(b"").hexdigest()


def test_links(tmp_path: Path) -> None:
    """A link inside the artifact is the file it means; one that leads out, or to a folder, is only its text."""
    for name, make in (("copy", False), ("link", True)):
        folder = tmp_path / name
        (folder / "blobs").mkdir(parents=True)
        (folder / "blobs" / "b").write_text("content")
        if make:
            (folder / "current").symlink_to("blobs/b")
        else:
            (folder / "current").write_text("content")
    assert digest(str(tmp_path / "copy")) == digest(str(tmp_path / "link"))
    loop = tmp_path / "loop"
    loop.mkdir()
    (loop / "self").symlink_to(loop)
    (loop / "out").symlink_to("/etc/passwd")
    before = digest(str(loop))
    (loop / "out").unlink()
    (loop / "out").symlink_to("/etc/group")
    assert digest(str(loop)) != before


def test_what_is_not_there_or_not_content(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        digest(str(tmp_path / "nothing"))
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path, tmp_path / "pipe"):
        with pytest.raises(TaskError, match="pipe is neither a file nor a folder"):
            digest(str(path))
