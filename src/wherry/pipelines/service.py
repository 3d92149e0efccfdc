"""Pipelines: submit runs, watch them, end them, look at them; the one facade over engine, driver and storage.

Owned by the server (`async with`), called by its API.  Invariant: what is refused leaves no trace, what is accepted
is in the database before the caller hears of it.
"""

from __future__ import annotations

import asyncio
import builtins
from collections.abc import AsyncGenerator, Callable, Collection
from contextlib import aclosing
from typing import Any, NamedTuple, Self

import msgspec

from wherry import ir
from wherry.errors import UsageError, WherryError
from wherry.ir import Document
from wherry.kube.errors import BadRequest, NotFound
from wherry.pipelines import removal, submission, views, workspace
from wherry.pipelines.claims import Claims
from wherry.pipelines.clearing import clear, config_maps_of
from wherry.pipelines.driver import LOG_NAME, Driver
from wherry.pipelines.engine import Run
from wherry.pipelines.engine.model import RunInfo, RunState
from wherry.pipelines.flights import DEFAULT_NAMESPACE, LiveRun, Notice, SubmitOptions
from wherry.pipelines.hosting import Hosting
from wherry.pipelines.inspection import Inspector
from wherry.pipelines.ledger import to_json
from wherry.pipelines.pods import Identity, pod_name
from wherry.pipelines.recovery import deadline_of, options_of, recover
from wherry.pipelines.targets import Site, Target, Targets
from wherry.pipelines.templates import code_ref
from wherry.pipelines.tracking import PAUSE_S, Timers
from wherry.seams import Clock, Ids, iso
from wherry.storage import documents, history, meta, records, runs, tasks
from wherry.storage.artifacts import ArtifactStore, attempt_root, run_root
from wherry.storage.database import Database, Tx
from wherry.storage.records import Origin

EVENTS_AT_ONCE = 1000
BATCH_S = 0.02
"""A follower reads at most this often, so that a busy run is told in batches; the end is told at once."""
POLL_S = 0.2
"""How often a follower looks when nobody can wake it."""


class NoSuchRun(UsageError):
    """No run, or more than one, is meant by what the caller said."""


class _Admitted(NamedTuple):
    """A submission that has passed all checks: what is stored of it, and who drives it."""

    document: Document
    options: SubmitOptions
    remark: str
    info: RunInfo
    engine: Run
    driver: Driver
    now: float


