"""Kubeflow's own compiled documents, each run on a whole server of its own home, and what came of it.

Called by `tests/pipelines/test_conformance_runs.py`, by `benchmarks.conformance`, and by whoever updates the page:
`python -m scripts.conformance > docs/conformance.md` (WHERRY_SHARED names the folder with the documents).  The index
there names the outcome of every document; the tables here hold only what it leaves to its reader.
"""

from __future__ import annotations

import csv
import json
import os
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple
from unittest.mock import patch

from wherry import ir
from wherry.client import flows
from wherry.client.api import Client
from wherry.errors import WherryError
from wherry.testing.server import ServerThread

ROOT = Path(__file__).resolve().parent.parent
DOCUMENTS = Path(os.environ.get("WHERRY_SHARED", ROOT.parent / "shared")) / "conformance" / "kfp-ir"

ARGUMENTS: dict[str, dict[str, Any]] = {
    "local_execution_pipeline_with_retry.yaml": {"counter_path": "{fresh}/counter"},
    "pipeline_with_string_machine_fields_pipeline_input.yaml": {"cpu_limit": "100m", "memory_limit": "64Mi"},
    "take_nap_compiled.yaml": {"naptime_secs": 0},
    "take_nap_pipeline_root_compiled.yaml": {"naptime_secs": 0},
}
"""Where the index asks for arguments in words; what asks for less than a small machine has fits every machine."""

STATES = {"component_with_task_final_status_GH-12033.yaml": "FAILED"}
"""Where the index only describes: what kfp.local does."""

COMPILE_ONLY = {
    "artifacts_complex.yaml": "SUCCEEDED",
    "conditional_producer_and_consumers.yaml": "SUCCEEDED",
}
"""Not settled upstream; what docs/compatibility.md promises."""

ENDLESS = ("log_streaming_compiled.yaml",)
"""It writes for a minute, and no argument says otherwise: it is canceled when it has written."""

NEEDS_ITS_IMAGE = {"container_with_artifact_output.yaml": "run.sh of its image"}
"""`sh run.sh`: the script is in the image; read as runnable because the command is a shell."""

PACKAGES = ("metrics_visualization_v2.yaml", "notebook_component_simple.yaml")
"""Beyond what can run offline: these need packages of an index, and nothing else."""

ALSO = (
    "missing_kubernetes_optional_inputs.yaml",
    "parallel_for_mount_pvc.yaml",
    "pipeline_with_dynamic_importer_metadata.yaml",
    "pipeline_with_secret_as_volume.yaml",
    "pipeline_with_volume.yaml",
    "pipeline_with_volume_long_name.yaml",
    *PACKAGES,
)
"""What the index does not ask of a laptop, and runs here all the same."""


SECRET = {
    "apiVersion": "v1",
    "kind": "Secret",
    "metadata": {"name": "test-secret-1", "namespace": "default"},
    "stringData": {"username": "user1"},
}
"""What KFP's own tests put into their cluster before."""


class Case(NamedTuple):
    """A line of the index."""

    file: Path
    runnable: bool
    needs: str
    outcome: str

    @property
    def name(self) -> str:
        """The file's name."""
        return self.file.name

    @property
    def state(self) -> str:
        """The final state that fulfils the index."""
        told = STATES.get(self.name) or COMPILE_ONLY.get(self.name)
        return told or ("FAILED" if self.outcome.startswith("fails") else "SUCCEEDED")

    @property
    def runs(self) -> bool:
        """Whether it is run here to its end."""
        return (self.runnable and self.name not in (*ENDLESS, *NEEDS_ITS_IMAGE)) or self.name in ALSO

    @property
    def fault(self) -> str:
        """Why the document is to be refused; "" when it is to be loaded."""
        found = re.match(r"rejected at \w+: (?P<fault>.+)", self.outcome)
        return found["fault"] if found else ""

    def outputs(self) -> dict[str, Any]:
        """The output parameters that the index tells."""
        text = re.search(r": Output=(\S+)", self.outcome)
        return {"Output": text[1]} if text else self._told("outputs ")

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


