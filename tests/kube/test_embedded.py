"""What only the embedded API server can be asked: its history, restarts, limits, and the node agent's entrances."""

from __future__ import annotations

import asyncio
from contextlib import aclosing

import pytest

from wherry.kube.embedded import EmbeddedKube, Window
from wherry.kube.embedded.namespaces import DEFAULT_NAMESPACES
from wherry.kube.errors import BadRequest, Conflict, Forbidden, Gone, Invalid, KubeError, NotFound
from wherry.kube.resources import CONFIGMAPS, EVENTS, NAMESPACES, PODS, SECRETS, Resource
from wherry.storage.database import Database
from wherry.testing.kube_contract.setting import owned_by, take, told


def configmap(name, data=None, namespace="default", **metadata):
    obj = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": namespace, **metadata}}
    return obj if data is None else {**obj, "data": data}


def namespace(name, **metadata):
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, **metadata}}


def pod(name, **spec):
    spec = {"containers": [{"name": "main", "image": "none:1"}], **spec}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": "default"}, "spec": spec}


async def names(kube, resource=CONFIGMAPS, place="default"):
    return [item["metadata"]["name"] for item in (await kube.list(resource, place)).items]


def test_the_first_namespaces_are_there_and_stay(world):
    async def body(kube):
        assert await names(kube, NAMESPACES, "") == sorted(DEFAULT_NAMESPACES)
        with pytest.raises(Forbidden, match="may not be deleted"):
            await kube.delete(NAMESPACES, "default")
        return [item["metadata"]["uid"] for item in (await kube.list(NAMESPACES)).items]

    assert world.run(body) == world.run(body)


def test_objects_and_versions_outlive_the_process(world):
    async def first(kube):
        await kube.create(configmap("a", {"k": "1"}))
        await kube.create(configmap("b"))
        await kube.delete(CONFIGMAPS, "b", "default")
        page = await kube.list(NAMESPACES, limit=1)
        return await kube.get(CONFIGMAPS, "a", "default"), page

    async def second(kube):
        assert await kube.get(CONFIGMAPS, "a", "default") == stored
        changed = await kube.patch(CONFIGMAPS, "a", "default", {"data": {"k": "2"}})
        assert int(changed["metadata"]["resourceVersion"]) > int(page.resource_version)
        # The history starts with the process: whoever watched or paged before lists again.
        with pytest.raises(Gone):
            await take(kube.watch(CONFIGMAPS, resource_version=page.resource_version), 1)
        with pytest.raises(Gone):
            await kube.list(NAMESPACES, limit=1, continue_=page.continue_)

    stored, page = world.run(first)
    world.run(second)


def test_versions_are_never_given_twice(world):
    async def body(kube):
        nameless = configmap("", generateName="a-")
        for _ in range(400):
            versions.append(int((await kube.create(nameless))["metadata"]["resourceVersion"]))

    versions = []
    for _ in range(6):
        world.run(body)
    assert versions == sorted(set(versions))


def test_a_watch_from_before_the_window_is_gone(world):
    async def body(kube):
        version = (await kube.list(CONFIGMAPS)).resource_version
        watch = kube.watch(CONFIGMAPS, resource_version=version)
        await kube.create(configmap("a"))
        async with aclosing(watch):
            assert told(await take(watch, 1)) == [("ADDED", "a")]
            for count in range(40):
                await kube.patch(CONFIGMAPS, "a", "default", {"data": {"k": str(count)}})
            with pytest.raises(Gone):
                await take(watch, 1)
        with pytest.raises(Gone) as late:
            await take(kube.watch(CONFIGMAPS, resource_version=version), 1)
        assert (late.value.code, late.value.reason) == (410, "Expired")
        recent = str(int((await kube.list(CONFIGMAPS)).resource_version) - 5)
        watch = kube.watch(CONFIGMAPS, resource_version=recent)
        async with aclosing(watch):
            assert len(await take(watch, 5)) == 5

    world.run(body, window=Window(changes=16))


def test_big_objects_do_not_fill_the_history(world):
    async def body(kube):
        version = (await kube.list(CONFIGMAPS)).resource_version
        for count in range(12):
            await kube.create(configmap(f"a{count}", {"k": "x" * 10_000}))
        with pytest.raises(Gone):
            await take(kube.watch(CONFIGMAPS, resource_version=version), 1)
        await kube.create(configmap("b"))
        watch = kube.watch(CONFIGMAPS, resource_version=str(int(version) + 12))
        async with aclosing(watch):
            assert told(await take(watch, 1)) == [("ADDED", "b")]

    world.run(body, window=Window(size_bytes=30_000))


