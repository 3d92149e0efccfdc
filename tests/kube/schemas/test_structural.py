# ruff: noqa: E501 - the API server's messages stand in one piece
"""Structural schemas: what is pruned, what is filled in, and what is told of values that do not fit."""

from __future__ import annotations

import copy

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wherry.kube.schemas.formats import check_of
from wherry.kube.schemas.golang import bad, plain, syntax
from wherry.kube.schemas.listtypes import duplicates
from wherry.kube.schemas.structural import default, prune
from wherry.kube.schemas.structural_rules import causes as schema_causes
from wherry.kube.schemas.validation import validate

TEXT, WHOLE = {"type": "string"}, {"type": "integer"}
OPEN = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
EMBEDDED = {**OPEN, "x-kubernetes-embedded-resource": True}
PORT = {"x-kubernetes-int-or-string": True}
MODE = {"type": "string", "enum": ["a", "b"]}


def of(**properties):
    return {"type": "object", "properties": properties}


@pytest.mark.parametrize(
    ("schema", "before", "after", "gone"),
    [
        (of(a=TEXT), {"a": "1", "b": "2"}, {"a": "1"}, ["b"]),
        (of(), {"apiVersion": "v1", "kind": "K", "metadata": {"x": 1}, "kinds": 1}, None, ["kinds"]),
        (of(spec=of(a=TEXT)), {"spec": {"a": "1", "metadata": 1}}, {"spec": {"a": "1"}}, ["spec.metadata"]),
        (of(spec=OPEN), {"spec": {"anything": {"goes": [1]}}}, None, []),
        (of(spec={**OPEN, **of(a=of(b=TEXT))}), {"spec": {"c": 1, "a": {"b": "1", "x": 2}}}, None, ["spec.a.x"]),
        (
            of(m={"type": "object", "additionalProperties": of(a=TEXT)}),
            {"m": {"k": {"a": "1", "b": 2}}},
            None,
            ["m.k.b"],
        ),
        (of(m={"type": "object", "additionalProperties": True}), {"m": {"k": {"a": 1}, "l": 2}}, None, ["m.k.a"]),
        (of(m={"type": "object"}), {"m": {"k": 1}}, {"m": {}}, ["m.k"]),
        (
            of(i={"type": "array", "items": of(a=TEXT)}),
            {"i": [{"a": "1"}, {"b": 1}]},
            {"i": [{"a": "1"}, {}]},
            ["i[1].b"],
        ),
        (of(t=EMBEDDED), {"t": {"kind": "P", "metadata": {"q": 1}, "spec": {}}}, None, []),
        (
            of(t={**of(a=TEXT), "x-kubernetes-embedded-resource": True}),
            {"t": {"apiVersion": "v1", "metadata": {"labels": {}}, "a": "", "b": 1}},
            {"t": {"apiVersion": "v1", "metadata": {"labels": {}}, "a": ""}},
            ["t.b"],
        ),
        (of(a=TEXT), {"a": {"not": "a text"}}, {"a": {}}, ["a.not"]),
        (of(b=TEXT, a=TEXT), {"z": 1, "y": 1}, {}, ["y", "z"]),
    ],
)
def test_fields_that_are_not_in_the_schema_go(schema, before, after, gone):
    obj, untouched = copy.deepcopy(before), copy.deepcopy(schema)
    assert prune(schema, obj) == gone
    if after is not None:
        assert obj == after
    assert prune(schema, obj) == []
    assert schema == untouched


