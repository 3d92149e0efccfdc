"""Random components of KFP's first format: what kfp accepts is the same document, what it refuses is refused alike."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.compiler import flows

SOURCES = Path(__file__).parent / "random_sources"


@pytest.mark.oracle
def test_random_components_are_the_same() -> None:
    theirs, ours = flows.by_kfp(SOURCES), flows.by_wherry(SOURCES)
    accepted = {name: answer["documents"] for name, answer in theirs.items() if "documents" in answer}
    assert len(accepted) >= 200
    assert len(theirs) - len(accepted) >= 30
    assert [name for name, answer in theirs.items() if answer.get("refused") != ours[name].get("refused")] == []
    different = [
        name for name in accepted if flows.normalised(accepted[name]) != flows.normalised(ours[name]["documents"])
    ]
    assert different == []
