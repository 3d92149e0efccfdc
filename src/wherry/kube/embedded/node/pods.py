"""What the agent keeps of each pod, and how a pod is taken over from an earlier life of the server.

Called by the agent.  Invariant: taking over starts nothing that may have been started: an attempt whose working folder
is there has begun, and it runs, has ended, or is lost.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec

from wherry.kube.embedded.environments import Interpreter
from wherry.kube.embedded.node import processes
from wherry.kube.embedded.node.cgroups import Limits
from wherry.kube.embedded.node.containers import Sources
from wherry.kube.embedded.node.launch import tag
from wherry.kube.embedded.node.lifecycle import Run, Slot, parse_container_id, run_of
from wherry.kube.embedded.node.network import Links
from wherry.kube.embedded.node.records import Attempt, Exit, Folder
from wherry.kube.embedded.node.volumes import Volume
from wherry.kube.embedded.node.zygotes import Message
from wherry.kube.protocol import Object

LOST_MESSAGE = "The container's process is gone and left no record of how it ended."


class Pod(msgspec.Struct):
    """A pod on this node, from its first sight to its last status."""

    run: Run
    folder: Folder
    bound: bool = False  # the API server knows that it is ours
    prepared: bool = False  # interpreters, sources and volumes are there
    preparing: bool = False
    interpreters: dict[str, Interpreter] = msgspec.field(default_factory=dict[str, Interpreter])
    sources: Sources = msgspec.field(default_factory=dict[Any, Any])
    links: Links | None = None  # what its processes are given of the network
    volumes: Mapping[str, Volume] = msgspec.field(default_factory=dict[str, Volume])
    gpus: tuple[str, ...] = ()
    groups: dict[str, list[str]] = msgspec.field(default_factory=dict[str, list[str]])
    killed: dict[str, float] = msgspec.field(default_factory=dict[str, float])  # attempt id -> grace period asked for
    timer: asyncio.TimerHandle | None = None
    gone: bool = False  # its object is gone already

    @property
    def uid(self) -> str:
        """The pod's uid."""
        return self.run.uid

    def attempt(self, slot: Slot) -> Attempt:
        """The present attempt of a container."""
        return Attempt(self.uid, slot.name, slot.restart)

    def slot_of(self, attempt: Attempt) -> Slot | None:
        """The container whose present attempt this is."""
        for slot in self.run.slots:
            if slot.name == attempt.container and slot.restart == attempt.restart:
                return slot
        return None


def outcome(pod: Pod, slot: Slot, record: Exit, limits: Limits) -> tuple[str, str]:
    """Reason and message of an attempt's end, as the kubelet words them."""
    attempt = pod.attempt(slot)
    groups = pod.groups.pop(attempt.name, [])
    oom = record.signal == 9 and limits.oom(groups)
    limits.remove(groups)
    if record.code == START_FAILED:
        problem = pod.folder.start_error(attempt)
        if not problem and not pod.folder.was_started(attempt):
            problem = "its working folder could not be made (is the disk full?)"
        if problem:
            return "StartError", problem
    from_log = slot.spec.get("terminationMessagePolicy") == "FallbackToLogsOnError" and record.code != 0
    message = pod.folder.message(attempt, from_log=from_log)
    return ("OOMKilled" if oom else "Completed" if record.code == 0 else "Error"), message


START_FAILED = 128


def take_over(obj: Object, folder: Folder, living: Mapping[str, Message], limits: Limits, now: float) -> Pod:
    """A pod that was bound, or has a folder, when the server came up."""
    run = run_of(obj)
    status: Mapping[str, Any] = obj.get("status") or {}
    run.begin = _seconds(status.get("startTime")) or now
    pod = Pod(run, folder, bound=bool(obj["spec"].get("nodeName")), gpus=_gpus(folder))
    told = {
        each["name"]: each for key in ("initContainerStatuses", "containerStatuses") for each in status.get(key) or ()
    }
    for slot in run.slots:
        _take_over_slot(pod, slot, told.get(slot.name) or {}, living, limits, now)
    return pod


def _take_over_slot(
    pod: Pod, slot: Slot, told: Mapping[str, Any], living: Mapping[str, Message], limits: Limits, now: float
) -> None:
    last = pod.folder.last_restart(slot.name)
    known = int(told.get("restartCount") or 0)
    slot.restart = max(last, known, 0)
    slot.waits = slot.restart
    slot.last = told.get("lastState") or None
    attempt = pod.attempt(slot)
    if last < slot.restart:
        return  # the present attempt has not begun
    pod.groups[attempt.name] = limits.find(f"{attempt.uid}-{attempt.name}")
    alive = living.get(attempt.id)
    record = pod.folder.exit(attempt)
    if alive is not None:
        slot.started(alive.pid, alive.start, alive.begin)
        slot.up, slot.ready = bool(told.get("started", slot.up)), bool(told.get("ready", slot.ready))
    elif record is not None:
        slot.ended(record, *outcome(pod, slot, record, limits))
    else:
        found_orphan(slot, attempt, told.get("containerID") or "", now)


def found_orphan(slot: Slot, attempt: Attempt, container_id: str, now: float) -> None:
    """An attempt that has begun and that no zygote knows: it lives by itself, or it is lost."""
    pid, start = parse_container_id(container_id)
    if not processes.alive(pid, start):
        pid = processes.main_process(attempt.id, tag(attempt, slot.index))
        start = processes.start_time(pid) if pid else ""
    if pid and start:
        slot.started(pid, start, slot.begin or now)
        slot.orphan = True
    else:
        slot.lost(now, LOST_MESSAGE)


def remember_gpus(folder: Folder, gpus: tuple[str, ...]) -> None:
    """Writes down which GPUs the pod was given, for the next server."""
    os.makedirs(folder.path, exist_ok=True)
    with open(f"{folder.path}/gpus", "w") as file:
        file.write(",".join(gpus))


def _gpus(folder: Folder) -> tuple[str, ...]:
    text = processes.read(f"{folder.path}/gpus").decode()
    return tuple(text.split(",")) if text else ()


def _seconds(text: str | None) -> float:
    return datetime.fromisoformat(text).timestamp() if text else 0.0
