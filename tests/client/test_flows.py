"""Flows from files: what is run, how, and what is said when it cannot be."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from wherry import ir
from wherry.client import flows
from wherry.errors import UsageError
from wherry.ir.limits import MAX_BYTES

ONE = """
from wherry import dsl

@dsl.component
def work(n: int = 1) -> int:
    return n

@dsl.pipeline(name="{name}")
def {function}():
    work()
"""


@pytest.fixture(autouse=True)
def clean_modules() -> Iterator[None]:
    path = list(sys.path)
    yield
    sys.path[:] = path
    sys.modules.pop(flows.MODULE, None)


def write(folder: Path, text: str, name: str = "flow.py") -> str:
    path = folder / name
    path.write_text(text)
    return str(path)


def refused(word: str) -> str:
    with pytest.raises(UsageError) as caught:
        flows.load(word)
    return str(caught.value)


def test_the_one_pipeline(tmp_path: Path) -> None:
    path = write(tmp_path, ONE.format(name="demo", function="flow"))
    flow = flows.load(path)
    assert (flow.label, flow.spec["pipelineInfo"]["name"]) == ("demo", "demo")
    assert flow.places["work"] == flows.Place(path, 4)


def test_a_pipeline_is_chosen_by_its_function_or_its_name(tmp_path: Path) -> None:
    text = ONE.format(name="demo", function="flow") + ONE.format(name="other-one", function="other")
    path = write(tmp_path, text)
    assert flows.load(f"{path}:flow").label == "demo"
    assert flows.load(f"{path}:other-one").label == "other-one"
    message = refused(path)
    assert "has 2 pipelines: flow, other" in message
    assert f"say which: {path}:flow" in message
    assert "did you mean 'other'?" in refused(f"{path}:othr")


def test_a_single_component_runs_too(tmp_path: Path) -> None:
    path = write(tmp_path, ONE.format(name="demo", function="flow"))
    assert flows.load(f"{path}:work").spec["root"]["dag"]["tasks"].keys() == {"work"}
    alone = write(tmp_path, ONE.partition("@dsl.pipeline")[0], "alone.py")
    assert flows.load(alone).label == "work"


def test_a_second_name_of_the_same_pipeline_is_no_second_pipeline(tmp_path: Path) -> None:
    path = write(tmp_path, ONE.format(name="demo", function="flow") + "\nagain = flow\n")
    assert flows.load(path).label == "demo"


def test_the_folder_is_on_the_path_and_the_module_is_not_main(tmp_path: Path) -> None:
    write(tmp_path, "NAME = 'from-helper'", "helper_of_flow.py")
    text = "import helper_of_flow\nassert __name__ != '__main__'\n" + ONE.format(name="x", function="flow")
    path = write(tmp_path, text.replace('name="x"', "name=helper_of_flow.NAME"), "random.py")
    assert flows.load(path).label == "from-helper"
    sys.modules.pop("helper_of_flow")
    import random

    assert hasattr(random, "randint")


def test_no_pipeline(tmp_path: Path) -> None:
    assert "has no pipeline" in refused(write(tmp_path, "x = 1"))


def test_what_is_not_there(tmp_path: Path) -> None:
    assert "there is no file" in refused(str(tmp_path / "none.py"))
    assert "is not a file" in refused(str(tmp_path))
    assert "a .py file or a compiled" in refused(write(tmp_path, "", "flow.txt"))
    assert "there is no file" in refused("")


def test_a_file_that_does_not_parse_shows_the_line(tmp_path: Path) -> None:
    message = refused(write(tmp_path, "x = 1\ndef broken(:\n"))
    assert "does not parse" in message
    assert "line 2" in message
    assert "def broken(:" in message
    assert "wherry/client" not in message


@pytest.mark.parametrize("data", [b"\x00", b"\xff\xfe\xfd", b"# coding: nonsense\n"])
def test_a_file_that_is_no_python(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "flow.py"
    path.write_bytes(data)
    assert "does not parse" in refused(str(path))


def test_a_file_that_raises_shows_the_users_traceback_only(tmp_path: Path) -> None:
    message = refused(write(tmp_path, "def f():\n    return {}['key']\nf()\n"))
    assert "failed: KeyError: 'key'" in message
    assert "line 3, in <module>\n      f()" in message
    assert "line 2, in f" in message
    assert "flows.py" not in message


def test_a_mistake_in_the_pipeline_shows_its_line_and_nothing_of_ours(tmp_path: Path) -> None:
    text = ONE.format(name="demo", function="flow").replace("work()", "work(wrong=1)")
    message = refused(write(tmp_path, text))
    assert "unexpected keyword argument" in message
    assert "work(wrong=1)" in message
    assert "components.py" not in message


def test_a_file_that_exits(tmp_path: Path) -> None:
    assert "ended the process (SystemExit 3)" in refused(write(tmp_path, "raise SystemExit(3)"))


def test_a_file_whose_own_open_fails(tmp_path: Path) -> None:
    message = refused(write(tmp_path, "open('/none/such')\n"))
    assert "FileNotFoundError" in message
    assert "line 1" in message


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("", "the document is empty"),
        ("a: [", "not valid YAML at line"),
        ("- 1", "a pipeline document is a mapping"),
        ("a: &x 1\nb: *x", "aliases are not taken"),
        ("root: {}\n---\nroot: {}", "two pipeline specs"),
        ("a: " + "[" * 200, "deeper than 100"),
        ("{" * 50_000, "at line 1"),  # the words are those of the release of libyaml
        ("a: !!python/object/apply:os.system [x]", "the tag"),
    ],
)
def test_a_compiled_file_that_cannot_be_read(tmp_path: Path, text: str, word: str) -> None:
    path = write(tmp_path, text, "flow.yaml")
    message = refused(path)
    assert word in message
    assert path in message


def test_a_compiled_file_that_is_too_big_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "big.yaml"
    with path.open("wb") as file:
        file.truncate(MAX_BYTES + 1)
    assert "more than 64 MiB is refused" in refused(str(path))


def test_a_compiled_file_has_no_names_to_choose(tmp_path: Path) -> None:
    assert "cannot be chosen" in refused(write(tmp_path, "root: {}", "flow.yaml") + ":x")


def test_a_file_with_a_colon_is_found_as_it_is(tmp_path: Path) -> None:
    path = write(tmp_path, "", "a:b.py")
    assert flows.split(path) == (path, None)
    assert flows.split("flow.py:name") == ("flow.py", "name")


def test_objects(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is not a pipeline"):
        flows.of_object(test_objects)


def test_a_component_of_the_first_format_is_a_pipeline_of_one_task(tmp_path: Path) -> None:
    path = tmp_path / "component.yaml"
    path.write_text(
        "name: Add one\ninputs:\n- {name: a, type: Integer}\noutputs:\n- {name: sum, type: Integer}\n"
        "implementation:\n  container:\n    image: python:3.11\n"
        "    command: [sh, -c, 'echo $(($0+1)) > $1', {inputValue: a}, {outputPath: sum}]\n"
    )
    flow = flows.load(str(path))
    assert list(flow.spec["root"]["inputDefinitions"]["parameters"]) == ["a"]
    assert ir.from_builtins(flow.document).pipeline.pipeline_info.name == "add-one"
