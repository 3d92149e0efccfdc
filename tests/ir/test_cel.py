"""The expression language: the forms that KFP's compiler writes, CEL's type rules, and nothing that escapes."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wherry.ir import cel

VARIABLES = {
    "inputs": {
        "parameter_values": {"s": "heads", "n": 3, "d": 3.0, "t": "12", "b": True, "l": [1, 2], "m": {"k": "v"}},
        "artifacts": {"model": {"artifacts": [{"metadata": {"accuracy": 0.9}}]}},
    },
    "string_value": '{"a": [1, {"b": "c"}]}',
}


def value(text: str) -> Any:
    return cel.parse(text).evaluate(VARIABLES)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("inputs.parameter_values['s'] == 'heads'", True),
        ("inputs.parameter_values['s'] != 'heads'", False),
        ("int(inputs.parameter_values['t']) >= 12", True),
        ("int(inputs.parameter_values['n']) < int(inputs.parameter_values['t'])", True),
        ("inputs.parameter_values['n'] == double(3)", True),
        ("inputs.parameter_values['b'] == true", True),
        ("!(inputs.parameter_values['s'] == 'tails') && inputs.parameter_values['n'] > 2", True),
        ("!(true) || false", False),
        ("inputs.artifacts['model'].artifacts[0].metadata['accuracy'] > 0.8", True),
        ('parseJson(string_value)["a"][1]["b"]', "c"),
        ("1 + 2 * 3 - 4 / 3", 6),
        ("-7 / 2", -3),
        ("-7 % 3", -1),
        ("7.0 / 2.0", 3.5),
        ("(1 + 2) * 3", 9),
        ("'a' + \"b\\n\"", "ab\n"),
        ("r'\\n'", "\\n"),
        ("'''it's'''", "it's"),
        ("[1, 2] + [3]", [1, 2, 3]),
        ("2 in [1, 2]", True),
        ("'k' in inputs.parameter_values['m']", True),
        ("size('abc') + size([1])", 4),
        ("'abc'.size()", 3),
        ("'abc'.startsWith('ab') && 'abc'.endsWith('c') && 'abc'.contains('b')", True),
        ("true ? 1 : 2", 1),
        ("false ? 1 : true ? 2 : 3", 2),
        ("string(3.0) + string(true)", "3true"),
        ("int(3.9)", 3),
        ("int('-4')", -4),
        ("bool('true')", True),
        ("0x1F", 31),
        ("1e3", 1000.0),
        ("null == null", True),
        ("1 == 1.0", True),
        ("[1] == [1.0]", True),
        ("inputs.parameter_values['m'] == inputs.parameter_values['m']", True),
        ("true // a comment", True),
        ("'int(inputs.parameter_values['n'])' == '3'", True),
        ("'3' != 'int(inputs.parameter_values['n'])' && true", False),
        ("!('inputs.parameter_values['b']' == 'true')", False),
        ("'inputs.parameter_values['d']' < '4'", True),
        ("inputs.parameter_values['l'].exists(x, x == 2) && has(inputs.parameter_values.m.k)", True),
    ],
)
def test_values(text: str, expected: Any) -> None:
    assert value(text) == expected
    assert type(value(text)) is type(expected)


@pytest.mark.parametrize("text", ["1 == true", "'1' == 1", "null == false", "[true] == [1]", "'true' == true"])
def test_different_types_are_never_equal(text: str) -> None:
    assert value(text) is False


@pytest.mark.parametrize(
    ("text", "expected"), [("false && x", False), ("x && false", False), ("true || x", True), ("x || true", True)]
)
def test_one_side_can_decide_when_the_other_has_no_value(text: str, expected: bool) -> None:
    assert value(text) is expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x", "there is no variable 'x'"),
        ("inputs.parameter_values['x'] == 1", "no such key: x"),
        ("true && x", "there is no variable 'x'"),
        ("1 < '2'", "no such overload: int < string"),
        ("true < 1", "no such overload: bool < int"),
        ("1 + 'a'", "no such overload: int + string"),
        ("1 + 1.0", "no such overload: int + double"),
        ("!1", "no such overload: !(int)"),
        ("1 && true", "a bool is needed, not int"),
        ("1 / 0", "division by zero"),
        ("1 % 0", "modulus by zero"),
        ("9223372036854775807 + 1", "integer overflow"),
        ("int('many')", "int('many'): not an integer"),
        ("int(true)", "no such overload: int(bool)"),
        ("double('x')", "double('x'): not a number"),
        ("bool('maybe')", "bool() does not take 'maybe'"),
        ("[1][1]", "index out of bounds: 1"),
        ("'a'[0]", "string has no items"),
        ("parseJson('{')", "parseJson(): not JSON: '{'"),
        ("1 in 2", "no such overload: int in int"),
        ("size(1)", "no such overload: size(int)"),
        ("'a'.contains(1)", "no such overload: contains(string, int)"),
    ],
)
def test_what_has_no_value_says_why(text: str, message: str) -> None:
    with pytest.raises(cel.CELError) as error:
        value(text)
    assert message in error.value.message


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "mismatched input '<EOF>' (column 1)"),
        ("1 +", "mismatched input '<EOF>' (column 4)"),
        ("(1", "mismatched input '<EOF>' expecting ')' (column 3)"),
        ("1 2", "extraneous input '2' (column 3)"),
        ("a = 1", "token recognition error at: '=' (column 3)"),
        ("'abc", "token recognition error at: ''' (column 1)"),
        ("a.1", "column"),
        ("[1].all(1, x > 0)", "argument must be a simple name"),
        ("has(a)", "invalid argument to has() macro (column 4)"),
        ("exec('x')", "undeclared reference to 'exec'"),
        ("'a'.contains()", "contains() does not take 0 arguments"),
        ("99999999999999999999", "integer overflow"),
        ("'\\U00110000'", "is no character"),
        ("(" * 5000 + "1" + ")" * 5000, "nests too deeply"),
        ("!" * 5000 + "true", "nests too deeply"),
        ("1" + " + 1" * 5000, "nests too deeply"),
        ("a" + ".b" * 5000, "nests too deeply"),
        ("x" * 100_001, "more than 100000 are refused"),
    ],
    ids=lambda text: text[:12],
)
def test_what_does_not_parse_says_where(text: str, message: str) -> None:
    with pytest.raises(cel.CELError) as error:
        cel.parse(text)
    assert message in error.value.message


def test_a_long_chain_of_conditions_is_no_deep_one() -> None:
    assert value(" && ".join(["inputs.parameter_values['n'] == 3"] * 1000)) is True


@given(st.text(alphabet="abint01.'\"[]()!&|=<>+-*/%?:, \\", max_size=40))
def test_any_text_has_a_value_or_a_cel_error(text: str) -> None:
    try:
        cel.parse(text).evaluate({"a": 1, "b": [True], "int": "x"})
    except cel.CELError:
        return


@given(st.integers(-(2**31), 2**31), st.integers(-(2**31), 2**31))
def test_integers_are_divided_towards_zero(left: int, right: int) -> None:
    if right:
        quotient, rest = (cel.parse(f"a {symbol} b").evaluate({"a": left, "b": right}) for symbol in "/%")
        assert quotient * right + rest == left
        assert abs(rest) < abs(right)
        assert rest == 0 or (rest < 0) == (left < 0)
