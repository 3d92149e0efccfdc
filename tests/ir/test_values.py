"""Plain values: what no JSON can hold is named with its path, and depth is bounded without recursion."""

from __future__ import annotations

from typing import Any

import pytest

from wherry.ir import IRError
from wherry.ir.values import check_values


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"a": [1, {"b": float("nan")}]}, "a.1.b: nan is not a number that JSON has"),
        ({"a": float("-inf")}, "a: -inf is not a number that JSON has"),
        ({"a": {"b": 2**1023}}, "a.b: the number is larger than a double can be"),
        ({"a": "\ud800"}, "a: the text has half of a character (a lone surrogate)"),
        ({"a": {"\udfff": 1}}, "a: the key '\\udfff' is not text"),
        ({"a": {1: 2}}, "a: the key 1 is not text"),
        ({1: 2}, "the document: the key 1 is not text"),
    ],
)
def test_what_no_json_can_hold_is_named_with_its_path(value: Any, message: str) -> None:
    with pytest.raises(IRError) as error:
        check_values(value)
    assert str(error.value) == message


def test_everything_else_passes() -> None:
    check_values({"a": [None, True, 0, -1.5, "é", {"ü": []}], "b": {"c": 2**1023 - 1}})


def test_a_hundred_thousand_levels_are_refused_without_recursion() -> None:
    value: Any = 1
    for _ in range(100_000):
        value = [value]
    with pytest.raises(IRError, match="nests deeper than 100 levels"):
        check_values(value)
    while isinstance(value, list):  # so that freeing it does not recurse either
        value = value.pop()
