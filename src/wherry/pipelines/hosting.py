"""Keeps a driver on every site: the home's own from the start, those of targets from their first run on.

Owned by `wherry.pipelines.service.Pipelines`.  Invariant: a target that cannot be reached stops no other one: its runs
wait, are told why, and go on as soon as it can be.
"""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import Callable, Iterator
from typing import Any, Self, cast

import msgspec

from wherry.errors import WherryError
from wherry.pipelines.driver import Driver
from wherry.pipelines.flights import LiveRun
from wherry.pipelines.ledger import Batch
from wherry.pipelines.recovery import options_of
from wherry.pipelines.targets import Site, Target, Targets
from wherry.seams import Clock
from wherry.storage import runs
from wherry.storage.database import Database

PATIENCE_S = 30.0
"""At most so long between two tries to reach a target."""
Drive = Callable[[Target | None, Site], Driver]


class TargetUnusable(WherryError):
    """A target cannot be reached, or not with these credentials."""


class _Hosted(msgspec.Struct, eq=False):
    """A target in use: its site while that is open, its driver while that runs, else what is the trouble."""

    target: Target
    site: Site | None = None
    driver: Driver | None = None
    trouble: WherryError | None = None
    waiting: list[int] = []
    """The numbers of runs that wait for the target."""
    changed: asyncio.Event = msgspec.field(default_factory=asyncio.Event)

    def tell(self) -> None:
        """Wake everyone who waits for the target."""
        self.changed.set()
        self.changed = asyncio.Event()


