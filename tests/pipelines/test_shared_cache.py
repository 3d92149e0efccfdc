"""One source, compiled by the released kfp and by wherry: a run of either document finds the other's results."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
from tests import oracles

from wherry.client import flows
from wherry.client.api import Client
from wherry.testing.server import ServerThread

SOURCE = '''
from typing import List, NamedTuple

from kfp import dsl


@dsl.component
def hello(name: str, times: int = 2, loud: bool = False, options: dict = {"a": 1.0}) -> str:
    """A greeting."""
    return " ".join([f"hello {name}"] * times)


@dsl.component(base_image="python:3.11", packages_to_install=["six==1.16.0"])
def versions(text: str) -> NamedTuple("Found", [("six", str), ("length", int)]):
    import six

    return six.__version__, len(text)


@dsl.component
def write(text: str, data: dsl.Output[dsl.Dataset], metrics: dsl.Output[dsl.Metrics]):
    with open(data.path, "w") as file:
        file.write(text)
    metrics.log_metric("length", len(text))


@dsl.component
def read(data: dsl.Input[List[dsl.Dataset]]) -> str:
    return "".join(open(one.path).read() for one in data)


@dsl.container_component
def shell(text: str, out: dsl.OutputPath(str)):
    return dsl.ContainerSpec(
        image="python:3.11", command=["sh", "-c", 'mkdir -p "$(dirname "$1")"; echo "$0" > "$1"'], args=[text, out]
    )


@dsl.pipeline(name="shared")
def inner(text: str) -> str:
    return hello(name=text).output


@dsl.pipeline(name="shared", display_name="The same twice", description="All kinds of tasks.")
def shared(text: str = "x", numbers: List[int] = [1, 2]) -> str:
    said = hello(name=text, times=3)
    found = versions(text=said.output)
    shell(text=f"{text} and {found.outputs['length']}")
    with dsl.ParallelFor(numbers) as number:
        wrote = write(text=said.output)
        wrote.set_cpu_limit("1").set_retry(num_retries=1)
        with dsl.If(number > 1):
            inner(text=said.output)
    return read(data=dsl.Collected(wrote.outputs["data"])).output
'''

COMPILE = """
import sys
sys.path.insert(0, sys.argv[1])
from flow import shared
from kfp import compiler
compiler.Compiler().compile(shared, sys.argv[2])
"""


@pytest.mark.oracle
@pytest.mark.parametrize("first", ["kfp", "wherry"])
def test_a_run_of_the_other_document_has_nothing_to_do(tmp_path: Path, first: str) -> None:
    (tmp_path / "flow.py").write_text(SOURCE)
    compiled = tmp_path / "by_kfp.yaml"
    python = oracles.python("kfp", oracles.KFP)
    subprocess.run([python, "-B", "-W", "ignore", "-c", COMPILE, tmp_path, compiled], check=True)
    documents = {
        "kfp": flows.load(str(compiled)).document,
        "wherry": flows.load(f"{tmp_path / 'flow.py'}:shared").document,
    }
    assert documents["kfp"] != documents["wherry"]
    order = [first, *({"kfp", "wherry"} - {first})]
    with ServerThread(tmp_path / "home") as server:
        client = server.client()
        views = [finished(client, documents[name]) for name in order]
        client.close()
    phases = [{task["path"]: task["phase"] for task in view["tasks"] if task["kind"] == "task"} for view in views]
    assert set(phases[0].values()) == {"SUCCEEDED"}
    assert phases[1] == dict.fromkeys(phases[0], "CACHED")
    assert len(phases[0]) == 7
    assert views[0]["outputs"] == views[1]["outputs"]
    assert views[1]["outputs"]["parameters"] == {"Output": 2 * " ".join(["hello x"] * 3)}


def finished(client: Client, document: dict[str, Any]) -> dict[str, Any]:
    """A run of the document, with its tasks, when it is over."""
    run = client.submit(document, {}, options={})
    for _ in client.follow(run):
        pass
    return client.get(run, tasks=True)
