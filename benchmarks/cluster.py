"""Pods of a real cluster: a chain and a hundred parallel tasks against bare pods, and what a task asks of its server.

Called by `python -m benchmarks cluster`; without KUBECONFIG it says that it leaves these figures out.  The node has to
be this machine: pods mount a folder of it.  A kubelet looks at its containers once a second, so that a pod of a chain
takes whole seconds, and a busy machine costs one side a second more.  Invariants: both sides run in this process, on
one client; a bare pod is deleted while the next one starts, as a task's is; the namespace goes with all in it.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import tempfile
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import aclosing, asynccontextmanager, closing
from pathlib import Path
from typing import Any

from tests.cluster.counting import Counted, counted

from benchmarks.measure import FLOWS, CommandFailed, Figure, medians, note
from wherry.client import flows
from wherry.kube.cluster.client import ClusterKube
from wherry.kube.protocol import Kube, Object
from wherry.kube.resources import NAMESPACES, PODS, SERVICEACCOUNTS
from wherry.pipelines.flights import SubmitOptions
from wherry.pipelines.runtime_map import ensure_runtime, runtime_equipment
from wherry.pipelines.service import Pipelines
from wherry.pipelines.targets import Site, Target, Volume
from wherry.seams import SystemClock, SystemIds
from wherry.server.clusters import WINDOW, equipment
from wherry.storage.database import Database
from wherry.storage.shared_folder import SharedFolder
from wherry.testing import until

IMAGE = "python:3.11"
CHAIN, CHAIN_ROUNDS = 7, 2
WIDE, WIDE_ROUNDS = 100, 2
MARK = {"wherry-bench": "bare"}


def figures() -> list[Figure]:
    """`cluster_chain`, `cluster_chain_configmap` and `cluster_wide` in bare pods; `cluster_calls` a task."""
    kubeconfig = os.environ.get("KUBECONFIG", "")
    if not Path(kubeconfig).is_file():
        note(f"  left out: no real cluster: KUBECONFIG={kubeconfig!r} names no file")
        return []
    with tempfile.TemporaryDirectory(prefix="wherry-bench-") as folder:
        return asyncio.run(_figures(Path(kubeconfig), Path(folder)))


async def _figures(kubeconfig: Path, folder: Path) -> list[Figure]:
    access, transport = counted(kubeconfig)
    namespace = f"wherry-bench-{os.getpid()}"
    async with ClusterKube(access, scope=namespace, transport=transport) as kube, _namespace(kube, namespace):
        runtime = await ensure_runtime(kube, namespace)
        async with _Bare(kube, namespace, runtime) as bare, _pipelines(kube, namespace, runtime, folder) as own:
            return await _measured(bare, _Own(own, namespace), transport)


async def _measured(bare: _Bare, own: _Own, transport: Counted) -> list[Figure]:
    calls: list[int] = []

    async def chain() -> float:
        before = _asked(transport)
        task_s = await own.chain(CHAIN)
        calls.append(_asked(transport) - before)
        return task_s

    tasks = await _in_turns(
        {"bare": lambda: bare.chain(CHAIN), "configmap": lambda: bare.chain(CHAIN, mounted=True), "task": chain},
        CHAIN_ROUNDS,
    )
    wide = await _in_turns({"bare": lambda: bare.wide(WIDE), "task": lambda: own.wide(WIDE)}, WIDE_ROUNDS)
    return [
        _ratio("cluster_chain", tasks, "bare", 1.25, "bare pods one after the other"),
        _ratio("cluster_chain_configmap", tasks, "configmap", 1.25, "bare pods with a ConfigMap"),
        _ratio("cluster_wide", wide, "bare", 1.15, f"{WIDE} bare pods made at once"),
        Figure(
            "cluster_calls",
            statistics.median(calls) / CHAIN,
            at_most=6,
            unit="calls of the API a task",
            raw={"calls": calls, "tasks": CHAIN},
        ),
    ]


def _ratio(name: str, taken: Mapping[str, list[float]], against: str, at_most: float, unit: str) -> Figure:
    middle = medians(taken)
    value = middle["task"] / middle[against]
    raw = {"medians_s": middle, "taken_s": taken, "load": os.getloadavg()[0]}
    return Figure(name, value, at_most=at_most, unit=unit, raw=raw)


async def _in_turns(sides: Mapping[str, Callable[[], Awaitable[float]]], rounds: int) -> dict[str, list[float]]:
    """Each side's measurements, in turns, every other round backwards, so that what drifts hits all alike."""
    taken: dict[str, list[float]] = {name: [] for name in sides}
    for number in range(rounds):
        for name in list(sides)[:: -1 if number % 2 else 1]:
            taken[name].append(await sides[name]())
    return taken


def _asked(transport: Counted) -> int:
    return sum(count for kind, count in transport.calls.items() if kind != "WATCH")


@asynccontextmanager
async def _namespace(kube: Kube, name: str) -> AsyncGenerator[None]:
    """A namespace for a while, in which pods can be made."""
    await kube.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    try:
        async with aclosing(kube.watch(SERVICEACCOUNTS, name)) as events:
            async for event in events:
                if event.object["metadata"]["name"] == "default" and event.object.get("secrets"):
                    break
        yield
    finally:
        await kube.delete(NAMESPACES, name)


