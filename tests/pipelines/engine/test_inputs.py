"""Inputs as KFP's driver resolves them: types, defaults, nulls, literals, placeholders, artifacts; what is launched."""

from __future__ import annotations

from typing import Any

import pytest
from tests.pipelines.engine.build import Artifact, Out, Outer, Pipeline, task
from tests.pipelines.engine.drive import INFO, Broke, Harness

from wherry import ir
from wherry.pipelines import engine


def one(inputs: dict[str, Any], **given: Any) -> Harness:
    """A pipeline with the single task `a`, run to its end."""
    return Harness(Pipeline().leaf("a", inputs).document({"a": task("a", **given)})).to_end()


def problem(harness: Harness) -> str:
    assert harness.state == "FAILED"
    return harness.run.error["message"]


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        ("NUMBER_INTEGER", 3.0, 3),
        ("NUMBER_INTEGER", -7, -7),
        ("NUMBER_DOUBLE", 3, 3.0),
        ("NUMBER_DOUBLE", 0.5, 0.5),
        ("STRING", "text", "text"),
        ("STRING", 3.0, "3"),
        ("STRING", 0.1, "0.1"),
        ("STRING", True, "true"),
        ("STRING", [1.0, "a"], '[1,"a"]'),
        ("STRING", {"a": {"b": 2.0}}, '{"a":{"b":2}}'),
        ("BOOLEAN", False, False),
        ("LIST", [1.0, 2.5], [1, 2.5]),
        ("STRUCT", {"a": [1.0]}, {"a": [1]}),
    ],
)
def test_values_reach_a_task_in_their_declared_type(kind: str, value: Any, expected: Any) -> None:
    found = one({"x": kind}, x=value).resolved["a"].parameters["x"]
    assert found == expected
    assert repr(found) == repr(expected), "3 is not 3.0 to Python code"


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("NUMBER_INTEGER", 2.5),
        ("NUMBER_INTEGER", "3"),
        ("NUMBER_INTEGER", True),
        ("NUMBER_DOUBLE", "1.5"),
        ("BOOLEAN", "true"),
        ("BOOLEAN", 1),
        ("LIST", "[]"),
        ("LIST", {}),
        ("STRUCT", []),
    ],
)
def test_other_types_are_refused_with_task_input_and_value(kind: str, value: Any) -> None:
    message = problem(one({"x": kind}, x=value))
    assert message.startswith(f"task 'a': the input 'x' must be {kind}, but its value is ")


def test_an_input_with_literals_takes_nothing_else() -> None:
    definition = {"parameterType": "NUMBER_INTEGER", "literals": [1.0, 2.0]}
    assert one({"x": definition}, x=2).resolved["a"].parameters == {"x": 2}
    assert problem(one({"x": definition}, x=3)) == "task 'a': the input 'x' is 3, not one of: 1, 2"


def test_absent_optional_inputs_of_a_task_are_left_to_the_runtime() -> None:
    definition = {"parameterType": "STRING", "defaultValue": "d", "isOptional": True}
    assert one({"x": definition, "y": "STRING?"}).resolved["a"].parameters == {}
    assert one({"y": "STRING?"}, y=None).resolved["a"].parameters == {}


def test_absent_required_inputs_fail_the_task() -> None:
    assert problem(one({"x": "STRING"})) == "task 'a': the input 'x' is required, but the task does not give it"
    assert "is null, but it is required" in problem(one({"x": "STRING"}, x=None))


def test_absent_optional_inputs_of_a_dag_get_the_default_or_null() -> None:
    pipeline = Pipeline().leaf("a", {"x": "NUMBER_INTEGER?", "y": "STRING?"})
    default = {"parameterType": "NUMBER_INTEGER", "defaultValue": 4.0, "isOptional": True}
    pipeline.dag("d", {"a": task("a", x=Outer("x"), y=Outer("y"))}, {"x": default, "y": "STRING?"})
    assert Harness(pipeline.document({"d": task("d")})).to_end().resolved["d/a"].parameters == {"x": 4}


def test_arguments_of_the_run_are_checked_and_defaults_filled_in() -> None:
    inputs = {"n": "NUMBER_INTEGER", "s": {"parameterType": "STRING", "defaultValue": "d"}}
    document = (
        Pipeline()
        .leaf("a", {"n": "NUMBER_INTEGER", "s": "STRING"})
        .document({"a": task("a", n=Outer("n"), s=Outer("s"))}, inputs)
    )
    assert Harness(document, arguments={"n": 2.0}).to_end().resolved["a"].parameters == {"n": 2, "s": "d"}
    assert problem(Harness(document).to_end()) == "the pipeline's parameter 'n' has no value"
    wrong = problem(Harness(document, arguments={"n": "many"}).to_end())
    assert wrong == "the pipeline's parameter 'n' must be NUMBER_INTEGER, but its value is many"


