"""The server dies wherever it touches the world; the next one finishes the run, and nothing happens twice."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from wherry.kube.resources import PODS
from wherry.pipelines.engine import ALLOWED, BIRTH
from wherry.testing.clock import until
from wherry.testing.scripted_node import Commit, Fail, Lose, Result, ScriptedTask

FINAL = ("SUCCEEDED", "FAILED", "CANCELED", "CACHED", "SKIPPED")


class Script:
    """Succeeds, but for first attempts of `flaky` tasks; notices a start after a commit."""

    def __init__(self) -> None:
        self.committed: set[str] = set()
        self.violations: list[str] = []

    def __call__(self, task: ScriptedTask) -> Result:
        if task.path in self.committed:
            self.violations.append(f"{task.path} {task.attempt} started after a commit")
        if task.path.endswith("flaky") and task.attempt.startswith("1-"):
            return Fail()
        if task.path.endswith("lossy") and task.attempt == "1-0":
            return Lose("Evicted")
        self.committed.add(task.path)
        return Commit({"Output": 1}, {"data": "d"} if "make" in task.path else {})


def story(docs: Any) -> dict[str, Any]:
    """A retry, a loss, an artifact that is read, and a loop, one after the other."""
    numbers = docs.component({"x": "NUMBER_INTEGER"}, {"Output": "NUMBER_INTEGER"})
    make = docs.component(outputs={"Output": "NUMBER_INTEGER"}, artifacts=("data",))
    document = docs.loop(3)
    document["components"] |= {"comp-any": numbers, "comp-make": make}
    tasks = document["root"]["dag"]["tasks"]
    tasks["flaky"] = docs.task("comp-any", {"x": docs.constant(1)}, retryPolicy={"maxRetryCount": 2})
    tasks["lossy"] = docs.task("comp-any", {"x": docs.output("flaky")})
    tasks["make"] = docs.task("comp-make", after=("lossy",))
    tasks["for-loop-1"]["dependentTasks"] = ["make"]
    return document


async def check(lab: Any, script: Script) -> None:
    assert script.violations == []
    assert await lab.rows("SELECT state FROM run") == [("SUCCEEDED",)]
    committed = await lab.rows(
        "SELECT path, count(*) FROM task WHERE kind = 'task' AND phase IN ('SUCCEEDED', 'CACHED') GROUP BY path"
    )
    paths = ["flaky", *(f"for-loop-1[{index}]/work" for index in range(3)), "lossy", "make"]
    assert sorted(committed) == sorted((path, 1) for path in paths)
    assert await lab.rows("SELECT count(*) FROM task WHERE phase IN ('PENDING', 'RUNNING')") == [(0,)]
    history = await lab.rows("SELECT path, attempt, before, after FROM history WHERE event = 'task' ORDER BY id")
    phases: dict[tuple[str, int], str] = {}
    for path, attempt, before, after in history:
        assert phases.get((path, attempt)) == before
        assert (before, after) in ALLOWED if before else after in BIRTH.values()
        phases[path, attempt] = after
    assert set(phases.values()) <= set(FINAL)
    assert (await lab.kube.list(PODS)).items == []


async def collect_garbage(lab: Any) -> None:
    """While no server watches, everything ends, and the cluster clears away pods that have ended."""

    async def all_ended() -> bool:
        pods = (await lab.kube.list(PODS)).items
        return all(pod["status"]["phase"] in ("Succeeded", "Failed") for pod in pods)

    await until(all_ended)
    for pod in (await lab.kube.list(PODS)).items:
        await lab.kube.delete(PODS, pod["metadata"]["name"], "default")


async def live_through(lab: Any, docs: Any, at: int, when: str, crashed: type[BaseException]) -> bool:
    """Run the story with a server that dies at its call number `at`; whether it got that far."""
    script = Script()
    lab.node.script = script
    run_id = lab.ids.uuid()
    deaths: list[str] = []
    lab.faults.calls.clear()

    def die(number: int, name: str) -> None:
        if not deaths and number == at:
            deaths.append(name)
            raise crashed

    setattr(lab.faults, when, die)
    async with lab.node:
        for _ in range(2):  # the second server finds the run unfinished, finished, or not there yet
            try:
                async with lab.pipelines() as pipelines:
                    await pipelines.submit(story(docs), arguments={}, run_id=run_id)
                    await lab.finish(pipelines, run_id)
            except* crashed:
                await collect_garbage(lab)
    await check(lab, script)
    return bool(deaths)


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("part", range(3))
def test_every_prefix_of_calls_recovers(
    make_lab: Any, crashed: type[BaseException], docs: Any, tmp_path: Path, when: str, part: int
) -> None:
    async def main() -> None:
        reached, at = True, part + 1
        while reached:
            (tmp_path / str(at)).mkdir()
            lab = make_lab(tmp_path / str(at))
            try:
                reached = await live_through(lab, docs, at, when, crashed)
            finally:
                lab.db.close()
            at += 3
        assert at > 45

    asyncio.run(main())
