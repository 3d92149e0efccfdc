"""Starting the home's server, and telling why when it does not start.

Called by `wherry.client.api` when nobody listens in the home, and by the command line first of all, so that the server
starts while the flow is read.  Invariant: at most one server lives in a home (the server's own lock decides); the
started process is no child of ours, holds none of our descriptors but the pipe on which it reports, and survives this
process.
"""

from __future__ import annotations

import fcntl
import json
import os
import time
from typing import Any

from wherry._version import __version__
from wherry.client.spawn import spawn
from wherry.client.wire import Channel, Disconnected, NotThere, readable, unix
from wherry.errors import WherryError
from wherry.home import Home

START_LIMIT_S = 60.0  # a cold disk and a busy machine; a server that starts says so within a quarter of a second
LEAVE_LIMIT_S = 30.0
_LOG_TAIL = 2000  # bytes of the server's log that are shown when it died without a word


class DiedStarting(WherryError):
    """The server ended before it said whether it could start: it was killed, or it is broken."""


class Starting:
    """A server that was told to start; `wait` for it before the first request."""

    def __init__(self, home: Home, pid: int, pipe: int) -> None:
        self._home, self._pid, self._pipe = home, pid, pipe

    def wait(self) -> None:
        """Returns when the server answers requests.

        Raises `WherryError` with its reason when it cannot start, `DiedStarting` when it gave none.
        """
        if self._pipe < 0:
            return
        said = b""
        try:
            while not said.endswith(b"\n") and readable((self._pipe,), START_LIMIT_S):
                data = os.read(self._pipe, 65536)
                if not data:
                    break
                said += data
        finally:
            os.close(self._pipe)
            self._pipe = -1
            os.waitpid(self._pid, 0)  # the launcher: it left as soon as the server was on its own
        try:
            word: dict[str, Any] = json.loads(said)
        except ValueError:
            raise DiedStarting(
                f"the server for {self._home.path} did not start", hint=f"{self._home.log} ends with:\n{self._tail()}"
            ) from None
        if "error" in word:
            raise WherryError(word["error"]["message"], hint=word["error"].get("hint"))

    def _tail(self) -> str:
        try:
            with open(self._home.log, "rb") as file:
                file.seek(max(0, os.fstat(file.fileno()).st_size - _LOG_TAIL))
                return file.read().decode("utf-8", "replace").strip() or "(nothing)"
        except OSError as error:
            return f"(it cannot be read: {error.strerror})"


def ensure(home: Home) -> Starting | None:
    """Makes sure that a server of this version lives in `home`: None when it does, else one that is starting.

    A server of another version is asked to leave when it is idle; when it is not, that is a `WherryError` that says
    what to do.
    """
    record = read_record(home)
    channel = Channel(unix(home.socket))
    try:
        if record.get("version") not in (None, __version__):
            _replace(home, channel, record)
        else:
            unix(home.socket)().close()
            return None
    except NotThere:
        pass
    finally:
        channel.close()
    return Starting(home, *spawn(home))


def read_record(home: Home) -> dict[str, Any]:
    """What the home's last server wrote about itself; {} when there was none.  It may be gone since."""
    try:
        with open(home.record, "rb") as file:
            return json.loads(file.read())
    except (OSError, ValueError):
        return {}


def wait_until_left(home: Home, pid: int, limit_s: float = LEAVE_LIMIT_S) -> None:
    """Returns when the server `pid` has given the home up.  Raises `WherryError` when it has not within `limit_s`."""
    until = time.monotonic() + limit_s
    descriptor = os.open(home.lock, os.O_RDWR | os.O_CLOEXEC)
    try:
        while read_record(home).get("pid") == pid:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
                return
            except BlockingIOError:
                if time.monotonic() > until:
                    raise WherryError(f"server {pid} was told to stop and is still there", hint=f"kill {pid}") from None
            time.sleep(0.01)  # no wait of the kernel's ends both when it leaves and when another has come
    finally:
        os.close(descriptor)


def _replace(home: Home, channel: Channel, record: dict[str, Any]) -> None:
    """Has the server of another version leave, and returns when its socket is closed."""
    other = f"a server of wherry {record['version']} (pid {record.get('pid')}) has {home.path}; this is {__version__}"
    try:
        reply = channel.request("POST", "/v1/shutdown", b'{"only_idle": true}', timeout_s=10)
        reply.read(10)
        if reply.status == 409:
            raise WherryError(
                f"{other}, and it has runs going",
                hint="wait for them (wherry ls), or stop it with `wherry down`: the next command takes the runs up",
            )
        if reply.status != 200:
            raise WherryError(f"{other}, and it does not leave (HTTP {reply.status})", hint="stop it: wherry down")
    except Disconnected:
        pass  # it left at once
