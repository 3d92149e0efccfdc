"""Targets that cannot be reached: their own runs wait and are told why; everything else goes on."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest

from wherry.errors import WherryError
from wherry.pipelines.flights import SubmitOptions
from wherry.pipelines.hosting import TargetUnusable
from wherry.pipelines.targets import Site, Target
from wherry.storage.artifacts import LocalStore


class ScriptedTargets:
    """Opens targets as sites of the lab's own Kubernetes, unless one is `away`."""

    def __init__(self, lab: Any, folder: Any) -> None:
        self.lab, self.folder = lab, folder
        self.away: set[str] = set()
        self.opened: list[str] = []

    def settled(self, target: Target) -> Target:
        return msgspec.structs.replace(target, namespace=target.namespace or "default")

    @asynccontextmanager
    async def open(self, target: Target) -> AsyncIterator[Site]:
        if target.name in self.away:
            raise WherryError(f"{target.name} does not answer")
        self.opened.append(target.name)
        yield Site(self.lab.kube, LocalStore(self.folder / target.name), self.lab.identify, 4)


@pytest.fixture
def targets(lab: Any, tmp_path: Any) -> ScriptedTargets:
    found = ScriptedTargets(lab, tmp_path)
    lab.targets = found
    return found


def on(targets: ScriptedTargets, name: str) -> SubmitOptions:
    return SubmitOptions(target=Target(name, context=name, artifacts=str(targets.folder / name)))


def test_a_run_goes_to_its_target_and_its_artifacts_too(lab: Any, go: Any, docs: Any, targets: Any) -> None:
    async def main() -> None:
        async with lab.serving() as pipelines:
            run = await pipelines.submit(docs.chain(2), arguments={}, options=on(targets, "east"))
            view = await lab.finish(pipelines, run)
            assert view["state"] == "SUCCEEDED"
            assert view["root"].startswith(str(targets.folder / "east"))
            logs = [chunk async for chunk in pipelines.logs(run, "t0")]
            assert b"".join(logs) == b"log of t0 1-0\n"

    go(main)


def test_a_target_that_does_not_answer_refuses_the_run_and_leaves_nothing(
    lab: Any, go: Any, docs: Any, targets: Any
) -> None:
    async def main() -> None:
        targets.away.add("east")
        async with lab.serving() as pipelines:
            with pytest.raises(TargetUnusable, match="the target 'east' cannot be used: east does not answer"):
                await pipelines.submit(docs.chain(1), arguments={}, options=on(targets, "east"))
            assert await pipelines.list() == []
            assert not pipelines.busy
            targets.away.clear()
            run = await pipelines.submit(docs.chain(1), arguments={}, options=on(targets, "east"))
            assert (await lab.finish(pipelines, run))["state"] == "SUCCEEDED"

    go(main)


def test_runs_wait_for_a_target_that_is_away_and_others_go_on(lab: Any, go: Any, docs: Any, targets: Any) -> None:
    async def main() -> None:
        async with lab.pipelines() as pipelines:  # no node: nothing ends before the server goes
            waiting = await pipelines.submit(docs.chain(1), arguments={}, options=on(targets, "east"))
            other = await pipelines.submit(docs.chain(1), arguments={}, options=on(targets, "west"))
        targets.away.add("east")
        async with lab.serving() as pipelines:
            own = await pipelines.submit(docs.chain(1), arguments={})
            for run in (other, own):
                async for _ in pipelines.events(run):
                    pass
                assert (await pipelines.get(run))["state"] == "SUCCEEDED"
            assert pipelines.busy, "a run that waits keeps the server"
            told = [event async for event in pipelines.events(waiting, follow=False)]
            assert "east does not answer" in str(told), told
            with pytest.raises(TargetUnusable):
                await pipelines.cancel(waiting)
            targets.away.clear()
            assert (await lab.finish(pipelines, waiting))["state"] == "SUCCEEDED"

    go(main)


def test_prune_of_the_home_leaves_the_runs_of_targets(lab: Any, go: Any, docs: Any, targets: Any) -> None:
    async def main() -> None:
        async with lab.serving() as pipelines:
            own = await pipelines.submit(docs.chain(1), arguments={})
            east = await pipelines.submit(docs.chain(1), arguments={}, options=on(targets, "east"))
            for run in (own, east):
                await lab.finish(pipelines, run)
            assert await pipelines.prune() == [own]
            target = on(targets, "east").target
            assert await pipelines.prune(target=target, dry_run=True) == [east]
            assert await pipelines.prune(target=target, keep=1) == []
            assert await pipelines.prune(target=target) == [east]

    go(main)
