"""Components out of YAML: what they become, and what is refused with its place."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from wherry import compiler, components, dsl
from wherry.components.loading import YamlComponent
from wherry.errors import WherryError
from wherry.ir import yaml

load = components.load_component_from_text


@dsl.component
def train(data: dsl.Input[dsl.Dataset], rate: float = 0.5, epochs: int = 3) -> str:
    """Trains.

    Args:
        rate: How fast.
    """
    return ""


@dsl.component
def make(out: dsl.Output[dsl.Dataset]):
    pass


def text_of(component: Any) -> str:
    return compiler.yaml_text(component.pipeline_spec, component.platform_spec, component.description)


def test_a_compiled_component_is_that_component_again() -> None:
    again = load(text_of(train))
    assert isinstance(again, components.BaseComponent)
    assert (again.name, again.description) == ("train", "Trains.\n\nArgs:\n    rate: How fast.")
    assert again.required_inputs == ["data"]
    assert again.inputs["epochs"].default == 3
    assert again.pipeline_spec == train.pipeline_spec
    assert again.platform_spec == {}
    with pytest.raises(NotImplementedError):
        again.execute()


def test_tasks_of_a_loaded_component_take_settings() -> None:
    again = load(text_of(train))

    @dsl.pipeline
    def flow():
        again(data=make().output).set_cpu_limit("2").set_env_variable("A", "b")

    container = flow.pipeline_spec["deploymentSpec"]["executors"]["exec-train"]["container"]
    assert container["resources"]["resourceCpuLimit"] == "2"
    assert container["env"] == [{"name": "A", "value": "b"}]


def test_what_a_compiled_container_brings_is_kept() -> None:
    document = copy.deepcopy(make.pipeline_spec)
    container = document["deploymentSpec"]["executors"]["exec-make"]["container"]
    container["env"] = [{"name": "A", "value": "b"}, {"name": "EMPTY"}]
    with_env = load(yaml.dump(document))
    container["resources"] = {"resourceCpuLimit": "2", "cpuLimit": 2.0}
    with_resources = load(yaml.dump(document))

    @dsl.pipeline
    def flow():
        with_env().set_env_variable("C", "d")
        with_resources()

    executors = flow.pipeline_spec["deploymentSpec"]["executors"]
    assert executors["exec-make"]["container"]["env"] == [
        {"name": "A", "value": "b"},
        {"name": "EMPTY"},
        {"name": "C", "value": "d"},
    ]
    assert executors["exec-make-2"]["container"]["resources"]["resourceCpuLimit"] == "2"


def test_a_pipeline_named_like_one_of_its_tasks_is_still_the_whole_pipeline() -> None:
    @dsl.pipeline(name="make")
    def both():
        train(data=make().output)

    again = load(text_of(both))

    @dsl.pipeline
    def flow():
        again()

    (inner,) = (one["dag"] for one in flow.pipeline_spec["components"].values() if "dag" in one)
    assert inner["tasks"].keys() == {"make", "train"}


def test_platform_settings_of_a_loaded_pipeline_come_along() -> None:
    documents = [copy.deepcopy(make.pipeline_spec)]
    setting = {"deploymentSpec": {"executors": {"exec-make": {"imagePullPolicy": "Always"}}}}
    documents.insert(0, {"platforms": {"kubernetes": setting}})
    again = load(yaml.dump_all(documents))
    assert again.platform_spec == documents[0]

    @dsl.pipeline
    def flow():
        make()
        again()

    executors = flow.platform_spec["platforms"]["kubernetes"]["deploymentSpec"]["executors"]
    assert executors == {"exec-make-2": {"imagePullPolicy": "Always"}}


def test_the_description_is_what_the_comments_say() -> None:
    @dsl.pipeline(description="One line,\nand another.")
    def described():
        make()

    assert load(text_of(described)).description == "One line,\nand another."
    assert load(yaml.dump(described.pipeline_spec)).description == "One line,\nand another."


def test_literals_stay_what_a_parameter_may_be() -> None:
    document = copy.deepcopy(train.pipeline_spec)
    for body in (document["components"]["comp-train"], document["root"]):
        body["inputDefinitions"]["parameters"]["rate"]["literals"] = [0.5, 0.1]
    assert load(yaml.dump(document)).inputs["rate"].literals == [0.5, 0.1]


def test_files_are_read(tmp_path: Path) -> None:
    path = tmp_path / "component.yaml"
    path.write_text(text_of(make))
    assert isinstance(components.load_component_from_file(path), YamlComponent)
    assert components.load_component_from_file(str(path)).component_yaml == path.read_text()


FIRST = """
name: first
inputs: [{name: Some Text, type: String}, {name: data}]
outputs: [{name: out}]
implementation:
  container: {image: a, command: [COMMAND]}
