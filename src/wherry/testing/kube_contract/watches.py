"""The contract's sentences about watches.

Part of `KubeContract`.  Invariant: a watch is closed by the test that opened it, and waits are bounded.
"""

from __future__ import annotations

import asyncio
from contextlib import aclosing

from wherry.kube.resources import CONFIGMAPS, NAMESPACES, PODS
from wherry.testing.kube_contract.setting import OpenKube, Place, perform, take, told


class WatchesContract:
    """What holds for watches."""

    def test_every_change_after_a_version_in_order(self, open_kube: OpenKube) -> None:
        async def body(place: Place) -> None:
            await place.create(place.configmap("before"))
            version = (await place.kube.list(CONFIGMAPS, place.namespace)).resource_version
            await place.create(place.configmap("a", {"k": "0"}, labels={"x": "1"}))
            for count in "12":
                await place.kube.patch(CONFIGMAPS, "a", place.namespace, {"data": {"k": count}})
            await place.kube.delete(CONFIGMAPS, "a", place.namespace)
            watch = place.kube.watch(CONFIGMAPS, place.namespace, resource_version=version, labels="x=1")
            async with aclosing(watch):
                events = await take(watch, 4)
            assert told(events) == [("ADDED", "a"), ("MODIFIED", "a"), ("MODIFIED", "a"), ("DELETED", "a")]
            assert [event.object["data"]["k"] for event in events] == ["0", "1", "2", "2"]
            versions = [event.object["metadata"]["resourceVersion"] for event in events]
            assert len(set(versions)) == 4

        perform(open_kube, body)

    def test_changes_arrive_while_watching(self, open_kube: OpenKube) -> None:
        async def body(place: Place) -> None:
            version = (await place.kube.list(PODS, place.namespace)).resource_version
            watch = place.kube.watch(PODS, place.namespace, resource_version=version)
            async with aclosing(watch), asyncio.TaskGroup() as group:
                first = group.create_task(take(watch, 2))
                (created,) = await place.create(place.pod("a"))
                await place.kube.patch(PODS, "a", place.namespace, {"status": {"reason": "x"}}, subresource="status")
                events = await first
                assert told(events) == [("ADDED", "a"), ("MODIFIED", "a")]
                assert events[0].object == created
                assert events[1].object["status"]["reason"] == "x"

        perform(open_kube, body)

    def test_without_a_version_what_exists_comes_first(self, open_kube: OpenKube) -> None:
        async def body(place: Place) -> None:
            await place.create(place.configmap("a", labels={"x": "1"}), place.configmap("b", labels={"x": "1"}))
            watch = place.kube.watch(CONFIGMAPS, place.namespace, labels="x=1")
            async with aclosing(watch):
                assert sorted(told(await take(watch, 2))) == [("ADDED", "a"), ("ADDED", "b")]
                await place.kube.delete(CONFIGMAPS, "a", place.namespace)
                assert told(await take(watch, 1)) == [("DELETED", "a")]

        perform(open_kube, body)

    def test_a_selector_sees_objects_come_and_go(self, open_kube: OpenKube) -> None:
        async def body(place: Place) -> None:
            await place.create(place.configmap("a", labels={"x": "no"}))
            version = (await place.kube.list(CONFIGMAPS, place.namespace)).resource_version
            watch = place.kube.watch(CONFIGMAPS, place.namespace, resource_version=version, labels="x=yes")
            for label in ("yes", "yes", "no", "still-no", "yes"):
                patch = {"metadata": {"labels": {"x": label, "n": "1"}}}
                await place.kube.patch(CONFIGMAPS, "a", place.namespace, patch)
            await place.kube.patch(CONFIGMAPS, "a", place.namespace, {"data": {"k": "v"}})
            async with aclosing(watch):
                events = await take(watch, 4)
            assert told(events) == [("ADDED", "a"), ("DELETED", "a"), ("ADDED", "a"), ("MODIFIED", "a")]

        perform(open_kube, body)

    def test_a_field_selector_sees_objects_come_and_go(self, open_kube: OpenKube) -> None:
        async def body(place: Place) -> None:
            version = (await place.kube.list(PODS, place.namespace)).resource_version
            await place.create(place.pod("a"), place.pod("b"))
            for phase in ("Running", "Failed"):
                patch = {"status": {"phase": phase}}
                await place.kube.patch(PODS, "a", place.namespace, patch, subresource="status")
            watch = place.kube.watch(PODS, place.namespace, resource_version=version, fields="status.phase=Running")
            async with aclosing(watch):
                assert told(await take(watch, 2)) == [("ADDED", "a"), ("DELETED", "a")]

        perform(open_kube, body)

    def test_a_watch_sees_its_own_namespace_or_all(self, open_kube: OpenKube) -> None:
        async def body(place: Place) -> None:
            other = f"{place.namespace}-2"
            await place.kube.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": other}})
            try:
                version = (await place.kube.list(CONFIGMAPS)).resource_version
                labels = {"suite": place.namespace}
                await place.create(
                    place.configmap("there", labels=labels, namespace=other), place.configmap("here", labels=labels)
                )
                selector = f"suite={place.namespace}"
                own = place.kube.watch(CONFIGMAPS, place.namespace, resource_version=version, labels=selector)
                everywhere = place.kube.watch(CONFIGMAPS, resource_version=version, labels=selector)
                async with aclosing(own), aclosing(everywhere):
                    assert told(await take(own, 1)) == [("ADDED", "here")]
                    assert told(await take(everywhere, 2)) == [("ADDED", "there"), ("ADDED", "here")]
            finally:
                await place.kube.delete(NAMESPACES, other)

        perform(open_kube, body)

    def test_a_watch_goes_on_from_the_version_of_its_last_event(self, open_kube: OpenKube) -> None:
        async def body(place: Place) -> None:
            version = (await place.kube.list(CONFIGMAPS, place.namespace)).resource_version
            for name in "abc":
                await place.create(place.configmap(name, labels={"x": "1"}))
            seen: list[tuple[str, str]] = []
            while len(seen) < 3:
                watch = place.kube.watch(CONFIGMAPS, place.namespace, resource_version=version, labels="x=1")
                async with aclosing(watch):
                    (event,) = await take(watch, 1)
                seen += told([event])
                version = event.object["metadata"]["resourceVersion"]
            assert seen == [("ADDED", "a"), ("ADDED", "b"), ("ADDED", "c")]

        perform(open_kube, body)

    def test_all_watchers_see_the_same(self, open_kube: OpenKube) -> None:
        async def body(place: Place) -> None:
            version = (await place.kube.list(CONFIGMAPS, place.namespace)).resource_version
            watches = [
                place.kube.watch(CONFIGMAPS, place.namespace, resource_version=version, labels="x=1") for _ in range(3)
            ]
            async with asyncio.TaskGroup() as group:
                readers = [group.create_task(take(watch, 4)) for watch in watches]
                for name in "abcd":
                    await place.create(place.configmap(name, labels={"x": "1"}))
            for watch in watches:
                await watch.aclose()
            assert [reader.result() for reader in readers] == [readers[0].result()] * 3

        perform(open_kube, body)

    def test_a_list_and_a_watch_leave_nothing_out(self, open_kube: OpenKube) -> None:
        async def body(place: Place) -> None:
            stop = asyncio.Event()

            async def write() -> None:
                count = 0
                while not stop.is_set():
                    count += 1
                    await place.create(place.configmap(f"n{count:04}", labels={"x": "1"}))
                    if count % 3 == 0:
                        await place.kube.delete(CONFIGMAPS, f"n{count - 1:04}", place.namespace)
                    await asyncio.sleep(0)

            async with asyncio.TaskGroup() as group:
                writer = group.create_task(write())
                listed = await place.kube.list(CONFIGMAPS, place.namespace, labels="x=1")
                watch = place.kube.watch(
                    CONFIGMAPS, place.namespace, resource_version=listed.resource_version, labels="x=1"
                )
                state = {item["metadata"]["name"]: item for item in listed.items}
                async with aclosing(watch):
                    for _ in range(12):
                        (event,) = await take(watch, 1)
                        name = event.object["metadata"]["name"]
                        assert (event.type == "ADDED") == (name not in state)
                        state[name] = event.object
                        if event.type == "DELETED":
                            del state[name]
                    stop.set()
                    await writer
                    final = {
                        item["metadata"]["name"]: item
                        for item in (await place.kube.list(CONFIGMAPS, place.namespace, labels="x=1")).items
                    }
                    while state != final:
                        (event,) = await take(watch, 1)
                        state[event.object["metadata"]["name"]] = event.object
                        if event.type == "DELETED":
                            del state[event.object["metadata"]["name"]]

        perform(open_kube, body)
