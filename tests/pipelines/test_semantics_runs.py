"""The edges of KFP's semantics on a whole server with real processes; all flows run at once."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from wherry.client import flows
from wherry.client.api import Client
from wherry.testing.server import ServerThread

FLOWS = Path(__file__).parent / "semantics.py"


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    with ServerThread(tmp_path_factory.mktemp("semantics") / "home") as server:
        found = server.client()
        yield found
        found.close()


def submit(client: Client, pipeline: str, **arguments: Any) -> str:
    return client.submit(flows.load(f"{FLOWS}:{pipeline}").document, arguments, options={"cache": False})


def finish(client: Client, run: str) -> dict[str, Any]:
    for _ in client.follow(run):
        pass
    view = client.get(run, tasks=True)
    view["attempts"] = [(task["path"], task["attempt"], task["phase"]) for task in view["tasks"]]
    view["tasks"] = {task["path"]: task for task in sorted(view["tasks"], key=lambda task: task["attempt"])}
    return view


def test_flows_give_what_they_say(client: Client) -> None:
    wanted: list[tuple[str, dict[str, Any], Any]] = [
        (
            "constants",
            {},
            json.dumps([{"deep": [1, {"job": "show"}]}, [1, 2.5, "x"], 3, 2.0, True, "made by show"]),
        ),
        ("f_strings", {}, "yes: made here"),
        ("levels", {}, "ax ay bx by, ax ay/bx by, ay/by"),
        ("choices", {}, "it is seven"),
        ("choices", {"n": 8}, "it is not"),
    ]
    runs = [(submit(client, pipeline, **arguments), expected) for pipeline, arguments, expected in wanted]
    for run, expected in runs:
        view = finish(client, run)
        errors = {path: task["error"] for path, task in view["tasks"].items() if task["error"]}
        assert (view["state"], errors) == ("SUCCEEDED", {})
        assert view["outputs"]["parameters"] == {"Output": expected}


def test_a_pipeline_with_a_retry_policy_begins_again(client: Client, tmp_path: Path) -> None:
    view = finish(client, submit(client, "retried_pipeline", folder=str(tmp_path)))
    assert (view["state"], view["outputs"]["parameters"]) == ("SUCCEEDED", {"Output": 3})
    inner = [(attempt, phase) for path, attempt, phase in view["attempts"] if path == "stubborn"]
    assert inner == [(1, "FAILED"), (2, "FAILED"), (3, "SUCCEEDED")]
    assert view["tasks"]["stubborn/say"]["attempt"] == 1
    assert view["tasks"]["stubborn/attempts"]["attempt"] == 3


def test_a_pipeline_may_be_the_exit_task(client: Client, tmp_path: Path) -> None:
    view = finish(client, submit(client, "pipeline_as_exit_task", folder=str(tmp_path)))
    assert view["state"] == "FAILED"
    assert view["tasks"]["cleans-up/say"]["outputs"]["parameters"] == {"Output": "1 cleaned"}
    assert len(list(tmp_path.iterdir())) == 1


def test_defaults_stand_for_what_failed_or_never_ran(client: Client) -> None:
    view = finish(client, submit(client, "chain_of_defaults"))
    assert view["state"] == "FAILED"
    assert view["tasks"]["say"]["phase"] == "SKIPPED"
    assert view["tasks"]["default-2"]["outputs"]["parameters"] == {"Output": "default default more"}
