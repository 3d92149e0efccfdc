"""The server's door to the network: an address that it listens at, its certificate, and the guard before the app.

Made by `wherry up` before it takes the home, so that a port which is taken costs nothing; secured and run by
`wherry.server.life`.  Invariants: token and certificate are made under the home's lock; everything that
leaves the machine is TLS, for public Kubernetes clients send no token without it; connections that stay on it may be
plain (`welcome`); only loopback is listened at without a token.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import ssl
import sys
from typing import Any, Literal, NamedTuple

from wherry.errors import UsageError, WherryError
from wherry.home import Home
from wherry.seams import Clock
from wherry.server import certificates, private
from wherry.server.guard import Application, Guard, is_address

LOOPBACK = ("localhost", "127.0.0.1", "::1")
LOOK_EVERY_S = 43_200.0  # whether the certificate has to be renewed
BACKLOG = 512
_WILDCARDS = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # and where their own machine reaches them


class Listening(NamedTuple):
    """What `wherry up` was asked for; `names` are more names (and addresses) by which the server is called."""

    host: str
    port: int
    auth: Literal["token", "none"]
    names: tuple[str, ...] = ()


class Door:
    """A socket that listens, and what stands behind it.  `close` it when it is not served."""

    def __init__(self, home: Home, listening: Listening, clock: Clock) -> None:
        """Listens.  Raises `UsageError` for what is not taken, `WherryError` for what cannot be done."""
        self._home, self._clock = home, clock
        self.auth = listening.auth
        family, place = _resolved(listening)
        self._names = _names(listening, place[0])
        self._token: str | None = None
        self.certificate = certificates.Certificate("", "")
        self.listener = _listen(family, place, listening)
        self.port: int = self.listener.getsockname()[1]
        host = _WILDCARDS.get(place[0], listening.host)
        self.address = f"https://{f'[{host}]' if ':' in host else host}:{self.port}"

    def secure(self) -> None:
        """Makes the token and the certificate where they are not there.  The caller holds the home's lock."""
        if self.auth == "token":
            self._token = private.token(self._home)
        self.certificate = self._certificate()

    def guarded(self, app: Application) -> Application:
        """The app behind the guard."""
        return Guard(app, token=self._token, names=self._names, clock=self._clock)

    async def renew(self, context: ssl.SSLContext) -> None:
        """Has `context` answer with a new certificate before the old one ends, for ever."""
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            try:
                self.certificate = await asyncio.to_thread(self._certificate)
            except WherryError as error:  # a month is left to mend it
                sys.stderr.write(f"wherry server: the certificate is not renewed: {error}\n")
            else:
                context.load_cert_chain(self.certificate.server)

    def _certificate(self) -> certificates.Certificate:
        return certificates.ensure(self._home, self._names, self._clock.time())

    def close(self) -> None:
        """Listens no longer."""
        self.listener.close()


def _resolved(listening: Listening) -> tuple[int, tuple[Any, ...]]:
    """The family and the address to bind."""
    host = listening.host
    try:
        found = socket.getaddrinfo(host, listening.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError) as error:
        why = getattr(error, "strerror", None) or error
        raise UsageError(f"--host {host} is no address of this machine: {why}", hint="--host 127.0.0.1") from None
    found.sort(key=lambda each: each[0] != socket.AF_INET)  # localhost may be both: 127.0.0.1 is what everybody tries
    family, _, _, _, place = found[0]
    if listening.auth == "none" and not ipaddress.ip_address(str(place[0]).partition("%")[0]).is_loopback:
        raise UsageError(
            f"--auth none is for this machine alone, and --host {host} is reached from others",
            hint="leave --auth none out, or --host",
        )
    return family, place


def _names(listening: Listening, bound: str) -> list[str]:
    """All names by which the server is called: the ones of loopback, of the machine where that is bound, and given."""
    names = [*LOOPBACK]
    if bound in _WILDCARDS:
        names.append(socket.gethostname().lower())
    else:
        names += [listening.host.lower(), bound.partition("%")[0]]
    for name in listening.names:
        if not is_address(name) and not _is_dns(name):
            raise UsageError(f"--name {name} is neither a host name nor an address")
        names.append(name.lower())
    return list(dict.fromkeys(name for name in names if is_address(name) or _is_dns(name)))


def _is_dns(name: str) -> bool:
    labels = name.removesuffix(".").split(".")
    return (
        name.isascii()
        and len(name) <= 253
        and all(0 < len(label) <= 63 and label.replace("-", "").replace("_", "").isalnum() for label in labels)
    )


def _listen(family: int, place: tuple[Any, ...], listening: Listening) -> socket.socket:
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(place)
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        raise WherryError(
            f"{listening.host} port {listening.port} cannot be listened at: {error.strerror or error}",
            hint="choose another one with --port; --port 0 takes any that is free",
        ) from None
    return listener
