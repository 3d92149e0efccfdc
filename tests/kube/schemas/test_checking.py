"""Fields beside their schema."""

from __future__ import annotations

import pytest

from wherry.kube.schemas import FieldTypeError, builtin, prune

POD = builtin("v1", "Pod")


def test_unknown_fields_are_named_and_removed():
    obj = {
        "apiVersion": "v1",
        "kind": "Pod",
        "extra": 1,
        "spec": {"containers": [{"name": "a", "comand": [], "resources": {"limits": {"cpu": 1, "memory": "1Gi"}}}]},
    }
    assert prune(POD, obj) == ["extra", "spec.containers[0].comand"]
    assert obj["spec"]["containers"] == [{"name": "a", "resources": {"limits": {"cpu": 1, "memory": "1Gi"}}}]


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        (
            {"containers": {}},
            "cannot unmarshal object into Go struct field PodSpec.spec.containers of type []v1.Container",
        ),
        ({"priority": "9"}, "cannot unmarshal string into Go struct field PodSpec.spec.priority of type int32"),
        ({"priority": 1.5}, "cannot unmarshal number 1.5 into Go struct field PodSpec.spec.priority of type int32"),
        ({"hostNetwork": 1}, "cannot unmarshal number into Go struct field PodSpec.spec.hostNetwork of type bool"),
        (
            {"containers": [{"name": "a", "image": 3}]},
            "cannot unmarshal number into Go struct field Container.spec.containers.image of type string",
        ),
        (
            {"nodeSelector": []},
            "cannot unmarshal array into Go struct field PodSpec.spec.nodeSelector of type map[string]string",
        ),
    ],
)
def test_a_value_of_another_type_is_refused(spec, message):
    with pytest.raises(FieldTypeError) as caught:
        prune(POD, {"spec": spec})
    assert str(caught.value) == f"json: {message}"


def test_nothing_and_free_forms_are_let_pass():
    assert prune(POD, {"spec": {"nodeName": None, "containers": None}}) == []
    role = builtin("apps/v1", "ControllerRevision")
    assert prune(role, {"data": {"anything": {"at": ["all"]}}, "revision": 1}) == []


def test_a_kind_that_is_not_ours_has_no_schema():
    assert builtin("example.com/v1", "Pod") is None
