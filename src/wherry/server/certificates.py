"""The certificate with which the server answers on the network: made when needed, renewed before it ends.

Called by `wherry.server.door`.  Invariant: what `ensure` returns is valid for at least a month and for all names; as
long as that holds nothing is made, and the library that makes certificates is not loaded.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from importlib import import_module
from typing import Any, NamedTuple

from wherry.errors import WherryError
from wherry.home import Home
from wherry.server import private

ISSUING = "wherry.server.issuing"  # the lazy entry: it loads `cryptography`
DAY_S = 86_400
RENEW_BEFORE_S = 30 * DAY_S


class Certificate(NamedTuple):
    """Files: the authority's own certificate (public), and the server's certificate with its key (private)."""

    authority: str
    server: str


def ensure(home: Home, names: Sequence[str], now: float) -> Certificate:
    """The certificate for `names` (DNS names and addresses) at the time `now`.  Raises `WherryError`."""
    found = Certificate(os.path.join(home.tls, "ca.pem"), os.path.join(home.tls, "server.pem"))
    record = os.path.join(home.tls, "server.json")
    if all(map(os.path.exists, found)) and _holds(_read(record), names, now):
        return found
    try:
        os.makedirs(home.tls, 0o700, exist_ok=True)
    except OSError as error:
        raise WherryError(f"{home.tls} cannot be made: {error.strerror}") from None
    until = import_module(ISSUING).issue(home.tls, found.authority, found.server, names, now)
    private.write(record, json.dumps({"names": list(names), "until": until}).encode())
    return found


def _holds(record: dict[str, Any], names: Sequence[str], now: float) -> bool:
    return set(names) <= set(record.get("names", ())) and now < record.get("until", 0) - RENEW_BEFORE_S


def _read(path: str) -> dict[str, Any]:
    try:
        with open(path, "rb") as file:
            return json.loads(file.read())
    except (OSError, ValueError):
        return {}
