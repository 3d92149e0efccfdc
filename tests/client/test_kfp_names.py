"""`import kfp` in a flow where kfp is not installed, and where it is."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests import oracles

import wherry.compiler
import wherry.dsl
from wherry.client import flows
from wherry.client.kfp_names import finder, supplied
from wherry.errors import UsageError

FLOW = """
import kfp, kfp.compiler, kfp.local
import kfp.dsl as other
from kfp import Client, compiler, components, dsl, kubernetes
from kfp.compiler import Compiler, KubernetesManifestOptions
from kfp.components import base_component, load_component_from_text, placeholders
from kfp.dsl import Dataset, Input, Output, PipelineTask, component
from kfp.dsl.types import artifact_types
from kfp.dsl.types.artifact_types import Model
from kfp.kubernetes import use_secret_as_env

assert (kfp.__version__, kfp.TYPE_CHECK) == ("2.17.0", True)
assert placeholders is dsl.placeholders and base_component.BaseComponent is dsl.BaseComponent
assert kfp.dsl is dsl is other and kfp.Client is Client and kfp.compiler.Compiler is Compiler

@component
def add(a: int, b: int) -> int:
    return a + b

@dsl.pipeline(name="sum")
def total(x: int = 1) -> int:
    task: PipelineTask = use_secret_as_env(add(a=x, b=2), "s", {"k": "K"})
    return task.output

Compiler().compile(total, __file__ + ".yaml")

if __name__ == "__main__":
    raise SystemExit("this is not a script now")
"""


@pytest.fixture(autouse=True)
def clean_modules() -> Iterator[None]:
    path = list(sys.path)
    yield
    sys.path[:] = path
    sys.modules.pop(flows.MODULE, None)


def write(folder: Path, text: str) -> str:
    path = folder / "flow.py"
    path.write_text(text)
    return str(path)


def test_a_flow_written_against_kfp(tmp_path: Path) -> None:
    path = write(tmp_path, FLOW)
    flow = flows.load(path)
    assert flow.label == "sum"
    assert flow.document["platform_spec"]["platforms"]["kubernetes"]["deploymentSpec"]["executors"]["exec-add"]
    assert Path(f"{path}.yaml").read_text().startswith("# PIPELINE DEFINITION\n# Name: sum\n")


def test_the_names_are_there_only_while_the_flow_runs(tmp_path: Path) -> None:
    before = list(sys.meta_path)
    flows.load(write(tmp_path, FLOW))
    assert sys.meta_path == before
    assert not [name for name in sys.modules if name.split(".")[0] == "kfp"]
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module("kfp")


@pytest.mark.parametrize("name", sorted(finder._SOURCES))
def test_every_module_has_its_names(name: str) -> None:
    with supplied():
        module = importlib.import_module(name)
        assert module.__name__ == name
        assert [one for one in dir(module) if not hasattr(module, one)] == []
        assert not hasattr(module, "no_such_name")


@pytest.mark.oracle
def test_kfp_has_the_same_modules_and_their_public_names() -> None:
    program = (
        "import importlib, json, sys, warnings\nwarnings.simplefilter('ignore')\n"
        "print(json.dumps({name: getattr(importlib.import_module(name), '__all__', []) for name in sys.argv[1:]}))"
    )
    interpreter = oracles.python("kfp", oracles.KFP)
    answer = subprocess.run(
        [interpreter, "-W", "ignore", "-c", program, *finder._SOURCES], check=True, capture_output=True, text=True
    )
    theirs: dict[str, list[str]] = json.loads(answer.stdout)
    with supplied():
        ours = {name: importlib.import_module(name) for name in theirs}
        missing = [f"{name}.{one}" for name, names in theirs.items() for one in names if not hasattr(ours[name], one)]
    assert missing == []


def test_star_imports() -> None:
    space: dict[str, object] = {}
    with supplied():
        exec("from kfp.dsl import *", space)
    assert space["component"] is wherry.dsl.component
    assert set(wherry.dsl.__all__) <= set(space)


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("import kfp.registry", "kfp.registry"),
        ("from kfp import registry", "kfp.registry"),
        ("from kfp.dsl import executor", "kfp.dsl.executor"),
        ("import kfp.dsl.components", "kfp.dsl.components"),  # wherry's own, which kfp does not have
        ("from kfp import dsl; dsl.no_such", "kfp.dsl.no_such"),
    ],
)
def test_what_is_missing_says_how_to_get_it(tmp_path: Path, line: str, name: str) -> None:
    with pytest.raises(UsageError) as caught:
        flows.load(write(tmp_path, line))
    message = str(caught.value)
    assert f"{name} is not among the names of kfp that wherry has" in message
    assert "pip install kfp==2.17.0" in message
    assert line in (caught.value.hint or "")
    assert "finder.py" not in (caught.value.hint or "")


@pytest.mark.parametrize("package", ["kfp/__init__.py", "kfp.py"])
def test_a_kfp_that_can_be_imported_is_left_alone(tmp_path: Path, package: str) -> None:
    place = tmp_path / package
    place.parent.mkdir(exist_ok=True)
    place.write_text("from wherry import dsl\nmine = True\n")
    text = "import kfp\nassert kfp.mine\ntry:\n    import kfp.dsl\nexcept ModuleNotFoundError as error:\n"
    text += "    assert 'wherry has' not in str(error)\n@kfp.dsl.component\ndef work(): pass\n"
    try:
        assert flows.load(write(tmp_path, text)).label == "work"
    finally:
        sys.modules.pop("kfp", None)


def test_names_are_supplied_within_a_block_that_supplies_them() -> None:
    with supplied():
        with supplied():
            exec("from kfp import dsl", {})
        exec("from kfp import dsl, compiler\ndsl.component", {})
    assert "kfp" not in sys.modules


def test_a_folder_of_that_name_without_code_is_no_kfp(tmp_path: Path) -> None:
    (tmp_path / "kfp" / "pipeline_spec").mkdir(parents=True)
    text = "from kfp import dsl\n@dsl.component\ndef work(): pass\n"
    assert flows.load(write(tmp_path, text)).label == "work"


def test_a_flow_that_sets_up_local_runners(tmp_path: Path) -> None:
    text = (
        "from kfp import dsl, local\n@dsl.component\ndef work() -> int: return 1\n"
        "local.init(runner=local.SubprocessRunner(use_venv=False), pipeline_root='out')\n"
    )
    with pytest.warns(UserWarning, match=r"kfp.local.init has no effect here"):
        assert flows.load(write(tmp_path, text)).label == "work"
    with (
        pytest.warns(UserWarning, match=r"kfp.local.init has no effect here"),
        pytest.raises(UsageError, match=r"work was called outside of a pipeline.*wherry.run\(work"),
    ):
        flows.load(write(tmp_path, f"{text}work()\n"))
    with pytest.raises(UsageError, match="Got unknown runner 5"):
        flows.load(write(tmp_path, "import kfp.local\nkfp.local.init(5)\n"))
