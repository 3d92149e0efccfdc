"""Environments and locks go when nothing has used them for the time that is asked for, and never in use."""

from __future__ import annotations

import asyncio
import fcntl
import os
from pathlib import Path

import pytest

from wherry.kube.embedded.environments import READY, Environments
from wherry.kube.embedded.pruning import Unused, prune

NOW = 1_000_000.0
DAY = 86_400.0


class Shelf:
    """A home's `envs` with environments of known ages."""

    def __init__(self, home: Path) -> None:
        self.environments = Environments(home, environ={})
        self.folder = self.environments.folder
        self.processes = home / "proc"
        (self.folder / "locks").mkdir(parents=True)

    def environment(self, name: str, age_s: float, content: bytes = b"x" * 1000) -> Path:
        path = self.folder / name
        (path / "bin").mkdir(parents=True)
        (path / "bin" / "python").write_bytes(content)
        (path / READY).write_text("")
        os.utime(path / READY, (NOW - age_s, NOW - age_s))
        (self.folder / f"{name}.lock").touch()
        return path

    def lock(self, name: str, age_s: float) -> Path:
        path = self.folder / "locks" / f"{name}.txt"
        path.write_text("a==1\n")
        os.utime(path, (NOW - age_s, NOW - age_s))
        return path

    def process(self, number: int, *words: str) -> None:
        folder = self.processes / str(number)
        folder.mkdir(parents=True)
        (folder / "cmdline").write_bytes(b"\0".join(map(os.fsencode, words)))

    def prune(self, unused_s: float, *, dry_run: bool = False) -> list[Unused]:
        found = prune(self.environments, now=NOW, unused_s=unused_s, dry_run=dry_run, processes=self.processes)
        return asyncio.run(found)


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return Shelf(tmp_path)


def test_what_is_old_goes_and_what_is_young_stays(shelf: Shelf) -> None:
    old, young = shelf.environment("old", 31 * DAY), shelf.environment("young", 29 * DAY)
    stale, fresh = shelf.lock("stale", 31 * DAY), shelf.lock("fresh", 29 * DAY)
    told = [Unused("old", 1000), Unused("locks/stale.txt", 5)]
    assert shelf.prune(30 * DAY, dry_run=True) == told
    assert old.exists()
    assert stale.exists()
    assert shelf.prune(30 * DAY) == told
    assert sorted(path.name for path in shelf.folder.iterdir()) == ["locks", "young", "young.lock"]
    assert young.exists()
    assert fresh.exists()
    assert not stale.exists()


def test_an_environment_that_a_process_runs_from_stays(shelf: Shelf) -> None:
    path = shelf.environment("old", 31 * DAY)
    shelf.process(7, str(path / "bin" / "python"), "-m", "zygote")
    assert shelf.prune(30 * DAY) == []
    assert path.exists()


def test_an_environment_that_is_being_made_stays(shelf: Shelf) -> None:
    path = shelf.environment("old", 31 * DAY)
    with (shelf.folder / "old.lock").open() as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert shelf.prune(30 * DAY) == []
    assert path.exists()
    assert shelf.prune(30 * DAY) != []


def test_files_of_the_shared_cache_are_not_counted_as_freed(shelf: Shelf) -> None:
    path = shelf.environment("old", 31 * DAY)
    os.link(path / "bin" / "python", shelf.folder / "locks" / "cached")
    assert shelf.prune(30 * DAY) == [Unused("old", 0)]


def test_half_made_and_half_deleted_ones(shelf: Shelf) -> None:
    half = shelf.folder / "half"
    half.mkdir()
    (shelf.folder / "left.gone").mkdir()
    assert shelf.prune(0) == []
    assert half.exists()
    assert not (shelf.folder / "left.gone").exists()
