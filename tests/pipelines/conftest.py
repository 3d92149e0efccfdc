"""A server's pipelines in-process: real database, real embedded Kubernetes, real store, tasks that end by script."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from wherry.kube.embedded import EmbeddedKube
from wherry.pipelines.flights import SubmitOptions
from wherry.pipelines.service import Pipelines
from wherry.pipelines.targets import Site
from wherry.seams import SystemClock, SystemIds
from wherry.storage.artifacts import LocalStore
from wherry.storage.database import Database
from wherry.testing.scripted_node import Commit, Result, ScriptedNode, ScriptedTask

FINAL = ("SUCCEEDED", "FAILED", "CANCELED")


def succeed(task: ScriptedTask) -> Result:
    """Every task succeeds; each output parameter is the sum of the inputs, or the task's path."""
    declared: dict[str, str] = task.descriptor["component"]["outputs"]
    numbers = [value for value in task.parameters.values() if isinstance(value, int)]
    values: dict[str, Any] = {
        name: sum(numbers) if kind == "NUMBER_INTEGER" else task.path for name, kind in declared.items()
    }
    artifacts = {name: f"content of {name}" for name in task.descriptor["executor_input"]["outputs"]["artifacts"]}
    return Commit(values, artifacts, log=f"log of {task.path} {task.attempt}\n")


class Crashed(BaseException):
    """The server process is gone."""


