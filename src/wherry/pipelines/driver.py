"""Drives runs: feeds what happens to the engine, commits what it decides, then acts on it.

Owned by `wherry.pipelines.service.Pipelines`.  Invariant: nothing is acted on before it is committed, and acting twice
is acting once; so after a crash anywhere, recovery from rows, pods and commit records goes on where it stopped.
"""

from __future__ import annotations

import asyncio
import traceback
from collections import deque
from collections.abc import Callable, Coroutine
from contextlib import aclosing
from typing import Any, Self

import msgspec

from wherry.errors import WherryError
from wherry.kube.errors import AlreadyExists, BadRequest, Conflict, Forbidden, Invalid, KubeError, NotFound, TooLarge
from wherry.kube.protocol import Object
from wherry.kube.resources import PODS
from wherry.pipelines.engine import apply, decide, held_back
from wherry.pipelines.engine.model import (
    Begin,
    Cancel,
    Canceled,
    Change,
    Delta,
    Event,
    Failed,
    Retry,
    RunState,
    Start,
    Started,
    Succeeded,
)
from wherry.pipelines.flights import INCARNATION_LIMIT, Flight, Item, LiveRun, LostPod, Notice, Stage
from wherry.pipelines.granting import waits_for_grant
from wherry.pipelines.launching import Launcher, workspace_of
from wherry.pipelines.ledger import NO_FACTS, RUN_FINAL, Batch, Facts
from wherry.pipelines.pods import SELECTOR, Identity, attempt_of, pod_name
from wherry.pipelines.recovery import Recovered, options_of, recover
from wherry.pipelines.targets import Site, Target
from wherry.pipelines.tracking import PAUSE_S, Timers, Tracker
from wherry.pipelines.verdicts import passing, vanished
from wherry.pipelines.workspace import claim_name
from wherry.seams import Clock
from wherry.storage import runs
from wherry.storage.artifacts import attempt_root
from wherry.storage.database import Database
from wherry.storage.errors import GrantRefused, StorageError, UriRefused

RETIRE_AFTER_S = 0.0005
"""How long finished pods wait to be cleared away, so that it happens while their successors run."""
SERVICES = 3
"""Tasks that run as long as the driver: the pump and two watches."""
LOG_TRIES = 5
"""How often the log of a finished pod is asked for before the pod is deleted without."""
LOG_NAME = "main.log"
"""The archived log of a finished task, in its attempt's folder."""


class _Cycle(msgspec.Struct):
    """What one turn of the pump has decided: what to write, and what to do when it is written."""

    batch: Batch
    lives: list[LiveRun] = msgspec.field(default_factory=list[LiveRun])
    starts: list[Flight] = msgspec.field(default_factory=list[Flight])
    stops: list[Flight] = msgspec.field(default_factory=list[Flight])
    ended: list[Flight] = msgspec.field(default_factory=list[Flight])
    left: list[tuple[str, str, str]] = msgspec.field(default_factory=list[tuple[str, str, str]])
    """Pods of incarnations that were lost: name, namespace, folder."""
    over: list[LiveRun] = msgspec.field(default_factory=list[LiveRun])