def test_an_old_page_is_gone(world):
    async def body(kube):
        for name in "ab":
            await kube.create(configmap(name))
        page = await kube.list(CONFIGMAPS, limit=1)
        for count in range(40):
            await kube.patch(CONFIGMAPS, "a", "default", {"data": {"k": str(count)}})
        with pytest.raises(Gone):
            await kube.list(CONFIGMAPS, limit=1, continue_=page.continue_)

    world.run(body, window=Window(changes=16))


@pytest.mark.parametrize("version", ["abc", "-1", "1.5", "٣"])
def test_a_version_that_is_none_is_a_bad_request(world, version):
    async def body(kube):
        with pytest.raises(BadRequest):
            await take(kube.watch(CONFIGMAPS, resource_version=version), 1)

    world.run(body)


def test_a_version_of_the_future_is_gone(world):
    async def body(kube):
        with pytest.raises(Gone):
            await take(kube.watch(CONFIGMAPS, resource_version="999"), 1)

    world.run(body)


def test_watchers_share_one_object(world):
    async def body(kube):
        version = (await kube.list(CONFIGMAPS)).resource_version
        await kube.create(configmap("a", {"k": "v"}))
        seen = []
        for _ in range(2):
            watch = kube.watch(CONFIGMAPS, resource_version=version)
            async with aclosing(watch):
                seen += await take(watch, 1)
        assert seen[0].object is seen[1].object

    world.run(body)


def test_a_cancelled_writer_is_not_a_lost_event(world):
    async def body(kube):
        version = (await kube.list(CONFIGMAPS)).resource_version
        writing = asyncio.create_task(kube.create(configmap("a")))
        while "a" not in await names(kube):
            await asyncio.sleep(0)
        writing.cancel()
        await asyncio.gather(writing, return_exceptions=True)
        watch = kube.watch(CONFIGMAPS, resource_version=version)
        async with aclosing(watch):
            assert told(await take(watch, 1)) == [("ADDED", "a")]

    world.run(body)


def test_a_refused_write_is_told_to_nobody(world):
    async def body(kube):
        await kube.create(configmap("a"))
        version = (await kube.list(CONFIGMAPS)).resource_version
        results = await asyncio.gather(
            kube.create(configmap("b")),
            kube.create(configmap("a")),
            kube.create(configmap("c")),
            return_exceptions=True,
        )
        assert [isinstance(result, KubeError) for result in results] == [False, True, False]
        watch = kube.watch(CONFIGMAPS, resource_version=version)
        async with aclosing(watch):
            assert told(await take(watch, 2)) == [("ADDED", "b"), ("ADDED", "c")]

    world.run(body)


def test_long_chains_of_owners_end_in_one_go(world):
    async def body(kube):
        owner = await kube.create(configmap("c0"))
        for index in range(1, 1200):
            owner = await kube.create(configmap(f"c{index}", ownerReferences=owned_by(owner)))
        await kube.delete(CONFIGMAPS, "c0", "default")
        assert await names(kube) == []

    world.run(body)


def test_foreground_goes_down_and_comes_back_up(world):
    async def body(kube):
        root = await kube.create(configmap("root"))
        middle = await kube.create(configmap("middle", ownerReferences=owned_by(root, blockOwnerDeletion=True)))
        leaf = configmap("leaf", ownerReferences=owned_by(middle, blockOwnerDeletion=True))
        await kube.create({**leaf, "metadata": {**leaf["metadata"], "finalizers": ["example.com/held"]}})
        version = (await kube.list(CONFIGMAPS)).resource_version
        await kube.delete(CONFIGMAPS, "root", "default", propagation="Foreground")
        assert await names(kube) == ["leaf", "middle", "root"]
        await kube.patch(CONFIGMAPS, "leaf", "default", {"metadata": {"finalizers": None}})
        assert await names(kube) == []
        watch = kube.watch(CONFIGMAPS, resource_version=version)
        async with aclosing(watch):
            ends = [name for kind, name in told(await take(watch, 6)) if kind == "DELETED"]
        assert ends == ["leaf", "middle", "root"]

    world.run(body)


def test_foreground_without_dependents_is_immediate(world):
    async def body(kube):
        await kube.create(configmap("a"))
        assert await kube.delete(CONFIGMAPS, "a", "default", propagation="Foreground") is None

    world.run(body)


