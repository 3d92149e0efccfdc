"""The KFP API over a real database with scripted tasks: errors, packages, artifacts and logs, and any input at all."""

from __future__ import annotations

import asyncio
import base64
import io
import json
import tarfile
import zipfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import httpx2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.pipelines.conftest import Lab, component, task
from tests.pipelines.conftest import document as pipeline_document

from wherry.pipelines.rest import make_app
from wherry.pipelines.rest.app import ROUTES, UNSERVED
from wherry.pipelines.rest.context import Context
from wherry.pipelines.rest.packages import document
from wherry.pipelines.rest.refusal import Refusal
from wherry.pipelines.rest.runs import expand
from wherry.testing.inprocess import InProcess

ONE = pipeline_document(
    {"make": task("comp-make")}, {"comp-make": component(outputs={"out": "STRING"}, artifacts=("data",))}
)
ROOT = "/apis/v2beta1"


class Poked:
    """An alarm that counts."""

    def __init__(self) -> None:
        self.pokes = 0

    def poke(self) -> None:
        self.pokes += 1


@asynccontextmanager
async def served(lab: Lab, fetched: str = "") -> AsyncIterator[httpx2.AsyncClient]:
    """A client of the API in this process."""
    async with lab.serving() as pipelines:
        context = Context(lab.db, pipelines, lab.store, lab.clock, lab.ids, Poked(), lambda url: fetched)
        transport = InProcess(make_app(context))
        async with httpx2.AsyncClient(transport=transport, base_url="http://wherry") as client:
            yield client
        while pipelines.busy:
            await asyncio.sleep(0.001)


async def ended(client: httpx2.AsyncClient, run_id: str) -> dict[str, Any]:
    async with asyncio.timeout(10):
        while True:
            run = (await client.get(f"{ROOT}/runs/{run_id}")).json()
            if run["state"] in ("SUCCEEDED", "FAILED"):
                return run
            await asyncio.sleep(0.005)


def test_a_run_its_artifact_and_its_log(lab: Lab, go: Callable[..., Any]) -> None:
    async def main() -> None:
        async with served(lab) as client:
            made = (await client.post(f"{ROOT}/runs", json={"display_name": "r", "pipeline_spec": ONE})).json()
            run = await ended(client, made["run_id"])
            task = next(each for each in run["run_details"]["task_details"] if each["display_name"] == "make")
            id = task["outputs"]["data"]["artifact_ids"][0]
            shown = (await client.get(f"{ROOT}/artifacts/{id}", params={"view": "DOWNLOAD"})).json()
            assert (shown["output"], shown["run_id"], shown["task_id"]) == ("data", run["run_id"], task["task_id"])
            file = await client.get(shown["download_url"])
            assert (file.text, file.headers["content-type"]) == ("content of data", "application/octet-stream")
            assert (file.headers["x-content-type-options"], file.headers["content-security-policy"]) == (
                "nosniff",
                "sandbox",
            )
            assert file.headers["content-disposition"].startswith("attachment")
            node = f"{ROOT}/runs/{run['run_id']}/nodes/{task['task_id']}"
            read = (await client.get(f"{node}/artifacts/data:read")).json()
            assert base64.b64decode(read["data"]) == b"content of data"
            for name in (task["task_id"], task["pod_name"]):
                log = await client.get(f"/apis/v1alpha1/runs/{run['run_id']}/nodes/{name}/log")
                assert (log.text, log.headers["content-type"]) == ("log of make 1-0\n", "text/plain; charset=utf-8")
            listed = (await client.get(f"{ROOT}/artifacts")).json()
            assert [each["artifact_id"] for each in listed["artifacts"]] == [id]

    go(main)


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "message"),
    [
        ("GET", "/runs/nothing", None, 404, "Run nothing not found."),
        ("POST", "/runs", {"color": "red"}, 400, "unknown field 'color'"),
        ("POST", "/runs", {"displayName": 3}, 400, "expected 'str', got 'int' - at '$.displayName'"),
        ("POST", "/runs", {"display_name": "r"}, 400, "either a pipeline_spec or a pipeline_version_reference"),
        ("POST", "/runs", {"pipeline_spec": {"root": {}}}, 400, "pipeline_spec: "),
        ("POST", "/runs", {"pipeline_version_reference": {"pipeline_id": "x"}}, 404, "Pipeline x not found."),
        ("POST", "/runs", {"pipeline_spec": ONE, "experiment_id": "x"}, 404, "Experiment x not found."),
        ("POST", "/runs", {"pipeline_spec": ONE, "plugins_input": {"a": 1}}, 400, "plugins_input: "),
        ("POST", "/experiments", {}, 400, "display_name: "),
        ("POST", "/experiments", b"{", 400, "not JSON"),
        ("POST", "/experiments", b"\xff", 400, "not JSON"),
        ("POST", "/experiments", [], 400, "expected 'object', got 'array'"),
        ("POST", "/pipelines", {"name": ""}, 400, "name: "),
        ("POST", "/pipelines", {"name": "a", "tags": {"": "b"}}, 400, "tags: "),
        ("GET", "/runs?page_size=x", None, 400, "page_size: "),
        ("GET", "/runs?filter=%7B", None, 400, "filter: "),
        ("GET", '/runs?filter={"predicates":[{"operation":4,"key":"state"}]}', None, 400, "unknown operation 4"),
        ("GET", '/runs?filter={"predicates":[{"operation":1,"key":"state"}]}', None, 400, "exactly one value"),
        ("GET", "/runs?sort_by=metric:a'b", None, 400, "not the name of a metric"),
        ("GET", "/artifacts/1?view=SHOUT", None, 400, "view: "),
        ("GET", "/artifacts/x", None, 404, "Artifact x not found."),
        ("POST", "/recurringruns", {"display_name": "r", "pipeline_spec": ONE}, 400, "trigger: "),
        ("GET", "/auth", None, 501, "AuthService"),
        ("POST", "/workflows", {}, 501, "ReportService"),
        ("GET", "/nowhere", None, 404, "Not Found"),
        ("PUT", "/runs", {}, 501, "Method Not Allowed"),
    ],
)
def test_refusals(
    lab: Lab, go: Callable[..., Any], method: str, path: str, body: Any, status: int, message: str
) -> None:
    async def main() -> None:
        async with served(lab) as client:
            content = body if isinstance(body, bytes) else None if body is None else json.dumps(body).encode()
            answer = await client.request(method, f"{ROOT}{path}", content=content)
            found = answer.json()
            assert (answer.status_code, message in found["message"]) == (status, True), found
            assert found["details"][0]["code"] == found["code"]

    go(main)


