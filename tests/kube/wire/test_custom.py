"""Custom kinds on the wire: served as soon as they are defined, and as long as they are."""

from __future__ import annotations

import copy

import pytest
from tests.kube.wire.asking import MERGE, TABLE, opened
from tests.kube.wire.customs import DEFINITIONS, GROUP, SCHEMA, WIDGETS, condition, definition, version, widget

from wherry.kube.errors import Gone, KubeError
from wherry.kube.resources import Resource

NAME = f"widgets.{GROUP}"
WIDGET = Resource(GROUP, "v1", "Widget", "widgets", True)


async def defined(face, *versions, **names):
    answer = await face.ask("POST", DEFINITIONS, definition(*versions, **names))
    assert answer.status == 201, answer.value
    return answer.value


def test_a_definition_is_served_at_once(on_face):
    async def body(face):
        made = await defined(face, shortNames=["wd"], categories=["all"])
        assert made["metadata"]["finalizers"] == ["customresourcecleanup.apiextensions.k8s.io"]
        assert made["metadata"]["generation"] == 1
        assert made["spec"]["conversion"] == {"strategy": "None"}
        status = made["status"]
        assert status["storedVersions"] == ["v1"]
        assert status["acceptedNames"] == {
            "plural": "widgets",
            "singular": "widget",
            "kind": "Widget",
            "listKind": "WidgetList",
            "shortNames": ["wd"],
            "categories": ["all"],
        }
        assert condition(made, "NamesAccepted")["reason"] == "NoConflicts"
        assert condition(made, "Established")["reason"] == "InitialNamesAccepted"
        found = (await face.ask("GET", f"/apis/{GROUP}/v1")).value["resources"]
        assert [each["name"] for each in found] == ["widgets", "widgets/scale", "widgets/status"]
        assert (found[0]["singularName"], found[0]["shortNames"], found[0]["categories"]) == ("widget", ["wd"], ["all"])
        groups = [each["name"] for each in (await face.ask("GET", "/apis")).value["groups"]]
        assert GROUP in groups
        assert (await face.ask("GET", WIDGETS)).value["kind"] == "WidgetList"
        table = (await face.ask("GET", DEFINITIONS, accept=TABLE)).value
        assert [column["name"] for column in table["columnDefinitions"]] == ["Name", "Created At"]
        assert (await face.ask("GET", "/apis/apiextensions.k8s.io/v1beta1/customresourcedefinitions")).status == 404

    on_face(body)


def test_objects_are_completed_and_checked(on_face):
    async def body(face):
        await defined(face)
        answer = await face.ask("POST", WIDGETS, widget("w", {"mode": "a", "extra": 1, "name": None}))
        assert answer.status == 201
        assert answer.value["spec"] == {"mode": "a", "replicas": 3}
        assert answer.value["metadata"]["generation"] == 1
        assert answer.headers["warning"] == '299 - "unknown field \\"spec.extra\\""'
        strict = await face.ask(
            "POST", WIDGETS, widget("x", {"mode": "a", "extra": 1}), query={"fieldValidation": "Strict"}
        )
        assert strict.status == 400
        assert 'strict decoding error: unknown field "spec.extra"' in strict.value["message"]
        wrong = await face.ask(
            "POST", WIDGETS, widget("x", {"mode": "c", "replicas": 0, "name": "UPPER", "port": True})
        )
        assert wrong.status == 422
        assert wrong.value["message"] == (
            f'Widget.{GROUP} "x" is invalid: [spec.mode: Unsupported value: "c": supported values: "a", "b", '
            "spec.replicas: Invalid value: 0: spec.replicas in body should be greater than or equal to 1, "
            "spec.name: Invalid value: \"UPPER\": spec.name in body should match '^[a-z]+$', "
            'spec.port: Invalid value: "boolean": spec.port in body must be of type integer,string: "boolean"]'
        )
        embedded = await face.ask("POST", WIDGETS, widget("x", {"mode": "a", "template": {"kind": "Pod"}}))
        assert [each["field"] for each in embedded.value["details"]["causes"]] == ["spec.template.apiVersion"]
        unnamed = await face.ask("POST", WIDGETS, widget("Not_A_Name", {"mode": "a"}))
        assert unnamed.value["details"]["causes"][0]["field"] == "metadata.name"
        patched = await face.ask("PATCH", f"{WIDGETS}/w", {"spec": {"mode": "z"}}, content_type=MERGE)
        assert patched.status == 422
        dry = await face.ask("POST", WIDGETS, widget("dry", {"mode": "a"}), query={"dryRun": "All"})
        assert (dry.status, (await face.ask("GET", f"{WIDGETS}/dry")).status) == (201, 404)

    on_face(body)


