"""The language, after the public specification: values, errors, operators, macros, conversions, types."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wherry.cel.errors import CELError, CompileError, CostExceeded, NoValue
from wherry.cel.expressions import Environment
from wherry.cel.standard import STANDARD
from wherry.cel.strings import STRINGS
from wherry.cel.values import Duration, Optional, Timestamp, TypeName, UInt, equal, type_of

CEL = Environment([*STANDARD, *STRINGS])
SECOND = 10**9


def value(text: str, **variables: Any) -> Any:
    return CEL.compile(text).evaluate(variables)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # literals
        ("0x1F", 31),
        ("-0x10", -16),
        ("7u", UInt(7)),
        ("0xFFu", UInt(255)),
        ("1.5e-3", 0.0015),
        (".5", 0.5),
        ("-9223372036854775808", -(2**63)),
        ("18446744073709551615u", UInt(2**64 - 1)),
        ("'a\\n\\x41\\u00e9\\U0001F600\\101'", "a\nAé😀A"),
        ("r'\\n'", "\\n"),
        ('"""a\n"b\'"""', "a\n\"b'"),
        ("b'\\xff\\303a'", b"\xff\xc3a"),
        ("b'é'", "é".encode()),
        ("rb'\\x'", b"\\x"),
        ("null", None),
        ("[1, 'a', [true,],]", [1, "a", [True]]),
        ("{'a': 1, 2: 'b', true: null,}", {"a": 1, 2: "b", True: None}),
        # arithmetic
        ("1 + 2 * 3 - 4 / 3 % 5", 6),
        ("-7 / 2", -3),
        ("-7 % 3", -1),
        ("7u / 2u", UInt(3)),
        ("1.0 / 0.0", math.inf),
        ("-1.0 / 0.0", -math.inf),
        ("7.5 - 2.5 * 2.0", 2.5),
        ("'a' + 'b'", "ab"),
        ("b'a' + b'b'", b"ab"),
        ("[1] + [2u]", [1, UInt(2)]),
        ("-(1 - 3)", 2),
        ("- - 3", 3),
        ("!!false", False),
        # comparison
        ("1 == 1.0 && 1u == 1 && 1.0 == 1u", True),
        ("1 < 1.5 && 2u > 1 && -1 < 0u", True),
        ("'a' < 'b'", True),
        ("b'a' <= b'a'", True),
        ("false < true", True),
        ("1 == '1'", False),
        ("[1, 2] == [1.0, 2u]", True),
        ("{'a': [1]} == {'a': [1.0]}", True),
        ("{'a': 1} != {'b': 1}", True),
        ("0.0 / 0.0 == 0.0 / 0.0", False),
        ("null == 0", False),
        ("true == 1", False),
        ("[true] == [1]", False),
        ("9223372036854775807 == 9223372036854775807.0", False),
        ("9007199254740993 > 9007199254740992.0", True),
        # in, index, select, has
        ("2 in [1, 2.0]", True),
        ("'a' in {'a': 1}", True),
        ("1 in {1u: 'x'}", True),
        ("true in {1: 'x'}", False),
        ("[1, 2, 3][1]", 2),
        ("[1, 2][1.0]", 2),
        ("[1, 2][1u]", 2),
        ("{'a': {'b': 7}}.a.b", 7),
        ("{1: 2}[1.0]", 2),
        ("{0: 'a'}[0u]", "a"),
        ("has({'a': 1}.a)", True),
        ("has({'a': 1}.b)", False),
        ("{'in': 1}['in']", 1),
        ("{'a-b': 1}.`a-b`", 1),
        # logic absorbs errors
        ("false && 1 / 0 > 0", False),
        ("1 / 0 > 0 && false", False),
        ("true || 1 / 0 > 0", True),
        ("1 / 0 > 0 || true", True),
        ("true ? 1 : 1 / 0", 1),
        ("false ? 1 / 0 : true ? 2 : 3", 2),
        # macros
        ("[1, 2].all(x, x > 0)", True),
        ("[].all(x, false)", True),
        ("[1, 0].all(x, 1 / x > 1)", False),
        ("[0, 1].exists(x, 1 / x == 1)", True),
        ("[1, 2, 1].exists_one(x, x == 2)", True),
        ("[1, 2, 1].exists_one(x, x == 1)", False),
        ("[1, 2, 3].filter(x, x > 1)", [2, 3]),
        ("[1, 2, 3].map(x, x > 1, x * 10)", [20, 30]),
        ("{'a': 1, 'b': 2}.map(k, k)", ["a", "b"]),
        ("{'a': 1}.all(k, k == 'a')", True),
        ("[[1, 2], [3]].map(l, l.map(x, x + 1))", [[2, 3], [4]]),
        ("[1, 2].map(x, [x].map(x, x * 2)[0] + x)", [3, 6]),
        ("[1, 2].all(i, x, i < x)", True),
        ("{'a': 1}.exists(k, v, k == 'a' && v == 1)", True),
        ("[5, 6].transformList(i, x, i + x)", [5, 7]),
        ("{'a': 1, 'b': 2}.transformMap(k, v, v > 1, v * 2)", {"b": 4}),
        ("{'a': 1, 'b': 2}.filter(k, k != 'a')", ["b"]),
        # optionals
        ("optional.of(1).hasValue()", True),
        ("optional.none().orValue(2)", 2),
        ("{'a': 1}.?a.value()", 1),
        ("{'a': 1}.?b.hasValue()", False),
        ("{'a': {'b': 1}}.?a.b.orValue(0)", 1),
        ("{}.?a.b.orValue(0)", 0),
        ("[1][?0].orValue(9)", 1),
        ("[1][?1].orValue(9)", 9),
        ("{'a': 1}[?'b'].or(optional.of(3)).value()", 3),
        ("optional.of(2).optMap(x, x * 2).value()", 4),
        ("optional.none().optMap(x, 1 / 0).hasValue()", False),
        ("optional.of({'a': 1}).optFlatMap(x, x.?a).value()", 1),
        ("[?optional.none(), ?optional.of(1)]", [1]),
        ("{?'a': optional.none(), 'b': 1}", {"b": 1}),
        ("optional.ofNonZeroValue('').hasValue()", False),
        ("optional.of(1) == optional.of(1.0) && optional.none() == optional.none()", True),
        ("has({'a': {'b': 1}}.?a.b)", True),
        ("optional.of([1])[0].orValue(5)", 1),
        # conversions and types
        ("int(3.9)", 3),
        ("int(-3.9)", -3),
        ("int('-4')", -4),
        ("int(7u)", 7),
        ("uint(3)", UInt(3)),
        ("uint('5')", UInt(5)),
        ("uint(3.7)", UInt(3)),
        ("double('1.5')", 1.5),
        ("double(2)", 2.0),
        ("string(1.0)", "1"),
        ("string(1.5)", "1.5"),
        ("string(1e21)", "1e+21"),
        ("string(1e-7)", "1e-07"),
        ("string(123456789012345680000.0)", "123456789012345680000"),
        ("string(true) + string(7u) + string(-1)", "true7-1"),
        ("string(b'abc')", "abc"),
        ("bytes('é')", "é".encode()),
        ("bool('t') && !bool('FALSE')", True),
        ("dyn(1) == 1.0", True),
        ("type(1)", TypeName("int")),
        ("type(1u) == uint && type(1.0) == double && type('') == string && type(b'') == bytes", True),
        ("type([]) == list && type({}) == map && type(null) == null_type && type(true) == bool", True),
        ("type(int) == type && type(type) == type", True),
        ("type(timestamp(0)) == google.protobuf.Timestamp && type(duration('1s')) == google.protobuf.Duration", True),
        ("size('é😀') + size(b'é') + size([1]) + size({1: 2}) + 'ab'.size()", 8),
        ("'abc'.startsWith('ab') && 'abc'.endsWith('c') && 'abc'.contains('b')", True),
        ("'foobar'.matches('o+b') && !'x'.matches('^y') && matches('a', '[[:alpha:]]')", True),
        # time
        ("timestamp('2020-01-01T00:00:00.5Z')", Timestamp(1577836800 * SECOND + SECOND // 2)),
        ("timestamp('2020-01-01T01:00:00+01:00') == timestamp(1577836800)", True),
        ("duration('1h30m') == duration('5400s')", True),
        ("duration('-1.5s')", Duration(-SECOND * 3 // 2)),
        ("duration('1ms') + duration('1us') + duration('1ns')", Duration(1001001)),
        ("timestamp('2020-01-01T00:00:00Z') + duration('24h') == timestamp('2020-01-02T00:00:00Z')", True),
        ("timestamp(10) - timestamp(4) == duration('6s')", True),
        ("timestamp(1) < timestamp(2)", True),
        ("string(timestamp(1577836800))", "2020-01-01T00:00:00Z"),
        ("string(duration('1m1.5s'))", "61.5s"),
        ("int(timestamp('1970-01-01T00:01:00Z'))", 60),
        ("timestamp('2020-02-03T04:05:06.789Z').getMilliseconds()", 789),
        ("timestamp('2020-02-03T04:05:06Z').getFullYear()", 2020),
        ("timestamp('2020-02-03T04:05:06Z').getMonth()", 1),
        ("timestamp('2020-02-03T04:05:06Z').getDate()", 3),
        ("timestamp('2020-02-03T04:05:06Z').getDayOfMonth()", 2),
        ("timestamp('2020-02-03T04:05:06Z').getDayOfWeek()", 1),
        ("timestamp('2020-02-03T04:05:06Z').getDayOfYear()", 33),
        ("timestamp('2020-02-03T04:05:06Z').getHours('-08:00')", 20),
        ("duration('90m').getHours()", 1),
        ("timestamp('2020-07-03T04:05:06Z').getHours('Europe/Berlin')", 6),
        ("duration('90s').getSeconds()", 90),
        ("duration('1.5s').getMilliseconds()", 1500),
        ("duration('-90s').getMinutes()", -1),
        # comments, spaces, precedence
        ("1 // one\n + 1", 2),
        ("true || false && false", True),
        ("1 + 1 == 2 ? 'y' : 'n'", "y"),
        ("!true == false", True),
    ],
)
def test_values(text: str, expected: Any) -> None:
    found = value(text)
    assert equal(found, expected) or (expected != expected and found != found), found
    assert type_of(found) == type_of(expected)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("'tacocat'.charAt(3)", "o"),
        ("'abc'.charAt(3)", ""),
        ("'hello mellow'.indexOf('ello')", 1),
        ("'hello mellow'.indexOf('ello', 2)", 7),
        ("'abc'.indexOf('z')", -1),
        ("'abc'.indexOf('')", 0),
        ("'hello mellow'.lastIndexOf('ello')", 7),
        ("'hello mellow'.lastIndexOf('ello', 6)", 1),
        ("'abc'.lastIndexOf('')", 3),
        ("'TacoÉCat'.lowerAscii()", "tacoÉcat"),
        ("'TacoéCat'.upperAscii()", "TACOéCAT"),
        ("'hello hello'.replace('he', 'we')", "wello wello"),
        ("'hello hello'.replace('he', 'we', 1)", "wello hello"),
        ("'hello'.replace('l', 'x', 0)", "hello"),
        ("'ab'.replace('', '-')", "-a-b-"),
        ("'a b c'.split(' ')", ["a", "b", "c"]),
        ("'a b c'.split(' ', 2)", ["a", "b c"]),
        ("'a b'.split(' ', 0)", []),
        ("'a b'.split(' ', 1)", ["a b"]),
        ("'abc'.split('')", ["a", "b", "c"]),
        ("'abc'.split('', 2)", ["a", "bc"]),
        ("'tacocat'.substring(4)", "cat"),
        ("'tacocat'.substring(0, 4)", "taco"),
        ("'  \\t trim\\u3000\\n'.trim()", "trim"),
        ("'gums'.reverse()", "smug"),
        ("['a', 'b'].join()", "ab"),
        ("['a', 'b'].join('-')", "a-b"),
        ("[].join('-')", ""),
        ("strings.quote('a\"b\\n')", '"a\\"b\\n"'),
        ("'%s %d %%'.format(['a', 7])", "a 7 %"),
        ("'%.2f %e %b %o %x %X'.format([1.239, 1234.5, 5, 8, 255, 'ab'])", "1.24 1.234500e+03 101 10 ff 6162"),
        ("'%s'.format([[1, 'a', null, 1.5, {'k': true}]])", "[1, a, null, 1.5, {k: true}]"),
        ("'%s %s'.format([duration('1m'), timestamp(0)])", "60s 1970-01-01T00:00:00Z"),
        ("'%s'.format([int])", "int"),
        ("'%f'.format([1.0 / 0.0])", "Infinity"),
        ("'%b'.format([true])", "1"),
    ],
)
def test_the_strings_library(text: str, expected: Any) -> None:
    assert value(text) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("9223372036854775807 + 1", "integer overflow"),
        ("-9223372036854775808 - 1", "integer overflow"),
        ("-(-9223372036854775808)", "integer overflow"),
        ("9223372036854775807 * 2", "integer overflow"),
        ("-9223372036854775808 / -1", "integer overflow"),
        ("0u - 1u", "unsigned integer overflow"),
        ("18446744073709551615u + 1u", "unsigned integer overflow"),
        ("1 / 0", "division by zero"),
        ("1u % 0u", "modulus by zero"),
        ("int(1e19)", "integer overflow"),
        ("uint(-1)", "unsigned integer overflow"),
        ("int(0.0 / 0.0)", "integer overflow"),
        ("int('1.5')", "not an integer"),
        ("[1][1]", "index out of bounds: 1"),
        ("[1][-1]", "index out of bounds: -1"),
        ("{'a': 1}.b", "no such key: b"),
        ("{'a': 1}['b']", "no such key: b"),
        ("1 + 'a'", "no such overload: int + string"),
        ("1 < '2'", "no such overload: int < string"),
        ("true && 1 / 0 > 0", "division by zero"),
        ("1 / 0 > 0 || false", "division by zero"),
        ("1 && true", "no such overload"),
        ("[1, 0].map(x, 1 / x)", "division by zero"),
        ("[1, 0].all(x, 1 / x == 1)", "division by zero"),
        ("1.map(x, x)", ""),
        ("{'a': 1, 'a': 2}", "repeated key"),
        ("{1.5: 1}", "unsupported key type"),
        ("optional.none().value()", "optional.none() dereference"),
        ("timestamp('x')", "invalid timestamp"),
        ("timestamp('2020-13-01T00:00:00Z')", "invalid timestamp"),
        ("timestamp('9999-12-31T23:59:59Z') + duration('1h')", "timestamp overflow"),
        ("duration('1')", "invalid duration"),
        ("duration('300000000h')", "duration overflow"),
        ("timestamp(0).getHours('Mars/Base')", "unknown time zone"),
        ("string(b'\\xff')", "invalid UTF-8"),
        ("'a'.charAt(2)", "index out of range: 2"),
        ("'abc'.substring(2, 1)", "invalid substring range"),
        ("'%d'.format(['a'])", "decimal clause can only be used on"),
        ("'%s'.format([])", "index 0 out of range"),
        ("'%q'.format([1])", "unrecognized formatting clause"),
        ("'a'.matches('(')", "error parsing regexp"),
        ("[1].join()", "no such overload"),
        ("x", "there is no variable 'x'"),
    ],
)
def test_what_has_no_value_says_why(text: str, message: str) -> None:
    with pytest.raises(CELError) as error:
        value(text)
    assert message in error.value.message


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "mismatched input '<EOF>'"),
        ("1 +", "mismatched input '<EOF>'"),
        ("(1", "expecting ')'"),
        ("1 2", "'2'"),
        ("a = 1", "'='"),
        ("'abc", "token recognition error"),
        ("a.1", ""),
        ("f(1,)", ""),
        ("[1, ", "'<EOF>'"),
        ("has(a)", "invalid argument to has() macro"),
        ("[1].all(1, true)", "argument must be a simple name"),
        ("nope(1)", "undeclared reference to 'nope'"),
        ("99999999999999999999", "integer overflow"),
        ("-1u", "no such overload"),
        ("'\\q'", "no escape"),
        ("'\\ud800'", "no character"),
        ("while", "reserved"),
        ("Msg{a: 1}", "messages cannot be made"),
        ("(" * 5000 + "1" + ")" * 5000, "nests too deeply"),
        ("!" * 5000 + "true", "nests too deeply"),
        ("1" + " + 1" * 5000, "nests too deeply"),
        ("a" + ".b" * 5000, "nests too deeply"),
        ("[" * 5000, "nests too deeply"),
        ("x?" * 3000, ""),
        ("a" * 100_001, "more than 100000 are refused"),
        ("[1].all(x, x, true)", "must differ"),
    ],
    ids=lambda text: text[:12],
)
def test_what_does_not_compile_says_so(text: str, message: str) -> None:
    with pytest.raises(CELError) as error:
        value(text)
    assert message in error.value.message


