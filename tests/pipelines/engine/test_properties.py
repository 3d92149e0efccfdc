"""Random pipelines, outcomes, orders, crashes, cancels and retries: what must hold for all of them."""

from __future__ import annotations

import random
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.pipelines.engine.build import Out, Outer, Pipeline, task
from tests.pipelines.engine.drive import Broke, Harness, snapshot

from wherry import ir
from wherry.pipelines import engine
from wherry.pipelines.engine import Change, Delta, RunOptions
from wherry.pipelines.engine.state import Dag, child_path, parent_path

SETTINGS = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def random_document(draw: random.Random) -> ir.Document:
    """A pipeline of leaves, DAGs, loops, conditions, exit handlers and retries, up to three levels deep."""
    pipeline = Pipeline()
    inputs = {"x": "STRING?", "item": "STRING?", "items": "LIST?"}
    pipeline.leaf("leaf", inputs, {"Output": "STRING", "many": "LIST"})

    def dag(name: str, depth: int) -> dict[str, Any]:
        tasks: dict[str, Any] = {}
        listers: list[str] = []
        for at in range(draw.randint(0 if depth else 1, 4)):
            names = list(tasks)
            after = [each for each in names if draw.random() < 0.4]
            options: dict[str, Any] = {"after": after}
            if draw.random() < 0.15:
                options["when"] = draw.choice(["true", "false", "1 == 1 && false"])
            if after and draw.random() < 0.25:
                options["always"] = True
            if draw.random() < 0.3:
                options["over"] = list("abcdefg"[: draw.randint(0, 5)])
                options["limit"] = draw.choice([0, 1, 2])
            elif listers and draw.random() < 0.4:
                options |= {"over_input": "items", "items": Out(draw.choice(listers), "many")}
            if names and draw.random() < 0.4:
                options["x"] = Out(draw.choice(names))
            elif depth:
                options["x"] = Outer("x")
            if depth < 3 and draw.random() < 0.35:
                component = f"{name}-{at}"
                inner = dag(component, depth + 1)
                output = Out(draw.choice(list(inner))) if inner else None
                outputs = {"Output": ("STRING", output)} if output else {}
                pipeline.dag(component, inner, inputs, outputs=outputs)
                declared = pipeline.components[f"comp-{component}"]["outputDefinitions"]["parameters"]
                declared.setdefault("Output", {"parameterType": "STRING"})
                if draw.random() < 0.4:
                    options["retry"] = {"maxRetryCount": draw.randint(1, 2), "backoffDuration": "1s"}
            else:
                component = "leaf"
                if draw.random() < 0.3:
                    options["retry"] = {"maxRetryCount": draw.randint(1, 2)}
                if not options.keys() & {"over", "over_input"}:
                    listers.append(f"t{at}")
            tasks[f"t{at}"] = task(component, **options)
        return tasks

    return pipeline.document(dag("d", 0))


class Watched(Harness):
    """A harness that also holds `decide` to its promises."""

    def __init__(self, seed: int, failures: float) -> None:
        chance = random.Random(seed)
        options = RunOptions(keep_going=chance.random() < 0.3, window=chance.choice([1, 2, 512]))
        super().__init__(random_document(chance), options=options, seed=seed)
        self.failures = failures
        self.work = self._work

    def _work(self, resolved: Any) -> dict[str, Any]:
        chance = random.Random(f"{resolved.path}/{resolved.attempt}/{self.run.generation}")
        if chance.random() < self.failures:
            raise Broke(resolved.path)
        return {"Output": resolved.path, "many": list("abcd"[: chance.randint(0, 4)])}

    def tell(self, event: engine.Event) -> Delta:
        before = snapshot(self.run)
        assert engine.decide(self.run, event).changes == engine.decide(self.run, event).changes
        assert snapshot(self.run) == before, "decide has changed the run"
        delta = super().tell(event)
        for change in delta.changes:
            if change.phase_from is None and change.phase_to in ("PENDING", "RUNNING"):
                self._nothing_before_it_is_open(change)
        return delta

    def _nothing_before_it_is_open(self, change: Change) -> None:
        parent = self.run.get(parent_path(change.path)) if change.path != "root" else None
        node = self.run.get(change.path)
        if not isinstance(parent, Dag) or node is None or node.task is None:
            return
        for need in node.task.needs:
            before = self.run.get(child_path(parent.path, parent.component.tasks[need].name))
            assert before is not None, change
            # Or all of it has ended since, in the same decision, and its DAG has begun again.
            assert before.final or before.generation > change.generation, change
            assert before.phase in ("SUCCEEDED", "CACHED") or node.task.always, change


