"""The child's side of a fork: from a request to the attempt's main process, and to its end.

Loaded by the zygote (`zygote.py`) before its first fork; standard library only, Python 3.9 and later.  Invariants: an
attempt begins by making its working folder, exclusively, so that it begins once; as little as possible happens here,
since every page that a child touches is copied.
"""

from __future__ import annotations

import atexit
import errno
import gc
import json
import os
import runpy
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable
from typing import Any, NoReturn

START_FAILED = 128
"""Exit code of an attempt that could not start (as container runtimes use); `<attempt>.error` says why."""

_LINUX = sys.platform.startswith("linux")
_SIGCHLD, _SIG_DFL = int(signal.SIGCHLD), int(signal.SIG_DFL)
# What `signal.signal` wraps in enumerations, whose pages a child need not touch.
_set_signal: Callable[[int, int], Any] = sys.modules["_signal"].signal


def wait(rehearse: Callable[[], None], fd: int) -> dict[str, Any]:
    """In a child forked ahead of its attempt: the request for it, one line from `fd`.  Leaves when the zygote does.

    The time until the request comes is used for a rehearsal: the pages that it writes to need no copying later.
    """
    _own_session()
    _shielded(rehearse)
    data = b""
    while not data.endswith(b"\n"):
        part = os.read(fd, 1 << 18)
        if not part:
            os._exit(0)
        data += part
    os.close(fd)
    found: dict[str, Any] = json.loads(data)
    return found


def _own_session() -> None:
    if os.getsid(0) != os.getpid():
        os.setsid()
        _set_signal(_SIGCHLD, _SIG_DFL)  # all others are as an interpreter finds them at its start


def prepare(task: dict[str, Any]) -> None:
    """Makes the child the attempt's main process: session, folder, log, name, environment.  Raises OSError; FileExists
    when this attempt was started before."""
    _own_session()
    scratch = task["dir"] + "/" + task["name"]
    try:
        os.mkdir(task["dir"])
    except FileExistsError:
        pass
    if os.getppid() != task["zygote"]:
        os._exit(START_FAILED)  # the zygote was killed just now; whoever asked has to think that we never began
    os.mkdir(scratch)
    log = os.open(scratch + ".log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.dup2(log, 1)
    os.dup2(log, 2)
    if log > 2:
        os.close(log)
    if _LINUX:
        _write("/proc/self/comm", task["tag"].encode())
    for group in task.get("cgroups") or task.get("joins") or ():
        _write(group + "/cgroup.procs", b"0")
    if task.get("streams"):
        _rare("stdio")["connect"](task["streams"])
    if task.get("mounts"):
        _rare("mounts")["mount"](task["mounts"], task["dir"])
    if task.get("net"):
        try:
            sys.modules["confine"].confine(task["net"], task["post"])
        except OSError as problem:  # the task runs all the same; its ports are everybody's, and the node says so
            _write(scratch + ".shared", str(problem.strerror).encode())
    os.chdir(task.get("cwd") or scratch)
    environ = os.environ
    for name, value in task["env"].items():
        environ[name] = value
    if "TZ" in task["env"]:
        time.tzset()


def _rare(name: str) -> dict[str, Any]:
    """The names of a module beside this one whose code is read only when a task needs it."""
    return runpy.run_path(os.path.join(os.path.dirname(os.path.abspath(__file__)), name + ".py"))


def perform(task: dict[str, Any], run: Callable[..., int]) -> int:
    """Runs the prepared task; returns its exit code.  A command replaces the process.  Raises what the task raises."""
    if task.get("argv"):
        for number in (signal.SIGINT, signal.SIGPIPE, signal.SIGXFSZ):
            signal.signal(number, signal.SIG_DFL)
        try:
            os.execvpe(task["argv"][0], task["argv"], os.environ)
        except FileNotFoundError:
            raise OSError(errno.ENOENT, "executable file not found in $PATH", task["argv"][0]) from None
    sys.argv = [task["name"]]
    gc.enable()
    return run(os.environ)


def become(task: dict[str, Any], run: Callable[..., int]) -> NoReturn:
    """The whole life of a child, ending like an interpreter: threads are joined, exit handlers run, streams are
    flushed.  Only the tearing down of modules is left out; it would cost more than the rest of a small task."""
    try:
        prepare(task)
        if task.get("console"):
            os._exit(_rare("console")["run"](task["console"], lambda: perform(task, run)))
        if task.get("argv"):
            perform(task, run)
    except OSError as problem:
        text = f"{problem.filename}: {problem.strerror}" if problem.filename else str(problem)
        _quietly(_write, task["dir"] + "/" + task["name"] + ".error", text.encode())
        os._exit(START_FAILED)
    code = _shielded(perform, task, run)
    code = _shielded(threading._shutdown) or code  # type: ignore[attr-defined]
    code = _shielded(atexit._run_exitfuncs) or code  # type: ignore[attr-defined]
    for stream in (sys.stdout, sys.stderr):
        _quietly(stream.flush)
    os._exit(code)


def _shielded(function: Callable[..., Any], *arguments: Any) -> int:
    """What an interpreter makes of an outcome: SystemExit is a code, an exception is printed and is 1."""
    try:
        code = function(*arguments)
    except SystemExit as end:
        code = end.code
    except KeyboardInterrupt:
        traceback.print_exc()
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGINT)
        return 130
    except BaseException:  # noqa: BLE001  the boundary of the child: there is nobody above to tell
        traceback.print_exc()
        return 1
    if code is None or isinstance(code, int):
        return (code or 0) & 0xFF
    sys.stderr.write(f"{code}\n")
    return 1


def _quietly(function: Callable[..., Any], *arguments: Any) -> None:
    try:
        function(*arguments)
    except (OSError, ValueError, AttributeError):
        pass  # a closed stream, a full disk: the task's own doing, and there is nobody left to tell


def _write(path: str, data: bytes) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_CREAT, 0o644)
    try:
        os.write(fd, data)
    finally:
        os.close(fd)