def test_every_route_of_the_swagger_is_served_or_says_that_it_is_not(lab: Lab, go: Callable[..., Any]) -> None:
    async def main() -> None:
        async with served(lab) as client:
            for verb, path, _ in (*ROUTES, *UNSERVED):
                answer = await client.request(verb, ROOT + path.replace("{", "").replace("}", ""), content=b"{}")
                assert answer.status_code in (200, 400, 404, 501), (verb, path, answer.text)
                assert (answer.status_code == 501) == ((verb, path) in {each[:2] for each in UNSERVED}), (verb, path)

    go(main)


def test_a_version_by_url_and_a_pipeline_with_its_version(lab: Lab, go: Callable[..., Any]) -> None:
    async def main() -> None:
        async with served(lab, json.dumps(ONE)) as client:
            version = {"package_url": {"pipeline_url": "https://example.com/p.yaml"}, "display_name": "first"}
            both = {"pipeline": {"display_name": "p"}, "pipeline_version": version}
            made = (await client.post(f"{ROOT}/pipelines/create", json=both)).json()
            found = (await client.get(f"{ROOT}/pipelines/names/p")).json()
            assert found["pipeline_id"] == made["pipeline_id"]
            reference = {"pipeline_version_reference": {"pipeline_id": made["pipeline_id"]}}
            run = (await client.post(f"{ROOT}/runs", json={"display_name": "r", **reference})).json()
            assert (await ended(client, run["run_id"]))["state"] == "SUCCEEDED"
            again = await client.post(f"{ROOT}/pipelines/create", json=both)
            assert (again.status_code, again.json()["code"]) == (409, 6)
            patched = await client.patch(f"{ROOT}/pipelines/{made['pipeline_id']}", json={"description": "new"})
            assert (patched.json()["description"], patched.json()["name"]) == ("new", "p")
            gone = await client.delete(f"{ROOT}/pipelines/{made['pipeline_id']}", params={"cascade": "true"})
            assert gone.status_code == 200
            assert (await client.get(f"{ROOT}/runs/{run['run_id']}")).status_code == 200

    go(main)


