"""The scheduler over a real database: a year in seconds, several servers at one table, crashes between fire and run."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from wherry.errors import UsageError
from wherry.pipelines.scheduler import BUSY_S, Fire, Scheduler
from wherry.pipelines.schedules import Schedule, following
from wherry.storage import documents, records, runs
from wherry.storage import schedules as table
from wherry.storage.database import Database, Tx
from wherry.storage.records import Origin
from wherry.storage.tasks import Outpaced
from wherry.testing.clock import ManualClock

START = 1_767_225_600.0  # 2026-01-01 in UTC


class Runs:
    """Makes the row of a run for each fire, as the service does; `broken` decides which fires fail, and how."""

    def __init__(self, db: Database) -> None:
        self.db = db
        self.broken: dict[int, BaseException] = {}

    async def launch(self, fire: Fire) -> None:
        failure = self.broken.pop(fire.number, None)
        if failure is not None:
            raise failure

        def work(tx: Tx) -> None:
            if not fire.within(tx):
                raise Outpaced("another")
            sha256, run_id = documents.put(tx, b"{}"), f"{fire.row.id}-{fire.scheduled_at:.0f}"
            row = runs.RunRow(
                0, run_id, "n", run_id, "p", "default", "PENDING", 0, sha256, "{}", "{}", "/r", None, None, START, None,
                None,
            )  # fmt: skip
            number = runs.insert(tx, row)
            records.describe(tx, number, Origin(recurring_run=fire.row.id, scheduled_at=fire.scheduled_at), START)

        await self.db.write(work)

    async def finish(self) -> None:
        sql = "UPDATE run SET state = 'SUCCEEDED', finished_at = created_at WHERE finished_at IS NULL"
        await self.db.write(lambda tx: tx.execute(sql))

    async def fired(self, id: str = "r") -> list[float]:
        sql = "SELECT scheduled_at FROM run WHERE recurring_run = ? ORDER BY number"
        return [time for (time,) in await self.db.read(lambda tx: tx.execute(sql, (id,)).fetchall())]


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(START)


@pytest.fixture
def db(tmp_path: Path, clock: ManualClock) -> Iterator[Database]:
    database = Database.open(tmp_path / "wherry.db", clock=clock)
    yield database
    database.close()


async def make(
    db: Database, schedule: Schedule, *, id: str = "r", concurrency: int = 10, catch_up: bool = True
) -> None:
    text = msgspec.json.encode(schedule).decode()
    row = table.RecurringRow(
        id, "n", "", "", "e", None, None, None, "{}", "", "", concurrency, int(catch_up), 1, text, 0, START, None,
        START, START,
    )  # fmt: skip
    await db.write(lambda tx: table.insert(tx, row))


def scheduler(db: Database, clock: ManualClock, made: Runs) -> Scheduler:
    return Scheduler(db, clock, made.launch, lambda work: work.close())


def test_a_year_of_hours_fires_each_once_whatever_happens_between(db: Database, clock: ManualClock) -> None:
    schedule = Schedule(cron="CRON_TZ=Europe/Berlin 0 0 * * * *")

    async def main() -> None:
        made = Runs(db)
        await make(db, schedule)
        while clock.time() < START + 365 * 86_400:
            clock.advance(7 * 3600.0)  # a server that is looked after poorly: seven hours between two looks
            await scheduler(db, clock, made).step()
            await made.finish()
        wanted: list[float] = []
        time = following(schedule, START)
        while time is not None and time <= clock.time():
            wanted.append(time)
            time = following(schedule, time)
        assert await made.fired() == wanted
        assert len(wanted) > 8700

    asyncio.run(main())


def test_two_servers_at_one_table_fire_nothing_twice(db: Database, clock: ManualClock) -> None:
    async def main() -> None:
        made = Runs(db)
        await make(db, Schedule(interval_s=60))
        one, two = scheduler(db, clock, made), scheduler(db, clock, made)
        for _ in range(50):
            clock.advance(130.0)
            await asyncio.gather(one.step(), two.step(), one.step())
            await made.finish()
        fired = await made.fired()
        assert fired == [START + 60 * (number + 1) for number in range(len(fired))]
        assert len(fired) == 50 * 130 // 60

    asyncio.run(main())


def test_at_most_max_concurrency_runs_go_at_once_and_the_rest_follow(db: Database, clock: ManualClock) -> None:
    async def main() -> None:
        made = Runs(db)
        await make(db, Schedule(interval_s=60), concurrency=2)
        clock.advance(300.0)
        assert await scheduler(db, clock, made).step() == BUSY_S
        assert len(await made.fired()) == 2
        await made.finish()
        await scheduler(db, clock, made).step()
        assert len(await made.fired()) == 4

    asyncio.run(main())


def test_without_catch_up_only_the_latest_missed_time_has_its_run(db: Database, clock: ManualClock) -> None:
    async def main() -> None:
        made = Runs(db)
        await make(db, Schedule(interval_s=60), catch_up=False)
        clock.advance(1000.0)
        await scheduler(db, clock, made).step()
        assert await made.fired() == [START + 960]

    asyncio.run(main())


def test_a_crash_before_the_commit_leaves_the_fire_to_be_done(db: Database, clock: ManualClock) -> None:
    class Crash(BaseException):
        pass

    async def main() -> None:
        made = Runs(db)
        await make(db, Schedule(interval_s=60))
        clock.advance(60.0)
        made.broken[1] = Crash()
        with pytest.raises(Crash):
            await scheduler(db, clock, made).step()
        assert await made.fired() == []
        await scheduler(db, clock, made).step()
        assert await made.fired() == [START + 60]

    asyncio.run(main())


def test_a_fire_that_can_make_no_run_says_so_and_holds_nothing_up(db: Database, clock: ManualClock) -> None:
    async def main() -> Any:
        made = Runs(db)
        await make(db, Schedule(interval_s=60))
        clock.advance(60.0)
        made.broken[1] = UsageError("the pipeline needs x")
        await scheduler(db, clock, made).step()
        row = await db.read(lambda tx: table.get(tx, "r"))
        assert row is not None
        assert (row.error, row.fired_until) == ("the pipeline needs x", START + 60)
        clock.advance(60.0)
        await scheduler(db, clock, made).step()
        assert await made.fired() == [START + 120]

    asyncio.run(main())


def test_what_is_disabled_does_not_fire_and_the_server_need_not_stay(db: Database, clock: ManualClock) -> None:
    async def main() -> None:
        made = Runs(db)
        await make(db, Schedule(interval_s=60))
        await db.write(lambda tx: table.disable(tx, "r", START))
        clock.advance(600.0)
        one = scheduler(db, clock, made)
        one.poke()
        assert one.armed
        assert await one.step() is None
        assert (one.armed, await made.fired()) == (False, [])

    asyncio.run(main())