def test_status_is_apart_and_generation_counts_the_rest(on_face):
    async def body(face):
        await defined(face)
        await face.ask("POST", WIDGETS, widget("w", {"mode": "a"}, status={"replicas": 9}))
        made = (await face.ask("GET", f"{WIDGETS}/w")).value
        assert "status" not in made
        path, ready = f"{WIDGETS}/w", {"conditions": [{"type": "Ready", "status": "True"}], "replicas": 2}
        both = {"spec": {"mode": "b"}, "status": ready, "metadata": {"labels": {"a": "b"}}}
        after = (await face.ask("PATCH", f"{path}/status", both, content_type=MERGE)).value
        assert (after["spec"]["mode"], after["status"], after["metadata"]["generation"]) == ("a", ready, 1)
        assert "labels" not in after["metadata"]
        after = (await face.ask("PATCH", path, both | {"status": {"replicas": 5}}, content_type=MERGE)).value
        assert (after["spec"]["mode"], after["status"], after["metadata"]["generation"]) == ("b", ready, 2)
        after = (await face.ask("PATCH", path, {"metadata": {"labels": {"a": "c"}}}, content_type=MERGE)).value
        assert after["metadata"]["generation"] == 2
        wrong = await face.ask("PATCH", f"{path}/status", {"status": {"replicas": "many"}}, content_type=MERGE)
        assert (wrong.status, wrong.value["details"]["causes"][0]["field"]) == (422, "status.replicas")
        pruned = await face.ask("PATCH", f"{path}/status", {"status": {"unknown": 1}}, content_type=MERGE)
        assert pruned.value["status"] == ready

    on_face(body)


def test_without_the_subresource_status_is_a_field(on_face):
    async def body(face):
        await defined(face, version(subresources={}))
        made = (await face.ask("POST", WIDGETS, widget("w", {"mode": "a"}, status={"replicas": 9}))).value
        assert made["status"] == {"replicas": 9}
        after = (await face.ask("PATCH", f"{WIDGETS}/w", {"status": {"replicas": 1}}, content_type=MERGE)).value
        assert (after["status"], after["metadata"]["generation"]) == ({"replicas": 1}, 2)
        assert (await face.ask("GET", f"{WIDGETS}/w/status")).status == 404
        assert (await face.ask("GET", f"{WIDGETS}/w/scale")).status == 404

    on_face(body)


def test_scale(on_face):
    async def body(face):
        await defined(face)
        await face.ask("POST", WIDGETS, widget("w", {"mode": "a"}))
        status = {"status": {"replicas": 2, "selector": "app=w"}}
        await face.ask("PATCH", f"{WIDGETS}/w/status", status, content_type=MERGE)
        scale = (await face.ask("GET", f"{WIDGETS}/w/scale")).value
        assert (scale["kind"], scale["spec"], scale["status"]) == (
            "Scale",
            {"replicas": 3},
            {"replicas": 2, "selector": "app=w"},
        )
        after = await face.ask("PATCH", f"{WIDGETS}/w/scale", {"spec": {"replicas": 7}}, content_type=MERGE)
        assert after.value["spec"] == {"replicas": 7}
        obj = (await face.ask("GET", f"{WIDGETS}/w")).value
        assert (obj["spec"]["replicas"], obj["metadata"]["generation"]) == (7, 2)
        assert (
            await face.ask("PATCH", f"{WIDGETS}/w/scale", {"spec": {"replicas": -1}}, content_type=MERGE)
        ).status == 422

    on_face(body)


def test_columns(on_face):
    async def body(face):
        await defined(face)
        await face.ask("POST", WIDGETS, widget("w", {"mode": "a"}))
        ready = {"status": {"conditions": [{"type": "Other", "status": "x"}, {"type": "Ready", "status": "True"}]}}
        table = (await face.ask("GET", WIDGETS, accept=TABLE)).value
        assert table["rows"][0]["cells"][:4] == ["w", 3, None, "a"]
        await face.ask("PATCH", f"{WIDGETS}/w/status", ready, content_type=MERGE)
        table = (await face.ask("GET", WIDGETS, accept=TABLE)).value
        assert [(each["name"], each["type"], each["priority"]) for each in table["columnDefinitions"]] == [
            ("Name", "string", 0),
            ("Replicas", "integer", 0),
            ("Ready", "string", 0),
            ("Mode", "string", 1),
            ("Age", "date", 0),
        ]
        assert table["rows"][0]["cells"][:4] == ["w", 3, "True", "a"]
        assert table["rows"][0]["cells"][4].endswith("s")

    on_face(body)