@pytest.mark.parametrize("name", ["p.yaml", "p.zip", "p.tar.gz"])
def test_uploads(lab: Lab, go: Callable[..., Any], name: str) -> None:
    text = json.dumps(ONE).encode()
    data = {"p.yaml": text, "p.zip": zipped({"pipeline.yaml": text}), "p.tar.gz": tarred({"a/pipeline.yaml": text})}

    async def main() -> None:
        async with served(lab) as client:
            files = {"uploadfile": (name, data[name])}
            made = await client.post(f"{ROOT}/pipelines/upload", params={"name": "p", "tags": '{"a":"b"}'}, files=files)
            assert (made.status_code, made.json()["tags"]) == (200, {"a": "b"})
            again = await client.post(f"{ROOT}/pipelines/upload", params={"name": "p"}, files=files)
            assert (again.status_code, "taken" in again.json()["error_message"]) == (409, True)
            none = await client.post(f"{ROOT}/pipelines/upload", params={"name": "q"})
            assert (none.status_code, "uploadfile" in none.json()["error_message"]) == (400, True)

    go(main)


def zipped(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def tarred(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        pytest.param(lambda: b"PK\x03\x04nonsense", "cannot be read", id="no zip"),
        pytest.param(lambda: b"\x1f\x8bnonsense", "cannot be read", id="no gzip"),
        pytest.param(lambda: zipped({"a.yaml": b"{}", "b.yaml": b"{}"}), "must hold one pipeline", id="two"),
        pytest.param(lambda: tarred({"a.txt": b"{}"}), "must hold one pipeline", id="none"),
        pytest.param(lambda: zipped({"pipeline.yaml": bytes(65 << 20)}), "more than 64 MiB", id="zip bomb"),
        pytest.param(lambda: tarred({"pipeline.yaml": bytes(130 << 20)}), "more than 128 MiB unpacked", id="gzip bomb"),
        pytest.param(lambda: b"a: &a [x, x]\nb: [*a, *a]", "pipeline_spec: ", id="aliases"),
        pytest.param(lambda: b"- a", "pipeline_spec: ", id="a list"),
        pytest.param(lambda: b"\xff\xfe", "pipeline_spec: ", id="no text"),
    ],
)
def test_packages_that_are_none_are_refused(make: Callable[[], bytes], message: str) -> None:
    with pytest.raises(Refusal, match=message):
        document(make())


def test_macros_in_arguments() -> None:
    given_ = {
        "a": "[[RunUUID]]-[[Index]]",
        "b": "[[ScheduledTime]]",
        "c": "[[CurrentTime.2006-01-02 15:04:05]]",
        "d": 1,
    }
    found = expand(given_, run_id="id", now=1_767_323_045.0, scheduled=0.0, index=7)
    assert found == {"a": "id-7", "b": "19700101000000", "c": "2026-01-02 03:04:05", "d": 1}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
NAMES = (
    "display_name",
    "name",
    "experiment_id",
    "pipeline_spec",
    "runtime_config",
    "trigger",
    "mode",
    "max_concurrency",
    "tags",
    "package_url",
    "pipeline_version_reference",
    "scheduled_at",
)
BODY = st.dictionaries(st.sampled_from(NAMES), JSON, max_size=4) | JSON
QUERY = st.dictionaries(
    st.sampled_from(("page_size", "page_token", "sort_by", "filter", "namespace", "experiment_id", "view")),
    st.text(max_size=12) | st.sampled_from(('{"predicates":[{"operation":1,"key":"name","stringValue":"x"}]}', "name")),
    max_size=3,
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(asked=st.lists(st.tuples(st.sampled_from(ROUTES), BODY, QUERY, st.text(max_size=6)), max_size=30))
def test_no_input_is_a_fault_of_ours(
    make_lab: Callable[[Path], Lab], tmp_path_factory: pytest.TempPathFactory, asked: list[Any]
) -> None:
    lab = make_lab(tmp_path_factory.mktemp("lab"))

    async def main() -> None:
        async with served(lab) as client:
            for (verb, path, _), body, query, name in asked:
                place = path
                for key in ("id", "version", "node", "name"):
                    place = place.replace(f"{{{key}}}", quote(name, safe="") or "x")
                url = f"{ROOT}{place}?{urlencode(query)}"
                answer = await client.request(verb, url, content=json.dumps(body).encode())
                assert answer.status_code != 500, (verb, path, body, query, answer.text)
        lab.db.close()

    asyncio.run(main())
