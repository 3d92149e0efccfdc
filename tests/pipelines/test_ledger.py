"""The ledger: deltas of one cycle in one transaction, whatever order they come in."""

from __future__ import annotations

from typing import Any

import pytest

from wherry.pipelines import ledger
from wherry.pipelines.engine.model import ALLOWED, RUN_NEXT, Change, Delta, Phase, RunState
from wherry.pipelines.ledger import NO_FACTS, Batch, Facts
from wherry.storage.tasks import Outpaced
from wherry.testing.scripted_node import Hang


def moved(path: str, attempt: int, before: Phase | None, after: Phase, **more: Any) -> Change:
    return Change(path, attempt, "task", before, after, **more)


def delta(*changes: Change, **more: Any) -> Delta:
    return Delta(changes=list(changes), **more)


def test_the_guards_are_made_of_the_engines_tables() -> None:
    for old, new in ALLOWED:
        assert f"(?4 = '{old.value}' AND ?5 = '{new.value}')" in ledger.TRANSITION
    assert ledger.TRANSITION.count("AND ?5 =") == len(ALLOWED)
    assert ledger.SET_STATE.count("AND :state =") == sum(len(row) for row in RUN_NEXT.values())


def test_a_task_may_live_its_whole_life_in_one_batch(lab: Any, go: Any, docs: Any) -> None:
    async def main() -> None:
        lab.node.script = lambda task: Hang()
        async with lab.serving() as pipelines:
            await pipelines.submit(docs.chain(1), arguments={})
        batch = Batch(100.0)
        batch.delta(1, "default", 0, delta(moved("x", 1, None, Phase.PENDING)), lambda change: NO_FACTS)
        life = delta(
            moved("x", 1, Phase.PENDING, Phase.RUNNING),
            moved("x", 1, Phase.RUNNING, Phase.FAILED, error={"message": "no"}),
            moved("x", 2, None, Phase.PENDING, tries=2),
            moved("x", 2, Phase.PENDING, Phase.SUCCEEDED, outputs={"parameters": {"a": 1}, "artifacts": {}}),
        )
        batch.delta(1, "default", 0, life, lambda change: Facts(90.0, 95.0, "key"))
        await lab.db.write(batch.write)
        rows = await lab.rows("SELECT attempt, tries, phase, started_at, finished_at FROM task WHERE path = 'x'")
        assert rows == [(1, 1, "FAILED", 90.0, 95.0), (2, 2, "SUCCEEDED", 90.0, 95.0)]
        assert await lab.rows("SELECT key, path, attempt FROM cache") == [("key", "x", 2)]
        told = await lab.rows("SELECT attempt, before, after FROM history WHERE path = 'x' ORDER BY id")
        assert told == [
            (1, None, "PENDING"),
            (1, "PENDING", "RUNNING"),
            (1, "RUNNING", "FAILED"),
            (2, None, "PENDING"),
            (2, "PENDING", "SUCCEEDED"),
        ]

    go(main)


def test_a_batch_that_the_database_contradicts_leaves_nothing(lab: Any, go: Any, docs: Any) -> None:
    async def main() -> None:
        view = await lab.run(docs.chain(1))
        before = await lab.rows("SELECT count(*) FROM history")
        for wrong in (
            delta(moved("t0", 1, Phase.RUNNING, Phase.FAILED)),
            delta(moved("t0", 2, None, Phase.PENDING)),
            delta(moved("new", 1, None, Phase.PENDING), run_state=RunState.RUNNING),
        ):
            batch = Batch(1.0)
            batch.delta(1, "default", 0, wrong, lambda change: NO_FACTS)
            with pytest.raises(Outpaced):
                await lab.db.write(batch.write)
        assert await lab.rows("SELECT count(*) FROM history") == before
        assert view["state"] == "SUCCEEDED"

    go(main)