def index(folder: Path = DOCUMENTS) -> list[Case]:
    """The lines of the index."""
    with (folder / "INDEX.tsv").open(newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    return [
        Case(folder / row["file"], word == "yes", needs.removesuffix(")"), row["expected outcome"])
        for row in rows
        for word, _, needs in (row["runnable-offline"].partition(" ("),)
    ]


@contextmanager
def server(folder: Path) -> Iterator[Client]:
    """A client of a whole server whose node says that it has a GPU, whose `sh` knows `[[`, as busybox's does, and whose
    `sleep` does not."""
    bash = shutil.which("bash")
    assert bash is not None
    (folder / "bin").mkdir()
    (folder / "bin" / "sh").symlink_to(bash)
    (folder / "bin" / "sleep").write_text("#!/bin/sh\n")
    (folder / "bin" / "sleep").chmod(0o755)
    path = f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}"
    with (
        patch.dict(os.environ, {"PATH": path, "CUDA_VISIBLE_DEVICES": "0"}),
        ServerThread(folder / "home") as running,
    ):
        client = running.client()
        try:
            client.kubernetes("POST", "/api/v1/namespaces/default/secrets", SECRET)
            yield client
        finally:
            client.close()


def refusal(file: Path) -> str:
    """Why the document does not load; "" when it does."""
    try:
        ir.load(file.read_bytes())
    except WherryError as error:
        return error.message
    return ""


def submit(client: Client, file: Path, arguments: dict[str, Any]) -> str:
    """Start a run of the document, without the cache, so that none can live on another's results."""
    return client.submit(flows.load(str(file)).document, arguments, options={"cache": False})


def finish(client: Client, run: str) -> dict[str, Any]:
    """Wait for a run's end; the run with its tasks."""
    for _ in client.follow(run):
        pass
    return client.get(run, tasks=True)


def until_it_writes(client: Client, run: str) -> dict[str, Any]:
    """Cancel the run as soon as a task of it has written a line; the run as it ended."""
    for event in client.follow(run):
        if event is not None and event["event"] == "task" and event["kind"] == "task" and event["phase"] == "RUNNING":
            next(client.logs(run, event["path"], follow=True))
            client.cancel(run, kill=True)
    return client.get(run, tasks=True)


def row(case: Case, state: str) -> str:
    """What the page says of a document that ended in `state` ("" when it was not run)."""
    if case.fault:
        return f"refused: {case.fault}"
    if case.name in ENDLESS:
        return f"{state}, when it had written"
    if not state:
        return f"loads; it needs {(NEEDS_ITS_IMAGE.get(case.name) or case.needs).removeprefix('needs ')}"
    return f"{state}, as it should" if state == "FAILED" else state


PAGE = """# Conformance

Kubeflow's own compiled documents (`test_data/sdk_compiled_pipelines` of its repository, all that we hold), loaded and run as they are on a laptop: without containers, without the
cache, one after another, every task a process. What each must come to is told by an index that was written from KFP's own cluster tests and from kfp.local 2.17.0; outputs,
artifacts and logs are compared by `tests/pipelines/test_conformance_runs.py`. Only {packages} fetch packages.
Made by `python -m scripts.conformance > docs/conformance.md`; seconds are of the machine that made it.

{ran} of {all} run to their outcome here, {refused} is refused as it must be; the rest load, and need what the table says.

| file | result | seconds |
| --- | --- | --- |
"""  # noqa: E501


def page(results: dict[str, tuple[str, float]], cases: list[Case]) -> str:
    """The page, from each document's final state and seconds."""
    lines = [
        f"| {case.name} | {row(case, state)} | {f'{seconds:.2f}' if state else ''} |"
        for case in cases
        for state, seconds in (results.get(case.name, ("", 0.0)),)
    ]
    counts = {"ran": len(results), "all": len(cases), "refused": sum(bool(case.fault) for case in cases)}
    return PAGE.format(packages=" and ".join(f"`{name}`" for name in PACKAGES), **counts) + "\n".join(lines) + "\n"


def main() -> None:
    """Run all documents, one after another, and print the page."""
    cases, results = index(), dict[str, tuple[str, float]]()
    folder = Path(tempfile.mkdtemp(prefix="conformance-"))
    with server(folder) as client:
        for case in cases:
            if not case.runs and case.name not in ENDLESS:
                continue
            begin = time.perf_counter()
            run = submit(client, case.file, case.arguments(folder))
            ended = (until_it_writes if case.name in ENDLESS else finish)(client, run)
            results[case.name] = (ended["state"], time.perf_counter() - begin)
    shutil.rmtree(folder)
    sys.stdout.write(page(results, cases))


if __name__ == "__main__":
    main()
