"""The node agent: runs the pods of the embedded cluster as processes of this machine.

Made and entered by the server, one a home; it is also the `LogSource` of `EmbeddedKube`.  The way of a pod: seen
-> admitted (`capacity`) -> prepared (environment, sources, volumes) -> its containers launched through a zygote ->
their ends told by the zygote -> status written -> folder removed when the object goes.  Invariants: an attempt is
started at most once; leaving the agent stops no pod; a status that is written was true when it was made.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from pathlib import Path
from typing import Any, Self

import msgspec

from wherry.kube.embedded.environments import EnvironmentFailed, Environments, Interpreter
from wherry.kube.embedded.node import addresses, cgroups, launch, lifecycle, volumes
from wherry.kube.embedded.node import pods as taking
from wherry.kube.embedded.node.capacity import Capacity, Scheduler, requests
from wherry.kube.embedded.node.claims import Claims
from wherry.kube.embedded.node.containers import (
    ConfigError,
    Place,
    containers,
    is_task,
    items,
    mapping,
    references,
)
from wherry.kube.embedded.node.identity import present
from wherry.kube.embedded.node.lacking import lacking_of_stored
from wherry.kube.embedded.node.lifecycle import NODE, NODE_IP, Backoff, Slot, State, Stop
from wherry.kube.embedded.node.logs import TICK_S, LogBook
from wherry.kube.embedded.node.network import Network
from wherry.kube.embedded.node.orphans import Orphans
from wherry.kube.embedded.node.pods import LOST_MESSAGE, START_FAILED, Pod
from wherry.kube.embedded.node.records import Attempt, Exit, Folder, parse_id
from wherry.kube.embedded.node.sessions import Sessions
from wherry.kube.embedded.node.statuses import NodeKube, Statuses
from wherry.kube.embedded.node.trash import Trash
from wherry.kube.embedded.node.upkeep import Upkeep
from wherry.kube.embedded.node.zygotes import Home, Message, Zygotes
from wherry.kube.embedded.registry import VERSION
from wherry.kube.errors import Gone, NotFound
from wherry.kube.events import EventRecorder
from wherry.kube.protocol import Object
from wherry.kube.resources import PODS, SERVICES
from wherry.seams import Clock

SCHEDULER = "default-scheduler"
ENVIRONMENT_ANNOTATION = "wherry.dev/environment"


class NodeSettings(msgspec.Struct, frozen=True):
    """How the node behaves; times in seconds."""

    backoff: Backoff = msgspec.field(default_factory=Backoff)
    zygote_idle_s: float = 5.0  # a zygote without server and attempts leaves; long enough for a server's restart
    say_waiting_after_s: float = 0.2  # a pod that waits less needs no status for it
    config_retry_s: float = 2.0  # a missing config map or secret may still come
    environment_retry_s: float = 30.0  # a package index may come back


class NodeAgent:
    """`async with NodeAgent(...)`: entering takes over what runs, leaving lets it run on.

    `runtime` is the built in-task runtime, `environ` the server's environment variables (tasks get a few of them).
    """

    def __init__(
        self,
        kube: NodeKube,
        home: Path,
        *,
        clock: Clock,
        environments: Environments,
        runtime: Path,
        capacity: Capacity,
        environ: Mapping[str, str],
        limits: cgroups.Limits | None = None,
        settings: NodeSettings | None = None,
        are_bound: Callable[[], bool] = addresses.are_bound,
    ) -> None:
        self._kube = kube
        self._clock = clock
        self._environments = environments
        self._environ = environ
        self._settings = settings or NodeSettings()
        self._folder = str(home / "pods")
        self._place = Place(NODE, NODE_IP, capacity.cpu, capacity.memory_bytes, str(runtime), str(home / "volumes"))
        self._scheduler = Scheduler(capacity)
        self._network = Network(kube, str(home), str(home / "run"), are_bound)
        name = "wherry-" + hashlib.sha256(str(home).encode()).hexdigest()[:8]
        self._limits = limits if limits is not None else cgroups.detect(name)
        self._events = EventRecorder(kube, "wherry-node", clock=clock)
        self._zygotes = Zygotes(
            home / "run", str(runtime), told=self._told, lost=self._lost, idle_s=self._settings.zygote_idle_s
        )
        self._orphans = Orphans(self._orphan_ended)
        self._upkeep = Upkeep(
            self._zygotes,
            self._orphans,
            self._place,
            self._events,
            home_of=self._zygote_home,
            prepare=self._prepare_owned,
            on_change=self._changed,
        )
        self._logs = LogBook(self._folder, clock)
        self._homes: dict[Interpreter, Home] = {}
        self._pods: dict[str, Pod] = {}
        self._sessions = Sessions(self._pods, self._upkeep)
        self._done: set[str] = set()  # final, status written; their objects are still there
        self._found: set[str] = set()  # folders that were there before us: only those pods can have begun
        self._closing: set[str] = set()  # attempts to be killed, of pods that are gone
        self._statuses = Statuses(kube, self._written)
        self._claims = Claims(kube, self._place.volumes, self._in_use)
        self._trash = Trash(self._folder)
        self._admitting = False
        self._ticking = False
        self._unenforced_said = False
        self._shared_said = False
        self._leaving = False

    async def __aenter__(self) -> Self:
        os.makedirs(self._folder, exist_ok=True)
        self._kube.log_source = self
        self._kube.stream_source = self._sessions
        self._kube.settle = self._statuses.settle
        living = {message.id: message for message in await self._zygotes.adopt()}
        # before the list: a pod in it may begin preparing
        self._group = self._upkeep.group = await asyncio.TaskGroup().__aenter__()
        try:
            version = await self._list(living)
        except BaseException as error:
            await self._group.__aexit__(type(error), error, error.__traceback__)
            raise
        self._tasks = [
            self._group.create_task(loop)
            for loop in (
                self._watch(version),
                self._statuses.run(),
                self._trash.run(),
                self._claims.run(),
                present(self._kube, self._scheduler.capacity, VERSION, self._folder, self._clock),
            )
        ]
        await self._kube.when_there({SERVICES: self._begin_network})
        self._admit_soon()
        return self

    async def __aexit__(self, *raised: Any) -> None:
        for pod in self._pods.values():
            if pod.timer is not None:
                pod.timer.cancel()
        for task in self._tasks:
            task.cancel()
        self._leaving = True
        self._upkeep.close()
        self._orphans.close()
        self._zygotes.close()
        self._limits.close()
        self._kube.log_source = self._kube.stream_source = self._kube.settle = None
        await self._group.__aexit__(None, None, None)

    def _begin_network(self) -> None:
        task = None if self._leaving else self._network.begin(self._group)
        if task is not None:
            self._tasks.append(task)

    @property
    def enforced(self) -> frozenset[str]:
        """The resources whose limits this machine enforces."""
        return self._limits.enforced

    @property
    def busy(self) -> bool:
        """Whether there are pods that are not over."""
        return bool(self._pods)

    def warm(self, interpreter: Interpreter) -> None:
        """Starts an environment's zygote before the first pod asks for it."""
        self._zygotes.warm(self._zygote_home(interpreter))

    def _zygote_home(self, interpreter: Interpreter) -> Home:
        home = self._homes.get(interpreter)
        if home is None:
            home = self._homes[interpreter] = launch.zygote_home(self._environ, interpreter)
        return home

    # --- what the API server says

    async def _watch(self, version: str) -> None:
        while True:
            try:
                async with aclosing(self._kube.watch(PODS, resource_version=version)) as events:
                    async for event in events:
                        self._saw(event.object, deleted=event.type == "DELETED")
            except Gone:
                version = await self._list({})

    async def _list(self, living: Mapping[str, Message]) -> str:
        """Sees all pods; what the node has and the API server has not is stopped and removed."""
        listed = await self._kube.list(PODS)
        self._found = set(os.listdir(self._folder)) - self._pods.keys()
        there: set[str] = set()
        for obj in listed.items:
            uid = obj["metadata"]["uid"]
            there.add(uid)
            self._saw(obj, living=living)
        for uid in [uid for uid in self._pods if uid not in there]:
            self._vanished(uid)
        self._done &= there
        for id_ in living:
            pod = self._pods.get(parse_id(id_).uid)
            if pod is None:
                self._closing.add(id_)
            if pod is None or pod.slot_of(parse_id(id_)) is None:  # or the command of a probe that nobody waits for
                self._zygotes.kill(id_, 0.0)
        closing = {parse_id(id_).uid for id_ in self._closing}
        for uid in self._found - there - self._pods.keys() - closing:
            self._trash.throw(uid)
        return listed.resource_version

    def _saw(self, obj: Object, *, deleted: bool = False, living: Mapping[str, Message] | None = None) -> None:
        metadata = obj["metadata"]
        uid = metadata["uid"]
        if deleted:
            self._vanished(uid)
            return
        pod = self._pods.get(uid)
        if pod is None:
            pod = self._new(obj, living or {})
            if pod is None:
                return
        if "deletionTimestamp" in metadata:
            grace_s = float(metadata.get("deletionGracePeriodSeconds") or 0)
            stop = pod.run.stop
            if stop is None or not stop.deleted or stop.grace_s > grace_s:
                pod.run.stop = Stop("", "", grace_s, self._clock.time(), deleted=True)
                self._step(pod)

    def _new(self, obj: Object, living: Mapping[str, Message]) -> Pod | None:
        uid = obj["metadata"]["uid"]
        node = obj["spec"].get("nodeName")
        if uid in self._done or node not in (None, "", NODE):
            return None
        if not node and obj["spec"].get("schedulerName", SCHEDULER) != SCHEDULER:
            return None  # until that scheduler binds it to us
        if mapping(obj.get("status")).get("phase") in ("Succeeded", "Failed"):
            self._done.add(uid)
            return None
        folder = Folder(self._folder, uid)
        wants = requests(obj)
        if node or uid in self._found:
            pod = taking.take_over(obj, folder, living, self._limits, self._clock.time())
            self._pods[uid] = pod
            pod.run.ip = self._network.adopt(obj)
            pod.gpus = self._scheduler.take(uid, wants, pod.gpus)
            for slot in pod.run.slots:
                if slot.busy:
                    self._follow(pod, slot)
            self._statuses.mark(pod)
            self._step(pod)
            return pod
        pod = self._pods[uid] = Pod(lifecycle.run_of(obj), folder)
        self._scheduler.wait(uid, wants)
        self._admit_soon()
        loop = asyncio.get_running_loop()
        after_s = 0.0 if self._scheduler.never_fits(wants) else self._settings.say_waiting_after_s
        pod.timer = loop.call_later(after_s, self._say_waiting, pod)
        return pod

    def _follow(self, pod: Pod, slot: Slot) -> None:
        attempt = pod.attempt(slot)
        self._watch_log(attempt)
        if slot.orphan:
            self._orphans.watch(attempt.id, launch.tag(attempt, slot.index), slot.pid, slot.start)
        self._upkeep.began(pod, slot)

    def _vanished(self, uid: str) -> None:
        """The object is gone: whatever runs is killed, then the folder goes."""
        self._done.discard(uid)
        pod = self._pods.get(uid)
        if pod is None:
            self._trash.throw(uid)
            return
        pod.gone = True
        if pod.run.final:
            self._forget(pod)
            self._trash.throw(uid)
            return
        pod.run.stop = Stop("", "", 0.0, self._clock.time(), deleted=True)
        self._step(pod)

    # --- admission and preparation

    def _admit_soon(self) -> None:
        if not self._admitting:
            self._admitting = True
            asyncio.get_running_loop().call_soon(self._admit)

    def _admit(self) -> None:
        self._admitting = False
        for uid, gpus in self._scheduler.admit():
            pod = self._pods[uid]
            if pod.timer is not None:
                pod.timer.cancel()
                pod.timer = None
            pod.run.begin = self._clock.time()
            pod.run.ip = self._network.admit(pod.run.pod)
            self._say_lacking(pod.run.pod)
            self._statuses.began(pod)
            pod.gpus = gpus
            if gpus:
                taking.remember_gpus(pod.folder, gpus)
            self._step(pod)

    def _say_lacking(self, obj: Object) -> None:
        """Tells what a pod asks for in vain; what a task does, its run tells."""
        if not is_task(obj) and (sentences := lacking_of_stored(obj)):
            message = " ".join(sentences)
            self._group.create_task(self._events.record(obj, "Normal", "NotApplicable", message))

    def _say_waiting(self, pod: Pod) -> None:
        pod.timer = None
        pod.run.waiting_for = self._scheduler.why_not(requests(pod.run.pod))
        self._statuses.mark(pod)

    def _prepare_now(self, pod: Pod) -> bool:
        """The short way: everything is known and nothing has to be fetched or made."""
        obj = pod.run.pod
        annotation: str = mapping(obj["metadata"].get("annotations")).get(ENVIRONMENT_ANNOTATION, "")
        if obj["spec"].get("volumes") or references(obj) or self._network.concerns(obj):
            return False
        for container in containers(obj):
            known = self._environments.known(container["image"], annotation)
            if known is None:
                return False
            pod.interpreters[container["name"]] = known
        pod.prepared = True
        return True

    async def _prepare(self, pod: Pod) -> None:
        """The long way.  What cannot be had is the waiting reason of the containers, and is tried again later."""
        obj = pod.run.pod
        namespace = obj["metadata"]["namespace"]
        annotation: str = mapping(obj["metadata"].get("annotations")).get(ENVIRONMENT_ANNOTATION, "")
        retry_s = self._settings.config_retry_s
        try:
            for container in containers(obj):
                pod.interpreters[container["name"]] = await self._environments.ensure(container["image"], annotation)
            sources: dict[Any, Object | None] = {}
            for reference in references(obj):
                try:
                    sources[reference] = await self._kube.get(reference[0], reference[1], namespace)
                except NotFound:
                    sources[reference] = None
            if self._network.concerns(obj):
                pod.links = await self._network.links(obj, pod.run.ip, pod.folder)
                sources = pod.links.sources(sources)
            pod.sources = sources
            if obj["spec"].get("volumes"):
                place = self._place._replace(pod_ip=pod.run.ip)
                pod.volumes = await asyncio.to_thread(volumes.make, obj, pod.folder.path, sources, place)
            pod.prepared = True
        except EnvironmentFailed as failed:
            reason, message, retry_s = "EnvironmentFailed", str(failed), self._settings.environment_retry_s
        except ConfigError as failed:
            reason, message = failed.reason, failed.message
        except OSError as failed:
            reason, message = "CreateContainerError", f"{failed.filename or 'pod folder'}: {failed.strerror}"
        else:
            self._step(pod)
            return
        self._refuse(pod, [slot for slot in pod.run.slots if slot.state is State.WAITING], reason, message, retry_s)

    def _refuse(self, pod: Pod, slots: list[Slot], reason: str, message: str, retry_s: float) -> None:
        again = self._clock.time() + retry_s
        if reason != "EnvironmentFailed" and any(slot.message != message for slot in slots):
            self._group.create_task(self._events.record(pod.run.pod, "Warning", reason, f"{message}; the pod waits"))
        for slot in slots:
            slot.wait(reason, message, again)
        pod.prepared = False
        self._statuses.mark(pod)
        self._step(pod)

    # --- acting

    def _step(self, pod: Pod) -> None:
        """Brings a pod forward by what is known now."""
        if pod.run.final:
            return
        if pod.timer is not None:
            pod.timer.cancel()
            pod.timer = None
        before = pod.run.phase
        plan = lifecycle.advance(pod.run, self._clock.time(), self._settings.backoff)
        if plan.start and not pod.prepared and not self._prepare_now(pod):
            self._begin_preparing(pod)
        elif plan.start:
            for slot in plan.start:
                self._launch(pod, slot)
        for slot in plan.stop:
            self._stop(pod, slot)
        if plan.again_at is not None:
            delay_s = max(0.0, plan.again_at - self._clock.time())
            pod.timer = asyncio.get_running_loop().call_later(delay_s, self._step, pod)
        if pod.run.final:
            self._finish(pod)
        elif pod.run.phase != before:
            self._statuses.mark(pod)

    def _begin_preparing(self, pod: Pod) -> None:
        if not pod.preparing:
            pod.preparing = True
            self._group.create_task(self._prepare_owned(pod))

    async def _prepare_owned(self, pod: Pod) -> None:
        """Preparation that takes its time is shown: the containers are being created."""
        shown = asyncio.get_running_loop().call_later(self._settings.say_waiting_after_s, self._statuses.mark, pod)
        try:
            await self._prepare(pod)
        finally:
            shown.cancel()
            pod.preparing = False

    def _launch(self, pod: Pod, slot: Slot) -> None:
        attempt = pod.attempt(slot)
        interpreter = pod.interpreters[slot.name]
        try:
            groups = self._make_groups(pod, slot, attempt)
            request = launch.request(
                pod.run.pod,
                slot.spec,
                slot.index,
                attempt,
                folder=pod.folder,
                interpreter=interpreter,
                sources=pod.sources,
                volume_paths=pod.volumes,
                gpus=pod.gpus if self._scheduler.capacity.gpus else None,
                groups=groups,
                place=self._place._replace(pod_ip=pod.run.ip),
                links=pod.links,
            )
            self._zygotes.start(self._zygote_home(interpreter), request)
        except ConfigError as failed:
            self._refuse(pod, [slot], failed.reason, failed.message, self._settings.config_retry_s)
        except OSError as failed:
            message = f"{failed.filename or 'start'}: {failed.strerror or failed}"
            self._refuse(pod, [slot], "CreateContainerError", message, self._settings.config_retry_s)
        else:
            slot.state = State.STARTING

    def _make_groups(self, pod: Pod, slot: Slot, attempt: Attempt) -> list[str]:
        limits = mapping(mapping(slot.spec.get("resources")).get("limits"))
        if not limits:
            return []
        missing = sorted({"cpu", "memory"} & limits.keys() - self._limits.enforced)
        if missing and not self._unenforced_said:
            self._unenforced_said = True
            message = f"limits of {' and '.join(missing)} are not enforced: this machine lets us make no control groups"
            self._group.create_task(self._events.record(pod.run.pod, "Warning", "LimitsNotEnforced", message))
        groups = self._limits.make(f"{attempt.uid}-{attempt.name}", limits)
        if groups:
            pod.groups[attempt.name] = groups
        return groups

    def _stop(self, pod: Pod, slot: Slot) -> None:
        id_ = pod.attempt(slot).id
        stop = pod.run.stop
        grace_s = stop.grace_s if stop else float(pod.run.pod["spec"]["terminationGracePeriodSeconds"])
        asked = pod.killed.get(id_)
        if asked is None or grace_s < asked:
            pod.killed[id_] = grace_s
            if stop and slot.sidecar and grace_s > 0:  # it shares the period with what ended before it
                grace_s = max(stop.since + grace_s - self._clock.time(), 1.0)
            self._upkeep.stop(pod, slot, grace_s)

    def _finish(self, pod: Pod) -> None:
        self._scheduler.forget(pod.uid)
        self._network.release(pod.uid, pod.run.ip)
        self._admit_soon()
        if pod.run.pod["spec"].get("volumes"):
            self._group.create_task(self._claims.pod_over())
        if pod.gone:
            self._forget(pod)
            self._trash.throw(pod.uid)
        else:
            self._statuses.mark(pod)

    def _in_use(self, namespace: str, claim: str) -> bool:
        return any(
            mapping(volume.get("persistentVolumeClaim")).get("claimName") == claim
            for pod in self._pods.values()
            if not pod.run.final and pod.run.pod["metadata"]["namespace"] == namespace
            for volume in items(pod.run.pod["spec"].get("volumes"))
        )

    def _written(self, pod: Pod) -> None:
        """The last status of a pod is in the API server."""
        self._done.add(pod.uid)
        self._forget(pod)

    def _forget(self, pod: Pod) -> None:
        self._pods.pop(pod.uid, None)
        self._upkeep.execs.forget(pod.uid)
        self._statuses.forget(pod)
        if pod.timer is not None:
            pod.timer.cancel()

    # --- what zygotes say

    def _told(self, message: Message) -> None:
        attempt = parse_id(message.id)
        pod = self._pods.get(attempt.uid)
        slot = pod.slot_of(attempt) if pod is not None else None
        if pod is None or slot is None or not slot.busy:
            if self._upkeep.execs.told(message):
                return
            if message.op != "started" and message.id in self._closing:
                self._closing.discard(message.id)
                self._trash.throw(attempt.uid)
            return
        if message.op == "started":
            slot.started(message.pid, message.start, message.begin)
            self._watch_log(attempt)
            self._upkeep.began(pod, slot)
            self._say_shared(pod, attempt)
            self._changed(pod)
            return
        if message.op == "failed":
            now = self._clock.time()
            self._ended(pod, slot, Exit(message.id, 0, "", now, now, START_FAILED, 0), ("StartError", message.message))
            return
        record = Exit(
            message.id,
            message.pid,
            message.start,
            message.begin,
            message.end,
            message.code,
            message.signal,
            message.usage,
        )
        self._ended(pod, slot, record, taking.outcome(pod, slot, record, self._limits))

    def _say_shared(self, pod: Pod, attempt: Attempt) -> None:
        """Says once that this machine gives pods no ports of their own, if it does not."""
        if self._shared_said or pod.links is None:
            return
        why = self._network.shared or pod.folder.shared(attempt)
        if why:
            self._shared_said = True
            message = f"pods share this machine's ports ({why}): two that listen on the same one collide"
            self._group.create_task(self._events.record(pod.run.pod, "Warning", "PortsShared", message))

    def _ended(self, pod: Pod, slot: Slot, record: Exit, outcome: tuple[str, str]) -> None:
        attempt = pod.attempt(slot)
        self._logs.unwatch(attempt)
        self._upkeep.ended(attempt.id)
        self._sessions.ended(attempt.id)
        pod.killed.pop(attempt.id, None)
        slot.ended(record, *outcome)
        self._changed(pod)

    def _changed(self, pod: Pod) -> None:
        self._statuses.mark(pod)
        self._step(pod)

    def _lost(self, ids: list[str], why: str) -> None:
        """A zygote is gone: what it watched lives on by itself, has left a record, has never begun, or is lost."""
        if self._leaving:
            return
        for id_ in ids:
            attempt = parse_id(id_)
            pod = self._pods.get(attempt.uid)
            slot = pod.slot_of(attempt) if pod is not None else None
            if pod is None or slot is None or not slot.busy:
                self._upkeep.execs.lost(id_)
                continue
            now = self._clock.time()
            record = pod.folder.exit(attempt)
            if why:
                message = f"the zygote did not come up: {why}"
                self._ended(pod, slot, Exit(id_, 0, "", now, now, START_FAILED, 0), ("StartError", message))
            elif record is not None:
                self._ended(pod, slot, record, taking.outcome(pod, slot, record, self._limits))
            elif not pod.folder.was_started(attempt):
                slot.wait("ContainerCreating", "", 0.0)
                self._step(pod)
            else:
                taking.found_orphan(slot, attempt, lifecycle.container_id(slot), now)
                if slot.busy:
                    self._follow(pod, slot)
                    if id_ in pod.killed:
                        self._orphans.kill(id_, pod.killed[id_])
                else:
                    self._logs.unwatch(attempt)
                    self._upkeep.ended(id_)
                self._changed(pod)

    def _orphan_ended(self, id_: str) -> None:
        attempt = parse_id(id_)
        pod = self._pods.get(attempt.uid)
        slot = pod.slot_of(attempt) if pod is not None else None
        if pod is not None and slot is not None and slot.busy:
            self._logs.unwatch(attempt)
            self._limits.remove(pod.groups.pop(attempt.name, []))
            slot.lost(self._clock.time(), LOST_MESSAGE)
            self._upkeep.ended(id_)
            self._changed(pod)

    # --- logs

    def _watch_log(self, attempt: Attempt) -> None:
        self._logs.watch(attempt)
        if not self._ticking:
            self._ticking = True
            asyncio.get_running_loop().call_later(TICK_S, self._tick)

    def _tick(self) -> None:
        self._ticking = not self._leaving and self._logs.tick()
        if self._ticking:
            asyncio.get_running_loop().call_later(TICK_S, self._tick)

    def read(
        self,
        pod: Object,
        container: str,
        *,
        follow: bool = False,
        tail: int | None = None,
        timestamps: bool = False,
        since_s: float | None = None,
        restart: int | None = None,
    ) -> AsyncGenerator[bytes, None]:
        """See `LogSource.read`."""
        uid = pod["metadata"]["uid"]
        return self._logs.read(
            uid, container, follow=follow, tail=tail, timestamps=timestamps, since_s=since_s, restart=restart
        )
