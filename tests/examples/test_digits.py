"""The demo as its user runs it: a new home, the real command line, real data; and again, from the cache."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
FLOW = ROOT / "examples" / "digits" / "flow.py"

Wherry = Callable[..., str]


@pytest.fixture
def wherry(tmp_path: Path) -> Iterator[Wherry]:
    environ = {**os.environ, "WHERRY_HOME": str(tmp_path / "home"), "NO_COLOR": "1"}

    def command(*words: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "wherry.cli", *words], env=environ, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    yield command
    command("down")


def events_of(output: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in output.splitlines()]


def leaves(events: list[dict[str, Any]]) -> dict[str, str]:
    """The last phase of every step, by its path."""
    return {e["path"]: e["phase"] for e in events if e["event"] == "task" and e["kind"] == "task"}


def test_digits_are_learned_and_the_second_run_is_all_cache(wherry: Wherry) -> None:
    events = events_of(wherry("run", str(FLOW), "--json"))
    end = events[-1]
    assert (end["event"], end["state"]) == ("run-finished", "SUCCEEDED")
    assert end["outputs"]["accuracy"] >= 0.95
    assert end["outputs"]["setting"] in {"linear", "narrow", "medium", "wide"}
    steps = leaves(events)
    assert len(steps) == 8
    assert set(steps.values()) == {"SUCCEEDED"}

    files = {}
    for line in wherry("artifacts", "latest", "--json").splitlines():
        artifact = json.loads(line)
        files[artifact["task"].split("/")[-1], artifact["output"]] = artifact
    assert Path(files["export", "exported"]["uri"]).stat().st_size > 1000
    assert "<svg" in Path(files["evaluate", "mistakes"]["uri"]).read_text()
    matrix = files["evaluate", "confusion"]["metadata"]["confusionMatrix"]
    right = sum(row["row"][i] for i, row in enumerate(matrix["rows"]))
    everything = sum(sum(row["row"]) for row in matrix["rows"])
    assert right / everything == pytest.approx(end["outputs"]["accuracy"])

    again = events_of(wherry("run", str(FLOW), "--json"))
    assert set(leaves(again).values()) == {"CACHED"}
    assert again[-1]["outputs"] == end["outputs"]


def test_a_model_that_is_not_good_enough_is_not_exported(wherry: Wherry) -> None:
    setting = [{"name": "poor", "kernel": "rbf", "c": 0.01, "gamma": 1.0}]
    events = events_of(wherry("run", str(FLOW), "--json", "-p", f"settings={json.dumps(setting)}", "-p", "folds=2"))
    assert events[-1]["state"] == "SUCCEEDED"
    assert events[-1]["outputs"]["accuracy"] < 0.5
    skipped = [e["path"] for e in events if e["event"] == "task" and e["phase"] == "SKIPPED"]
    assert skipped == ["condition-2"]
