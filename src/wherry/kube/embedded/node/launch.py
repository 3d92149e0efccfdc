"""From a container of a pod to the request that a zygote understands.

Called by the agent.  Invariant: the in-task runtime is forked where nothing in its environment concerns the
interpreter's start, and executed otherwise (and on macOS, where a fork without exec is not safe); every other command
is executed.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from typing import Any

from wherry.kube.embedded.environments import Interpreter
from wherry.kube.embedded.node import volumes
from wherry.kube.embedded.node.containers import RUNTIME, Place, Sources, command_line, environment, needs_exec
from wherry.kube.embedded.node.network import Links
from wherry.kube.embedded.node.records import Attempt, Folder
from wherry.kube.embedded.node.zygotes import Home
from wherry.kube.protocol import Object

DEFAULT_MESSAGE_PATH = "/dev/termination-log"
_FORKS = sys.platform.startswith("linux")
# What a task gets of the server's own environment: where things are, never what is secret.
_INHERITED = (
    "HOME", "LANG", "LC_ALL", "LC_CTYPE", "LD_LIBRARY_PATH", "LOGNAME", "SHELL", "SSL_CERT_DIR", "SSL_CERT_FILE",
    "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "TMPDIR", "TZ", "USER", "http_proxy", "https_proxy", "no_proxy",
    "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY", "all_proxy", "DYLD_LIBRARY_PATH", "XDG_CACHE_HOME",
    "PIP_CERT", "PIP_CONFIG_FILE", "PIP_EXTRA_INDEX_URL", "PIP_FIND_LINKS", "PIP_INDEX_URL",
)  # fmt: skip
_DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def base_environment(environ: Mapping[str, str], interpreter: Interpreter) -> dict[str, str]:
    """What every container of an interpreter starts from."""
    found = {name: environ[name] for name in _INHERITED if name in environ}
    found.setdefault("LANG", "C.UTF-8")
    found["PATH"] = f"{interpreter.bin}:{environ.get('PATH') or _DEFAULT_PATH}"
    return found


def zygote_home(environ: Mapping[str, str], interpreter: Interpreter) -> Home:
    """How to start the zygote of an interpreter."""
    return Home(interpreter.python, interpreter.key, base_environment(environ, interpreter), interpreter.sites)


def tag(attempt: Attempt, index: int) -> str:
    """The process name that marks everything an attempt forks; at most 15 bytes."""
    return f"wy{attempt.uid.replace('-', '')[:8]}{index}"[:15]


def request(
    pod: Object,
    container: Mapping[str, Any],
    index: int,
    attempt: Attempt,
    *,
    folder: Folder,
    interpreter: Interpreter,
    sources: Sources,
    volume_paths: Mapping[str, volumes.Volume],
    gpus: tuple[str, ...] | None,
    groups: list[str],
    place: Place,
    links: Links | None = None,
) -> dict[str, Any]:
    """The zygote's `start` request for one attempt.  Raises ConfigError, OSError."""
    environ = environment(pod, container, sources, place, links.variables if links else {})
    argv = command_line(container, environ, place)
    if links is not None:  # after the expansion, which follows what the object says
        environ = links.environment(environ)
        argv = argv and links.arguments(argv)
    console = bool(container.get("stdin") or container.get("tty")) and not attempt.container.endswith(".exec")
    if argv is None and (not _FORKS or needs_exec(environ) or console):
        argv = [interpreter.python, place.runtime]
    if "PYTHONPATH" in environ:
        environ["PYTHONPATH"] = environ["PYTHONPATH"].replace(RUNTIME, place.runtime)
    environ.setdefault("HOSTNAME", pod["spec"].get("hostname") or pod["metadata"]["name"])
    message = folder.message_path(attempt)
    environ["WHERRY_TERMINATION_LOG"] = message
    environ["WHERRY_ATTEMPT"] = attempt.id
    if gpus is not None:
        environ.setdefault("CUDA_VISIBLE_DEVICES", ",".join(gpus))
    found: dict[str, Any] = {
        "id": attempt.id,
        "dir": folder.path,
        "name": attempt.name,
        "tag": tag(attempt, index),
        "env": environ,
    }
    if argv is not None:
        found["argv"] = argv
    if container.get("workingDir"):
        found["cwd"] = container["workingDir"]
    if console:
        found["console"] = {"control": folder.control(attempt), "tty": bool(container.get("tty"))}
        if container.get("tty"):
            environ.setdefault("TERM", "xterm")
    if groups:
        found["cgroups"] = groups
    if links is not None and links.net is not None:
        found["net"] = links.net
    mounts = volumes.mounts(container, volume_paths, environ)
    if argv is not None and _wants_message_file(container, argv):
        os.makedirs(folder.path, exist_ok=True)
        os.close(os.open(message, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o666))
        mounts.append((message, container["terminationMessagePath"], False))
    if mounts:
        found["mounts"] = mounts
    return found


def _wants_message_file(container: Mapping[str, Any], argv: list[str]) -> bool:
    """Whether the container may write to its terminationMessagePath by name: it chose one, or its command names it.

    Others get no mount namespace only for a file that they never open (`WHERRY_TERMINATION_LOG` names it too).
    """
    path = container.get("terminationMessagePath") or DEFAULT_MESSAGE_PATH
    return path != DEFAULT_MESSAGE_PATH or any(path in word for word in argv)
