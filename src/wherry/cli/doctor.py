"""`wherry doctor`: what this machine offers and lacks.

Loaded by `wherry.cli.commands` when used.  Invariant: it looks and changes nothing, and needs no server.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Callable
from importlib import import_module
from typing import NamedTuple

import click

from wherry._version import __version__
from wherry.client.api import Client
from wherry.client.views import duration
from wherry.home import Home
from wherry.kube.embedded.node.cgroups import detect
from wherry.kube.embedded.node.trial import why_none
from wherry.settings import project

ON_CLUSTERS = "wherry.cli.doctor_target"  # the lazy entry: it loads what speaks to clusters
MINORS = ("3.9", "3.10", "3.11", "3.12", "3.13", "3.14")
DISK_LOW = 1 << 30  # bytes; less than this in the home is worth a word


class Finding(NamedTuple):
    """One line: `ok`, `note` (works, with less) or `lack`."""

    what: str
    level: str
    text: str


@click.command()
@click.option("--on", metavar="TARGET", help="A cluster of wherry.toml, on which a pod is tried.")
@click.option("--image", default="python:3.11", show_default=True, help="With --on: the image of that pod.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
def doctor(on: str | None, image: str, as_json: bool) -> int:
    """Say what this machine, or a cluster, offers and lacks.  Exit code 1 when something needed is lacking."""
    if on is None:
        home = Client().home
        found = [check(home) for check in CHECKS]
    else:
        setting = project(os.getcwd()).target(on)
        found = import_module(ON_CLUSTERS).examine(setting, image)
    for finding in found:
        if as_json:
            click.echo(json.dumps(finding._asdict()))
        else:
            mark = {"ok": click.style("✓", fg="green"), "note": click.style("!", fg="yellow")}
            click.echo(f"{mark.get(finding.level, click.style('✗', fg='red'))} {finding.what:<10} {finding.text}")
    return int(any(finding.level == "lack" for finding in found))


def _wherry(home: Home) -> Finding:
    return Finding("wherry", "ok", f"{__version__}, Python {sys.version.split()[0]} at {sys.executable}")


def _home(home: Home) -> Finding:
    at = home.path
    while not os.path.exists(at):
        at = os.path.dirname(at)
    if not os.path.isdir(at) or not os.access(at, os.W_OK | os.X_OK):
        return Finding("home", "lack", f"{home.path} cannot be written; set WHERRY_HOME to a folder of yours")
    return Finding("home", "ok", home.path if at == home.path else f"{home.path} (made when it is needed)")


def _disk(home: Home) -> Finding:
    at = home.path
    while not os.path.exists(at):
        at = os.path.dirname(at)
    free = shutil.disk_usage(at).free
    return Finding("disk", "ok" if free > DISK_LOW else "note", f"{free / (1 << 30):.1f} GiB free in the home")


def _server(home: Home) -> Finding:
    found = Client(home.path).status()
    if not found:
        return Finding("server", "ok", "none runs; it is started when it is needed")
    up = duration(found.get("up_s"))
    return Finding("server", "ok", f"pid {found['pid']}, wherry {found['version']}, up {up}")


def _pythons(home: Home) -> Finding:
    found = [minor for minor in MINORS if shutil.which(f"python{minor}")]
    text = f"{', '.join(found)} on the path" if found else "no python3.N on the path"
    return Finding("pythons", "ok" if found else "note", f"{text}; uv fetches others when an image asks for one")


def _uv(home: Home) -> Finding:
    beside = os.path.join(os.path.dirname(sys.executable), "uv")
    found = beside if os.access(beside, os.X_OK) else shutil.which("uv")
    if found:
        return Finding("uv", "ok", found)
    return Finding("uv", "lack", "not found; components with packages_to_install cannot run (pip install uv)")


def _cores(home: Home) -> Finding:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / (1 << 30)
    return Finding("capacity", "ok", f"{cores} cores, {memory:.1f} GiB memory")


def _cgroups(home: Home) -> Finding:
    limits = detect("wherry-doctor")
    enforced = limits.enforced
    limits.close()
    if not enforced:
        return Finding("cgroups", "note", "none that we may divide; memory and cpu limits are not enforced")
    level = "ok" if {"cpu", "memory"} <= enforced else "note"
    return Finding("cgroups", level, f"limits of {' and '.join(sorted(enforced))} are enforced")


def _volumes(home: Home) -> Finding:
    why = why_none()
    if why:
        return Finding("volumes", "note", f"tasks that mount one cannot run here: {why}")
    return Finding("volumes", "ok", "secrets, config maps, claims and folders can be mounted")


def _gpus(home: Home) -> Finding:
    folder = "/proc/driver/nvidia/gpus"
    count = len(os.listdir(folder)) if os.path.isdir(folder) else 0
    if count:
        return Finding("gpu", "ok", f"{count} NVIDIA")
    return Finding("gpu", "note", "none found; tasks that ask for nvidia.com/gpu stay pending")


CHECKS: tuple[Callable[[Home], Finding], ...] = (
    _wherry,
    _home,
    _disk,
    _server,
    _pythons,
    _uv,
    _cores,
    _cgroups,
    _volumes,
    _gpus,
)
