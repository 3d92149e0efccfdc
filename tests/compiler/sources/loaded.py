"""Components loaded from YAML, in KFP's present and its first format."""
import os
import tempfile

from kfp import compiler, components, dsl
from kfp.dsl import Dataset, Input, Output, PipelineTaskFinalStatus

ALL = """
name: Every Kind of Thing
description: Does it all.
metadata:
  annotations: {author: someone}
  labels: {kind: demo}
inputs:
- {name: Some Text, type: String, default: 'a "quoted" text', description: A text.}
- {name: n, type: Integer, default: '3'}
- {name: ratio, type: Float, default: 1}
- {name: double, type: Double}
- {name: flag, type: Bool, default: 'True'}
- {name: on-or-off, type: boolean, default: no}
- {name: listed, type: JsonArray, default: '[1, "b", {"c": 0.5}]'}
- {name: mapped, type: JsonObject, default: '{"a": {"b": [1]}}'}
- {name: odd, type: List, default: '[not json'}
- {name: Generic, type: 'typing.List[str]', optional: true}
- {name: generic_dict, type: 'Dict[str, int]', optional: true}
- {name: text, type: Text, optional: true}
- {name: 'Data (in)', type: Dataset}
- {name: model, type: model, optional: true}
- {name: vertex, type: google.VertexModel}
- {name: unknown, type: Something.Else}
- {name: untyped}
- {name: structured, type: {GCSPath: {data_type: CSV}}}
- {name: untyped default, default: abc}
outputs:
- {name: Number Out, type: Integer}
- {name: Data Out, type: Dataset}
- {name: any}
- {name: html, type: HTML}
- {name: gm, type: google.VertexModel, description: A model.}
implementation:
  container:
    image: registry/some/image:1
    command: [sh, -c, 'echo "$0"']
    args:
    - --text
    - {inputValue: Some Text}
    - {inputValue: n}
    - {inputPath: 'Data (in)'}
    - {inputUri: 'Data (in)'}
    - {outputPath: Number Out}
    - {outputPath: Data Out}
    - {outputUri: Data Out}
    - {executorInput: null}
    - if:
        cond: {isPresent: text}
        then: [--the-text, {inputValue: text}]
        else: [--no-text]
    - if:
        cond: {isPresent: text}
        then: --yes
    - if:
        cond: {isPresent: model}
        then: [{concat: ['--model=', {inputUri: model}]}, {if: {cond: {isPresent: text}, then: a, else: b}}]
    - concat: ['--a=', {inputValue: n}, ',', {if: {cond: {isPresent: text}, then: {inputValue: text}, else: none}}]
    env:
      A: b
      EMPTY: ''
"""
every = components.load_component_from_text(ALL)
unnamed = components.load_component_from_text("implementation: {container: {image: a}}")
no_command = components.load_component_from_text("name: Only__an Image!\nimplementation: {container: {image: a, command: [], args: []}}")
status = components.load_component_from_text(
    """
name: status
inputs:
- {name: Status, type: PipelineTaskFinalStatus}
- {name: text, type: str, default: ''}
implementation:
  container:
    image: a
    command: [echo, {inputValue: Status}, {inputValue: text}]
"""
)
produce = components.load_component_from_text(
    """
name: Produce
inputs:
- {name: count, type: Integer}
outputs:
- {name: Total, type: Integer}
- {name: Table, type: Dataset}
implementation:
  container:
    image: python:3.11
    command: [python3, -c, 'import sys; print(sys.argv)', {inputValue: count}, {outputPath: Total}, {outputPath: Table}]
"""
)


@dsl.component
def from_python(text: str = "x", n: int = 3, items: list = [1, "a"], more: dict = {"a": 1}, maybe: float = None, yes: bool = True) -> str:
    """Described in the function."""
    return text


@dsl.component
def use_data(data: Input[Dataset], out: Output[Dataset], number: int):
    pass


@dsl.container_component
def contained(text: str, data: Output[Dataset]):
    return dsl.ContainerSpec(
        image="alpine",
        command=["sh", "-c", dsl.IfPresentPlaceholder("text", then=["a", text], else_="b")],
        args=[dsl.ConcatPlaceholder([text, data.uri])],
    )


@dsl.component
def finishing(status: PipelineTaskFinalStatus):
    print(status)


def reloaded(component):
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "component.yaml")
        compiler.Compiler().compile(component, path)
        return components.load_component_from_file(path)


again = reloaded(from_python)
again_contained = reloaded(contained)
again_data = reloaded(use_data)
again_finishing = reloaded(finishing)
again_first_format = reloaded(produce)


@dsl.pipeline
def first_format(count: int = 2) -> int:
    task = produce(count=count)
    use_data(data=task.outputs["table"], number=task.outputs["total"])
    produce(count=task.outputs["total"]).set_env_variable("A", "b").set_cpu_limit("1").set_display_name("Again")
    return task.outputs["total"]


@dsl.pipeline
def second_format(text: str):
    task = again(text=text)
    again(text=task.output, n=4, items=[], more={}).set_memory_limit("1Gi").set_caching_options(False)
    again_contained(text=f"{task.output}!").after(task)


@dsl.pipeline
def loaded_exit_task():
    with dsl.ExitHandler(status(text="done")):
        again()
    again_finishing().after(from_python()).ignore_upstream_failure()