@pytest.mark.parametrize(
    ("placeholder", "expected"),
    [
        ("{{$.pipeline_job_name}}", INFO.name),
        ("{{$.pipeline_job_resource_name}}", "pipe-0123abcd"),
        ("{{$.pipeline_job_uuid}}", INFO.run_id),
        ("{{$.pipeline_task_name}}", "a"),
        ("{{$.pipeline_root}}", "/store"),
        ("{{$.pipeline_job_create_time_utc}}", INFO.create_time_utc),
        ("{{$.pipeline_job_schedule_time_utc}}", INFO.schedule_time_utc),
        ("at {{$.workspace_path}}/x", "at /kfp-workspace/x"),
        ("run {{$.pipeline_job_name}} of {{$.pipeline_job_uuid}}", f"run {INFO.name} of {INFO.run_id}"),
        ("{{$.inputs.parameters['y']}}", "5"),
        ("{{$.inputs.parameters[''y'']}} and {{$.inputs.parameters[\"y\"]}}", "5 and 5"),
        ("{{$.inputs.parameters['away']}}", "{{$.inputs.parameters['away']}}"),
        ("{{$.inputs.parameters['z']}}", "{{$.inputs.parameters['z']}}"),
        ("{{$.something_new}} {{$}}", "{{$.something_new}} {{$}}"),
    ],
)
def test_placeholders_in_constants_are_replaced_wherever_they_stand(placeholder: str, expected: str) -> None:
    inputs = {"x": "STRING", "y": "NUMBER_INTEGER", "z": "STRING"}
    assert one(inputs, x=placeholder, y=5, z="{{$.inputs.parameters['x']}}").resolved["a"].parameters["x"] == expected
    inputs = {"x": "STRUCT", "y": "NUMBER_INTEGER"}
    assert one(inputs, x={"a": [placeholder]}, y=5).resolved["a"].parameters["x"] == {"a": [expected]}


def test_placeholders_in_defaults_are_replaced() -> None:
    default = {"parameterType": "STRING", "defaultValue": "of {{$.pipeline_job_name}}", "isOptional": True}
    pipeline = Pipeline().leaf("a", {"x": default, "y": "STRING?"})
    pipeline.dag("d", {"b": task("a", y=Outer("z"))}, {"z": default})
    tasks = {"a": task("a", y=Outer("r")), "given": task("a", x="own"), "d": task("d")}
    resolved = Harness(pipeline.document(tasks, {"r": default})).to_end().resolved
    filled = f"of {INFO.name}"
    assert resolved["a"].parameters == {"x": filled, "y": filled}
    assert resolved["given"].parameters == {"x": "own"}
    assert resolved["d/b"].parameters == {"x": filled, "y": filled}


def test_placeholders_in_the_items_of_a_loop_are_replaced() -> None:
    pipeline = Pipeline().leaf("a", {"item": "STRUCT"})
    items = [{"run": "{{$.pipeline_job_name}}"}, {"{{$.pipeline_task_name}}": ["plain"]}]
    resolved = Harness(pipeline.document({"a": task("a", over=items)})).to_end().resolved
    assert [resolved[f"a[{index}]"].parameters["item"] for index in (0, 1)] == [{"run": INFO.name}, {"a": ["plain"]}]


def test_an_f_string_reaches_the_tasks_of_a_pipeline_that_it_is_given_to() -> None:
    pipeline = (
        Pipeline()
        .leaf("a")
        .leaf("b", {"text": "STRING"})
        .dag("d", {"b": task("b", text=Outer("text"))}, {"text": "STRING"})
    )
    given = {"text": "{{$.inputs.parameters['pipelinechannel--a-Output']}} of {{$.pipeline_job_name}}"}
    document = pipeline.document({"a": task("a"), "d": task("d", **given, **{"pipelinechannel--a-Output": Out("a")})})
    harness = Harness(document, {"a": "{{$.pipeline_task_name}}"}).to_end()
    assert harness.resolved["d/b"].parameters == {"text": "{{$.pipeline_task_name}} of my run"}


