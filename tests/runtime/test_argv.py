from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, strategies

from wherry.runtime import argv
from wherry.runtime.argv import PlaceholderError, resolve_references, splice, substitute, text_of

TEXT = strategies.text(strategies.characters(exclude_categories=["Cs"]), max_size=20)
VALUE = strategies.recursive(
    strategies.none() | strategies.booleans() | strategies.integers() | TEXT,
    lambda inner: strategies.lists(inner, max_size=3) | strategies.dictionaries(TEXT, inner, max_size=3),
    max_leaves=5,
)

INPUT: dict[str, Any] = {
    "inputs": {
        "parameterValues": {
            "text": "it's",
            "whole": 3.0,
            "half": 0.5,
            "yes": True,
            "list": [1, {"a": "é"}],
            "nothing": None,
        },
        "artifacts": {
            "data": {
                "artifacts": [
                    {
                        "name": "data",
                        "type": {"schemaTitle": "system.Dataset"},
                        "uri": "gs://b/d",
                        "metadata": {"rows": 3, "tag": "t"},
                    },
                    {"name": "other", "uri": "/second"},
                ]
            },
            "model": {"artifacts": [{"type": {"schemaTitle": "system.Model"}, "uri": "oci://r/m:1"}]},
            "empty": {"artifacts": []},
        },
    },
    "outputs": {
        "outputFile": "/o/out.json",
        "parameters": {"p": {"outputFile": "/o/p"}},
        "artifacts": {"out": {"artifacts": [{"uri": "/root/out", "metadata": {}}]}},
    },
}


@pytest.mark.parametrize(
    ("element", "expected"),
    [
        ("{{$}}", json.dumps(INPUT, ensure_ascii=False)),
        ("-{{$.inputs.parameters['text']}}-", "-it's-"),
        ("{{$.inputs.parameters[''text'']}}", "it's"),
        ('{{$.inputs.parameters["text"]}}', "it's"),
        ("{{$.inputs.parameters['whole']}}", "3"),
        ("{{$.inputs.parameters['half']}}", "0.5"),
        ("{{$.inputs.parameters['yes']}}", "true"),
        ("{{$.inputs.parameters['list']}}", '[1,{"a":"é"}]'),
        ("{{$.inputs.artifacts['data'].uri}}", "gs://b/d"),
        ("{{$.inputs.artifacts['data'].path}}", "/gcs/b/d"),
        ("{{$.inputs.artifacts['model'].path}}", "/oci/r_m:1/models"),
        ("{{$.inputs.artifacts['data'].metadata}}", '{"rows":3,"tag":"t"}'),
        ("{{$.inputs.artifacts['data'].metadata['rows']}}", "3"),
        ("{{$.inputs.artifacts['data'].metadata['tag']}}", "t"),
        ("{{$.inputs.artifacts['data']}}", text_of(INPUT["inputs"]["artifacts"]["data"]["artifacts"])),
        ("{{$.outputs.artifacts['out'].uri}}", "/root/out"),
        ("{{$.outputs.artifacts['out'].path}}", "/root/out"),
        ("{{$.outputs.parameters['p'].output_file}}", "/o/p"),
        ("{{$.outputs.output_file}}", "/o/out.json"),
        ("{{$.outputMetadataUri}}", "/o/out.json"),
        ("{{$.inputs.parameters}}", text_of(INPUT["inputs"]["parameterValues"])),
        ("{{$.pipeline_job_name}}/{{$.pipeline_job_uuid}}", "my run/{{$.pipeline_job_uuid}}"),
        # left as they stand
        ("{{$.inputs.artifacts['absent'].uri}}", "{{$.inputs.artifacts['absent'].uri}}"),
        ("{{$.inputs.artifacts['empty'].uri}}", "{{$.inputs.artifacts['empty'].uri}}"),
        ("{{$.outputs.parameters['absent'].output_file}}", "{{$.outputs.parameters['absent'].output_file}}"),
        ("{{$.inputs.artifacts['data'].colour}}", "{{$.inputs.artifacts['data'].colour}}"),
        ("{{$.json_escape[9]}} {{ x }} {$} {{$", "{{$.json_escape[9]}} {{ x }} {$} {{$"),
    ],
)
def test_each_placeholder(element: str, expected: str) -> None:
    assert substitute([element], INPUT, {"{{$.pipeline_job_name}}": "my run"}) == [expected]


@pytest.mark.parametrize("depth", [1, 2])
def test_the_executor_input_inside_of_json_texts(depth: int) -> None:
    (text,) = substitute([f'{{"payload": "{{{{$.json_escape[{depth}]}}}}"}}'], INPUT)
    found = json.loads(text)["payload"]
    for _ in range(depth - 1):
        found = json.loads(f'"{found}"')
    assert json.loads(found) == INPUT


