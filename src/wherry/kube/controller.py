"""Controllers: a pure `plan` for one kind of object, and the one runner that carries plans out.

Called by the domain packages (they write plans) and by the server (it runs them).  Invariant: a plan is computed from
what was observed, without waiting and without a clock of its own; carrying it out twice does the same as carrying it
out once.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
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


class Change(NamedTuple):
    """A merge patch for a child (or for the object itself), made only if that is still as the plan saw it."""

    object: Object
    patch: Object


class Plan(msgspec.Struct, frozen=True):
    """What to do about an object, in this order: take children in, change, create and delete them, tell events, set the
    status, look again."""

    adopt: Sequence[Object] = ()  # nobody controls them; from now on the object does
    change: Sequence[Change] = ()
    ensure: Sequence[Object] = ()  # must be there, with the owners they name themselves; whoever made them
    create: Sequence[Object] = ()  # controlled by the object; a name may be left to the server (generateName)
    delete: Sequence[Object] = ()  # children, or the object itself
    events: Sequence[Note] = ()
    status: Object | None = None  # the whole status; None leaves it alone
    requeue: timedelta | None = None


class Planner(Protocol):
    """Decides from an object, its children by name, and the time; pure."""

    def __call__(self, obj: Object, children: Sequence[Object], now: datetime, /) -> Plan: ...


def nobody(obj: Object, other: Object) -> bool:
    """Nothing belongs to an object but what it controls."""
    return False


class Words(NamedTuple):
    """What is told of children that are made and removed: templates with {child}, {kind} and {owner}.

    Of kinds that are `silent` nothing is told.
    """

    created: str
    deleted: str
    silent: tuple[str, ...] = ()


class Controller(msgspec.Struct, frozen=True):
    """One controller: which objects it looks after, which children it makes for them, and how it decides.

    `related` says whether something of a child's kind that nobody controls concerns an object of the same namespace:
    the plan sees it among the children.  `observes` are kinds of which the plan sees, too, what `concerned` says that
    the object is about, whoever controls it.  `failed` puts a failure to create a child into the planned status.
    """

    name: str
    resource: Resource
    children: tuple[Resource, ...]
    plan: Planner
    namespace: str = ""
    labels: str = ""  # selector of the objects; empty means all
    related: Callable[[Object, Object], bool] = nobody
    observes: tuple[Resource, ...] = ()
    concerned: Callable[[Object, Object], bool] = nobody
    failed: Callable[[Object, KubeError, datetime], Object] | None = None
    words: Words | None = None


class Runner:
    """Runs one controller until it is cancelled.

    An object is planned for when it or a child of it (by controller reference, or by `related`) changes, at its requeue
    time, and again after a failure, with backoff; never twice at the same time.  Objects that are being deleted are
    left to the garbage collector.
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
        self._children: dict[str, dict[str, Object]] = {}  # by the uid of who controls them; empty: of nobody
        self._owners: dict[str, str] = {}
        self._recorder = EventRecorder(kube, controller.name, clock=clock)
        scope = Scope(controller.resource, controller.namespace, controller.labels)
        self._objects = Informer(kube, scope, self._object_changed, backoff=self._backoff)
        self._resources = {(resource.api_version, resource.kind): resource for resource in controller.children}
        self._informers = {
            resource: Informer(kube, Scope(resource, controller.namespace), self._child_changed, backoff=self._backoff)
            for resource in controller.children
        }
        self._observed = [
            Informer(kube, Scope(resource, controller.namespace), self._observed_changed, backoff=self._backoff)
            for resource in controller.observes
        ]
        self._about: dict[str, set[str]] = {}  # uid of what is observed -> the objects that it concerned when last seen

    @property
    def busy(self) -> bool:
        """Whether there is something to do, now or later."""
        return self._queue.busy

    async def run(self) -> None:
        """Watches, plans and acts until cancelled."""
        try:
            async with asyncio.TaskGroup() as group:
                # Objects first: what is known of a child is never older than what is known of its owner, whose stale
                # status no write gets past.  And no plan is made before the children are known.
                group.create_task(self._objects.run())
                await self._objects.synced.wait()
                others = [*self._informers.values(), *self._observed]
                for informer in others:
                    group.create_task(informer.run())
                for informer in others:
                    await informer.synced.wait()
                for _ in range(self._workers):
                    group.create_task(self._work())
        finally:
            self._queue.close()

    def _object_changed(self, obj: Object, gone: bool) -> None:
        uid = obj["metadata"]["uid"]
        if gone:
            self._failures.pop(uid, None)
            self._queue.forget_later(uid)
        else:
            self._queue.add(uid)

    def _child_changed(self, obj: Object, gone: bool) -> None:
        uid, owner = obj["metadata"]["uid"], controller_of(obj)
        before = self._owners.get(uid)
        if before is not None and (gone or before != owner):
            del self._owners[uid]
            del self._children[before][uid]
            if not self._children[before]:
                del self._children[before]
            self._wake(before, obj)
        if gone:
            return
        if owner or self._controller.related is not nobody:
            self._owners[uid] = owner
            self._children.setdefault(owner, {})[uid] = obj
            self._wake(owner, obj)

    def _observed_changed(self, obj: Object, gone: bool) -> None:
        uid = obj["metadata"]["uid"]
        before = self._about.pop(uid, set[str]())
        concerned = [] if gone else [each for each in self._objects if self._is_about(each, obj)]
        about: set[str] = {each["metadata"]["uid"] for each in concerned}
        if about:
            self._about[uid] = about
        for each in before | about:
            self._queue.add(each)

    def _is_about(self, obj: Object, other: Object) -> bool:
        same = obj["metadata"].get("namespace") == other["metadata"].get("namespace")
        return same and self._controller.concerned(obj, other)

    def _wake(self, owner: str, child: Object) -> None:
        """Has those planned for whom a child of `owner` concerns."""
        if owner:
            self._queue.add(owner)
            return
        for obj in self._objects:
            if self._concerns(obj, child):
                self._queue.add(obj["metadata"]["uid"])

    def _concerns(self, obj: Object, child: Object) -> bool:
        same = obj["metadata"].get("namespace") == child["metadata"].get("namespace")
        return same and self._controller.related(obj, child)

    def _children_of(self, obj: Object) -> list[Object]:
        found = list(self._children.get(obj["metadata"]["uid"], {}).values())
        found += [child for child in self._children.get("", {}).values() if self._concerns(obj, child)]
        found += [other for informer in self._observed for other in informer if self._is_about(obj, other)]
        return sorted(found, key=lambda child: child["metadata"]["name"])

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
        now = datetime.fromtimestamp(self._clock.time(), UTC)
        plan = self._controller.plan(obj, self._children_of(obj), now)
        self._queue.forget_later(uid)  # the last plan says when to look again
        if plan.adopt and not await self._adopt(obj, plan.adopt):
            return
        for change in plan.change:
            written = await self._change(change)
            if change.object is obj and written is not None:
                obj = written
        try:
            for child in plan.ensure:
                await self._ensure(obj, child)
            for child in plan.create:
                await self._create(obj, child)
        except KubeError as error:
            if self._controller.failed is not None and plan.status is not None:
                await self._set_status(obj, self._controller.failed(plan.status, error, now))
            raise
        for child in plan.delete:
            await self._delete(obj, child)
        for note in plan.events:
            await self._recorder.record(obj, note.type, note.reason, note.message)
        if plan.status is not None:
            await self._set_status(obj, plan.status)
        if plan.requeue is not None:
            self._queue.add(uid, after_s=max(plan.requeue.total_seconds(), 0.001))

    async def _adopt(self, owner: Object, children: Sequence[Object]) -> bool:
        """Makes the owner control them, unless it has meanwhile gone: its orphans would be collected with it."""
        metadata = owner["metadata"]
        try:
            now = await self._kube.get(self._controller.resource, metadata["name"], metadata.get("namespace", ""))
        except NotFound:
            return False
        if now["metadata"]["uid"] != metadata["uid"] or "deletionTimestamp" in now["metadata"]:
            return False
        for child in children:
            references = [*(child["metadata"].get("ownerReferences") or ()), controller_reference(owner)]
            await self._change(Change(child, {"metadata": {"ownerReferences": references}}))
        return True

    async def _change(self, change: Change) -> Object | None:
        """The object after the change, None when it is gone.  Raises Conflict when it has changed meanwhile."""
        metadata = change.object["metadata"]
        resource, informer = self._of(change.object)
        seen = {"uid": metadata["uid"], "resourceVersion": metadata["resourceVersion"]}
        said: Object = change.patch.get("metadata") or {}
        patch: Object = {**change.patch, "metadata": {**said, **seen}}
        try:
            written = await self._kube.patch(resource, metadata["name"], metadata.get("namespace", ""), patch)
        except NotFound:
            informer.forget(metadata["uid"])
            return None
        informer.learn(written)
        return written

    def _of(self, obj: Object) -> tuple[Resource, Informer]:
        """The resource of a child, or of the object itself, and who keeps the picture of it."""
        resource = self._resources.get((obj["apiVersion"], obj["kind"]))
        if resource is None:
            return self._controller.resource, self._objects
        return resource, self._informers[resource]

    async def _ensure(self, owner: Object, child: Object) -> None:
        metadata: dict[str, Any] = {"namespace": owner["metadata"].get("namespace", ""), **child["metadata"]}
        try:
            written = await self._kube.create({**child, "metadata": metadata})
        except AlreadyExists:
            return
        except KubeError as error:
            await self._recorder.record(owner, "Warning", "FailedCreate", f"Error creating: {error.message}")
            raise
        self._of(child)[1].learn(written)
        await self._tell("SuccessfulCreate", owner, written)

    async def _create(self, owner: Object, child: Object) -> None:
        metadata: dict[str, Any] = {"namespace": owner["metadata"].get("namespace", ""), **child["metadata"]}
        metadata["ownerReferences"] = [controller_reference(owner)]
        resource, informer = self._of(child)
        try:
            written = await self._kube.create({**child, "metadata": metadata})
        except AlreadyExists as error:
            existing = await self._kube.get(resource, metadata["name"], metadata["namespace"])
            if controller_of(existing) != owner["metadata"]["uid"]:
                await self._recorder.record(owner, "Warning", "FailedCreate", f"Error creating: {error.message}")
                raise
            informer.learn(existing)
            return
        except KubeError as error:
            await self._recorder.record(owner, "Warning", "FailedCreate", f"Error creating: {error.message}")
            raise
        informer.learn(written)
        await self._tell("SuccessfulCreate", owner, written)

    async def _tell(self, reason: str, owner: Object, child: Object) -> None:
        words = self._controller.words
        if words is not None and child["kind"] not in words.silent and child is not owner:
            template = words.created if reason == "SuccessfulCreate" else words.deleted
            await self._recorder.record(owner, "Normal", reason, _worded(template, owner, child))

    async def _delete(self, owner: Object, child: Object) -> None:
        metadata = child["metadata"]
        if "deletionTimestamp" in metadata:
            return
        resource, informer = self._of(child)
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
        await self._tell("SuccessfulDelete", owner, child)

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


def _worded(template: str, owner: Object, child: Object) -> str:
    name: str = owner["metadata"]["name"]
    return template.format(child=child["metadata"]["name"], kind=child["kind"], owner=f"{owner['kind']} {name}")


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
