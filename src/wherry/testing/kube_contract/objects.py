"""The contract's sentences about single objects: get, create, replace, patch.

Part of `KubeContract`.  Invariant: each test names one sentence of the docstrings in `wherry.kube.protocol`.
"""

from __future__ import annotations

import asyncio
import copy
from typing import Any

import pytest

from wherry.kube.errors import AlreadyExists, BadRequest, Conflict, Forbidden, Invalid, NotFound
from wherry.kube.protocol import Object
from wherry.kube.resources import CONFIGMAPS, NAMESPACES, PODS, SECRETS
from wherry.testing.clock import until
from wherry.testing.kube_contract.setting import WITHIN_S, Capabilities, OpenKube, Place, failure, perform


class ObjectsContract:
    """What holds for one object at a time."""

    capabilities = Capabilities()

    def test_arguments_are_never_changed(self, open_kube: OpenKube) -> None:
        async def body(place: Place) -> None:
            obj = place.pod("a", labels={"x": "1"})
            original = copy.deepcopy(obj)
            await place.create(obj)
            patch: Object = {"metadata": {"labels": {"y": "2"}, "annotations": {"z": "3"}}}
            patch_before = copy.deepcopy(patch)
            await place.kube.patch(PODS, "a", place.namespace, patch)
            assert (obj, patch) == (original, patch_before)

        perform(open_kube, body)

    def test_results_are_the_callers_own(self, open_kube: OpenKube) -> None:
        async def body(place: Place) -> None:
            obj = place.configmap("a", {"k": "v"})
            patch = {"data": {"l": "w"}}
            results = [
                (await place.create(obj))[0],
                await place.kube.patch(CONFIGMAPS, "a", place.namespace, patch),
                await place.kube.get(CONFIGMAPS, "a", place.namespace),
                (await place.kube.list(CONFIGMAPS, place.namespace, fields="metadata.name=a")).items[0],
            ]
            for result in results:
                result["data"].clear()
                result["metadata"]["labels"] = {"changed": "true"}
            assert obj == place.configmap("a", {"k": "v"})
            assert patch == {"data": {"l": "w"}}
            stored = await place.kube.get(CONFIGMAPS, "a", place.namespace)
            assert stored["data"] == {"k": "v", "l": "w"}
            assert "labels" not in stored["metadata"]

        perform(open_kube, body)

    def test_errors_carry_the_servers_status(self, open_kube: OpenKube) -> None:
        async def body(place: Place) -> None:
            error = await failure(place.kube.get(CONFIGMAPS, "none", place.namespace))
            assert isinstance(error, NotFound)
            assert (error.code, error.reason) == (404, "NotFound")
            assert error.message == 'configmaps "none" not found'
            assert error.status["kind"] == "Status"
            assert error.status["status"] == "Failure"
            assert error.status["details"] == {"name": "none", "kind": "configmaps"}

        perform(open_kube, body)

    def test_a_write_that_has_returned_is_seen_by_later_reads(self, open_kube: OpenKube) -> None:
        async def body(place: Place) -> None:
            (created,) = await place.create(place.configmap("a", {"k": "1"}))
            assert await place.kube.get(CONFIGMAPS, "a", place.namespace) == created
            changed = await place.kube.patch(CONFIGMAPS, "a", place.namespace, {"data": {"k": "2"}})
            listed = (await place.kube.list(CONFIGMAPS, place.namespace, fields="metadata.name=a")).items
            assert [(item["data"], item["metadata"]) for item in listed] == [(changed["data"], changed["metadata"])]

        perform(open_kube, body)

    def test_a_change_gives_a_new_version_and_no_change_gives_none(self, open_kube: OpenKube) -> None:
        async def body(place: Place) -> None:
            (first,) = await place.create(place.configmap("a", {"k": "1"}))
            second = await place.kube.patch(CONFIGMAPS, "a", place.namespace, {"data": {"k": "2"}})
            same = await place.kube.patch(CONFIGMAPS, "a", place.namespace, {"data": {"k": "2"}})
            again = await place.kube.replace(second)
            versions = [obj["metadata"]["resourceVersion"] for obj in (first, second, same, again)]
            assert versions[0] != versions[1]
            assert versions[1:] == [versions[1]] * 3

        perform(open_kube, body)

    def test_a_namespaced_object_is_not_found_without_its_namespace(self, open_kube: OpenKube) -> None:
        async def body(place: Place) -> None:
            await place.create(place.configmap("a"))
            assert isinstance(await failure(place.kube.get(CONFIGMAPS, "a", "default")), NotFound)

        perform(open_kube, body)

    def test_create_sets_what_the_server_says(self, open_kube: OpenKube) -> None:
        async def body(place: Place) -> None:
            obj = place.configmap("a", uid="mine", creationTimestamp="2001-01-01T00:00:00Z")
            first, second = await place.create(obj, place.configmap("b"))
            metadata = first["metadata"]
            assert metadata["uid"] not in ("", "mine", second["metadata"]["uid"])
            assert metadata["creationTimestamp"] > "2001-01-01T00:00:00Z"
            assert metadata["resourceVersion"] != second["metadata"]["resourceVersion"]
            assert (first["apiVersion"], first["kind"], metadata["namespace"]) == ("v1", "ConfigMap", place.namespace)

        perform(open_kube, body)

    def test_create_refuses_a_resource_version(self, open_kube: OpenKube) -> None:
        async def body(place: Place) -> None:
            obj = place.configmap("a", resourceVersion="1")
            assert await failure(place.kube.create(obj)) is not None
            assert isinstance(await failure(place.kube.get(CONFIGMAPS, "a", place.namespace)), NotFound)

        perform(open_kube, body)

    def test_create_fills_in_a_pods_defaults_and_ignores_its_status(self, open_kube: OpenKube) -> None:
        async def body(place: Place) -> None:
            (pod,) = await place.create({**place.pod("a"), "status": {"phase": "Succeeded", "message": "me"}})
            assert pod["status"]["phase"] == "Pending"
            assert "message" not in pod["status"]
            spec = pod["spec"]
            assert (spec["restartPolicy"], spec["dnsPolicy"]) == ("Always", "ClusterFirst")
            assert spec["terminationGracePeriodSeconds"] == 30
            container = spec["containers"][0]
            assert container["terminationMessagePath"] == "/dev/termination-log"
            assert container["terminationMessagePolicy"] == "File"
            assert container["imagePullPolicy"] == "IfNotPresent"
            if self.capabilities.pod_generation:
                assert pod["metadata"]["generation"] == 1

        perform(open_kube, body)

    def test_limits_are_requests_when_nothing_else_is_said(self, open_kube: OpenKube) -> None:
        async def body(place: Place) -> None:
            pod = place.pod("a")
            pod["spec"]["containers"][0]["resources"] = {"limits": {"cpu": "2", "memory": "1Gi"}}
            (created,) = await place.create(pod)
            requests = created["spec"]["containers"][0]["resources"]["requests"]
            assert requests == {"cpu": "2", "memory": "1Gi"}
            assert created["status"]["qosClass"] == "Guaranteed"

        perform(open_kube, body)

    def test_generate_name_makes_different_names(self, open_kube: OpenKube) -> None:
        async def body(place: Place) -> None:
            obj = place.configmap("x", generateName="made-")
            del obj["metadata"]["name"]
            first, second = await place.create(obj, obj)
            names = {first["metadata"]["name"], second["metadata"]["name"]}
            assert len(names) == 2
            assert all(name.startswith("made-") and len(name) == 10 for name in names)

        perform(open_kube, body)

    def test_a_long_generate_name_is_shortened(self, open_kube: OpenKube) -> None:
        async def body(place: Place) -> None:
            obj = place.configmap("x", generateName="n" * 100)
            del obj["metadata"]["name"]
            (created,) = await place.create(obj)
            assert len(created["metadata"]["name"]) == 63

        perform(open_kube, body)

    def test_a_taken_name_already_exists(self, open_kube: OpenKube) -> None:
        async def body(place: Place) -> None:
            await place.create(place.configmap("a", {"k": "1"}))
            error = await failure(place.kube.create(place.configmap("a", {"k": "2"})))
            assert isinstance(error, AlreadyExists)
            assert (error.code, error.reason) == (409, "AlreadyExists")
            assert (await place.kube.get(CONFIGMAPS, "a", place.namespace))["data"] == {"k": "1"}

        perform(open_kube, body)

    @pytest.mark.parametrize(
        ("change", "field"),
        [
            ({"metadata": {"name": "Not_A_Name"}}, "metadata.name"),
            ({"metadata": {"labels": {"a b": "c"}}}, "metadata.labels"),
            ({"metadata": {"labels": {"a": "not a value"}}}, "metadata.labels"),
            ({"metadata": {"annotations": {"a b": "c"}}}, "metadata.annotations"),
            ({"metadata": {"finalizers": ["unqualified"]}}, "metadata.finalizers[0]"),
            ({"spec": {"containers": [{"name": "main"}]}}, "spec.containers[0].image"),
            ({"spec": {"containers": [{"image": "x"}]}}, "spec.containers[0].name"),
            ({"spec": {"containers": []}}, "spec.containers"),
            ({"spec": {"restartPolicy": "Sometimes"}}, "spec.restartPolicy"),
            ({"spec": {"activeDeadlineSeconds": 0}}, "spec.activeDeadlineSeconds"),
            (
                {"spec": {"containers": [{"name": "a", "image": "x"}, {"name": "a", "image": "x"}]}},
                "spec.containers[1].name",
            ),
            (
                {
                    "spec": {
                        "containers": [{"name": "a", "image": "x", "volumeMounts": [{"name": "v", "mountPath": "/v"}]}]
                    }
                },
                "spec.containers[0].volumeMounts[0].name",
            ),
            (
                {"spec": {"containers": [{"name": "a", "image": "x", "env": [{"name": "", "value": "1"}]}]}},
                "spec.containers[0].env[0].name",
            ),
            ({"spec": {"volumes": [{"name": "v", "hostPath": {"path": ""}}]}}, "spec.volumes[0].hostPath.path"),
        ],
    )
    def test_an_invalid_pod_is_refused_by_field(self, open_kube: OpenKube, change: Object, field: str) -> None:
        async def body(place: Place) -> None:
            pod = place.pod("a")
            for part, values in change.items():
                pod[part].update(values)
            error = await failure(place.create(pod))
            assert isinstance(error, Invalid)
            assert (error.code, error.reason) == (422, "Invalid")
            assert field in [cause.field for cause in error.causes]
            assert (await place.kube.list(PODS, place.namespace)).items == []

        perform(open_kube, body)

    def test_requests_above_limits_are_invalid(self, open_kube: OpenKube) -> None:
        async def body(place: Place) -> None:
            pod = place.pod("a")
            pod["spec"]["containers"][0]["resources"] = {"limits": {"cpu": "1"}, "requests": {"cpu": "1500m"}}
            error = await failure(place.create(pod))
            assert isinstance(error, Invalid)
            assert "spec.containers[0].resources.requests" in error.causes[0].field

        perform(open_kube, body)

    @pytest.mark.parametrize("key", ["a/b", "..", "a b"])
    def test_a_bad_key_of_a_config_map_is_invalid(self, open_kube: OpenKube, key: str) -> None:
        async def body(place: Place) -> None:
            error = await failure(place.kube.create(place.configmap("a", {key: "1"})))
            assert isinstance(error, Invalid)
            assert error.causes[0].field == f"data[{key}]"

        perform(open_kube, body)

    def test_more_than_a_mebibyte_of_data_is_refused(self, open_kube: OpenKube) -> None:
        async def body(place: Place) -> None:
            half = "x" * (512 * 1024)
            await place.create(place.configmap("fits", {"a": half, "b": half}))
            error = await failure(place.kube.create(place.configmap("a", {"a": half, "b": half, "c": "x"})))
            assert isinstance(error, Invalid)

        perform(open_kube, body)

    def test_string_data_becomes_data(self, open_kube: OpenKube) -> None:
        async def body(place: Place) -> None:
            secret = place.secret("a", data={"kept": "bQ==", "both": "bQ=="}, stringData={"both": "hi"})
            (created,) = await place.create(secret)
            assert "stringData" not in created
            assert created["type"] == "Opaque"
            assert created["data"] == {"kept": "bQ==", "both": "aGk="}

        perform(open_kube, body)

    def test_an_object_in_a_missing_namespace_is_not_found(self, open_kube: OpenKube) -> None:
        async def body(place: Place) -> None:
            error = await failure(place.kube.create(place.configmap("a", namespace=f"{place.namespace}-none")))
            assert isinstance(error, NotFound)

        perform(open_kube, body)

    def test_a_terminating_namespace_takes_nothing_new(self, open_kube: OpenKube) -> None:
        async def body(place: Place) -> None:
            await place.create(place.configmap("held", finalizers=["example.com/held"]))
            await place.kube.delete(NAMESPACES, place.namespace)
            namespace = await place.kube.get(NAMESPACES, place.namespace)
            assert namespace["status"]["phase"] == "Terminating"
            error = await failure(place.kube.create(place.configmap("new")))
            assert isinstance(error, Forbidden)
            assert error.code == 403
            await place.kube.patch(CONFIGMAPS, "held", place.namespace, {"metadata": {"finalizers": None}})
            await place.gone(NAMESPACES, place.namespace)

        perform(open_kube, body)

    def test_a_namespace_is_active_and_labelled_with_its_name(self, open_kube: OpenKube) -> None:
        async def body(place: Place) -> None:
            namespace = await place.kube.get(NAMESPACES, place.namespace)
            assert namespace["status"]["phase"] == "Active"
            if self.capabilities.name_label:
                assert namespace["metadata"]["labels"]["kubernetes.io/metadata.name"] == place.namespace
            default = await place.kube.get(NAMESPACES, "default")
            assert default["status"]["phase"] == "Active"

        perform(open_kube, body)

    def test_replace_with_the_current_version_only(self, open_kube: OpenKube) -> None:
        async def body(place: Place) -> None:
            (first,) = await place.create(place.configmap("a", {"k": "1"}))
            second = await place.kube.replace({**first, "data": {"k": "2"}})
            error = await failure(place.kube.replace({**first, "data": {"k": "3"}}))
            assert isinstance(error, Conflict)
            assert (error.code, error.reason) == (409, "Conflict")
            assert await place.kube.get(CONFIGMAPS, "a", place.namespace) == second

        perform(open_kube, body)

    def test_replace_without_a_version_is_unconditional(self, open_kube: OpenKube) -> None:
        async def body(place: Place) -> None:
            (first,) = await place.create(place.configmap("a", {"k": "1", "l": "1"}, labels={"x": "1"}))
            replaced = await place.kube.replace(place.configmap("a", {"k": "2"}))
            assert replaced["data"] == {"k": "2"}
            assert "labels" not in replaced["metadata"]
            for key in ("uid", "creationTimestamp"):
                assert replaced["metadata"][key] == first["metadata"][key]

        perform(open_kube, body)

    def test_replace_refuses_another_uid_and_a_missing_object(self, open_kube: OpenKube) -> None:
        async def body(place: Place) -> None:
            await place.create(place.configmap("a"))
            other = place.configmap("a", uid="11111111-2222-4333-8444-555555555555")
            assert isinstance(await failure(place.kube.replace(other)), Conflict)
            assert isinstance(await failure(place.kube.replace(place.configmap("none"))), NotFound)

        perform(open_kube, body)

    def test_status_changes_through_its_subresource_only(self, open_kube: OpenKube) -> None:
        async def body(place: Place) -> None:
            (pod,) = await place.create(place.pod("a"))
            plain = await place.kube.replace({**pod, "status": {"phase": "Failed"}})
            assert plain["status"]["phase"] == "Pending"
            changed = {**plain, "status": {**plain["status"], "phase": "Running", "reason": "Why"}}
            changed["spec"] = {**plain["spec"], "activeDeadlineSeconds": 5}
            after = await place.kube.replace(changed, subresource="status")
            assert (after["status"]["phase"], after["status"]["reason"]) == ("Running", "Why")
            assert after["spec"] == plain["spec"]
            assert after["metadata"]["resourceVersion"] != plain["metadata"]["resourceVersion"]
            stale = await failure(place.kube.replace(changed, subresource="status"))
            assert isinstance(stale, Conflict)

        perform(open_kube, body)

    def test_status_patches_touch_the_status_only(self, open_kube: OpenKube) -> None:
        async def body(place: Place) -> None:
            (pod,) = await place.create(place.pod("a"))
            patch: Any = {"spec": {"activeDeadlineSeconds": 9}, "status": {"reason": "Why"}}
            by_status = await place.kube.patch(PODS, "a", place.namespace, patch, subresource="status")
            assert by_status["status"]["reason"] == "Why"
            assert by_status["status"]["phase"] == pod["status"]["phase"]
            assert by_status["spec"] == pod["spec"]
            by_main = await place.kube.patch(PODS, "a", place.namespace, {"status": {"reason": "Other"}})
            assert by_main == by_status

        perform(open_kube, body)

    def test_a_resource_without_status_has_no_status_subresource(self, open_kube: OpenKube) -> None:
        async def body(place: Place) -> None:
            await place.create(place.configmap("a"))
            patch = {"status": {"x": "y"}}
            error = await failure(place.kube.patch(CONFIGMAPS, "a", place.namespace, patch, subresource="status"))
            assert isinstance(error, NotFound)

        perform(open_kube, body)

    def test_a_pods_spec_is_immutable_but_for_a_few_fields(self, open_kube: OpenKube) -> None:
        async def body(place: Place) -> None:
            (pod,) = await place.create(place.pod("a"))
            for spec in ({"restartPolicy": "Never"}, {"nodeName": "n"}, {"containers": [{"name": "b", "image": "x"}]}):
                error = await failure(place.kube.patch(PODS, "a", place.namespace, {"spec": spec}))
                assert isinstance(error, Invalid)
                assert error.causes[0].field.startswith("spec")
            change = [{"op": "replace", "path": "/spec/containers/0/image", "value": "example.invalid/none:2"}]
            changed = await place.kube.patch(PODS, "a", place.namespace, change, type="json")
            assert changed["spec"]["containers"][0]["image"] == "example.invalid/none:2"
            shorter = await place.kube.patch(PODS, "a", place.namespace, {"spec": {"activeDeadlineSeconds": 60}})
            if self.capabilities.pod_generation:
                assert shorter["metadata"]["generation"] == pod["metadata"]["generation"] + 2
            longer = await failure(
                place.kube.patch(PODS, "a", place.namespace, {"spec": {"activeDeadlineSeconds": 61}})
            )
            assert isinstance(longer, Invalid)

        perform(open_kube, body)

    def test_immutable_config_maps_and_secrets_keep_their_data(self, open_kube: OpenKube) -> None:
        async def body(place: Place) -> None:
            await place.create(
                {**place.configmap("a", {"k": "1"}), "immutable": True},
                place.secret("a", stringData={"k": "1"}, immutable=True),
            )
            for resource in (CONFIGMAPS, SECRETS):
                for patch in ({"data": {"k": "bmV3"}}, {"immutable": None}, {"immutable": False}):
                    error = await failure(place.kube.patch(resource, "a", place.namespace, patch))
                    assert isinstance(error, Invalid)
                labelled = {"metadata": {"labels": {"x": "1"}}}
                changed = await place.kube.patch(resource, "a", place.namespace, labelled)
                assert changed["metadata"]["labels"] == {"x": "1"}

        perform(open_kube, body)

    def test_a_secrets_type_is_immutable(self, open_kube: OpenKube) -> None:
        async def body(place: Place) -> None:
            await place.create(place.secret("a"))
            error = await failure(place.kube.patch(SECRETS, "a", place.namespace, {"type": "example.com/other"}))
            assert isinstance(error, Invalid)
            assert [cause.field for cause in error.causes] == ["type"]

        perform(open_kube, body)

    def test_metadata_that_identifies_is_immutable(self, open_kube: OpenKube) -> None:
        async def body(place: Place) -> None:
            (before,) = await place.create(place.configmap("a"))
            for change in ({"name": "b"}, {"uid": "11111111-2222-4333-8444-555555555555"}):
                error = await failure(place.kube.patch(CONFIGMAPS, "a", place.namespace, {"metadata": change}))
                assert isinstance(error, (Invalid, Conflict, BadRequest))
            assert await place.kube.get(CONFIGMAPS, "a", place.namespace) == before

        perform(open_kube, body)

    def test_the_time_of_creation_stays_whatever_is_said_of_it(self, open_kube: OpenKube) -> None:
        async def body(place: Place) -> None:
            (before,) = await place.create(place.configmap("a"))
            made = before["metadata"]["creationTimestamp"]
            for said in (made.replace("Z", "+00:00"), "2001-01-01T00:00:00Z"):
                written = {**before, "metadata": {**before["metadata"], "creationTimestamp": said}}
                assert (await place.kube.replace(written)) == before

        perform(open_kube, body)

    def test_a_merge_patch_sets_merges_and_removes(self, open_kube: OpenKube) -> None:
        async def body(place: Place) -> None:
            await place.create(place.configmap("a", {"k": "1", "l": "1"}, labels={"x": "1"}))
            patch: Any = {"data": {"k": "2", "l": None, "m": "3", "never": None}, "metadata": {"labels": {"y": "2"}}}
            changed = await place.kube.patch(CONFIGMAPS, "a", place.namespace, patch)
            assert changed["data"] == {"k": "2", "m": "3"}
            assert changed["metadata"]["labels"] == {"x": "1", "y": "2"}

        perform(open_kube, body)

    def test_a_json_patch_applies_its_operations_in_order(self, open_kube: OpenKube) -> None:
        async def body(place: Place) -> None:
            await place.create(place.configmap("a", {"k": "1", "old": "2"}, finalizers=["example.com/b"]))
            patch: list[Object] = [
                {"op": "test", "path": "/data/k", "value": "1"},
                {"op": "add", "path": "/metadata/annotations", "value": {}},
                {"op": "add", "path": "/metadata/annotations/example.com~1note", "value": "n"},
                {"op": "add", "path": "/metadata/finalizers/0", "value": "example.com/a"},
                {"op": "add", "path": "/metadata/finalizers/-", "value": "example.com/c"},
                {"op": "move", "from": "/data/old", "path": "/data/new"},
                {"op": "copy", "from": "/data/new", "path": "/data/copied"},
                {"op": "replace", "path": "/data/k", "value": "9"},
            ]
            changed = await place.kube.patch(CONFIGMAPS, "a", place.namespace, patch, type="json")
            assert changed["data"] == {"k": "9", "new": "2", "copied": "2"}
            assert changed["metadata"]["annotations"] == {"example.com/note": "n"}
            assert changed["metadata"]["finalizers"] == [f"example.com/{letter}" for letter in "abc"]
            removed = await place.kube.patch(
                CONFIGMAPS, "a", place.namespace, [{"op": "remove", "path": "/metadata/finalizers"}], type="json"
            )
            assert "finalizers" not in removed["metadata"]

        perform(open_kube, body)

    @pytest.mark.parametrize(
        "operation",
        [
            {"op": "test", "path": "/data/k", "value": "other"},
            {"op": "remove", "path": "/data/none"},
            {"op": "replace", "path": "/none/deeper", "value": "x"},
        ],
    )
    def test_a_json_patch_that_does_not_fit_changes_nothing(self, open_kube: OpenKube, operation: Object) -> None:
        async def body(place: Place) -> None:
            (before,) = await place.create(place.configmap("a", {"k": "1"}))
            patch = [{"op": "add", "path": "/data/l", "value": "2"}, operation]
            error = await failure(place.kube.patch(CONFIGMAPS, "a", place.namespace, patch, type="json"))
            assert isinstance(error, Invalid)
            assert await place.kube.get(CONFIGMAPS, "a", place.namespace) == before

        perform(open_kube, body)

    def test_a_malformed_patch_is_a_bad_request(self, open_kube: OpenKube) -> None:
        async def body(place: Place) -> None:
            await place.create(place.configmap("a"))
            error = await failure(place.kube.patch(CONFIGMAPS, "a", place.namespace, {"op": "add"}, type="json"))
            assert isinstance(error, BadRequest)

        perform(open_kube, body)

    def test_a_patch_with_a_stale_version_conflicts(self, open_kube: OpenKube) -> None:
        async def body(place: Place) -> None:
            (first,) = await place.create(place.configmap("a", {"k": "1"}))
            version = first["metadata"]["resourceVersion"]
            patch: Any = {"metadata": {"resourceVersion": version}, "data": {"k": "2"}}
            await place.kube.patch(CONFIGMAPS, "a", place.namespace, patch)
            again: Any = {"metadata": {"resourceVersion": version}, "data": {"k": "3"}}
            assert isinstance(await failure(place.kube.patch(CONFIGMAPS, "a", place.namespace, again)), Conflict)

        perform(open_kube, body)

    def test_a_patch_of_nothing_is_not_found(self, open_kube: OpenKube) -> None:
        async def body(place: Place) -> None:
            error = await failure(place.kube.patch(CONFIGMAPS, "none", place.namespace, {"data": {"k": "1"}}))
            assert isinstance(error, NotFound)

        perform(open_kube, body)

    def test_racing_writers_lose_no_update(self, open_kube: OpenKube) -> None:
        async def body(place: Place) -> None:
            await place.create(place.configmap("a", {"count": "0"}))

            async def increment() -> bool:
                current = await place.kube.get(CONFIGMAPS, "a", place.namespace)
                current["data"]["count"] = str(int(current["data"]["count"]) + 1)
                return await failure(place.kube.replace(current)) is None

            async def writer() -> None:
                for _ in range(5):
                    await until(increment, within_s=WITHIN_S)

            async with asyncio.TaskGroup() as group:
                for _ in range(4):
                    group.create_task(writer())
            assert (await place.kube.get(CONFIGMAPS, "a", place.namespace))["data"] == {"count": "20"}

        perform(open_kube, body)
