from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from tests.kube.node.machine import pod_of

from wherry.kube.embedded.node.lifecycle import (
    Backoff,
    Run,
    State,
    Stop,
    advance,
    container_id,
    parse_container_id,
    run_of,
    status,
)
from wherry.kube.embedded.node.records import Exit

BACKOFF = Backoff(base_s=10, cap_s=40, reset_s=100)


def a_run(mains=1, inits=0, **spec) -> Run:
    def group(prefix, count):
        return [{"name": f"{prefix}{i}", "image": "x", "command": ["x"]} for i in range(count)]

    run = run_of(pod_of(containers=group("main", mains), initContainers=group("init", inits), **spec))
    run.begin = 1000.0
    return run


def finish(slot, now, code=0, ran_s=1.0):
    slot.ended(Exit("id", 7, "1", now - ran_s, now, code, 0), "Completed" if code == 0 else "Error", "")


def begin(plan):
    for slot in plan.start:
        slot.started(7, "1", 1000.0)
    return [slot.name for slot in plan.start]


def test_init_containers_one_by_one_then_all_others():
    run = a_run(mains=2, inits=2)
    order = []
    for _ in range(3):
        names = begin(advance(run, 1000.0, BACKOFF))
        order.append(names)
        for slot in run.slots:
            if slot.name in names:
                finish(slot, 1001.0)
    assert order == [["init0"], ["init1"], ["main0", "main1"]]
    advance(run, 1002.0, BACKOFF)
    assert run.phase == "Succeeded"


def test_waits_double_up_to_the_cap_and_a_long_run_starts_anew():
    run = a_run(restartPolicy="Always")
    slot = run.slots[0]
    now, waits = 1000.0, []
    for ran_s in (1, 1, 1, 1, 1, 200, 1):
        begin(advance(run, now, BACKOFF))
        now += ran_s
        finish(slot, now, code=1, ran_s=ran_s)
        plan = advance(run, now, BACKOFF)
        waits.append(slot.not_before - now)
        now = slot.not_before
        assert plan.again_at == (now if waits[-1] else None)
    assert waits == [0, 10, 20, 40, 40, 0, 10]
    assert slot.restart == 7
    assert run.phase == "Running"


def test_on_failure_restarts_only_failures():
    run = a_run(mains=2, restartPolicy="OnFailure")
    begin(advance(run, 1000.0, BACKOFF))
    good, bad = run.slots
    finish(good, 1001.0)
    finish(bad, 1001.0, code=1)
    assert begin(advance(run, 1001.0, BACKOFF)) == ["main1"]
    finish(bad, 1002.0)
    advance(run, 1002.0, BACKOFF)
    assert (run.phase, good.restart, bad.restart) == ("Succeeded", 0, 1)


def test_the_deadline_counts_from_the_start_of_the_pod():
    run = a_run(activeDeadlineSeconds=30)
    plan = advance(run, 1000.0, BACKOFF)
    assert plan.again_at == 1030.0
    begin(plan)
    plan = advance(run, 1030.0, BACKOFF)
    assert plan.stop == (run.slots[0],)
    finish(run.slots[0], 1031.0, code=143)
    advance(run, 1031.0, BACKOFF)
    assert (run.phase, run.reason) == ("Failed", "DeadlineExceeded")
    assert status(run)["reason"] == "DeadlineExceeded"


def test_a_stopped_pod_starts_nothing():
    run = a_run(mains=1, inits=1, restartPolicy="Always")
    begin(advance(run, 1000.0, BACKOFF))
    run.stop = Stop("", "", 5.0, deleted=True)
    finish(run.slots[0], 1001.0, code=1)
    assert advance(run, 1001.0, BACKOFF).start == ()
    assert run.phase == "Failed"


def test_status_of_a_waiting_pod_says_why():
    run = a_run()
    run.begin = 0.0
    run.waiting_for = "0/1 nodes are available: 1 Insufficient cpu."
    told = status(run)
    assert told["phase"] == "Pending"
    assert told["conditions"][0]["reason"] == "Unschedulable"
    assert "containerStatuses" not in told


def test_container_ids_name_processes():
    run = a_run()
    slot = run.slots[0]
    slot.started(42, "123456", 1000.0)
    assert parse_container_id(container_id(slot)) == (42, "123456")
    assert parse_container_id("containerd://42") == parse_container_id("") == (0, "")


@given(
    st.sampled_from(["Never", "OnFailure", "Always"]),
    st.integers(1, 3),
    st.integers(0, 2),
    st.lists(st.tuples(st.integers(0, 4), st.integers(0, 1), st.floats(0, 50)), max_size=30),
)
def test_any_story_keeps_the_rules(policy, mains, inits, story):
    """Init before main, one attempt at a time, final for ever; and a Never pod starts each container at most once."""
    run = a_run(mains, inits, restartPolicy=policy)
    now, starts = 1000.0, []
    for which, code, passes_s in story:
        now += passes_s
        was_final = run.phase if run.final else ""
        plan = advance(run, now, BACKOFF)
        for slot in plan.start:
            assert slot.state is State.WAITING
            assert not was_final
            assert slot.not_before <= now
            if not slot.init:
                assert all(each.succeeded for each in run.slots if each.init)
            starts.append((slot.name, slot.restart))
        begin(plan)
        assert run.phase == was_final or not was_final
        busy = [slot for slot in run.slots if slot.busy]
        assert run.final != bool(busy) or any(slot.state is State.WAITING for slot in run.slots)
        if busy:
            finish(busy[which % len(busy)], now, code)
        told = status(run)
        assert told["phase"] == run.phase
    assert len(starts) == len(set(starts))
    if policy == "Never":
        assert all(restart == 0 for _, restart in starts)