"""


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("1", r"command\[0\]: must be a text or a mapping with one placeholder, not 1"),
        ("{}", r"command\[0\]: must be a text"),
        ("a, {concat: a}", r"command\[1\].concat: must be a list"),
        (
            "{concat: [a, {inputValue: x}]}",
            r'command\[0\].concat\[1\].inputValue: Argument "x" references',
        ),
        ("{if: {then: a}}", r"command\[0\].if: must have cond, then"),
        ("{if: {cond: true, then: a}}", r"command\[0\].if.cond: KFP 2 knows \{isPresent"),
        ("{if: {cond: {isPresent: data}, then: [{inputValue: data}]}}", r'Input "data" .* cannot be paired'),
        ("{inputMetadata: data}", r"command\[0\]: Unexpected argument .* known placeholders are inputValue"),
        ("{outputUri: data}", r'command\[0\].outputUri: Argument "data" references non-existing output'),
    ],
)
def test_a_bad_command_line_is_refused_by_its_place(command: str, message: str) -> None:
    with pytest.raises(TypeError, match=message + r".*\(test_loading\.py:\d+\)"):
        load(FIRST.replace("COMMAND", command))


@pytest.mark.parametrize(
    ("text", "kind", "message"),
    [
        (
            "implementation: {container: {image: a}, other: 1}",
            TypeError,
            "implementation.other: unknown field",
        ),
        ("name: [a]\nimplementation: {container: {image: a}}", TypeError, r"name: must be str, not list: \['a'\]"),
        ("inputs: [a]\nimplementation: {container: {image: a}}", TypeError, r"inputs\[0\]: must be dict"),
        ("inputs: [{type: a}]\nimplementation: {container: {image: a}}", TypeError, r"inputs\[0\].name: missing"),
        ("implementation: a", TypeError, "implementation: must be dict, not str"),
        ("implementation: {container: {image: a, env: {A: 1}}}", TypeError, "env.A: must be str, not int: 1"),
        (
            "inputs: [{name: A b}, {name: a_b}]\nimplementation: {container: {image: a}}",
            ValueError,
            'input names "A b" and "a_b" both become "a_b"',
        ),
        ("implementation: {container: {image: a}}\n---\na: 1", ValueError, "a single YAML document"),
        ("", ValueError, "Expected one or two YAML documents"),
        ("just text", WherryError, "a mapping, not a text"),
        ("a: [", WherryError, "not valid YAML at line 2"),
        ("pipelineInfo: {name: a}\nschemaVersion: 2.1.0", WherryError, "root"),
    ],
)
def test_what_is_no_component_is_refused(text: str, kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=message):
        load(text)


def test_paths_of_file_outputs_are_warned_about() -> None:
    text = "outputs: [{name: x}]\nimplementation: {container: {image: a, fileOutputs: {x: /out}}}"
    with pytest.warns(UserWarning, match="x will be missing unless"):
        load(text)


WORDS = st.sampled_from(
    ["name", "inputs", "type", "default", "container", "image", "if", "cond", "isPresent", "concat", "x", "", "1"]
)
VALUES = st.recursive(
    st.one_of(WORDS, st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(WORDS, inner, max_size=3)),
    max_leaves=8,
)
COMPLETE: dict[str, Any] = {
    "name": "a",
    "inputs": [{"name": "x", "type": "Integer", "default": "1"}],
    "outputs": [{"name": "o", "type": "Dataset"}],
    "implementation": {
        "container": {
            "image": "i",
            "command": ["a", {"concat": ["b", {"inputValue": "x"}]}, {"if": {"cond": {"isPresent": "x"}, "then": "c"}}],
            "args": [{"outputPath": "o"}],
            "env": {"A": "b"},
        }
    },
}
PATHS = [
    ("inputs",),
    ("inputs", 0),
    ("inputs", 0, "type"),
    ("inputs", 0, "default"),
    ("outputs", 0, "name"),
    ("implementation", "container"),
    ("implementation", "container", "command"),
    ("implementation", "container", "command", 1),
    ("implementation", "container", "command", 1, "concat"),
    ("implementation", "container", "command", 2, "if"),
    ("implementation", "container", "command", 2, "if", "cond"),
    ("implementation", "container", "args", 0),
    ("implementation", "container", "env"),
]


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(PATHS), VALUES)
def test_a_component_is_accepted_or_refused_whatever_stands_in_it(path: tuple[Any, ...], value: Any) -> None:
    document = copy.deepcopy(COMPLETE)
    holder: Any = document
    for step in path[:-1]:
        holder = holder[step]
    holder[path[-1]] = value
    try:
        loaded = load(yaml.dump(document))
        _ = loaded.pipeline_spec
    except (TypeError, ValueError, WherryError) as error:
        said = str(error)
        event("refused")
    else:
        said = "accepted"
        event(said)
    assert said
    assert "object" not in said  # not Python's own words, such as "'int' object is not subscriptable"
