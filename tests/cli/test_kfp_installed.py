"""Where kfp is installed beside wherry, flows import the real one, and what it makes runs all the same."""

from __future__ import annotations

import json
import os
import subprocess
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests import oracles

pytestmark = pytest.mark.oracle

FLOW = """
import kfp
from kfp import dsl, kubernetes

assert "site-packages" in kfp.__file__


@dsl.component
def add(a: int, b: int = 1) -> int:
    return a + b


@dsl.pipeline(name="sum")
def total(x: int = 1) -> int:
    task = kubernetes.add_pod_label(add(a=x, b=2), "k", "v")
    return task.output
"""
NOTEBOOK = """
import sys, warnings
warnings.simplefilter("ignore")
sys.path.insert(0, ".")
import flow, wherry
run = wherry.run(flow.total, {"x": 4}).check()
print(run.outputs, type(flow.total).__module__)
"""
Wherry = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def with_kfp(tmp_path: Path) -> Iterator[Wherry]:
    """Runs an interpreter that has kfp, and wherry's sources with what they need, in a folder with `flow.py`."""
    project = tomllib.loads((oracles.ROOT / "pyproject.toml").read_text())["project"]
    interpreter = oracles.python("kfp-with-wherry", [*oracles.KFP, *project["dependencies"]])
    (tmp_path / "flow.py").write_text(FLOW)
    environ = os.environ | {"PYTHONPATH": str(oracles.ROOT / "src"), "WHERRY_HOME": str(tmp_path / "home")}

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        command = [str(interpreter), "-W", "ignore", *words]
        return subprocess.run(
            command, check=False, cwd=tmp_path, env=environ, capture_output=True, text=True, timeout=120
        )

    yield run
    run("-m", "wherry.cli", "down")


def test_a_flow_of_the_real_kfp_compiles_and_runs(with_kfp: Wherry, tmp_path: Path) -> None:
    compiled = with_kfp("-m", "wherry.cli", "compile", "flow.py", "-o", "out.yaml")
    assert compiled.returncode == 0, compiled.stderr
    assert "sdkVersion: kfp-2.17.0" in (tmp_path / "out.yaml").read_text()
    words = ["compile", "--py", "flow.py", "--function", "add", "--pipeline-parameters", '{"b": 7}', "-o", "add.yaml"]
    component = with_kfp("-m", "wherry.cli", *words)
    assert component.returncode == 0, component.stderr
    assert "#    b: int [Default: 7.0]" in (tmp_path / "add.yaml").read_text()
    done = with_kfp("-m", "wherry.cli", "run", "flow.py", "-p", "x=3", "--json")
    assert done.returncode == 0, done.stderr
    last = json.loads(done.stdout.splitlines()[-1])
    assert (last["state"], last["outputs"]) == ("SUCCEEDED", {"Output": 5})
    notebook = with_kfp("-c", NOTEBOOK)
    assert notebook.stdout.strip() == "{'Output': 6} kfp.dsl.graph_component", notebook.stderr


def test_what_wherry_makes_of_the_same_flow_is_the_same_to_the_cache(with_kfp: Wherry, tmp_path: Path) -> None:
    first = with_kfp("-m", "wherry.cli", "run", "flow.py", "--json")
    assert first.returncode == 0, first.stderr
    text = FLOW.replace("import kfp\n", "").replace('assert "site-packages" in kfp.__file__\n', "")
    (tmp_path / "ours.py").write_text(
        text.replace("from kfp import dsl, kubernetes", "from wherry import dsl\nfrom wherry.dsl import kubernetes")
    )
    second = with_kfp("-m", "wherry.cli", "run", "ours.py", "--json")
    assert second.returncode == 0, second.stderr
    phases = {event.get("phase") for event in map(json.loads, second.stdout.splitlines())}
    assert "CACHED" in phases
