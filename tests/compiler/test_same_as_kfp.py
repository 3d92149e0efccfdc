"""The released kfp and wherry make the same documents of the same sources, and refuse the same sources."""

from __future__ import annotations

from typing import Any

import pytest
from tests.compiler import flows

# kfp names the parts of inner pipelines in an order that changes from run to run (protobuf maps); there the documents
# are compared with every reference replaced by what it refers to.
MERGED = ("pipelines/", "kubernetes_settings/inner_")
# kfp fails by accident; wherry says what is wrong.
ACCIDENTS = {
    "refused_flow/refuse_branch_output_without_one_of": ("AssertionError", "InvalidTopologyException"),
    "refused_flow/refuse_output_from_else": ("AssertionError", "InvalidTopologyException"),
    "refused_settings/refuse_group_outside_of_pipeline": ("AttributeError", "ValueError"),
}
STEMS = sorted(path.stem for path in flows.SOURCES.glob("*.py"))


@pytest.fixture(scope="module")
def ours() -> dict[str, Any]:
    return flows.by_wherry(flows.SOURCES)


@pytest.fixture(scope="module")
def theirs() -> dict[str, Any]:
    return flows.by_kfp(flows.SOURCES)


@pytest.mark.oracle
@pytest.mark.parametrize("stem", STEMS)
def test_same_documents(stem: str, ours: dict[str, Any], theirs: dict[str, Any]) -> None:
    names = [name for name in theirs if name.startswith(f"{stem}/")]
    assert [name for name in ours if name.startswith(f"{stem}/")] == names
    different = [name for name in names if not _same(name, ours[name], theirs[name])]
    assert different == []


@pytest.mark.oracle
def test_there_is_much_to_compare(theirs: dict[str, Any]) -> None:
    assert sum("documents" in answer for answer in theirs.values()) >= 320
    assert sum("refused" in answer for answer in theirs.values()) >= 310
    assert [name for name, answer in theirs.items() if answer.get("refused", "") is None] == []


def _same(name: str, ours: dict[str, Any], theirs: dict[str, Any]) -> bool:
    if "refused" in theirs:
        return (theirs["refused"], ours["refused"]) == ACCIDENTS.get(name, (theirs["refused"],) * 2)
    if "documents" not in ours:
        return False
    mine, other = flows.normalised(ours["documents"]), flows.normalised(theirs["documents"])
    return mine == other or (name.startswith(MERGED) and _inlined(*mine) == _inlined(*other))


def _inlined(pipeline: dict[str, Any], platform: dict[str, Any]) -> Any:
    executors = dict(pipeline["deploymentSpec"].get("executors", {}))
    for name, config in platform.get("platforms", {}).items():
        for label, settings in config.get("deploymentSpec", {}).get("executors", {}).items():
            executors[label] = executors[label] | {name: settings}
    return flows.inlined(pipeline | {"deploymentSpec": {"executors": executors}})