@pytest.mark.parametrize(
    ("schema", "before", "after"),
    [
        (of(a={**TEXT, "default": "x"}), {}, {"a": "x"}),
        (of(a={**TEXT, "default": "x"}), {"a": "y"}, {"a": "y"}),
        (of(a={**TEXT, "default": "x"}), {"a": None}, {"a": "x"}),
        (of(a={**TEXT, "default": "x", "nullable": True}), {"a": None}, {"a": None}),
        (of(a=TEXT), {"a": None}, {}),
        (of(a={**TEXT, "nullable": True}), {"a": None}, {"a": None}),
        (of(a=of(b={**WHOLE, "default": 1})), {}, {}),
        (of(a={**of(b={**WHOLE, "default": 1}), "default": {}}), {}, {"a": {"b": 1}}),
        (of(a={**of(b={**WHOLE, "default": 1}), "default": {}}), {"a": {"b": 2}}, {"a": {"b": 2}}),
        (
            of(i={"type": "array", "items": of(b={**WHOLE, "default": 0})}),
            {"i": [{}, {"b": 2}]},
            {"i": [{"b": 0}, {"b": 2}]},
        ),
        (
            of(m={"type": "object", "additionalProperties": of(b={**WHOLE, "default": 1})}),
            {"m": {"k": {}}},
            {"m": {"k": {"b": 1}}},
        ),
        (
            of(m={"type": "object", "additionalProperties": {**WHOLE, "default": 1}}),
            {"m": {"k": None}},
            {"m": {"k": 1}},
        ),
        (of(a={"type": "boolean", "default": False}), {}, {"a": False}),
    ],
)
def test_what_is_missing_is_filled_in(schema, before, after):
    obj, untouched = copy.deepcopy(before), copy.deepcopy(schema)
    default(schema, obj)
    assert obj == after
    default(schema, obj)
    assert obj == after
    assert schema == untouched


def test_a_default_is_shared_with_nobody():
    schema = of(a={"type": "array", "items": TEXT, "default": ["x"]})
    first, second = {}, {}
    default(schema, first)
    default(schema, second)
    first["a"].append("y")
    assert second == {"a": ["x"]}
    assert schema["properties"]["a"]["default"] == ["x"]


NO_PATH = "<nil>"
A = "a in body"


