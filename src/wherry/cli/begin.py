"""The first thing that `wherry run` does: have the home's server start, if it is not there.

Called by `wherry.cli.main` before click is loaded, so that server and client start side by side.  Invariant: an error
is kept for the command, which reports it like any other.
"""

from __future__ import annotations

from typing import NamedTuple

from wherry.client.api import Client
from wherry.errors import WherryError


class Begun(NamedTuple):
    """A client whose server is there or starting, or why it cannot be."""

    client: Client | None
    error: WherryError | None

    def get(self) -> Client:
        """The client; raises the error."""
        if self.error is not None:
            raise self.error
        assert self.client is not None
        return self.client


def begin() -> Begun:
    """Begins; never raises a `WherryError`."""
    try:
        client = Client()
        client.prepare()
        return Begun(client, None)
    except WherryError as error:
        return Begun(None, error)
