"""A client goes on while servers answer or events come, and gives up after the time that it names."""

from __future__ import annotations

import pytest

from wherry.client.patience import ANSWERLESS_S, DEATHS, FIRST_ANSWERLESS_S, HELD_S, Patience
from wherry.client.wire import Disconnected
from wherry.testing.clock import ManualClock

GONE = Disconnected("the connection ended")


def test_the_first_failure_costs_no_time_and_later_ones_a_little() -> None:
    patience = Patience(ManualClock())
    patience.answered()
    pauses = [patience.pause_s(GONE) for _ in range(20)]
    assert pauses[0] == 0
    assert pauses == sorted(pauses)
    assert pauses[-1] == 1


@pytest.mark.parametrize(("answered", "limit_s"), [(False, FIRST_ANSWERLESS_S), (True, ANSWERLESS_S)])
def test_without_an_answer_it_ends_after_its_time(answered: bool, limit_s: float) -> None:
    clock = ManualClock()
    patience = Patience(clock)
    if answered:
        patience.answered()
        clock.advance(3600)  # a stream may be silent for as long as a task runs
    patience.pause_s(GONE)
    clock.advance(limit_s)
    patience.pause_s(GONE)
    clock.advance(0.1)
    with pytest.raises(Disconnected) as raised:
        patience.pause_s(GONE)
    assert raised.value is GONE


def test_an_answer_begins_the_time_anew() -> None:
    clock = ManualClock()
    patience = Patience(clock)
    for _ in range(DEATHS - 1):
        patience.pause_s(GONE)
        clock.advance(FIRST_ANSWERLESS_S - 1)
        patience.answered()
    patience.pause_s(GONE)


def test_servers_that_answer_and_die_at_once_end_it_unless_events_come() -> None:
    patience = Patience(ManualClock())
    for _ in range(3 * DEATHS):
        patience.answered()
        patience.pause_s(GONE)
        patience.moved()
    for _ in range(DEATHS):
        patience.answered()
        patience.pause_s(GONE)
    with pytest.raises(Disconnected):
        patience.pause_s(GONE)


def test_servers_that_live_a_while_may_die_for_ever() -> None:
    clock = ManualClock()
    patience = Patience(clock)
    for _ in range(3 * DEATHS):
        patience.answered()
        clock.advance(HELD_S)
        assert patience.pause_s(GONE) == 0
