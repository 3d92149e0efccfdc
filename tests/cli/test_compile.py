"""`wherry compile` with the options of `kfp dsl compile`: the released kfp writes the same of the same."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests import oracles
from tests.cli.homes import Done
from tests.compiler.flows import normalised

Wherry = Callable[..., Done]

FLOW = '''
from kfp import dsl, kubernetes


@dsl.component
def add(a: int, b: int = 1) -> int:
    return a + b


@dsl.component
def say(text: str = "x", table: dict = {}):
    """Says it."""
    print(text)


class Text(dsl.Artifact):
    schema_title = "google.Text"


@dsl.component
def own(text: dsl.Output[Text]):
    pass


@dsl.pipeline(name="inner-sum")
def inner(x: int) -> int:
    return add(a=x).output


@dsl.pipeline(name="sum", description="Adds.", display_name="The sum")
def total(x: int = 1, y: float = 2.5, names: list = ["a"], flag: bool = True) -> int:
    first = inner(x=x)
    add(a=first.output).set_caching_options(True)
    kubernetes.add_pod_label(say(text="y"), "k", "v")
    return first.output
'''
PLAIN = FLOW.replace('kubernetes.add_pod_label(say(text="y"), "k", "v")', 'say(text="y")')
MANIFEST = "--kubernetes-manifest-format"
CASES = {
    "alone": ["--function", "total"],
    "inner": ["--function", "inner"],
    "artifact of its own": ["--function", "own"],
    "component": ["--function", "say"],
    "parameters": ["--function", "total", "--pipeline-parameters", '{"x": 5, "y": 1, "names": [], "flag": false}'],
    "component parameters": ["--function", "say", "--pipeline-parameters", '{"text": null, "table": {"a": 1}}'],
    "no type check": ["--function", "total", "--disable-type-check"],
    "no caching": ["--function", "total", "--disable-execution-caching-by-default"],
    "manifest": ["--function", "total", MANIFEST],
    "whole manifest": ["--function", "total", MANIFEST, "--include-pipeline-manifest"],
    "named": ["--function", "total", MANIFEST, "--include-pipeline-manifest", "--pipeline-name", "my-name"],
    "shown": ["--function", "total", MANIFEST, "--include-pipeline-manifest", "--pipeline-display-name", "My name"],
    "version": ["--function", "inner", MANIFEST, "--pipeline-version-name", "v1", "--namespace", "team"],
    "version shown": ["--function", "total", MANIFEST, "--pipeline-version-display-name", "V", "--pipeline-name", "n"],
    "all": [
        *["--function", "say", MANIFEST, "--include-pipeline-manifest", "--pipeline-name", "a"],
        *["--pipeline-display-name", "b", "--pipeline-version-name", "c", "--pipeline-version-display-name", "d"],
        *["--namespace", "e", "--pipeline-parameters", '{"text": "t"}'],
    ],
    "without format": ["--function", "total", "--namespace", "e"],
}
PROGRAM = """
import json, sys
from click.testing import CliRunner
from kfp.cli.compile_ import compile_
from kfp.dsl.pipeline_context import Pipeline
default = Pipeline._execution_caching_default
for name, words in json.loads(sys.argv[1]).items():
    sys.modules.pop("flow", None)
    Pipeline._execution_caching_default = default
    done = CliRunner().invoke(compile_, ["--py", "flow.py", "--output", name + ".yaml", *words])
    assert done.exit_code == 0, (name, done.output, done.exception)
"""

OURS = """
import json, os, sys
from wherry.cli.commands import invoke
for name, words in json.loads(sys.argv[1]).items():
    os.environ.pop("KFP_DISABLE_EXECUTION_CACHING_BY_DEFAULT", None)
    assert invoke(["compile", "--py", "flow.py", "--output", name + ".yaml", *words], None) == 0, name
