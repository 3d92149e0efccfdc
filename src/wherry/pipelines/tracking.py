"""Follows the pods of flights: one watch for all, and a judgement of each pod that ends or goes away.

Owned by the driver, which is told of landings.  Invariant: the store is read before a pod without a commit
record is judged, and each incarnation is judged once.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Coroutine
from contextlib import aclosing, suppress
from typing import Any, Protocol

from wherry.kube.errors import Gone, KubeError, NotFound
from wherry.kube.protocol import Object, WatchEvent
from wherry.kube.resources import EVENTS, PODS
from wherry.pipelines.engine.model import Canceled, Error, Failed, Started, Succeeded
from wherry.pipelines.flights import Flight, Handle, Item, LiveRun, LostPod, Notice, Stage
from wherry.pipelines.pods import SELECTOR, attempt_of
from wherry.pipelines.targets import Site
from wherry.pipelines.verdicts import (
    Broke,
    Committed,
    Over,
    made_at,
    of_pod,
    outcome,
    parse_record,
    vanished,
    waiting,
)
from wherry.seams import Clock
from wherry.storage.errors import ArtifactMissing, StorageError

ANNOUNCE_AFTER_S = 0.1
"""How long a task must have been running before that is written down: shorter ones cost one transition less."""
PAUSE_S = 1.0
"""Before the database, the store or the API server is asked again after it failed."""


_WARNINGS = "type=Warning,involvedObject.kind=Pod"
RECENT = 256
"""Pods that are over, and of which a late warning may still tell."""


class Timers(Protocol):
    """Calls back later; asyncio's loops are such, and tests bring their own."""

    def call_later(self, delay: float, callback: Callable[..., object], /, *args: Any) -> Handle: ...


