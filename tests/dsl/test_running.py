"""Components of every making run on a whole server: real processes, and for notebooks real kernels."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from wherry.client import flows
from wherry.client.api import Client
from wherry.testing.server import ServerThread

RUNNING = Path(__file__).parent / "running.py"


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    with ServerThread(tmp_path_factory.mktemp("running") / "home") as server:
        found = server.client()
        yield found
        found.close()


def run(client: Client, pipeline: str, **arguments: Any) -> dict[str, Any]:
    """The view of a finished run, with its tasks by their paths."""
    made = client.submit(flows.load(f"{RUNNING}:{pipeline}").document, arguments, options={"cache": False})
    for _ in client.follow(made):
        pass
    view = client.get(made, tasks=True)
    view["tasks"] = {task["path"]: task for task in view["tasks"]}
    return view


@pytest.mark.parametrize(
    ("pipeline", "arguments", "expected"),
    [
        ("labels", {}, "one x2-s with s! N4 X3 WITHOUT?"),
        ("loaded_pipelines", {}, 12),
        ("add_again", {"a": 3}, 4),
        ("in_a_venv", {"text": "abc"}, "cba"),
        ("counts_embedded", {}, 3),
        ("reads_embedded", {}, "one two three"),
        (
            "choices",
            {"mode": "fast"},
            "fast Color.GREEN False None 17, slow Color.RED True Color.GREEN 9 SMALL LARGE",
        ),
        ("reads_parameter", {"text": "a\nb", "mapping": {"c": [1]}}, 'a\nb{"c": [1]}'),
    ],
)
def test_what_comes_out(client: Client, pipeline: str, arguments: dict[str, Any], expected: Any) -> None:
    view = run(client, pipeline, **arguments)
    errors = {path: task["error"] for path, task in view["tasks"].items() if task["error"]}
    assert (view["state"], errors) == ("SUCCEEDED", {})
    assert view["outputs"]["parameters"] == {"Output": expected}


def test_a_loaded_component_runs_by_itself(client: Client) -> None:
    view = run(client, "label", some_words="a", how_often=1)
    assert view["outputs"]["parameters"] == {"count": 3}
    (artifact,) = view["outputs"]["artifacts"]["labels"]
    assert Path(artifact["uri"]).read_text() == "a x1 without!"


def test_notebooks_are_executed_with_their_parameters(client: Client) -> None:
    view = run(client, "notebooks")
    assert view["outputs"]["parameters"] == {"Output": '{"lines": 2, "first": "hello you"} 42'}
    log = b"".join(client.logs(view["id"], "notebook")).decode()
    assert "[cell 3] hello you\n[cell 3] hello you\n2\n" in log


def test_a_notebook_that_fails_says_which_cell(client: Client) -> None:
    view = run(client, "failing_notebook")
    assert view["state"] == "FAILED"
    error = str(view["tasks"]["failing-notebook"]["error"])
    assert "Notebook execution failed" in error
    assert "raise LookupError('mine')" in error
