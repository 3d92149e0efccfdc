"""Sets of fields: their algebra is that of sets of paths, and what clients spell is read or refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wherry.kube.managedfields import sets
from wherry.kube.managedfields.entries import Entry, Writer, capped
from wherry.kube.managedfields.shapes import builtin_shape
from wherry.kube.managedfields.walks import compare, fields_of, merge, without

PATHS = st.sets(
    st.lists(st.sampled_from(["f:a", "f:b", 'k:{"name":"x"}', 'v:"y"']), min_size=1, max_size=4).map(tuple), max_size=8
)


def of(paths) -> sets.FieldSet:
    found: sets.FieldSet = {}
    for path in paths:
        one: sets.FieldSet = {}
        for element in reversed(path):
            one = {element: one}
        found = sets.union(found, one)
    return found


@given(PATHS, PATHS)
def test_the_algebra_is_that_of_sets_of_paths(left, right):
    a, b = of(left), of(right)
    assert set(sets.paths(a)) == left
    assert set(sets.paths(sets.union(a, b))) == left | right
    assert set(sets.paths(sets.intersection(a, b))) == left & right
    assert set(sets.paths(sets.difference(a, b))) == left - right
    assert (of(left), of(right)) == (a, b)  # nothing was changed


@given(PATHS)
def test_what_is_printed_is_read_back(paths):
    found = of(paths)
    assert sets.parsed(sets.printed(found)) == found


def test_elements_are_read_in_every_spelling():
    said = {"f:m": {'k:{"b": 1, "a": "x"}': {".": {}}, "v: 1": {}, "i:0": {}, "q:new": {}}, ".": {}}
    assert sets.parsed(said) == {"f:m": {'k:{"a":"x","b":1}': {}, "v:1": {}, "i:0": {}}}
    assert [sets.path_text(path) for path in sets.paths(sets.parsed(said))] == ['.m[a="x",b=1]', ".m[=1]", ".m[0]"]


@pytest.mark.parametrize(
    "said", [[], {"a": {}}, {":a": {}}, {"f:a": 1}, {"k:x": {}}, {"k:[]": {}}, {"v:": {}}, {"i:x": {}}]
)
def test_what_is_no_set_is_refused(said):
    with pytest.raises(sets.MalformedFields):
        sets.parsed(said)


def test_a_set_nested_without_end_is_refused():
    said: dict = {}
    for _ in range(500):
        said = {"f:a": said}
    with pytest.raises(sets.MalformedFields):
        sets.parsed(said)


NAMES = st.lists(st.sampled_from("abcdef"), unique=True, max_size=5)


def containers(names) -> dict:
    return {"spec": {"containers": [{"name": name, "image": name} for name in names]}}


@given(NAMES, NAMES)
def test_a_merge_has_all_items_once_and_the_config_in_its_order(live, config):
    shape = builtin_shape("v1", "Pod")
    merged = merge(shape, containers(live), containers(config))["spec"]["containers"]
    names = [each["name"] for each in merged]
    assert sorted(names) == sorted({*live, *config})
    assert [name for name in names if name in config] == config
    assert [name for name in names if name not in config] == [name for name in live if name not in config]


@given(NAMES, NAMES)
def test_what_is_taken_out_is_gone_and_nothing_else(old, new):
    shape = builtin_shape("v1", "Pod")
    before, after = containers(old), containers(new)
    changes = compare(shape, before, after)
    gone = without(shape, before, changes.removed) or {}
    left = [each["name"] for each in (gone.get("spec") or {}).get("containers") or []]
    assert left == [name for name in old if name in new]
    assert sets.difference(fields_of(shape, after), fields_of(shape, before)) == sets.intersection(
        fields_of(shape, after), changes.changed
    )


def test_of_too_many_updaters_the_oldest_become_one():
    managed = {
        Writer(f"u{number:02}", "Update", "v1", ""): Entry("v1", {f"f:{number}": {}}, f"2026-01-01T00:00:{number:02}Z")
        for number in range(13)
    }
    kept = capped(managed)
    assert len(kept) == 10
    assert kept[Writer("ancient-changes", "Update", "v1", "")].fields == {f"f:{number}": {} for number in range(4)}
