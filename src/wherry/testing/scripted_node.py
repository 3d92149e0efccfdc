"""A node that runs no processes: pods of tasks end as a script says, at once and in one event loop.

Called by tests of the driver and by benchmarks of it.  Invariant: what the rest of the system can see of a task (its
commit record, its pod's status, its log, its end under deletion) is as the real runtime and node agent leave it.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from wherry.kube.embedded import EmbeddedKube
from wherry.kube.errors import Conflict, NotFound
from wherry.kube.protocol import Object
from wherry.kube.resources import PODS
from wherry.seams import Clock, iso

MESSAGE_LIMIT_BYTES = 4000
NODE_NAME = "scripted"


@dataclass(frozen=True, slots=True)
class ScriptedTask:
    """What a script sees of the pod it decides about."""

    pod: Object
    descriptor: dict[str, Any]

    @property
    def path(self) -> str:
        """The task's path in its run."""
        return self.pod["metadata"]["annotations"]["wherry.dev/task-path"]

    @property
    def attempt(self) -> str:
        """`<attempt>-<incarnation>`."""
        return self.pod["metadata"]["labels"]["wherry.dev/attempt"]

    @property
    def parameters(self) -> dict[str, Any]:
        """The values of the input parameters that were given."""
        reference = self.descriptor.get("executor_input_ref")
        given = self.descriptor["executor_input"]
        if reference:
            given = json.loads(Path(reference["uri"]).read_bytes())
        return given["inputs"]["parameterValues"]

    @property
    def artifacts(self) -> dict[str, list[dict[str, Any]]]:
        """The input artifacts by name."""
        given = self.descriptor["executor_input"]["inputs"]["artifacts"]
        return {name: found["artifacts"] for name, found in given.items()}


@dataclass(frozen=True, slots=True)
class Commit:
    """The task succeeds: output parameters by name, and the text of output artifacts by name."""

    parameters: dict[str, Any] = field(default_factory=dict[str, Any])
    artifacts: dict[str, str] = field(default_factory=dict[str, str])
    log: str = ""


@dataclass(frozen=True, slots=True)
class Fail:
    """The user's code raises: a FAILED commit record."""

    message: str = "it broke"


@dataclass(frozen=True, slots=True)
class Crash:
    """The process ends without a record."""

    exit_code: int = 1
    reason: str = "Error"


@dataclass(frozen=True, slots=True)
class Lose:
    """The pod fails for a reason outside the task; without a reason it just goes away, after it has run `commit`."""

    reason: str = "Lost"
    commit: Commit | None = None


@dataclass(frozen=True, slots=True)
class Hang:
    """The task runs until its pod is deleted."""


Result = Commit | Fail | Crash | Lose | Hang
Script = Callable[[ScriptedTask], Result]