BETA = {"type": "object", "properties": {"spec": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}}


def two_versions(stored="v1"):
    beta = version("v1beta1", storage=stored == "v1beta1", schema={"openAPIV3Schema": BETA}, deprecated=True)
    return version(storage=stored == "v1"), beta


def test_an_object_is_shown_in_each_version(on_face):
    async def body(face):
        await defined(face, *two_versions())
        old = WIDGETS.replace("/v1/", "/v1beta1/")
        made = await face.ask("POST", old, widget("w", {"mode": "a", "lost": 1}, api="v1beta1"))
        assert made.value["apiVersion"] == f"{GROUP}/v1beta1"
        assert made.value["spec"] == {"mode": "a", "replicas": 3}  # as it lies: by the storage version
        assert made.headers["warning"] == f'299 - "{GROUP}/v1beta1 Widget is deprecated"'
        assert (await face.ask("GET", f"{WIDGETS}/w")).value["apiVersion"] == f"{GROUP}/v1"
        async with face.watching(old, resourceVersion=made.value["metadata"]["resourceVersion"]) as events:
            await face.ask("PATCH", f"{WIDGETS}/w", {"spec": {"mode": "b"}}, content_type=MERGE)
            event = await anext(events)
            assert (event["type"], event["object"]["apiVersion"]) == ("MODIFIED", f"{GROUP}/v1beta1")
            await face.ask("DELETE", f"{old}/w")
            event = await anext(events)
            assert (event["type"], event["object"]["apiVersion"]) == ("DELETED", f"{GROUP}/v1beta1")
        groups = (await face.ask("GET", "/apis")).value["groups"]
        (group,) = [each for each in groups if each["name"] == GROUP]
        assert [each["version"] for each in group["versions"]] == ["v1", "v1beta1"]
        assert group["preferredVersion"]["version"] == "v1"

    on_face(body)


def test_the_storage_version_may_change(on_face):
    async def body(face):
        await defined(face, *two_versions("v1beta1"))
        old = WIDGETS.replace("/v1/", "/v1beta1/")
        await face.ask("POST", old, widget("w", {"mode": "a"}, api="v1beta1"))
        spec = {"spec": definition(*two_versions("v1"))["spec"]}
        changed = (await face.ask("PATCH", f"{DEFINITIONS}/{NAME}", spec, content_type=MERGE)).value
        assert changed["status"]["storedVersions"] == ["v1beta1", "v1"]
        shown = (await face.ask("GET", f"{WIDGETS}/w")).value
        assert (shown["apiVersion"], shown["spec"]) == (f"{GROUP}/v1", {"mode": "a", "replicas": 3})
        spec["spec"]["versions"] = spec["spec"]["versions"][:1]
        refused = await face.ask("PATCH", f"{DEFINITIONS}/{NAME}", spec, content_type=MERGE)
        assert refused.status == 422
        assert "missing from spec.versions; v1beta1 was previously a storage version" in refused.value["message"]
        trimmed = {"status": {"storedVersions": ["v1"]}}
        assert (await face.ask("PATCH", f"{DEFINITIONS}/{NAME}/status", trimmed, content_type=MERGE)).status == 200
        assert (await face.ask("PATCH", f"{DEFINITIONS}/{NAME}", spec, content_type=MERGE)).status == 200
        assert (await face.ask("GET", old)).status == 404
        assert (await face.ask("GET", f"{WIDGETS}/w")).status == 200

    on_face(body)


