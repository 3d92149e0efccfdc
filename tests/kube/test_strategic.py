"""Strategic merges: Kubernetes' own merge keys and directives."""

from __future__ import annotations

import copy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wherry.kube.patches import MalformedPatch
from wherry.kube.schemas import builtin
from wherry.kube.strategic import merge

POD = builtin("v1", "Pod")


def pod(*containers, **spec):
    return {"spec": {"containers": list(containers), **spec}}


def test_containers_are_merged_by_name_and_stay_in_place():
    target = pod({"name": "a", "image": "one"}, {"name": "b", "image": "two", "env": [{"name": "X", "value": "1"}]})
    change = pod({"name": "b", "env": [{"name": "Y", "value": "2"}]}, {"name": "c", "image": "three"})
    merged = merge(target, change, POD)
    assert [item["name"] for item in merged["spec"]["containers"]] == ["a", "b", "c"]
    assert merged["spec"]["containers"][1]["env"] == [{"name": "X", "value": "1"}, {"name": "Y", "value": "2"}]


def test_an_item_is_deleted_by_its_key():
    target = pod({"name": "a"}, {"name": "b"})
    assert merge(target, pod({"name": "a", "$patch": "delete"}), POD) == pod({"name": "b"})


def test_a_list_or_an_object_is_replaced_when_that_is_said():
    target = pod({"name": "a"}, nodeSelector={"disk": "ssd"})
    change = pod({"$patch": "replace"}, {"name": "z"}, nodeSelector={"$patch": "replace", "zone": "1"})
    assert merge(target, change, POD) == pod({"name": "z"}, nodeSelector={"zone": "1"})


def test_the_order_that_is_set_holds_for_what_it_names():
    target = pod({"name": "a"}, {"name": "server"}, {"name": "b"})
    change = {"spec": {"$setElementOrder/containers": [{"name": "b"}, {"name": "a"}, {"name": "n"}]}}
    change["spec"]["containers"] = [{"name": "n"}]
    names = [item["name"] for item in merge(target, change, POD)["spec"]["containers"]]
    assert [name for name in names if name != "server"] == ["b", "a", "n"]
    assert "server" in names


def test_plain_values_are_added_and_deleted():
    target = {"metadata": {"finalizers": ["x/a", "x/b"]}}
    assert merge(target, {"metadata": {"finalizers": ["x/c", "x/a"]}}, POD)["metadata"]["finalizers"] == [
        "x/a",
        "x/b",
        "x/c",
    ]
    change = {"metadata": {"$deleteFromPrimitiveList/finalizers": ["x/a"]}}
    assert merge(target, change, POD) == {"metadata": {"finalizers": ["x/b"]}}


def test_only_what_is_retained_stays():
    target = {"spec": {"volumes": [{"name": "v", "emptyDir": {}}]}}
    change = {"spec": {"volumes": [{"name": "v", "$retainKeys": ["name", "hostPath"], "hostPath": {"path": "/"}}]}}
    assert merge(target, change, POD) == {"spec": {"volumes": [{"name": "v", "hostPath": {"path": "/"}}]}}
    with pytest.raises(MalformedPatch, match="retainKeys"):
        merge(target, {"spec": {"$retainKeys": ["a"], "b": 1}}, POD)


def test_lists_that_have_no_key_are_replaced():
    target = pod({"name": "a", "args": ["1", "2"]})
    assert merge(target, pod({"name": "a", "args": ["3"]}), POD) == pod({"name": "a", "args": ["3"]})


@pytest.mark.parametrize("change", [pod({"image": "x"}), pod("text"), {"$patch": "other"}])
def test_a_patch_that_is_none_is_refused(change):
    with pytest.raises(MalformedPatch):
        merge(pod({"name": "a"}), change, POD)


NAMES = st.sampled_from(["a", "b", "c", "d"])
CONTAINERS = st.lists(
    st.fixed_dictionaries({"name": NAMES}, optional={"image": NAMES, "args": st.lists(NAMES)}),
    unique_by=lambda item: item["name"],
)


@given(CONTAINERS, CONTAINERS)
def test_a_merge_changes_no_argument_and_is_idempotent(before, change):
    target, patch = pod(*before), pod(*change)
    kept = copy.deepcopy((target, patch))
    once = merge(target, patch, POD)
    assert (target, patch) == kept
    assert merge(once, patch, POD) == once
    names = [item["name"] for item in once["spec"]["containers"]]
    assert names[: len(before)] == [item["name"] for item in before]
    assert set(names) == {item["name"] for item in [*before, *change]}


@given(CONTAINERS, st.permutations(["a", "b", "c", "d"]))
def test_an_order_loses_and_makes_nothing(before, order):
    change = {"spec": {"$setElementOrder/containers": [{"name": name} for name in order]}}
    merged = merge(pod(*before), change, POD)["spec"]["containers"]
    assert merged == sorted(before, key=lambda item: order.index(item["name"]))
