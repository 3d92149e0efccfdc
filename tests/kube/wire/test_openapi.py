"""The documents by which clients explain and check objects."""

from __future__ import annotations

import json

PROTOBUF = "application/com.github.proto-openapi.spec.v2@v1.0+protobuf"


def references(node):
    if isinstance(node, dict):
        for key, value in node.items():
            if key == "$ref" and isinstance(value, str):
                yield value
            else:
                yield from references(value)
    elif isinstance(node, list):
        for item in node:
            yield from references(item)


def test_documents_are_whole(on_face):
    async def body(face):
        paths = (await face.ask("GET", "/openapi/v3")).value["paths"]
        assert "api/v1" in paths
        for path, place in paths.items():
            assert place["serverRelativeURL"].startswith(f"/openapi/v3/{path}?hash=")
            document = (await face.ask("GET", f"/openapi/v3/{path}")).value
            named = {f"#/components/schemas/{name}" for name in document["components"]["schemas"]}
            assert set(references(document)) <= named
            assert "description" not in json.dumps(document["components"]["schemas"].get("io.k8s.api.core.v1.Pod", {}))
        core = (await face.ask("GET", "/openapi/v3/api/v1")).value
        patch = core["paths"]["/api/v1/namespaces/{namespace}/pods/{name}"]["patch"]
        assert {"dryRun", "fieldValidation", "force"} <= {each["name"] for each in patch["parameters"]}
        assert (await face.ask("GET", "/openapi/v3/apis/none/v1")).status == 404

    on_face(body)


def test_the_older_form(on_face):
    async def body(face):
        document = (await face.ask("GET", "/openapi/v2")).value
        assert document["swagger"] == "2.0"
        assert set(references(document)) <= {f"#/definitions/{name}" for name in document["definitions"]}
        assert (await face.ask("GET", "/openapi/v2", accept="application/xml")).status == 406
        binary = await face.ask("GET", "/openapi/v2", accept=f"{PROTOBUF}, application/json")
        assert (binary.status, binary.headers["content-type"]) == (200, PROTOBUF.replace("@", "."))
        assert all(name.encode() in binary.body for name in [*document["definitions"], *document["paths"]])
        assert (await face.ask("GET", "/openapi/v2", accept=f"application/json, {PROTOBUF}")).value == document

    on_face(body)
