"""Probes and hooks of running containers: who is up, who is ready, who has to be killed.

Owned by the agent.  Invariants: a container without probes and hooks costs nothing here; what is found about an attempt
that is over is thrown away; a container is up when its postStart hook and its startup probe have succeeded, and is
looked at by its other probes only then (pod lifecycle in the Kubernetes documentation).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Mapping
from typing import Any, Protocol

from wherry.kube.embedded.node.containers import mapping
from wherry.kube.embedded.node.lifecycle import Slot
from wherry.kube.embedded.node.pods import Pod
from wherry.kube.embedded.node.probing import look

_HOOK_LIMIT_S = 3600.0  # a hook has no time limit of its own; the pod's deadline and grace period end it


class Keeper(Protocol):
    """The agent, as health sees it."""

    def execute(self, pod: Pod, slot: Slot, command: list[str], timeout_s: float) -> Awaitable[str]:
        """Runs a command where the container runs; what is wrong, or ""."""
        ...

    def changed(self, pod: Pod) -> None:
        """A container has come up, or has become ready or not."""
        ...

    def unhealthy(self, pod: Pod, slot: Slot, grace_s: float | None) -> None:
        """The container has to be killed, within the pod's own grace period when none is given."""
        ...

    def warn(self, pod: Pod, reason: str, message: str) -> None:
        """Tells the pod's user."""
        ...


class Health:
    """Watches the attempts that it is told of."""

    def __init__(self, keeper: Keeper) -> None:
        self._keeper = keeper
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def began(self, pod: Pod, slot: Slot, group: asyncio.TaskGroup) -> None:
        """The attempt runs."""
        id_ = pod.attempt(slot).id
        if slot.watched and id_ not in self._tasks:  # one whose zygote died is begun with twice
            self._tasks[id_] = group.create_task(self._watch(pod, slot))

    def ended(self, id_: str) -> None:
        """The attempt is over, or is being stopped."""
        task = self._tasks.pop(id_, None)
        if task is not None:
            task.cancel()

    def close(self) -> None:
        """Looks at nothing any more."""
        for id_ in list(self._tasks):
            self.ended(id_)

    async def pre_stop(self, pod: Pod, slot: Slot, grace_s: float) -> float:
        """Runs the preStop hook; how much of the grace period is left for the process."""
        hook = mapping(mapping(slot.spec.get("lifecycle")).get("preStop"))
        loop = asyncio.get_running_loop()
        begun = loop.time()
        problem = await self._look(pod, slot, hook, grace_s)
        if problem:
            self._keeper.warn(pod, "FailedPreStopHook", f"preStop hook of {slot.name}: {problem}")
        return max(grace_s - (loop.time() - begun), 1.0)  # the kubelet leaves at least a moment for the process

    async def _watch(self, pod: Pod, slot: Slot) -> None:
        spec = slot.spec
        if not slot.up:
            hook = mapping(mapping(spec.get("lifecycle")).get("postStart"))
            problem = await self._look(pod, slot, hook, _HOOK_LIMIT_S) if hook else ""
            if problem:
                self._keeper.warn(pod, "FailedPostStartHook", f"postStart hook of {slot.name}: {problem}")
                self._keeper.unhealthy(pod, slot, None)
                return
            startup = spec.get("startupProbe")
            if startup is not None and not await self._until_up(pod, slot, startup):
                return
            slot.up = True
            slot.ready = not spec.get("readinessProbe")
            self._keeper.changed(pod)
        async with asyncio.TaskGroup() as both:
            if spec.get("readinessProbe"):
                both.create_task(self._readiness(pod, slot, spec["readinessProbe"]))
            if spec.get("livenessProbe"):
                both.create_task(self._liveness(pod, slot, spec["livenessProbe"]))

    async def _until_up(self, pod: Pod, slot: Slot, probe: Mapping[str, Any]) -> bool:
        failures = 0
        await asyncio.sleep(_seconds(probe, "initialDelaySeconds"))
        while problem := await self._probe(pod, slot, probe):
            failures += 1
            if failures >= int(probe["failureThreshold"]):
                self._fail(pod, slot, probe, "Startup", problem)
                return False
            await asyncio.sleep(_seconds(probe, "periodSeconds"))
        return True

    async def _readiness(self, pod: Pod, slot: Slot, probe: Mapping[str, Any]) -> None:
        streak = 0  # of looks that say otherwise than `ready` does
        await asyncio.sleep(_seconds(probe, "initialDelaySeconds"))
        while True:
            problem = await self._probe(pod, slot, probe)
            streak = streak + 1 if bool(problem) == slot.ready else 0
            if streak >= int(probe["failureThreshold" if slot.ready else "successThreshold"]):
                streak = 0
                slot.ready = not slot.ready
                if problem:
                    self._keeper.warn(pod, "Unhealthy", f"Readiness probe failed: {problem} (container {slot.name})")
                self._keeper.changed(pod)
            await asyncio.sleep(_seconds(probe, "periodSeconds"))

    async def _liveness(self, pod: Pod, slot: Slot, probe: Mapping[str, Any]) -> None:
        failures = 0
        await asyncio.sleep(_seconds(probe, "initialDelaySeconds"))
        while True:
            problem = await self._probe(pod, slot, probe)
            failures = failures + 1 if problem else 0
            if failures >= int(probe["failureThreshold"]):
                self._fail(pod, slot, probe, "Liveness", problem)
                return
            await asyncio.sleep(_seconds(probe, "periodSeconds"))

    def _fail(self, pod: Pod, slot: Slot, probe: Mapping[str, Any], kind: str, problem: str) -> None:
        self._keeper.warn(pod, "Unhealthy", f"{kind} probe failed: {problem} (container {slot.name} is stopped)")
        grace: Any = probe.get("terminationGracePeriodSeconds")
        self._keeper.unhealthy(pod, slot, None if grace is None else float(grace))

    def _probe(self, pod: Pod, slot: Slot, probe: Mapping[str, Any]) -> Awaitable[str]:
        return self._look(pod, slot, probe, _seconds(probe, "timeoutSeconds"))

    def _look(self, pod: Pod, slot: Slot, handler: Mapping[str, Any], timeout_s: float) -> Awaitable[str]:
        def execute(command: list[str], limit_s: float) -> Awaitable[str]:
            return self._keeper.execute(pod, slot, command, limit_s)

        return look(handler, slot.spec, timeout_s, execute, pod_ip=pod.run.ip)


def _seconds(probe: Mapping[str, Any], field: str) -> float:
    return float(probe.get(field) or 0)