@pytest.mark.parametrize(
    ("node", "value", "told"),
    [
        (WHOLE, 1, []),
        (WHOLE, 1.0, []),
        ({"type": "number"}, 1, []),
        (WHOLE, 1.5, [("a", f'Invalid value: "number": {A} must be of type integer: "number"')]),
        (WHOLE, True, [("a", f'Invalid value: "boolean": {A} must be of type integer: "boolean"')]),
        (TEXT, 1, [("a", f'Invalid value: "integer": {A} must be of type string: "integer"')]),
        (TEXT, None, [("a", f'Invalid value: "null": {A} must be of type string: "null"')]),
        ({**TEXT, "nullable": True}, None, []),
        (of(), [], [("a", f'Invalid value: "array": {A} must be of type object: "array"')]),
        (PORT, "http", []),
        (PORT, 80, []),
        (PORT, True, [("a", f'Invalid value: "boolean": {A} must be of type integer,string: "boolean"')]),
        (MODE, "c", [("a", 'Unsupported value: "c": supported values: "a", "b"')]),
        ({**WHOLE, "enum": [1, 2]}, 3, [("a", 'Unsupported value: 3: supported values: "1", "2"')]),
        ({**WHOLE, "minimum": 1}, 0, [("a", f"Invalid value: 0: {A} should be greater than or equal to 1")]),
        (
            {**WHOLE, "minimum": 1, "exclusiveMinimum": True},
            1,
            [("a", f"Invalid value: 1: {A} should be greater than 1")],
        ),
        ({**WHOLE, "maximum": 5}, 6, [("a", f"Invalid value: 6: {A} should be less than or equal to 5")]),
        ({**WHOLE, "maximum": 5, "exclusiveMaximum": True}, 5, [("a", f"Invalid value: 5: {A} should be less than 5")]),
        ({**WHOLE, "multipleOf": 3}, 7, [("a", f"Invalid value: 7: {A} should be a multiple of 3")]),
        ({"type": "number", "multipleOf": 0.5}, 1.25, [("a", f"Invalid value: 1.25: {A} should be a multiple of 0.5")]),
        ({**TEXT, "maxLength": 2}, "äöü", [("a", "Too long: may not be more than 2 bytes")]),
        ({**TEXT, "maxLength": 3}, "äöü", []),
        ({**TEXT, "minLength": 2}, "x", [("a", f'Invalid value: "x": {A} should be at least 2 chars long')]),
        ({**TEXT, "pattern": "^x+$"}, "y", [("a", f"Invalid value: \"y\": {A} should match '^x+$'")]),
        ({**TEXT, "pattern": "b"}, "abc", []),
        ({**TEXT, "format": "date"}, "now", [("a", f'Invalid value: "now": {A} must be of type date: "now"')]),
        ({**TEXT, "format": "no such format"}, "now", []),
        (
            {"type": "array", "items": TEXT},
            ["x", 1],
            [("a[1]", 'Invalid value: "integer": a[1] in body must be of type string: "integer"')],
        ),
        (
            {"type": "array", "items": TEXT, "minItems": 1},
            [],
            [("a", f"Invalid value: 0: {A} should have at least 1 items")],
        ),
        (
            {"type": "array", "items": TEXT, "maxItems": 1},
            ["x", "y"],
            [("a", "Too many: 2: must have at most 1 items")],
        ),
        ({**OPEN, "minProperties": 1}, {}, [("a", f"Invalid value: 0: {A} should have at least 1 properties")]),
        ({**OPEN, "maxProperties": 1}, {"x": 1, "y": 2}, [("a", "Too many: 2: must have at most 1 items")]),
        ({**of(b=TEXT), "required": ["b"]}, {}, [("a.b", "Required value")]),
        (
            {"type": "object", "additionalProperties": WHOLE},
            {"k": "v"},
            [("a.k", 'Invalid value: "string": a.k in body must be of type integer: "string"')],
        ),
        ({**of(b=WHOLE, c=WHOLE), "anyOf": [{"required": ["b"]}, {"required": ["c"]}]}, {"c": 1}, []),
        (
            {**of(b=WHOLE, c=WHOLE), "oneOf": [{"required": ["b"]}, {"required": ["c"]}]},
            {"b": 1, "c": 1},
            [
                (
                    NO_PATH,
                    'Invalid value: "": "a" must validate one and only one schema (oneOf). Found 2 valid alternatives',
                )
            ],
        ),
        (
            {**of(b=WHOLE, c=WHOLE), "oneOf": [{"required": ["b"]}, {"required": ["c"]}]},
            {},
            [
                (NO_PATH, 'Invalid value: "": "a" must validate one and only one schema (oneOf). Found none valid'),
                ("a.b", "Required value"),
            ],
        ),
        (
            {**WHOLE, "anyOf": [{"minimum": 5}, {"maximum": 1}]},
            3,
            [
                (NO_PATH, 'Invalid value: "": "a" must validate at least one schema (anyOf)'),
                ("a", f"Invalid value: 3: {A} should be greater than or equal to 5"),
            ],
        ),
        (
            {**WHOLE, "allOf": [{"minimum": 5}, {"maximum": 10}]},
            3,
            [
                ("a", f"Invalid value: 3: {A} should be greater than or equal to 5"),
                (NO_PATH, 'Invalid value: "": "a" must validate all the schemas (allOf)'),
            ],
        ),
        ({**WHOLE, "not": {"enum": [3]}}, 3, [(NO_PATH, 'Invalid value: "": "a" must not validate the schema (not)')]),
    ],
)
def test_values_that_do_not_fit_are_told(node, value, told):
    assert [(cause.field, cause.message) for cause in validate(node, value, "a")] == told


def test_causes_have_their_reasons():
    schema = {**of(m=MODE, t={**TEXT, "maxLength": 1}, w=WHOLE), "required": ["r"]}
    found = {cause.field: cause.reason for cause in validate(schema, {"m": "x", "t": "xx", "w": ""})}
    assert found == {
        "m": "FieldValueNotSupported",
        "t": "FieldValueTooLong",
        "w": "FieldValueTypeInvalid",
        "r": "FieldValueRequired",
    }


def test_what_an_update_leaves_alone_is_not_held_against_it():
    schema = of(
        spec=of(
            mode=MODE,
            other=WHOLE,
            items={
                "type": "array",
                "items": of(name=TEXT, n={**WHOLE, "minimum": 5}),
                "x-kubernetes-list-type": "map",
                "x-kubernetes-list-map-keys": ["name"],
            },
        )
    )
    old = {"spec": {"mode": "c", "other": 1, "items": [{"name": "x", "n": 1}]}}
    new = copy.deepcopy(old)
    new["spec"]["other"] = 2
    new["spec"]["items"].insert(0, {"name": "y", "n": 6})
    assert validate(schema, new, old=old) == []
    new["spec"]["mode"], new["spec"]["items"][1]["n"] = "d", 2
    assert [cause.field for cause in validate(schema, new, old=old)] == ["spec.mode", "spec.items[1].n"]


