"""Where the home is and what lies in it.

Used by whoever starts, serves or asks the home's server.  The first thing that a command loads, so it loads nothing
itself.
"""

from __future__ import annotations

import os
from importlib import import_module

from wherry.errors import WherryError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

SOCKET_PATH_LIMIT = 100  # bytes; sun_path holds 104 on macOS and 108 on Linux, with the final zero


class Home:
    """The folder with one server's whole state, and the names of what lies in it; `path` is absolute."""

    __slots__ = ("path",)

    def __init__(self, path: str) -> None:
        self.path = path

    @property
    def lock(self) -> str:
        """Locked (flock) by the server for as long as it lives."""
        return os.path.join(self.path, "server.lock")

    @property
    def record(self) -> str:
        """JSON `{pid, started, version, addresses}` of the server that holds the lock."""
        return os.path.join(self.path, "server.json")

    @property
    def log(self) -> str:
        """Standard output and error of the server."""
        return os.path.join(self.path, "server.log")

    @property
    def token(self) -> str:
        """What requests over the network must bring; private."""
        return os.path.join(self.path, "token")

    @property
    def tls(self) -> str:
        """The folder of the certificate authority and of the server's certificate; the keys are private."""
        return os.path.join(self.path, "tls")

    @property
    def database(self) -> str:
        """The SQLite file."""
        return os.path.join(self.path, "wherry.db")

    @property
    def artifacts(self) -> str:
        """The artifact store of runs that name no other."""
        return os.path.join(self.path, "artifacts")

    @property
    def socket(self) -> str:
        """The server's unix socket.  A home too deep for the kernel's limit has it in a private folder of its own."""
        plain = os.path.join(self.path, "server.sock")
        if len(os.fsencode(plain)) <= SOCKET_PATH_LIMIT:
            return plain
        return os.path.join(short_folder(), f"{_fingerprint(self.path)}.sock")


def of(environ: Mapping[str, str]) -> Home:
    """`$WHERRY_HOME`, else `~/.wherry`; always absolute."""
    given = environ.get("WHERRY_HOME") or os.path.join(os.path.expanduser("~"), ".wherry")
    return Home(os.path.realpath(os.path.expanduser(given)))


def short_folder() -> str:
    """A private folder (0700, ours) with a short name, for sockets whose own folder is too deep."""
    base = os.environ.get("XDG_RUNTIME_DIR") or "/tmp"
    folder = os.path.join(base, f"wherry-{os.getuid()}")
    try:
        os.mkdir(folder, 0o700)
    except FileExistsError:
        pass
    except OSError as error:
        raise WherryError(f"{folder} for the server's socket cannot be made: {error.strerror}") from None
    facts = os.lstat(folder)
    if facts.st_uid != os.getuid() or facts.st_mode & 0o170077 != 0o040000:
        raise WherryError(
            f"{folder} is not a private folder of this user", hint="remove it, or set WHERRY_HOME to a shorter path"
        )
    return folder


def _fingerprint(text: str) -> str:
    return import_module("hashlib").sha256(os.fsencode(text)).hexdigest()[:24]
