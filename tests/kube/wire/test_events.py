"""Events of both groups: one object, two forms."""

from __future__ import annotations

from typing import Any

import pytest
from tests.kube.wire.asking import MERGE, TABLE

CORE = "/api/v1/namespaces/default/events"
NEW = "/apis/events.k8s.io/v1/namespaces/default/events"
ABOUT = {"kind": "Pod", "name": "p", "namespace": "default"}
TOLD = {"reason": "Seen", "type": "Normal", "action": "Looking"}


def core_event(name: str = "old") -> dict[str, Any]:
    said = {"message": "hello", "source": {"component": "c"}, "count": 2, "lastTimestamp": "2026-01-01T00:00:00Z"}
    return {"metadata": {"name": name}, "involvedObject": ABOUT, **TOLD, **said}


def new_event(**changes: Any) -> dict[str, Any]:
    said = {"note": "hi", "reportingController": "example.com/c", "reportingInstance": "c-0"}
    made = {"metadata": {"name": "new"}, "regarding": ABOUT, "eventTime": "2026-01-01T00:00:00.000000Z", **TOLD, **said}
    return {**made, **changes}


def test_an_event_of_each_group_is_seen_in_both(on_face):
    async def body(face):
        async with face.watching(NEW) as events:
            assert (await face.ask("POST", CORE, core_event())).status == 201
            shown = (await anext(events))["object"]
        assert shown["apiVersion"] == "events.k8s.io/v1"
        assert (shown["regarding"], shown["note"], shown["deprecatedCount"]) == (ABOUT, "hello", 2)
        assert shown["deprecatedSource"] == {"component": "c"}
        assert "involvedObject" not in shown
        made = await face.ask("POST", NEW, new_event())
        assert (made.status, made.value["note"]) == (201, "hi")
        core = (await face.ask("GET", f"{CORE}/new")).value
        assert (core["apiVersion"], core["involvedObject"], core["message"]) == ("v1", ABOUT, "hi")
        assert core["reportingComponent"] == "example.com/c"
        listed = (await face.ask("GET", NEW, query={"fieldSelector": "regarding.name=p"})).value
        assert (listed["kind"], [each["metadata"]["name"] for each in listed["items"]]) == ("EventList", ["new", "old"])
        assert (await face.ask("GET", NEW, query={"fieldSelector": "reportingController=other"})).value["items"] == []
        tables = [(await face.ask("GET", path, accept=TABLE)).value["rows"] for path in (CORE, NEW)]
        assert [row["cells"] for row in tables[0]] == [row["cells"] for row in tables[1]]
        assert tables[0][0]["cells"][3] == "pod/p"

    on_face(body)


def test_a_series_goes_on_and_an_event_is_deleted_in_either_form(on_face):
    async def body(face):
        await face.ask("POST", NEW, new_event())
        series = {"series": {"count": 2, "lastObservedTime": "2026-01-01T00:01:00.000000Z"}}
        patched = await face.ask("PATCH", f"{NEW}/new", series, content_type=MERGE)
        assert (patched.status, patched.value["series"]["count"]) == (200, 2)
        assert (await face.ask("GET", f"{CORE}/new")).value["series"]["count"] == 2
        await face.ask("PATCH", f"{CORE}/new", {"message": "changed"}, content_type=MERGE)
        assert (await face.ask("GET", f"{NEW}/new")).value["note"] == "changed"
        assert (await face.ask("DELETE", f"{NEW}/new")).status == 200
        assert (await face.ask("GET", f"{CORE}/new")).status == 404

    on_face(body)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"eventTime": None}, "eventTime"),
        ({"reportingController": "no spaces"}, "reportingController"),
        ({"reportingInstance": "x" * 129}, "reportingInstance"),
        ({"action": ""}, "action"),
        ({"reason": ""}, "reason"),
        ({"note": "x" * 1025}, "message"),
        ({"type": "Bad"}, "type"),
        ({"regarding": {**ABOUT, "namespace": "other"}}, "regarding.namespace"),
    ],
)
def test_what_the_newer_form_asks_for(on_face, changes, field):
    async def ask(face):
        return await face.ask("POST", NEW, new_event(**changes))

    refused = on_face(ask)
    assert (refused.status, [cause["field"] for cause in refused.value["details"]["causes"]]) == (422, [field])


def test_it_is_discovered_and_explained(on_face):
    async def body(face):
        (found,) = (await face.ask("GET", "/apis/events.k8s.io/v1")).value["resources"]
        assert (found["name"], found["kind"], found["shortNames"]) == ("events", "Event", ["ev"])
        document = (await face.ask("GET", "/openapi/v3/apis/events.k8s.io/v1")).value
        assert "io.k8s.api.events.v1.Event" in document["components"]["schemas"]

    on_face(body)
