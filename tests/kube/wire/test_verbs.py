"""The wire face: what requests do, and how they are refused."""

from __future__ import annotations

import asyncio

import pytest
from tests.kube.wire.asking import CONFIGMAPS, MERGE, TABLE, opened


@pytest.fixture
def on_face(tmp_path):
    """Runs an async function with a face."""

    def run(body):
        async def main():
            async with opened(tmp_path) as face:
                return await body(face)

        return asyncio.run(main())

    return run


def config(name="settings", **data):
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}


def test_the_life_of_an_object(on_face):
    async def body(face):
        made = await face.ask("POST", CONFIGMAPS, config(a="1"))
        assert made.status == 201
        version = made.value["metadata"]["resourceVersion"]
        got = await face.ask("GET", f"{CONFIGMAPS}/settings")
        assert got.value == made.value
        patched = await face.ask("PATCH", f"{CONFIGMAPS}/settings", {"data": {"b": "2"}}, content_type=MERGE)
        assert patched.value["data"] == {"a": "1", "b": "2"}
        stale = await face.ask(
            "PUT", f"{CONFIGMAPS}/settings", {**config(), "metadata": {"name": "settings", "resourceVersion": version}}
        )
        assert (stale.status, stale.value["reason"]) == (409, "Conflict")
        gone = await face.ask("DELETE", f"{CONFIGMAPS}/settings")
        assert gone.value["status"] == "Success"
        assert gone.value["details"] == {"name": "settings", "kind": "configmaps"}
        assert (await face.ask("GET", f"{CONFIGMAPS}/settings")).value["code"] == 404

    on_face(body)


def test_a_dry_run_changes_nothing(on_face):
    async def body(face):
        dry = {"dryRun": "All"}
        made = await face.ask("POST", CONFIGMAPS, config(a="1"), query=dry)
        assert made.status == 201
        assert "resourceVersion" not in made.value["metadata"]
        assert (await face.ask("GET", f"{CONFIGMAPS}/settings")).status == 404
        version = (await face.ask("POST", CONFIGMAPS, config(a="1"))).value["metadata"]["resourceVersion"]
        change = {"data": {"a": "2"}}
        path = f"{CONFIGMAPS}/settings"
        changed = (await face.ask("PATCH", path, change, query=dry, content_type=MERGE)).value
        assert (changed["data"], changed["metadata"]["resourceVersion"]) == ({"a": "2"}, version)
        assert (await face.ask("DELETE", path, {"dryRun": ["All"]})).status == 200
        assert (await face.ask("GET", path)).value["data"] == {"a": "1"}
        assert (await face.ask("POST", CONFIGMAPS, config("x"), query={"dryRun": "Some"})).status == 400

    on_face(body)


def test_lists_pages_and_collections(on_face):
    async def body(face):
        for number in range(5):
            labelled = config(f"c{number}")
            labelled["metadata"]["labels"] = {"odd": str(number % 2)}
            await face.ask("POST", CONFIGMAPS, labelled)
        page = (await face.ask("GET", CONFIGMAPS, query={"limit": 2})).value
        assert page["kind"] == "ConfigMapList"
        names = [item["metadata"]["name"] for item in page["items"]]
        while token := page["metadata"].get("continue"):
            page = (await face.ask("GET", CONFIGMAPS, query={"limit": 2, "continue": token})).value
            names += [item["metadata"]["name"] for item in page["items"]]
        assert names == ["c0", "c1", "c2", "c3", "c4"]
        await face.ask("DELETE", CONFIGMAPS, query={"labelSelector": "odd=1"})
        left = (await face.ask("GET", "/api/v1/configmaps")).value
        assert [item["metadata"]["name"] for item in left["items"]] == ["c0", "c2", "c4"]

    on_face(body)


def test_a_table(on_face):
    async def body(face):
        await face.ask("POST", CONFIGMAPS, config(a="1", b="2"))
        table = (await face.ask("GET", CONFIGMAPS, accept=TABLE)).value
        assert [column["name"] for column in table["columnDefinitions"]] == ["Name", "Data", "Age"]
        (row,) = table["rows"]
        assert row["cells"][:2] == ["settings", 2]
        assert row["object"]["kind"] == "PartialObjectMetadata"
        assert (await face.ask("GET", CONFIGMAPS, accept="text/html")).status == 406

    on_face(body)


