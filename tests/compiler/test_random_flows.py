"""Random nestings of control flow: wherry makes of them what kfp makes, and what it makes can be loaded."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.compiler import flows, random_flows

from wherry import ir
from wherry.ir import IRError

SEEDS = range(300)
# Classes that kfp raises by accident where its compiler goes wrong; wherry makes a document or says what is wrong.
ACCIDENTS = ("AssertionError", "AttributeError", "IndexError", "KeyError", "TypeError")
REFUSALS = ("AttributeError", "InvalidControlFlowException", "InvalidTopologyException", "TypeError", "ValueError")


@pytest.mark.oracle
def test_random_flows_are_the_same(tmp_path: Path) -> None:
    (tmp_path / "flows.py").write_text(random_flows.module(SEEDS))
    ours, theirs = flows.by_wherry(tmp_path), flows.by_kfp(tmp_path)
    verdicts = {f"flows/make_{seed}": _verdict(ours, theirs, f"flows/make_{seed}") for seed in SEEDS}
    assert {name: verdict for name, verdict in verdicts.items() if verdict.startswith("different")} == {}
    assert sum(verdict == "same" for verdict in verdicts.values()) > len(SEEDS) / 2


def _verdict(ours: dict[str, Any], theirs: dict[str, Any], name: str) -> str:
    mine, other = ours[name], theirs[name]
    if "refused" in other:
        if other["refused"] in ACCIDENTS:
            return "kfp fails" if mine.get("refused", "ValueError") in REFUSALS else "different refusal"
        return "same" if mine.get("refused") == other["refused"] else f"different: kfp refuses with {other['refused']}"
    if not _loads(other["documents"][0]):
        return "kfp leaves references that lead nowhere"
    if "refused" in mine:
        return f"different: {mine['message']}"
    mine, other = (flows.normalised(one["documents"])[0] for one in (mine, other))
    if mine == other or flows.inlined(mine) == flows.inlined(other):
        return "same"
    return "kfp takes two items for one" if "loop-item-2" in json.dumps(mine) else "different documents"


def _loads(document: dict[str, Any]) -> bool:
    try:
        ir.from_builtins(document)
    except IRError:
        return False
    return True


@given(st.integers(min_value=10_000))
@settings(max_examples=60, deadline=None)
def test_what_is_made_loads_and_refusals_are_named(seed: int) -> None:
    scope: dict[str, Any] = {"__name__": "flow"}
    exec(compile(_without_sources(), "components.py", "exec", dont_inherit=True), scope)
    refusal: Exception | None = None
    try:
        exec(compile(random_flows.Writer(seed).flow("flow"), "flow.py", "exec", dont_inherit=True), scope)
    except Exception as error:
        refusal = error
    if refusal is None:
        ir.from_builtins(scope["flow"].pipeline_spec)
    else:
        assert type(refusal).__name__ in REFUSALS
        assert "flow.py:" in str(refusal)


def _without_sources() -> str:
    """The header of the flows, the code of its components in an image: a function without a file has no source."""
    text = random_flows.HEADER.replace("from kfp", "from wherry")
    return text.replace("@dsl.component", "@dsl.component(target_image='image')")