def test_objects_outlive_another_schema(on_face):
    async def body(face):
        await defined(face)
        await face.ask("POST", WIDGETS, widget("w", {"mode": "a"}))
        schema = copy.deepcopy(SCHEMA)
        schema["properties"]["spec"]["properties"] |= {
            "mode": {"type": "string", "enum": ["new"]},
            "size": {"type": "string", "default": "big"},
        }
        del schema["properties"]["spec"]["properties"]["replicas"]
        spec = {"spec": {"versions": [version(schema={"openAPIV3Schema": schema})]}}
        changed = (await face.ask("PATCH", f"{DEFINITIONS}/{NAME}", spec, content_type=MERGE)).value
        assert changed["metadata"]["generation"] == 2
        for path in (f"{WIDGETS}/w", WIDGETS):
            found = (await face.ask("GET", path)).value
            assert found.get("items", [found])[0]["spec"] == {"mode": "a", "size": "big"}
        label = {"metadata": {"labels": {"a": "b"}}}
        assert (await face.ask("PATCH", f"{WIDGETS}/w", label, content_type=MERGE)).status == 200  # what was, may stay
        assert (await face.ask("PATCH", f"{WIDGETS}/w", {"spec": {"mode": "b"}}, content_type=MERGE)).status == 422
        assert (await face.ask("POST", WIDGETS, widget("x", {"mode": "new"}))).status == 201

    on_face(body)


def test_with_a_definition_its_objects_go(on_face):
    async def body(face):
        await defined(face)
        await face.ask("POST", WIDGETS, widget("free", {"mode": "a"}))
        held = widget("held", {"mode": "a"})
        held["metadata"]["finalizers"] = ["tests.wherry.dev/held"]
        version = (await face.ask("POST", WIDGETS, held)).value["metadata"]["resourceVersion"]
        async with face.watching(WIDGETS, resourceVersion=version) as events:
            answer = (await face.ask("DELETE", f"{DEFINITIONS}/{NAME}")).value
            assert condition(answer, "Terminating")["status"] == "True"
            assert [(await anext(events))["type"] for _ in range(2)] == ["DELETED", "MODIFIED"]
            refused = await face.ask("POST", WIDGETS, widget("late", {"mode": "a"}))
            assert (refused.status, refused.value["reason"]) == (405, "MethodNotAllowed")
            nobody = {"metadata": {"finalizers": None}}
            await face.ask("PATCH", f"{DEFINITIONS}/{NAME}", nobody, content_type=MERGE)
            assert (await face.ask("GET", f"{WIDGETS}/held")).status == 200
            await face.ask("PATCH", f"{WIDGETS}/held", nobody, content_type=MERGE)
            assert (await anext(events))["type"] == "DELETED"
            assert (await anext(events))["type"] == "ERROR"
        assert (await face.ask("GET", f"{DEFINITIONS}/{NAME}")).status == 404
        assert (await face.ask("GET", WIDGETS)).status == 404
        await defined(face)
        assert (await face.ask("GET", WIDGETS)).value["items"] == []

    on_face(body)


def test_names_belong_to_the_first(on_face):
    async def body(face):
        await defined(face, shortNames=["wd"])
        second = await defined(face, plural="gadgets", kind="Widget", singular="gadget", shortNames=["wd", "g"])
        refused = condition(second, "NamesAccepted")
        assert (refused["status"], refused["reason"]) == ("False", "ListKindConflict")
        assert condition(second, "Established")["reason"] == "NotAccepted"
        assert second["status"]["acceptedNames"] == {"plural": "gadgets", "singular": "gadget"}
        gadgets = f"/apis/{GROUP}/v1/gadgets"
        assert (await face.ask("GET", gadgets)).status == 404
        await face.ask("DELETE", f"{DEFINITIONS}/{NAME}")
        third = (await face.ask("GET", f"{DEFINITIONS}/gadgets.{GROUP}")).value
        assert condition(third, "Established")["status"] == "True"
        assert third["status"]["acceptedNames"]["kind"] == "Widget"
        assert (await face.ask("GET", gadgets)).status == 200

    on_face(body)