def test_a_listing_shows_the_place() -> None:
    with pytest.raises(CompileError) as error:
        CEL.compile("true &&\n  size(1)", {})
    assert error.value.listing() == (
        "ERROR: <input>:2:7: found no matching overload for 'size' applied to '(int)'\n |   size(1)\n | ......^"
    )


@pytest.mark.parametrize(
    "text",
    [
        "l.all(a, l.all(b, l.all(c, l.all(d, a + b + c + d >= 0))))",
        "(t + t + t + t + t + t + t + t + t + t).size() > 0",
        "t.replace('', t).size() > 0",
        "t.matches('([a-z]{0,100}){0,9}[0-9]{0,900}$')",
        "'%s'.format([[t, t, t, t, t, t, t, t, t, t]]) == ''",
    ],
)
def test_hostile_expressions_are_stopped(text: str) -> None:
    with pytest.raises((CostExceeded, NoValue)):
        CEL.compile(text).evaluate({"l": [1] * 200, "t": "a" * 400_000}, 300_000)


def test_a_shared_value_is_not_walked_a_million_times() -> None:
    deep = "[[1, 1]]" + "".join(f".map(x{n}, [x{n}, x{n}])" for n in range(40))
    with pytest.raises(CostExceeded):
        CEL.compile(f"[{deep}].all(v, v == v)").evaluate({}, 300_000)