def test_two_objects_that_own_each_other_can_be_deleted(world):
    async def body(kube):
        one = await kube.create(configmap("one"))
        two = await kube.create(configmap("two", ownerReferences=owned_by(one, blockOwnerDeletion=True)))
        circle = {"metadata": {"ownerReferences": owned_by(two, blockOwnerDeletion=True)}}
        await kube.patch(CONFIGMAPS, "one", "default", circle)
        await kube.delete(CONFIGMAPS, "one", "default")
        assert await names(kube) == []

    world.run(body)


def test_owners_in_other_namespaces_do_not_count(world):
    async def body(kube):
        await kube.create(namespace("other"))
        owner = await kube.create(configmap("owner", namespace="other"))
        await kube.create(configmap("child", ownerReferences=owned_by(owner)))
        assert await names(kube) == []
        cluster_wide = await kube.get(NAMESPACES, "other")
        await kube.create(configmap("child", ownerReferences=owned_by(cluster_wide)))
        assert await names(kube) == ["child"]
        await kube.delete(NAMESPACES, "other")
        assert await names(kube) == []

    world.run(body)


def test_owners_of_unknown_kinds_are_believed(world):
    async def body(kube):
        reference = {"apiVersion": "example.com/v1", "kind": "Thing", "name": "t", "uid": "1"}
        await kube.create(configmap("child", ownerReferences=[reference]))
        assert await names(kube) == ["child"]

    world.run(body)


def test_a_namespace_waits_for_its_pods(world):
    async def body(kube):
        await kube.create(namespace("work"))
        running = pod("a", nodeName="here", terminationGracePeriodSeconds=7)
        running["metadata"]["namespace"] = "work"
        await kube.create(running)
        await kube.create(configmap("c", namespace="work"))
        waiting = await kube.delete(NAMESPACES, "work")
        assert waiting["status"]["phase"] == "Terminating"
        ending = await kube.get(PODS, "a", "work")
        assert ending["metadata"]["deletionGracePeriodSeconds"] == 7
        assert await names(kube, CONFIGMAPS, "work") == []
        with pytest.raises(Forbidden) as refused:
            await kube.create(configmap("new", namespace="work"))
        assert refused.value.causes[0].reason == "NamespaceTerminating"
        await kube.delete(PODS, "a", "work", grace_period_s=0)
        with pytest.raises(NotFound):
            await kube.get(NAMESPACES, "work")
        await kube.create(namespace("work"))
        await kube.create(configmap("again", namespace="work"))

    world.run(body)


def test_a_namespace_that_was_ending_goes_on_ending_after_a_restart(world):
    async def first(kube):
        await kube.create(namespace("work"))
        await kube.create(configmap("held", namespace="work", finalizers=["example.com/held"]))
        await kube.delete(NAMESPACES, "work")

    async def second(kube):
        await kube.patch(CONFIGMAPS, "held", "work", {"metadata": {"finalizers": None}})
        assert await names(kube, NAMESPACES, "") == sorted(DEFAULT_NAMESPACES)

    world.run(first)
    world.run(second)


def test_a_namespace_with_a_finalizer_of_its_own_waits_for_that_too(world):
    async def body(kube):
        await kube.create(namespace("work", finalizers=["example.com/held"]))
        await kube.create(configmap("c", namespace="work"))
        await kube.delete(NAMESPACES, "work")
        assert await names(kube, CONFIGMAPS, "work") == []
        await kube.patch(NAMESPACES, "work", "", {"metadata": {"finalizers": []}})
        assert await names(kube, NAMESPACES, "") == sorted(DEFAULT_NAMESPACES)

    world.run(body)


def test_times_of_a_graceful_deletion(world):
    async def body(kube):
        created = await kube.create(pod("a", nodeName="here"))
        assert created["metadata"]["creationTimestamp"] == "2023-11-14T22:13:20Z"
        world.clock.advance(10)
        waiting = await kube.delete(PODS, "a", "default")
        assert waiting["metadata"]["deletionTimestamp"] == "2023-11-14T22:14:00Z"
        assert waiting["metadata"]["generation"] == 2
        world.clock.advance(5)
        shorter = await kube.delete(PODS, "a", "default", grace_period_s=12)
        assert shorter["metadata"]["deletionTimestamp"] == "2023-11-14T22:13:42Z"
        assert await kube.delete(PODS, "a", "default", grace_period_s=0) is None

    world.run(body)


