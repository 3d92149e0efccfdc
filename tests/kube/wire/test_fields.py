"""What clients send: fields that nobody knows, that stand twice, of the wrong type; strategic patches."""

from __future__ import annotations

import pytest
from tests.kube.wire.asking import CONFIGMAPS, MERGE

PODS = "/api/v1/namespaces/default/pods"
STRATEGIC = "application/strategic-merge-patch+json"


def pod(**spec):
    container = {"name": "main", "image": "busybox"}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": {"containers": [container], **spec}}


def test_an_unknown_field_is_dropped_and_told(on_face):
    async def body(face):
        made = await face.ask("POST", PODS, pod(colour="red"))
        assert made.status == 201
        assert "colour" not in made.value["spec"]
        assert made.headers["warning"] == '299 - "unknown field \\"spec.colour\\""'
        quiet = await face.ask("POST", PODS, pod(colour="red"), query={"fieldValidation": "Ignore", "dryRun": "All"})
        assert "warning" not in quiet.headers

    on_face(body)


def test_strict_refuses_unknown_and_doubled_fields(on_face):
    async def body(face):
        text = b'{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a"},"data":{"x":"1","x":"2"},"extra":1}'
        refused = await face.ask("POST", CONFIGMAPS, text, query={"fieldValidation": "Strict"})
        assert (refused.status, refused.value["reason"]) == (400, "BadRequest")
        assert refused.value["message"] == (
            'ConfigMap in version "v1" cannot be handled as a ConfigMap: strict decoding error: '
            'duplicate field "data.x", unknown field "extra"'
        )
        made = await face.ask("POST", CONFIGMAPS, text)
        assert made.value["data"] == {"x": "2"}
        change = {"data": {"y": "1"}, "more": 1}
        strict = {"fieldValidation": "Strict"}
        refused = await face.ask("PATCH", f"{CONFIGMAPS}/a", change, query=strict, content_type=MERGE)
        assert refused.status == 422
        assert 'unknown field "more"' in refused.value["message"]
        assert (await face.ask("POST", CONFIGMAPS, text, query={"fieldValidation": "Maybe"})).status == 422

    on_face(body)


@pytest.mark.parametrize("mode", ["Ignore", "Warn", "Strict"])
def test_a_value_of_the_wrong_type_is_always_refused(on_face, mode):
    async def body(face):
        refused = await face.ask("POST", PODS, pod(priority="high"), query={"fieldValidation": mode})
        assert refused.status == 400
        assert refused.value["message"] == (
            'Pod in version "v1" cannot be handled as a Pod: json: cannot unmarshal string into '
            "Go struct field PodSpec.spec.priority of type int32"
        )

    on_face(body)


def test_a_strategic_patch_merges_by_the_real_keys(on_face):
    async def body(face):
        await face.ask("POST", PODS, pod(tolerations=[{"key": "a", "operator": "Exists"}]))
        change = {"spec": {"containers": [{"name": "main", "image": "other"}]}, "metadata": {"labels": {"a": "b"}}}
        patched = await face.ask("PATCH", f"{PODS}/p", change, content_type=STRATEGIC)
        assert patched.status == 200
        assert [item["image"] for item in patched.value["spec"]["containers"]] == ["other"]
        bad = {"spec": {"containers": [{"image": "x"}]}}
        refused = await face.ask("PATCH", f"{PODS}/p", bad, content_type=STRATEGIC)
        assert refused.status == 400
        assert "does not contain declared merge key: name" in refused.value["message"]

    on_face(body)


@pytest.mark.parametrize("body_", [b"k8s\0\xff", b"text", b"k8s\0" + b"\x0a\x02\x0a\x00", b"k8s\0\x12\x05ab"])
def test_bytes_that_are_no_object_are_refused(on_face, body_):
    async def body(face):
        refused = await face.ask("POST", PODS, body_, content_type="application/vnd.kubernetes.protobuf")
        assert (refused.status, refused.value["reason"]) == (400, "BadRequest")

    on_face(body)
