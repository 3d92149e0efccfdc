"""Kubeflow's own documents, driven to their end by a fake executor: topology and values, without any process."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.pipelines.engine.drive import Broke, Harness

from wherry import ir

Load = Callable[[str], ir.Document]
_ARGUMENTS: dict[str, Any] = {
    "STRING": "s", "NUMBER_INTEGER": 3, "NUMBER_DOUBLE": 1.5, "BOOLEAN": True, "LIST": ["x", "y"], "STRUCT": {"a": 1},
    "TASK_FINAL_STATUS": {"state": "COMPLETE"},
}  # fmt: skip
_NEEDS_ARTIFACT = {
    "component_with_metadata_fields.yaml",
    "pipeline_with_metadata_fields.yaml",
    "pipeline_with_various_io_types.yaml",
}
_NEEDS_VALUES = {"pipeline_with_parallelfor_parallelism.yaml"}


@pytest.fixture
def load(conformance: Path) -> Load:
    return lambda name: ir.load((conformance / "kfp-ir" / name).read_bytes())


def _run(document: ir.Document, work: Any = None, **more: Any) -> Harness:
    arguments = {
        name: _ARGUMENTS[definition.parameter_type or "STRING"]
        for name, definition in document.pipeline.root.input_definitions.parameters.items()
        if definition.default_value is msgspec.UNSET and not definition.is_optional
    }
    return Harness(document, work, arguments={**arguments, **more}).to_end()


def test_every_document_loads_and_runs_to_its_end_or_is_rejected(conformance: Path) -> None:
    folder = conformance / "kfp-ir"
    with (folder / "INDEX.tsv").open(newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    assert len(rows) > 80
    for row in rows:
        text = (folder / row["file"]).read_bytes()
        if row["expected outcome"].startswith("rejected"):
            with pytest.raises(ir.IRError):
                ir.load(text)
            continue
        document = ir.load(text)
        assert ir.from_builtins(document.to_builtins()) == document
        expected = "FAILED" if row["file"] in _NEEDS_ARTIFACT | _NEEDS_VALUES else "SUCCEEDED"
        assert _run(document).state == expected, row["file"]


def test_status_of_an_exit_handler(load: Load) -> None:
    harness = _run(load("pipeline_with_input_status_state.yaml"))
    (exit_task,) = [each for each in harness.resolved.values() if "status" in each.parameters]
    status = exit_task.parameters["status"]
    assert status["state"] == "COMPLETE"
    assert status["pipelineTaskName"] == "exit-handler-1"


def test_exit_tasks_run_after_failures(load: Load) -> None:
    harness = _run(load("pipeline_with_task_final_status.yaml"), {"fail-op": Broke("boom")})
    assert harness.state == "FAILED"
    assert harness.phases["exit-op"] == "SUCCEEDED"
    assert harness.resolved["exit-op"].parameters["status"]["state"] == "FAILED"
    assert harness.resolved["exit-op"].parameters["status"]["pipelineTaskName"] == "exit-handler-1"
    harness = _run(load("pipeline_with_multiple_exit_handlers.yaml"), {"fail-op": Broke("boom")})
    assert harness.state == "FAILED"
    exits = {path: phase for path, phase in harness.phases.items() if path.startswith("print-op") and "/" not in path}
    assert exits
    assert set(exits.values()) == {"SUCCEEDED"}


def test_ignore_upstream_failure(load: Load) -> None:
    harness = _run(load("pipeline_with_task_using_ignore_upstream_failure.yaml"), {"fail-op": Broke("boom")})
    assert harness.phases == {"fail-op": "FAILED", "print-op": "SUCCEEDED"}
    assert harness.state == "FAILED"


def test_collected_artifacts_of_nested_loops(load: Load) -> None:
    harness = _run(load("collected_artifacts.yaml"))
    inside, outside = set(), set()
    for path, each in harness.resolved.items():
        for name in ("models", "data"):
            if name in each.artifacts and each.name.startswith(("read-models", "read-datasets")):
                (inside if "]/" in path else outside).add(len(each.artifacts[name]))
    assert inside == {2}
    assert outside == {4}, "both levels in one flat list"


@pytest.mark.parametrize("face", ["heads", "tails", "draw"])
def test_one_of_three_branches(load: Load, face: str) -> None:
    document = load("if_elif_else_with_oneof_parameters.yaml")
    harness = _run(document, lambda task: face if task.name.startswith("flip") else dict.fromkeys(_outputs(task), face))
    assert harness.run.outputs["parameters"] == {"Output": face}
    skipped = [path for path, phase in harness.phases.items() if phase == "SKIPPED"]
    assert len(skipped) == 2


def _outputs(task: Any) -> list[str]:
    return list(task.component.output_definitions.parameters)


def test_loops_over_fields_of_loop_items(load: Load) -> None:
    harness = _run(load("pipeline_with_nested_loops.yaml"))
    values = [each.parameters for path, each in harness.resolved.items() if path.startswith("for-loop-1[1]")]
    assert values
    assert any("11" in map(str, each.values()) for each in values)


def test_every_placeholder_of_the_run_is_replaced(load: Load) -> None:
    document = load("pipeline_with_placeholders.yaml")
    harness = _run(document)
    (resolved,) = harness.resolved.values()
    assert resolved.parameters
    for value in resolved.parameters.values():
        assert value
        assert "{{" not in value
    assert "print-all-placeholders" in resolved.parameters.values()


def test_resources_from_pipeline_inputs(load: Load) -> None:
    harness = _run(load("pipeline_with_string_machine_fields_pipeline_input.yaml"))
    (resolved,) = harness.resolved.values()
    limits = resolved.resources["limits"]
    assert {"cpu", "memory"} < limits.keys()
    assert "{{" not in "".join([*limits, *limits.values()])
