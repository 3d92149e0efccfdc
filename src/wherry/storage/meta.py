"""Small facts about a database, kept once for ever: such as the identity of the home.

Called by the composition of the server.  Invariant: a fact that is there is never changed.
"""

from __future__ import annotations

from wherry.storage.database import Tx


def ensure(tx: Tx, name: str, value: str) -> str:
    """The fact `name`: what is there, else `value` from now on."""
    tx.execute("INSERT INTO meta (name, value) VALUES (?, ?) ON CONFLICT (name) DO NOTHING", (name, value))
    return tx.execute("SELECT value FROM meta WHERE name = ?", (name,)).fetchone()[0]
