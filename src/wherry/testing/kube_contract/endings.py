"""The contract's sentences about deletion: grace, finalizers, owners, namespaces; and logs of what does not run.

Part of `KubeContract`.  Invariant: what a garbage collector does is waited for, never assumed to be immediate.
"""

from __future__ import annotations

from wherry.kube.errors import BadRequest, Conflict, Invalid, NotFound
from wherry.kube.resources import CONFIGMAPS, NAMESPACES, PODS, SECRETS
from wherry.testing.clock import until
from wherry.testing.kube_contract.setting import WITHIN_S, OpenKube, Place, failure, owned_by, perform

HELD = ["example.com/held"]


class EndingsContract:
    """What holds for the end of objects."""

    def test_delete_removes_and_says_so(self, open_kube: OpenKube) -> None:
        async def body(place: Place) -> None:
            (first,) = await place.create(place.configmap("a"))
            assert await place.kube.delete(CONFIGMAPS, "a", place.namespace) is None
            assert isinstance(await failure(place.kube.get(CONFIGMAPS, "a", place.namespace)), NotFound)
            assert isinstance(await failure(place.kube.delete(CONFIGMAPS, "a", place.namespace)), NotFound)
            (second,) = await place.create(place.configmap("a"))
            assert second["metadata"]["uid"] != first["metadata"]["uid"]

        perform(open_kube, body)

    def test_delete_keeps_what_is_not_meant(self, open_kube: OpenKube) -> None:
        async def body(place: Place) -> None:
            (obj,) = await place.create(place.configmap("a"))
            metadata = obj["metadata"]
            other = "11111111-2222-4333-8444-555555555555"
            wrong_uid = await failure(place.kube.delete(CONFIGMAPS, "a", place.namespace, uid=other))
            assert isinstance(wrong_uid, Conflict)
            await place.kube.patch(CONFIGMAPS, "a", place.namespace, {"data": {"k": "1"}})
            stale = metadata["resourceVersion"]
            error = await failure(place.kube.delete(CONFIGMAPS, "a", place.namespace, resource_version=stale))
            assert isinstance(error, Conflict)
            current = await place.kube.get(CONFIGMAPS, "a", place.namespace)
            version = current["metadata"]["resourceVersion"]
            await place.kube.delete(CONFIGMAPS, "a", place.namespace, uid=metadata["uid"], resource_version=version)
            await place.gone(CONFIGMAPS, "a")

        perform(open_kube, body)

    def test_a_pod_of_a_node_stays_for_its_grace_period(self, open_kube: OpenKube) -> None:
        async def body(place: Place) -> None:
            await place.create(place.pod("a", node="wherry-contract-none"))
            waiting = await place.kube.delete(PODS, "a", place.namespace, grace_period_s=3600)
            assert waiting is not None
            assert waiting["metadata"]["deletionGracePeriodSeconds"] == 3600
            assert waiting["metadata"]["deletionTimestamp"] > waiting["metadata"]["creationTimestamp"]
            assert (await place.kube.get(PODS, "a", place.namespace))["metadata"] == waiting["metadata"]
            await place.kube.delete(PODS, "a", place.namespace, grace_period_s=0)
            await place.gone(PODS, "a")

        perform(open_kube, body)

    def test_a_second_delete_only_shortens_the_grace(self, open_kube: OpenKube) -> None:
        async def body(place: Place) -> None:
            await place.create(place.pod("a", node="wherry-contract-none"))
            first = await place.kube.delete(PODS, "a", place.namespace, grace_period_s=3600)
            longer = await place.kube.delete(PODS, "a", place.namespace, grace_period_s=7200)
            shorter = await place.kube.delete(PODS, "a", place.namespace, grace_period_s=1800)
            assert first is not None
            assert longer is not None
            assert shorter is not None
            assert longer["metadata"]["deletionTimestamp"] == first["metadata"]["deletionTimestamp"]
            assert shorter["metadata"]["deletionTimestamp"] < first["metadata"]["deletionTimestamp"]
            assert shorter["metadata"]["deletionGracePeriodSeconds"] == 1800
            await place.kube.delete(PODS, "a", place.namespace, grace_period_s=0)
            await place.gone(PODS, "a")

        perform(open_kube, body)

    def test_a_pod_without_a_node_and_a_finished_one_go_at_once(self, open_kube: OpenKube) -> None:
        async def body(place: Place) -> None:
            await place.create(place.pod("a"), place.pod("b", node="wherry-contract-none"))
            patch = {"status": {"phase": "Succeeded"}}
            await place.kube.patch(PODS, "b", place.namespace, patch, subresource="status")
            for name in "ab":
                assert await place.kube.delete(PODS, name, place.namespace) is None
            assert (await place.kube.list(PODS, place.namespace)).items == []

        perform(open_kube, body)

    def test_finalizers_hold_an_object(self, open_kube: OpenKube) -> None:
        async def body(place: Place) -> None:
            await place.create(place.configmap("a", finalizers=[*HELD, "example.com/also"]))
            waiting = await place.kube.delete(CONFIGMAPS, "a", place.namespace)
            assert waiting is not None
            assert waiting["metadata"]["deletionTimestamp"]
            again = await place.kube.delete(CONFIGMAPS, "a", place.namespace)
            assert again is not None
            assert again["metadata"]["deletionTimestamp"] == waiting["metadata"]["deletionTimestamp"]
            left = await place.kube.patch(CONFIGMAPS, "a", place.namespace, {"metadata": {"finalizers": HELD}})
            assert left["metadata"]["finalizers"] == HELD
            await place.kube.patch(CONFIGMAPS, "a", place.namespace, {"metadata": {"finalizers": None}})
            await place.gone(CONFIGMAPS, "a")

        perform(open_kube, body)

    def test_a_terminating_object_takes_no_new_finalizers(self, open_kube: OpenKube) -> None:
        async def body(place: Place) -> None:
            await place.create(place.configmap("a", finalizers=HELD))
            await place.kube.delete(CONFIGMAPS, "a", place.namespace)
            patch = {"metadata": {"finalizers": [*HELD, "example.com/new"]}}
            assert isinstance(await failure(place.kube.patch(CONFIGMAPS, "a", place.namespace, patch)), Invalid)
            undelete = {"metadata": {"deletionTimestamp": None}}
            kept = await place.kube.patch(CONFIGMAPS, "a", place.namespace, undelete)
            assert kept["metadata"]["deletionTimestamp"]
            await place.kube.patch(CONFIGMAPS, "a", place.namespace, {"metadata": {"finalizers": []}})
            await place.gone(CONFIGMAPS, "a")

        perform(open_kube, body)

    def test_background_deletion_reaches_all_generations(self, open_kube: OpenKube) -> None:
        async def body(place: Place) -> None:
            (owner,) = await place.create(place.configmap("owner"))
            (child,) = await place.create(place.configmap("child", ownerReferences=owned_by(owner)))
            grandchild = place.secret("grandchild")
            grandchild["metadata"]["ownerReferences"] = owned_by(child)
            await place.create(grandchild, place.configmap("stranger"))
            await place.kube.delete(CONFIGMAPS, "owner", place.namespace, propagation="Background")
            await place.gone(CONFIGMAPS, "child")
            await place.gone(SECRETS, "grandchild")
            assert await place.kube.get(CONFIGMAPS, "stranger", place.namespace)

        perform(open_kube, body)

    def test_a_dependent_lives_while_one_owner_does(self, open_kube: OpenKube) -> None:
        async def body(place: Place) -> None:
            one, two = await place.create(place.configmap("one"), place.configmap("two"))
            await place.create(place.configmap("child", ownerReferences=owned_by(one) + owned_by(two)))
            await place.kube.delete(CONFIGMAPS, "one", place.namespace)

            async def released() -> bool:
                child = await place.kube.get(CONFIGMAPS, "child", place.namespace)
                return child["metadata"]["ownerReferences"] == owned_by(two)

            await until(released, within_s=WITHIN_S)
            await place.kube.delete(CONFIGMAPS, "two", place.namespace)
            await place.gone(CONFIGMAPS, "child")

        perform(open_kube, body)

    def test_orphans_are_set_free(self, open_kube: OpenKube) -> None:
        async def body(place: Place) -> None:
            (owner,) = await place.create(place.configmap("owner"))
            await place.create(place.configmap("child", ownerReferences=owned_by(owner)))
            await place.kube.delete(CONFIGMAPS, "owner", place.namespace, propagation="Orphan")
            await place.gone(CONFIGMAPS, "owner")
            child = await place.kube.get(CONFIGMAPS, "child", place.namespace)
            assert "ownerReferences" not in child["metadata"]

        perform(open_kube, body)

    def test_foreground_deletion_ends_dependents_first(self, open_kube: OpenKube) -> None:
        async def body(place: Place) -> None:
            (owner,) = await place.create(place.configmap("owner"))
            references = owned_by(owner, blockOwnerDeletion=True)
            await place.create(place.configmap("child", ownerReferences=references, finalizers=HELD))
            waiting = await place.kube.delete(CONFIGMAPS, "owner", place.namespace, propagation="Foreground")
            assert waiting is not None
            assert waiting["metadata"]["finalizers"] == ["foregroundDeletion"]

            async def child_is_ending() -> bool:
                child = await place.kube.get(CONFIGMAPS, "child", place.namespace)
                return "deletionTimestamp" in child["metadata"]

            await until(child_is_ending, within_s=WITHIN_S)
            assert await place.kube.get(CONFIGMAPS, "owner", place.namespace)
            await place.kube.patch(CONFIGMAPS, "child", place.namespace, {"metadata": {"finalizers": None}})
            await place.gone(CONFIGMAPS, "child")
            await place.gone(CONFIGMAPS, "owner")

        perform(open_kube, body)

    def test_foreground_does_not_wait_for_dependents_that_do_not_block(self, open_kube: OpenKube) -> None:
        async def body(place: Place) -> None:
            (owner,) = await place.create(place.configmap("owner"))
            await place.create(place.configmap("child", ownerReferences=owned_by(owner), finalizers=HELD))
            await place.kube.delete(CONFIGMAPS, "owner", place.namespace, propagation="Foreground")
            await place.gone(CONFIGMAPS, "owner")
            await place.kube.patch(CONFIGMAPS, "child", place.namespace, {"metadata": {"finalizers": None}})
            await place.gone(CONFIGMAPS, "child")

        perform(open_kube, body)

    def test_an_object_whose_owner_never_was_is_collected(self, open_kube: OpenKube) -> None:
        async def body(place: Place) -> None:
            (owner,) = await place.create(place.configmap("owner"))
            references = owned_by(owner)
            await place.kube.delete(CONFIGMAPS, "owner", place.namespace)
            await place.gone(CONFIGMAPS, "owner")
            await place.create(place.configmap("child", ownerReferences=references))
            await place.gone(CONFIGMAPS, "child")

        perform(open_kube, body)

    def test_a_namespace_takes_its_objects_along(self, open_kube: OpenKube) -> None:
        async def body(place: Place) -> None:
            await place.create(place.configmap("a"), place.secret("b"), place.pod("c"))
            await place.kube.delete(NAMESPACES, place.namespace)
            await place.gone(NAMESPACES, place.namespace)
            for resource, name in ((CONFIGMAPS, "a"), (SECRETS, "b"), (PODS, "c")):
                assert isinstance(await failure(place.kube.get(resource, name, place.namespace)), NotFound)

        perform(open_kube, body)

    def test_logs_need_a_pod_and_one_of_its_containers(self, open_kube: OpenKube) -> None:
        async def body(place: Place) -> None:
            two = place.pod("two")
            two["spec"]["containers"].append({"name": "side", "image": "example.invalid/none:1"})
            await place.create(place.pod("one"), two)

            async def read(name: str, container: str = "") -> None:
                chunks = [chunk async for chunk in place.kube.logs(name, place.namespace, container=container)]
                assert chunks == []

            # A pod without a node has written nothing.
            assert await failure(read("one")) is None
            assert await failure(read("two", "side")) is None
            assert isinstance(await failure(read("none")), NotFound)
            assert isinstance(await failure(read("two")), BadRequest)
            assert isinstance(await failure(read("two", "third")), BadRequest)

        perform(open_kube, body)