@pytest.mark.parametrize("name", ["nothing", "absent"])
def test_a_parameter_without_a_value_is_an_error(name: str) -> None:
    with pytest.raises(PlaceholderError, match=f"'{name}', which has no value"):
        substitute([f"{{{{$.inputs.parameters['{name}']}}}}"], INPUT)


@given(values=strategies.dictionaries(strategies.sampled_from("abc"), TEXT, min_size=1), glue=TEXT)
def test_values_are_never_looked_at_again(values: dict[str, str], glue: str) -> None:
    tricky = {name: f"{value}{{{{$.inputs.parameters['a']}}}}{{{{$}}}}" for name, value in values.items()}
    glue = glue.replace("{", "")
    element = glue.join(f"{{{{$.inputs.parameters['{name}']}}}}" for name in tricky)
    expected = glue.join(tricky.values())
    assert substitute([element], {"inputs": {"parameterValues": tricky}}) == [expected]


@given(VALUE)
def test_text_of_is_json_but_for_strings(value: Any) -> None:
    text = text_of(value)
    assert (text if isinstance(value, str) else json.loads(text)) == value


@given(strategies.lists(TEXT.filter(lambda text: "{" not in text)))
def test_plain_words_pass_through(words: list[str]) -> None:
    assert substitute(splice(words, argv.is_provided(INPUT)), INPUT) == words


@pytest.mark.parametrize(
    ("struct", "expected"),
    [
        ({"IfPresent": {"InputName": "text", "Then": ["--x", "{{$.inputs.parameters['text']}}"]}}, ["--x", "it's"]),
        ({"IfPresent": {"InputName": "absent", "Then": ["--x"]}}, []),
        ({"IfPresent": {"InputName": "nothing", "Then": ["--x"], "Else": ["--y", "z"]}}, ["--y", "z"]),
        ({"IfPresent": {"InputName": "absent", "Then": "a", "Else": "b"}}, ["b"]),
        ({"IfPresent": {"InputName": "data", "Then": "with data"}}, ["with data"]),
        ({"Concat": ["--n=", "{{$.inputs.parameters['whole']}}", "/x"]}, ["--n=3/x"]),
        (
            {"Concat": ["a", {"IfPresent": {"InputName": "text", "Then": "b", "Else": "c"}}, {"Concat": ["d", "e"]}]},
            ["abde"],
        ),
        ({"Concat": ["a", {"IfPresent": {"InputName": "absent", "Then": "b"}}]}, ["a"]),
        (
            {
                "IfPresent": {
                    "InputName": "text",
                    "Then": ["-t", {"IfPresent": {"InputName": "absent", "Then": "x", "Else": {"Concat": ["y", "z"]}}}],
                }
            },
            ["-t", "yz"],
        ),
    ],
)
def test_structs_are_spliced(struct: dict[str, Any], expected: list[str]) -> None:
    words = splice(["first", json.dumps(struct), "last"], argv.is_provided(INPUT))
    assert substitute(words, INPUT) == ["first", *expected, "last"]


@pytest.mark.parametrize(
    "word", ['{"Concat": ', '{"Other": {"IfPresent": 1}}', '{"Concat": [], "more": 1}', '{"a": "Concat"}', "[1]"]
)
def test_what_only_looks_like_a_struct_is_left_alone(word: str) -> None:
    assert splice([word], argv.is_provided(INPUT)) == [word]


@pytest.mark.parametrize("struct", [{"IfPresent": {"InputName": 3, "Then": "x"}}, {"IfPresent": []}, {"Concat": [3]}])
def test_malformed_structs_are_errors(struct: dict[str, Any]) -> None:
    with pytest.raises(PlaceholderError, match="Malformed placeholder"):
        splice([json.dumps(struct)], argv.is_provided(INPUT))


def test_references_between_values() -> None:
    values = {
        "a": 3.0,
        "b": "x-{{$.inputs.parameters['a']}}-{{$.inputs.parameters['c']}}-{{$.inputs.parameters['absent']}}",
        "c": "{{$.inputs.parameters['a']}}",
        "d": {"deep": ["{{$.inputs.parameters['a']}}", 1]},
    }
    assert resolve_references(values) == {
        "a": 3.0,
        "b": "x-3-{{$.inputs.parameters['a']}}-{{$.inputs.parameters['absent']}}",
        "c": "3",
        "d": {"deep": ["3", 1]},
    }


@given(strategies.dictionaries(TEXT, VALUE, max_size=4))
def test_values_without_references_stay_as_they_are(values: dict[str, Any]) -> None:
    assert resolve_references(values) == values
