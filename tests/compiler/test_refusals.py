"""A refusal names the user's own line, whatever it is about."""

from __future__ import annotations

from typing import Any

import pytest
from tests.compiler import flows

from wherry.errors import WherryError


@pytest.fixture(scope="module")
def refusals() -> dict[str, Any]:
    return {
        name: answer
        for name, answer in flows.by_wherry(flows.SOURCES).items()
        if name.startswith("refused") and "/refuse_" in name
    }


def test_every_refusal_names_file_and_line(refusals: dict[str, Any]) -> None:
    without = [name for name, answer in refusals.items() if f"({name.split('/')[0]}.py:" not in answer["message"]]
    assert without == []


def test_the_line_is_the_one_that_is_wrong(refusals: dict[str, Any]) -> None:
    lines = (flows.SOURCES / "refused_flow.py").read_text().splitlines()
    message = refusals["refused_flow/refuse_output_from_condition"]["message"]
    line = int(message.rpartition("refused_flow.py:")[2].rstrip(")"))
    assert lines[line - 1].strip() == "number(n=t.output)"


def test_named_refusals_are_shown_plainly() -> None:
    from wherry.compiler import errors

    for name in ("InvalidTopologyException", "InconsistentTypeException", "InvalidControlFlowException"):
        assert issubclass(getattr(errors, name), WherryError)