def test_watches(on_face):
    async def body(face):
        await face.ask("POST", CONFIGMAPS, config("one"))
        query = {"sendInitialEvents": "true", "resourceVersionMatch": "NotOlderThan", "allowWatchBookmarks": "true"}
        async with face.watching(CONFIGMAPS, **query) as events:
            assert (await anext(events))["object"]["metadata"]["name"] == "one"
            end = await anext(events)
            assert end["type"] == "BOOKMARK"
            assert end["object"]["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}
            await face.ask("POST", CONFIGMAPS, config("two"))
            added = await anext(events)
            assert (added["type"], added["object"]["metadata"]["name"]) == ("ADDED", "two")
        version = added["object"]["metadata"]["resourceVersion"]
        async with face.watching(CONFIGMAPS, resourceVersion=version, accept=TABLE) as events:
            await face.ask("DELETE", f"{CONFIGMAPS}/two")
            gone = await anext(events)
            assert (gone["type"], gone["object"]["rows"][0]["cells"][0]) == ("DELETED", "two")
        async with face.watching(CONFIGMAPS, resourceVersion=version, timeoutSeconds=1) as events:
            assert [event["type"] async for event in events] == ["DELETED"]
        async with face.watching(CONFIGMAPS, resourceVersion="99999999") as events:
            expired = await anext(events)
            assert (expired["type"], expired["object"]["code"]) == ("ERROR", 410)

    on_face(body)


def test_a_server_that_stops_ends_its_watches(on_face):
    async def body(face):
        async with face.watching(CONFIGMAPS) as events:
            await face.ask("POST", CONFIGMAPS, config("one"))
            assert (await anext(events))["type"] == "ADDED"
            face.stopping.set()
            assert [event async for event in events] == []

    on_face(body)


def test_discovery(on_face):
    async def body(face):
        plain = (await face.ask("GET", "/api/v1")).value
        pods = next(item for item in plain["resources"] if item["name"] == "pods")
        assert (pods["shortNames"], pods["namespaced"]) == (["po"], True)
        assert {"pods/log", "pods/status"} <= {item["name"] for item in plain["resources"]}
        accept = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json"
        answer = await face.ask("GET", "/api", accept=accept)
        assert answer.headers["content-type"] == "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
        (core,) = answer.value["items"]
        named = {item["resource"] for item in core["versions"][0]["resources"]}
        assert named == {item["name"] for item in plain["resources"] if "/" not in item["name"]}
        assert (await face.ask("GET", "/version")).value["major"] == "1"
        assert (await face.ask("GET", "/readyz")).body == b"ok"

    on_face(body)


@pytest.mark.parametrize(
    ("method", "path", "body", "code", "reason"),
    [
        ("GET", "/apis/nowhere/v1/things", None, 404, "NotFound"),
        ("GET", "/api/v1/namespaces/default/things", None, 404, "NotFound"),
        ("GET", "/api/v1//configmaps", None, 404, "NotFound"),
        ("POST", "/api/v1/configmaps", config(), 405, "MethodNotAllowed"),
        ("POST", CONFIGMAPS, b"{", 400, "BadRequest"),
        ("POST", CONFIGMAPS, b"[]", 400, "BadRequest"),
        ("POST", CONFIGMAPS, b"x" * (4 << 20), 413, "RequestEntityTooLarge"),
        ("POST", CONFIGMAPS, {**config(), "kind": "Secret"}, 400, "BadRequest"),
        ("POST", CONFIGMAPS, {**config(), "metadata": {"name": "x", "namespace": "other"}}, 400, "BadRequest"),
        ("POST", CONFIGMAPS, config("Not A Name"), 422, "Invalid"),
        ("GET", f"{CONFIGMAPS}?", None, 404, "NotFound"),
        ("PATCH", f"{CONFIGMAPS}/x", {}, 415, "UnsupportedMediaType"),
        ("PUT", f"{CONFIGMAPS}/x/status", {}, 404, "NotFound"),
    ],
)
def test_refusals(on_face, method, path, body, code, reason):
    async def ask(face):
        return await face.ask(method, path, body)

    answer = on_face(ask)
    assert (answer.status, answer.value["code"], answer.value["reason"]) == (code, code, reason)
    assert answer.value["kind"] == "Status"


@pytest.mark.parametrize("header", ["impersonate_user", "impersonate_group", "impersonate_extra_scopes"])
def test_nobody_else_is_impersonated(on_face, header):
    async def ask(face):
        return await face.ask("GET", CONFIGMAPS, **{header: "jane"})

    answer = on_face(ask)
    assert (answer.status, answer.value["reason"]) == (403, "Forbidden")
    assert f"({header.replace('_', '-')}: jane)" in answer.value["message"]


def test_the_default_account_is_made_again(on_face):
    async def body(face):
        path = "/api/v1/namespaces/default/serviceaccounts"
        before = (await face.ask("GET", f"{path}/default")).value["metadata"]["uid"]
        assert (await face.ask("DELETE", f"{path}/default")).status == 200
        after = (await face.ask("GET", f"{path}/default")).value["metadata"]["uid"]
        await face.ask("POST", path, {"metadata": {"name": "other"}})
        await face.ask("DELETE", f"{path}/other")
        assert (await face.ask("GET", f"{path}/other")).status == 404
        return before != after

    assert on_face(body)


def test_big_answers_are_compressed(on_face):
    async def body(face):
        await face.ask("POST", CONFIGMAPS, config(a="x" * 200_000))
        answer = await face.ask("GET", f"{CONFIGMAPS}/settings", accept_encoding="gzip, deflate")
        assert answer.headers["content-encoding"] == "gzip"
        assert len(answer.body) < 10_000
        assert answer.value["data"]["a"] == "x" * 200_000

    on_face(body)
