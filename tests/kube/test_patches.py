"""Patches: the examples of the RFCs, and laws."""

import copy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wherry.kube.patches import MalformedPatch, PatchFailed, apply, merge, merge_patch, same

SCALARS = st.one_of(st.none(), st.booleans(), st.integers(-3, 3), st.text("ab/~", max_size=3))
SOLID = st.one_of(st.booleans(), st.integers(-3, 3), st.text("ab/~", max_size=3))
KEYS = st.text("ab/~0", max_size=3)


def json(leaves):
    return st.recursive(
        leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3), max_leaves=8
    )


def objects(leaves):
    return st.dictionaries(KEYS, st.recursive(leaves, lambda i: st.dictionaries(KEYS, i, max_size=3)), max_size=4)


# RFC 7386, appendix A.
@pytest.mark.parametrize(
    ("original", "patch", "result"),
    [
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b"}, {"a": None}, {}),
        ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
        (["a", "b"], ["c", "d"], ["c", "d"]),
        ({"a": "b"}, ["c"], ["c"]),
        ({"a": "foo"}, None, None),
        ({"a": "foo"}, "bar", "bar"),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
        ([1, 2], {"a": "b", "c": None}, {"a": "b"}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
    ],
)
def test_merge_examples(original, patch, result):
    assert merge(original, patch) == result


@given(json(SCALARS), json(SCALARS))
def test_merge_changes_neither_argument_and_is_idempotent(target, patch):
    before = copy.deepcopy((target, patch))
    once = merge(target, patch)
    assert same(merge(once, patch), once)
    assert (target, patch) == before


@given(objects(SOLID), objects(SOLID))
def test_a_difference_as_a_patch_leads_from_one_to_the_other(before, after):
    patch = merge_patch(before, after)
    assert same(merge(before, patch), after)
    assert bool(patch) is not same(before, after)


@given(objects(SOLID), objects(SCALARS))
def test_a_patch_decides_its_own_members_and_no_others(target, patch):
    result = merge(target, patch)
    for key in target.keys() | patch.keys():
        if key not in patch:
            assert same(result[key], target[key])
        elif patch[key] is None:
            assert key not in result
        elif not isinstance(patch[key], dict):
            assert same(result[key], patch[key])


# RFC 6902, appendix A.
@pytest.mark.parametrize(
    ("target", "patch", "result"),
    [
        ({"foo": "bar"}, [{"op": "add", "path": "/baz", "value": "qux"}], {"baz": "qux", "foo": "bar"}),
        ({"foo": ["bar", "baz"]}, [{"op": "add", "path": "/foo/1", "value": "qux"}], {"foo": ["bar", "qux", "baz"]}),
        ({"baz": "qux", "foo": "bar"}, [{"op": "remove", "path": "/baz"}], {"foo": "bar"}),
        ({"foo": ["bar", "qux", "baz"]}, [{"op": "remove", "path": "/foo/1"}], {"foo": ["bar", "baz"]}),
        ({"baz": "q", "foo": "b"}, [{"op": "replace", "path": "/baz", "value": "boo"}], {"baz": "boo", "foo": "b"}),
        (
            {"foo": {"bar": "baz", "waldo": "fred"}, "qux": {"corge": "grault"}},
            [{"op": "move", "from": "/foo/waldo", "path": "/qux/thud"}],
            {"foo": {"bar": "baz"}, "qux": {"corge": "grault", "thud": "fred"}},
        ),
        (
            {"foo": ["all", "grass", "cows", "eat"]},
            [{"op": "move", "from": "/foo/1", "path": "/foo/3"}],
            {"foo": ["all", "cows", "eat", "grass"]},
        ),
        ({"foo": "bar"}, [{"op": "add", "path": "/child", "value": {"g": {}}}], {"foo": "bar", "child": {"g": {}}}),
        ({"foo": ["bar"]}, [{"op": "add", "path": "/foo/-", "value": ["abc"]}], {"foo": ["bar", ["abc"]]}),
        ({"/": 9, "~1": 10}, [{"op": "test", "path": "/~01", "value": 10}], {"/": 9, "~1": 10}),
        ({"a": 1}, [{"op": "replace", "path": "", "value": [1]}], [1]),
        ({"a": {"b": [1, {"c": 2}]}}, [{"op": "replace", "path": "/a/b/1/c", "value": 3}], {"a": {"b": [1, {"c": 3}]}}),
        ({"a": 1}, [{"op": "copy", "from": "/a", "path": "/b"}], {"a": 1, "b": 1}),
        ({"": 1}, [{"op": "test", "path": "/", "value": 1.0}], {"": 1}),
    ],
)
def test_json_patch_examples(target, patch, result):
    before = copy.deepcopy(target)
    assert apply(target, patch) == result
    assert target == before


@pytest.mark.parametrize(
    ("operation", "error"),
    [
        ({"op": "add", "path": "/baz/bat", "value": "qux"}, PatchFailed),
        ({"op": "test", "path": "/foo", "value": "other"}, PatchFailed),
        ({"op": "test", "path": "/one", "value": True}, PatchFailed),
        ({"op": "remove", "path": ""}, PatchFailed),
        ({"op": "remove", "path": "/list/-"}, PatchFailed),
        ({"op": "add", "path": "/list/5", "value": 1}, PatchFailed),
        ({"op": "add", "path": "/list/01", "value": 1}, PatchFailed),
        ({"op": "add", "path": "/foo/0", "value": 1}, PatchFailed),
        ({"op": "move", "from": "/deep", "path": "/deep/er"}, PatchFailed),
        ({"op": "replace", "path": "/list/٣", "value": 1}, PatchFailed),
        ({"op": "add", "path": "baz", "value": 1}, MalformedPatch),
        ({"op": "add", "path": "/baz"}, MalformedPatch),
        ({"op": "add", "value": 1}, MalformedPatch),
        ({"op": "copy", "path": "/baz"}, MalformedPatch),
        ({"op": "spam", "path": "/baz"}, MalformedPatch),
        ("add", MalformedPatch),
    ],
)
def test_json_patches_that_fail(operation, error):
    target = {"foo": "bar", "one": 1, "list": [1, 2], "deep": {"a": 1}}
    with pytest.raises(error):
        apply(target, [{"op": "add", "path": "/x", "value": 1}, operation])
    with pytest.raises(MalformedPatch):
        apply(target, operation)
    assert target == {"foo": "bar", "one": 1, "list": [1, 2], "deep": {"a": 1}}


def pointer(path):
    return "".join("/" + str(token).replace("~", "~0").replace("/", "~1") for token in path)


def paths(value, path=()):
    yield path
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, child in children:
        yield from paths(child, (*path, key))


@given(json(SCALARS), json(SCALARS), st.data())
def test_what_was_put_somewhere_is_there(target, value, data):
    path = data.draw(st.sampled_from(list(paths(target))))
    operations = [
        {"op": "replace", "path": pointer(path), "value": value},
        {"op": "test", "path": pointer(path), "value": value},
    ]
    result = apply(target, operations)
    if path:
        without = [{"op": "remove", "path": pointer(path)}]
        back = [{"op": "add", "path": pointer(path), "value": value}]
        assert same(apply(apply(result, without), back), result)
