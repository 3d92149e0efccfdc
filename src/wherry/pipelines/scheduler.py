"""Fires recurring runs when their times have come.

Made by `wherry.server.kfp`; the KFP API pokes it when a recurring run changes.  Invariants: a fire and its run
are one transaction, so that a crash before it leaves the fire to be done and one after it leaves nothing to do; what
went by while no server was there is caught up with, or passed over, as each recurring run says.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, NamedTuple, Protocol

import msgspec

from wherry.errors import WherryError
from wherry.pipelines import schedules
from wherry.pipelines.schedules import Schedule
from wherry.seams import Clock
from wherry.storage import records
from wherry.storage import schedules as table
from wherry.storage.database import Database, Tx
from wherry.storage.errors import StorageError
from wherry.storage.schedules import RecurringRow
from wherry.storage.tasks import Outpaced

LOOK_EVERY_S = 30.0
"""How often the clock is looked at when nothing is due: it may have been set."""
BUSY_S = 0.5
"""How often it is looked whether a run is over that holds others up."""


class Fire(NamedTuple):
    """One run that is to be made: for which time, which one of its recurring run, and what belongs to its
    transaction."""

    row: RecurringRow
    scheduled_at: float
    number: int
    within: Callable[[Tx], bool]


Spawn = Callable[[Coroutine[Any, Any, None]], object]


class Launch(Protocol):
    """Makes the run of a fire.  Raises WherryError, or Outpaced when `within` says False."""

    def __call__(self, fire: Fire, /) -> Awaitable[Any]: ...


class Scheduler:
    """All recurring runs of a database; `spawn` starts its task, whose owner ends it."""

    def __init__(self, db: Database, clock: Clock, launch: Launch, spawn: Spawn) -> None:
        self._db = db
        self._clock = clock
        self._launch = launch
        self._spawn = spawn
        self._changed = asyncio.Event()
        self._runs = False
        self.armed = False
        """Whether a recurring run is enabled: the server has to stay for it."""

    def poke(self) -> None:
        """Look at the schedules anew."""
        self.armed = True  # until the next look says otherwise
        self._changed.set()
        if not self._runs:
            self._runs = True
            self._spawn(self._run())

    async def step(self) -> float | None:
        """Fire all that is due; returns in how many seconds something may be due again, None when nothing is
        enabled."""
        rows = await self._db.read(table.enabled)
        self.armed = bool(rows)
        waits = [await self._attend(row) for row in rows]
        return min(waits) if waits else None

    async def _run(self) -> None:
        while True:
            self._changed.clear()
            try:
                wait_s = await self.step()
            except WherryError as error:  # the database: it is told, and tried again
                sys.stderr.write(f"wherry server: schedules: {error.message}\n")
                wait_s = LOOK_EVERY_S
            try:
                async with asyncio.timeout(None if wait_s is None else wait_s):
                    await self._changed.wait()
            except TimeoutError:
                pass

    async def _attend(self, row: RecurringRow) -> float:
        """Fire what is due of one recurring run; returns in how many seconds to look again."""
        schedule = msgspec.json.decode(row.schedule, type=Schedule)
        now = self._clock.time()
        going = await self._db.read(lambda tx: records.going(tx, row.id))
        room = row.max_concurrency - going
        due = schedules.due(schedule, row.fired_until, now, catch_up=bool(row.catch_up), room=room)
        for scheduled_at in due.times:
            before = row.fired_until
            row = row._replace(fires=row.fires + 1, fired_until=scheduled_at)
            await self._fire(row, before, scheduled_at)
        following = schedules.following(schedule, row.fired_until)
        if following is None:
            return LOOK_EVERY_S
        if following <= now:  # held up by those that are going
            return BUSY_S
        return min(following - now, LOOK_EVERY_S)

    async def _fire(self, row: RecurringRow, before: float, scheduled_at: float) -> None:
        def within(tx: Tx) -> bool:
            return table.fire(tx, row.id, before, scheduled_at, fires=1)

        try:
            await self._launch(Fire(row, scheduled_at, row.fires, within))
        except Outpaced:
            return
        except StorageError:
            raise  # the fire is still to be done
        except WherryError as error:
            message = str(error)

            def passed_over(tx: Tx) -> None:
                if within(tx):
                    table.fail(tx, row.id, message)

            await self._db.write(passed_over)
