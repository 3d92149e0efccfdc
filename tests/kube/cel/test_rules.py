"""Validation rules of custom resources: what is refused with a definition, what with an object, and in which words."""

from __future__ import annotations

from typing import Any

import pytest

from wherry.kube.cel import rules
from wherry.kube.errors import Cause


def schema(**properties: Any) -> dict[str, Any]:
    """An object with these properties."""
    return {"type": "object", "properties": properties}


def ruled(node: dict[str, Any], *texts: str, **settings: Any) -> dict[str, Any]:
    """The node with rules."""
    return {**node, "x-kubernetes-validations": [{"rule": text, **settings} for text in texts]}


INT, TEXT = {"type": "integer"}, {"type": "string"}


def check(node: dict[str, Any], new: Any, old: Any = None) -> list[Cause]:
    """What the rules of a resource with this spec have against it."""
    compiled = rules.compile(schema(spec=node))
    assert compiled.faults == []
    return compiled.check({"spec": new}, None if old is None else {"spec": old})


def test_a_rule_that_does_not_hold_is_told_in_upstreams_words() -> None:
    node = ruled(schema(min=INT, max=INT), "self.min <= self.max")
    assert check(node, {"min": 1, "max": 2}) == []
    assert check(node, {"min": 3, "max": 2}) == [
        Cause("spec", 'Invalid value: "object": failed rule: self.min <= self.max')
    ]
    assert check(node, {"min": 3}) == [
        Cause("spec", 'Invalid value: "object": no such key: max evaluating rule: self.min <= self.max')
    ]


@pytest.mark.parametrize(
    ("settings", "cause"),
    [
        ({"message": " no. "}, Cause("spec", 'Invalid value: "object": no.')),
        ({"messageExpression": "'x is ' + string(self.x)"}, Cause("spec", 'Invalid value: "object": x is 0')),
        ({"messageExpression": "'  '", "message": "m"}, Cause("spec", 'Invalid value: "object": m')),
        ({"messageExpression": "'a\\nb'"}, Cause("spec", 'Invalid value: "object": failed rule: self.x > 0')),
        ({"messageExpression": "string(1/self.x)"}, Cause("spec", 'Invalid value: "object": failed rule: self.x > 0')),
        ({"fieldPath": ".x", "message": "m"}, Cause("spec.x", 'Invalid value: "object": m')),
        ({"reason": "FieldValueForbidden", "message": "m"}, Cause("spec", "Forbidden: m", "FieldValueForbidden")),
        ({"reason": "FieldValueRequired", "message": "m"}, Cause("spec", "Required value: m", "FieldValueRequired")),
        ({"reason": "FieldValueDuplicate"}, Cause("spec", 'Duplicate value: "object"', "FieldValueDuplicate")),
    ],
)
def test_messages_reasons_and_paths(settings: dict[str, Any], cause: Cause) -> None:
    assert check(ruled(schema(x=INT), "self.x > 0", **settings), {"x": 0}) == [cause]


def test_rules_hold_at_every_level() -> None:
    node = schema(
        list={"type": "array", "items": ruled(INT, "self > 0")},
        map={"type": "object", "additionalProperties": ruled(TEXT, "self != ''")},
        inner=schema(deep=ruled({"type": "boolean"}, "self")),
    )
    found = check(node, {"list": [1, 0], "map": {"a": "", "b": "x"}, "inner": {"deep": False}})
    assert found == [
        Cause("spec.list[1]", 'Invalid value: "integer": failed rule: self > 0'),
        Cause("spec.map[a]", "Invalid value: \"string\": failed rule: self != ''"),
        Cause("spec.inner.deep", 'Invalid value: "boolean": failed rule: self'),
    ]
    assert check(node, {"list": None, "inner": {}}) == []


def test_the_root_sees_type_and_names_and_no_more_of_the_metadata() -> None:
    compiled = rules.compile(ruled(schema(), "self.kind == 'K' && self.metadata.name.startsWith('a')"))
    assert compiled.faults == []
    assert compiled.check({"kind": "K", "metadata": {"name": "abc"}}) == []
    (cause,) = compiled.check({"kind": "K", "metadata": {"name": "b"}})
    assert cause.field == "<nil>"
    (fault,) = rules.compile(ruled(schema(), "has(self.metadata.labels)")).faults
    assert "undefined field 'labels'" in fault.message


