"""The forms in which KFP writes a pipeline: files, Kubernetes objects, components alone, and protobuf's wide JSON."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from tests.ir.test_reader import PLATFORM, base

from wherry import ir
from wherry.errors import UsageError
from wherry.ir import documents, yaml
from wherry.pipelines.engine import Run, RunInfo, decide
from wherry.pipelines.engine.model import Begin

INFO = RunInfo(run_id="r")


def version(**spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "pipelines.kubeflow.org/v2beta1",
        "kind": "PipelineVersion",
        "metadata": {"name": "v"},
        "spec": {"displayName": "v", "pipelineName": "p", **spec},
    }


PIPELINE = {**version(), "kind": "Pipeline", "spec": {"displayName": "p"}}

COMPONENT: dict[str, Any] = {
    "executorLabel": "exec-Train_It",
    "inputDefinitions": {
        "parameters": {"n": {"parameterType": "NUMBER_INTEGER"}},
        "artifacts": {"d": {"artifactType": {"schemaTitle": "system.Dataset"}, "isOptional": True}},
    },
    "outputDefinitions": {
        "parameters": {"loss": {"parameterType": "NUMBER_DOUBLE"}},
        "artifacts": {"m": {"artifactType": {"schemaTitle": "system.Model"}}},
    },
}
DEPLOYMENT = {"executors": {"exec-Train_It": {"container": {"image": "python:3.11", "command": ["true"]}}}}


def test_a_manifest_holds_the_pipeline_and_its_platform() -> None:
    alone = documents.combine([version(pipelineSpec=base())])
    assert ir.from_builtins(alone) == ir.from_builtins(base())
    both = documents.combine([PIPELINE, version(pipelineSpec=base(), platformSpec=PLATFORM, description="d")])
    assert ir.from_builtins(both) == ir.from_builtins({"pipeline_spec": base(), "platform_spec": PLATFORM})


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ([PIPELINE], "there is no pipeline spec in it"),
        ([version()], "spec.pipelineSpec: missing"),
        ([version(pipelineSpec=None)], "spec.pipelineSpec: missing"),
        ([version(pipelineSpec=base(), pipelineSpecs=1)], "spec: unknown field 'pipelineSpecs'"),
        ([{**version(pipelineSpec=base()), "spec": [1]}], "spec.pipelineSpec: missing"),
        ([version(pipelineSpec=[1])], "a pipeline document is a mapping, not a list"),
        ([version(pipelineSpec=base()), base()], "there are two pipeline specs"),
        ([{"apiVersion": "argoproj.io/v1alpha1", "kind": "Workflow", "spec": {}}],
         "kind: a Kubernetes object Workflow of argoproj.io/v1alpha1 holds no pipeline"),
        ([{"apiVersion": 1, "kind": None}], "kind: a Kubernetes object None of 1 holds no pipeline"),
    ],
)  # fmt: skip
def test_other_kubernetes_objects_are_refused(parts: list[Any], message: str) -> None:
    with pytest.raises(ir.IRError) as error:
        documents.combine(parts)
    assert error.value.message == message


def test_a_component_alone_is_a_pipeline_of_one_task() -> None:
    text = yaml.dump({**COMPONENT, "deploymentSpec": DEPLOYMENT})
    document = ir.load(text)
    pipeline = document.pipeline
    assert pipeline.pipeline_info.name == "train-it"
    assert list(pipeline.components) == ["comp-train-it"]
    dag = pipeline.root.dag
    assert dag is not None
    assert list(dag.tasks) == ["train-it"]
    assert pipeline.root.input_definitions == pipeline.components["comp-train-it"].input_definitions
    assert list(dag.outputs.parameters) == ["loss"]
    assert list(dag.outputs.artifacts) == ["m"]
    assert ir.from_builtins(document.to_builtins()) == document
    run = Run(document, info=INFO, arguments={"n": 3})
    assert [start.path for start in decide(run, Begin()).starts] == ["train-it"]


def test_a_root_with_an_executor_keeps_the_components_beside_it() -> None:
    spec = base()
    spec["root"] = {"executorLabel": "exec-a"}
    pipeline = ir.from_builtins(spec).pipeline
    assert pipeline.root.dag is not None
    (made,) = {*pipeline.components} - {*spec["components"]}
    assert pipeline.root.dag.tasks["a"].component_ref.name == made == "comp-a-1"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({}, "components.comp-train-it.executorLabel: there is no executor 'exec-Train_It'"),
        ({"executorLabel": 3}, "root.executorLabel: expected 'str', got 'int'"),
        ({"executorLabel": ""}, "root.dag: missing; a pipeline's root is a dag"),
        ({"inputDefinitions": []}, "root.inputDefinitions: expected 'object', got 'array'"),
        ({"components": 3}, "components: expected 'object', got 'int'"),
        ({"color": 1}, "the document: unknown field 'color'"),
        ({"schemaVersion": "9"}, "schemaVersion: '9' is not supported, only 2.1.0"),
    ],
    ids=str,
)
def test_a_component_alone_is_read_as_strictly(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ir.IRError) as error:
        ir.from_builtins(documents.combine([{**COMPONENT, **change}]))
    assert str(error.value) == message


def test_protobufs_wide_json_is_the_same_document() -> None:
    """Names in snake case, null for what is not set, integers as doubles and text, enum values as numbers."""
    wide = base()
    tasks = wide["root"]["dag"]["tasks"]
    tasks["a"]["retry_policy"] = {"max_retry_count": 2.0, "backoff_duration": "1.5s", "backoffFactor": "2"}
    del tasks["a"]["retryPolicy"]
    tasks["b"]["triggerPolicy"] = {"strategy": 2, "condition": None}
    tasks["loop"]["iteratorPolicy"] = {"parallelismLimit": "3"}
    tasks["loop"]["retryPolicy"] = None
    wide["pipeline_info"] = wide.pop("pipelineInfo")
    wide["defaultPipelineRoot"] = None
    plain = base()
    plain["root"]["dag"]["tasks"]["a"]["retryPolicy"]["backoffFactor"] = 2.0
    plain["root"]["dag"]["tasks"]["b"]["triggerPolicy"] = {"strategy": "ALL_UPSTREAM_TASKS_COMPLETED"}
    plain["root"]["dag"]["tasks"]["loop"]["iteratorPolicy"] = {"parallelismLimit": 3}
    before = copy.deepcopy(wide)
    assert ir.from_builtins(wide) == ir.from_builtins(plain)
    assert wide == before


def test_values_keep_their_nulls_and_names_in_the_wide_form_too() -> None:
    wide = base()
    value = {"schema_title": None, "n": "1", "pipeline_info": [None]}
    wide["root"]["dag"]["tasks"]["d"]["inputs"]["parameters"]["x"] = {"runtimeValue": {"constant": value}}
    wide["sdk_version"] = "kfp-2.17.0"
    document = ir.from_builtins(wide)
    assert document.pipeline.sdk_version == "kfp-2.17.0"
    dag = document.pipeline.root.dag
    assert dag is not None
    given = dag.tasks["d"].inputs.parameters["x"].runtime_value
    assert given is not None
    assert given.constant == value


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"pipeline_info": {"name": "x"}}, "the document: unknown field 'pipeline_info'"),  # beside pipelineInfo
        ({"pipelineInfo": {"name": None}}, "pipelineInfo.name: '' is not a pipeline's name: lower-case letters"),
        ({"pipelineInfo": {"name": 3}}, "pipelineInfo.name: expected 'str', got 'int'"),
        ({"components": {"c": None}}, "components.c: expected 'object', got 'null'"),
    ],
    ids=str,
)
def test_the_wide_form_is_as_strict(change: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError) as error:
        ir.from_builtins({**base(), **change})
    assert str(error.value).startswith(message)


def test_constants_in_the_deprecated_form_are_values() -> None:
    spec = base()
    spec["root"]["dag"]["tasks"]["d"]["inputs"]["parameters"]["x"] = {
        "runtimeValue": {"constantValue": {"intValue": "7"}}
    }
    dag = ir.from_builtins(spec).pipeline.root.dag
    assert dag is not None
    given = dag.tasks["d"].inputs.parameters["x"].runtime_value
    assert given is not None
    assert given.value == 7


@pytest.mark.parametrize(
    ("executor", "message"),
    [
        ({"secretAsEnv": [{"secretNameParameter": {}}]},
         "secretAsEnv.0.secretNameParameter: exactly one of runtimeValue, "),
        ({"secretAsEnv": [{"secretNameParameter": {"constant": "x"}}]},
         "secretAsEnv.0.secretNameParameter: Object contains unknown field `constant`"),
        ({"tolerations": [{"tolerationJson": {"runtimeValue": {}}}]},
         "tolerations.0.tolerationJson.runtimeValue: a constant is needed"),
        ({"nodeSelector": {"nodeSelectorJson": {"componentInputParameter": "a", "parameterExpressionSelector": "("}}},
         "nodeSelector.nodeSelectorJson.parameterExpressionSelector: "),
        ({"pvcMount": [{"mountPath": "/x"}]}, "pvcMount.0: the name of the claim is missing"),
        ({"pvcMount": [{"taskOutputParameter": {"producer": 1}}]}, "pvcMount.0.taskOutputParameter: "),
        ({"activeDeadlineSeconds": "soon"}, "activeDeadlineSeconds: expected 'int', got 'str'"),
        ({"activeDeadlineSeconds": -1}, "activeDeadlineSeconds: must not be negative"),
        ({"securityContext": {"runAsUser": 2**63}}, "securityContext.runAsUser: expected 'int' <= 9223372036854775807"),
    ],
    ids=lambda value: str(value)[:40],
)  # fmt: skip
def test_platform_settings_that_no_pod_can_be_made_of_are_refused(executor: dict[str, Any], message: str) -> None:
    platform = {"platforms": {"kubernetes": {"deploymentSpec": {"executors": {"exec-a": executor}}}}}
    with pytest.raises(ir.IRError) as error:
        ir.from_builtins({"pipeline_spec": base(), "platform_spec": platform})
    assert str(error.value).startswith(f"platforms.kubernetes.deploymentSpec.executors.exec-a.{message}")


def test_int64_fields_of_the_platform_may_be_text() -> None:
    executor = {"activeDeadlineSeconds": "60", "securityContext": {"runAsUser": "1000", "run_as_non_root": True}}
    platform = {"platforms": {"kubernetes": {"deploymentSpec": {"executors": {"exec-a": executor}}}}}
    document = ir.from_builtins({"pipeline_spec": base(), "platform_spec": platform})
    assert document.platform is not None
    assert document.platform.platforms.kubernetes is not None
    config = document.platform.platforms.kubernetes.deployment_spec.executors["exec-a"]
    assert config.active_deadline_seconds == 60
    assert config.security_context is not None
    assert config.security_context.run_as_user == 1000
    assert config.security_context.run_as_non_root is True