class Driver:
    """All live runs of one target (None: the home itself).  `async with`: entering recovers and starts, leaving stops
    (pods go on).

    `home` makes pod names differ between homes that share a cluster; the site's window is how many pods may exist at
    once, of which a run's own `parallelism` caps its share; `pause_s` is waited after an outside failure.
    """

    def __init__(
        self,
        *,
        db: Database,
        site: Site,
        clock: Clock,
        home: str,
        target: Target | None = None,
        timers: Timers | None = None,
        pause_s: float = PAUSE_S,
    ) -> None:
        self.lives: dict[str, LiveRun] = {}
        self.window = max(site.window, 1)
        self._db = db
        self._kube = site.kube
        self._store = site.store
        self._clock = clock
        self._home = home
        self._target = target
        self._launcher = Launcher(db, site)
        self._tracker = Tracker(self, site, clock, pause_s)
        self._pause_s = pause_s
        self._given_timers = timers
        self._aloft = 0
        self._dirty: dict[LiveRun, None] = {}
        self._wake = asyncio.Event()
        self._turn: deque[LiveRun] = deque()
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def busy(self) -> bool:
        """Whether a run is live or something is still being cleared away."""
        return bool(self.lives) or len(self._tasks) > SERVICES

    async def __aenter__(self) -> Self:
        self.timers: Timers = self._given_timers or asyncio.get_running_loop()
        self._group = await asyncio.TaskGroup().__aenter__()
        try:
            listing = await self._kube.list(PODS, labels=SELECTOR)
            for row in await self._db.read(runs.unfinished):
                if options_of(row).target == self._target:
                    await self._recover(row, listing.items)
            await self._clear_away(listing.items)
            await self._clear_workspaces()
        except BaseException as error:
            await self.__aexit__(type(error), error, error.__traceback__)
            raise
        self.spawn(self._tracker.watch(listing.resource_version))
        self.spawn(self._tracker.watch_warnings())
        self.spawn(self._pump())
        self._fill()
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: Any) -> None:
        for live in list(self.lives.values()):
            self._drop(live)
        for task in list(self._tasks):
            task.cancel()
        await self._group.__aexit__(kind, error, trace)

    # What the service asks for.

    def begin(self, live: LiveRun) -> None:
        """Take up a run whose row is PENDING in the database."""
        self._take(live)
        self.post(live, Begin())

    def resume(self, live: LiveRun) -> None:
        """Go on with a FAILED or CANCELED run from what has succeeded."""
        self._take(live)
        self.post(live, Retry())

    def cancel(self, live: LiveRun, *, kill: bool) -> None:
        """End the run: stop its pods within their grace period, or with `kill` at once."""
        if kill and not live.kill:
            live.kill = True
            for flight in live.flights.values():
                if flight.stage is Stage.ALOFT:
                    flight.stopping = True
                    self.spawn(self._tracker.delete_pod(flight, at_once=True))
        self.post(live, Cancel())

    def post(self, live: LiveRun, item: Item) -> None:
        """Hand the engine something that happened."""
        if not live.over:
            live.inbox.append(item)
            self._dirty[live] = None
            self._wake.set()

    # What the tracker tells.

    def landed(self, flight: Flight, item: Item) -> None:
        """The flight is over; `item` is its end."""
        flight.stage = Stage.LANDED
        flight.disarm()
        self._uncount(flight)
        self._tracker.untrack(flight)
        self.post(flight.live, item)

    def tell(self, flight: Flight, item: Started | Notice) -> None:
        """The flight's task has been running for a while, or there is something to know about it."""
        self.post(flight.live, item)

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Run `work` in a task of the driver's group."""
        task = self._group.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # The pump: decide, commit, act.

    async def _pump(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            await self._cycle()  # a call of its own, so that no run is held while there is nothing to do

    async def _cycle(self) -> None:
        cycle = _Cycle(Batch(self._clock.time()))
        dirty, self._dirty = self._dirty, {}
        for live in dirty:
            self._decide_all(live, cycle)
        if cycle.batch:
            try:
                await self._db.write(cycle.batch.write)
            except StorageError:
                for live in cycle.lives:
                    self._drop(live)
                    self.spawn(self._start_over(live))
                return
        self._act(cycle)

    def _decide_all(self, live: LiveRun, cycle: _Cycle) -> None:
        if live.over:
            return
        cycle.lives.append(live)
        while live.inbox:
            item = live.inbox.popleft()
            if isinstance(item, LostPod):
                self._lost(item, cycle)
            elif isinstance(item, Notice):
                if item.message not in live.noticed:
                    live.noticed.add(item.message)
                    cycle.batch.notice(
                        live.number, item.message, path=item.path, attempt=item.attempt, reason=item.reason
                    )
            else:
                self._decide(live, item, cycle)

    def _decide(self, live: LiveRun, event: Event, cycle: _Cycle) -> None:
        flight: Flight | None = None
        if isinstance(event, Started | Succeeded | Failed | Canceled):
            flight = live.flights.get(event.path)
            if flight is None or flight.attempt != event.attempt:
                return
        delta = decide(live.engine, event)
        if not delta:
            return
        apply(live.engine, delta)
        if flight is not None and not isinstance(event, Started):
            del live.flights[flight.path]
            cycle.ended.append(flight)
        facts = _facts(flight, delta, cycle.batch.now)
        cycle.batch.delta(live.number, live.info.namespace, live.engine.generation, delta, facts)
        for start in delta.starts:
            following = self._flight(live, start)
            live.flights[start.path] = following
            cycle.starts.append(following)
        cycle.stops.extend(live.flights[path] for path in delta.stops if path in live.flights)
        if delta.run_state in RUN_FINAL:
            cycle.over.append(live)

    def _lost(self, item: LostPod, cycle: _Cycle) -> None:
        flight, live = item.flight, item.flight.live
        if live.flights.get(flight.path) is not flight:
            return
        if flight.stopping:
            self._decide(live, Canceled(flight.path, flight.attempt), cycle)
        elif flight.incarnation >= INCARNATION_LIMIT:
            self._decide(live, Failed(flight.path, flight.attempt, item.over.error, retriable=False), cycle)
        else:
            if flight.has_pod:
                cycle.left.append((flight.name, live.info.namespace, flight.root))
            flight.incarnation += 1
            flight.name = pod_name(self._home, flight.identity)
            flight.has_pod = False
            flight.started_at = flight.finished_at = None
            cycle.batch.incarnation(live.number, flight.path, flight.attempt, flight.incarnation)
            again = f"It starts again ({flight.incarnation} of {INCARNATION_LIMIT})."
            cycle.batch.notice(
                live.number,
                f"{item.over.error.get('message')} {again}",
                path=flight.path,
                attempt=flight.attempt,
                reason="PodLost",
            )
            cycle.starts.append(flight)

    def _act(self, cycle: _Cycle) -> None:
        for flight in cycle.ended:
            if flight.has_pod:
                self.spawn(self._retire(flight.name, flight.live.info.namespace, flight.root))
        for name, namespace, root in cycle.left:
            self.spawn(self._retire(name, namespace, root))
        for flight in cycle.starts:
            if flight.live.flights.get(flight.path) is flight:
                self._enqueue(flight)
        for flight in cycle.stops:
            self._stop(flight)
        for live in cycle.over:
            self._drop(live)
            if live.engine.state is RunState.SUCCEEDED and workspace_of(live) is not None:
                self.spawn(self._discard_workspace(claim_name(live.info.resource_name), live.info.namespace))
        for live in cycle.lives:
            live.tell()
        self._fill()

    # Flights, from the queue to a pod.

    def _flight(self, live: LiveRun, start: Start, incarnation: int = 0) -> Flight:
        identity = Identity(live.info.run_id, start.path, start.attempt, incarnation)
        name = pod_name(self._home, identity)
        return Flight(live, start.path, start.attempt, start.kind, incarnation, name, delay_s=start.delay_s)

    def _enqueue(self, flight: Flight) -> None:
        if flight.delay_s > 0:
            flight.stage = Stage.DELAYED
            flight.timer = self.timers.call_later(flight.delay_s, self._delay_over, flight)
            return
        flight.stage = Stage.QUEUED
        live = flight.live
        live.queue.append(flight)
        if len(live.queue) == 1:
            self._turn.append(live)

    def _delay_over(self, flight: Flight) -> None:
        flight.timer = None
        flight.delay_s = 0.0
        if flight.stage is Stage.DELAYED and not flight.live.over:
            self._enqueue(flight)
            self._fill()

    def _fill(self) -> None:
        """Launch while there is room, the runs in turn."""
        capped: list[LiveRun] = []
        while self._turn and self._aloft < self.window:
            live = self._turn.popleft()
            while live.queue and live.queue[0].stage is not Stage.QUEUED:
                live.queue.popleft()  # stopped while it waited
            if live.over or not live.queue:
                continue
            if live.options.parallelism and live.aloft >= live.options.parallelism:
                capped.append(live)
                continue
            flight = live.queue.popleft()
            if live.queue:
                self._turn.append(live)
            if not flight.incarnation and held_back(live.engine, flight.path):
                flight.stage = Stage.LANDED
                self.post(live, Canceled(flight.path, flight.attempt))
                continue
            flight.stage = Stage.LAUNCHING
            self._count(flight)
            self._tracker.track(flight)
            self.spawn(self._launch(flight))
        self._turn.extend(capped)

    def _count(self, flight: Flight) -> None:
        flight.counted = True
        flight.live.aloft += 1
        self._aloft += 1

    def _uncount(self, flight: Flight) -> None:
        if flight.counted:
            flight.counted = False
            flight.live.aloft -= 1
            self._aloft -= 1

    async def _launch(self, flight: Flight) -> None:
        item = await self._launched(flight)
        if flight.stage is not Stage.LAUNCHING:
            return  # its pod has been seen to end already, or the run was dropped
        if item is not None:
            if flight.stopping and not isinstance(item, Succeeded):
                item = Canceled(flight.path, flight.attempt)
            self.landed(flight, item)
            return
        flight.stage = Stage.ALOFT
        flight.has_pod = True
        if flight.stopping:
            await self._tracker.delete_pod(flight, at_once=flight.live.kill)

    async def _launched(self, flight: Flight) -> Event | None:
        """Make the pod; None when it is there, else how the attempt ended without one."""
        while not flight.stopping:
            try:
                return await self._launcher.launch(flight, lambda notice: self.post(flight.live, notice))
            except AlreadyExists:
                found = await self._found(flight)
                if not isinstance(found, KubeError):
                    return found
                await self._wait_for(flight, found)
            except (BadRequest, Invalid, NotFound, TooLarge) as error:
                return _refused(flight, "PodRefused", f"The task's pod was refused: {error}")
            except Forbidden as error:
                if not passing(error):
                    return _refused(flight, "PodRefused", f"The task's pod was refused: {error}")
                await self._wait_for(flight, error)
            except (KubeError, StorageError) as error:
                if isinstance(error, UriRefused | GrantRefused):
                    return _refused(flight, type(error).__name__, str(error))
                await self._wait_for(flight, error)
            except WherryError as error:
                return _refused(flight, type(error).__name__, str(error))
            except Exception:  # noqa: BLE001 - the boundary: a fault of ours fails one task, not all runs
                return _refused(flight, "InternalError", traceback.format_exc(limit=-6))
        return Canceled(flight.path, flight.attempt)

    async def _wait_for(self, flight: Flight, error: WherryError) -> None:
        """Let an outside failure pass before the flight tries again; the user hears of it."""
        if not isinstance(error, Conflict):  # that one is a claim on its way out
            self.tell(flight, Notice(f"It is tried again: {error.message}", "Waiting", flight.path, flight.attempt))
        await asyncio.sleep(self._pause_s)

    async def _found(self, flight: Flight) -> Event | KubeError | None:
        """There is a pod of that name: ours from before a crash, or somebody else's."""
        try:
            pod = await self._kube.get(PODS, flight.name, flight.live.info.namespace)
        except NotFound:
            self._tracker.judge(flight, vanished(flight.name))
            return None
        except KubeError as error:
            return error
        if attempt_of(pod) != flight.identity:
            return _refused(flight, "NameTaken", f"Another pod is called {flight.name}; delete it and retry the run.")
        self._tracker.seen(flight, pod)
        return None

    def _stop(self, flight: Flight) -> None:
        if flight.stage in (Stage.DELAYED, Stage.QUEUED):
            self.landed(flight, Canceled(flight.path, flight.attempt))
        elif flight.stage is Stage.ALOFT and not flight.stopping:
            flight.stopping = True
            self.spawn(self._tracker.delete_pod(flight, at_once=flight.live.kill))
        flight.stopping = True

    async def _retire(self, name: str, namespace: str, root: str) -> None:
        """Keep the log of a finished pod, then delete the pod; the next task of the run goes first."""
        await asyncio.sleep(RETIRE_AFTER_S)
        tries = 0
        while True:
            try:
                async with aclosing(self._kube.logs(name, namespace, container="main")) as chunks:
                    await self._store.archive(f"{root}/{LOG_NAME}", chunks)
            except (NotFound, BadRequest):
                pass  # it has left no log
            except StorageError:
                pass  # a full disk costs the log, never the result
            except KubeError:
                tries += 1  # its node does not answer; one that never will costs the log
                if tries < LOG_TRIES:
                    await asyncio.sleep(self._pause_s)
                    continue
            try:
                await self._kube.delete(PODS, name, namespace, grace_period_s=0)
            except NotFound:
                return
            except (KubeError, StorageError):
                await asyncio.sleep(self._pause_s)
            else:
                return

    async def _clear_workspaces(self) -> None:
        """Delete those of runs that succeeded under a server that died just then; others may be of another home's."""
        for run_id, name, namespace in await self._launcher.workspaces():
            row = await self._db.read(lambda tx, run_id=run_id: runs.get(tx, run_id))
            if row is not None and row.state == RunState.SUCCEEDED and options_of(row).target == self._target:
                self.spawn(self._discard_workspace(name, namespace))

    async def _discard_workspace(self, name: str, namespace: str) -> None:
        """The workspace of a run that succeeded goes; one that failed keeps it for its retry."""
        while True:
            try:
                await self._launcher.discard_workspace(name, namespace)
            except (KubeError, StorageError):
                await asyncio.sleep(self._pause_s)
            else:
                return

    # Runs, from the database and back.

    def _take(self, live: LiveRun) -> None:
        self.lives[live.info.run_id] = live
        deadline_s = live.deadline_s
        if deadline_s is not None:
            live.deadline = self.timers.call_later(max(deadline_s, 0.0), self._deadline_over, live)

    def _deadline_over(self, live: LiveRun) -> None:
        live.deadline = None
        self.post(live, Notice("The pipeline's deadline (activeDeadlineSeconds) has passed.", "DeadlineExceeded"))
        self.cancel(live, kill=False)

    def _drop(self, live: LiveRun) -> None:
        """Let go of a run: it is over, or its picture in memory is not to be trusted."""
        live.over = True
        if self.lives.get(live.info.run_id) is live:
            del self.lives[live.info.run_id]
        if live.deadline is not None:
            live.deadline.cancel()
            live.deadline = None
        for flight in live.flights.values():
            flight.disarm()
            flight.stage = Stage.LANDED
            self._uncount(flight)
        self._tracker.forget(live)
        live.ended.set()
        live.tell()

    async def _start_over(self, live: LiveRun) -> None:
        """Read a run again whose last decisions could not be written."""
        while True:
            await asyncio.sleep(self._pause_s)
            try:
                row = await self._db.read(lambda tx: runs.get(tx, live.info.run_id))
                if row is not None and row.state in runs.UNFINISHED:
                    listing = await self._kube.list(PODS, labels=SELECTOR)
                    await self._recover(row, listing.items)
                    self._fill()
            except StorageError:
                continue
            return

    async def _recover(self, row: runs.RunRow, pods: list[Object]) -> None:
        """Take up a run where its rows, pods and commit records are."""
        found = await recover(self._db, self._store.root, row, window=self.window, now=self._clock.time())
        if found.live.options.pipeline_root is not None:
            self._store.allow(found.live.options.pipeline_root)
        self._take(found.live)
        if not found.started:
            self.post(found.live, Begin())
        if row.state == "CANCELING":
            self.post(found.live, Cancel())
        by_name = {(pod["metadata"]["namespace"], pod["metadata"]["name"]): pod for pod in pods}
        for flight, was_running in self._recovered_flights(found):
            pod = by_name.get(flight.key)
            if pod is not None:
                flight.stage = Stage.ALOFT
                self._count(flight)
                self._tracker.track(flight)
                self._tracker.seen(flight, pod)
                if waits_for_grant(pod):
                    self.spawn(self._complete(flight, pod))
            elif was_running or await self._store.exists(flight.root):
                self._tracker.judge(flight, vanished(flight.name))
            else:
                self._enqueue(flight)

    async def _complete(self, flight: Flight, pod: Object) -> None:
        """The last server may have died between making the pod and its grant."""
        while flight.stage is Stage.ALOFT:
            try:
                await self._launcher.delivery.complete(pod)
            except GrantRefused as error:
                self.landed(flight, _refused(flight, "GrantRefused", str(error)))
            except (KubeError, StorageError):
                await asyncio.sleep(self._pause_s)
            else:
                return

    def _recovered_flights(self, found: Recovered) -> list[tuple[Flight, bool]]:
        flights: list[tuple[Flight, bool]] = []
        for start, incarnation, was_running in found.leaves:
            flight = self._flight(found.live, start, incarnation)
            flight.announced = was_running
            found.live.flights[flight.path] = flight
            flights.append((flight, was_running))
        return flights

    async def _clear_away(self, pods: list[Object]) -> None:
        """Retire pods of our runs that nobody waits for: they ended before the last server could delete them."""
        for pod in pods:
            identity = attempt_of(pod)
            if identity is None or self._tracker.knows(pod):
                continue
            row = await self._db.read(lambda tx, run_id=identity.run_id: runs.get(tx, run_id))
            if row is not None and options_of(row).target == self._target:
                root = attempt_root(row.root, identity.path, identity.attempt, identity.incarnation)
                metadata = pod["metadata"]
                self.spawn(self._retire(metadata["name"], metadata["namespace"], root))


def _facts(flight: Flight | None, delta: Delta, now: float) -> Callable[[Change], Facts]:
    due = {start.path: now + start.delay_s for start in delta.starts if start.delay_s > 0}

    def facts(change: Change) -> Facts:
        if flight is not None and change.path == flight.path and change.attempt == flight.attempt:
            return Facts(flight.started_at, flight.finished_at, flight.cache_key)
        if change.path in due and change.phase_from is None:
            return Facts(due_at=due[change.path])
        return NO_FACTS

    return facts


def _refused(flight: Flight, kind: str, message: str) -> Failed:
    return Failed(flight.path, flight.attempt, {"type": kind, "message": message}, retriable=False)
