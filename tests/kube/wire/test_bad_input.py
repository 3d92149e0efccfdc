"""What no well-behaved client sends to the wire face: each is a Status of Kubernetes' own, and nothing is left."""

from __future__ import annotations

import asyncio
import gzip
import json
import tempfile
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.kube.wire.asking import CONFIGMAPS, MERGE, opened

from wherry.kube.embedded.history import Window
from wherry.kube.wire.exchange import DISCARDED_BYTES

APPLY = "application/apply-patch+yaml"
SETTINGS = f"{CONFIGMAPS}/settings"
PODS = "/api/v1/namespaces/default/pods"


def config(name="settings", **data):
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}


def nested(depth: int) -> bytes:
    return b'{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a"},"x":' + b"[" * depth + b"]" * depth + b"}"


BOMB = b"a: &a [x, x, x, x]\n" + b"".join(
    b"%c: &%c [*%c, *%c, *%c]\n" % (c, c, c - 1, c - 1, c - 1) for c in b"bcdefghij"
)
LONG = "x" * 100_000

# What is sent: method, path, body, headers; and the code, the reason and a part of the message that answer it.
REFUSED: dict[str, tuple[str, str, Any, dict[str, str], int, str, str]] = {
    "no JSON": ("POST", CONFIGMAPS, b"{", {}, 400, "BadRequest", "cannot be read"),
    "bytes": ("POST", CONFIGMAPS, bytes(range(256)), {}, 400, "BadRequest", "cannot be read"),
    "half a character": ("POST", CONFIGMAPS, b'{"kind": "\xff"}', {}, 400, "BadRequest", "cannot be read"),
    "no object": ("POST", CONFIGMAPS, [config()], {}, 400, "BadRequest", "not an object"),
    "nothing": ("POST", CONFIGMAPS, b"", {}, 400, "BadRequest", "not an object"),
    "another kind": (
        "POST",
        CONFIGMAPS,
        {**config(), "kind": "Secret"},
        {},
        400,
        "BadRequest",
        "cannot be handled as a ConfigMap",
    ),
    "a field of another type": (
        "POST",
        CONFIGMAPS,
        {**config(), "data": [1]},
        {},
        400,
        "BadRequest",
        "cannot unmarshal array into Go struct field ConfigMap.data",
    ),
    "metadata that is text": ("POST", CONFIGMAPS, {**config(), "metadata": "x"}, {}, 400, "BadRequest", "metadata"),
    "a name that is none": ("POST", CONFIGMAPS, config("A B/"), {}, 422, "Invalid", "RFC 1123 subdomain"),
    "a long name": ("POST", CONFIGMAPS, config("a" * 254), {}, 422, "Invalid", "253"),
    "a name of a path": ("GET", f"{CONFIGMAPS}/..%2f..", None, {}, 404, "NotFound", ""),
    "JSON that is nested deeply": ("POST", CONFIGMAPS, nested(500_000), {}, 400, "BadRequest", ""),
    "YAML that is nested deeply": (
        "PATCH",
        f"{SETTINGS}?fieldManager=m",
        b"[" * 100_000,
        {"content_type": APPLY},
        400,
        "BadRequest",
        "nest",
    ),
    "a bomb of aliases": (
        "PATCH",
        f"{SETTINGS}?fieldManager=m",
        BOMB,
        {"content_type": APPLY},
        400,
        "BadRequest",
        "aliases",
    ),
    "an applied list": (
        "PATCH",
        f"{SETTINGS}?fieldManager=m",
        b"[1]",
        {"content_type": APPLY},
        400,
        "BadRequest",
        "error decoding YAML",
    ),
    "a form": (
        "POST",
        CONFIGMAPS,
        b"a=b",
        {"content_type": "application/x-www-form-urlencoded"},
        415,
        "UnsupportedMediaType",
        "application/json, application/yaml, application/vnd.kubernetes.protobuf",
    ),
    "a patch of no kind": ("PATCH", SETTINGS, {}, {}, 415, "UnsupportedMediaType", "application/merge-patch+json"),
    "an apply in CBOR": (
        "PATCH",
        SETTINGS,
        b"x",
        {"content_type": "application/apply-patch+cbor"},
        415,
        "UnsupportedMediaType",
        APPLY,
    ),
    "a compressed body": (
        "POST",
        CONFIGMAPS,
        gzip.compress(json.dumps(config()).encode()),
        {"content_encoding": "gzip"},
        400,
        "BadRequest",
        "Content-Encoding: gzip",
    ),
    "a broken protobuf": (
        "POST",
        CONFIGMAPS,
        b"k8s\0\xff\xff",
        {"content_type": "application/vnd.kubernetes.protobuf"},
        400,
        "BadRequest",
        "cannot be read",
    ),
    "a watch from no version": (
        "GET",
        f"{CONFIGMAPS}?watch=true&resourceVersion=x",
        None,
        {},
        400,
        "BadRequest",
        "resourceVersion",
    ),
    "a selector that is none": ("GET", f"{CONFIGMAPS}?labelSelector=a%20in%20(", None, {}, 400, "BadRequest", ""),
    "a long selector": ("GET", f"{CONFIGMAPS}?labelSelector={LONG}", None, {}, 400, "BadRequest", ""),
    "a selector of many parentheses": (
        "GET",
        f"{CONFIGMAPS}?labelSelector={'a in (' * 10_000}",
        None,
        {},
        400,
        "BadRequest",
        "",
    ),
    "a field selector of no field": ("GET", f"{CONFIGMAPS}?fieldSelector=a.b=c", None, {}, 400, "BadRequest", "a.b"),
    "a limit that is none": ("GET", f"{CONFIGMAPS}?limit=-1", None, {}, 400, "BadRequest", "limit"),
    "a token that is none": ("GET", f"{CONFIGMAPS}?continue=%00", None, {}, 400, "BadRequest", ""),
    "a verb that is none": ("BREW", CONFIGMAPS, None, {}, 405, "MethodNotAllowed", ""),
}


