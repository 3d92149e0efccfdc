"""The database of a home: SQLite in the event loop's own thread, one writer, group commits.

Called by every repository above (`storage.*`, the embedded Kubernetes store).  Invariant: every change happens inside
`write`, in one serialised transaction; a writer whose work raises leaves nothing behind, and its neighbours in the same
commit are untouched.
"""

from __future__ import annotations

import asyncio
import sqlite3
import types
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any, Literal, Protocol, TypeVar, cast

from wherry.errors import WherryError
from wherry.seams import Clock, iso
from wherry.storage.errors import ConstraintViolated, SchemaTooNew, StorageError

T = TypeVar("T")

Parameters = Sequence[Any] | Mapping[str, Any]
Durability = Literal["process", "power"]

MIGRATIONS = Path(__file__).parent / "migrations"
# "process": a commit outlives the death of any process; power loss may cost the last commits, never the integrity.
# "power": a commit is on the disk when `write` returns.
SYNCHRONOUS: dict[Durability, str] = {"process": "NORMAL", "power": "FULL"}


class Rows(Protocol):
    """What a statement answers: rows as tuples, and how many rows a change touched."""

    @property
    def rowcount(self) -> int: ...
    @property
    def lastrowid(self) -> int | None: ...
    def fetchone(self) -> Any: ...
    def fetchall(self) -> list[Any]: ...


class Tx(Protocol):
    """One open transaction; usable only inside the work that received it."""

    def execute(self, sql: str, parameters: Parameters = ..., /) -> Rows: ...
    def executemany(self, sql: str, parameters: Iterable[Parameters], /) -> Rows: ...


class _Write:
    """One caller's work on its way: what is to be done, and what came of it."""

    __slots__ = ("committed", "failure", "value", "work")

    def __init__(self, work: Callable[[Tx], Any], committed: Callable[[Any], object] | None) -> None:
        self.work = work
        self.committed = committed
        self.value: Any = None
        self.failure: BaseException | None = None


@types.coroutine
def _turn() -> Generator[None, None, None]:
    """Returns in the next turn of the loop, after everything that is already waiting for it."""
    yield


class Database:
    """One database; all calls from the thread of its event loop.

    A cancelled `write` may or may not have happened, as after a crash: callers repeat it with guarded statements.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._queue: list[_Write] = []
        self._closed = False
        self.commits = 0

    @classmethod
    def open(cls, path: str | PathLike[str], *, clock: Clock, durability: Durability = "process") -> Database:
        """Open or create the database at `path` and bring its schema up to date.

        Raises `SchemaTooNew` for a database of a newer wherry, `StorageError` for one that cannot be used.
        """
        try:
            connection = sqlite3.connect(path, timeout=10.0, isolation_level=None, cached_statements=512)
            try:
                connection.execute("PRAGMA journal_mode = WAL")
                connection.execute(f"PRAGMA synchronous = {SYNCHRONOUS[durability]}")
                connection.execute("PRAGMA foreign_keys = ON")
                connection.execute("PRAGMA wal_autocheckpoint = 4000")
                migrate(connection, clock)
            except BaseException:
                connection.close()
                raise
        except sqlite3.Error as error:
            raise StorageError(
                f"the database {path} cannot be opened: {error}",
                hint="The folder must exist, be writable and lie on a local disk.",
            ) from error
        return cls(connection)

    async def write(self, work: Callable[[Tx], T], *, committed: Callable[[T], object] | None = None) -> T:
        """Run `work` in a transaction and return its result after the commit; writes of one loop turn share a commit.

        `committed` is called with the result right after the commit, in commit order, even if the caller was cancelled
        meanwhile; it must not raise.  What readers are told of a change belongs there.
        Raises what `work` raised (then nothing of it is kept), `ConstraintViolated`, or `StorageError`.
        """
        if self._closed:
            raise StorageError("the database is closed")
        entry = _Write(work, committed)
        if not self._queue:
            asyncio.get_running_loop().call_soon(self._flush)
        self._queue.append(entry)
        # The flush stands in the loop's queue before us: when our turn comes it has been. A future would cost one more.
        await _turn()
        if entry.failure is not None:
            raise entry.failure
        return entry.value

    async def read(self, work: Callable[[Tx], T]) -> T:
        """Run `work`, which only reads, on a consistent state and return its result (values, not open cursors)."""
        return self.look(work)

    def look(self, work: Callable[[Tx], T]) -> T:
        """As `read`, for who cannot wait; inside a work it sees what that has done so far."""
        try:
            return work(self._tx)
        except sqlite3.Error as error:
            raise _ours(error) from error

    def close(self) -> None:
        """Commit what is queued and close; called inside the running loop or after it has ended."""
        if not self._closed:
            self._flush()
            self._closed = True
            self._connection.close()

    @property
    def _tx(self) -> Tx:
        return cast("Tx", self._connection)

    def _flush(self) -> None:
        batch, self._queue = self._queue, []
        if not batch:
            return
        alone = len(batch) == 1
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            results = [self._one(entry.work, alone=alone) for entry in batch]
            if self._connection.in_transaction:
                self._connection.execute("COMMIT")
            self.commits += 1
        except sqlite3.Error as error:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            results = [(None, _ours(error))] * len(batch)
        for entry, (value, failure) in zip(batch, results, strict=True):
            entry.value, entry.failure = value, failure
            if failure is None and entry.committed is not None:
                entry.committed(value)

    def _one(self, work: Callable[[Tx], Any], *, alone: bool) -> tuple[Any, BaseException | None]:
        """Run one work in its savepoint; its failure is its caller's, a failure of the whole transaction raises."""
        connection = self._connection
        if not alone:
            connection.execute("SAVEPOINT one")
        try:
            value = work(self._tx)
        except Exception as error:  # the boundary: what the work raised is handed to who asked for it
            if alone:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
            elif not connection.in_transaction:  # SQLite itself has rolled everything back (full disk, I/O error)
                raise sqlite3.OperationalError(str(error)) from error
            else:
                connection.execute("ROLLBACK TO one")
                connection.execute("RELEASE one")
            return None, _ours(error) if isinstance(error, sqlite3.Error) else error
        if not alone:
            connection.execute("RELEASE one")
        return value, None


