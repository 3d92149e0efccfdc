"""The document table: pipeline documents by content, for runs, versions and recurring runs.

Called by the repositories whose rows have documents.  Invariant: a document is there as long as a row refers to it,
and goes with the last one.
"""

from __future__ import annotations

import hashlib

from wherry.storage.database import Tx


def put(tx: Tx, body: bytes) -> str:
    """Keep the document's bytes and return their SHA-256."""
    sha256 = hashlib.sha256(body).hexdigest()
    tx.execute("INSERT INTO document (sha256, body) VALUES (?, ?) ON CONFLICT (sha256) DO NOTHING", (sha256, body))
    return sha256


def get(tx: Tx, sha256: str) -> bytes:
    """The bytes of a document that a row refers to."""
    return bytes(tx.execute("SELECT body FROM document WHERE sha256 = ?", (sha256,)).fetchone()[0])


def drop(tx: Tx, sha256: str) -> None:
    """Delete a document when no row refers to it any more."""
    tx.execute(
        "DELETE FROM document WHERE sha256 = ? AND NOT EXISTS (SELECT 1 FROM run WHERE document = ?)"
        " AND NOT EXISTS (SELECT 1 FROM pipeline_version WHERE document = ?)"
        " AND NOT EXISTS (SELECT 1 FROM recurring_run WHERE document = ?)",
        (sha256, sha256, sha256, sha256),
    )