def _split(path: str) -> tuple[str, dict[str, str]]:
    path, _, query = path.partition("?")
    pairs = (item.partition("=") for item in query.split("&") if item)
    return path, {key: value.replace("%20", " ").replace("%00", "\0") for key, _, value in pairs}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused(on_face, name):
    method, path, sent, headers, code, reason, words = REFUSED[name]

    async def body(face):
        place, query = _split(path)
        answer = await face.ask(method, place, sent, query=query, **headers)
        assert (answer.status, answer.value["reason"]) == (code, reason)
        assert words in answer.value["message"]
        assert answer.value["kind"] == "Status"
        assert answer.value["code"] == code
        left = await face.ask("GET", CONFIGMAPS)
        assert left.value["items"] == []

    on_face(body)


def test_fields_that_nobody_knows_are_named(on_face):
    async def body(face):
        warned = await face.ask("POST", CONFIGMAPS, {**config(), "datum": {}})
        assert warned.headers["warning"] == '299 - "unknown field \\"datum\\""'
        strict = await face.ask("POST", CONFIGMAPS, {**config("b"), "datum": {}}, query={"fieldValidation": "Strict"})
        assert (strict.status, "strict decoding error" in strict.value["message"]) == (400, True)

    on_face(body)


def test_what_is_named_in_a_warning_cannot_leave_its_header(on_face):
    async def body(face):
        answer = await face.ask("POST", CONFIGMAPS, {**config(), "a\r\nset-cookie: b\0": 1})
        assert answer.status == 201
        assert "a  set-cookie: b " in answer.headers["warning"]
        assert "set-cookie" not in answer.headers
        accented = "\u00e9" * 2000
        many = {f"{number:03}{accented}": 1 for number in range(100)}
        answer = await face.ask("POST", CONFIGMAPS, {**config("b"), **many})
        assert len(answer.headers["warning"]) < 1100
        assert 'unknown field \\"015' in answer.headers["warning"]  # the last that was told

    on_face(body)


