"""What kfp's compiler cannot do: these flows make documents whose references all lead to the right place."""

from __future__ import annotations

from typing import Any

import pytest
from tests.compiler import beyond

from wherry import dsl, ir
from wherry.ir import cel

FLOWS = {name: value for name, value in vars(beyond).items() if dsl.is_component(value)}


def component(name: str, key: str) -> Any:
    return FLOWS[name].pipeline_spec["components"][key]


def inputs_of(name: str, key: str, task: str) -> Any:
    return component(name, key)["dag"]["tasks"][task]["inputs"]["parameters"]


@pytest.mark.parametrize("name", sorted(FLOWS))
def test_the_document_loads(name: str) -> None:
    ir.from_builtins(FLOWS[name].pipeline_spec)


def test_conditions_compare_with_the_very_text() -> None:
    tasks = FLOWS["condition_on_any_text"].pipeline_spec["root"]["dag"]["tasks"]
    condition = cel.parse(tasks["condition-1"]["triggerPolicy"]["condition"])

    def holds(text: str) -> object:
        return condition.evaluate({"inputs": {"parameter_values": {"pipelinechannel--text": text}}})

    assert holds("it's \"a\" \\n\r\n{}' || true") is True
    assert holds("it's") is False


def test_a_field_comes_from_the_item_of_its_own_loop() -> None:
    field = inputs_of("field_in_inner_loop", "comp-for-loop-4", "show")["n"]
    assert field == {"componentInputParameter": "pipelinechannel--loop-item-param-1-subvar-a"}
    inner = inputs_of("field_in_inner_loop", "comp-for-loop-2", "for-loop-4")
    assert inner == {
        "pipelinechannel--loop-item-param-1-subvar-a": {
            "componentInputParameter": "pipelinechannel--loop-item-param-1",
            "parameterExpressionSelector": 'parseJson(string_value)["a"]',
        }
    }


def test_a_loop_inside_a_loop_over_the_same_list_has_an_item_of_its_own() -> None:
    inner = component("same_list_twice", "comp-for-loop-2")
    first = inner["dag"]["tasks"]["show"]["inputs"]["parameters"]["text"]
    second = inner["dag"]["tasks"]["show-2"]["inputs"]["parameters"]["text"]
    assert first == {"componentInputParameter": "pipelinechannel--names-loop-item"}
    assert second == {"componentInputParameter": "pipelinechannel--names-loop-item-2"}


@pytest.mark.parametrize("field", ["name", "value", "task_name"])
def test_fields_may_have_any_name(field: str) -> None:
    task = {"name": "show", "value": "show-2", "task_name": "show-3"}[field]
    selector = inputs_of("fields_with_taken_names", "comp-for-loop-2", task)["text"]["parameterExpressionSelector"]
    assert selector == f'parseJson(string_value)["{field}"]'


def test_a_field_in_a_text_is_taken_out_of_the_item() -> None:
    inputs = inputs_of("field_in_text", "comp-for-loop-2", "show")
    extra = "pipelinechannel--loop-item-param-1-subvar-a"
    assert inputs["text"] == {"runtimeValue": {"constant": f"<{{{{$.inputs.parameters['{extra}']}}}}>"}}
    assert inputs[extra]["parameterExpressionSelector"] == 'parseJson(string_value)["a"]'


def test_groups_of_an_inner_pipeline_keep_their_tasks() -> None:
    spec = FLOWS["group_names_meet"].pipeline_spec
    tasks = {task for one in spec["components"].values() for task in one.get("dag", {}).get("tasks", {})}
    assert {"show", "number"} <= tasks
    assert all("dag" in one or "executorLabel" in one for one in spec["components"].values())


def test_literals_and_enumerations_are_what_a_parameter_may_be() -> None:
    parameters = FLOWS["choices"].pipeline_spec["root"]["inputDefinitions"]["parameters"]
    assert parameters["color"] == {"parameterType": "STRING", "literals": ["red", "green"]}
    assert parameters["mode"] == {
        "parameterType": "STRING",
        "isOptional": True,
        "defaultValue": "fast",
        "literals": ["fast", "slow"],
    }
    assert parameters["level"]["literals"] == [1.0, 2.0]
    assert parameters["level"]["defaultValue"] == 1.0
    assert parameters["bits"]["parameterType"] == "NUMBER_INTEGER"


def test_a_union_with_none_is_optional_in_name_only() -> None:
    definitions = FLOWS["newer_unions"].pipeline_spec["root"]["inputDefinitions"]
    assert definitions["parameters"]["a"] == {"parameterType": "STRING"}
    assert definitions["parameters"]["b"] == {"parameterType": "NUMBER_INTEGER", "isOptional": True}
    assert definitions["artifacts"]["d"]["isOptional"] is True


def test_only_the_values_that_a_parameter_may_be() -> None:
    @dsl.pipeline
    def p() -> None:
        beyond.choices(color=beyond.Color.RED, level=beyond.Level.HIGH)

    arguments = p.pipeline_spec["root"]["dag"]["tasks"]["choices"]["inputs"]["parameters"]
    assert arguments["color"] == {"runtimeValue": {"constant": "red"}}
    assert arguments["level"] == {"runtimeValue": {"constant": 2.0}}
    with pytest.raises(ValueError, match=r"input 'mode'.* must be one of \['fast', 'slow'\]. Got: 'x'. \(test_beyond"):

        @dsl.pipeline
        def q() -> None:
            beyond.choices(color="red", mode="x")


def test_an_artifact_is_no_part_of_a_value() -> None:
    with pytest.raises(
        TypeError, match=r"The artifact data-out cannot be a part of the argument 'text'.*\(test_beyond"
    ):

        @dsl.pipeline
        def p() -> None:
            beyond.show(text=f"<{beyond.data().outputs['out']}>")


def test_one_of_takes_outputs_of_its_own_branches() -> None:
    with pytest.raises(ValueError, match=r"Got the output of number. \(test_beyond"):

        @dsl.pipeline
        def p(x: int) -> None:
            before = beyond.number()
            with dsl.If(x == 1):
                inside = beyond.number()
            with dsl.Else():
                beyond.number()
            beyond.show(n=dsl.OneOf(inside.output, before.output))


def test_packages_of_components_see_the_types_of_placeholders() -> None:
    seen: dict[str, Any] = {}

    @dsl.container_component
    def c(text: str, number: int, mapping: dict):
        seen.update(text=text, number=number, mapping=mapping)
        return dsl.ContainerSpec(image="i")

    assert {name: one._ir_type for name, one in seen.items()} == {
        "text": "STRING",
        "number": "NUMBER_INTEGER",
        "mapping": "STRUCT",
    }


def test_a_comparison_that_python_takes_for_true_is_told() -> None:
    @dsl.component
    def number() -> int:
        return 1

    with pytest.warns(UserWarning, match=r"counts as true in if, and, or") as told:

        @dsl.pipeline
        def flow() -> None:
            made = number()
            if made.output > 3:
                number()

    assert [warning.filename for warning in told] == [__file__]