@SETTINGS
@given(st.integers(0, 2**32), st.sampled_from([0.0, 0.2, 0.6]))
def test_every_run_ends_and_every_history_obeys_the_table(seed: int, failures: float) -> None:
    harness = Watched(seed, failures).to_end()
    # Without failures only a loop that ignores that its items' producer was skipped can fail.
    assert harness.state == "SUCCEEDED" or failures or "Unresolvable" in {row.reason for row in harness.rows.values()}
    outcomes = {row.phase for row in harness.rows.values()}
    assert (harness.state == "FAILED") == (harness.run.nodes["root"].phase == "FAILED")
    assert harness.state == "FAILED" or "FAILED" not in {node.phase for node in harness.run.nodes.values()}
    assert "CANCELED" not in outcomes


@SETTINGS
@given(st.integers(0, 2**32), st.sampled_from([0.0, 0.2, 0.6]))
def test_a_restored_run_is_the_run_that_was_lost(seed: int, failures: float) -> None:
    harness = Watched(seed, failures)
    harness.tell(engine.Begin())
    chance = random.Random(seed)
    for _ in range(3):
        _random_steps(harness, chance)
        assert snapshot(harness.restored()) == snapshot(harness.run)
        _crash(harness)
    harness.to_end()
    assert snapshot(harness.restored()) == snapshot(harness.run)


@SETTINGS
@given(st.integers(0, 2**32), st.sampled_from([0.1, 0.4]))
def test_cancel_and_retry_at_any_time_with_crashes_in_between(seed: int, failures: float) -> None:
    harness = Watched(seed, failures)
    harness.tell(engine.Begin())
    chance = random.Random(seed)
    for _ in range(3):
        _random_steps(harness, chance)
        if chance.random() < 0.5:
            _cancel(harness, chance)
        harness.to_end()
        _views(harness)
        _crash(harness)
        if harness.state == "SUCCEEDED":
            return
        good = {path: row for path, row in _last(harness).items() if row.phase == "SUCCEEDED" and row.kind == "task"}
        harness.tell(engine.Retry())
        _random_steps(harness, chance)
        assert snapshot(harness.restored()) == snapshot(harness.run)
        _crash(harness)
        for path, row in good.items():  # what succeeded is not done again, unless something before it was
            again = _last(harness)[path]
            assert again == row or again.attempt > row.attempt
    harness.failures = 0.0
    harness.to_end()


def _last(harness: Harness) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for row in harness.rows.values():
        if row.path not in found or row.attempt > found[row.path].attempt:
            found[row.path] = row
    return found


def _views(harness: Harness) -> None:
    """What `wherry show` asks of a run that is over: every leaf resolves, or says why not."""
    run = engine.restore(
        harness.document, harness.info, harness.arguments, harness.options, harness.run.generation,
        list(harness.rows.values()), state=harness.run.state, for_views=True,
    )  # fmt: skip
    for row in harness.rows.values():
        if row.kind == "task" and row.phase != "SKIPPED":
            try:
                resolved = engine.resolve(run, row.path)
            except engine.Unresolvable:
                continue
            launched = harness.resolved.get(row.path)
            if launched is not None and row.generation == run.generation and launched.attempt == row.attempt:
                assert resolved.parameters == launched.parameters


def _random_steps(harness: Harness, chance: random.Random) -> None:
    for _ in range(chance.randint(0, 6)):
        if harness.starts:
            harness.step()


def _crash(harness: Harness) -> None:
    """The server dies: what is left are the rows.  Its starts follow from the leaves that are open."""
    harness.run = harness.restored()
    assert sorted(start.path for start in harness.starts) == sorted(n.path for n in engine.open_leaves(harness.run))


def _cancel(harness: Harness, chance: random.Random) -> None:
    delta = harness.tell(engine.Cancel())
    if delta.run_state is None:
        return
    open_now = {start.path: start for start in harness.starts}
    assert sorted(delta.stops) == sorted(open_now)
    harness.starts.clear()
    for path in delta.stops:
        start = open_now[path]
        if chance.random() < 0.7:
            harness.tell(engine.Canceled(path, start.attempt))
        elif chance.random() < 0.5:
            harness.tell(engine.Failed(path, start.attempt, {"message": "late"}))
        else:
            harness.tell(engine.Succeeded(path, start.attempt, {"parameters": {"Output": "late"}}))
        assert not harness.starts, "nothing starts once the run is being canceled"