def test_a_big_body_is_kept_to_the_limit_and_its_client_heard_out(on_face):
    mebibyte = {"type": "http.request", "body": b"x" * (1 << 20), "more_body": True}
    bound = DISCARDED_BYTES >> 20

    async def body(face):
        tracemalloc.start()
        try:
            last = [{**mebibyte, "more_body": False}]
            answer, read = await face.send(iter([mebibyte] * 99 + last), CONFIGMAPS, transfer_encoding="chunked")
            _, most = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert (answer.status, answer.value["reason"]) == (413, "RequestEntityTooLarge")
        assert (read, most < 8 << 20) == (100, True)
        answer, read = await face.send((mebibyte for _ in range(9999)), CONFIGMAPS, content_length=str(9999 << 20))
        assert (answer.status, read) == (413, bound)
        assert answer.headers["connection"] == "close"

    on_face(body)


def test_a_slow_body_is_not_waited_for(tmp_path):
    async def main():
        async with opened(tmp_path, body_within_s=0.01) as face:
            first = {"type": "http.request", "body": b"{", "more_body": True}
            answer, _ = await face.send(iter([first]), CONFIGMAPS, transfer_encoding="chunked")
            assert (answer.status, answer.value["reason"]) == (504, "Timeout")

    asyncio.run(main())


def test_a_client_that_leaves_leaves_nothing(on_face):
    async def body(face):
        await face.ask("POST", CONFIGMAPS, config())
        before = len(asyncio.all_tasks())
        for half in ([], [{"type": "http.request", "body": b"{", "more_body": True}]):
            messages = iter([*half, {"type": "http.disconnect"}])
            with pytest.raises(ValueError, match="not enough values"):  # there is no answer
                await face.send(messages, CONFIGMAPS, transfer_encoding="chunked")
        async with face.watching(CONFIGMAPS) as events:
            await anext(events)
        assert len(asyncio.all_tasks()) == before

    on_face(body)


class Unread:
    """A watch whose client takes the head of the answer, and nothing more until `go_on`."""

    def __init__(self, face) -> None:
        self.sent: list[dict[str, Any]] = []
        self._reading = asyncio.Event()
        self._first = [{"type": "http.request", "body": b"", "more_body": False}]
        scope = face._scope("GET", CONFIGMAPS, {"watch": "true", "resourceVersion": face.kube.version}, {})
        self._task = asyncio.ensure_future(face.app(scope, self._receive, self._send))

    async def _receive(self):
        if self._first:
            return self._first.pop()
        await asyncio.Event().wait()

    async def _send(self, message):
        if self.sent:
            await self._reading.wait()  # as a full socket
        self.sent.append(message)

    async def go_on(self) -> list[dict[str, Any]]:
        """Reads to the end."""
        self._reading.set()
        await asyncio.wait_for(self._task, 10)
        return [json.loads(message["body"]) for message in self.sent if message.get("body")]


def test_a_watch_that_is_not_read_costs_nothing_and_ends_with_410(tmp_path):
    async def main():
        async with opened(tmp_path, window=Window(size_bytes=1 << 20)) as face:
            await face.ask("POST", CONFIGMAPS, config())
            watches = [Unread(face) for _ in range(20)]
            await face.ask("PATCH", SETTINGS, {"data": {"n": "first"}}, content_type=MERGE)
            tracemalloc.start()
            try:
                for number in range(200):
                    change = {"data": {"n": str(number), "x": "x" * 100_000}}
                    await face.ask("PATCH", SETTINGS, change, content_type=MERGE)
                held, _ = tracemalloc.get_traced_memory()
            finally:
                tracemalloc.stop()
            assert held < 6 << 20  # of 20 MiB of changes, told to twenty
            for watch in watches:
                events = await watch.go_on()
                assert (events[-1]["type"], events[-1]["object"]["code"]) == ("ERROR", 410)
                assert len(events) <= 2
                assert watch.sent[-1]["more_body"] is False

    asyncio.run(main())


