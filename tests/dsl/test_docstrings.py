"""Descriptions of parameters, in every style; texts that no style can read stay descriptions."""

from __future__ import annotations

import inspect

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wherry.dsl import docstrings

WORDS = st.sampled_from(
    [
        "Args:",
        "Returns:",
        "Parameters",
        "----------",
        ":param a: x",
        "@param a: x",
        "    a: text",
        "a : str",
        "",
        "  b",
        ":",
        "@",
        "x",
    ]
)


@pytest.mark.parametrize(
    "text",
    [
        "Does.\n\nArgs:\n    a: The first.\n    b (int): The second\n        on two lines.",
        "Does.\n\n:param a: The first.\n:param int b: The second\n    on two lines.",
        "Does.\n\nParameters\n----------\na : str\n    The first.\nb : int\n    The second\n    on two lines.",
        "Does.\n\n@param a: The first.\n@type a: str\n@param b: The second\n    on two lines.",
    ],
    ids=["google", "rest", "numpy", "epydoc"],
)
def test_every_style_describes_parameters(text: str) -> None:
    parsed = docstrings.parse(text)
    assert parsed.parameters == {"a": "The first.", "b": "The second\non two lines."}
    assert parsed.description() == "Does."


def test_outputs_are_described_like_arguments() -> None:
    assert docstrings.parse_outputs("Does.\n\nReturns:\n    x: One.\n    y: Two.") == {"x": "One.", "y": "Two."}
    assert docstrings.parse_outputs("Does nothing.") == {}


def test_the_description_is_the_first_line_and_the_rest() -> None:
    assert docstrings.parse("One.\n\nTwo\nlines.\n\nArgs:\n    a: x").description() == "One.\nTwo\nlines."
    assert docstrings.parse("").description() is None
    assert docstrings.parse(None).description() is None


@given(st.lists(WORDS).map("\n".join))
def test_no_text_is_too_strange(text: str) -> None:
    docstrings.parse(text)
    docstrings.parse_outputs(text)


@given(st.text(alphabet=" \tab\n"))
def test_indentation_is_cleaned_as_python_does(text: str) -> None:
    assert docstrings.clean(text) == inspect.cleandoc(text)