def test_a_constant_is_checked_as_what_it_comes_to() -> None:
    definition = {"parameterType": "STRING", "literals": ["5 o'clock"]}
    given = {"x": "{{$.inputs.parameters['y']}} o'clock"}
    inputs = {"x": definition, "y": "NUMBER_INTEGER"}
    assert one(inputs, **given, y=5).resolved["a"].parameters["x"] == "5 o'clock"
    assert "is 6 o'clock, not one of: 5 o'clock" in problem(one(inputs, **given, y=6))


def test_a_tasks_uuid_is_the_same_for_every_attempt() -> None:
    document = (
        Pipeline()
        .leaf("a", {"x": "STRING"})
        .document({"a": task("a", x="{{$.pipeline_task_uuid}}", retry={"maxRetryCount": 1})})
    )
    harness = Harness(document)
    harness.tell(engine.Begin())
    first = engine.resolve(harness.run, "a")
    harness.tell(engine.Failed("a", 1, {}))
    second = engine.resolve(harness.run, "a")
    assert first.parameters == second.parameters
    assert len(first.parameters["x"]) == 36
    assert (first.attempt, second.attempt) == (1, 2)


def test_a_selector_takes_a_field_of_a_struct() -> None:
    pipeline = Pipeline().leaf("make", {}, {"Output": "STRUCT"}).leaf("a", {"x": "NUMBER_INTEGER"})
    pipeline.dag("d", {"a": task("a", x=Outer("s", 'parseJson(string_value)["k"]'))}, {"s": "STRUCT"})
    document = pipeline.document({"make": task("make"), "d": task("d", s=Out("make"))})
    harness = Harness(document, {"make": {"Output": {"k": 5}}}).to_end()
    assert harness.resolved["d/a"].parameters == {"x": 5}
    missing = problem(Harness(document, {"make": {"Output": {}}}).to_end())
    assert "task 'a': the input 'x': no such key: k" in missing


def test_artifacts_pass_from_producers_and_through_dags() -> None:
    pipeline = Pipeline().leaf("make", {}, makes={"ds": "Dataset"}).leaf("read", {}, takes={"d": "Dataset"})
    pipeline.dag("d", {"read": task("read", d=Artifact("given"))}, takes={"given": "Dataset"})
    document = pipeline.document({"make": task("make"), "d": task("d", given=Artifact("make", "ds"))})
    found = Harness(document).to_end().resolved["d/read"].artifacts
    assert [each["uri"] for each in found["d"]] == ["/store/make/1/ds"]


@pytest.mark.parametrize("optional", [True, False])
def test_an_artifact_that_is_missing_fails_the_task_unless_it_is_optional(optional: bool) -> None:
    definition = {"artifactType": {"schemaTitle": "system.Dataset"}, "isOptional": optional}
    pipeline = Pipeline().leaf("make", {}, makes={"ds": "Dataset"}).leaf("read", {}, takes={"d": definition})
    document = pipeline.document({"make": task("make"), "read": task("read", always=True, d=Artifact("make", "ds"))})
    harness = Harness(document, {"make": Broke()}).to_end()
    assert harness.phases["read"] == ("SUCCEEDED" if optional else "FAILED")
    if not optional:
        message = harness.run.nodes["read"].error["message"]
        assert message == "task 'read': the artifact 'd' is missing: the output 'ds' of 'make' has none"


def importer(**more: Any) -> dict[str, Any]:
    schema = {"schemaTitle": "system.Dataset", "schemaVersion": "0.0.1"}
    return {"importer": {"typeSchema": schema, **more}}


def test_an_importer_makes_its_artifact_without_a_pod() -> None:
    executor = importer(
        artifactUri={"runtimeParameter": "uri"},
        metadata={"name": "{{$.inputs.parameters['n']}}", "n": [1, "v{{$.inputs.parameters['n']}}"]},
    )
    pipeline = Pipeline().leaf(
        "imp", {"uri": "STRING", "n": "NUMBER_INTEGER"}, {}, makes={"artifact": "Dataset"}, executor=executor
    )
    pipeline.leaf("read", {}, takes={"d": "Dataset"})
    document = pipeline.document(
        {"imp": task("imp", uri="gs://b/k", n=7), "read": task("read", d=Artifact("imp", "artifact"))}
    )
    harness = Harness(document).to_end()
    assert harness.rows["imp", 1].kind == "importer"
    assert harness.resolved["read"].artifacts["d"] == [
        {
            "name": "artifact",
            "type": {"schemaTitle": "system.Dataset", "schemaVersion": "0.0.1"},
            "uri": "gs://b/k",
            "metadata": {"name": 7, "n": [1, "v7"]},
        }
    ]