def test_transition_rules_hold_for_updates_alone() -> None:
    node = ruled(schema(x=INT), "self.x >= oldSelf.x")
    assert check(node, {"x": 1}) == []
    assert check(node, {"x": 2}, {"x": 1}) == []
    assert check(node, {"x": 1}, {"x": 2}) == [
        Cause("spec", 'Invalid value: "object": failed rule: self.x >= oldSelf.x')
    ]


def test_optional_old_self_is_none_for_a_new_object() -> None:
    rule = "oldSelf.hasValue() ? oldSelf.value().x == self.x : self.x == 0"
    node = ruled(schema(x=INT), rule, optionalOldSelf=True)
    assert check(node, {"x": 0}) == []
    assert len(check(node, {"x": 1})) == 1
    assert check(node, {"x": 5}, {"x": 5}) == []
    assert len(check(node, {"x": 5}, {"x": 4})) == 1


def test_items_of_maps_are_compared_by_their_keys() -> None:
    item = ruled(schema(name=TEXT, x=INT), "self.x == oldSelf.x")
    node = {"type": "array", "items": item, "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]}
    old = [{"name": "a", "x": 1}, {"name": "b", "x": 2}]
    assert check(schema(l=node), {"l": [old[1], {"name": "c", "x": 3}, old[0]]}, {"l": old}) == []
    (cause,) = check(schema(l=node), {"l": [{"name": "b", "x": 3}]}, {"l": old})
    assert cause.field == "spec.l[0]"


def test_what_an_update_leaves_as_it_was_is_not_held_against_it() -> None:
    node = schema(a=ruled(INT, "self > 0"), b=INT)
    assert len(check(node, {"a": 0, "b": 1})) == 1
    assert check(node, {"a": 0, "b": 2}, {"a": 0, "b": 1}) == []
    assert len(check(node, {"a": -1, "b": 1}, {"a": 0, "b": 1})) == 1


@pytest.mark.parametrize(
    ("node", "rule", "value", "holds"),
    [
        (schema(**{"a.b": INT}), "self.a__dot__b == 1", {"a.b": 1}, True),
        (schema(**{"a-b": INT}), "self.a__dash__b == 1", {"a-b": 1}, True),
        (schema(**{"a/b": INT}), "self.a__slash__b == 1", {"a/b": 1}, True),
        (schema(a__b=INT), "self.a__underscores__b == 1", {"a__b": 1}, True),
        (schema(namespace=TEXT), "self.__namespace__ == 'x' && self.namespace == 'x'", {"namespace": "x"}, True),
        (schema(true=INT), "self.__true__ == 1", {"true": 1}, True),
        (schema(p={"x-kubernetes-int-or-string": True}), "type(self.p) == int ? self.p < 9 : self.p.matches('%$')",
         {"p": "5%"}, True),
        (schema(p={"x-kubernetes-int-or-string": True}), "type(self.p) == int ? self.p < 9 : self.p.matches('%$')",
         {"p": 9}, False),
        (schema(n={"type": "number"}), "self.n > 0.5", {"n": 1}, True),
        (schema(t={"type": "string", "format": "date-time"}), "self.t > timestamp('2020-01-01T00:00:00Z')",
         {"t": "2021-01-01T00:00:00+01:00"}, True),
        (schema(t={"type": "string", "format": "date"}), "self.t.getFullYear() == 2021", {"t": "2021-01-01"}, True),
        (schema(d={"type": "string", "format": "duration"}), "self.d < duration('1h')", {"d": "59m"}, True),
        (schema(b={"type": "string", "format": "byte"}), "self.b == b'ab'", {"b": "YWI="}, True),
        (schema(s={"type": "array", "items": TEXT, "x-kubernetes-list-type": "set"}), "self.s == ['b', 'a']",
         {"s": ["a", "b"]}, True),
        (schema(s={"type": "array", "items": TEXT, "x-kubernetes-list-type": "set"}), "(self.s + ['a']).size() == 2",
         {"s": ["a", "b"]}, True),
        (schema(m={"type": "object", "additionalProperties": INT}), "self.m.all(k, self.m[k] > 0) && 'a' in self.m",
         {"m": {"a": 1}}, True),
        (schema(x=INT), "self.?x.orValue(7) == 7", {}, True),
        (schema(o={**schema(x=INT), "nullable": True}), "self.o == null || self.o.x > 0", {"o": None}, True),
    ],
)  # fmt: skip
def test_types_and_names_of_fields(node: dict[str, Any], rule: str, value: Any, holds: bool) -> None:
    assert (check(ruled(node, rule), value) == []) is holds


@pytest.mark.parametrize(
    ("rule", "place", "message"),
    [
        (
            {"rule": "self.y > 1"},
            "rule",
            'Invalid value: apiextensions.ValidationRule{Rule:"self.y > 1", Message:"", MessageExpression:"", '
            'Reason:(*apiextensions.FieldValueErrorReason)(nil), FieldPath:"", OptionalOldSelf:(*bool)(nil)}: '
            "compilation failed: ERROR: <input>:1:5: undefined field 'y'\n | self.y > 1\n | ....^",
        ),
        (
            {"rule": "self.x +"},
            "rule",
            "compilation failed: ERROR: <input>:1:9: Syntax error: mismatched input '<EOF>'",
        ),
        ({"rule": "foo(self.x)"}, "rule", "undeclared reference to 'foo' (in container '')"),
        ({"rule": "self.x == 'a'"}, "rule", "found no matching overload for '_==_' applied to '(int, string)'"),
        ({"rule": "self.x"}, "rule", "cel expression must evaluate to a bool"),
        ({"rule": "self.t.matches('(')"}, "rule", "error parsing regexp: missing ): ("),
        ({"rule": " "}, "rule", "Required value: rule is not specified"),
        ({"rule": "true", "message": "a\nb"}, "message", "message must not contain line breaks"),
        ({"rule": "true", "message": " "}, "message", "must be non-empty if specified"),
        ({"rule": "true", "messageExpression": "1"}, "messageExpression", "must evaluate to a string"),
        ({"rule": "true", "messageExpression": "self.z"}, "messageExpression", "undefined field 'z'"),
        ({"rule": "true", "reason": "Bad"}, "reason", 'Unsupported value: "Bad": supported values: "FieldValueDup'),
        ({"rule": "true", "fieldPath": ".z"}, "fieldPath", "must be a valid path"),
        ({"rule": "self.l.all(i, i > 'a')"}, "rule", "applied to '(int, string)'"),
        ({"rule": "true", "optionalOldSelf": True}, "optionalOldSelf", "may not be set if oldSelf is not used"),
    ],
)
def test_a_definition_with_a_wrong_rule_is_told_where(rule: dict[str, Any], place: str, message: str) -> None:
    node = {**schema(x=INT, t=TEXT, l={"type": "array", "items": INT}), "x-kubernetes-validations": [rule]}
    faults = rules.compile(schema(spec=node)).faults
    prefix = "spec.validation.openAPIV3Schema.properties[spec].x-kubernetes-validations[0]."
    assert [fault.field for fault in faults] == [prefix + place]
    assert message in faults[0].message


def test_items_without_a_past_take_no_transition_rules() -> None:
    node = schema(l={"type": "array", "items": ruled(INT, "self == oldSelf")})
    (fault,) = rules.compile(schema(spec=node)).faults
    where = "spec.validation.openAPIV3Schema.properties[spec].properties[l].items"
    assert fault.message == (
        'Invalid value: "self == oldSelf": oldSelf cannot be used on the uncorrelatable portion of the schema within '
        + where
    )


def test_a_rule_that_costs_too_much_is_stopped() -> None:
    loop = "self.l.all(a, self.l.all(b, self.l.all(c, self.l.all(d, a + b + c + d >= 0))))"
    node = ruled(schema(l={"type": "array", "items": INT}, x=INT), loop, "self.x == 1")
    (cause,) = check(node, {"l": [1] * 100, "x": 2})
    assert cause.message.startswith(
        "Invalid value: \"object\": 'operation cancelled: actual cost limit exceeded': no further validation rules "
        "will be run due to call cost exceeds limit for rule: "
    )


def test_an_object_that_costs_too_much_is_stopped() -> None:
    item = ruled(schema(l={"type": "array", "items": INT}), "self.l.all(a, self.l.all(b, a <= b || a >= b))")
    found = check(schema(m={"type": "array", "items": item}), {"m": [{"l": [1] * 200}] * 1000})
    assert found[-1].message == (
        "Invalid value: validation failed due to running out of cost budget, no further validation rules will be run"
    )
