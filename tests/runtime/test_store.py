from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from wherry.runtime import commit, store
from wherry.runtime.store import StoreError, check_no_escape, is_known, scheme_of, store_for


def test_create_only(tmp_path: Path) -> None:
    uri = f"file://{tmp_path}/deep/er/commit.json"
    place = store_for(uri)
    assert not place.exists(uri)
    assert commit.existing(uri) is None
    assert place.create(uri, b"first")
    assert not place.create(uri, b"second")
    assert place.exists(uri)
    assert commit.existing(uri) == place.read(uri) == b"first"
    assert [path.name for path in (tmp_path / "deep" / "er").iterdir()] == ["commit.json"]
    with pytest.raises(FileNotFoundError):
        place.read(f"{tmp_path}/nothing")


def test_one_of_many_writers_wins(tmp_path: Path) -> None:
    """Racing processes: exactly one commits, and what is there is its record, whole."""
    uri = str(tmp_path / "record")
    children = []
    start_read, start_write = os.pipe()
    for number in range(8):
        pid = os.fork()
        if pid == 0:
            os.close(start_write)
            os.read(start_read, 1)  # ends for all at once, when the parent closes its end
            os._exit(0 if store_for(uri).create(uri, bytes([number]) * 10_000) else 1)
        children.append(pid)
    os.close(start_read)
    os.close(start_write)
    codes = [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in children]
    assert sorted(codes) == [0] + [1] * 7
    assert Path(uri).read_bytes() == bytes([codes.index(0)]) * 10_000
    assert [path.name for path in tmp_path.iterdir()] == ["record"]


def test_file_systems_without_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    uri = str(tmp_path / "record")
    assert store_for(uri).create(uri, b"first")
    assert not store_for(uri).create(uri, b"second")
    assert Path(uri).read_bytes() == b"first"
    assert [path.name for path in tmp_path.iterdir()] == ["record"]


@pytest.mark.parametrize(
    ("uri", "scheme"),
    [("/a/b", ""), ("file:///a", "file"), ("s3://b/k", "s3"), ("/a/s3://b", ""), ("relative", "")],
)
def test_schemes(uri: str, scheme: str) -> None:
    assert scheme_of(uri) == scheme


def test_another_scheme_can_be_registered(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not is_known("mem://x")
    with pytest.raises(StoreError, match="scheme mem:// is not known here"):
        store_for("mem://x")
    monkeypatch.setattr(store, "_STORES", dict(store._STORES))
    place = store.LocalStore()
    store.register("mem", place)
    assert is_known("mem://x")
    assert store_for("mem://x") is place


@pytest.mark.parametrize("path", ["/a/../b", "..", "../x", "/a/..", "/a\0b"])
def test_paths_that_leave_their_folder(path: str) -> None:
    with pytest.raises(StoreError, match=r"leaves its folder|NUL"):
        check_no_escape(path)


@pytest.mark.parametrize("path", ["/a/..b/c", "/a...", "x", "/a/.../b"])
def test_dots_in_names_are_fine(path: str) -> None:
    check_no_escape(path)


def test_local_paths() -> None:
    place = store_for("/x")
    assert place.local_path("file:///a b") == "/a b"
    with pytest.raises(StoreError, match="not an absolute path"):
        place.local_path("relative/path")
