"""The home on the server's side: is it fit, whose is it, and the record of who lives in it.

Called by `wherry.server.__main__` before anything heavy is imported.  Invariant: a process that holds the lock is the
only server of the home; the lock is the kernel's (flock) and goes with the process, so nothing has to be cleaned up
after a crash.
"""

from __future__ import annotations

import fcntl
import json
import os
import sys
import time
from collections.abc import Callable

from wherry._version import __version__
from wherry.errors import WherryError
from wherry.home import Home

MOUNTS = "/proc/self/mountinfo"
WAIT_FOR_OTHER_S = 45.0  # for a server that starts or leaves beside us
_NETWORK = frozenset({"9p", "afs", "beegfs", "ceph", "cifs", "gpfs", "lustre", "ncpfs", "nfs", "nfs4", "smb3", "smbfs"})
_NETWORK_PREFIXES = tuple(
    f"fuse.{name}"
    for name in ("sshfs", "gluster", "ceph", "s3", "gcsfuse", "rclone", "mfs", "juicefs", "blobfuse", "davfs", "cvmfs")
)


class Occupied(WherryError):
    """Another process holds the home's lock."""


def prepare(home: Home, mounts: str = MOUNTS) -> None:
    """Makes the home (0700) and checks that a database can live in it.  Raises `WherryError`."""
    try:
        os.makedirs(home.path, 0o700, exist_ok=True)
    except OSError as error:
        raise _unwritable(home, error) from None
    kind = filesystem(home.path, mounts)
    if kind in _NETWORK or kind.startswith(_NETWORK_PREFIXES):
        raise WherryError(
            f"the home {home.path} lies on a network file system ({kind}), where locks and SQLite cannot be trusted",
            hint="set WHERRY_HOME to a folder on a local disk; artifacts may lie anywhere (targets in wherry.toml)",
        )


def filesystem(path: str, mounts: str = MOUNTS) -> str:
    """The type of the file system that holds `path`, from the kernel's table of mounts; "" where there is none."""
    try:
        with open(mounts, "rb") as file:
            table = file.read()
    except OSError:
        return ""
    best, kind = -1, ""
    inside = os.fsencode(os.path.realpath(path)) + b"/"
    for line in table.splitlines():
        # 36 35 98:0 /root /mount/point options [optional fields] - type source options   (proc(5))
        left, dash, right = line.partition(b" - ")
        fields = left.split(b" ")
        if not dash or len(fields) < 5:
            continue
        point = fields[4].replace(b"\\040", b" ").rstrip(b"/") + b"/"
        if inside.startswith(point) and len(point) >= best:  # of equal ones, the later is mounted over the earlier
            best, kind = len(point), right.split(b" ")[0].decode("ascii", "replace")
    return kind


def lock(home: Home) -> int:
    """Takes the home's lock; the descriptor holds it until it is closed or the process ends.  Raises `Occupied`."""
    try:
        descriptor = os.open(home.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise _unwritable(home, error) from None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise Occupied(f"another server has {home.path}", hint="wherry status shows it, wherry down stops it") from None
    except OSError as error:
        os.close(descriptor)
        raise WherryError(f"the home {home.path} cannot be locked: {error.strerror}") from None
    return descriptor


def lock_or_join(home: Home, answers: Callable[[], bool], limit_s: float = WAIT_FOR_OTHER_S) -> int | None:
    """Takes the lock, or returns None when the server that holds it `answers`; waits while it starts or leaves."""
    until = time.monotonic() + limit_s
    while True:
        try:
            return lock(home)
        except Occupied as occupied:
            if answers():
                return None
            if time.monotonic() > until:
                raise WherryError(f"{occupied.message}, and it does not answer", hint=occupied.hint) from None
        time.sleep(0.01)  # the kernel has no waiting for "locked or answering", whichever comes first


def write_record(home: Home, addresses: list[str]) -> None:
    """Says who lives here: pid, start time (ticks since boot, "" where the system has none), version, addresses."""
    record = {
        "pid": os.getpid(),
        "started": _started(),
        "version": __version__,
        "addresses": addresses,
        "python": sys.executable,
    }
    fresh = f"{home.record}.{os.getpid()}"
    with open(fresh, "w", encoding="utf-8") as file:
        json.dump(record, file)
    os.replace(fresh, home.record)


def _started() -> str:
    try:
        with open("/proc/self/stat", "rb") as file:
            return file.read().rpartition(b")")[2].split()[19].decode()
    except OSError:
        return ""


def _unwritable(home: Home, error: OSError) -> WherryError:
    return WherryError(
        f"the home {home.path} cannot be written: {error.strerror}", hint="set WHERRY_HOME to a folder of yours"
    )
