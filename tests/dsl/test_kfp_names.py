"""Every name that users import from `kfp.dsl` is there, from wherry, and is what it is there."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys

import pytest
from tests import oracles

import wherry.dsl

PROGRAM = """
import json, types
from kfp import components, dsl
from kfp.dsl import PipelineTask
public = [name for name in dir(dsl) if name[0] != "_" and not isinstance(getattr(dsl, name), types.ModuleType)]
print(json.dumps({
    "dsl": sorted({*public, *dsl.__all__}),
    "components": components.__all__,
    "task": [name for name in dir(PipelineTask) if name[0] != "_"],
}))
"""


@pytest.fixture(scope="module")
def theirs() -> dict[str, list[str]]:
    interpreter = oracles.python("kfp", oracles.KFP)
    answer = subprocess.run([interpreter, "-W", "ignore", "-c", PROGRAM], check=True, capture_output=True, text=True)
    return json.loads(answer.stdout)


@pytest.mark.oracle
def test_no_public_name_of_kfp_is_missing(theirs: dict[str, list[str]]) -> None:
    assert [name for name in theirs["dsl"] if not hasattr(wherry.dsl, name)] == []
    assert [name for name in theirs["dsl"] if name not in wherry.dsl.__all__] == []
    assert [name for name in theirs["components"] if not hasattr(wherry.components, name)] == []


@pytest.mark.oracle
def test_a_task_has_every_method(theirs: dict[str, list[str]]) -> None:
    @wherry.dsl.container_component
    def some():
        return wherry.dsl.ContainerSpec(image="a")

    found = []

    @wherry.dsl.pipeline
    def flow():
        found.extend(dir(some()))

    assert [name for name in theirs["task"] if name not in found] == []


@pytest.mark.parametrize(
    ("module", "names"),
    [
        ("types.artifact_types", ["Artifact", "Dataset", "Model", "Metrics", "HTML", "Markdown", "get_uri"]),
        ("types.type_annotations", ["Input", "Output", "InputPath", "OutputPath", "InputAnnotation"]),
        ("types.type_utils", ["InconsistentTypeException"]),
        ("placeholders", ["ConcatPlaceholder", "IfPresentPlaceholder"]),
        ("structures", ["ContainerSpec"]),
        ("pipeline_task", ["PipelineTask"]),
        ("pipeline_channel", ["PipelineChannel", "PipelineParameterChannel", "PipelineArtifactChannel"]),
        ("base_component", ["BaseComponent"]),
        ("graph_component", ["GraphComponent"]),
        ("python_component", ["PythonComponent"]),
        ("importer_node", ["importer"]),
    ],
)
def test_names_are_importable_from_where_kfp_has_them(module: str, names: list[str]) -> None:
    found = importlib.import_module(f"wherry.dsl.{module}")
    for name in names:
        assert getattr(found, name) is getattr(wherry.dsl, name, getattr(found, name))


def test_modules_are_attributes_as_in_kfp() -> None:
    program = (
        "from wherry import dsl; print(dsl.types.artifact_types.Dataset is dsl.Dataset, "
        "dsl.pipeline_task.PipelineTask is dsl.PipelineTask, dsl.types.type_annotations.InputPath is dsl.InputPath, "
        "dsl.structures.ContainerSpec is dsl.ContainerSpec, dsl.base_component.BaseComponent is dsl.BaseComponent)"
    )
    found = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True).stdout
    assert set(found.split()) == {"True"}
