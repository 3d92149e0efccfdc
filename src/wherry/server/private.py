"""Files of the home that nobody else may read: the token, and the keys of its certificates.

Called by `wherry.server.door` and `wherry.server.issuing`.  Invariant: a file is there whole or not at all, is never
readable by others, not even for a moment, and what others could read is not used.
"""

from __future__ import annotations

import hmac
import os
import secrets

from wherry.errors import WherryError
from wherry.home import Home

TOKEN_BYTES = 32


def token(home: Home) -> str:
    """The token that requests over the network bring; made when there is none.  Raises `WherryError`."""
    try:
        descriptor = os.open(home.token, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        fresh = secrets.token_urlsafe(TOKEN_BYTES)
        write(home.token, f"{fresh}\n".encode())
        return fresh
    except OSError as error:
        raise WherryError(f"the token {home.token} cannot be read: {error.strerror or error}") from None
    with open(descriptor, "rb") as file:
        exposed = os.fstat(file.fileno()).st_mode & 0o077
        found = file.read(4096).decode("ascii", "replace").strip()
    if exposed:
        raise WherryError(
            f"others than you may read the token {home.token}", hint="delete it: the next start makes another"
        )
    if len(found) < TOKEN_BYTES or not found.isprintable() or " " in found or not found.isascii():
        raise WherryError(
            f"{home.token} holds no token of at least {TOKEN_BYTES} characters",
            hint="delete it: the next start makes one",
        )
    return found


def is_token(home: Home, text: str) -> bool:
    """Whether this is the home's token; a home that has none makes none."""
    return os.path.exists(home.token) and hmac.compare_digest(text.encode(), token(home).encode())


def write(path: str, data: bytes, mode: int = 0o600) -> None:
    """Puts a file there whole, over what was there.  Raises `WherryError`."""
    fresh = f"{path}.{os.getpid()}.part"
    try:
        if os.path.lexists(fresh):
            os.unlink(fresh)  # of a process with our number, that was killed
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with open(descriptor, "wb") as file:
            file.write(data)
            os.fchmod(file.fileno(), mode)
        os.replace(fresh, path)
    except OSError as error:
        raise WherryError(f"{path} cannot be written: {error.strerror or error}") from None