class Hosting:
    """The drivers of one server.  `async with`: entering takes up the runs that were going, wherever they are."""

    def __init__(
        self, db: Database, home: Site, targets: Targets | None, drive: Drive, *, clock: Clock, pause_s: float
    ) -> None:
        self._db = db
        self._home = home
        self._targets = targets
        self._drive = drive
        self._clock = clock
        self._pause_s = pause_s
        self._hosted: dict[Target, _Hosted] = {}
        self._leaving = asyncio.Event()
        self.driver = drive(None, home)
        """That of the home itself."""

    async def __aenter__(self) -> Self:
        await self.driver.__aenter__()
        try:
            targets = await self._unfinished()
            self._group = await asyncio.TaskGroup().__aenter__()
        except BaseException as error:
            await self.driver.__aexit__(type(error), error, error.__traceback__)
            raise
        for target in targets:
            self._host(target)
        return self

    async def __aexit__(self, *raised: Any) -> None:
        self._leaving.set()
        for hosted in self._hosted.values():
            hosted.tell()
        try:
            await self._group.__aexit__(None, None, None)
        finally:
            await self.driver.__aexit__(*raised)

    @property
    def active(self) -> int:
        """How many runs are not over."""
        waiting = sum(len(hosted.waiting) for hosted in self._hosted.values())
        return waiting + sum(len(driver.lives) for driver in self._drivers())

    @property
    def busy(self) -> bool:
        """Whether a run is live or waits for its target, or something is still being cleared away."""
        return any(hosted.waiting for hosted in self._hosted.values()) or any(d.busy for d in self._drivers())

    def settled(self, target: Target) -> Target:
        """The target as it is to be stored.  Raises UsageError."""
        if self._targets is None:
            raise WherryError("this server has no way to clusters")
        return self._targets.settled(target)

    def live(self, run_id: str) -> tuple[Driver, LiveRun] | None:
        """A run that is being driven, and its driver."""
        for driver in self._drivers():
            live = driver.lives.get(run_id)
            if live is not None:
                return driver, live
        return None

    def live_ids(self) -> set[str]:
        """The ids of all runs that are being driven."""
        return {run_id for driver in self._drivers() for run_id in driver.lives}

    def trouble(self, target: Target | None) -> WherryError | None:
        """Why the runs of a target wait, if they do."""
        hosted = self._hosted.get(target) if target is not None else None
        return hosted.trouble if hosted is not None else None

    async def driver_of(self, target: Target | None) -> Driver:
        """The driver of a target, which is opened if need be.  Raises what keeps it from being used."""
        if target is None:
            return self.driver
        hosted = self._host(target)
        while hosted.driver is None:
            await self._news(hosted)
        return hosted.driver

    async def site_of(self, target: Target | None) -> Site:
        """The site of a target, which may not be reachable.  Raises what keeps it from being opened."""
        if target is None:
            return self._home
        hosted = self._host(target)
        while hosted.site is None:
            await self._news(hosted)
        return hosted.site

    async def _news(self, hosted: _Hosted) -> None:
        if hosted.trouble is None and not self._leaving.is_set():
            await hosted.changed.wait()
        if hosted.trouble is not None:
            raise hosted.trouble
        if self._leaving.is_set():
            raise WherryError("the server is leaving", hint="Try again in a moment.")

    def _drivers(self) -> Iterator[Driver]:
        yield self.driver
        yield from (hosted.driver for hosted in self._hosted.values() if hosted.driver is not None)

    def _host(self, target: Target) -> _Hosted:
        hosted = self._hosted.get(target)
        if hosted is None:
            hosted = self._hosted[target] = _Hosted(target)
            self._group.create_task(self._keep(hosted))
        return hosted

    async def _keep(self, hosted: _Hosted) -> None:
        """Drives the target until the server leaves; comes again after every trouble while runs wait for it."""
        tries = 0
        while not self._leaving.is_set():
            try:
                await self._drive_it(hosted)
            except Exception as error:  # noqa: BLE001 - the boundary of a target: no other one falls with it
                trouble = _explained(hosted.target, error)
            else:
                return
            worked = hosted.driver is not None
            hosted.site, hosted.driver, hosted.trouble = None, None, trouble
            await self._tell_those_who_wait(hosted, trouble)
            hosted.tell()
            if not hosted.waiting:
                del self._hosted[hosted.target]
                return
            tries = 0 if worked else tries + 1
            try:
                async with asyncio.timeout(min(self._pause_s * 2**tries, PATIENCE_S)):
                    await self._leaving.wait()
            except TimeoutError:
                continue

    async def _drive_it(self, hosted: _Hosted) -> None:
        assert self._targets is not None
        async with self._targets.open(hosted.target) as site:
            hosted.site = site
            hosted.tell()
            async with self._drive(hosted.target, site) as driver:
                hosted.driver, hosted.trouble, hosted.waiting = driver, None, []
                hosted.tell()
                await self._leaving.wait()
        hosted.driver = None

    async def _tell_those_who_wait(self, hosted: _Hosted, trouble: WherryError) -> None:
        rows = (await self._unfinished()).get(hosted.target, [])
        new = [row for row in rows if row.number not in hosted.waiting]
        hosted.waiting = [row.number for row in rows]
        batch = Batch(self._clock.time())
        for row in new:
            batch.notice(row.number, f"The run waits for its target: {trouble.message}", reason="TargetUnusable")
        if new:
            await self._db.write(batch.write)

    async def _unfinished(self) -> dict[Target, list[runs.RunRow]]:
        found: dict[Target, list[runs.RunRow]] = {}
        for row in await self._db.read(runs.unfinished):
            target = options_of(row).target
            if target is not None:
                found.setdefault(target, []).append(row)
        return found


def _explained(target: Target, error: Exception) -> WherryError:
    """What to tell of a target that could not be opened or whose driver fell."""
    cause: Any = error
    while isinstance(cause, BaseExceptionGroup):
        cause = cast("BaseExceptionGroup[BaseException]", cause).exceptions[0]
    if isinstance(cause, WherryError):
        return TargetUnusable(f"the target {target.name!r} cannot be used: {cause.message}", hint=cause.hint)
    traceback.print_exception(error)
    return TargetUnusable(f"the target {target.name!r} cannot be used: a fault of wherry's own: {cause!r}")