def test_an_importer_with_a_constant_and_one_without_an_address() -> None:
    def imported(**uri: Any) -> Any:
        pipeline = Pipeline().leaf("imp", {}, {}, makes={"artifact": "Dataset"}, executor=importer(artifactUri=uri))
        harness = Harness(pipeline.document({"imp": task("imp")}))
        harness.tell(engine.Begin())
        return engine.imported(engine.resolve(harness.run, "imp"))["artifacts"]["artifact"][0]["uri"]

    assert imported(constant="s3://b/k") == "s3://b/k"
    with pytest.raises(engine.Unresolvable, match="task 'imp': the importer's artifact URI has no value"):
        imported()


def test_what_is_launched_has_its_image_env_and_resources_filled_in() -> None:
    container = {
        "image": "{{$.inputs.parameters['image']}}",
        "command": ["echo", "{{$.inputs.parameters['image']}}"],
        "env": [{"name": "N", "value": "n={{$.inputs.parameters['n']}} of {{$.pipeline_job_name}}"}],
        "resources": {
            "resourceCpuLimit": "{{$.inputs.parameters['cpu']}}",
            "cpuRequest": 0.5,
            "memoryLimit": 2.0,
            "resourceMemoryRequest": "512Mi",
            "accelerator": {"resourceType": "nvidia.com/gpu", "resourceCount": "{{$.inputs.parameters['n']}}"},
        },
    }
    inputs = {"image": "STRING", "n": "NUMBER_INTEGER", "cpu": {"parameterType": "STRING", "defaultValue": "2"}}
    document = (
        Pipeline().leaf("a", inputs, executor={"container": container}).document({"a": task("a", image="img:1", n=1)})
    )
    resolved = Harness(document).to_end().resolved["a"]
    assert resolved.image == "img:1"
    assert resolved.env == [("N", "n=1 of my run")]
    assert resolved.resources == {
        "requests": {"cpu": "0.5", "memory": "512Mi"},
        "limits": {"cpu": "2", "memory": "2G", "nvidia.com/gpu": "1"},
    }
    assert resolved.container.command == ["echo", "{{$.inputs.parameters['image']}}"], "the runtime replaces these"


@pytest.mark.parametrize(
    ("accelerator", "resource"),
    [
        ("nvidia.com/gpu", "nvidia.com/gpu"),
        ("amd.com/gpu", "amd.com/gpu"),
        ("NVIDIA_TESLA_P4", "nvidia.com/gpu"),
        ("TPU_V3", "google.com/tpu"),
    ],
)
def test_models_of_accelerators_are_asked_for_as_what_a_cluster_counts(accelerator: str, resource: str) -> None:
    container = {
        "image": "img:1",
        "resources": {
            "accelerator": {"resourceType": "{{$.inputs.parameters['kind']}}", "resourceCount": "2"},
        },
    }
    pipeline = Pipeline().leaf("a", {"kind": "STRING"}, executor={"container": container})
    resolved = Harness(pipeline.document({"a": task("a", kind=accelerator)})).to_end().resolved["a"]
    assert resolved.resources == {"requests": {}, "limits": {resource: "2"}}


def test_platform_settings_come_with_the_task_and_their_parameters_resolve() -> None:
    pipeline = Pipeline().leaf("make").leaf("a", {"x": "STRING"})
    spec = pipeline.builtins({"make": task("make"), "a": task("a", x="1", after=["make"])}, {"secret": "STRING"})
    secret = {"mountPath": "/s", "secretNameParameter": {"componentInputParameter": "secret"}}
    kubernetes = {"deploymentSpec": {"executors": {"exec-a": {"secretAsVolume": [secret]}}}}
    document = ir.from_builtins({"pipeline_spec": spec, "platform_spec": {"platforms": {"kubernetes": kubernetes}}})
    harness = Harness(document, {"make": "made"}, arguments={"secret": "top"}).to_end()
    platform = harness.resolved["a"].platform
    assert platform is not None
    assert platform.secret_as_volume[0].mount_path == "/s"
    assert engine.resolve_value(harness.run, "a", platform.secret_as_volume[0].secret_name_parameter or {}) == "top"
    output = {"taskOutputParameter": {"producerTask": "make", "outputParameterKey": "Output"}}
    assert engine.resolve_value(harness.run, "a", output) == "made"
    with pytest.raises(engine.Unresolvable, match="a value of its platform settings is missing"):
        engine.resolve_value(harness.run, "a", {"componentInputParameter": "nothing"})
    assert harness.resolved["make"].platform is None
