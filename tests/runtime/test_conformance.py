"""Every Python function in KFP's own compiled documents runs in our runtime: what fails, fails in the user's code."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml
from tests.runtime.tasks import Workshop, artifact

from wherry.pipelines.lightweight import Function, recognise

SAMPLES: dict[str, Any] = {
    "NUMBER_INTEGER": 1,
    "NUMBER_DOUBLE": 1.5,
    "STRING": "text",
    "BOOLEAN": True,
    "LIST": ["a", "b"],
    "STRUCT": {"a": 1},
    "TASK_FINAL_STATUS": {"state": "COMPLETE", "pipelineTaskName": "t", "pipelineJobResourceName": "r", "error": {}},
    "TASK_CONFIG": {},
}
# What these functions raise without the other tasks, packages and services of their pipelines.
USERS_ERRORS = {
    "AssertionError",
    "Exception",
    "FileNotFoundError",
    "ModuleNotFoundError",
    "NotADirectoryError",
    "RuntimeError",
    "SystemExit",
    "TypeError",
    "ValueError",
}

RUN_ALL = """
import json, os, sys, time
from wherry.runtime import main
main.preload()
begin, now = time.time(), time.time  # some of these functions only wait: their clock runs a thousand times as fast
time.sleep, time.time = (lambda seconds: None), lambda: begin + 1000 * (now() - begin)
for line in sys.stdin:
    job = json.loads(line)
    pid = os.fork()
    if pid == 0:
        null = os.open(os.devnull, os.O_RDWR)
        for fd in (0, 1, 2):
            os.dup2(null, fd)
        os.makedirs(job["cwd"])
        os.chdir(job["cwd"])
        os._exit(main.run(job["env"]))
    os.waitpid(pid, 0)
"""


def functions(folder: Path) -> list[tuple[str, Function, dict[str, Any]]]:
    """Each lightweight function with a label and its component; equal sources once."""
    found: dict[str, tuple[str, Function, dict[str, Any]]] = {}
    for path in sorted(folder.glob("*.yaml")):
        document = next(
            (part for part in yaml.safe_load_all(path.read_text()) if part and "pipelineInfo" in part), None
        )
        if document is None:
            continue
        executors = document.get("deploymentSpec", {}).get("executors", {})
        for component in document.get("components", {}).values():
            container = executors.get(component.get("executorLabel"), {}).get("container")
            if not container:
                continue
            program = recognise(container.get("command", []), container.get("args", []))
            if isinstance(program, Function):
                found.setdefault(program.source, (f"{path.stem}:{program.name}", program, component))
    return list(found.values())


def inputs(component: dict[str, Any], content: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """A value for each input of a component: its default, else a sample of its type."""
    defined = component.get("inputDefinitions", {})
    parameters = {
        name: spec.get("defaultValue", SAMPLES[spec["parameterType"]])
        for name, spec in defined.get("parameters", {}).items()
    }
    artifacts = {
        name: {
            "artifacts": [artifact(name, str(content), spec.get("artifactType", {}).get("schemaTitle", ""))]
            * (2 if spec.get("isArtifactList") else 1)
        }
        for name, spec in defined.get("artifacts", {}).items()
    }
    return parameters, artifacts


def test_every_lightweight_function_runs(conformance: Path, workshop: Workshop) -> None:
    content = workshop.folder / "content"
    content.write_text("content")
    jobs, tasks = [], []
    for label, function, component in functions(conformance / "kfp-ir"):
        parameters, artifacts = inputs(component, content)
        outputs = component.get("outputDefinitions", {})
        task = workshop.function(
            function.source,
            function.name,
            header="",
            parameters=parameters,
            artifacts=artifacts,
            types={name: spec["parameterType"] for name, spec in outputs.get("parameters", {}).items()},
            makes={
                name: spec.get("artifactType", {}).get("schemaTitle", "")
                for name, spec in outputs.get("artifacts", {}).items()
            },
        )
        task["component"]["inputs"] = {
            name: {"type": spec["parameterType"]}
            for name, spec in component.get("inputDefinitions", {}).get("parameters", {}).items()
        }
        jobs.append(json.dumps({"env": workshop.environment(task), "cwd": str(workshop.folder / f"cwd{len(jobs)}")}))
        tasks.append((label, task))
    subprocess.run(
        [sys.executable, "-c", RUN_ALL],
        input="\n".join(jobs),
        text=True,
        env={"PYTHONPATH": str(workshop.pyz), "PATH": os.environ["PATH"]},
        check=True,
        timeout=120,
    )
    succeeded = []
    for label, task in tasks:
        result = workshop.result(task, 0, "", "")
        assert result.record is not None, label
        if result.record["state"] == "SUCCEEDED":
            succeeded.append(label)
        else:
            assert result.error["traceback"], (label, result.error)  # it was the user's code that failed
            assert result.error["type"] in USERS_ERRORS, (label, result.error)
    assert len(succeeded) >= 0.75 * len(tasks) > 0