_WORDS = st.sampled_from(
    [
        *(
            "a",
            "b",
            "x",
            "int",
            "1",
            "2u",
            "3.5",
            "-1",
            "'q'",
            "b'z'",
            "r'\\d'",
            "true",
            "null",
            "(",
            ")",
            "[",
            "]",
            "{",
            "}",
        ),
        *(",", ".", "?", ":", "!", "-", "+", "*", "/", "%", "<", "<=", "==", "!=", ">=", ">", "&&", "||", "in", "has"),
        *("all", "map", "filter", "exists", "size", "string", "type", "optional.of", ".?", "[?", ".map(", ".all("),
        *("timestamp", "duration", "'a'.matches(", "format"),
    ]
)
_TEXTS = st.one_of(
    st.text(max_size=40), st.lists(_WORDS, max_size=14).map(" ".join), st.lists(_WORDS, max_size=9).map("".join)
)


@settings(max_examples=400, deadline=None)
@given(
    st.one_of(
        st.text(max_size=40), st.lists(_WORDS, max_size=14).map(" ".join), st.lists(_WORDS, max_size=9).map("".join)
    )
)
def test_any_text_has_a_value_or_our_own_error(text: str) -> None:
    for types in (None, {}):
        try:
            CEL.compile(text, types).evaluate({"a": 1, "b": [True, {"x": "y"}], "x": "z"}, 10_000)
        except CompileError as problem:
            problem.listing()
        except CELError:
            continue


_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats()
    | st.text(max_size=5)
    | st.binary(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)
_OPERATORS = st.sampled_from(["+", "-", "*", "/", "%", "<", "<=", ">", ">=", "==", "!=", "in", "&&", "||"])


@settings(deadline=None)
@given(_VALUES, _OPERATORS, _VALUES)
def test_operators_take_any_values(left: Any, operator: str, right: Any) -> None:
    try:
        found = value(f"a {operator} b", a=left, b=right)
    except NoValue:
        return
    assert type_of(found) in ("bool", "int", "double", "string", "bytes", "list")


@given(_VALUES)
def test_equality_is_that_of_values(given: Any) -> None:
    assert equal(given, given) or "nan" in repr(given)
    assert not equal([given], given)
    assert equal(Optional(True, given), Optional(True, given)) or "nan" in repr(given)
