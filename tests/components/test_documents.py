"""Kubeflow's own documents, loaded as components: a pipeline around them is the same by kfp and by wherry."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.compiler import flows

SOURCES = Path(__file__).parent / "sources"


@pytest.mark.oracle
def test_a_pipeline_around_each_document_is_the_same(conformance: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WHERRY_DOCUMENTS", str(conformance / "kfp-ir"))
    theirs, ours = flows.by_kfp(SOURCES), flows.by_wherry(SOURCES)
    assert list(ours) == list(theirs)
    assert sum("documents" in answer for answer in theirs.values()) >= 80
    different = [
        name
        for name, answer in theirs.items()
        if answer.get("refused") != ours[name].get("refused") or not same(answer, ours[name])
    ]
    assert different == []


def same(theirs: dict[str, object], ours: dict[str, object]) -> bool:
    """Whether both made the same documents, whatever the parts are named; True if there is none."""
    if "documents" not in theirs:
        return True
    (pipeline, platform), (other, other_platform) = map(flows.normalised, (theirs["documents"], ours["documents"]))
    return flows.inlined(pipeline) == flows.inlined(other) and platform == other_platform