@pytest.mark.parametrize(
    ("node", "value", "told"),
    [
        ({"x-kubernetes-list-type": "set", "items": TEXT}, ["a", "b", "a", "a"], [("l[2]", 'Duplicate value: "a"')]),
        ({"x-kubernetes-list-type": "set", "items": WHOLE}, [1, True, 2], []),
        ({"x-kubernetes-list-type": "atomic", "items": TEXT}, ["a", "a"], []),
        (
            {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["n"], "items": of(n=TEXT)},
            [{"n": "x"}, {"n": "y"}, {"n": "x"}],
            [("l[2]", 'Duplicate value: map[string]interface {}{"n":"x"}')],
        ),
        (
            {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["n", "p"], "items": of(n=TEXT, p=WHOLE)},
            [{"n": "x", "p": 1}, {"n": "x", "p": 2}, {"n": "x", "p": 1}],
            [("l[2]", 'Duplicate value: map[string]interface {}{"n":"x", "p":1}')],
        ),
        (
            {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["n"], "items": of(n=TEXT)},
            ["x"],
            [("l[0]", 'Invalid value: "x": must be an object for an array of list-type map')],
        ),
    ],
)
def test_items_that_repeat_others_are_told(node, value, told):
    schema = of(l={"type": "array", **node})
    assert [(cause.field, cause.message) for cause in duplicates(schema, {"l": value})] == told


@pytest.mark.parametrize(
    ("name", "good", "wrong"),
    [
        ("date-time", "2026-01-02T03:04:05Z", "2026-01-02"),
        ("date", "2026-01-02", "2026-13-02"),
        ("duration", "1h30m", "soon"),
        ("ipv4", "10.0.0.1", "::1"),
        ("ipv6", "::1", "10.0.0.1"),
        ("cidr", "10.0.0.0/8", "10.0.0.0"),
        ("uuid", "123e4567-e89b-12d3-a456-426614174000", "123"),
        ("uuid4", "123e4567-e89b-42d3-a456-426614174000", "123e4567-e89b-12d3-a456-426614174000"),
        ("byte", "aGVsbG8=", "*"),
        ("hostname", "a.example.com", "-a-"),
        ("email", "a@example.com", "a"),
        ("uri", "https://example.com/x", "x"),
        ("mac", "00:11:22:33:44:55", "00:11"),
        ("hexcolor", "#ff00ff", "red"),
        ("rgbcolor", "rgb(1,2,3)", "rgb(1,2)"),
        ("isbn", "9780306406157", "9780306406158"),
        ("creditcard", "4111111111111111", "4111111111111112"),
        ("ssn", "111-22-3333", "111"),
        ("bsonobjectid", "507f1f77bcf86cd799439011", "507f"),
        ("k8s-short-name", "a-b", "A"),
        ("k8s-long-name", "a.b", "A."),
    ],
)
def test_formats(name, good, wrong):
    check = check_of(name)
    assert check is not None
    assert check(good)
    assert not check(wrong)


def test_a_hostile_pattern_is_harmless():
    node = {**TEXT, "pattern": "^(a+)+$"}
    assert [cause.reason for cause in validate(node, "a" * 200_000 + "b", "a")] == ["FieldValueInvalid"]
    costly = {**TEXT, "pattern": "[ab]*a[ab]{900}[de]"}
    (cause,) = validate(costly, "ab" * 500_000, "a")
    assert "is too long to be matched with" in cause.message
    many = validate({"type": "array", "items": costly}, ["ab" * 500] * 1000, "a")
    assert sum("is too long" in cause.message for cause in many) > 400
    for pattern in ("(", "a{1001}", "((a{100}){100}){100}", "(?=a)", r"(a)\1"):
        (cause,) = schema_causes(of(a={**TEXT, "pattern": pattern}), "s")
        assert cause.field == "s.properties[a].pattern"


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (None, '"null"'),
        ("x\n", '"x\\n"'),
        (True, "true"),
        (1.5, "1.5"),
        (2.0, "2"),
        (-0.00001, "-1e-05"),
        ([1, {"b": None, "a": "x"}], '[]interface {}{1, map[string]interface {}{"a":"x", "b":interface {}(nil)}}'),
    ],
)
def test_values_are_written_as_go_writes_them(value, words):
    assert bad(value) == words
    assert isinstance(plain(1), str)
    assert isinstance(syntax(value), str)


