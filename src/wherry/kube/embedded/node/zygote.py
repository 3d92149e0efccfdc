"""The zygote: a small program that forks tasks from a warm interpreter, reaps them and leaves their exit records.

Executed by path (`python -I zygote.py CONFIG`) under any environment's interpreter, Python 3.9 and later; it imports
nothing of wherry but the in-task runtime.  `wherry.kube.embedded.node.zygotes` starts it and speaks to it over a unix
socket: one JSON object a line both ways (`docs/node.md`).  Invariants: it outlives the server; it has loaded nothing
of the user's when it begins to fork, and only one thread.
"""

from __future__ import annotations

import ctypes
import gc
import importlib
import json
import os
import signal
import site
import socket
import sys
from collections.abc import Callable
from functools import partial
from typing import Any, NoReturn

_PR_SET_CHILD_SUBREAPER = 36
_LINUX = sys.platform.startswith("linux")
_PRELOAD = (
    "collections abc base64 contextlib copy csv dataclasses datetime enum functools glob importlib.util inspect io "
    "itertools logging math operator pathlib pickle random re shutil string subprocess tempfile types typing"
)


def _reset_signals() -> None:
    """What the server was started with (nohup, a background job) is not the tasks': they find a fresh interpreter's."""
    for number in (signal.SIGHUP, signal.SIGQUIT, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


def _become_reaper() -> None:
    """Orphans of the tasks become children of the zygote (Linux)."""
    if _LINUX:
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def _close_all_but(kept: int) -> None:
    """Whatever the server was started with (a pipe that says that it is ready) must not live on in us."""
    for name in os.listdir("/proc/self/fd" if _LINUX else "/dev/fd"):
        if int(name) > 2 and int(name) != kept:
            try:
                os.close(int(name))
            except OSError:
                pass  # the descriptor of the listing itself


def _without_runtime(environ: Any) -> int:
    return importlib.import_module("wherry.runtime.main").run(environ)


def _nothing() -> None:
    """A rehearsal where there is nothing to rehearse."""


def _runtime() -> tuple[Callable[..., int], Callable[[], None]]:
    """The entrance of the in-task runtime, and its rehearsal; without a runtime, an entrance that fails where the user
    looks: in the task."""
    try:
        runtime = importlib.import_module("wherry.runtime.main")
    except ImportError:
        return _without_runtime, _nothing
    runtime.preload(rare=True)
    return runtime.run, runtime.rehearse


def main() -> None:
    """`zygote.py CONFIG`: a JSON object of fd (the listening socket), path (of that socket), runtime (put on sys.path),
    sites (site folders that -I leaves out) and idle_s (how long it stays without server and attempts)."""
    config = json.loads(sys.argv[1])
    if os.getpid() != os.getsid(0):
        os.setsid()  # what a terminal sends to the server's group is not for us
    _reset_signals()
    _close_all_but(config["fd"])
    for folder in config["sites"]:
        site.addsitedir(folder)
    sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
    loop, child = importlib.import_module("zygote_loop"), importlib.import_module("zygote_child")
    for name in ("zygote_net", "confine"):  # now, while their folder is where modules are looked for
        importlib.import_module(name)
    become: Callable[..., NoReturn] = child.become
    sys.path[0] = config["runtime"]
    for name in _PRELOAD.split():
        importlib.import_module(name)
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]  # a killed task loses no whole line
    run, rehearse = _runtime()
    _become_reaper()
    listener = socket.socket(fileno=config["fd"])
    zygote = loop.Zygote(listener, config["path"], config["idle_s"], partial(child.wait, rehearse))
    gc.collect()
    gc.freeze()
    gc.disable()
    task = zygote.serve()
    if task is not None:
        become(task, run)


if __name__ == "__main__":
    main()
