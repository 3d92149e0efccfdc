"""Copies the running Python into a folder that a container without Python mounts, so that the runtime runs there too.

Called by the zip application's entry, in the init container of such a task.  Invariant: what is copied runs in any
Linux image of the same architecture: the interpreter is started by a loader of its own, with libraries of its own, and
nothing of that reaches the processes that it starts.
"""

from __future__ import annotations

import importlib
import os
import shutil
import sys
import sysconfig

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

WORD = "--carry"
_USED = ("ssl", "hashlib", "zlib", "bz2", "lzma", "ctypes", "select", "socket", "json", "zipfile")
_LEFT_OUT = (
    "test", "tests", "idlelib", "tkinter", "turtledemo", "lib2to3", "ensurepip", "pydoc_data", "site-packages",
    "dist-packages", "config-*", "__pycache__",
)  # fmt: skip


def carry(folder: str) -> None:
    """Put `lib/loader`, the libraries, `bin/python3` and its standard library into `folder`.  Raises OSError."""
    for name in _USED:
        importlib.import_module(name)  # so that the libraries behind them are among those of this process
    minor = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    shutil.copytree(sysconfig.get_path("stdlib"), f"{folder}/lib/{minor}", ignore=shutil.ignore_patterns(*_LEFT_OUT))
    os.makedirs(f"{folder}/bin")
    shutil.copy2(os.path.realpath(sys.executable), f"{folder}/bin/python3")
    with open("/proc/self/maps") as maps:
        for path in libraries(maps):
            name = os.path.basename(path)
            name = "loader" if name.startswith("ld-") else name
            shutil.copy2(path, f"{folder}/lib/{name}")
            for alias in _aliases(path):
                if not os.path.lexists(f"{folder}/lib/{alias}"):
                    os.symlink(name, f"{folder}/lib/{alias}")
    if not os.path.exists(f"{folder}/lib/loader"):
        raise OSError("no loader is among the libraries of this Python: it cannot be carried into another image")


def _aliases(path: str) -> list[str]:
    """Other names of a library beside it: programs ask for `libz.so.1`, which is a link to a version."""
    folder = os.path.dirname(path)
    names = (name for name in os.listdir(folder) if ".so" in name and name != os.path.basename(path))
    return [name for name in names if os.path.realpath(f"{folder}/{name}") == os.path.realpath(path)]


def libraries(maps: Iterable[str]) -> list[str]:
    """The shared libraries in the lines of a process's maps, less those that lie in the standard library."""
    own = sysconfig.get_path("stdlib") + os.sep
    found = {line.split(maxsplit=5)[5].strip() for line in maps if line.count("/")}
    return sorted(path for path in found if ".so" in os.path.basename(path) and not path.startswith(own))
