"""The YAML reader: what PyYAML reads, nothing hostile, and errors that say where."""

from __future__ import annotations

import itertools
import time
from pathlib import Path
from typing import Any

import pytest
import yaml as pyyaml
from hypothesis import given
from hypothesis import strategies as st

from wherry.ir import yaml

_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(_VALUES)
def test_what_is_written_is_read_back(value: Any) -> None:
    assert yaml.load_all(yaml.dump(value)) == [value]


@given(st.text(alphabet="ab01:-[]{},'\"&*!|>%@`#\n \t<?~", max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        found = yaml.load_all(text)
    except yaml.YAMLError:
        return
    assert isinstance(found, list)


@given(st.binary(max_size=80))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    try:
        yaml.load_all(data)
    except yaml.YAMLError:
        return


def test_documents_are_read_as_pyyaml_reads_them(conformance: Path) -> None:
    for path in sorted((conformance / "kfp-ir").glob("*.yaml")):
        text = path.read_bytes()
        assert yaml.load_all(text) == list(pyyaml.safe_load_all(text)), path.name


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1", 1), ("0x10", 16), ("010", 8), ("1_000", 1000), ("1.5", 1.5), ("1e3", "1e3"),
        ("yes", True), ("off", False), ("~", None), ("null", None), ("'1'", "1"), ('"\\u00e9"', "é"),
        ("2.1.0", "2.1.0"),
        ("2026-01-01", "2026-01-01"), ("=", "="), ("!!str 1", "1"), ("", None),
    ],
)  # fmt: skip
def test_scalars_are_yaml_1_1_and_timestamps_stay_text(text: str, value: Any) -> None:
    assert yaml.load_all(f"x: {text}\n") == [{"x": value}]


def test_json_is_read_too_and_several_documents_keep_their_nulls() -> None:
    assert yaml.load_all('{"a": [1, {"b": null}]}') == [{"a": [1, {"b": None}]}]
    assert yaml.load_all("{a: 1}") == [{"a": 1}]
    assert yaml.load_all("---\n---\na: 1\n---\n") == [None, {"a": 1}, None]
    assert yaml.load_all("") == []
    assert yaml.load_all(b"\xef\xbb\xbfa: 1") == [{"a": 1}]


_LETTERS = "abcdefghijklmnopqrstuv"
_BOMB = "a: &a [x, x]\n" + "".join(f"{b}: &{b} [*{a}, *{a}]\n" for a, b in itertools.pairwise(_LETTERS))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (_BOMB, "aliases are not taken (*a at line 2"),
        ("a: &a [*a]", "aliases are not taken"),
        ("[" * 100_000, "nests deeper than 100 levels at line 1, column 1"),
        ('{"a":' * 100_000, "nests deeper than 100 levels"),
        ("- " * 5000 + "x", "nests deeper than 100 levels"),
        ("a: !!python/object/apply:os.system [true]", "the tag tag:yaml.org,2002:python/object/apply:os.system"),
        ("a: !custom 1", "the tag !custom is not taken at line 1, column 4"),
        ("a: 1\nb: 2\na: 3", "the key 'a' stands twice in one mapping at line 3, column 1"),
        ('{"a": 1, "a": 2}', "the key 'a' stands twice in one mapping"),
        ("1: 2", "1 is not text, but keys must be at line 1, column 1"),
        ("<<: {a: 1}", "merge keys are not taken"),
        ("a: 1\n b: 2", "not valid YAML at line 2"),
        ("a: [1", "not valid YAML at line"),
        ("a: \x01", "not valid YAML"),
        ("a: " + "9" * 5000, "is not a number we can read at line 1, column 4"),
        ("a: 0x" + "f" * 5000, "is not a number that a document can hold at line 1, column 4"),
        ("a: .nan", ".nan is not a number that a document can hold at line 1, column 4"),
        ("a: -.inf", "-.inf is not a number that a document can hold"),
        ("a: 1.0e+999", "1.0e+999 is not a number that a document can hold"),
        ('{"a": NaN}', "NaN is not a number that a document can hold"),
        ('{"a": 1e999}', "1e999 is not a number that a document can hold"),
        ('{"a": ' + "9" * 5000 + "}", "an integer with more digits than we read"),
        ('{"a": "\\ud800"}', "half of a character: \\ud800 without its other half"),
        ('a: "\\ud800"', "not valid YAML at line 1, column 7"),
        (b"\xff\xfe\xff", "is not UTF-8: byte 0 is 0xff"),
        (b"x" * ((64 << 20) + 1), "64 MiB; more than 64 MiB is refused"),
    ],
    ids=lambda value: str(value)[:12],
)
def test_hostile_and_broken_texts_are_refused_at_once(text: Any, message: str) -> None:
    start = time.perf_counter()
    with pytest.raises(yaml.YAMLError) as error:
        yaml.load_all(text)
    assert message in str(error.value)
    assert time.perf_counter() - start < 2


@pytest.mark.parametrize(
    "value", ["\ud800", {"\udfff": 1}, 10**5000, object()], ids=["half", "key", "digits", "object"]
)
def test_what_no_document_can_hold_is_not_written(value: object) -> None:
    with pytest.raises(yaml.YAMLError):
        yaml.dump({"a": value})
