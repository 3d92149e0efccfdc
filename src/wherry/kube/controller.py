"""Controllers: a pure `plan` for one kind of object, and the one runner that carries plans out.

Called by the domain packages (they write plans) and by the server (it runs them).  Invariant: a plan is computed from
what was observed, without waiting and without a clock of its own; carrying it out twice does the same as carrying it
out once.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple, Protocol

import msgspec

from wherry.kube.errors import AlreadyExists, Conflict, KubeError, NotFound
from wherry.kube.events import EventRecorder, EventType
from wherry.kube.informer import Informer, Scope
from wherry.kube.patches import merge_patch
from wherry.kube.protocol import Kube, Object
from wherry.kube.queue import Backoff, WorkQueue
from wherry.kube.resources import Resource
from wherry.seams import Clock

_log = logging.getLogger(__name__)


class Note(NamedTuple):
    """An event to tell of the object."""

    type: EventType
    reason: str
    message: str


class Plan(msgspec.Struct, frozen=True):
    """What to do about an object, in this order: create and delete children, tell events, set the status, look
    again."""

    create: Sequence[Object] = ()
    delete: Sequence[Object] = ()
    events: Sequence[Note] = ()
    status: Object | None = None  # the whole status; None leaves it alone
    requeue: timedelta | None = None


class Planner(Protocol):
    """Decides from an object, its children by name, and the time; pure."""

    def __call__(self, obj: Object, children: Sequence[Object], now: datetime, /) -> Plan: ...


class Controller(msgspec.Struct, frozen=True):
    """One controller: which objects it looks after, which children it makes for them, and how it decides."""

    name: str
    resource: Resource
    children: tuple[Resource, ...]
    plan: Planner
    namespace: str = ""
    labels: str = ""  # selector of the objects; empty means all


class Runner:
    """Runs one controller until it is cancelled.

    An object is planned for when it or a child of it (by controller reference) changes, at its requeue time, and
    again after a failure, with backoff; never twice at the same time.  Objects that are being deleted are left to the
    garbage collector.
    """

    def __init__(
        self, kube: Kube, controller: Controller, *, clock: Clock, backoff: Backoff | None = None, workers: int = 4
    ) -> None:
        self._kube = kube
        self._controller = controller
        self._clock = clock
        self._backoff = backoff or Backoff()
        self._workers = workers
        self._queue: WorkQueue[str] = WorkQueue()
        self._failures: dict[str, int] = {}
        self._children: dict[str, dict[str, Object]] = {}
        self._recorder = EventRecorder(kube, controller.name, clock=clock)
        scope = Scope(controller.resource, controller.namespace, controller.labels)
        self._objects = Informer(kube, scope, self._object_changed, backoff=self._backoff)
        self._resources = {(resource.api_version, resource.kind): resource for resource in controller.children}
        self._informers = {
            resource: Informer(kube, Scope(resource, controller.namespace), self._child_changed, backoff=self._backoff)
            for resource in controller.children
        }

    async def run(self) -> None:
        """Watches, plans and acts until cancelled."""
        try:
            async with asyncio.TaskGroup() as group:
                for informer in self._informers.values():
                    group.create_task(informer.run())
                # Children first: an object must not be planned for before its children are known.
                for informer in self._informers.values():
                    await informer.synced.wait()
                group.create_task(self._objects.run())
                for _ in range(self._workers):
                    group.create_task(self._work())
        finally:
            self._queue.close()

    def _object_changed(self, obj: Object, gone: bool) -> None:
        uid = obj["metadata"]["uid"]
        if gone:
            self._failures.pop(uid, None)
        else:
            self._queue.add(uid)

    def _child_changed(self, obj: Object, gone: bool) -> None:
        owner = controller_of(obj)
        if not owner:
            return
        children = self._children.setdefault(owner, {})
        if gone:
            children.pop(obj["metadata"]["uid"], None)
            if not children:
                del self._children[owner]
        else:
            children[obj["metadata"]["uid"]] = obj
        self._queue.add(owner)

    async def _work(self) -> None:
        while True:
            uid = await self._queue.get()
            try:
                await self._attend(uid)
                self._failures.pop(uid, None)
            except Conflict:
                self._retry(uid)
            except KubeError as error:
                _log.warning("%s: %s", self._controller.name, error)
                self._retry(uid)
            except Exception:  # noqa: BLE001 - the boundary: a plan that raises must not stop the controller for others
                _log.exception("%s: the plan for %s failed", self._controller.name, uid)
                self._retry(uid)
            finally:
                self._queue.done(uid)

    def _retry(self, uid: str) -> None:
        failures = self._failures[uid] = self._failures.get(uid, 0) + 1
        self._queue.add(uid, after_s=self._backoff.delay_s(failures))

    async def _attend(self, uid: str) -> None:
        obj = self._objects.get(uid)
        if obj is None or "deletionTimestamp" in obj["metadata"]:
            return
        children = sorted(self._children.get(uid, {}).values(), key=lambda child: child["metadata"]["name"])
        plan = self._controller.plan(obj, children, datetime.fromtimestamp(self._clock.time(), UTC))
        for child in plan.create:
            await self._create(obj, child)
        for child in plan.delete:
            await self._delete(child)
        for note in plan.events:
            await self._recorder.record(obj, note.type, note.reason, note.message)
        if plan.status is not None:
            await self._set_status(obj, plan.status)
        if plan.requeue is not None:
            self._queue.add(uid, after_s=max(plan.requeue.total_seconds(), 0.001))

    async def _create(self, owner: Object, child: Object) -> None:
        metadata: dict[str, Any] = {"namespace": owner["metadata"].get("namespace", ""), **child["metadata"]}
        metadata["ownerReferences"] = [controller_reference(owner)]
        resource = self._resources[child["apiVersion"], child["kind"]]
        informer = self._informers[resource]
        try:
            informer.learn(await self._kube.create({**child, "metadata": metadata}))
        except AlreadyExists as error:
            existing = await self._kube.get(resource, metadata["name"], metadata["namespace"])
            if controller_of(existing) != owner["metadata"]["uid"]:
                await self._recorder.record(owner, "Warning", "FailedCreate", error.message)
                raise
            informer.learn(existing)
        except KubeError as error:
            await self._recorder.record(owner, "Warning", "FailedCreate", error.message)
            raise

    async def _delete(self, child: Object) -> None:
        metadata = child["metadata"]
        if "deletionTimestamp" in metadata:
            return
        resource = self._resources[child["apiVersion"], child["kind"]]
        informer = self._informers[resource]
        try:
            left = await self._kube.delete(
                resource, metadata["name"], metadata.get("namespace", ""), uid=metadata["uid"]
            )
        except (NotFound, Conflict):  # it is gone, or another one has its name: both are what was wanted
            left = None
        if left is None:
            informer.forget(metadata["uid"])
        else:
            informer.learn(left)

    async def _set_status(self, obj: Object, status: Object) -> None:
        change = merge_patch(obj.get("status") or {}, status)
        if not change:
            return
        metadata = obj["metadata"]
        patch = {"metadata": {"resourceVersion": metadata["resourceVersion"]}, "status": change}
        try:
            written = await self._kube.patch(
                self._controller.resource, metadata["name"], metadata.get("namespace", ""), patch, subresource="status"
            )
        except NotFound:
            return
        self._objects.learn(written)


def controller_of(obj: Object) -> str:
    """The uid of the owner that controls the object, empty when none does."""
    references: list[dict[str, Any]] = obj["metadata"].get("ownerReferences") or []
    return next((reference["uid"] for reference in references if reference.get("controller")), "")


def controller_reference(owner: Object) -> dict[str, Any]:
    """The owner reference of a child that `owner` controls."""
    metadata = owner["metadata"]
    return {
        "apiVersion": owner["apiVersion"],
        "kind": owner["kind"],
        "name": metadata["name"],
        "uid": metadata["uid"],
        "controller": True,
        "blockOwnerDeletion": True,
    }
