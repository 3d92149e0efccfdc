"""Random nestings of control flow: wherry makes of them what kfp makes, and what it makes can be loaded."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.compiler import flows, random_flows
from tests.compiler.judge import flow_of
from tests.compiler.outcomes import load, outcome

from wherry import ir
from wherry.client.kfp_names import supplied
from wherry.ir import IRError

SEEDS = range(200)
# Classes that kfp raises by accident where its compiler goes wrong; wherry makes a document or says what is wrong.
ACCIDENTS = ("AssertionError", "AttributeError", "IndexError", "KeyError", "TypeError")
REFUSALS = (
    "AttributeError",
    "InvalidControlFlowException",
    "InvalidTopologyException",
    "NotImplementedError",
    "TypeError",
    "ValueError",
)


class Both:
    """Both compilers, with the same components."""

    def __init__(self, components: Path, kfp: flows.Judge) -> None:
        self._kfp = kfp
        with supplied():
            self._names = vars(load(components))

    def ours(self, flow: str) -> dict[str, Any]:
        return outcome(lambda: flow_of(flow, self._names))

    def verdict(self, flow: str) -> str:
        return _verdict(self.ours(flow), self._kfp.outcome(flow))


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Both]:
    components = tmp_path_factory.mktemp("flows") / "components.py"
    components.write_text(random_flows.HEADER)
    with flows.Judge(components) as kfp:
        yield Both(components, kfp)


@pytest.mark.oracle
def test_most_random_flows_are_the_same(both: Both) -> None:
    verdicts = {seed: both.verdict(random_flows.flow(random.Random(seed))) for seed in SEEDS}
    assert {seed: verdict for seed, verdict in verdicts.items() if verdict.startswith("different")} == {}
    assert sum(verdict == "same" for verdict in verdicts.values()) > len(SEEDS) / 2


@pytest.mark.oracle
@given(st.randoms(use_true_random=False))
@settings(max_examples=50, deadline=None, derandomize=True)
def test_no_flow_is_different(both: Both, chance: random.Random) -> None:
    flow = random_flows.flow(chance)
    verdict = both.verdict(flow)
    assert not verdict.startswith("different"), flow


@given(st.integers())
@settings(max_examples=60, deadline=None)
def test_what_is_made_loads_and_refusals_are_named(seed: int) -> None:
    scope: dict[str, Any] = {"__name__": "flow"}
    exec(compile(_without_sources(), "components.py", "exec", dont_inherit=True), scope)
    made = outcome(lambda: flow_of(random_flows.flow(random.Random(seed)), scope))
    if "documents" in made:
        ir.from_builtins(made["documents"][0])
    else:
        assert made["refused"] in REFUSALS
        assert "(flow.py:" in made["message"]


def _without_sources() -> str:
    """The header of the flows, the code of its components in an image: a function without a file has no source."""
    text = random_flows.HEADER.replace("from kfp", "from wherry")
    return text.replace("@dsl.component", "@dsl.component(target_image='image')")


def _verdict(mine: dict[str, Any], other: dict[str, Any]) -> str:
    if "refused" in other:
        if other["refused"] in ACCIDENTS:
            return "kfp fails" if mine.get("refused", "ValueError") in REFUSALS else "different refusal"
        return "same" if mine.get("refused") == other["refused"] else f"different: kfp refuses with {other['refused']}"
    if not _loads(other["documents"][0]):
        return "kfp leaves references that lead nowhere"
    if "refused" in mine:
        return f"different: {mine['message']}"
    documents, others = (flows.normalised(one["documents"])[0] for one in (mine, other))
    if documents == others or flows.inlined(documents) == flows.inlined(others):
        return "same"
    two_items = re.search(r"-loop-item-\d", json.dumps(documents))
    return "kfp takes two items for one" if two_items else "different documents"


def _loads(document: dict[str, Any]) -> bool:
    try:
        ir.from_builtins(document)
    except IRError:
        return False
    return True
