"""Runs from submission to end, over the real database, store and embedded Kubernetes."""

from __future__ import annotations

from typing import Any

from wherry.kube.resources import PODS


def test_one_component_one_pod_one_result(lab: Any, go: Any, docs: Any) -> None:
    async def main() -> None:
        view = await lab.run(docs.chain(1))
        assert view["state"] == "SUCCEEDED", view
        assert view["outputs"] == {"parameters": {"Output": 2}, "artifacts": {}}
        task = view["tasks"]["t0"]
        assert task["phase"] == "SUCCEEDED"
        assert task["inputs"] == {"parameters": {"a": 1, "b": 1}, "artifacts": {}}
        assert lab.node.started == [("t0", "1-0")]
        assert (await lab.kube.list(PODS)).items == []

    go(main)