"""


def read(path: Path) -> list[Any]:
    """The documents of a file, without what may differ."""
    found: list[Any] = []
    for document in yaml.safe_load_all(path.read_text()):
        if document.get("kind") == "PipelineVersion":
            spec = document["spec"]
            spec["pipelineSpec"] = normalised([spec["pipelineSpec"], {}])[0]
        found.append(normalised([document, {}])[0])
    return found


@pytest.fixture(scope="module")
def theirs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("kfp")
    (folder / "flow.py").write_text(FLOW)
    interpreter = oracles.python("kfp", oracles.KFP)
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("KFP_", "_KFP"))}
    command = [interpreter, "-W", "ignore", "-c", PROGRAM, json.dumps(CASES)]
    subprocess.run(command, cwd=folder, env=environ | {"PYTHONPATH": str(folder)}, check=True)
    return folder


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wherry")
    (folder / "flow.py").write_text(FLOW)
    subprocess.run([sys.executable, "-c", OURS, json.dumps(CASES)], cwd=folder, check=True)
    return folder


@pytest.mark.oracle
@pytest.mark.parametrize("name", CASES)
def test_the_same_as_kfp(name: str, theirs: Path, ours: Path) -> None:
    written = [folder / f"{name}.yaml" for folder in (ours, theirs)]
    assert read(written[0]) == read(written[1])
    heads = [[line for line in path.read_text().splitlines() if line.startswith("#")] for path in written]
    assert heads[0] == heads[1]


def test_names_of_objects_without_objects_are_told(wherry: Wherry) -> None:
    done = wherry("compile", "hello.py", "-o", "x.yaml", "--namespace", "e", "--pipeline-version-name", "v")
    assert done.code == 0
    unused = "--namespace, --pipeline-version-name without --kubernetes-manifest-format has no effect"
    assert f"warning: {unused}" in done.err


def test_the_environment_disables_caching_too(wherry: Wherry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "work" / "flow.py").write_text(PLAIN)
    assert wherry("compile", "flow.py:total", "-o", "1.yaml", "--disable-execution-caching-by-default").code == 0
    monkeypatch.setenv("KFP_DISABLE_EXECUTION_CACHING_BY_DEFAULT", "TRUE")
    assert wherry("compile", "flow.py:total", "-o", "2.yaml").code == 0
    (document,) = read(tmp_path / "work" / "1.yaml")
    assert [document] == read(tmp_path / "work" / "2.yaml")
    tasks = document["root"]["dag"]["tasks"]
    assert {name: task["cachingOptions"] for name, task in tasks.items()} == {
        "inner-sum": {},
        "add": {"enableCache": True},
        "say": {},
    }


def test_a_compiled_file_is_written_anew(wherry: Wherry, tmp_path: Path) -> None:
    (tmp_path / "work" / "flow.py").write_text(PLAIN)
    assert wherry("compile", "flow.py:total", "-o", "a.yaml").code == 0
    assert wherry("compile", "a.yaml", "-o", "b.json", "--pipeline-parameters", '{"x": 9}').code == 0
    document = json.loads((tmp_path / "work" / "b.json").read_text())
    (first,) = yaml.safe_load_all((tmp_path / "work" / "a.yaml").read_text())
    first["root"]["inputDefinitions"]["parameters"]["x"]["defaultValue"] = 9
    assert document == first
    assert wherry("compile", "b.json", "-o", "c.yaml").code == 0
    head = "# PIPELINE DEFINITION\n# Name: sum\n# Description: Adds.\n"
    assert (tmp_path / "work" / "c.yaml").read_text().startswith(head)
    (tmp_path / "work" / "bad.yaml").write_text("pipelineInfo: {name: x}\nroot: {dag: {tasks: {a: {}}}}\n")
    refused = wherry("compile", "bad.yaml", "-o", "d.yaml")
    assert (refused.code, "Traceback" in refused.err) == (2, False)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["-o", "x.yaml"], "compile needs FILE, or --py FILE"),
        (["flow.py", "--py", "flow.py", "-o", "x.yaml"], "give FILE or --py FILE, not both"),
        (["flow.py:total", "--function", "total", "-o", "x.yaml"], "give flow.py:total or --function total, not both"),
        (["flow.py", "-o", "x.yaml"], "flow.py has 2 pipelines: inner, total"),
        (["flow.py", "--function", "nope", "-o", "x.yaml"], "flow.py has no pipeline 'nope'"),
        (["flow.py:total", "-o", "x.yaml", "--pipeline-parameters", "{"], "--pipeline-parameters is not JSON"),
        (["flow.py:total", "-o", "x.yaml", "--pipeline-parameters", "[]"], "must be a JSON object of inputs"),
        (
            ["flow.py:total", "-o", "x.yaml", "--pipeline-parameters", '{"z": 1}'],
            "error: flow.py:total: Pipeline parameter z does not match any known pipeline input.\n",
        ),
        (
            ["flow.py:total", "-o", "x.yaml", "--pipeline-parameters", '{"x": "a"}'],
            "error: flow.py:total: The default 'a' of type str is no NUMBER_INTEGER.\n",
        ),
        (["flow.py:total", "-o", "x.json"], "Platform-specific features are only supported when serializing to YAML"),
        (["flow.py:total", "--check", MANIFEST], "--check writes nothing"),
    ],
)
def test_what_is_refused(words: list[str], message: str, wherry: Wherry, tmp_path: Path) -> None:
    (tmp_path / "work" / "flow.py").write_text(FLOW)
    done = wherry("compile", *words)
    assert done.code == 2
    assert message in done.err
    assert not (tmp_path / "work" / "x.yaml").exists()


def test_caching_of_a_compiled_file_is_not_changed(wherry: Wherry, tmp_path: Path) -> None:
    assert wherry("compile", "hello.py", "-o", "a.yaml").code == 0
    done = wherry("compile", "a.yaml", "-o", "b.yaml", "--disable-execution-caching-by-default")
    assert done.code == 2
    assert "a.yaml is compiled already" in done.err
