"""Every feature of `wherry.dsl` on a whole server: from the source to what comes out."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from wherry.client import flows
from wherry.client.api import Client
from wherry.testing.server import ServerThread

FEATURES = Path(__file__).parent / "features.py"


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    with ServerThread(tmp_path_factory.mktemp("features") / "home") as server:
        found = server.client()
        yield found
        found.close()


def run(client: Client, pipeline: str, **arguments: Any) -> dict[str, Any]:
    """The view of a finished run, with the last attempt of each task by its path."""
    document = flows.load(f"{FEATURES}:{pipeline}").document
    made = client.submit(document, arguments, options={"cache": False})
    for _ in client.follow(made):
        pass
    view = client.get(made, tasks=True)
    view["tasks"] = {task["path"]: task for task in sorted(view["tasks"], key=lambda task: task["attempt"])}
    return view


def outputs(client: Client, pipeline: str, **arguments: Any) -> Any:
    """The output parameters of a run that succeeds; the value itself of one that has only `Output`."""
    view = run(client, pipeline, **arguments)
    errors = {path: task["error"] for path, task in view["tasks"].items() if task["error"]}
    assert (view["state"], errors) == ("SUCCEEDED", {})
    found = view["outputs"]["parameters"]
    return found["Output"] if list(found) == ["Output"] else found


@pytest.mark.parametrize(
    ("pipeline", "arguments", "expected"),
    [
        ("loops_over_outputs", {}, sum(i + j for i in range(4) for j in range(i))),
        ("loops_over_fields", {}, "a0.5 a1 b1.5"),
        ("fields_of_outputs", {}, "a0.5 b2"),
        ("loops_of_nothing", {}, 0),
        ("lists_of_artifacts", {}, "x/1 y/1 z/1"),
        ("lists_of_artifacts", {"words": []}, ""),
        ("branches", {}, {"text": "it was tails", "size": "large", "read": "t/1"}),
        ("branches", {"side": "other", "n": 2}, {"text": "it was the edge", "size": "small", "read": "e/1"}),
        ("branches_in_loops", {}, "a it's 11 1.5 c"),
        ("uses_chosen_artifact", {}, "less/4"),
        ("paths", {}, {"copied": "Dataset: by path", "size": 7}),
        ("returned_artifacts", {}, {"text": "weights of data/4", "same": "data/4", "score": 0.5}),
        ("reported", {}, "0.75 [[3, 1], [0, 4]] # Notes"),
        ("folders", {}, "in a folder"),
        ("pipelines", {}, {"first": "None 3 None", "second": "None 4 None", "third": "x 3 None"}),
        ("pipelines", {"a": "y"}, {"first": "None 3 None", "second": "y 4 None", "third": "x 3 None"}),
        ("placeholders", {}, "where for you!"),
        (
            "containers",
            {},
            {
                "without": "--text=a b,--no-more,length:3,",
                "with_it": "--text=',--more,m,length:3,",
                "copied": "Model: abc",
            },
        ),
    ],
)
def test_flows_give_what_they_say(client: Client, pipeline: str, arguments: dict[str, Any], expected: Any) -> None:
    assert outputs(client, pipeline, **arguments) == expected


def test_values_of_every_type_come_out_as_they_went_in(client: Client) -> None:
    found = outputs(client, "types", i=2**53 - 3, l=[], s='{{$.x}} "é" \\n\n')
    assert found == {
        "i": 2**53 - 1,
        "f": 2.0,
        "b": False,
        "s": '{{$.x}} "é" \\n\n',
        "l": [None, None],
        "d": {"k": {}, "more": [1, {}]},
    }
    assert type(found["i"]) is int


def test_a_condition_inside_a_loop_decides_for_each_iteration(client: Client) -> None:
    tasks = run(client, "loops_with_conditions", n=3)["tasks"]
    phases = {path: task["phase"] for path, task in tasks.items() if "/condition" in path}
    assert phases == {
        "for-loop-1[0]/condition-2": "SKIPPED",
        "for-loop-1[1]/condition-2": "SKIPPED",
        "for-loop-1[2]/condition-2": "SUCCEEDED",
        "for-loop-1[2]/condition-2/add": "SUCCEEDED",
    }
    assert tasks["say"]["finished_at"] <= tasks["for-loop-1[2]/condition-2/add"]["started_at"]


def test_an_artifact_comes_out_of_the_branch_that_was_taken(client: Client) -> None:
    (artifact,) = run(client, "chosen_artifact")["outputs"]["artifacts"]["Output"]
    assert Path(artifact["uri"]).read_text() == "more"
    assert artifact["metadata"] == {"length": 4}


@pytest.mark.parametrize(("fail", "state", "status"), [(True, "FAILED", "FAILED"), (False, "SUCCEEDED", "COMPLETE")])
def test_exit_tasks_learn_how_it_ended(client: Client, tmp_path: Path, fail: bool, state: str, status: str) -> None:
    view = run(client, "exits", folder=str(tmp_path), fail=fail)
    assert view["state"] == state
    said = json.loads((tmp_path / "exit").read_text())
    assert said == [status, "exit-handler-1", view["resource_name"], "on purpose" if fail else None]


def test_what_ignores_failures_goes_on_with_its_defaults(client: Client) -> None:
    view = run(client, "goes_on")
    assert view["state"] == "FAILED"
    assert view["tasks"]["say-default"]["outputs"]["parameters"] == {"Output": "default"}


def test_a_failed_pipeline_can_be_ignored_as_a_task_can(client: Client) -> None:
    view = run(client, "goes_on_after_pipelines")
    phases = {path: view["tasks"][path]["phase"] for path in ("fails-inside", "say", "say-2")}
    assert phases == {"fails-inside": "FAILED", "say": "SUCCEEDED", "say-2": "SKIPPED"}


def test_a_task_is_retried_until_it_succeeds(client: Client, tmp_path: Path) -> None:
    view = run(client, "retried", folder=str(tmp_path))
    assert (view["state"], view["outputs"]["parameters"]) == ("SUCCEEDED", {"Output": 2})
    assert view["tasks"]["third-time"]["attempt"] == 3


def test_a_local_file_is_imported_with_metadata(client: Client, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("imported")
    assert outputs(client, "imports", uri=str(file)) == {"fixed": "imported/3", "generic": "Dataset: imported"}
