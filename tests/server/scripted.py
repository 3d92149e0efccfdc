"""A run service whose runs do what a test says, for tests of the API and of clients."""

from __future__ import annotations

import asyncio
import builtins
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Collection
from contextlib import asynccontextmanager
from typing import Any

from wherry.errors import UsageError
from wherry.home import Home
from wherry.kube.embedded.pruning import Unused
from wherry.pipelines.flights import SubmitOptions
from wherry.pipelines.removal import Freed
from wherry.pipelines.service import NoSuchRun
from wherry.pipelines.targets import Target
from wherry.seams import Clock, Ids
from wherry.server.parts import Parts
from wherry.settings import ServerSettings

FINISHED = {"id": 1, "event": "run-finished", "state": "SUCCEEDED"}


class ScriptedRuns:
    """Runs in a dict; `events_of` tells the events of a run ("*": of any), `after_retry` those that follow a retry."""

    def __init__(self) -> None:
        self.runs: dict[str, dict[str, Any]] = {}
        self.events_of: dict[str, list[dict[str, Any]]] = {}
        self.calls: list[tuple[Any, ...]] = []
        self.after_retry: list[dict[str, Any]] = []
        self.going = 0
        self.more = asyncio.Event()
        self.left = threading.Event()

    @property
    def active(self) -> int:
        return self.going

    @property
    def busy(self) -> bool:
        return self.going > 0

    async def submit(
        self,
        document: dict[str, Any],
        *,
        arguments: dict[str, Any],
        name: str = "",
        options: SubmitOptions | None = None,
        run_id: str | None = None,
    ) -> str:
        if "pipelineInfo" not in document:
            raise UsageError("pipelineInfo: missing", hint="compile it again")
        run = run_id or f"run-{len(self.runs)}"
        self.calls.append(("submit", name, arguments, options))
        self.runs[run] = {"id": run, "name": name, "pipeline": "p", "state": "SUCCEEDED", "tasks": []}
        return run

    async def get(self, run: str, *, with_tasks: bool = False) -> dict[str, Any]:
        if run not in self.runs:
            raise NoSuchRun(f"no run {run!r}")
        view = self.runs[run]
        return view if with_tasks else _alone(view)

    async def list(self, *, limit: int = 100, before: str | None = None) -> list[dict[str, Any]]:
        newest = [_alone(view) for view in reversed(self.runs.values())]
        start = next((i + 1 for i, view in enumerate(newest) if view["id"] == before), 0)
        return newest[start : start + limit]

    async def cancel(self, run: str, *, kill: bool = False) -> None:
        self.calls.append(("cancel", run, kill))
        self.more.set()

    async def retry(self, run: str) -> None:
        self.calls.append(("retry", run))

    async def delete(self, run: str) -> None:
        del self.runs[run]

    async def prune(
        self, *, keep: int = 0, older_than_s: float = 0.0, dry_run: bool = False, target: Target | None = None
    ) -> builtins.list[str]:
        self.calls.append(("prune", keep, older_than_s, dry_run))
        return []

    async def collect(
        self, *, without: Collection[str] = (), dry_run: bool = False, target: Target | None = None
    ) -> Freed:
        return Freed(0, 0)

    async def clear(self, target: Target, *, older_than_s: float = 0.0, dry_run: bool = False) -> builtins.list[str]:
        return []

    async def events(self, run: str, after: int = 0, *, follow: bool = True) -> AsyncGenerator[dict[str, Any], None]:
        told = self.events_of.get(run) or self.events_of.get("*") or [FINISHED]
        for event in told + (self.after_retry if ("retry", run) in self.calls else []):
            if event["event"] == "wait":
                try:
                    await self.more.wait()
                finally:
                    self.left.set()
            elif event["event"] == "fault":
                raise ValueError("a fault")
            elif event["id"] > after:
                yield event

    async def logs(
        self, run: str, task_path: str, *, attempt: int | None = None, follow: bool = False, tail: int | None = None
    ) -> AsyncGenerator[bytes, None]:
        if task_path != "hello":
            raise UsageError(f"run {run} has no task {task_path!r}")
        for data in (b"one\n", b"\xff\xfe two\n"):
            yield data


def _alone(view: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in view.items() if key != "tasks"}


class CodeInMemory:
    """Archives by digest."""

    def __init__(self) -> None:
        self.archives: dict[str, bytes] = {}
        self.puts = 0

    async def has(self, digest: str) -> bool:
        return digest in self.archives

    async def put(self, digest: str, data: bytes) -> None:
        self.archives[digest] = data
        self.puts += 1


class Script:
    """`compose` for a server whose parts are these."""

    def __init__(self) -> None:
        self.code = CodeInMemory()
        self.trouble: str | None = None
        self.runs: ScriptedRuns
        self.environments_pruned: list[tuple[float, bool]] = []

    async def prune_environments(self, unused_s: float, dry_run: bool) -> list[Unused]:
        self.environments_pruned.append((unused_s, dry_run))
        return [Unused("0123456789abcdef", 3 << 20)]

    @asynccontextmanager
    async def compose(
        self, home: Home, settings: ServerSettings, stopping: asyncio.Event, *, clock: Clock, ids: Ids
    ) -> AsyncIterator[Parts]:
        self.runs = ScriptedRuns()
        yield Parts(
            runs=self.runs,
            code=self.code,
            stopping=stopping,
            facts=lambda: {"addresses": ["unix:x"]},
            trouble=lambda: self.trouble,
            prune_environments=self.prune_environments,
        )
