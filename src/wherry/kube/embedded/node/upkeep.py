"""What containers need while they run and when they stop: probes, hooks, the commands of both, the kill at the end.

Owned by the agent.  Invariant: a container without probes and hooks is killed as soon as it is to stop, and costs
nothing before.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from wherry.kube.embedded.environments import Interpreter
from wherry.kube.embedded.node.containers import Place, mapping
from wherry.kube.embedded.node.execs import Execs
from wherry.kube.embedded.node.health import Health
from wherry.kube.embedded.node.lifecycle import Slot
from wherry.kube.embedded.node.orphans import Orphans
from wherry.kube.embedded.node.pods import Pod
from wherry.kube.embedded.node.zygotes import Home, Zygotes
from wherry.kube.events import EventRecorder


class Upkeep:
    """The `Keeper` of `Health`.  `prepare` gives a pod that was taken over its interpreters and volumes, `home_of` an
    interpreter's zygote; `on_change` is called when a container has come up or changed its readiness."""

    group: asyncio.TaskGroup
    """Set by the agent when it is entered."""

    def __init__(
        self,
        zygotes: Zygotes,
        orphans: Orphans,
        place: Place,
        events: EventRecorder,
        *,
        home_of: Callable[[Interpreter], Home],
        prepare: Callable[[Pod], Awaitable[None]],
        on_change: Callable[[Pod], None],
    ) -> None:
        self.execs = Execs(zygotes, place)
        self._zygotes = zygotes
        self._orphans = orphans
        self._events = events
        self.home_of = home_of
        self._prepare = prepare
        self._on_change = on_change
        self._health = Health(self)
        self._stopping: set[asyncio.Task[None]] = set()

    def began(self, pod: Pod, slot: Slot) -> None:
        """The container runs."""
        self._health.began(pod, slot, self.group)

    def ended(self, id_: str) -> None:
        """The attempt is over."""
        self._health.ended(id_)
        self.execs.beside_ended(id_)

    def stop(self, pod: Pod, slot: Slot, grace_s: float) -> None:
        """Stops the container: its preStop hook first, when there is time for it."""
        id_ = pod.attempt(slot).id
        self._health.ended(id_)
        if grace_s > 0 and mapping(slot.spec.get("lifecycle")).get("preStop") and slot.pid:
            task = self.group.create_task(self._stop_after_hook(pod, slot, id_, grace_s))
            self._stopping.add(task)
            task.add_done_callback(self._stopping.discard)
        else:
            self.kill(id_, grace_s)

    def close(self) -> None:
        """The server leaves; containers go on, and the next server looks after them."""
        self._health.close()
        for task in self._stopping:
            task.cancel()

    def kill(self, id_: str, grace_s: float) -> None:
        """SIGTERM now, SIGKILL after the grace period."""
        if not self._zygotes.kill(id_, grace_s):
            self._orphans.kill(id_, grace_s)

    async def _stop_after_hook(self, pod: Pod, slot: Slot, id_: str, grace_s: float) -> None:
        left_s = await self._health.pre_stop(pod, slot, grace_s)
        if slot.busy and pod.attempt(slot).id == id_:
            self.kill(id_, left_s)

    # --- what health asks for

    async def execute(self, pod: Pod, slot: Slot, command: list[str], timeout_s: float) -> str:
        """See `Keeper`."""
        interpreter = await self.interpreter(pod, slot)
        if interpreter is None:
            return "the container's environment is not there"
        return await self.execs.run(pod, slot, command, timeout_s, interpreter, self.home_of(interpreter))

    async def interpreter(self, pod: Pod, slot: Slot) -> Interpreter | None:
        """What the container runs in; a pod that was taken over is prepared for that first."""
        if not pod.prepared:
            await self._prepare(pod)
        return pod.interpreters.get(slot.name) if pod.prepared else None

    def changed(self, pod: Pod) -> None:
        """See `Keeper`."""
        self._on_change(pod)

    def unhealthy(self, pod: Pod, slot: Slot, grace_s: float | None) -> None:
        """See `Keeper`."""
        own: Any = pod.run.pod["spec"]["terminationGracePeriodSeconds"]
        self.stop(pod, slot, float(own) if grace_s is None else grace_s)

    def warn(self, pod: Pod, reason: str, message: str) -> None:
        """See `Keeper`."""
        self.group.create_task(self._events.record(pod.run.pod, "Warning", reason, message))
