"""Kubeflow's own compiled documents on a whole server: what the index of the shared folder says of each, comes true.

The index names the outcome of every document; the tables below hold only what it leaves to its reader.  All documents
run at once, without the cache, so that none can live on another's results.
"""

from __future__ import annotations

import csv
import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from wherry import ir
from wherry.client import flows
from wherry.client.api import Client
from wherry.errors import WherryError
from wherry.testing.server import ServerThread

ARGUMENTS: dict[str, dict[str, Any]] = {
    "local_execution_pipeline_with_retry.yaml": {"counter_path": "{fresh}/counter"},
    "pipeline_with_string_machine_fields_pipeline_input.yaml": {"cpu_limit": "100m", "memory_limit": "64Mi"},
    "take_nap_compiled.yaml": {"naptime_secs": 0},
    "take_nap_pipeline_root_compiled.yaml": {"naptime_secs": 0},
}
"""Where the index asks for arguments in words; what asks for less than a small machine has fits every machine."""

STATES = {"component_with_task_final_status_GH-12033.yaml": "FAILED"}
"""Where the index only describes: what kfp.local does."""

OUTPUTS = {"local_execution_pipeline_with_retry.yaml": {"Output": "attempt=2"}}

PHASES = {
    "local_execution_pipeline_with_exit_handler.yaml": {"exit-handler-1": "SUCCEEDED", "record-exit": "SUCCEEDED"},
    "pipeline_with_multiple_exit_handlers.yaml": {
        "exit-handler-1": "FAILED",
        "print-op": "SUCCEEDED",
        "print-op-3": "SUCCEEDED",
        "print-op-5": "SUCCEEDED",
    },
    "pipeline_with_task_final_status.yaml": {"exit-handler-1/fail-op": "FAILED", "exit-op": "SUCCEEDED"},
    "pipeline_with_task_using_ignore_upstream_failure.yaml": {"fail-op": "FAILED", "print-op": "SUCCEEDED"},
}
"""What the index says of single tasks."""

SLEEPERS = ("long-running.yaml", "log_streaming_compiled.yaml")
"""They sleep for minutes, and no argument says otherwise: they are canceled as soon as they run."""

NEEDS_ITS_IMAGE = ("container_with_artifact_output.yaml",)
"""`sh run.sh`: the script is in the image; read as runnable because the command is a shell."""

COMPILE_ONLY = "no run upstream"
FINAL = ("SUCCEEDED", "FAILED", "CANCELED")


class Case(NamedTuple):
    """A line of the index."""

    file: Path
    runnable: bool
    outcome: str

    @property
    def name(self) -> str:
        return self.file.name

    def states(self) -> tuple[str, ...]:
        """The final states that fulfil the index."""
        if self.name in STATES:
            return (STATES[self.name],)
        if self.outcome.startswith(COMPILE_ONLY):
            return FINAL[:2]
        return ("FAILED",) if self.outcome.startswith("fails") else ("SUCCEEDED",)

    def outputs(self) -> dict[str, Any]:
        """The output parameters that the index tells."""
        return OUTPUTS.get(self.name) or self._told("outputs ")

    def arguments(self, fresh: Path) -> dict[str, Any]:
        """Those of the index, and those of the table."""
        given = {
            name: value.format(fresh=fresh) if isinstance(value, str) else value
            for name, value in ARGUMENTS.get(self.name, {}).items()
        }
        return self._told("(?:for arguments|checked with) ") | given

    def _told(self, words: str) -> dict[str, Any]:
        found = re.search(words + r"(?=\{)", self.outcome)
        return json.JSONDecoder().raw_decode(self.outcome, found.end())[0] if found else {}


@pytest.fixture(scope="module")
def cases(conformance: Path) -> list[Case]:
    folder = conformance / "kfp-ir"
    with (folder / "INDEX.tsv").open(newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    return [Case(folder / row["file"], row["runnable-offline"] == "yes", row["expected outcome"]) for row in rows]


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """A client of a whole server whose node says that it has a GPU, and whose `sh` knows `[[`, as busybox's does."""
    folder = tmp_path_factory.mktemp("conformance")
    bash = shutil.which("bash")
    assert bash is not None
    (folder / "bin").mkdir()
    (folder / "bin" / "sh").symlink_to(bash)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", str(folder / "bin"), prepend=":")
        patch.setenv("CUDA_VISIBLE_DEVICES", "0")
        with ServerThread(folder / "home") as server:
            found = server.client()
            yield found
            found.close()


def test_every_document_loads_or_is_refused_for_what_is_wrong_with_it(cases: list[Case]) -> None:
    assert len(cases) > 80
    wrong: dict[str, str] = {}
    for case in cases:
        fault = re.match(r"rejected at \w+: (?P<fault>.+)", case.outcome)
        said = refusal(case.file)
        if fault is None and said:
            wrong[case.name] = said
        elif fault is not None and not set(re.findall(r"\w+", fault["fault"])) <= set(re.findall(r"\w+", said)):
            wrong[case.name] = f"refused with {said!r}, not for {fault['fault']!r}"
    assert wrong == {}


def test_documents_run_to_the_outcome_that_the_index_tells(cases: list[Case], client: Client, tmp_path: Path) -> None:
    runs = {
        case: submit(client, case.file, case.arguments(tmp_path))
        for case in cases
        if case.runnable and case.name not in (*SLEEPERS, *NEEDS_ITS_IMAGE)
    }
    assert len(runs) > 55
    wrong: dict[str, list[Any]] = {}
    for case, run in runs.items():
        for _ in client.follow(run):
            pass
        found = differences(case, client.get(run, tasks=True))
        if found:
            wrong[case.name] = found
    assert wrong == {}


def test_what_sleeps_for_minutes_runs_until_it_is_canceled(cases: list[Case], client: Client) -> None:
    for case in cases:
        if case.name not in SLEEPERS:
            continue
        run = submit(client, case.file, {})
        for event in client.follow(run):
            if event is not None and event["event"] == "task" and event["kind"] == "task":
                if event["phase"] == "RUNNING":
                    client.cancel(run, kill=True)
                else:
                    assert event["phase"] in ("PENDING", "CANCELED"), event
        assert client.get(run)["state"] == "CANCELED", case.name


def refusal(file: Path) -> str:
    """Why the document does not load; "" when it does."""
    try:
        ir.load(file.read_bytes())
    except WherryError as error:
        return error.message
    return ""


def submit(client: Client, file: Path, arguments: dict[str, Any]) -> str:
    return client.submit(flows.load(str(file)).document, arguments, options={"cache": False})


def differences(case: Case, view: dict[str, Any]) -> list[Any]:
    """What of a finished run is not as the index says, with the errors of its tasks."""
    phases = {task["path"]: task["phase"] for task in view["tasks"]}
    found: list[Any] = []
    if view["state"] not in case.states():
        found += [view["state"], *(task["error"] for task in view["tasks"] if task["error"])]
    if view["state"] == "SUCCEEDED":
        parameters = (view["outputs"] or {}).get("parameters", {})
        found += [
            (name, parameters.get(name)) for name, value in case.outputs().items() if parameters.get(name) != value
        ]
    expected = PHASES.get(case.name, {})
    return found + [(path, phases.get(path)) for path, phase in expected.items() if phases.get(path) != phase]
