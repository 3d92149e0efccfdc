"""What platform settings refer to is found at run time, wherever in the groups of a pipeline it is made."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from wherry.client import flows
from wherry.testing.server import ServerThread

CLAIMS = Path(__file__).parent / "claims.py"


@pytest.mark.skipif(os.geteuid() != 0, reason="needs mount namespaces")
def test_claims_of_every_origin_are_mounted(tmp_path: Path) -> None:
    document = flows.load(f"{CLAIMS}:across_groups").document
    with ServerThread(tmp_path / "home") as server:
        client = server.client()
        made = client.submit(document, {}, options={"cache": False})
        for _ in client.follow(made):
            pass
        view = client.get(made, tasks=True)
        client.close()
    assert view["state"] == "SUCCEEDED", [task["error"] for task in view["tasks"] if task["error"]]
    assert view["outputs"]["parameters"] == {"Output": "abcd"}
