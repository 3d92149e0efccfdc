"""The database: group commits keep neighbours apart, migrations run once, foreign errors become ours."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from wherry.seams import SystemClock
from wherry.storage.database import Database, Tx, migrations
from wherry.storage.errors import ConstraintViolated, SchemaTooNew, StorageError


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Database]:
    database = Database.open(tmp_path / "wherry.db", clock=SystemClock())
    yield database
    database.close()


def put(name: str, value: str):
    def work(tx: Tx) -> str:
        tx.execute("INSERT INTO meta (name, value) VALUES (?, ?)", (name, value))
        return value

    return work


def names(tx: Tx) -> list[str]:
    return [name for (name,) in tx.execute("SELECT name FROM meta ORDER BY name").fetchall()]


def test_writes_of_one_turn_share_one_commit(db: Database) -> None:
    async def main() -> list[str]:
        results = await asyncio.gather(*(db.write(put(f"n{i}", str(i))) for i in range(20)))
        assert results == [str(i) for i in range(20)]
        return await db.read(names)

    assert len(asyncio.run(main())) == 20
    assert db.commits == 1


def test_a_failing_write_takes_nobody_with_it(db: Database) -> None:
    def broken(tx: Tx) -> None:
        tx.execute("INSERT INTO meta (name, value) VALUES ('lost', 'x')")
        raise ValueError("mine")

    async def main() -> None:
        good, bad, twice, also = await asyncio.gather(
            db.write(put("a", "1")),
            db.write(broken),
            db.write(put("a", "2")),
            db.write(put("b", "3")),
            return_exceptions=True,
        )
        assert (good, also) == ("1", "3")
        assert isinstance(bad, ValueError)
        assert isinstance(twice, ConstraintViolated)
        assert await db.read(names) == ["a", "b"]

    asyncio.run(main())


def test_a_failing_write_alone_is_rolled_back(db: Database) -> None:
    def broken(tx: Tx) -> None:
        tx.execute("INSERT INTO meta (name, value) VALUES ('lost', 'x')")
        tx.execute("SELECT no_such_column FROM meta")

    async def main() -> None:
        with pytest.raises(StorageError, match="no_such_column"):
            await db.write(broken)
        await db.write(put("kept", "1"))
        assert await db.read(names) == ["kept"]

    asyncio.run(main())


def test_a_cancelled_write_that_has_not_begun_does_not_happen(db: Database) -> None:
    async def main() -> None:
        task = asyncio.ensure_future(db.write(put("a", "1")))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await db.write(put("b", "1"))
        assert await db.read(names) in (["b"], ["a", "b"])

    asyncio.run(main())


def test_closing_commits_what_is_queued(tmp_path: Path) -> None:
    async def main() -> None:
        db = Database.open(tmp_path / "wherry.db", clock=SystemClock())
        pending = asyncio.ensure_future(db.write(put("a", "1")))
        await asyncio.sleep(0)
        db.close()
        assert await pending == "1"
        with pytest.raises(StorageError, match="closed"):
            await db.write(put("b", "1"))
        again = Database.open(tmp_path / "wherry.db", clock=SystemClock())
        assert await again.read(names) == ["a"]
        again.close()

    asyncio.run(main())


def test_migrations_are_numbered_without_gaps_and_recorded_once(tmp_path: Path) -> None:
    numbers = [number for number, _, _ in migrations()]
    assert numbers == list(range(1, len(numbers) + 1))
    for _ in range(2):
        db = Database.open(tmp_path / "wherry.db", clock=SystemClock())
        rows = asyncio.run(db.read(lambda tx: tx.execute("SELECT number, name FROM migration ORDER BY 1").fetchall()))
        db.close()
        assert rows == [(number, name) for number, name, _ in migrations()]


def test_a_newer_schema_is_refused_and_left_alone(tmp_path: Path) -> None:
    Database.open(tmp_path / "wherry.db", clock=SystemClock()).close()
    with sqlite3.connect(tmp_path / "wherry.db") as connection:
        connection.execute("INSERT INTO migration VALUES (9999, 'future', 'now')")
    connection.close()
    with pytest.raises(SchemaTooNew, match="9999"):
        Database.open(tmp_path / "wherry.db", clock=SystemClock())


@pytest.mark.parametrize("path", ["absent/wherry.db", "garbage.db"])
def test_what_is_no_database_is_a_clear_error(tmp_path: Path, path: str) -> None:
    (tmp_path / "garbage.db").write_bytes(b"not a database, but long enough to be read as one" * 50)
    with pytest.raises(StorageError, match=path):
        Database.open(tmp_path / path, clock=SystemClock())


def test_a_full_disk_fails_the_whole_commit_and_the_next_write_works(db: Database) -> None:
    async def main() -> None:
        (pages,) = await db.read(lambda tx: tx.execute("PRAGMA page_count").fetchone())
        await db.read(lambda tx: tx.execute(f"PRAGMA max_page_count = {pages + 1}").fetchall())
        results = await asyncio.gather(
            db.write(put("small", "1")), db.write(put("big", "x" * 100_000)), return_exceptions=True
        )
        assert any(isinstance(result, StorageError) for result in results)
        await db.read(lambda tx: tx.execute("PRAGMA max_page_count = 100000").fetchall())
        await db.write(put("after", "1"))
        kept = await db.read(names)
        assert "after" in kept
        assert "big" not in kept
        assert ("small" in kept) == (results[0] == "1")

    asyncio.run(main())
