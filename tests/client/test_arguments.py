"""Arguments: texts by type, values checked, and every mistake named."""

from __future__ import annotations

import json
import math
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given as generated
from hypothesis import strategies as st

from wherry.client.arguments import checked, given
from wherry.client.flows import Flow
from wherry.errors import UsageError

TYPES = {
    "i": {"parameterType": "NUMBER_INTEGER"},
    "d": {"parameterType": "NUMBER_DOUBLE", "isOptional": True},
    "s": {"parameterType": "STRING", "defaultValue": "x"},
    "b": {"parameterType": "BOOLEAN", "isOptional": True},
    "l": {"parameterType": "LIST", "isOptional": True},
    "m": {"parameterType": "STRUCT", "isOptional": True},
}


def flow(parameters: Any = TYPES, **artifacts: Any) -> Flow:
    inputs = {"parameters": parameters, "artifacts": artifacts}
    return Flow("demo", {"root": {"inputDefinitions": inputs}}, {})


@pytest.mark.parametrize(
    ("word", "value"),
    [
        ("i=3", 3),
        ("i=-3", -3),
        ("d=1e3", 1000.0),
        ("d=2", 2.0),
        ("d=null", None),
        ("s=null", "null"),
        ("s=", ""),
        ("s=a=b", "a=b"),
        ("s=007", "007"),
        ("b=true", True),
        ("b=False", False),
        ('l=[1, "a"]', [1, "a"]),
        ('m={"a": {"b": null}}', {"a": {"b": None}}),
    ],
)
def test_a_text_is_read_by_its_type(word: str, value: object) -> None:
    found = given(flow(), [word], {"i": 1})[word[0]]
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("word", "text"),
    [
        ("i=x", "parameter 'i' must be an integer, not 'x'"),
        ("i=1.0", "must be an integer"),
        ("i=", "must be an integer"),
        ("d=nan", "must be a number"),
        ("d=inf", "must be a number"),
        ("b=1", "must be true or false"),
        ("l={}", "must be a list"),
        ("l=[NaN]", "must be a list"),
        ("m=[]", "must be a mapping"),
        ("m=" + "[" * 100_000, "must be a mapping"),
        ("i=" + "9" * 5000, "must be an integer"),
        ("=3", "name=value"),
        ("i", "name=value"),
        ("ii=3", "no parameter 'ii'"),
    ],
)
def test_an_ill_typed_text_is_named(word: str, text: str) -> None:
    with pytest.raises(UsageError) as caught:
        given(flow(), [word], {"i": 1} if word != "i=" else {})
    assert text in str(caught.value)
    assert len(caught.value.message) < 300


def test_what_is_missing_is_named_with_how_to_give_it() -> None:
    with pytest.raises(UsageError, match=r"demo needs the parameter i\n  give -p i=\.\.\."):
        given(flow(), [], {})


def test_an_unknown_name_gets_the_nearest() -> None:
    with pytest.raises(UsageError, match="did you mean 'rate'"):
        checked(flow({"rate": {"parameterType": "STRING"}}), {"rtae": "x"})
    with pytest.raises(UsageError, match="it takes none"):
        checked(flow({}), {"x": 1})


@pytest.mark.parametrize(
    ("name", "value"), [("i", True), ("i", 1.5), ("i", "1"), ("d", "1"), ("s", 1), ("b", 1), ("l", {}), ("m", [])]
)
def test_an_ill_typed_value_is_named(name: str, value: object) -> None:
    with pytest.raises(UsageError, match=f"parameter '{name}' must be"):
        checked(flow(), {"i": 1, name: value})


def test_values_are_taken_as_they_are_but_for_whole_numbers() -> None:
    assert checked(flow(), {"i": 2.0, "d": 1, "l": (1, 2), "b": None}) == {"i": 2, "d": 1, "l": (1, 2), "b": None}


def test_needed_artifacts_cannot_be_given() -> None:
    with pytest.raises(UsageError, match=r"takes artifacts \(data\)(.|\n)*importer"):
        checked(flow(data={}), {"i": 1})
    assert checked(flow(data={"isOptional": True}), {"i": 1}) == {"i": 1}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@generated(JSON)
def test_no_document_breaks_it(root: Any) -> None:
    for document in ({"root": root}, {"root": {"inputDefinitions": root}}, {"pipeline_spec": root}):
        with suppress(UsageError):
            given(Flow("x", document, {}), [], {})


NUMBERS = st.floats(allow_nan=False, allow_infinity=False)


@generated(st.integers(-(10**30), 10**30), NUMBERS, st.text(), st.lists(st.integers()))
def test_what_is_written_is_read_back(whole: int, number: float, text: str, items: list[int]) -> None:
    found = given(flow(), [f"i={whole}", f"d={number!r}", f"s={text}", f"l={json.dumps(items)}"], {})
    assert (found["i"], found["s"], found["l"]) == (whole, text, items)
    assert math.isclose(found["d"], number)