class Faults:
    """Counts every call that the driver makes to the world; `before` and `after` are told of each and may raise."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.before: Callable[[int, str], None] = lambda number, name: None
        self.after: Callable[[int, str], None] = lambda number, name: None

    def wrap(self, target: Any) -> Any:
        return _Faulty(target, self)


class _Faulty:
    """Stands before a database, a `Kube` or a store; its coroutines pass by the faults."""

    def __init__(self, target: Any, faults: Faults) -> None:
        self._target = target
        self._faults = faults

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._target, name)
        if not inspect.iscoroutinefunction(found):
            return found

        async def call(*args: Any, **more: Any) -> Any:
            self._faults.calls.append(name)
            number = len(self._faults.calls)
            self._faults.before(number, name)
            try:
                return await found(*args, **more)
            finally:
                self._faults.after(number, name)

        return call


class Lab:
    """A home in a folder; `pipelines()` is a server over it, and may be entered again after a crash."""

    def __init__(self, folder: Path) -> None:
        self.clock = SystemClock()
        self.ids = SystemIds()
        self.db = Database.open(folder / "wherry.db", clock=self.clock)
        self.faults = Faults()
        self.store = LocalStore(folder / "artifacts")
        self.kube = EmbeddedKube(self.db, clock=self.clock, ids=self.ids)
        self.node = ScriptedNode(self.kube, succeed, clock=self.clock)
        self.identified: list[tuple[str, Any]] = []
        self.window = 16
        self.timers: Any = None
        self.advice: str | None = None
        self.targets: Any = None

    async def identify(self, image: str, request: dict[str, Any] | None) -> str:
        self.identified.append((image, request))
        return f"environment of {image}"

    @asynccontextmanager
    async def pipelines(self) -> AsyncIterator[Pipelines]:
        async with Pipelines(
            db=self.faults.wrap(self.db),
            site=Site(
                self.faults.wrap(self.kube),
                self.faults.wrap(self.store),
                self.identify,
                self.window,
                advise=lambda image, request: self.advice,
            ),
            clock=self.clock,
            ids=self.ids,
            targets=self.targets,
            timers=self.timers,
            pause_s=0.01,
        ) as pipelines:
            yield pipelines

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[Pipelines]:
        async with self.node, self.pipelines() as pipelines:
            yield pipelines

    async def run(
        self, document: dict[str, Any], arguments: dict[str, Any] | None = None, **options: Any
    ) -> dict[str, Any]:
        """Run to the end in a server of its own; the view with tasks by path (the last attempt of each)."""
        async with self.serving() as pipelines:
            run_id = await pipelines.submit(document, arguments=arguments or {}, options=SubmitOptions(**options))
            return await self.finish(pipelines, run_id)

    async def finish(self, pipelines: Pipelines, run_id: str) -> dict[str, Any]:
        async with asyncio.timeout(10):
            async for _ in pipelines.events(run_id):
                pass
            while pipelines.busy:
                await asyncio.sleep(0.001)
        return await self.view(pipelines, run_id)

    async def view(self, pipelines: Pipelines, run_id: str) -> dict[str, Any]:
        view = await pipelines.get(run_id, with_tasks=True)
        view["attempts"] = view["tasks"]
        view["tasks"] = {task["path"]: task for task in sorted(view["tasks"], key=lambda task: task["attempt"])}
        return view

    async def rows(self, sql: str) -> list[Any]:
        return await self.db.read(lambda tx: tx.execute(sql).fetchall())


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    return Lab(tmp_path)


@pytest.fixture
def make_lab() -> Callable[[Path], Lab]:
    """Makes labs in folders of their own, for tests that need many."""
    return Lab


@pytest.fixture
def crashed() -> type[BaseException]:
    """What a fault raises to kill the server."""
    return Crashed


@pytest.fixture
def go(lab: Lab) -> AsyncIterator[Callable[[Callable[[], Awaitable[Any]]], Any]]:
    """Runs an async function to its end, then closes the database."""

    def run(main: Callable[[], Awaitable[Any]]) -> Any:
        async def whole() -> Any:
            try:
                return await main()
            finally:
                lab.db.close()

        return asyncio.run(whole())

    return run  # type: ignore[return-value]


# Documents, as plain mappings.


def component(
    inputs: dict[str, str] | None = None,
    outputs: dict[str, str] | None = None,
    artifacts: tuple[str, ...] = (),
    **more: Any,
) -> dict[str, Any]:
    """A leaf component; inputs and outputs are parameter types by name, `artifacts` are output names."""
    spec: dict[str, Any] = {"executorLabel": more.pop("executor", "exec-any"), **more}
    if inputs:
        spec["inputDefinitions"] = {"parameters": {name: {"parameterType": kind} for name, kind in inputs.items()}}
    if outputs or artifacts:
        spec["outputDefinitions"] = {
            "parameters": {name: {"parameterType": kind} for name, kind in (outputs or {}).items()},
            "artifacts": {
                name: {"artifactType": {"schemaTitle": "system.Dataset", "schemaVersion": "0.0.1"}}
                for name in artifacts
            },
        }
    return spec


def constant(value: Any) -> dict[str, Any]:
    return {"runtimeValue": {"constant": value}}


def output(task: str, key: str = "Output") -> dict[str, Any]:
    return {"taskOutputParameter": {"producerTask": task, "outputParameterKey": key}}


def task(
    component_name: str, inputs: dict[str, Any] | None = None, after: tuple[str, ...] = (), **more: Any
) -> dict[str, Any]:
    spec: dict[str, Any] = {"componentRef": {"name": component_name}, **more}
    if inputs:
        spec["inputs"] = {"parameters": inputs}
    needs = [
        *after,
        *(i["taskOutputParameter"]["producerTask"] for i in (inputs or {}).values() if "taskOutputParameter" in i),
    ]
    if needs:
        spec["dependentTasks"] = sorted(set(needs))
    return spec


def document(
    tasks: dict[str, Any], components: dict[str, Any], *, executors: dict[str, Any] | None = None, **root: Any
) -> dict[str, Any]:
    any_command = {"container": {"image": "python:3.11", "command": ["true"]}}
    dag: dict[str, Any] = {"tasks": tasks}
    if "outputs" in root:
        dag["outputs"] = root.pop("outputs")
    return {
        "pipelineInfo": {"name": "flow"},
        "schemaVersion": "2.1.0",
        "deploymentSpec": {"executors": {"exec-any": any_command, **(executors or {})}},
        "components": components,
        "root": {"dag": dag, **root},
    }


ADD = {"comp-add": component({"a": "NUMBER_INTEGER", "b": "NUMBER_INTEGER"}, {"Output": "NUMBER_INTEGER"})}


def chain(length: int, **more: Any) -> dict[str, Any]:
    """t0 adds 1 and 1, each next one adds 1 to the last."""
    tasks = {"t0": task("comp-add", {"a": constant(1), "b": constant(1)}, **more)}
    for index in range(1, length):
        tasks[f"t{index}"] = task("comp-add", {"a": output(f"t{index - 1}"), "b": constant(1)}, **more)
    out = {
        "parameters": {
            "Output": {"valueFromParameter": {"producerSubtask": f"t{length - 1}", "outputParameterKey": "Output"}}
        }
    }
    root = {"outputDefinitions": {"parameters": {"Output": {"parameterType": "NUMBER_INTEGER"}}}}
    return document(tasks, ADD, outputs=out, **root)


def loop(width: int, **more: Any) -> dict[str, Any]:
    """for-loop-1 runs `work` for 0, 1, ... width - 1."""
    items = ", ".join(str(index) for index in range(width))
    body = {
        "inputDefinitions": {"parameters": {"item": {"parameterType": "NUMBER_INTEGER"}}},
        "dag": {"tasks": {"work": task("comp-work", {"x": {"componentInputParameter": "item"}}, **more)}},
    }
    iterate = {"parameterIterator": {"itemInput": "item", "items": {"raw": f"[{items}]"}}}
    return document(
        {"for-loop-1": task("comp-for-loop-1", **iterate)},
        {"comp-for-loop-1": body, "comp-work": component({"x": "NUMBER_INTEGER"}, {"Output": "NUMBER_INTEGER"})},
    )


@pytest.fixture
def docs() -> Any:
    """The makers of documents, for tests."""

    class Docs:
        pass

    for maker in (component, constant, output, task, document, chain, loop):
        setattr(Docs, maker.__name__, staticmethod(maker))
    return Docs
