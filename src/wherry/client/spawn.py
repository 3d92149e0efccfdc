"""Starting the process of a home's server: nothing but that, before anything else is loaded.

Called by the command line first of all (`wherry.cli.begin`) and by `wherry.client.launch`.  Invariant: the process
holds none of our descriptors but the pipe on which it reports, leaves our session, and is no child of ours for long.
"""

from __future__ import annotations

import os
import sys

from wherry.errors import WherryError
from wherry.home import Home

_LOG_LIMIT = 8 << 20  # bytes; beyond it the next server begins a new log and keeps this one as server.log.1


def spawn(home: Home) -> tuple[int, int]:
    """Starts a server for `home`; returns the pid of its launcher, to be waited for, and the pipe on which it reports.

    Raises `WherryError` when the home cannot be written.
    """
    try:
        os.makedirs(home.path, 0o700, exist_ok=True)
        _turn_over(home.log)
        log = os.open(home.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    except OSError as error:
        raise WherryError(
            f"the home {home.path} cannot be written: {error.strerror}", hint="set WHERRY_HOME to a folder of yours"
        ) from None
    reader, writer = os.pipe()
    command = [sys.executable, "-P", "-m", "wherry.server", "--home", home.path, "--ready-fd", "3"]
    actions = [
        (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
        (os.POSIX_SPAWN_DUP2, log, 1),
        (os.POSIX_SPAWN_DUP2, log, 2),
        (os.POSIX_SPAWN_DUP2, writer, 3),
    ]
    if writer == 3:
        os.set_inheritable(writer, True)  # the copy is no copy then, and keeps its flag
    try:
        pid = os.posix_spawn(sys.executable, command, os.environ, file_actions=actions, setsid=True)
    except OSError as error:
        os.close(reader)
        raise WherryError(f"{sys.executable} cannot be started: {error.strerror}") from None
    finally:
        os.close(writer)
        os.close(log)
    return pid, reader


def _turn_over(path: str) -> None:
    try:
        if os.stat(path).st_size > _LOG_LIMIT:
            os.replace(path, f"{path}.1")
    except FileNotFoundError:
        pass
