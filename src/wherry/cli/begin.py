"""The first thing that `wherry run` does: have the home's server start, if it is not there.

Called by `wherry.cli.main` before click is loaded, so that server and client start side by side.  Invariant: an error
is kept for the command, which reports it like any other.
"""

from __future__ import annotations

import os
from importlib import import_module

from wherry import home as homes
from wherry.client.spawn import spawn
from wherry.errors import WherryError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from wherry.client.api import Client

API = "wherry.client.api"  # the lazy entry: loaded while a new server starts


class Begun:
    """A client whose server is there or starting, or why it cannot be."""

    def __init__(self, client: Client | None, error: WherryError | None) -> None:
        self._client, self._error = client, error

    def get(self) -> Client:
        """The client; raises the error."""
        if self._error is not None:
            raise self._error
        assert self._client is not None
        return self._client


def begin() -> Begun:
    """Begins; never raises a `WherryError`."""
    try:
        home = homes.of(os.environ)
        started = None if os.path.lexists(home.socket) else spawn(home)
        client: Client = import_module(API).Client()
        client.prepare(started)
        return Begun(client, None)
    except WherryError as error:
        return Begun(None, error)
