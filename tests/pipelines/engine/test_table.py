"""The transition table says all, and says it once."""

from __future__ import annotations

import itertools

import pytest
from tests.pipelines.engine.build import Pipeline, task
from tests.pipelines.engine.drive import Harness

from wherry.pipelines import engine
from wherry.pipelines.engine import ALLOWED, BIRTH, FINAL, NEXT, Phase, RunState, Trigger
from wherry.pipelines.engine.model import RUN_NEXT


def test_every_phase_has_a_row_and_final_ones_are_empty() -> None:
    assert set(NEXT) == set(Phase)
    assert {Phase.SUCCEEDED, Phase.CACHED, Phase.FAILED, Phase.SKIPPED, Phase.CANCELED} == FINAL
    assert all(not NEXT[phase] for phase in FINAL)


def test_allowed_is_the_table_as_pairs() -> None:
    assert {(old, new) for old in Phase for new in NEXT[old].values()} == ALLOWED
    assert not any(old in FINAL for old, _ in ALLOWED)
    assert (Phase.RUNNING, Phase.PENDING) not in ALLOWED


def test_nothing_is_born_as_what_only_work_can_bring() -> None:
    assert set(BIRTH.values()).isdisjoint({Phase.SUCCEEDED, Phase.CACHED, Phase.CANCELED})


def test_the_runs_only_way_back_is_retry() -> None:
    assert set(RUN_NEXT) == set(RunState)
    assert not RUN_NEXT[RunState.SUCCEEDED]
    back = {state for state in RunState if RunState.RUNNING in RUN_NEXT[state]}
    assert back == {RunState.PENDING, RunState.FAILED, RunState.CANCELED}


EVENTS = {
    "started": lambda attempt: engine.Started("a", attempt),
    "succeeded": lambda attempt: engine.Succeeded("a", attempt, {"parameters": {"Output": "1"}}),
    "hit": lambda attempt: engine.Succeeded("a", attempt, {}, cached_from="other"),
    "failed": lambda attempt: engine.Failed("a", attempt, {"message": "no"}),
    "canceled": lambda attempt: engine.Canceled("a", attempt),
}
TRIGGERS = {
    "started": Trigger.STARTED,
    "succeeded": Trigger.DONE,
    "hit": Trigger.HIT,
    "failed": Trigger.BROKE,
    "canceled": Trigger.STOPPED,
}


@pytest.mark.parametrize(("first", "second"), list(itertools.product([None, *EVENTS], EVENTS)))
def test_decide_follows_the_table_in_every_phase(first: str | None, second: str) -> None:
    """Each event in each phase: the table's step, or, where the cell is empty, nothing at all."""
    harness = Harness(Pipeline().leaf("a").leaf("b").document({"a": task("a"), "b": task("b")}))
    harness.tell(engine.Begin())
    if first:
        harness.tell(EVENTS[first](1))
    before = harness.run.nodes["a"].phase
    delta = harness.tell(EVENTS[second](1))
    expected = NEXT[before].get(TRIGGERS[second])
    assert harness.run.nodes["a"].phase is (expected or before)
    assert bool(delta) is (expected is not None)
    assert not harness.tell(EVENTS[second](1)), "telling twice is telling once"


@pytest.mark.parametrize("event", list(EVENTS.values()), ids=list(EVENTS))
def test_events_about_other_attempts_and_unknown_paths_mean_nothing(event: object) -> None:
    harness = Harness(Pipeline().leaf("b").document({"b": task("b")}))
    harness.tell(engine.Begin())
    assert not harness.tell(event(1))  # type: ignore[operator]
    harness = Harness(Pipeline().leaf("a").document({"a": task("a")}))
    harness.tell(engine.Begin())
    assert not harness.tell(event(2))  # type: ignore[operator]


def test_begin_cancel_and_retry_are_only_for_runs_that_can() -> None:
    harness = Harness(Pipeline().leaf("a").document({"a": task("a")}))
    assert not harness.tell(engine.Retry())
    harness.to_end()
    assert not harness.tell(engine.Begin())
    assert not harness.tell(engine.Cancel())
    assert not harness.tell(engine.Retry())


def test_a_run_that_has_not_begun_is_canceled_at_once_and_can_be_retried() -> None:
    harness = Harness(Pipeline().leaf("a").document({"a": task("a")}))
    assert harness.tell(engine.Cancel()).run_state is RunState.CANCELED
    harness.tell(engine.Retry())
    assert harness.to_end().state == "SUCCEEDED"