@pytest.mark.parametrize(
    ("path", "value", "field"),
    [
        (("metadata", "name"), "x", "metadata.name"),
        (("spec", "group"), "apps", "spec.group"),
        (("spec", "scope"), "Everywhere", "spec.scope"),
        (("spec", "versions"), [], "spec.versions"),
        (("spec", "versions", 0, "name"), "1", "spec.versions[0].name"),
        (("spec", "versions", 0, "storage"), False, "spec.versions"),
        (("spec", "versions", 0, "schema"), None, "spec.versions[0].schema.openAPIV3Schema"),
        (("spec", "versions", 0, "schema", "openAPIV3Schema", "type"), "", "spec.validation.openAPIV3Schema.type"),
        (
            ("spec", "versions", 0, "subresources", "scale", "specReplicasPath"),
            ".status.x",
            "spec.subresources.scale.specReplicasPath",
        ),
        (
            ("spec", "versions", 0, "additionalPrinterColumns", 0, "type"),
            "text",
            "spec.additionalPrinterColumns[0].type",
        ),
        (
            ("spec", "versions", 0, "selectableFields"),
            [{"jsonPath": ".spec.none"}],
            "spec.versions[0].selectableFields[0].jsonPath",
        ),
        (("spec", "names", "plural"), "Widgets", "spec.names.plural"),
        (("spec", "names", "shortNames"), ["W"], "spec.names.shortNames[0]"),
        (("spec", "names", "listKind"), "Widget", "spec.names.listKind"),
        (
            ("spec", "conversion"),
            {"strategy": "Webhook", "webhook": {"conversionReviewVersions": ["v1"]}},
            "spec.conversion.strategy",
        ),
        (("spec", "preserveUnknownFields"), True, "spec.preserveUnknownFields"),
    ],
)
def test_definitions_that_cannot_be_are_refused(on_face, path, value, field):
    obj = copy.deepcopy(definition())
    *way, last = path
    place = obj
    for key in way:
        place = place[key]
    place[last] = value

    async def body(face):
        answer = await face.ask("POST", DEFINITIONS, obj)
        assert answer.status == 422, answer.value
        assert field in [each["field"] for each in answer.value["details"]["causes"]]

    on_face(body)


@pytest.mark.parametrize("value", [None, 1, "x", [], [None], [{}], True])
def test_definitions_of_any_shape_are_refused_with_a_status(on_face, value):
    async def body(face):
        for path in (("versions",), ("versions", 0), ("names",), ("versions", 0, "additionalPrinterColumns", 0)):
            obj = copy.deepcopy(definition())
            *way, last = ("spec", *path)
            place = obj
            for key in way:
                place = place[key]
            place[last] = value
            with pytest.raises(KubeError):
                await face.kube.create(obj)
        for key in ("items", "properties", "anyOf", "additionalProperties"):
            schema = {"type": "object", "properties": {"a": {"type": "array", key: value}}}
            with pytest.raises(KubeError):
                await face.kube.create(definition(version(schema={"openAPIV3Schema": schema})))

    on_face(body)


def test_what_says_where_objects_are_never_changes(on_face):
    async def body(face):
        await defined(face)
        for spec, field in (
            ({"scope": "Cluster"}, "spec.scope"),
            ({"names": {"kind": "Gadget", "listKind": "GadgetList"}}, "spec.names.kind"),
        ):
            answer = await face.ask("PATCH", f"{DEFINITIONS}/{NAME}", {"spec": spec}, content_type=MERGE)
            assert (answer.status, answer.value["details"]["causes"][0]["field"]) == (422, field)

    on_face(body)


def test_rules_and_selectable_fields(on_face):
    schema = copy.deepcopy(SCHEMA)
    schema["properties"]["spec"]["x-kubernetes-validations"] = [
        {"rule": "self.mode != 'b' || self.replicas > 1", "message": "b needs two"},
        {"rule": "self.mode == oldSelf.mode", "message": "mode stays"},
    ]

    async def body(face):
        chosen = version(schema={"openAPIV3Schema": schema}, selectableFields=[{"jsonPath": ".spec.mode"}])
        await defined(face, chosen)
        refused = await face.ask("POST", WIDGETS, widget("w", {"mode": "b", "replicas": 1}))
        assert refused.status == 422
        assert "b needs two" in refused.value["message"]
        unchecked = await face.ask("POST", WIDGETS, widget("w", {"mode": "b", "replicas": "x"}))
        assert "some validation rules were not checked because the object was invalid" in unchecked.value["message"]
        assert (await face.ask("POST", WIDGETS, widget("w", {"mode": "b"}))).status == 201
        assert (await face.ask("POST", WIDGETS, widget("v", {"mode": "a"}))).status == 201
        moved = await face.ask("PATCH", f"{WIDGETS}/w", {"spec": {"mode": "a"}}, content_type=MERGE)
        assert "mode stays" in moved.value["message"]
        found = (await face.ask("GET", WIDGETS, query={"fieldSelector": "spec.mode=b"})).value["items"]
        assert [each["metadata"]["name"] for each in found] == ["w"]
        wrong = copy.deepcopy(schema)
        wrong["properties"]["spec"]["x-kubernetes-validations"] = [{"rule": "self.nothing > 1"}]
        spec = {"spec": {"versions": [version(schema={"openAPIV3Schema": wrong})]}}
        assert (await face.ask("PATCH", f"{DEFINITIONS}/{NAME}", spec, content_type=MERGE)).status == 422

    on_face(body)


