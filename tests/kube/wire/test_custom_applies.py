"""Server-side apply of custom kinds: by their schemas, and of the definitions themselves, however big."""

from __future__ import annotations

import json

import pytest
from tests.conftest import SHARED
from tests.kube.wire.asking import MERGE

from wherry.ir import yaml
from wherry.kube.managedfields.sets import parsed, path_text, paths
from wherry.kube.resources import CONFIGMAPS

APPLY = "application/apply-patch+yaml"
DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
BOATS = "/apis/example.com/v1/namespaces/default/boats"
TEXT = {"type": "string"}
SPEC = {
    "type": "object",
    "properties": {
        "size": {"type": "integer", "default": 3},
        "crew": {
            "type": "array",
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["name"],
            "items": {"type": "object", "required": ["name"], "properties": {"name": TEXT, "role": TEXT}},
        },
        "flags": {"type": "array", "x-kubernetes-list-type": "set", "items": TEXT},
        "cargo": {"type": "array", "items": TEXT},
        "berth": {"type": "object", "x-kubernetes-map-type": "atomic", "properties": {"port": TEXT, "pier": TEXT}},
        "open": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
    },
}
DEFINITION = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "boats.example.com"},
    "spec": {
        "group": "example.com",
        "scope": "Namespaced",
        "names": {"plural": "boats", "singular": "boat", "kind": "Boat"},
        "versions": [
            {
                "name": "v1",
                "served": True,
                "storage": True,
                "subresources": {"status": {}},
                "schema": {
                    "openAPIV3Schema": {
                        "type": "object",
                        "properties": {
                            "spec": SPEC,
                            "status": {"type": "object", "properties": {"phase": TEXT}},
                        },
                    }
                },
            }
        ],
    },
}


def owners(obj) -> dict[str, list[str]]:
    return {
        " ".join(filter(None, (entry["manager"], entry.get("subresource")))): [
            path_text(path) for path in paths(parsed(entry["fieldsV1"]))
        ]
        for entry in obj["metadata"].get("managedFields", ())
    }


async def defined(face) -> None:
    made = await face.ask(
        "PATCH", f"{DEFINITIONS}/boats.example.com", DEFINITION, query={"fieldManager": "m"}, content_type=APPLY
    )
    assert made.status == 201, made.value


async def apply(face, manager: str, spec, *, path: str = f"{BOATS}/b", **more):
    obj = {"apiVersion": "example.com/v1", "kind": "Boat", "metadata": {"name": "b"}, "spec": spec, **more}
    return await face.ask("PATCH", path, obj, query={"fieldManager": manager}, content_type=APPLY)


def test_lists_and_maps_are_owned_as_their_schema_says(on_face):
    async def body(face):
        await defined(face)
        one = {"crew": [{"name": "ann", "role": "cook"}], "flags": ["red"], "cargo": ["tea"], "berth": {"port": "A"}}
        made = await apply(face, "one", one)
        assert (made.status, made.value["spec"]["size"]) == (201, 3)
        two = await apply(face, "two", {"crew": [{"name": "bob"}], "flags": ["blue"], "open": {"any": {"x": 1}}})
        assert two.value["spec"]["flags"] == ["red", "blue"]
        refused = await apply(face, "three", {"cargo": ["tea", "tin"], "berth": {"pier": "1"}})
        fields = [cause["field"] for cause in refused.value["details"]["causes"]]
        assert (refused.status, sorted(fields)) == (409, [".spec.berth", ".spec.cargo"])
        left = await apply(face, "one", {"cargo": ["tea"]})
        assert left.value["spec"]["crew"] == [{"name": "bob"}]
        assert left.value["spec"]["flags"] == ["blue"]
        assert "berth" not in left.value["spec"]
        assert owners(left.value) == {
            "one": [".spec.cargo"],
            "two": [
                '.spec.crew[name="bob"]',
                '.spec.crew[name="bob"].name',
                '.spec.flags[="blue"]',
                ".spec.open.any",
                ".spec.open.any.x",
            ],
        }

    on_face(body)


def test_what_the_schema_does_not_know_is_not_applied(on_face):
    async def body(face):
        await defined(face)
        for spec, words in (
            ({"sise": 1}, ".spec.sise: field not declared in schema"),
            ({"size": "big"}, ".spec.size: expected numeric (int or float), got"),
            ({"flags": ["a", "a"]}, '.spec.flags: duplicate entries for key [="a"]'),
            ({"crew": [{"role": "cook"}]}, 'omits key field "name"'),
        ):
            refused = await apply(face, "one", spec)
            assert (refused.status, words in refused.value["message"]) == (400, True), refused.value
        assert (await face.ask("GET", f"{BOATS}/b")).status == 404

    on_face(body)


def test_the_status_of_a_custom_object_has_its_own_owners(on_face):
    async def body(face):
        await defined(face)
        await apply(face, "one", {"size": 1}, status={"phase": "ignored"})
        done = await apply(face, "two", {"size": 9}, path=f"{BOATS}/b/status", status={"phase": "afloat"})
        assert (done.value["spec"], done.value["status"]) == ({"size": 1}, {"phase": "afloat"})
        assert owners(done.value) == {"one": [".spec.size"], "two status": [".status.phase"]}

    on_face(body)


@pytest.mark.skipif(not (SHARED / "conformance").is_dir(), reason="WHERRY_SHARED has no conformance documents")
def test_every_definition_of_the_ecosystem_is_applied_and_applied_again(on_face):
    texts = [path.read_bytes() for path in sorted((SHARED / "conformance").rglob("*.yaml"))]
    documents = [each for text in texts if b"kind: CustomResourceDefinition" in text for each in yaml.load_all(text)]
    chosen = {
        each["metadata"]["name"]: each
        for each in documents
        if isinstance(each, dict) and each.get("apiVersion") == "apiextensions.k8s.io/v1"
    }
    biggest = sorted(chosen.values(), key=lambda each: -len(json.dumps(each)))[:8]
    assert len(biggest) == 8

    async def body(face):
        for each in biggest:
            path, query = f"{DEFINITIONS}/{each['metadata']['name']}", {"fieldManager": "m"}
            made = await face.ask("PATCH", path, each, query=query, content_type=APPLY)
            again = await face.ask("PATCH", path, each, query=query, content_type=APPLY)
            assert (made.status, again.status) == (201, 200), made.value
            assert again.value["metadata"]["resourceVersion"] == made.value["metadata"]["resourceVersion"]

    on_face(body)


def test_what_wherry_alone_writes_has_no_owners_and_what_others_made_has(on_face):
    async def body(face):
        obj = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "own", "namespace": "default"}}
        made = await face.kube.create({**obj, "data": {"x": "1"}})
        assert "managedFields" not in made["metadata"]
        path = "/api/v1/namespaces/default/configmaps/theirs"
        theirs = {**obj, "metadata": {"name": "theirs"}, "data": {"x": "1"}}
        await face.ask("PATCH", path, theirs, query={"fieldManager": "m"}, content_type=APPLY)
        changed = await face.kube.patch(CONFIGMAPS, "theirs", "default", {"data": {"x": "2"}})
        assert owners(changed) == {"wherry": [".data.x"]}
        patched = await face.ask("PATCH", path, {"data": {"y": "1"}}, content_type=MERGE, user_agent="curl/8.0 (x)")
        assert owners(patched.value) == {"wherry": [".data.x"], "curl": [".data.y"]}

    on_face(body)