@asynccontextmanager
async def _pipelines(kube: Kube, namespace: str, runtime: str, folder: Path) -> AsyncGenerator[Pipelines]:
    """The server's part that runs pipelines, on the site that `wherry.toml` would make of the cluster and `folder`."""
    target = Target("bench", namespace=namespace, artifacts=str(folder), volume=Volume(host_path=str(folder)))

    async def identify(image: str, _: Any) -> str:
        return image

    site = Site(kube, SharedFolder(folder), identify, WINDOW, equipment=equipment(target, runtime))
    clock = SystemClock()
    with closing(Database.open(folder / "wherry.db", clock=clock)) as db:
        async with Pipelines(db=db, site=site, clock=clock, ids=SystemIds(), home=str(folder)) as pipelines:
            yield pipelines


class _Own:
    """Runs of flows, as the server drives them."""

    def __init__(self, pipelines: Pipelines, namespace: str) -> None:
        self._pipelines = pipelines
        self._options = SubmitOptions(cache=False, namespace=namespace)

    async def chain(self, tasks: int) -> float:
        """Seconds from one task's end to the next one's."""
        os.environ["CHAIN_TASKS"] = str(tasks)
        ends, _ = await self._run("chain.py", {})
        return _apart(ends)

    async def wide(self, tasks: int) -> float:
        """Seconds of a run of so many tasks at once, from its submission to its end."""
        return (await self._run("fan.py", {"items": list(range(tasks))}))[1]

    async def _run(self, flow: str, arguments: dict[str, Any]) -> tuple[list[float], float]:
        """When each task of a run was known to have ended, and how long all of it took."""
        document = flows.load(str(FLOWS / flow)).document
        begin = time.perf_counter()
        run = await self._pipelines.submit(document, arguments=arguments, options=self._options)
        ends: list[float] = []
        async for event in self._pipelines.events(run):
            if event["event"] == "task" and event["kind"] == "task" and event["phase"] == "SUCCEEDED":
                ends.append(event["at"])
        seconds = time.perf_counter() - begin
        view = await self._pipelines.get(run)
        if view["state"] != "SUCCEEDED":
            raise CommandFailed(f"{flow} ended with {view}")
        await until(lambda: not self._pipelines.busy)  # its pods are deleted
        return ends, seconds


class _Bare:
    """Pods of the same image that do nothing; `async with`."""

    def __init__(self, kube: Kube, namespace: str, runtime: str) -> None:
        self._kube = kube
        self._namespace = namespace
        self._runtime = runtime_equipment(runtime)
        self._made = 0
        self._ended: dict[str, asyncio.Future[float]] = {}

    async def __aenter__(self) -> _Bare:
        self._group = await asyncio.TaskGroup().__aenter__()
        self._watch = self._group.create_task(self._follow())
        return self

    async def __aexit__(self, *raised: Any) -> None:
        self._watch.cancel()
        await self._group.__aexit__(*raised)

    async def chain(self, pods: int, *, mounted: bool = False) -> float:
        """Seconds from one pod's end to the next one's."""
        ends: list[float] = []
        async with asyncio.TaskGroup() as deleting:
            for _ in range(pods):
                pod = self._pod(mounted=mounted)
                ends.append(await self._run(pod))
                deleting.create_task(self._delete(pod))
        return _apart(ends)

    async def wide(self, pods: int) -> float:
        """Seconds until so many pods that are made at once have ended."""

        async def one() -> None:
            pod = self._pod()
            await self._run(pod)
            deleting.create_task(self._delete(pod))

        begin = time.perf_counter()
        async with asyncio.TaskGroup() as deleting:
            async with asyncio.TaskGroup() as running:
                for _ in range(pods):
                    running.create_task(one())
            seconds = time.perf_counter() - begin
        return seconds

    def _pod(self, *, mounted: bool = False) -> Object:
        self._made += 1
        container: dict[str, Any] = {"name": "main", "image": IMAGE, "command": ["python3", "-c", "pass"]}
        spec: dict[str, Any] = {"restartPolicy": "Never", "containers": [container]}
        if mounted:
            container["volumeMounts"] = list(self._runtime.mounts)
            spec["volumes"] = list(self._runtime.volumes)
        metadata = {"name": f"bare-{self._made}", "namespace": self._namespace, "labels": MARK}
        return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}

    async def _run(self, pod: Object) -> float:
        """When the pod, which is made now, was seen to have ended."""
        name: str = pod["metadata"]["name"]
        ended = self._ended[name] = asyncio.get_running_loop().create_future()
        await self._kube.create(pod)
        return await ended

    async def _delete(self, pod: Object) -> None:
        await self._kube.delete(PODS, pod["metadata"]["name"], self._namespace, grace_period_s=0)

    async def _follow(self) -> None:
        labels = ",".join("=".join(pair) for pair in MARK.items())
        async with aclosing(self._kube.watch(PODS, self._namespace, labels=labels)) as events:
            async for event in events:
                ended = self._ended.get(event.object["metadata"].get("name"))  # a bookmark has none
                phase = event.object.get("status", {}).get("phase")
                if ended is None or ended.done():
                    continue
                if phase == "Succeeded":
                    ended.set_result(time.time())
                elif phase == "Failed" or event.type == "DELETED":
                    ended.set_exception(CommandFailed(f"a bare pod ended with {event.object}"))


def _apart(ends: list[float]) -> float:
    return (ends[-1] - ends[0]) / (len(ends) - 1)