def allowed_sql(column: str, parameter: str, pairs: Iterable[tuple[str, str]]) -> str:
    """The guard of a transition: that `column` may become `parameter`, by the pairs of a table."""
    return " OR ".join(f"({column} = '{old}' AND {parameter} = '{new}')" for old, new in sorted(pairs))


def _ours(error: sqlite3.Error) -> WherryError:
    if isinstance(error, sqlite3.IntegrityError):
        return ConstraintViolated(f"the database refused a write: {error}")
    return StorageError(f"the database failed: {error}")


def migrations(folder: Path = MIGRATIONS) -> list[tuple[int, str, str]]:
    """All migrations as (number, name, SQL text), by number; the file names are `NNNN_name.sql`."""
    found = [
        (int(path.name[:4]), path.stem[5:], path.read_text(encoding="utf-8")) for path in folder.glob("[0-9]*.sql")
    ]
    return sorted(found)


def migrate(connection: sqlite3.Connection, clock: Clock, folder: Path = MIGRATIONS) -> None:
    """Apply what is missing, all of it in one transaction, under the write lock; raises `SchemaTooNew`."""
    steps = migrations(folder)
    if _version(connection) == steps[-1][0]:
        return
    connection.execute("BEGIN IMMEDIATE")
    try:
        version = _version(connection)
        if version > steps[-1][0]:
            raise SchemaTooNew(
                f"the database has schema {version}, written by a newer wherry; this one knows up to {steps[-1][0]}",
                hint="Install the newer wherry, or use another home (WHERRY_HOME).",
            )
        for number, name, text in steps:
            if number > version:
                for statement in _statements(text):
                    connection.execute(statement)
                connection.execute(
                    "INSERT INTO migration (number, name, applied_at) VALUES (?, ?, ?)",
                    (number, name, iso(clock.time())),
                )
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _version(connection: sqlite3.Connection) -> int:
    known = connection.execute("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'migration'").fetchone()
    if known is None:
        return 0
    row: tuple[int | None] = connection.execute("SELECT max(number) FROM migration").fetchone()
    return row[0] or 0


def _statements(text: str) -> Iterable[str]:
    statement = ""
    for line in text.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""