def test_documents_of_custom_kinds(on_face):
    async def body(face):
        await defined(face)
        root = f"apis/{GROUP}/v1"
        before = (await face.ask("GET", "/openapi/v3")).value["paths"][root]["serverRelativeURL"]
        document = (await face.ask("GET", f"/openapi/v3/{root}")).value
        node = document["components"]["schemas"]["dev.wherry.tests.v1.Widget"]
        assert node["properties"]["spec"]["properties"]["mode"]["description"] == "How it turns."
        assert node["x-kubernetes-group-version-kind"] == [{"group": GROUP, "version": "v1", "kind": "Widget"}]
        spec = {"spec": {"versions": [version(schema={"openAPIV3Schema": BETA})]}}
        await face.ask("PATCH", f"{DEFINITIONS}/{NAME}", spec, content_type=MERGE)
        assert (await face.ask("GET", "/openapi/v3")).value["paths"][root]["serverRelativeURL"] != before
        older = (await face.ask("GET", "/openapi/v2")).value["definitions"]["dev.wherry.tests.v1.Widget"]
        assert older["properties"]["metadata"]["$ref"].startswith("#/definitions/")

    on_face(body)


def test_a_server_knows_its_definitions_when_it_starts_again(tmp_path):
    import asyncio

    async def body():
        async with opened(tmp_path) as face:
            await defined(face, *two_versions())
            await face.ask("POST", WIDGETS, widget("w", {"mode": "a"}))
        async with opened(tmp_path) as face:
            assert (await face.ask("GET", f"/apis/{GROUP}/v1")).status == 200
            kind = face.kube.registry.of_resource(WIDGET)
            assert kind.custom.definition.loaded is False  # read when they are needed
            assert (await face.ask("GET", f"{WIDGETS}/w")).value["spec"]["replicas"] == 3
            assert kind.custom.definition.loaded is False
            assert (await face.ask("POST", WIDGETS, widget("x", {"mode": "c"}))).status == 422
            assert (await face.ask("DELETE", "/api/v1/namespaces/default")).status == 403
            assert (await face.ask("DELETE", f"{DEFINITIONS}/{NAME}")).value["status"] == "Success"
        async with opened(tmp_path) as face:
            assert (await face.ask("GET", WIDGETS)).status == 404

    asyncio.run(body())


def test_in_process_it_is_the_same(on_face):
    async def body(face):
        kube = face.kube
        await kube.create(definition())
        made = await kube.create(widget("w", {"mode": "a", "extra": 1}))
        assert made["spec"] == {"mode": "a", "replicas": 3}
        watch = kube.watch(WIDGET, "default")
        assert (await anext(watch)).object["metadata"]["name"] == "w"
        await kube.delete(
            Resource("apiextensions.k8s.io", "v1", "CustomResourceDefinition", "customresourcedefinitions", False), NAME
        )
        assert (await anext(watch)).type == "DELETED"
        with pytest.raises(Gone):
            await anext(watch)

    on_face(body)


def test_objects_of_a_namespace_and_of_owners_go_with_them(on_face):
    async def body(face):
        await defined(face)
        await face.ask(
            "POST", "/api/v1/namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "n"}}
        )
        there = WIDGETS.replace("default", "n")
        obj = widget("w", {"mode": "a"})
        del obj["metadata"]["namespace"]
        owner = (await face.ask("POST", there, obj)).value
        reference = {"apiVersion": f"{GROUP}/v1", "kind": "Widget", "name": "w", "uid": owner["metadata"]["uid"]}
        child = {"metadata": {"name": "c", "ownerReferences": [reference]}}
        assert (await face.ask("POST", "/api/v1/namespaces/n/configmaps", child)).status == 201
        await face.ask("DELETE", f"{there}/w")
        assert (await face.ask("GET", "/api/v1/namespaces/n/configmaps/c")).status == 404
        await face.ask("POST", there, obj)
        await face.ask("DELETE", "/api/v1/namespaces/n")
        assert (await face.ask("GET", "/api/v1/namespaces/n")).status == 404

    on_face(body)