class Pipelines:
    """All runs of one database.  `async with`: entering takes up unfinished runs, leaving lets their pods go on.

    `site` is the home's own place, `targets` opens others; `home` tells homes apart that share a cluster (made when
    empty).
    """

    def __init__(
        self,
        *,
        db: Database,
        site: Site,
        clock: Clock,
        ids: Ids,
        targets: Targets | None = None,
        home: str = "",
        timers: Timers | None = None,
        pause_s: float = PAUSE_S,
    ) -> None:
        self._db = db
        self._site = site
        self._targets = targets
        self._clock = clock
        self._ids = ids
        self._home = home
        self._timers = timers
        self._pause_s = pause_s
        self._inspector = Inspector(db, site.store.root, clock)

    async def __aenter__(self) -> Self:
        self._home = self._home or await self._db.write(lambda tx: meta.ensure(tx, "home", self._ids.uuid()))
        self._hosting = Hosting(
            self._db, self._site, self._targets, self._drive, clock=self._clock, pause_s=self._pause_s
        )
        await self._hosting.__aenter__()
        return self

    async def __aexit__(self, *raised: Any) -> None:
        await self._hosting.__aexit__(*raised)

    def _drive(self, target: Target | None, site: Site) -> Driver:
        return Driver(
            db=self._db,
            site=site,
            target=target,
            clock=self._clock,
            home=self._home,
            timers=self._timers,
            pause_s=self._pause_s,
        )

    @property
    def active(self) -> int:
        """How many runs are not over."""
        return self._hosting.active

    @property
    def busy(self) -> bool:
        """Whether a run is live, or pods of finished tasks are still being cleared away."""
        return self._hosting.busy

    async def submit(
        self,
        document: dict[str, Any],
        *,
        arguments: dict[str, Any],
        name: str = "",
        options: SubmitOptions | None = None,
        run_id: str | None = None,
        origin: Origin | None = None,
        within: Callable[[Tx], bool] | None = None,
    ) -> str:
        """Check, store and begin a run; returns its id.

        With a `run_id` that is there already nothing happens: the caller may ask again.  `origin` is what the KFP API
        knows of it, `within` belongs to the transaction in which the run is stored.  Raises IRError and UsageError
        before anything is stored, Outpaced when `within` says False.
        """
        if run_id is not None and await self._db.read(lambda tx: runs.get(tx, run_id)) is not None:
            return run_id
        admitted = await self._admit(
            document, arguments, options or SubmitOptions(), name=name, run_id=run_id or self._ids.uuid()
        )
        options, info = admitted.options, admitted.info
        now = admitted.now
        site = await self._hosting.site_of(options.target)
        if site.makes_namespaces and info.namespace != DEFAULT_NAMESPACE:
            await submission.ensure_namespace(site.kube, info.namespace)
        root = run_root(info.pipeline_root, info.pipeline, info.run_id)

        def insert(tx: Tx) -> int:
            if within is not None and not within(tx):
                raise tasks.Outpaced("somebody else has made this run")
            row = runs.RunRow(
                0,
                info.run_id,
                info.name,
                info.resource_name,
                info.pipeline,
                info.namespace,
                RunState.PENDING,
                0,
                documents.put(tx, msgspec.json.encode(document)),
                to_json(arguments),
                to_json(options),
                root,
                None,
                None,
                now,
                None,
                None,
            )
            number = runs.insert(tx, row)
            if origin is not None:
                records.describe(tx, number, origin, now)
            history.append(tx, [history.Entry(number, now, "run", after=RunState.PENDING)])
            return number

        number = await self._db.write(insert)
        live = LiveRun(number, info, options, admitted.engine, root, deadline_s=deadline_of(admitted.document))
        admitted.driver.begin(live)
        if admitted.remark:
            admitted.driver.post(live, Notice(admitted.remark, "PipelineRoot"))
        return info.run_id

    async def check(
        self, document: dict[str, Any], *, arguments: dict[str, Any], options: SubmitOptions | None = None
    ) -> None:
        """Raise what `submit` would raise, and store nothing."""
        await self._admit(document, arguments, options or SubmitOptions(), name="", run_id=self._ids.uuid())

    async def _admit(
        self, document: dict[str, Any], arguments: dict[str, Any], options: SubmitOptions, *, name: str, run_id: str
    ) -> _Admitted:
        now = self._clock.time()
        parsed = ir.from_builtins(document)
        if options.target is not None:
            target = self._hosting.settled(options.target)
            options = msgspec.structs.replace(options, target=target, namespace=target.namespace)
        driver = await self._hosting.driver_of(options.target)
        store = (await self._hosting.site_of(options.target)).store
        if options.code is not None and options.target is not None:
            await self._carry(options.code, store)
        options, remark = submission.with_root(parsed, options, store)
        info = _info(parsed, run_id, name, options, store.root, now)
        engine = await submission.check(
            parsed, arguments=arguments, options=options, info=info, store=store, window=driver.window
        )
        return _Admitted(parsed, options, remark, info, engine, driver, now)

    async def get(self, run: str, *, with_tasks: bool = False) -> dict[str, Any]:
        """The view of the run with this id, the beginning of one, or `latest`; with `tasks` on demand."""
        row = await self._find(run)
        view = views.run_view(row, await self._db.read(lambda tx: tasks.counts(tx, row.number)))
        if with_tasks:
            view["tasks"] = await self._inspector.tasks(row, self._live(row.id), self._home)
        return view

    async def list(
        self, *, limit: int = 100, before: str | None = None, pipeline: str | None = None
    ) -> list[dict[str, Any]]:
        """Views of runs, newest first, those older than the run `before`."""
        number = (await self._find(before)).number if before else None

        def read(tx: Tx) -> list[dict[str, Any]]:
            found = runs.newest(tx, limit=limit, before=number, pipeline=pipeline)
            return [views.run_view(row, tasks.counts(tx, row.number)) for row in found]

        return await self._db.read(read)

    async def cancel(self, run: str, *, kill: bool = False) -> None:
        """End a run: its tasks get SIGTERM and their grace period, or with `kill` SIGKILL.  A run that is over stays
        as it is."""
        row = await self._find(run)
        driven = self._hosting.live(row.id)
        if driven is not None:
            driven[0].cancel(driven[1], kill=kill)
        elif row.state not in views.FINAL_RUN:
            trouble = self._hosting.trouble(options_of(row).target)
            if trouble is not None:
                raise trouble
            raise WherryError(f"run {row.id} is being read again after an error", hint="Try again in a moment.")

    async def end(self, run: str) -> None:
        """Kill a run and wait until it is over."""
        row = await self._find(run)
        driven = self._hosting.live(row.id)
        if driven is not None:
            driver, live = driven
            driver.cancel(live, kill=True)
            await live.ended.wait()

    async def retry(self, run: str) -> None:
        """Let a run that FAILED or was CANCELED go on from what has succeeded.  Raises UsageError for any other."""
        row = await self._find(run)
        if row.state not in ("FAILED", "CANCELED") or self._live(row.id) is not None:
            raise UsageError(f"run {row.id} is {row.state}: only a run that failed or was canceled can be retried")
        driver = await self._hosting.driver_of(options_of(row).target)
        store = (await self._site_of(row)).store
        found = await recover(self._db, store.root, row, window=driver.window, now=self._clock.time())
        if found.live.deadline_s is not None:
            found.live.deadline_s = deadline_of(found.document)
        changed = found.live.changed
        driver.resume(found.live)
        await changed.wait()

    async def delete(self, run: str) -> None:
        """Delete a run that is over: its rows, artifacts and logs.  Raises UsageError while it is not over."""
        row = await self._find(run)
        if row.state not in views.FINAL_RUN or self._live(row.id) is not None:
            raise UsageError(f"run {row.id} is {row.state}", hint=f"Cancel it first: wherry cancel {row.id[:8]}")
        await self._remove(row)

    async def prune(
        self, *, keep: int = 0, older_than_s: float = 0.0, dry_run: bool = False, target: Target | None = None
    ) -> list[str]:
        """Delete runs of the home, or of a target, that are over: not the `keep` newest of them, and only those that
        ended `older_than_s` ago or earlier.  Returns the ids."""
        now = self._clock.time()
        rows = await self._db.read(lambda tx: runs.finished(tx, before=now, keep=0))
        place = None if target is None else self._hosting.settled(target).place
        there = [row for row in rows if _place(row) == place][keep:]
        latest = now - older_than_s
        chosen = [row for row in there if (row.finished_at or now) <= latest and self._live(row.id) is None]
        if not dry_run:
            for row in chosen:
                await self._remove(row)
        return [row.id for row in chosen]

    async def collect(
        self, *, without: Collection[str] = (), dry_run: bool = False, target: Target | None = None
    ) -> removal.Freed:
        """Delete sources and code archives that no run refers to, of the home or of a target; runs whose ids are in
        `without` count as gone."""
        now = self._clock.time()
        site = await self._hosting.site_of(None if target is None else self._hosting.settled(target))
        return await removal.collect(self._db, site.store, now=now, without=without, dry_run=dry_run)

    async def clear(self, target: Target, *, older_than_s: float = 0.0, dry_run: bool = False) -> builtins.list[str]:
        """Delete what is left in the namespace of a target and nobody needs; its names.  Raises KubeError."""
        settled = self._hosting.settled(target)
        site = await self._hosting.site_of(settled)
        return await clear(
            site.kube,
            settled.namespace,
            live=self._hosting.live_ids(),
            before=self._clock.time() - older_than_s,
            keeping=config_maps_of(site.equipment.volumes),
            dry_run=dry_run,
        )

    async def _remove(self, row: runs.RunRow) -> None:
        site = await self._site_of(row)
        claims = Claims(self._db, site.kube, site.store)
        await claims.discard_workspace(workspace.claim_name(row.resource_name), row.namespace)
        await removal.remove(self._db, site.store, row)

    async def events(self, run: str, after: int = 0, *, follow: bool = True) -> AsyncGenerator[dict[str, Any], None]:
        """What happened to the run after the event with the id `after`; with `follow` until the run is over."""
        number, run_id = await self._number(run)

        def read(tx: Tx) -> tuple[list[history.HistoryRow], runs.RunRow | None]:
            return history.beyond(tx, number, after, limit=EVENTS_AT_ONCE), runs.get(tx, run_id)

        while True:
            live = self._live(run_id)
            changed = live.changed if live is not None else None
            entries, row = await self._db.read(read)
            if row is None:
                return
            for entry in entries:
                after = entry.id
                yield views.event_view(entry, row)
            if len(entries) == EVENTS_AT_ONCE:
                continue
            if not follow or (row.state in views.FINAL_RUN and live is None):
                return
            await _next_change(live, changed)

    async def logs(
        self, run: str, task_path: str, *, attempt: int | None = None, follow: bool = False, tail: int | None = None
    ) -> AsyncGenerator[bytes, None]:
        """What an attempt of a task (the last one by default) has written: from its pod, or from the store when that
        is gone.  Raises UsageError for a task that the run does not have."""
        row = await self._find(run)
        site = await self._site_of(row)
        while True:
            live = self._live(row.id)
            changed = live.changed if live is not None else None
            found = await self._attempt(row, task_path, attempt)
            if found is not None and found.kind == "task":
                identity = Identity(row.id, task_path, found.attempt, found.incarnation)
                name = pod_name(self._home, identity)
                wrote = False
                try:
                    chunks = site.kube.logs(name, row.namespace, container="main", follow=follow, tail=tail)
                    async with aclosing(chunks):
                        async for chunk in chunks:
                            wrote = True
                            yield chunk
                except (NotFound, BadRequest):
                    root = attempt_root(row.root, task_path, found.attempt, found.incarnation)
                    if await site.store.exists(f"{root}/{LOG_NAME}"):
                        async with aclosing(site.store.stream(f"{root}/{LOG_NAME}", tail=tail)) as chunks:
                            async for chunk in chunks:
                                yield chunk
                        return
                else:
                    if wrote:  # else it may be a pod that waits for its node: its log is empty, not refused
                        return
                if found.phase in views.FINAL_TASK:
                    return
            elif found is None and not await self._inspector.has_task(row, live, task_path):
                raise UsageError(f"run {row.id[:8]} has no task {task_path!r}")
            if not follow or live is None:
                return
            await _next_change(live, changed)

    async def _attempt(self, row: runs.RunRow, path: str, attempt: int | None) -> tasks.TaskRow | None:
        found = await self._db.read(lambda tx: tasks.of_path(tx, row.number, path))
        if attempt is None:
            return found[-1] if found else None
        return next((task for task in found if task.attempt == attempt), None)

    async def _number(self, run: str) -> tuple[int, str]:
        row = await self._find(run)
        return row.number, row.id

    async def _find(self, run: str) -> runs.RunRow:
        """The run that is meant by an id, the beginning of an id or resource name, or `latest`."""
        if run == "latest":
            found = await self._db.read(lambda tx: runs.newest(tx, limit=1))
        else:
            exact = await self._db.read(lambda tx: runs.get(tx, run))
            found = [exact] if exact else await self._db.read(lambda tx: runs.with_prefix(tx, run)) if run else []
        if not found:
            raise NoSuchRun(f"there is no run {run!r}" if run != "latest" else "there are no runs")
        if len(found) > 1:
            raise NoSuchRun(f"{run!r} may be any of {', '.join(row.id for row in found)}")
        return found[0]

    async def _carry(self, code: str, store: ArtifactStore) -> None:
        """Copy a code archive, which clients give to the home, to where the pods of a target find it."""
        there = code_ref(store.root, code).uri
        kept = code_ref(self._site.store.root, code).uri
        if not await store.touch(there) and await self._site.store.touch(kept):
            await store.ensure(there, await self._site.store.read(kept))

    def _live(self, run_id: str) -> LiveRun | None:
        driven = self._hosting.live(run_id)
        return driven[1] if driven is not None else None

    async def _site_of(self, row: runs.RunRow) -> Site:
        """Where the run's pods and artifacts are.  Raises what keeps its target from being opened."""
        options = options_of(row)
        site = await self._hosting.site_of(options.target)
        if options.pipeline_root is not None:
            site.store.allow(options.pipeline_root)
        return site


def _info(document: Document, run_id: str, name: str, options: SubmitOptions, store_root: str, now: float) -> RunInfo:
    """The facts of a new run."""
    pipeline = document.pipeline.pipeline_info
    created = iso(now)
    return RunInfo(
        run_id=run_id,
        name=name or pipeline.display_name or pipeline.name,
        pipeline=pipeline.name,
        namespace=options.namespace,
        pipeline_root=options.pipeline_root or store_root,
        create_time_utc=created,
        schedule_time_utc=iso(options.scheduled_at or now),
    )


def _place(row: runs.RunRow) -> tuple[str, str, str] | None:
    target = options_of(row).target
    return None if target is None else target.place


async def _next_change(live: LiveRun | None, changed: asyncio.Event | None) -> None:
    """Wait until there may be news: for a batch of it while the run goes on, at once when it ends."""
    if live is None or changed is None:
        await asyncio.sleep(POLL_S)
        return
    await changed.wait()
    if not live.over:
        try:
            async with asyncio.timeout(BATCH_S):
                await live.ended.wait()
        except TimeoutError:
            return
