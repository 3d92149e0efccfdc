"""docs/guides/components.md is one file that runs."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from wherry.client import flows
from wherry.testing.server import ServerThread

PAGE = Path(__file__).parents[2] / "docs" / "guides" / "components.md"
NOTEBOOK = {"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 4}


def test_the_guide_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "words").mkdir()
    (tmp_path / "words" / "some.txt").write_text("one two\nthree")
    (tmp_path / "report.ipynb").write_text(json.dumps(NOTEBOOK))
    (tmp_path / "flow.py").write_text("\n".join(re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)))
    with ServerThread(tmp_path / "home") as server:
        client = server.client()
        run = client.submit(flows.load("flow.py:everything").document, {"word": "cat"}, options={})
        for _ in client.follow(run):
            pass
        view = client.get(run, tasks=True)
        client.close()
    assert [task["error"] for task in view["tasks"] if task["error"]] == []
    assert view["outputs"]["parameters"] == {"Output": "3 CATS? 3 CATS?"}