@dsl.pipeline
def env_of_a_loaded_component():
    task = every(
        double=1.5,
        data_in=dsl.importer("gs://a/b", Dataset).output,
        vertex=dsl.importer("gs://a/c", dsl.Artifact).output,
        unknown=produce(count=1).outputs["table"],
        untyped=produce(count=1).outputs["table"],
        structured=produce(count=1).outputs["table"],
    )
    task.set_env_variable("C", "d").set_env_variable("A", "changed")
    every(
        double=2.0,
        data_in=task.outputs["data_out"],
        vertex=task.outputs["gm"],
        unknown=task.outputs["any"],
        untyped=task.outputs["html"],
        structured=task.outputs["html"],
        untyped_default=task.outputs["any"],
    )


@dsl.pipeline(description="An inner pipeline.")
def inner(count: int = 1) -> int:
    with dsl.If(count > 1):
        produce(count=count)
    return produce(count=3).outputs["total"]


reloaded_pipeline = reloaded(inner)


@dsl.pipeline
def uses_a_loaded_pipeline():
    task = reloaded_pipeline(count=5)
    produce(count=task.output)
    with dsl.ParallelFor([1, 2]) as item:
        reloaded_pipeline(count=item)


def load(text):
    return components.load_component_from_text(text)


def implemented(container, more=""):
    return load(f"name: a\n{more}\nimplementation: {{container: {{image: a, {container}}}}}")


def refuse_no_document():
    load("")


def refuse_three_documents():
    load("a: 1\n---\nb: 1\n---\nc: 1")


def refuse_unknown_field():
    load("name: a\nfoo: 1\nimplementation: {container: {image: a}}")


def refuse_unknown_field_of_the_container():
    implemented("resources: {cpu: 1}")


def refuse_unknown_field_of_an_input():
    implemented("command: []", "inputs: [{name: a, kind: b}]")


def refuse_no_image():
    load("name: a\nimplementation: {container: {command: [a]}}")


def refuse_empty_implementation():
    load("name: a\nimplementation: {}")


def refuse_graph_implementation():
    load("name: a\nimplementation: {graph: {tasks: {}}}")


def refuse_number_in_the_command():
    implemented("command: [1]")


def refuse_two_placeholders_in_one():
    implemented("command: [{inputValue: x, inputPath: x}]", "inputs: [{name: x}]")


def refuse_placeholder_of_unknown_input():
    implemented("command: [{inputValue: x}]")


def refuse_placeholder_of_unknown_output():
    implemented("command: [{outputPath: x}]")


def refuse_unknown_placeholder():
    implemented("command: [{inputMetadata: x}]", "inputs: [{name: x}]")


def refuse_present_of_unknown_input():
    implemented("command: [{if: {cond: {isPresent: x}, then: a}}]")


def refuse_list_in_concat():
    implemented("command: [{concat: [{if: {cond: {isPresent: x}, then: [a]}}]}]", "inputs: [{name: x, type: String}]")


def refuse_path_of_a_parameter():
    return implemented("command: [{inputPath: x}]", "inputs: [{name: x, type: String}]")


def refuse_value_of_an_artifact():
    return implemented("command: [{inputValue: x}]", "inputs: [{name: x}]")


def refuse_uri_of_an_output_parameter():
    return implemented("command: [{outputUri: x}]", "outputs: [{name: x, type: String}]")


def refuse_same_name_twice():
    implemented("command: []", "inputs: [{name: x}, {name: x}]")


def refuse_same_output_name_twice():
    implemented("command: []", "outputs: [{name: x}, {name: x}]")


def refuse_default_of_another_type():
    implemented("command: []", "inputs: [{name: x, type: Integer, default: abc}]")


def refuse_default_that_is_no_truth():
    implemented("command: []", "inputs: [{name: x, type: Bool, default: maybe}]")


def refuse_structured_default():
    implemented("command: []", "inputs: [{name: x, type: List, default: [1]}]")


def refuse_null_in_a_default():
    return implemented("command: []", "inputs: [{name: x, type: List, default: '[null]'}]")


def refuse_file_output_of_unknown_output():
    implemented("fileOutputs: {x: /a}")


def refuse_placeholder_in_env():
    implemented("env: {A: {inputValue: x}}", "inputs: [{name: x, type: String}]")


def refuse_name_that_is_nothing():
    return load("name: '!!'\nimplementation: {container: {image: a}}")


def refuse_loaded_with_wrong_argument():
    @dsl.pipeline
    def p():
        produce(count="many")


def refuse_loaded_with_original_name():
    @dsl.pipeline
    def p():
        every(**{"Some Text": "a"})


def refuse_loaded_without_argument():
    @dsl.pipeline
    def p():
        produce()


def refuse_url_that_is_none():
    components.load_component_from_url(None)


def refuse_url_without_scheme():
    components.load_component_from_url("example.invalid/component.yaml")


def refuse_url_of_a_file():
    components.load_component_from_url("file:///etc/hostname")


def refuse_url_that_nobody_answers():
    components.load_component_from_url("http://127.0.0.1:9/component.yaml")


def refuse_file_that_is_not_there():
    components.load_component_from_file("/nowhere/component.yaml")
