from __future__ import annotations

from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st
from tests.kube.node.machine import pod_of

from wherry.kube.embedded.node.capacity import GPU, Capacity, Scheduler, machine, requests

NODE = Capacity(cpu=2, memory_bytes=1 << 30, gpus=("0", "1"), pods=5)


def cpu(amount):
    return (("cpu", Fraction(amount)),)


def test_requests_of_a_pod_are_the_sum_or_the_largest_init_container():
    def container(name, **asked):
        return {"name": name, "image": "x", "resources": {"requests": asked}}

    mains = [container("a", cpu="500m", memory="1Mi"), container("b", cpu="250m")]
    assert requests(pod_of(containers=mains)) == (("cpu", Fraction(3, 4)), ("memory", Fraction(1 << 20)))
    inits = [container("i", cpu="2"), container("j", cpu="1")]
    assert requests(pod_of(containers=mains, initContainers=inits))[0] == ("cpu", Fraction(2))
    inits[0]["restartPolicy"] = "Always"
    assert requests(pod_of(containers=mains, initContainers=inits))[0] == ("cpu", Fraction(3)), "beside the sidecar"
    assert requests(pod_of(containers=mains, initContainers=inits[:1]))[0] == ("cpu", Fraction(11, 4))
    assert requests(pod_of(command=["true"])) == ()


def test_first_come_first_served_among_those_that_fit():
    scheduler = Scheduler(NODE)
    scheduler.wait("big", cpu(2))
    scheduler.wait("too-much", cpu(1))
    scheduler.wait("small", ())
    assert [uid for uid, _ in scheduler.admit()] == ["big", "small"]
    assert scheduler.why_not(cpu(1)) == "0/1 nodes are available: 1 Insufficient cpu."
    scheduler.forget("big")
    assert [uid for uid, _ in scheduler.admit()] == ["too-much"]


def test_no_more_pods_than_the_node_takes():
    scheduler = Scheduler(NODE)
    for i in range(9):
        scheduler.wait(str(i), ())
    assert [uid for uid, _ in scheduler.admit()] == list("01234")
    assert scheduler.why_not(()) == "0/1 nodes are available: 1 Too many pods."
    scheduler.forget("7")  # deleted while it waited
    for uid in "01":
        scheduler.forget(uid)
    assert [uid for uid, _ in scheduler.admit()] == ["5", "6"]
    scheduler.forget("2")
    assert [uid for uid, _ in scheduler.admit()] == ["8"]


def test_a_gpu_has_one_pod():
    scheduler = Scheduler(NODE)
    wants = ((GPU, Fraction(1)),)
    for uid in "abc":
        scheduler.wait(uid, wants)
    assert scheduler.admit() == [("a", ("0",)), ("b", ("1",))]
    scheduler.forget("a")
    assert scheduler.admit() == [("c", ("0",))]


def test_a_restarted_server_counts_what_it_finds():
    scheduler = Scheduler(NODE)
    assert scheduler.take("found", ((GPU, Fraction(1)), ("ephemeral-storage", Fraction(1))), ("1",)) == ("1",)
    scheduler.wait("new", ((GPU, Fraction(2)),))
    assert scheduler.admit() == []
    scheduler.forget("found")
    assert scheduler.admit()[0][0] == "new"


def test_this_machine():
    found = machine({"CUDA_VISIBLE_DEVICES": "3,5"})
    assert found.cpu >= 1
    assert found.memory_bytes > 1 << 20
    assert found.gpus == ("3", "5")
    assert machine({"CUDA_VISIBLE_DEVICES": "-1"}).gpus == ()


@given(st.lists(st.tuples(st.sampled_from(["wait", "forget"]), st.integers(0, 7), st.integers(0, 5))))
def test_capacity_is_never_exceeded_and_nothing_that_fits_waits(steps):
    scheduler = Scheduler(NODE)
    held, waiting = {}, {}
    for what, uid, quarter in steps:
        name = str(uid)
        if what == "forget":
            scheduler.forget(name)
            held.pop(name, None)
            waiting.pop(name, None)
        elif name not in held and name not in waiting:
            waiting[name] = cpu(Fraction(quarter, 2)) if quarter else ()
            scheduler.wait(name, waiting[name])
        for admitted, _ in scheduler.admit():
            held[admitted] = waiting.pop(admitted)
        used = sum((dict(wants).get("cpu", 0) for wants in held.values()), Fraction(0))
        assert used <= 2
        assert len(held) <= 5
        if len(held) < 5:
            assert all(dict(wants).get("cpu", 0) > 2 - used for wants in waiting.values())