class Owner(Protocol):
    """The driver, as the tracker sees it."""

    timers: Timers

    def landed(self, flight: Flight, item: Item) -> None:
        """The flight is over, with this end."""
        ...

    def tell(self, flight: Flight, item: Started | Notice) -> None:
        """The flight's task has been running for a while, or there is something to know about it."""
        ...

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Run the work in a task that the driver owns."""
        ...


class Tracker:
    """The pods of all flights that are launching or aloft, by namespace and name."""

    def __init__(self, owner: Owner, site: Site, clock: Clock, pause_s: float) -> None:
        self._owner = owner
        self._kube = site.kube
        self._store = site.store
        self._clock = clock
        self._pause_s = pause_s
        self._mend = site.mend
        self._pending_limit_s = site.pending_limit_s
        self._flights: dict[tuple[str, str], Flight] = {}
        self._recent: OrderedDict[tuple[str, str], Flight] = OrderedDict()

    def track(self, flight: Flight) -> None:
        """From now on what happens to the flight's pod is seen."""
        self._flights[flight.key] = flight

    def untrack(self, flight: Flight) -> None:
        """The flight is over, or given up."""
        if self._flights.pop(flight.key, None) is not None:
            self._recent[flight.key] = flight
            if len(self._recent) > RECENT:
                self._recent.popitem(last=False)

    def forget(self, live: LiveRun) -> None:
        """The run is over or given up: nothing of it is held any longer."""
        for flight in live.flights.values():
            self.untrack(flight)
        for key in [key for key, flight in self._recent.items() if flight.live is live]:
            del self._recent[key]

    def knows(self, pod: Object) -> bool:
        """Whether the pod belongs to a tracked flight."""
        return _key(pod) in self._flights

    async def watch(self, version: str) -> None:
        """Follow all pods of runs from `version` on, for ever."""
        while True:
            try:
                version = version or await self._catch_up()
                async with aclosing(self._kube.watch(PODS, labels=SELECTOR, resource_version=version)) as events:
                    async for event in events:
                        self._told(event)
            except Gone:
                version = ""
            except KubeError:
                version = ""
                await asyncio.sleep(self._pause_s)

    def _told(self, event: WatchEvent) -> None:
        flight = self._flights.get(_key(event.object))
        if flight is not None:
            self.seen(flight, event.object, deleted=event.type == "DELETED")

    async def watch_warnings(self) -> None:
        """Tell users what the cluster warns of about their pods (no room, no image, limits not enforced), for ever."""
        while True:
            try:
                version = (await self._kube.list(EVENTS, fields=_WARNINGS, limit=1)).resource_version
                async with aclosing(self._kube.watch(EVENTS, fields=_WARNINGS, resource_version=version)) as events:
                    async for event in events:
                        self._warned(event.object)
            except KubeError:
                await asyncio.sleep(self._pause_s)

    def _warned(self, warning: Object) -> None:
        about: dict[str, str] = warning.get("involvedObject") or {}
        key = (about.get("namespace", ""), about.get("name", ""))
        flight = self._flights.get(key) or self._recent.get(key)
        if flight is not None:
            reason = warning.get("reason") or ""
            message = warning.get("message") or reason
            self._owner.tell(flight, Notice(message, reason, flight.path, flight.attempt))
            if reason == "FailedMount":
                self._owner.spawn(self._mended(message))

    async def _mended(self, message: str) -> None:
        with suppress(KubeError):  # the node warns again
            await self._mend(message)

    async def _catch_up(self) -> str:
        """After a gap in the watch: compare all pods with what we think of them."""
        listing = await self._kube.list(PODS, labels=SELECTOR)
        pods = {_key(pod): pod for pod in listing.items}
        for key, flight in list(self._flights.items()):
            pod = pods.get(key)
            if pod is not None:
                self.seen(flight, pod)
            elif flight.stage is Stage.ALOFT:
                self.judge(flight, vanished(flight.name))
        return listing.resource_version

    def seen(self, flight: Flight, pod: Object, *, deleted: bool = False) -> None:
        """Take in the state of the flight's pod, or its last state when it is `deleted`."""
        if flight.stage is Stage.LANDED or attempt_of(pod) != flight.identity:
            return
        flight.has_pod = not deleted
        verdict = of_pod(pod)
        if isinstance(verdict, Over):
            self.judge(flight, verdict)
        elif deleted:
            self.judge(flight, vanished(flight.name))
        elif verdict is None:
            self._waits(flight, pod)
        elif flight.started_at is None:
            flight.started_at = verdict.started_at or self._clock.time()
            flight.disarm()
            if not flight.announced:
                flight.timer = self._owner.timers.call_later(ANNOUNCE_AFTER_S, self._announce, flight)

    def _waits(self, flight: Flight, pod: Object) -> None:
        """The flight's pod has not started; it may wait for so long, counted from when it was made."""
        flight.waiting = waiting(pod)
        if self._pending_limit_s is not None and flight.timer is None and not flight.overdue:
            left_s = made_at(pod) + self._pending_limit_s - self._clock.time()
            flight.timer = self._owner.timers.call_later(max(left_s, 0.0), self._overdue, flight)

    def _overdue(self, flight: Flight) -> None:
        flight.timer = None
        if flight.stage is not Stage.LANDED and flight.started_at is None:
            flight.overdue = True
            self._owner.spawn(self.delete_pod(flight, at_once=True))

    def judge(self, flight: Flight, over: Over) -> None:
        """The flight's pod has ended, or is gone."""
        if over.record is not None:
            self._conclude(flight, over)
        else:
            flight.stage = Stage.LANDED
            self._owner.spawn(self._consult(flight, over))

    async def delete_pod(self, flight: Flight, *, at_once: bool) -> None:
        """Stop the flight's pod, within its grace period or `at_once`; its end is then seen as any other."""
        while True:
            try:
                await self._kube.delete(
                    PODS, flight.name, flight.live.info.namespace, grace_period_s=0 if at_once else None
                )
            except NotFound:
                if flight.stage is not Stage.LANDED:
                    self.judge(flight, vanished(flight.name))
            except (KubeError, StorageError):
                await asyncio.sleep(self._pause_s)
                continue
            return

    def _announce(self, flight: Flight) -> None:
        flight.timer = None
        flight.announced = True
        self._owner.tell(flight, Started(flight.path, flight.attempt))

    async def _consult(self, flight: Flight, over: Over) -> None:
        """Read the commit record in the store, then conclude."""
        while True:
            try:
                data = await self._store.read(f"{flight.root}/commit.json")
            except ArtifactMissing:
                break
            except StorageError:
                await asyncio.sleep(self._pause_s)
            else:
                over = Over(parse_record(data), over.lost, over.error, over.started_at, over.finished_at)
                break
        self._conclude(flight, over)

    def _conclude(self, flight: Flight, over: Over) -> None:
        flight.started_at = over.started_at or flight.started_at
        flight.finished_at = over.finished_at
        end = outcome(over, over.record)
        item: Item
        if isinstance(end, Committed):
            item = Succeeded(flight.path, flight.attempt, end.outputs)
        elif flight.stopping:
            item = Canceled(flight.path, flight.attempt)
        elif flight.overdue:
            item = Failed(flight.path, flight.attempt, self._never_started(flight), retriable=False)
        elif isinstance(end, Broke):
            item = Failed(flight.path, flight.attempt, end.error, retriable=end.retriable)
        else:
            item = LostPod(flight, over)
        self._owner.landed(flight, item)

    def _never_started(self, flight: Flight) -> Error:
        told = flight.waiting or {"type": "Pending", "message": ""}
        limit = f"The task's pod did not start within {self._pending_limit_s or 0:g} seconds"
        return {"type": told["type"], "message": f"{limit}: {told['message']}" if told["message"] else f"{limit}."}


def _key(pod: Object) -> tuple[str, str]:
    metadata: dict[str, Any] = pod["metadata"]
    return metadata.get("namespace", ""), metadata.get("name", "")
