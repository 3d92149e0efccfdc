"""The processes of one home, found from outside in /proc: by command line, environment or working folder.

Called by `benchmarks.soak.__main__` to choose whom to kill, and at the end to find what was left behind.  Invariant: a
process that carries the home's path nowhere is never touched.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Process:
    """One process of the home; `kind` is server, zygote, task, client or other."""

    pid: int
    kind: str
    command: str


def of_home(home: Path) -> Iterator[Process]:
    """Every process that has `home` in its command line, its first environment or its working folder; not this one."""
    needle = os.fsencode(home)
    for entry in os.scandir("/proc"):
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            command = Path(entry.path, "cmdline").read_bytes()
            environment = Path(entry.path, "environ").read_bytes()
            cwd = os.fsencode(os.readlink(entry.path + "/cwd"))
            state = Path(entry.path, "stat").read_bytes().rpartition(b")")[2].split()[0]
        except OSError:
            continue  # gone meanwhile, or not ours
        if state != b"Z" and any(needle in where for where in (command, environment, cwd)):
            words = command.replace(b"\0", b" ").decode(errors="replace").strip()
            yield Process(int(entry.name), _kind(words, cwd.startswith(needle + b"/pods")), words)


def _kind(command: str, in_pod: bool) -> str:
    if in_pod:
        return "task"
    for mark, kind in (("wherry.server", "server"), ("zygote.py", "zygote"), ("/wherry ", "client")):
        if mark in command:
            return kind
    return "other"
