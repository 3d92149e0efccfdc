"""Capacity: what the node has, what pods ask for, who goes next.

Called by the agent.  Pure but for `machine`, which looks at the machine once.  Invariant: the requests of admitted pods
never exceed the capacity; pods of equal requests are admitted in the order they came; an admission costs a step per
distinct set of requests, however many pods wait.
"""

from __future__ import annotations

import os
import subprocess
from collections import deque
from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

from wherry.kube.embedded.amounts import amounts
from wherry.kube.protocol import Object

GPU = "nvidia.com/gpu"
MAX_PODS = 110  # the kubelet's default
_KNOWN = ("cpu", "memory", GPU)

Requests = tuple[tuple[str, Fraction], ...]


class Capacity(NamedTuple):
    """What the node can give: cores, bytes, the indexes of its GPUs, pods."""

    cpu: int
    memory_bytes: int
    gpus: tuple[str, ...] = ()
    pods: int = MAX_PODS

    def of(self, resource: str) -> Fraction:
        """The amount of one resource; what the node does not know it has none of."""
        if resource == "cpu":
            return Fraction(self.cpu)
        if resource == "memory":
            return Fraction(self.memory_bytes)
        return Fraction(len(self.gpus)) if resource == GPU else Fraction(0)


def machine(environ: Mapping[str, str]) -> Capacity:
    """This machine's capacity; `CUDA_VISIBLE_DEVICES` of the server narrows its GPUs."""
    pages = os.sysconf("SC_PHYS_PAGES") if "SC_PHYS_PAGES" in os.sysconf_names else 0
    memory = max(pages, 1) * os.sysconf("SC_PAGE_SIZE")
    cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    visible = environ.get("CUDA_VISIBLE_DEVICES")
    gpus = _gpus() if visible is None else tuple(name for name in visible.split(",") if name and name != "-1")
    return Capacity(cpu=cpus, memory_bytes=memory, gpus=gpus)


def _gpus() -> tuple[str, ...]:
    devices = sorted(path.name[6:] for path in Path("/dev").glob("nvidia[0-9]*") if path.name[6:].isdecimal())
    if not devices:
        return ()
    try:
        listed = subprocess.run(
            ["nvidia-smi", "--query-gpu=index", "--format=csv,noheader"],
            capture_output=True,
            text=True,
            timeout=20,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return tuple(devices)
    return tuple(line.strip() for line in listed.stdout.splitlines() if line.strip())


def requests(pod: Object) -> Requests:
    """What the pod asks for, in order of names."""
    total = amounts(pod["spec"], "requests")
    return tuple(sorted((name, amount) for name, amount in total.items() if amount)) if total else ()


class Scheduler:
    """Admits waiting pods to the one node."""

    def __init__(self, capacity: Capacity) -> None:
        self.capacity = capacity
        self._free = {name: capacity.of(name) for name in _KNOWN}
        self._gpus = list(capacity.gpus)
        self._admitted: dict[str, tuple[Requests, tuple[str, ...]]] = {}
        self._waiting: dict[Requests, deque[tuple[int, str]]] = {}
        self._wants: dict[str, Requests] = {}
        self._arrivals = 0

    def wait(self, uid: str, wants: Requests) -> None:
        """Puts a pod into the queue."""
        self._arrivals += 1
        self._wants[uid] = wants
        self._waiting.setdefault(wants, deque()).append((self._arrivals, uid))

    def forget(self, uid: str) -> None:
        """Takes a pod out of the queue, or gives back what it held."""
        self._wants.pop(uid, None)
        held = self._admitted.pop(uid, None)
        if held is not None:
            for name, amount in held[0]:
                self._free[name] += amount
            self._gpus.extend(held[1])

    def take(self, uid: str, wants: Requests, gpus: tuple[str, ...] = ()) -> tuple[str, ...]:
        """Counts a pod as admitted, whatever is free (an adopted one already runs); returns its GPUs."""
        asked = next((int(amount) for name, amount in wants if name == GPU), 0)
        given = gpus or tuple(self._gpus[:asked])
        self._gpus = [gpu for gpu in self._gpus if gpu not in given]
        known = tuple((name, amount) for name, amount in wants if name in self._free)
        for name, amount in known:
            self._free[name] -= amount
        self._admitted[uid] = (known, given)
        return given

    def admit(self) -> list[tuple[str, tuple[str, ...]]]:
        """The pods that go next and the GPUs each may use, in order of arrival among those that fit."""
        admitted: list[tuple[str, tuple[str, ...]]] = []
        while len(self._admitted) < self.capacity.pods:
            best: tuple[int, Requests] | None = None
            for wants, queue in list(self._waiting.items()):
                while queue and self._wants.get(queue[0][1]) != wants:
                    queue.popleft()  # forgotten meanwhile
                if not queue:
                    del self._waiting[wants]
                elif (best is None or queue[0][0] < best[0]) and self._fits(wants):
                    best = (queue[0][0], wants)
            if best is None:
                break
            _, uid = self._waiting[best[1]].popleft()
            del self._wants[uid]
            admitted.append((uid, self.take(uid, best[1])))
        return admitted

    def _fits(self, wants: Requests) -> bool:
        return all(amount <= self._free.get(name, 0) for name, amount in wants)

    def why_not(self, wants: Requests) -> str:
        """What the scheduler says of a pod that has to wait, as kube-scheduler words it."""
        never = [name for name, amount in wants if amount > self.capacity.of(name)]
        if never:
            parts = [
                f"{_shown(dict(wants)[name])} {name} asked, {_shown(self.capacity.of(name))} there" for name in never
            ]
            listed = ", ".join(f"1 Insufficient {name}" for name in never)
            return f"0/1 nodes are available: {listed}. The pod can never fit on this node: {'; '.join(parts)}."
        short = [f"1 Insufficient {name}" for name, amount in wants if amount > self._free.get(name, 0)]
        if len(self._admitted) >= self.capacity.pods:
            short.append("1 Too many pods")
        return f"0/1 nodes are available: {', '.join(short) or 'none left'}."

    def never_fits(self, wants: Requests) -> bool:
        """Whether the pod asks for more than the whole node."""
        return any(amount > self.capacity.of(name) for name, amount in wants)


def _shown(amount: Fraction) -> str:
    return str(int(amount)) if amount.denominator == 1 else str(float(amount))
