"""What storage can answer besides data: errors of the database and of artifact stores.

Called from `wherry.storage` and caught above it.  Invariant: no `sqlite3` error or `OSError` leaves the storage package
for a reason that a caller could foresee; it leaves as one of these.
"""

from __future__ import annotations

from wherry.errors import WherryError


class StorageError(WherryError):
    """The database or the artifact store could not do what was asked (full disk, unreadable file, broken database)."""


class ConstraintViolated(StorageError):
    """A constraint of the schema refused the write: an invariant would have been broken."""


class SchemaTooNew(StorageError):
    """The database was written by a newer wherry."""


class ArtifactExists(StorageError):
    """A create-only write found something at its place."""


class ArtifactMissing(StorageError):
    """Nothing lies at this uri."""


class UriRefused(StorageError):
    """The uri lies outside the store, or tries to leave it."""


class AccessRefused(StorageError):
    """The object store does not let the server's credentials do that."""


class GrantRefused(StorageError):
    """The object store's provider gives no short-lived credentials for a task; the hint says what it lacks."""