def test_events_vanish_after_an_hour(world):
    async def body(kube):
        def event(name):
            about = {"kind": "Pod", "namespace": "default", "name": "p"}
            metadata = {"name": name, "namespace": "default"}
            return {"apiVersion": "v1", "kind": "Event", "metadata": metadata, "involvedObject": about, "reason": "R"}

        await kube.create(event("old"))
        world.clock.advance(1800)
        await kube.create(event("newer"))
        world.clock.advance(1801)
        await kube.create(event("newest"))
        assert await names(kube, EVENTS) == ["newer", "newest"]

    world.run(body)


def test_bind_gives_a_pod_to_a_node_in_one_write(world):
    async def body(kube):
        created = await kube.create(pod("a"))
        status = {"phase": "Running", "startTime": "2023-11-14T22:13:20Z"}
        bound = await kube.bind("a", "default", "here", uid=created["metadata"]["uid"], status=status)
        assert bound["spec"]["nodeName"] == "here"
        assert bound["status"]["phase"] == "Running"
        assert bound["status"]["qosClass"] == "BestEffort"
        (condition,) = bound["status"]["conditions"]
        assert (condition["type"], condition["status"]) == ("PodScheduled", "True")
        version, before = bound["metadata"]["resourceVersion"], created["metadata"]["resourceVersion"]
        assert int(version) == int(before) + 1
        assert await kube.get(PODS, "a", "default") == bound
        with pytest.raises(Conflict, match="already assigned"):
            await kube.bind("a", "default", "there")
        with pytest.raises(NotFound):
            await kube.bind("none", "default", "here")
        await kube.create(pod("b"))
        with pytest.raises(Conflict):
            await kube.bind("b", "default", "here", uid=created["metadata"]["uid"])

    world.run(body)


def test_a_pod_that_is_being_deleted_gets_no_node(world):
    async def body(kube):
        held = pod("a")
        held["metadata"]["finalizers"] = ["example.com/held"]
        await kube.create(held)
        await kube.delete(PODS, "a", "default")
        with pytest.raises(Conflict, match="being deleted"):
            await kube.bind("a", "default", "here")

    world.run(body)


class Written:
    """A log source that tells how it was asked."""

    def __init__(self):
        self.asked = []
        self.closed = 0

    async def read(self, pod, container, **options):
        self.asked.append((pod["metadata"]["name"], container, options))
        try:
            yield b"one\n"
            yield b"two\n"
        finally:
            self.closed += 1


def test_logs_come_from_the_node_agent(world):
    async def body(kube):
        await kube.create(pod("a", nodeName="here", initContainers=[{"name": "first", "image": "none:1"}]))
        state = {"running": {"startedAt": "2023-11-14T22:13:20Z"}}
        for key, name in (("containerStatuses", "main"), ("initContainerStatuses", "first")):
            patch = {"status": {key: [{"name": name, "state": state}]}}
            await kube.patch(PODS, "a", "default", patch, subresource="status")
        with pytest.raises(NotFound, match="no node"):
            await anext(kube.logs("a", "default"))
        source = kube.log_source = Written()
        chunks = [chunk async for chunk in kube.logs("a", "default", follow=True, tail=5, since_s=1.5, timestamps=True)]
        assert chunks == [b"one\n", b"two\n"]
        early = kube.logs("a", "default", container="first")
        assert await anext(early) == b"one\n"
        await early.aclose()
        assert source.closed == 2
        options = {"follow": True, "tail": 5, "timestamps": True, "since_s": 1.5, "restart": None}
        plain = {"follow": False, "tail": None, "timestamps": False, "since_s": None, "restart": None}
        assert source.asked == [("a", "main", options), ("a", "first", plain)]

    world.run(body)


def test_a_container_that_waits_has_no_logs_yet(world):
    async def body(kube):
        await kube.create(pod("a", nodeName="here"))
        kube.log_source = Written()
        waiting = {"name": "main", "state": {"waiting": {"reason": "ContainerCreating"}}}
        for status in ({}, {"containerStatuses": [waiting]}):
            await kube.patch(PODS, "a", "default", {"status": status}, subresource="status")
            with pytest.raises(BadRequest, match="waiting to start"):
                await anext(kube.logs("a", "default"))
        restarted = {"containerStatuses": [{**waiting, "restartCount": 1}]}
        await kube.patch(PODS, "a", "default", {"status": restarted}, subresource="status")
        assert await anext(kube.logs("a", "default")) == b"one\n"

    world.run(body)


