"""Files: KFP's YAML with its comments, JSON, Kubernetes objects; parameters that take the place of defaults."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from wherry import compiler, dsl
from wherry.compiler import Compiler, KubernetesManifestOptions


@dsl.component
def greet(name: str, times: int = 2) -> str:
    return name * times


@dsl.pipeline(name="hello", description="Greets.\nTwice.")
def hello(name: str = "world", data: dict = {"a": 1}, d: dsl.Dataset = None) -> str:  # noqa: B006 - as users write
    return greet(name=name).output


@dsl.pipeline(pipeline_config=dsl.PipelineConfig(active_deadline_seconds=5))
def with_platform():
    greet(name="x")


def compiled(tmp_path: Path, pipeline: Any, name: str = "x.yaml", **options: Any) -> list[Any]:
    path = tmp_path / name
    Compiler().compile(pipeline, str(path), **options)
    return list(yaml.safe_load_all(path.read_text()))


def test_the_file_holds_the_document(tmp_path: Path) -> None:
    assert compiled(tmp_path, hello) == [hello.pipeline_spec]
    assert compiler.compile(hello) == hello.pipeline_spec


def test_the_platform_document_comes_second(tmp_path: Path) -> None:
    documents = compiled(tmp_path, with_platform)
    assert documents[1] == {"platforms": {"kubernetes": {"pipelineConfig": {"activeDeadlineSeconds": 5}}}}
    assert compiler.documents(with_platform)[1] == documents[1]


def test_comments_say_what_the_pipeline_takes(tmp_path: Path) -> None:
    Compiler().compile(hello, str(tmp_path / "x.yml"))
    assert (tmp_path / "x.yml").read_text().splitlines()[:11] == [
        "# PIPELINE DEFINITION",
        "# Name: hello",
        "# Description: Greets.",
        "#              Twice.",
        "# Inputs:",
        "#    d: system.Dataset",
        "#    data: dict [Default: {'a': 1.0}]",
        "#    name: str [Default: 'world']",
        "# Outputs:",
        "#    Output: str",
        "components:",
    ]


def test_names_and_parameters_are_overridden_in_the_file_only(tmp_path: Path) -> None:
    (document,) = compiled(
        tmp_path, hello, pipeline_name="other", pipeline_display_name="Other", pipeline_parameters={"name": "you"}
    )
    assert document["pipelineInfo"] == {"name": "other", "displayName": "Other", "description": "Greets.\nTwice."}
    assert document["root"]["inputDefinitions"]["parameters"]["name"]["defaultValue"] == "you"
    assert hello.pipeline_spec["pipelineInfo"]["name"] == "hello"
    assert hello.pipeline_spec["root"]["inputDefinitions"]["parameters"]["name"]["defaultValue"] == "world"


def test_an_artifact_has_no_default(tmp_path: Path) -> None:
    with pytest.raises(NotImplementedError, match=r"not supported.*test_package\.py:"):
        compiled(tmp_path, hello, pipeline_parameters={"d": "x"})


def test_json_is_deprecated_and_has_no_platform(tmp_path: Path) -> None:
    with pytest.warns(DeprecationWarning, match="Compiling to JSON"):
        assert compiled(tmp_path, hello, "x.json") == [hello.pipeline_spec]
    with pytest.warns(DeprecationWarning, match="JSON"), pytest.raises(ValueError, match=r"'.json'"):
        compiled(tmp_path, with_platform, "x.json")


def test_kubernetes_objects(tmp_path: Path) -> None:
    options = KubernetesManifestOptions(namespace="team", include_pipeline_manifest=True, pipeline_version_name="v1")
    pipeline, version = compiled(tmp_path, hello, kubernetes_manifest_format=True, kubernetes_manifest_options=options)
    assert pipeline == {
        "apiVersion": "pipelines.kubeflow.org/v2beta1",
        "kind": "Pipeline",
        "metadata": {"name": "hello", "namespace": "team"},
        "spec": {"displayName": "hello", "description": "Greets.\nTwice."},
    }
    assert version["metadata"] == {"name": "v1", "namespace": "team"}
    assert version["spec"] == {
        "displayName": "v1",
        "pipelineName": "hello",
        "pipelineSpec": hello.pipeline_spec,
        "description": "Greets.\nTwice.",
    }


def test_a_component_is_a_pipeline_of_one_task(tmp_path: Path) -> None:
    (document,) = compiled(tmp_path, greet)
    assert list(document["root"]["dag"]["tasks"]) == ["greet"]
    assert document["root"]["dag"]["tasks"]["greet"]["inputs"]["parameters"]["times"] == {
        "componentInputParameter": "times"
    }