GOOD_SCHEMA = of(
    spec={
        **of(
            mode={**MODE, "default": "a"},
            port={**PORT, "anyOf": [{"type": "integer"}, {"type": "string"}], "default": 80},
            size={**WHOLE, "minimum": 0, "default": 1},
            names={"type": "array", "items": {**TEXT, "maxLength": 3}, "x-kubernetes-list-type": "set"},
            parts={
                "type": "array",
                "x-kubernetes-list-type": "map",
                "x-kubernetes-list-map-keys": ["n"],
                "items": {**of(n=TEXT, v={**WHOLE, "default": 7}), "required": ["n"]},
            },
            labels={"type": "object", "additionalProperties": {**TEXT, "nullable": True}},
            open=OPEN,
        ),
        "default": {},
    },
    status=OPEN,
)


@pytest.mark.parametrize(
    ("schema", "told"),
    [
        (GOOD_SCHEMA, []),
        ({}, [("s.type", "Required value: must not be empty at the root")]),
        (TEXT, [("s.type", 'Invalid value: "string": must be object at the root')]),
        (of(a={}), [("s.properties[a].type", "Required value: must not be empty for specified object fields")]),
        (of(a={"type": "array"}), [("s.properties[a].items", "Required value: must be specified")]),
        (
            of(a={"type": "array", "items": {}}),
            [("s.properties[a].items.type", "Required value: must not be empty for specified array items")],
        ),
        (
            {**OPEN, "additionalProperties": TEXT},
            [("s.additionalProperties", "Forbidden: must not be used at the root")],
        ),
        (
            {**of(a=TEXT), "anyOf": [{"properties": {"b": {}}}]},
            [("s.properties[b]", "Required value: because it is defined in s.anyOf[0].properties[b]")],
        ),
        (
            of(a={**TEXT, "allOf": [{"type": "string"}]}),
            [("s.properties[a].allOf[0].type", "Forbidden: must be empty to be structural")],
        ),
        (
            of(a={**TEXT, "not": {"default": "x"}}),
            [("s.properties[a].not.default", "Forbidden: must be undefined to be structural")],
        ),
        (
            of(a={**TEXT, "pattern": "("}),
            [
                (
                    "s.properties[a].pattern",
                    'Invalid value: "(": must be a valid regular expression, but isn\'t: error parsing regexp: missing ): (',
                )
            ],
        ),
        (
            of(a={**WHOLE, "default": "x"}),
            [
                (
                    "s.properties[a].default",
                    'Invalid value: "string": s.properties[a].default in body must be of type integer: "string"',
                )
            ],
        ),
        (
            of(a={**of(b=TEXT), "default": {"c": 1}}),
            [
                (
                    "s.properties[a].default",
                    'Invalid value: map[string]interface {}{"c":1}: must not have unknown fields',
                )
            ],
        ),
        (
            of(a={"type": "array", "items": TEXT, "uniqueItems": True}),
            [
                (
                    "s.properties[a].uniqueItems",
                    "Forbidden: uniqueItems cannot be set to true since the runtime complexity becomes quadratic",
                )
            ],
        ),
        (
            of(a={"type": "text"}),
            [
                (
                    "s.properties[a].type",
                    'Unsupported value: "text": supported values: "array", "boolean", "integer", "number", "object", "string"',
                )
            ],
        ),
        (
            of(a={**of(b=TEXT), "additionalProperties": TEXT}),
            [
                (
                    "s.properties[a].additionalProperties",
                    "Forbidden: additionalProperties and properties are mutual exclusive",
                )
            ],
        ),
        (
            of(a={**OPEN, "x-kubernetes-preserve-unknown-fields": False}),
            [
                (
                    "s.properties[a].x-kubernetes-preserve-unknown-fields",
                    "Invalid value: false: must be true or undefined",
                )
            ],
        ),
        (
            of(metadata={"type": "object", "properties": {"labels": OPEN}}),
            [
                (
                    "s.properties[metadata]",
                    "Forbidden: must not specify anything other than name and generateName, but metadata is implicitly specified",
                )
            ],
        ),
        (of(metadata={"type": "object", "properties": {"name": {**TEXT, "maxLength": 5}}}), []),
        (
            of(a={"type": "array", "items": of(n=TEXT), "x-kubernetes-list-type": "map"}),
            [
                (
                    "s.properties[a].x-kubernetes-list-map-keys",
                    "Required value: must not be empty if x-kubernetes-list-type is map",
                )
            ],
        ),
        (
            of(
                a={
                    "type": "array",
                    "items": of(n=TEXT),
                    "x-kubernetes-list-type": "map",
                    "x-kubernetes-list-map-keys": ["n"],
                }
            ),
            [
                (
                    "s.properties[a].items.properties[n].default",
                    "Required value: this property is in x-kubernetes-list-map-keys, so it must have a default or be a required property",
                )
            ],
        ),
        (
            of(a={"type": "array", "items": of(n=TEXT), "x-kubernetes-list-type": "set"}),
            [
                (
                    "s.properties[a].items.x-kubernetes-map-type",
                    'Invalid value: "null": must be atomic as item of a list with x-kubernetes-list-type=set',
                )
            ],
        ),
        (
            of(a={**TEXT, "x-kubernetes-list-type": "set"}),
            [("s.properties[a].type", 'Invalid value: "string": must be array if x-kubernetes-list-type is specified')],
        ),
        (of(a={**TEXT, "$ref": "#/x"}), [("s.properties[a].$ref", "Forbidden: $ref is not supported")]),
        ({**of(), "nullable": True}, [("s.nullable", "Forbidden: nullable cannot be true at the root")]),
        (
            of(a={"type": "object", "x-kubernetes-embedded-resource": True}),
            [
                (
                    "s.properties[a].properties",
                    "Required value: must not be empty if x-kubernetes-embedded-resource is true without x-kubernetes-preserve-unknown-fields",
                )
            ],
        ),
    ],
)
def test_schemas_that_are_not_structural_are_told(schema, told):
    assert [(cause.field, cause.message) for cause in schema_causes(schema, "s")] == told