@pytest.mark.parametrize(
    ("obj", "error"),
    [
        ({}, BadRequest),
        ({"apiVersion": "v1", "kind": "ConfigMap"}, BadRequest),
        ({"apiVersion": "v1", "kind": "ConfigMap", "metadata": "x"}, BadRequest),
        ({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}}, BadRequest),
        ({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"namespace": "default"}}, Invalid),
        ({"apiVersion": "v1", "kind": "Unheard", "metadata": {"name": "a", "namespace": "default"}}, NotFound),
        ({"apiVersion": 1, "kind": ["x"], "metadata": {"name": "a"}}, BadRequest),
        (configmap("a", {"k": 1}), Invalid),
        (configmap("a", {"k": object()}), BadRequest),
        (configmap("a", {"k": "\ud800"}), BadRequest),
        (configmap("a", labels={"k": 1}), Invalid),
        (configmap("a", labels=["k"]), Invalid),
        (configmap("a", annotations={"k": "x" * 300_000}), Invalid),
        (configmap("a", ownerReferences=[{"kind": "Pod"}]), Invalid),
        (configmap("a", ownerReferences="x"), Invalid),
        (configmap("a", finalizers="x"), Invalid),
        (namespace("a", namespace="default"), Invalid),
        (namespace("a.b"), Invalid),
        ([], BadRequest),
        (None, BadRequest),
    ],
)
def test_nonsense_is_refused_and_nothing_is_kept(world, obj, error):
    async def body(kube):
        version = (await kube.list(CONFIGMAPS)).resource_version
        with pytest.raises(error):
            await kube.create(obj)
        assert (await kube.list(CONFIGMAPS)).resource_version == version or await names(kube) == []
        assert await names(kube) == []

    world.run(body)


def test_deep_nesting_is_refused(world):
    async def body(kube):
        deep = {}
        for _ in range(5000):
            deep = {"x": deep}
        with pytest.raises(BadRequest):
            await kube.create({**configmap("a"), "deep": deep})
        await kube.create(configmap("a"))
        with pytest.raises(BadRequest):
            await kube.patch(CONFIGMAPS, "a", "default", {"deep": deep})

    world.run(body)


def test_what_is_larger_than_a_request_may_be_is_refused(world):
    async def body(kube):
        big = pod("a", containers=[{"name": "main", "image": "none:1", "args": ["x" * (3 * 1024 * 1024)]}])
        with pytest.raises(KubeError) as refused:
            await kube.create(big)
        assert (refused.value.code, refused.value.reason) == (413, "RequestEntityTooLarge")
        await kube.create(pod("a"))
        fat = {"metadata": {"labels": {"a": "b"}}, "status": {"message": "x" * (3 * 1024 * 1024)}}
        with pytest.raises(KubeError):
            await kube.patch(PODS, "a", "default", fat, subresource="status")
        assert await names(kube, PODS) == ["a"]

    world.run(body)


def test_secrets_of_known_types_need_their_keys(world):
    async def body(kube):
        def secret(kind, **data):
            metadata = {"name": "a", "namespace": "default"}
            return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "type": kind, "stringData": data}

        with pytest.raises(Invalid) as refused:
            await kube.create(secret("kubernetes.io/tls", **{"tls.crt": "x"}))
        assert [cause.field for cause in refused.value.causes] == ["data[tls.key]"]
        with pytest.raises(Invalid):
            await kube.create(secret("kubernetes.io/basic-auth"))
        await kube.create(secret("kubernetes.io/basic-auth", username="me"))
        listed = await kube.list(SECRETS, fields="type=kubernetes.io/basic-auth")
        assert [item["data"] for item in listed.items] == [{"username": "bWU="}]

    world.run(body)


def test_unknown_resources_and_misplaced_namespaces_are_refused(world):
    async def body(kube):
        with pytest.raises(NotFound):
            await kube.list(Resource("example.com", "v1", "Thing", "things", True))
        with pytest.raises(BadRequest):
            await kube.get(CONFIGMAPS, "a")
        with pytest.raises(BadRequest):
            await kube.get(NAMESPACES, "default", "default")
        with pytest.raises(BadRequest):
            await kube.delete(CONFIGMAPS, "a", "default", propagation="Sideways")

    world.run(body)


def test_two_servers_over_one_store_agree(world):
    """A store opened twice in one process: the second one sees what the first has written."""

    async def body(kube):
        await kube.create(configmap("a"))
        db = Database.open(world.path, clock=world.clock)
        try:
            again = EmbeddedKube(db, clock=world.clock, ids=world.ids)
            assert await names(again) == ["a"]
        finally:
            db.close()

    world.run(body)
