"""The controller runner, by a small controller that keeps as many ConfigMaps as a pod's annotation says.

The keeper is a Pod because it has a status; its `copies` annotation says how many.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest

from wherry.kube.controller import Controller, Note, Plan, Runner, controller_of, controller_reference
from wherry.kube.errors import conflict
from wherry.kube.events import EventRecorder
from wherry.kube.queue import Backoff, WorkQueue
from wherry.kube.resources import CONFIGMAPS, EVENTS, PODS
from wherry.testing import until

QUICK = Backoff(base_s=0.001, cap_s=0.01)


def keeper(name, copies, **metadata):
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": "default", "annotations": {"copies": str(copies)}, **metadata},
        "spec": {"containers": [{"name": "main", "image": "none:1"}]},
    }


def configmap(name, **metadata):
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": "default", **metadata}}


def keep_copies(obj, children, now):
    wanted = int(obj["metadata"]["annotations"]["copies"])
    names = [f"{obj['metadata']['name']}-{index}" for index in range(wanted)]
    present = [child["metadata"]["name"] for child in children]
    missing = [configmap(name) for name in names if name not in present]
    extra = [child for child in children if child["metadata"]["name"] not in names]
    notes = [Note("Normal", "Scaled", f"to {wanted}")] if missing or extra else []
    status = {**obj["status"], "reason": f"{len(children)} of {wanted}"}
    return Plan(create=missing, delete=extra, events=notes, status=status)


@asynccontextmanager
async def running(kube, clock, plan=keep_copies, **options):
    controller = Controller("keeper", PODS, (CONFIGMAPS,), plan, **options)
    runner = Runner(kube, controller, clock=clock, backoff=QUICK)
    task = asyncio.create_task(runner.run())
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def names(kube):
    return [item["metadata"]["name"] for item in (await kube.list(CONFIGMAPS, "default")).items]


def has(kube, *expected):
    async def check():
        return await names(kube) == list(expected)

    return until(check)


def reason_is(kube, name, reason):
    async def check():
        return (await kube.get(PODS, name, "default"))["status"].get("reason") == reason

    return until(check)


def test_children_follow_the_object(world):
    async def body(kube):
        await kube.create(keeper("a", 2))
        async with running(kube, world.clock):
            await has(kube, "a-0", "a-1")
            await reason_is(kube, "a", "2 of 2")
            await kube.patch(PODS, "a", "default", {"metadata": {"annotations": {"copies": "3"}}})
            await has(kube, "a-0", "a-1", "a-2")
            await kube.delete(CONFIGMAPS, "a-1", "default")
            await has(kube, "a-0", "a-1", "a-2")
            await kube.patch(PODS, "a", "default", {"metadata": {"annotations": {"copies": "1"}}})
            await has(kube, "a-0")
            await reason_is(kube, "a", "1 of 1")
            child = await kube.get(CONFIGMAPS, "a-0", "default")
            owner = await kube.get(PODS, "a", "default")
            assert child["metadata"]["ownerReferences"] == [controller_reference(owner)]
            assert controller_of(child) == owner["metadata"]["uid"]
            await kube.delete(PODS, "a", "default")
            await has(kube)

    world.run(body)


def test_a_new_runner_takes_up_what_an_old_one_left(world):
    async def body(kube):
        await kube.create(keeper("a", 2))
        async with running(kube, world.clock):
            await has(kube, "a-0", "a-1")
        await kube.delete(CONFIGMAPS, "a-0", "default")
        await kube.patch(PODS, "a", "default", {"metadata": {"annotations": {"copies": "3"}}})
        async with running(kube, world.clock):
            await has(kube, "a-0", "a-1", "a-2")

    world.run(body)


def test_nothing_is_made_twice_and_a_settled_object_costs_no_write(world):
    async def body(kube):
        async with running(kube, world.clock):
            for index in range(20):
                await kube.create(keeper(f"p{index:02}", 3))
            for index in range(20):
                await reason_is(kube, f"p{index:02}", "3 of 3")
            version = (await kube.list(CONFIGMAPS)).resource_version
            # A change that alters nothing for the plan settles without another write.
            await kube.patch(PODS, "p00", "default", {"metadata": {"labels": {"x": "1"}}})
            await kube.create(keeper("z", 0))
            await reason_is(kube, "z", "0 of 0")
            # The label, the new pod and its status: three writes, none for p00.
            assert int((await kube.list(CONFIGMAPS)).resource_version) == int(version) + 3
            events = (await kube.list(EVENTS, "default", fields="reason=FailedCreate")).items
            assert events == []

    world.run(body)


def test_events_are_told_once_and_counted(world):
    async def body(kube):
        async with running(kube, world.clock):
            await kube.create(keeper("a", 1))
            await has(kube, "a-0")
            await kube.delete(CONFIGMAPS, "a-0", "default")

            async def twice():
                found = (await kube.list(EVENTS, "default", fields="reason=Scaled")).items
                return [(item["message"], item["count"]) for item in found] == [("to 1", 2)]

            await until(twice)
            (event,) = (await kube.list(EVENTS, "default", fields="involvedObject.name=a")).items
            assert event["source"] == {"component": "keeper"}

    world.run(body)


def test_a_taken_name_is_told_and_tried_again(world):
    async def body(kube):
        await kube.create(configmap("a-0"))
        await kube.create(keeper("a", 1))
        async with running(kube, world.clock):

            async def told():
                return (await kube.list(EVENTS, "default", fields="reason=FailedCreate,type=Warning")).items

            await until(told)
            await kube.delete(CONFIGMAPS, "a-0", "default")
            await reason_is(kube, "a", "1 of 1")

    world.run(body)


def test_objects_that_end_are_left_alone(world):
    async def body(kube):
        await kube.create(keeper("a", 1, finalizers=["example.com/held"]))
        await kube.create(keeper("b", 1))
        await kube.delete(PODS, "a", "default")
        async with running(kube, world.clock):
            await has(kube, "b-0")
            await kube.patch(PODS, "a", "default", {"metadata": {"annotations": {"copies": "5"}}})
            await kube.create(keeper("c", 1))
            await has(kube, "b-0", "c-0")

    world.run(body)


def test_a_selector_narrows_what_is_looked_after(world):
    async def body(kube):
        async with running(kube, world.clock, labels="kept=yes"):
            await kube.create(keeper("a", 1))
            await kube.create(keeper("b", 1, labels={"kept": "yes"}))
            await has(kube, "b-0")
            await kube.patch(PODS, "a", "default", {"metadata": {"labels": {"kept": "yes"}}})
            await has(kube, "a-0", "b-0")

    world.run(body)


def test_the_last_plan_says_when_to_look_again(world):
    """A runner with nothing left to do is not busy, whatever earlier plans wanted."""

    def plan(obj, children, now):
        wait = timedelta(hours=1) if obj["metadata"]["annotations"]["copies"] == "1" else None
        return Plan(requeue=wait, status={**obj["status"], "reason": obj["metadata"]["annotations"]["copies"]})

    async def body(kube):
        runner = Runner(kube, Controller("keeper", PODS, (CONFIGMAPS,), plan), clock=world.clock, backoff=QUICK)
        task = asyncio.create_task(runner.run())

        async def is_busy(wanted):
            async def check():
                return runner.busy is wanted

            await until(check)

        await kube.create(keeper("a", 1))
        await reason_is(kube, "a", "1")
        await is_busy(True)
        await kube.patch(PODS, "a", "default", {"metadata": {"annotations": {"copies": "0"}}})
        await reason_is(kube, "a", "0")
        await is_busy(False)
        await kube.patch(PODS, "a", "default", {"metadata": {"annotations": {"copies": "1"}}})
        await reason_is(kube, "a", "1")
        await kube.delete(PODS, "a", "default")
        await is_busy(False)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    world.run(body)


def test_requeue_looks_again_later(world):
    async def body(kube):
        seen = []

        def plan(obj, children, now):
            seen.append(now)
            world.clock.advance(10)
            return Plan(requeue=timedelta(milliseconds=1)) if len(seen) < 3 else Plan()

        await kube.create(keeper("a", 0))
        async with running(kube, world.clock, plan):
            await until(lambda: len(seen) == 3)
        assert [(later - seen[0]).total_seconds() for later in seen] == [0, 10, 20]

    world.run(body)


def test_conflicts_are_planned_again_from_the_new_state(world):
    async def body(kube):
        raced = []

        class Racing:
            """Everything as the real one, but the first status write finds that somebody was faster."""

            def __getattr__(self, name):
                return getattr(kube, name)

            async def patch(self, resource, name, namespace, patch, **options):
                if not raced:
                    raced.append(await kube.patch(PODS, "a", "default", {"metadata": {"labels": {"x": "1"}}}))
                return await kube.patch(resource, name, namespace, patch, **options)

        await kube.create(keeper("a", 1))
        async with running(Racing(), world.clock):
            await reason_is(kube, "a", "1 of 1")
        assert len(raced) == 1

    world.run(body)


def test_a_plan_that_raises_costs_only_its_own_object(world, caplog):
    async def body(kube):
        failing = [True]

        def plan(obj, children, now):
            if obj["metadata"]["name"] == "bad" and failing:
                raise ZeroDivisionError
            return keep_copies(obj, children, now)

        await kube.create(keeper("bad", 1))
        await kube.create(keeper("good", 1))
        async with running(kube, world.clock, plan):
            await has(kube, "good-0")
            failing.clear()
            await has(kube, "bad-0", "good-0")

    with caplog.at_level(logging.ERROR, "wherry.kube.controller"):
        world.run(body)
    assert "ZeroDivisionError" in caplog.text


def test_a_watch_that_fell_behind_is_listed_again(world):
    async def body(kube):
        class Forgetful:
            """Everything as the real one, but each watch ends with Gone after two events."""

            def __getattr__(self, name):
                return getattr(kube, name)

            async def watch(self, resource, namespace="", **options):
                count = 0
                async for event in kube.watch(resource, namespace, **options):
                    if count == 2:
                        from wherry.kube.errors import gone

                        raise gone("too old")
                    count += 1
                    yield event

        async with running(Forgetful(), world.clock):
            for index in range(6):
                await kube.create(keeper(f"p{index}", 1))
            await has(kube, *[f"p{index}-0" for index in range(6)])
            for index in range(6):
                await kube.delete(PODS, f"p{index}", "default")
            await has(kube)

    world.run(body)


def test_a_server_that_fails_is_asked_again(world):
    async def body(kube):
        failures = [conflict(PODS, "x")] * 3

        class Failing:
            """Everything as the real one, but the first lists fail."""

            def __getattr__(self, name):
                return getattr(kube, name)

            async def list(self, *arguments, **options):
                if failures:
                    raise failures.pop()
                return await kube.list(*arguments, **options)

        await kube.create(keeper("a", 1))
        async with running(Failing(), world.clock):
            await has(kube, "a-0")
        assert failures == []

    world.run(body)


def test_a_runner_ends_when_it_is_cancelled(world):
    async def body(kube):
        async with running(kube, world.clock) as task:
            await kube.create(keeper("a", 1))
            await has(kube, "a-0")
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        await kube.create(keeper("b", 1))
        assert await names(kube) == ["a-0"]

    world.run(body)


def test_the_queue_hands_a_key_to_one_worker_at_a_time():
    async def body():
        queue = WorkQueue()
        for _ in range(3):
            queue.add("a")
        queue.add("b")
        assert [await queue.get(), await queue.get()] == ["a", "b"]
        queue.add("a")
        waiting = asyncio.create_task(queue.get())
        await asyncio.sleep(0)
        assert not waiting.done()
        queue.done("b")
        queue.done("a")
        assert await waiting == "a"

    asyncio.run(body())


def test_of_several_wishes_the_earliest_counts():
    async def body():
        queue = WorkQueue()
        queue.add("late", after_s=3600)
        queue.add("soon", after_s=3600)
        queue.add("soon", after_s=0.001)
        queue.add("soon", after_s=3600)
        assert await queue.get() == "soon"
        queue.done("soon")
        queue.add("late")
        assert await queue.get() == "late"
        queue.close()

    asyncio.run(body())


def test_a_cancelled_worker_leaves_its_turn_to_the_next():
    async def body():
        queue = WorkQueue()
        first, second = asyncio.create_task(queue.get()), asyncio.create_task(queue.get())
        await asyncio.sleep(0)
        first.cancel()
        queue.add("a")
        assert await second == "a"

    asyncio.run(body())


def test_backoff_doubles_up_to_its_cap():
    backoff = Backoff(base_s=1.0, cap_s=10.0)
    assert [backoff.delay_s(failures) for failures in (1, 2, 3, 4, 5, 5000)] == [1, 2, 4, 8, 10, 10]


def test_an_event_never_fails_its_teller(world):
    async def body(kube):
        obj = await kube.create(keeper("a", 0))
        recorder = EventRecorder(kube, "me", clock=world.clock)
        obj["metadata"]["namespace"] = "none"
        await recorder.record(obj, "Normal", "Lost", "nobody hears it")
        obj["metadata"]["namespace"] = "default"
        obj["metadata"]["name"] = "n" * 253
        await recorder.record(obj, "Normal", "Told", "x" * 5000)
        (event,) = (await kube.list(EVENTS, "default")).items
        assert len(event["metadata"]["name"]) == 253
        assert len(event["message"]) == 1024

    world.run(body)