def test_five_hundred_watches(on_face):
    async def body(face):
        async with face.many(CONFIGMAPS, 500) as told:
            await face.ask("POST", CONFIGMAPS, config())
            assert {event["object"]["metadata"]["name"] for event in await told()} == {"settings"}
        assert len(asyncio.all_tasks()) == 1

    on_face(body)


WORDS = [
    "api",
    "apis",
    "v1",
    "apps",
    "namespaces",
    "default",
    "pods",
    "configmaps",
    "replicasets",
    "status",
    "scale",
    "log",
]
SEGMENTS = st.lists(st.one_of(st.sampled_from(WORDS), st.text(max_size=8)), max_size=8)
KEYS = st.sampled_from(
    [
        "watch",
        "limit",
        "continue",
        "labelSelector",
        "fieldSelector",
        "dryRun",
        "force",
        "fieldManager",
        "resourceVersion",
        "resourceVersionMatch",
        "fieldValidation",
        "timeoutSeconds",
        "sendInitialEvents",
    ]
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "apiVersion",
                    "kind",
                    "metadata",
                    "name",
                    "namespace",
                    "labels",
                    "managedFields",
                    "data",
                    "spec",
                    "containers",
                    "template",
                    "op",
                    "path",
                    "value",
                    "status",
                    "finalizers",
                    "ownerReferences",
                    "fieldsV1",
                    "operation",
                ]
            )
            | st.text(max_size=6),
            inner,
            max_size=5,
        )
    ),
    max_leaves=12,
)
TYPES = st.sampled_from(
    [
        "application/json",
        "application/yaml",
        "application/merge-patch+json",
        "application/json-patch+json",
        "application/strategic-merge-patch+json",
        APPLY,
        "application/vnd.kubernetes.protobuf",
        "text/plain",
    ]
)
ROUTES = st.sampled_from(
    [CONFIGMAPS, SETTINGS, PODS, f"{PODS}/p", f"{PODS}/p/status", f"{PODS}/p/log", "/api/v1/namespaces",
     "/api/v1/namespaces/default", "/apis/apps/v1/namespaces/default/replicasets/r/scale", "/api", "/openapi/v3"]
)  # fmt: skip


@pytest.fixture(scope="module")
def folder():
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    method=st.sampled_from(["GET", "POST", "PUT", "PATCH", "DELETE"]),
    path=ROUTES | SEGMENTS.map(lambda words: "/" + "/".join(words)),
    query=st.dictionaries(KEYS, st.sampled_from(["", "1", "true", "m", "All"]) | st.text(max_size=6), max_size=3),
    body=VALUES.map(lambda value: json.dumps(value).encode()) | st.binary(max_size=40),
    content_type=TYPES,
    whole=st.booleans(),
)
def test_no_request_is_a_fault_of_ours(folder, method, path, query, body, content_type, whole):
    if whole and body.startswith(b"{"):  # what passes the first checks
        kind, place = ("Pod", "p") if "pods" in path else ("ConfigMap", "settings")
        said = json.loads(body)
        meta = said.get("metadata") if isinstance(said.get("metadata"), dict) else {}
        body = json.dumps({**said, "apiVersion": "v1", "kind": kind, "metadata": {**meta, "name": place}}).encode()
    query.pop("watch", None)  # it would go on
    query.pop("follow", None)

    async def main():
        async with opened(folder) as face:
            answer = await face.ask(method, path, body, query=query, content_type=content_type)
            assert answer.status < 500 or answer.value["reason"] == "Timeout", (answer.status, answer.body)

    asyncio.run(main())