class ScriptedNode:
    """Binds every pod, and ends it as `script` says.  `async with` runs it; it may be left and entered again.

    `started` lists the (path, attempt label) of every task in the order in which they ran.
    """

    def __init__(self, kube: EmbeddedKube, script: Script, *, clock: Clock) -> None:
        self.started: list[tuple[str, str]] = []
        self.script = script
        self._kube = kube
        self._clock = clock
        self._logs: dict[str, str] = {}
        self._seen: set[str] = set()
        kube.log_source = self

    async def __aenter__(self) -> Self:
        self._group = await asyncio.TaskGroup().__aenter__()
        self._watching = self._group.create_task(self._watch())
        return self

    async def __aexit__(self, *raised: Any) -> None:
        self._watching.cancel()
        await self._group.__aexit__(*raised)

    async def read(
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
        """The log that the task's `Commit` carries, whole."""
        text = self._logs.get(pod["metadata"]["uid"], "")
        if text:
            yield text.encode()

    async def _watch(self) -> None:
        async with aclosing(self._kube.watch(PODS)) as events:
            async for event in events:
                metadata = event.object["metadata"]
                if event.type == "DELETED":
                    self._seen.discard(metadata["uid"])
                    self._logs.pop(metadata["uid"], None)
                elif "deletionTimestamp" in metadata:
                    self._group.create_task(self._remove(metadata["name"], metadata["namespace"]))
                elif metadata["uid"] not in self._seen:
                    self._seen.add(metadata["uid"])
                    if event.object["status"]["phase"] in ("Pending", "Running"):
                        self._group.create_task(self._run(event.object))

    async def _remove(self, name: str, namespace: str) -> None:
        with suppress(NotFound):
            await self._kube.delete(PODS, name, namespace, grace_period_s=0)

    async def _run(self, pod: Object) -> None:
        metadata = pod["metadata"]
        name, namespace = metadata["name"], metadata["namespace"]
        env = {variable["name"]: variable.get("value") for variable in pod["spec"]["containers"][0]["env"]}
        task = ScriptedTask(pod, json.loads(env["WHERRY_TASK"]))
        started = iso(self._clock.time())
        self.started.append((task.path, task.attempt))
        result = self.script(task)
        running = {"phase": "Running", "startTime": started, "containerStatuses": [_running(started)]}
        with suppress(NotFound, Conflict):
            if pod["spec"].get("nodeName"):
                await self._kube.patch(PODS, name, namespace, {"status": running}, subresource="status")
            else:
                await self._kube.bind(name, namespace, NODE_NAME, status=running)
            status = self._end(task, result, started)
            if status is not None:
                await self._kube.patch(PODS, name, namespace, {"status": status}, subresource="status")
            elif isinstance(result, Lose):
                await self._kube.delete(PODS, name, namespace, grace_period_s=0)

    def _end(self, task: ScriptedTask, result: Result, started: str) -> dict[str, Any] | None:
        """What the pod's status becomes; None when it stays as it is, or goes away."""
        if isinstance(result, Hang):
            return None
        if isinstance(result, Lose):
            if result.commit is not None:
                self._commit(task, _success(task, result.commit))
            return {"phase": "Failed", "reason": result.reason} if result.reason else None
        exit_code, message, reason = 0, "", "Completed"
        if isinstance(result, Crash):
            exit_code, reason = result.exit_code, result.reason
        elif isinstance(result, Fail):
            exit_code, reason = 1, "Error"
            error = {"type": "RuntimeError", "message": result.message, "traceback": ""}
            record = {"v": 1, "state": "FAILED", "exit_code": 1, "outputs": None, "error": error}
            message = self._commit(task, record)
        else:
            self._logs[task.pod["metadata"]["uid"]] = result.log
            message = self._commit(task, _success(task, result))
        ended: dict[str, Any] = {"exitCode": exit_code, "reason": reason, "startedAt": started}
        ended["finishedAt"] = iso(self._clock.time())
        if message:
            ended["message"] = message
        return {
            "phase": "Failed" if exit_code else "Succeeded",
            "containerStatuses": [{**_running(started), "state": {"terminated": ended, "running": None}}],
        }

    def _commit(self, task: ScriptedTask, record: dict[str, Any]) -> str:
        """Write the record, create-only, and return what the termination message carries."""
        text = json.dumps(record)
        path = Path(task.descriptor["commit"])
        path.parent.mkdir(parents=True, exist_ok=True)
        with suppress(FileExistsError), open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL), "w") as file:
            file.write(text)
        return text if len(text) <= MESSAGE_LIMIT_BYTES else ""


def _running(started: str) -> dict[str, Any]:
    return {
        "name": "main",
        "ready": False,
        "restartCount": 0,
        "image": "scripted",
        "imageID": "",
        "state": {"running": {"startedAt": started}},
    }


def _success(task: ScriptedTask, commit: Commit) -> dict[str, Any]:
    outputs: dict[str, Any] = {"parameters": commit.parameters, "artifacts": {}}
    for name, text in commit.artifacts.items():
        (declared,) = task.descriptor["executor_input"]["outputs"]["artifacts"][name]["artifacts"]
        path = Path(declared["uri"])
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        outputs["artifacts"][name] = [{**declared, "digest": f"sha256:{hash(text)}"}]
    return {"v": 1, "state": "SUCCEEDED", "exit_code": 0, "outputs": outputs, "error": None}
