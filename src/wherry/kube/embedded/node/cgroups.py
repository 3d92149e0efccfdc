"""Limits of cpu and memory, where the kernel lets us set them.

Called by the agent for containers with limits.  Control groups of version 1 and 2 are found as mounted; each container
attempt with a limit gets a group of its own below ours.  Invariant: a group exists only while its attempt does; what is
not enforced is said (`enforced`), never pretended.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from wherry.kube.quantities import parse

PERIOD_US = 100_000


class Limits(Protocol):
    """Enforces limits; `enforced` are the resources it can."""

    enforced: frozenset[str]

    def make(self, name: str, limits: Mapping[str, Any]) -> list[str]:
        """Makes the groups of one attempt; returns their folders, for the process to enter."""
        ...

    def oom(self, groups: list[str]) -> bool:
        """Whether the kernel killed something there for want of memory."""
        ...

    def remove(self, groups: list[str]) -> None:
        """Removes the groups; their processes are dead."""
        ...

    def find(self, name: str) -> list[str]:
        """The groups that `make` made under that name, perhaps in an earlier life of the server."""
        ...

    def close(self) -> None:
        """Removes what holds the groups, when they are gone."""
        ...


class Nothing:
    """A machine without usable control groups."""

    enforced: frozenset[str] = frozenset()

    def make(self, name: str, limits: Mapping[str, Any]) -> list[str]:
        """Enforces nothing."""
        return []

    def oom(self, groups: list[str]) -> bool:
        """Nothing is watched, so nothing is known."""
        return False

    def remove(self, groups: list[str]) -> None:
        """There is nothing."""

    def find(self, name: str) -> list[str]:
        """There is nothing."""
        return []

    def close(self) -> None:
        """There is nothing."""


class ControlGroups:
    """Version 1 and 2 behind one face: per controller the folder under which groups are made."""

    def __init__(self, parents: Mapping[str, str], *, unified: bool) -> None:
        self._parents = dict(parents)
        self._unified = unified
        self.enforced = frozenset(parents)

    def make(self, name: str, limits: Mapping[str, Any]) -> list[str]:
        """See `Limits.make`.  Raises OSError."""
        settings: dict[str, dict[str, str]] = {}
        if "memory" in limits and "memory" in self._parents:
            memory = str(int(parse(limits["memory"])))
            files = ("memory.max", "memory.swap.max") if self._unified else ("memory.limit_in_bytes", "")
            folder = f"{self._parents['memory']}/{name}"
            settings.setdefault(folder, {})[files[0]] = memory
            if files[1]:
                settings[folder][files[1]] = "0"
        if "cpu" in limits and "cpu" in self._parents:
            quota = max(1000, int(parse(limits["cpu"]) * PERIOD_US))
            folder = f"{self._parents['cpu']}/{name}"
            if self._unified:
                settings.setdefault(folder, {})["cpu.max"] = f"{quota} {PERIOD_US}"
            else:
                settings.setdefault(folder, {})["cpu.cfs_period_us"] = str(PERIOD_US)
                settings[folder]["cpu.cfs_quota_us"] = str(quota)
        for folder, files in settings.items():
            os.makedirs(folder, exist_ok=True)
            for file, text in files.items():
                path = Path(folder, file)
                if path.exists():  # memory.swap.max is only there with swap accounting
                    path.write_text(text)
        return list(settings)

    def oom(self, groups: list[str]) -> bool:
        """See `Limits.oom`."""
        for folder in groups:
            for file in ("memory.events", "memory.oom_control"):
                for line in _read(f"{folder}/{file}").splitlines():
                    key, _, count = line.partition(" ")
                    if key == "oom_kill" and count.strip() != "0":
                        return True
        return False

    def remove(self, groups: list[str]) -> None:
        """See `Limits.remove`."""
        for folder in groups:
            try:
                os.rmdir(folder)
            except OSError:
                continue  # a dying process may hold it a moment longer; the next start sweeps

    def find(self, name: str) -> list[str]:
        """See `Limits.find`."""
        folders = {f"{parent}/{name}" for parent in self._parents.values()}
        return sorted(folder for folder in folders if os.path.isdir(folder))

    def close(self) -> None:
        """See `Limits.close`."""
        self.remove(sorted(set(self._parents.values())))


def detect(name: str) -> Limits:
    """What this machine lets us enforce; our groups lie below one called `name`."""
    mounts = [line.split() for line in _read("/proc/self/mounts").splitlines()]
    own = {part[1]: part[2] for part in (line.split(":", 2) for line in _read("/proc/self/cgroup").splitlines())}
    parents: dict[str, str] = {}
    for _, point, kind, options, *_ in mounts:
        if kind == "cgroup":
            for controller in {"cpu", "memory"} & set(options.split(",")):
                path = next((path for names, path in own.items() if controller in names.split(",")), "/")
                base = f"{point}{path.rstrip('/')}"
                if os.access(base, os.W_OK):
                    parents[controller] = f"{base}/{name}"  # made with the first group in it
    if parents:
        return ControlGroups(parents, unified=False)
    for _, point, kind, *_ in mounts:
        if kind == "cgroup2":
            return _unified(f"{point}{own.get('', '/').rstrip('/')}", name)
    return Nothing()


def _unified(base: str, name: str) -> Limits:
    """Version 2: the controllers that our group may hand down (a delegated group, or the root)."""
    there = set(_read(f"{base}/cgroup.controllers").split()) & {"cpu", "memory"}
    parent = _writable(f"{base}/{name}") if there else ""
    if not parent:
        return Nothing()
    wanted = " ".join(f"+{controller}" for controller in sorted(there))
    try:
        for folder in (base, parent):
            Path(folder, "cgroup.subtree_control").write_text(wanted)
    except OSError:
        os.rmdir(parent)
        return Nothing()
    return ControlGroups(dict.fromkeys(there, parent), unified=True)


def _writable(folder: str) -> str:
    try:
        os.makedirs(folder, exist_ok=True)
    except OSError:
        return ""
    return folder if os.access(folder, os.W_OK) else ""


def _read(path: str) -> str:
    try:
        return Path(path).read_text()
    except OSError:
        return ""