JSON = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-3, 9),
        st.floats(allow_nan=False, allow_infinity=False),
        st.sampled_from(["a", "b", "c", "longer"]),
    ),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["mode", "port", "n", "v", "x", "spec"]), inner, max_size=3)
    ),
    max_leaves=8,
)
SPECS = st.fixed_dictionaries(
    {},
    optional={
        "mode": st.sampled_from(["a", "b"]) | JSON,
        "port": st.integers() | st.text(max_size=3) | JSON,
        "size": st.integers(-1, 3) | JSON,
        "names": st.lists(st.sampled_from(["a", "b", "long"]), max_size=3) | JSON,
        "parts": st.lists(st.fixed_dictionaries({"n": st.sampled_from(["a", "b"])}, optional={"v": JSON}), max_size=3)
        | JSON,
        "labels": st.dictionaries(st.sampled_from(["k", "l"]), st.none() | st.text(max_size=2)) | JSON,
        "open": JSON,
        "unknown": JSON,
    },
)


@settings(max_examples=150, deadline=None)
@given(st.fixed_dictionaries({}, optional={"spec": SPECS | JSON, "status": JSON, "other": JSON}))
def test_pruning_and_defaulting_keep_what_they_promise(obj):
    pruned = copy.deepcopy(obj)
    prune(GOOD_SCHEMA, pruned)
    assert prune(GOOD_SCHEMA, pruned) == []
    done = copy.deepcopy(pruned)
    default(GOOD_SCHEMA, done)
    again = copy.deepcopy(done)
    default(GOOD_SCHEMA, again)
    assert again == done
    assert prune(GOOD_SCHEMA, again) == []
    if not validate(GOOD_SCHEMA, pruned):
        assert validate(GOOD_SCHEMA, done) == []
    for cause in [*validate(GOOD_SCHEMA, done), *duplicates(GOOD_SCHEMA, done)]:
        assert cause.field
        assert cause.message
