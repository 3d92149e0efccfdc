"""Deletes environments and resolved locks that nothing has used for a while.

Called by `wherry.server` for `wherry prune --environments`.  Invariant: what this server has given to a task, and what
a process of the machine runs from, stays whatever its age; an environment is gone as a whole or not at all.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from wherry.kube.embedded.environments import READY, Environments

_GONE = ".gone"


class Unused(NamedTuple):
    """What went, or would go: its name in the home's `envs`, and the bytes that it alone held."""

    name: str
    size_bytes: int


async def prune(
    environments: Environments, *, now: float, unused_s: float, dry_run: bool, processes: Path = Path("/proc")
) -> list[Unused]:
    """Deletes what was last used `unused_s` seconds before `now` (epoch seconds) or earlier, and says what."""
    found = [path for path in _candidates(environments.folder) if _used_at(path) <= now - unused_s]
    running = await asyncio.to_thread(_running_from, environments.folder, processes) if found else set[str]()
    chosen = [path for path in found if path.name not in running]
    sizes = await asyncio.to_thread(lambda: {path: _held_alone(path) for path in chosen})
    gone: list[Unused] = []
    for path in chosen:
        if environments.holds(path):  # asked last, with nothing awaited before it is out of the way
            continue
        if not dry_run:
            if not _put_away(path):
                continue
            await asyncio.to_thread(shutil.rmtree, f"{path}{_GONE}", ignore_errors=True)
        gone.append(Unused(str(path.relative_to(environments.folder)), sizes[path]))
    return gone


def _candidates(folder: Path) -> Iterator[Path]:
    """Environments that are ready, and locks; what a crash of ours left half deleted goes at once."""
    if not folder.is_dir():
        return
    for path in sorted(folder.iterdir()):
        if path.name.endswith(_GONE):
            shutil.rmtree(path, ignore_errors=True)
        elif (path / READY).is_file():
            yield path
    yield from sorted(folder.glob("locks/*.txt"))


def _used_at(path: Path) -> float:
    mark = path / READY if path.is_dir() else path
    try:
        return mark.stat().st_mtime
    except FileNotFoundError:
        return float("inf")


def _running_from(folder: Path, processes: Path) -> set[str]:
    """The environments whose interpreter is on the command line of a process: zygotes of servers before this one."""
    mark = os.fsencode(f"{folder}{os.sep}")
    found: set[str] = set()
    for path in processes.glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().split(b"\0")
        except OSError:
            continue  # it has ended, or is another user's
        for word in words:
            if word.startswith(mark):
                found.add(os.fsdecode(word[len(mark) :].partition(b"/")[0]))
    return found


def _held_alone(path: Path) -> int:
    """The bytes that end with it: files that uv has linked from its cache stay there."""
    files = [path] if path.is_file() else [Path(top, name) for top, _, names in os.walk(path) for name in names]
    total = 0
    for file in files:
        try:
            facts = file.lstat()
        except OSError:
            continue
        total += facts.st_size if facts.st_nlink == 1 else 0
    return total


def _put_away(path: Path) -> bool:
    """Takes it out of use in one step; False when somebody makes it anew just now, or it is gone."""
    if path.is_file():
        path.unlink(missing_ok=True)
        return True
    descriptor = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        path.rename(f"{path}{_GONE}")
        os.unlink(f"{path}.lock")
    except (BlockingIOError, FileNotFoundError):
        return False
    finally:
        os.close(descriptor)
    return True
